"""Counts -> flat, sorted arrays per function, in which any interval's sum is two look-ups."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from attribute.coded import Coded
from attribute.rules.words import NO_CLASS, Class

__all__ = ["CLASS_OF_KIND", "Kind", "Series", "lay_out"]

_MINUTE_US: Final = 60_000_000


class Kind(StrEnum):
    """What is searched for apart. UNKNOWN is two kinds of traffic with nothing in common."""

    VENDOR = "vendor"
    APPLICATION = "application"
    BOTTLENECK = "bottleneck"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    """UNKNOWN answers 4xx that no upstream call preceded: malformed or unauthenticated traffic, mostly."""


CLASS_OF_KIND: Final = {
    Kind.VENDOR: Class.VENDOR,
    Kind.APPLICATION: Class.APPLICATION,
    Kind.BOTTLENECK: Class.BOTTLENECK,
    Kind.UNKNOWN: Class.UNKNOWN,
    Kind.REFUSED: Class.UNKNOWN,
}


_REFUSED: Final = pl.col("upstream_status").is_null() & pl.col("status").is_between(400, 499)

_KIND_OF_CLASS: Final = pl.col("class").replace_strict(
    {str(of): str(kind) for kind, of in CLASS_OF_KIND.items() if kind != Kind.REFUSED},
    default=None,
    return_dtype=pl.String,
)
KIND: Final = (
    pl.when((pl.col("class") == Class.UNKNOWN.value) & _REFUSED)
    .then(pl.lit(Kind.REFUSED.value))
    .otherwise(_KIND_OF_CLASS)
)
"""The kind of a row of `COUNTS` or `VERDICTS`; null for one without a class."""


@dataclass(frozen=True, slots=True)
class Series:
    """
    The timed requests of a rollup. Minutes are whole numbers, counted from the epoch.

    Attributes:
        functions: their names, in alphabetical order; elsewhere a function is its place in this list.
        first_minute: the first minute that has a request.
        last_minute: the last one.
        minutes: columns `function`, `minute`, `requests`, `healthy`, sorted by the first two; a row per pair that
            occurred.
        occurrences: columns `kind`, `function`, `minute`, `n`, sorted by the first three.
    """

    functions: list[str]
    first_minute: int
    last_minute: int
    minutes: pl.DataFrame
    occurrences: pl.DataFrame

    @property
    def stride(self) -> int:
        """How far apart the keys of two functions are: more than any interval that is asked for reaches."""
        return self.last_minute - self.first_minute + 200_000

    def keys(self, frame: pl.DataFrame) -> pl.Series:
        """Return one ascending number for every (`function`, `minute`) of *frame*."""
        return frame.select(
            (pl.col("function").cast(pl.Int64) * self.stride + (pl.col("minute") - self.first_minute)).alias("key")
        ).to_series()


def lay_out(counts: pl.DataFrame) -> Series | None:
    """Lay out the timed requests of a `COUNTS` frame; nothing where there are none."""
    timed = counts.filter(pl.col("minute").is_not_null())
    if timed.is_empty():
        return None
    of = Coded.of(timed["function"]).ranked()
    numbered = timed.lazy().select(
        (pl.col("minute").to_physical() // _MINUTE_US).alias("minute"),
        pl.lit(of.codes).cast(pl.Int64).alias("function"),
        (pl.col("class") == NO_CLASS).alias("healthy"),
        KIND.alias("kind"),
        "requests",
    )
    totals = (
        numbered.group_by("function", "minute")
        .agg(pl.col("requests").sum(), (pl.col("requests") * pl.col("healthy")).sum().alias("healthy"))
        .sort("function", "minute")
    )
    of_kind = (
        numbered.filter(pl.col("kind").is_not_null())
        .group_by("kind", "function", "minute")
        .agg(pl.col("requests").sum().alias("n"))
        .sort("kind", "function", "minute")
    )
    minutes, occurrences = pl.collect_all([totals, of_kind])
    first, last = minutes.select(pl.col("minute").min().alias("first"), pl.col("minute").max().alias("last")).row(0)
    return Series(of.values.to_list(), first, last, minutes, occurrences)
