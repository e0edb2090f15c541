"""Series and baseline -> hot minutes: those that are evidence of trouble."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
        The hot minutes, sorted by `kind`, `function` and `minute`: `row` (place among the series' minutes), `n` of the
        kind, `n_after` (running sum of it, this minute included), `share` (usual) and `peak` (share of the hottest
        window that begins in the minute, 0 where none does).
    """
    rows = _occurrences(series, baseline, settings.scales_minutes)
    per_kind = rows.group_by("kind").agg(pl.len(), pl.col("function").n_unique()).rows()
    span = series.last_minute - series.first_minute + 1
    found: list[pl.DataFrame] = []
    hot: pl.Series | None = None
    for scale in settings.scales_minutes:
        windows = rows.select(
            "place", "kind", "share", "dispersion", *(pl.col(f"{of}_{scale}").alias(of) for of in ("end", "x", "total"))
        ).filter(_is_large(baseline, settings))
        least = {
            kind: max(
                settings.min_evidence,
                math.log(min(count * _WEEK / span, functions * _WEEK / scale) * settings.chance_weeks),
            )
            for kind, count, functions in per_kind
        }
        # Two steps: few windows come to the second, and the logarithms in it are dear.
        if baseline.any and not windows.is_empty():
            windows = windows.filter(_is_unexplained(pl.col("kind").replace_strict(least, return_dtype=pl.Float64)))
        if hot is not None:
            hot_before = pl.concat([pl.Series([0], dtype=pl.UInt32), hot.cum_sum()])
            windows = windows.filter(hot_before.gather(windows["end"]) == hot_before.gather(windows["place"]))
        if not windows.is_empty():
            found.append(windows.select("place", (pl.col("x") / pl.col("total")).alias("peak")))
            covered = _covered(windows, rows.height)
            hot = covered if hot is None else hot | covered
    if hot is None:
        return rows.clear().with_columns(pl.lit(0.0).alias("peak"))
    peaks = pl.concat(found).group_by("place").agg(pl.col("peak").max())
    return (
        rows.filter(hot)
        .join(peaks, on="place", how="left", maintain_order="left")
        .with_columns(pl.col("peak").fill_null(0.0))
    )


def _occurrences(series: Series, baseline: Baseline, scales: Sequence[int]) -> pl.DataFrame:
    """
    Lay out the minutes in which each kind occurred, by kind, function and minute, with the windows that begin there.

    Of the window of each scale, `x` is how many requests of the kind it has, `total` how many of any, and `end` is the
    place of the first occurrence after it.
    """
    minutes = series.minutes.lazy().with_columns(
        (pl.col("minute") // _DAY).alias("day"),
        pl.int_range(pl.len()).alias("row"),
        *((pl.col("key").search_sorted(pl.col("key") + scale) - 1).alias(f"last_{scale}") for scale in scales),
    )
    minutes = minutes.with_columns(_inside("requests", scale).alias(f"total_{scale}") for scale in scales).collect()
    parts, before = [], 0
    for kind in sorted(series.kinds):
        occurs = pl.col(kind.value) > 0
        parts.append(
            minutes.lazy()
            .select(
                pl.lit(kind.value).alias("kind"),
                "function",
                "minute",
                "row",
                "day",
                pl.col(kind.value).alias("n"),
                pl.col(kind.value).cum_sum().alias("n_after"),
                *(_inside(kind.value, scale).alias(f"x_{scale}") for scale in scales),
                *(
                    (occurs.cum_sum().gather(pl.col(f"last_{scale}")) + before).alias(f"end_{scale}")
                    for scale in scales
                ),
                *(f"total_{scale}" for scale in scales),
            )
            .filter(pl.col("n") > 0)
        )
        before += int(minutes.select(occurs.sum()).item())
    shares = baseline.shares.lazy()
    return (
        pl.concat(parts)
        .join(shares, on=["kind", "function", "day"], how="left", maintain_order="left")
        .with_row_index("place")
        .collect()
    )


def _inside(column: str, scale: int) -> pl.Expr:
    """Sum up *column* over the window that begins in a minute."""
    running = pl.col(column).cum_sum()
    return running.gather(pl.col(f"last_{scale}")) - running + pl.col(column)


def _covered(windows: pl.DataFrame, height: int) -> pl.Series:
    """Say of every occurrence whether it lies in one of *windows*."""
    opened = windows.select("place", pl.lit(1).alias("step"))
    closed = windows.select(pl.col("end").alias("place"), pl.lit(-1).alias("step"))
    steps = pl.concat([opened, closed]).lazy().group_by("place").agg(pl.col("step").sum())
    return (
        pl.LazyFrame({"place": pl.int_range(height, dtype=pl.UInt32, eager=True)})
        .join(steps, on="place", how="left", maintain_order="left")
        .select(pl.col("step").fill_null(0).cum_sum() > 0)
        .collect()
        .to_series()
    )


def _is_large(baseline: Baseline, settings: IncidentSettings) -> pl.Expr:
    """Build the test of a window's `x` (of the kind) beside its `total` and the usual `share`."""
    x, total, usual = pl.col("x"), pl.col("total"), pl.col("share")
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


def _is_unexplained(least: pl.Expr) -> pl.Expr:
    """Build the test of how much evidence a window is against the usual `share` and `dispersion`."""
    x = pl.col("x")
    mean = pl.col("share") * pl.col("total")
    size = 1 / pl.col("dispersion")
    return x * (x / mean).log() - (x + size) * ((x + size) / (mean + size)).log() >= least
