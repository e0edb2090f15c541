"""Counts over time, in bins that a chart can show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from attribute.reports.model import Series
from attribute.rules.words import CLASSES

__all__ = ["MAX_BINS", "WIDTHS", "series"]

MAX_BINS: Final = 60
WIDTHS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
"""Widths of a bin in minutes; each divides a day. Beyond them, whole days."""


def series(counts: pl.DataFrame, *, max_bins: int = MAX_BINS) -> Series:
    """
    Return counts over time in at most *max_bins* bins, from the first timed request to the last.

    A bin without any request is a gap (None). Untimed requests are in no bin.
    """
    timed = counts.filter(pl.col("minute").is_not_null())
    if timed.is_empty():
        return Series()
    first, last = timed.select(pl.col("minute").min().alias("first"), pl.col("minute").max().alias("last")).row(0)
    width = _width(first, last, max_bins)
    start = _floor(first, width)
    bins = (last - start) // timedelta(minutes=width) + 1
    frame = (
        timed.with_columns(((pl.col("minute") - start).dt.total_minutes() // width).alias("bin"))
        .group_by("bin")
        .agg(
            pl.col("requests").sum(),
            *(pl.col("requests").filter(pl.col("class") == c.value).sum().alias(c.value) for c in CLASSES),
        )
    )
    rows = {row["bin"]: row for row in frame.iter_rows(named=True)}
    return Series(
        starts=tuple(start + timedelta(minutes=width * number) for number in range(bins)),
        width_minutes=width,
        totals=tuple(rows[number]["requests"] if number in rows else None for number in range(bins)),
        by_class={
            c.value: tuple(rows[number][c.value] if number in rows else None for number in range(bins)) for c in CLASSES
        },
    )


def _width(first: datetime, last: datetime, max_bins: int) -> int:
    for width in WIDTHS:
        if (last - _floor(first, width)) // timedelta(minutes=width) + 1 <= max_bins:
            return width
    days = (last - first) // timedelta(days=1) + 2
    return 1440 * -(-days // (max_bins - 1))


def _floor(at: datetime, width: int) -> datetime:
    midnight = datetime(at.year, at.month, at.day, tzinfo=UTC)
    minutes = (at - midnight) // timedelta(minutes=1)
    return midnight + timedelta(minutes=minutes // width * width)
