"""Series and baseline -> hot minutes: those that are evidence of trouble."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

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
    failing = _failing(series, settings.scales_minutes)
    candidates = pl.collect_all([_candidates(failing, series, kind, baseline, settings) for kind in series.kinds])
    found = [pl.DataFrame(schema=_HOT)]
    for kind, windows in sorted(zip(series.kinds, candidates, strict=True), key=lambda one: one[0]):
        if not windows.is_empty():
            occurrences = _occurrences(failing, kind)
            least = _least_evidence(occurrences, series.last_minute - series.first_minute + 1, settings)
            found.append(_hot_of_kind(occurrences, windows, least, baseline, settings))
    return pl.concat(found)


def _failing(series: Series, scales: Sequence[int]) -> pl.DataFrame:
    """
    Keep the series' minutes in which any kind occurred, with the windows that begin there.

    Adds `day`, `row` (place among the series' minutes), and for each scale `last_...` (row of the window's last minute)
    and `total_...` (its requests of any class).
    """
    keys, requests = series.minutes["key"], series.minutes["requests"].cum_sum()
    return (
        series.minutes.lazy()
        .with_columns(
            (pl.col("minute") // _DAY).alias("day"),
            pl.int_range(pl.len()).alias("row"),
            (pl.col("requests").cum_sum() - pl.col("requests")).alias("before"),
        )
        .filter(pl.any_horizontal(pl.col(kind.value) > 0 for kind in series.kinds))
        .with_columns(
            (pl.lit(keys).search_sorted(pl.col("key") + scale) - 1).alias(f"last_{scale}") for scale in scales
        )
        .with_columns(
            (pl.lit(requests).gather(f"last_{scale}") - pl.col("before")).alias(f"total_{scale}") for scale in scales
        )
        .drop("before")
        .collect()
    )


def _candidates(
    failing: pl.DataFrame, series: Series, kind: Kind, baseline: Baseline, settings: IncidentSettings
) -> pl.LazyFrame:
    """
    Keep the minutes of *kind* in which a window begins that is large enough, on some scale.

    They are few, and nothing dear need be done with the others: a window that is too small beside the least of all
    usual shares is too small beside its own.
    """
    scales = settings.scales_minutes
    shares = baseline.shares.filter(pl.col("kind") == kind.value).drop("kind")
    least = pl.lit(shares["share"].min(), pl.Float64)
    running = series.minutes[kind.value].cum_sum()
    before = pl.lit(running).gather("row") - pl.col(kind.value)
    large = [_is_large(pl.col(f"x_{scale}"), pl.col(f"total_{scale}"), least, baseline, settings) for scale in scales]
    return (
        failing.lazy()
        .filter(pl.col(kind.value) > 0)
        .select(
            pl.col("function", "day", "row"),
            pl.col([f"{of}_{scale}" for of in ("last", "total") for scale in scales]),
            *((pl.lit(running).gather(f"last_{scale}") - before).alias(f"x_{scale}") for scale in scales),
        )
        .filter(pl.any_horizontal(large))
        .join(shares.lazy(), on=["function", "day"], how="left", maintain_order="left")
    )


def _occurrences(failing: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Columns `place`, `kind`, `function`, `minute`, `day`, `row`, `n`, `n_after`; only where the kind occurred."""
    n = pl.col(kind.value)
    return (
        failing.lazy()
        .filter(n > 0)
        .select(
            pl.lit(kind.value).alias("kind"),
            pl.col("function", "minute", "day", "row"),
            n.alias("n"),
            n.cum_sum().alias("n_after"),
        )
        .with_row_index("place")
        .collect()
    )


def _hot_of_kind(
    occurrences: pl.DataFrame,
    candidates: pl.DataFrame,
    least_evidence: Mapping[int, float],
    baseline: Baseline,
    settings: IncidentSettings,
) -> pl.DataFrame:
    """Find the hot minutes of one kind, among the windows of *candidates*."""
    rows = occurrences["row"]
    hot = pl.repeat(value=False, n=rows.len(), dtype=pl.Boolean, eager=True)
    peaks: list[pl.DataFrame] = []
    for scale, least in least_evidence.items():
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
        windows = windows.select(
            rows.search_sorted(windows["row"]).alias("place"),
            rows.search_sorted(windows["last"], side="right").alias("end"),
            (pl.col("x") * (1 / pl.col("total"))).alias("peak"),  # as polars divides where all totals are one
        )
        if peaks:
            before = pl.concat([pl.Series([0], dtype=pl.UInt32), hot.cum_sum()])
            windows = windows.filter(before.gather(windows["end"]) == before.gather(windows["place"]))
        if not windows.is_empty():
            hot |= _covered(windows, rows.len())
            peaks.append(windows.select("place", "peak"))
    if not peaks:
        return pl.DataFrame(schema=_HOT)
    peak = pl.concat(peaks).lazy().group_by("place").agg(pl.col("peak").max())
    return (
        occurrences.lazy()
        .filter(hot)
        .join(baseline.shares.lazy(), on=["kind", "function", "day"], how="left", maintain_order="left")
        .join(peak, on="place", how="left", maintain_order="left")
        .with_columns(pl.col("peak").fill_null(0.0))
        .select(*_HOT)
        .collect()
    )


def _least_evidence(occurrences: pl.DataFrame, span: int, settings: IncidentSettings) -> dict[int, float]:
    """Say for each scale how much evidence a window needs: more where more are looked at, for chance to fill."""
    a_week = occurrences.height * _WEEK / span
    functions = occurrences["function"].n_unique()
    return {
        scale: max(settings.min_evidence, math.log(min(a_week, functions * _WEEK / scale) * settings.chance_weeks))
        for scale in settings.scales_minutes
    }


def _covered(windows: pl.DataFrame, height: int) -> pl.Series:
    """Say of every place whether it lies in one of *windows*."""
    opened = windows.lazy().select("place", pl.lit(1).alias("step"))
    closed = windows.lazy().select(pl.col("end").alias("place"), pl.lit(-1).alias("step"))
    steps = pl.concat([opened, closed]).group_by("place").agg(pl.col("step").sum())
    return (
        pl.LazyFrame({"place": pl.int_range(height, dtype=pl.get_index_type(), eager=True)})
        .join(steps, on="place", how="left", maintain_order="left")
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
