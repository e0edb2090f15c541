"""Series and baseline -> hot minutes: those that are evidence of trouble."""

from __future__ import annotations

import math

import polars as pl

from attribute.incidents.baseline import Baseline
from attribute.incidents.model import IncidentSettings
from attribute.incidents.series import Kind, Series

__all__ = ["hot_minutes"]

_DAY = 1440
_WEEK = 7 * _DAY
_HOT = {
    "kind": pl.String(),
    "function": pl.Int64(),
    "minute": pl.Int64(),
    "row": pl.Int64(),
    "n": pl.Int64(),
    "n_after": pl.Int64(),
    "share": pl.Float64(),
    "peak": pl.Float64(),
}


def hot_minutes(series: Series, baseline: Baseline, settings: IncidentSettings) -> pl.DataFrame:
    """
    Find the minutes that stand out on one of several scales, small before large.

    A window is hot when it has enough requests of its kind, its share is well over the usual one, and the usual one
    does not explain it (negative binomial likelihood ratio). Its minutes with occurrences become hot. A longer window
    is only asked where no shorter one was hot.

    Returns:
        The hot minutes, sorted by `kind`, `function` and `minute`: `row` (place among the series' minutes), `n` of the
        kind, `n_after` (running sum of it over the series, this minute included), `share` (usual) and `peak` (share of
        the hottest window that begins in the minute, 0 where none does).
    """
    scales = settings.scales_minutes
    minutes = series.minutes.lazy().with_columns(
        (pl.col("minute") // _DAY).alias("day"),
        pl.int_range(pl.len()).alias("row"),
        *((pl.col("key").search_sorted(pl.col("key") + scale) - 1).alias(f"last_{scale}") for scale in scales),
    )
    laid = minutes.with_columns(_inside("requests", scale).alias(f"total_{scale}") for scale in scales).collect()
    candidates = pl.collect_all([_candidates(laid.lazy(), kind, baseline, settings) for kind in series.kinds])
    found = [
        _hot_of_kind(laid, kind, windows, baseline, settings)
        for kind, windows in sorted(zip(series.kinds, candidates, strict=True), key=lambda one: one[0])
        if not windows.is_empty()
    ]
    return pl.concat([pl.DataFrame(schema=_HOT), *found])


def _inside(column: str, scale: int) -> pl.Expr:
    """Sum up *column* over the window that begins in a minute."""
    running = pl.col(column).cum_sum()
    return running.gather(pl.col(f"last_{scale}")) - running + pl.col(column)


def _candidates(minutes: pl.LazyFrame, kind: Kind, baseline: Baseline, settings: IncidentSettings) -> pl.LazyFrame:
    """
    Keep the minutes of *kind* in which a window begins that is large enough, on some scale.

    They are few, and nothing dear need be done with the others: a window that is too small beside the least of all
    usual shares is too small beside its own.
    """
    scales = settings.scales_minutes
    shares = baseline.shares.filter(pl.col("kind") == kind.value).drop("kind")
    least = pl.lit(shares["share"].min(), pl.Float64)
    large = [_is_large(pl.col(f"x_{scale}"), pl.col(f"total_{scale}"), least, baseline, settings) for scale in scales]
    return (
        minutes.select(
            pl.col("function", "day", "row"),
            pl.col(kind.value).alias("n"),
            pl.col([f"{of}_{scale}" for of in ("last", "total") for scale in scales]),
            *(_inside(kind.value, scale).alias(f"x_{scale}") for scale in scales),
        )
        .filter((pl.col("n") > 0) & pl.any_horizontal(large))
        .join(shares.lazy(), on=["function", "day"], how="left", maintain_order="left")
    )


def _hot_of_kind(
    minutes: pl.DataFrame, kind: Kind, candidates: pl.DataFrame, baseline: Baseline, settings: IncidentSettings
) -> pl.DataFrame:
    """Find the hot minutes of one kind, among the windows of *candidates*."""
    occurs = minutes[kind.value] > 0
    hot = pl.repeat(value=False, n=minutes.height, dtype=pl.Boolean, eager=True)
    peaks: list[pl.DataFrame] = []
    for scale, least in _least_evidence(minutes, occurs, settings).items():
        windows = candidates.select(
            "row",
            pl.col(f"last_{scale}").alias("last"),
            pl.col(f"x_{scale}").alias("x"),
            pl.col(f"total_{scale}").alias("total"),
            "share",
            "dispersion",
        ).filter(_is_large(pl.col("x"), pl.col("total"), pl.col("share"), baseline, settings))
        if baseline.any:  # not in one step with the last: few windows come to it, and its logarithms are dear
            windows = windows.filter(_evidence() >= least)
        if peaks:
            hot_before = hot.cum_sum()
            windows = windows.filter(
                (hot_before.gather(windows["last"]) == hot_before.gather(windows["row"])) & ~hot.gather(windows["row"])
            )
        if not windows.is_empty():
            hot |= occurs & _covered(windows, minutes.height)
            peaks.append(windows.select("row", (pl.col("x") / pl.col("total")).alias("peak")))
    if not peaks:
        return pl.DataFrame(schema=_HOT)
    of_kind = minutes.lazy().select(
        pl.lit(kind.value).alias("kind"),
        pl.col("function", "minute", "day", "row"),
        pl.col(kind.value).alias("n"),
        pl.col(kind.value).cum_sum().alias("n_after"),
    )
    return (
        of_kind.filter(hot)
        .join(baseline.shares.lazy(), on=["kind", "function", "day"], how="left", maintain_order="left")
        .join(
            pl.concat(peaks).lazy().group_by("row").agg(pl.col("peak").max()),
            on="row",
            how="left",
            maintain_order="left",
        )
        .with_columns(pl.col("peak").fill_null(0.0))
        .select(*_HOT)
        .collect()
    )


def _least_evidence(minutes: pl.DataFrame, occurs: pl.Series, settings: IncidentSettings) -> dict[int, float]:
    """Say for each scale how much evidence a window needs: more where more are looked at, for chance to fill."""
    first, last = minutes.select(pl.col("minute").min().alias("first"), pl.col("minute").max().alias("last")).row(0)
    count, functions = minutes.filter(occurs).select(pl.len(), pl.col("function").n_unique()).row(0)
    a_week = count * _WEEK / (last - first + 1)
    return {
        scale: max(settings.min_evidence, math.log(min(a_week, functions * _WEEK / scale) * settings.chance_weeks))
        for scale in settings.scales_minutes
    }


def _covered(windows: pl.DataFrame, height: int) -> pl.Series:
    """Say of every row whether it lies in one of *windows*."""
    opened = windows.lazy().select("row", pl.lit(1).alias("step"))
    closed = windows.lazy().select(pl.col("last").cast(pl.Int64).alias("row") + 1, pl.lit(-1).alias("step"))
    return (
        pl.LazyFrame({"row": pl.int_range(height, eager=True)})
        .join(
            pl.concat([opened, closed]).group_by("row").agg(pl.col("step").sum()),
            on="row",
            how="left",
            maintain_order="left",
        )
        .select(pl.col("step").fill_null(0).cum_sum() > 0)
        .collect()
        .to_series()
    )


def _is_large(x: pl.Expr, total: pl.Expr, usual: pl.Expr, baseline: Baseline, settings: IncidentSettings) -> pl.Expr:
    """Build the test of a window's *x* requests of the kind, of its *total*, against the *usual* share."""
    absolute = (x >= settings.absolute_min_requests) & (x >= total * settings.absolute_share)
    if not baseline.any:
        return absolute
    limit = pl.min_horizontal(
        pl.max_horizontal(usual * settings.share_ratio, usual + settings.share_excess),
        usual * settings.rare_ratio + settings.rare_excess,
        (1 + usual) / 2,
    )
    relative = (x >= settings.min_requests) & (x >= total * limit)
    return relative if baseline.solid else relative & absolute


def _evidence() -> pl.Expr:
    """Build the log-likelihood ratio of a window's `x` of `total` against its usual `share` and `dispersion`."""
    x = pl.col("x")
    mean = pl.col("share") * pl.col("total")
    size = 1 / pl.col("dispersion")
    return x * (x / mean).log() - (x + size) * ((x + size) / (mean + size)).log()
