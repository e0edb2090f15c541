"""Series and baseline -> hot minutes: those that are evidence of trouble."""

from __future__ import annotations

import math

import polars as pl

from attribute.incidents.baseline import Baseline
from attribute.incidents.grid import Grid
from attribute.incidents.model import IncidentSettings
from attribute.incidents.series import Series

__all__ = ["hot_minutes"]

_DAY = 1440
_WEEK = 7 * _DAY


def hot_minutes(series: Series, baseline: Baseline, settings: IncidentSettings) -> pl.DataFrame:
    """
    Find the minutes that stand out on one of several scales, small before large.

    A window is hot when it has enough requests of its kind, its share is well over the usual one, and the usual one
    does not explain it (negative binomial likelihood ratio). Its minutes with occurrences become hot. A longer window
    is only asked where no shorter one was hot.

    Returns:
        The occurrences (`kind`, `function`, `minute`, `n`) with `requests` (all of the function in that minute),
        `share` (usual), `hot` and `peak` (share of the hottest window that begins in the minute, 0 where none does).
    """
    rows = (
        series.occurrences.with_columns((pl.col("minute") // _DAY).alias("day"))
        .join(baseline.shares, on=["kind", "function", "day"], how="left", maintain_order="left")
        .join(series.minutes, on=["function", "minute"], how="left", maintain_order="left")
        .drop("day")
    )
    grid = Grid(series, reach=max(settings.scales_minutes))
    totals = grid.sums(series.minutes, series.minutes["requests"])
    parts = []
    for part in rows.partition_by("kind", maintain_order=True):
        counts = grid.sums(part, part["n"])
        places = grid.sums(part, pl.repeat(1, part.height, dtype=pl.Int64, eager=True))
        a_week = part.height * _WEEK / (series.last_minute - series.first_minute + 1)
        functions = part["function"].n_unique()
        windows = part.lazy().with_columns(
            pl.int_range(pl.len()).alias("place"), grid.cell().alias("cell"), hot=pl.lit(value=False), peak=pl.lit(0.0)
        )
        windows = windows.with_columns(
            counts(pl.col("cell")).alias("n before"), totals(pl.col("cell")).alias("total before")
        )
        for scale in settings.scales_minutes:
            in_a_week = min(a_week, functions * _WEEK / scale)
            least = max(settings.min_evidence, math.log(in_a_week * settings.chance_weeks))
            end = pl.col("cell") + scale
            windows = windows.with_columns(
                (counts(end) - pl.col("n before")).alias("x"),
                (totals(end) - pl.col("total before")).alias("total"),
                places(end).alias("end"),
            )
            windows = _look(windows, _stands_out(baseline, settings, least))
        parts.append(windows.select(*part.columns, "hot", "peak"))
    return pl.concat(pl.collect_all(parts))


def _look(windows: pl.LazyFrame, stands_out: pl.Expr) -> pl.LazyFrame:
    """
    Add to `hot` and `peak` what windows show that hold no minute that is hot already.

    Args:
        windows: one per row: it begins at the row of number `place` and ends before that of number `end`. Both ascend.
        stands_out: the test of a window.
    """
    hot = pl.col("hot").cast(pl.Int64)
    untouched = hot.cum_sum().gather(pl.col("end") - 1) == hot.cum_sum() - hot
    reach = pl.when("stands out").then("end").otherwise(0).cum_max()
    share = pl.when("stands out").then(pl.col("x") / pl.col("total")).otherwise(0.0)
    return windows.with_columns((stands_out & untouched).alias("stands out")).with_columns(
        (pl.col("hot") | (reach > pl.col("place"))).alias("hot"), pl.max_horizontal("peak", share).alias("peak")
    )


def _stands_out(baseline: Baseline, settings: IncidentSettings, least: float) -> pl.Expr:
    """Build the test of a window from its `x` (of the kind), `total`, usual `share` and `dispersion`."""
    x, total, usual = pl.col("x"), pl.col("total"), pl.col("share")
    absolute = (x >= settings.absolute_min_requests) & (x >= total * settings.absolute_share)
    if not baseline.any:
        return absolute
    mean = usual * total
    size = 1 / pl.col("dispersion")
    evidence = x * (x / mean).log() - (x + size) * ((x + size) / (mean + size)).log()
    limit = pl.min_horizontal(
        pl.max_horizontal(usual * settings.share_ratio, usual + settings.share_excess),
        usual * settings.rare_ratio + settings.rare_excess,
        (1 + usual) / 2,
    )
    relative = (x >= settings.min_requests) & (x >= total * limit) & (evidence >= least)
    return relative if baseline.solid else relative & absolute
