"""Series and baseline -> hot minutes: those that are evidence of trouble."""

from __future__ import annotations

import math

import polars as pl

from attribute.incidents.baseline import Baseline
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
    total_keys = series.keys(series.minutes)
    totals_before = _running(series.minutes["requests"])
    parts = []
    for part in rows.partition_by("kind", maintain_order=True):
        keys = series.keys(part)
        before = _running(part["n"])
        place = pl.Series("place", range(part.height), dtype=pl.Int64)
        a_week = part.height * _WEEK / (series.last_minute - series.first_minute + 1)
        functions = part["function"].n_unique()
        hot = pl.Series("hot", [False]).new_from_index(0, part.height)
        peak = pl.Series("peak", [0.0]).new_from_index(0, part.height)
        for scale in settings.scales_minutes:
            windows = min(a_week, functions * _WEEK / scale)
            least = max(settings.min_evidence, math.log(windows * settings.chance_weeks))
            end = keys.search_sorted(keys + scale).cast(pl.Int64)
            count = before.gather(end) - before.gather(place)
            total = totals_before.gather(total_keys.search_sorted(keys + scale)) - totals_before.gather(
                total_keys.search_sorted(keys)
            )
            hot_before = _running(hot.cast(pl.Int64))
            untouched = hot_before.gather(end) == hot_before.gather(place)
            window = part.select("share", "dispersion").with_columns(count.alias("x"), total.alias("total"))
            stands_out = window.select(_stands_out(baseline, settings, least)).to_series() & untouched
            opened = stands_out.cast(pl.Int64)
            closed = pl.DataFrame({"end": end.filter(stands_out)}).group_by("end").len().sort("end")
            steps = pl.DataFrame({"place": place, "opened": opened}).join(
                closed.with_columns(pl.col("len").cast(pl.Int64)),
                left_on="place",
                right_on="end",
                how="left",
                maintain_order="left",
            )
            covered = steps.select(pl.col("opened").cum_sum() - pl.col("len").fill_null(0).cum_sum() > 0).to_series()
            hot = hot | covered
            share = pl.select(pl.when(stands_out).then(count / total).otherwise(0.0)).to_series()
            peak = pl.select(pl.max_horizontal(peak, share)).to_series()
        parts.append(part.with_columns(hot.alias("hot"), peak.alias("peak")))
    return pl.concat(parts)


def _running(values: pl.Series) -> pl.Series:
    """Sums of all values before each place, and of all of them at the end."""
    return pl.concat([pl.Series([0], dtype=pl.Int64), values.cum_sum().cast(pl.Int64)])


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
