"""Counts -> flat, sorted arrays per function, in which any interval's sum is two look-ups."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

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

_UNANSWERED: Final = pl.col("upstream_status").is_null() & (pl.col("status").is_null() | (pl.col("status") >= 500))

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


_KIND_IS: Final = {
    **{kind: pl.col("class") == of.value for kind, of in CLASS_OF_KIND.items()},
    Kind.UNKNOWN: (pl.col("class") == Class.UNKNOWN.value) & ~_REFUSED.fill_null(value=False),
    Kind.REFUSED: (pl.col("class") == Class.UNKNOWN.value) & _REFUSED,
}
"""`KIND`, taken apart: comparing is several times as fast as naming, which is felt with every row of a log."""


@dataclass(frozen=True, slots=True)
class Series:
    """
    The timed requests of a rollup. Minutes are whole numbers, counted from the epoch.

    Attributes:
        functions: their names, in alphabetical order; elsewhere a function is its place in this list.
        first_minute: the first minute that has a request.
        last_minute: the last one.
        minutes: columns `function`, `minute`, `key`, `requests`, `healthy`, one for each kind, named after it, with its
            requests, and `unanswered` with those UNKNOWN ones that failed and of which no upstream's answer is known,
            sorted by the first two; a row per pair that occurred. `key` ascends.
        kinds: those that occurred.
    """

    functions: list[str]
    first_minute: int
    last_minute: int
    minutes: pl.DataFrame
    kinds: tuple[Kind, ...]

    @property
    def stride(self) -> int:
        """How far apart the keys of two functions are: more than any interval that is asked for reaches."""
        return _stride(self.first_minute, self.last_minute)

    def keys(self, frame: pl.DataFrame) -> pl.Series:
        """Return one ascending number for every (`function`, `minute`) of *frame*."""
        return frame.select(
            (pl.col("function").cast(pl.Int64) * self.stride + (pl.col("minute") - self.first_minute)).alias("key")
        ).to_series()


def _stride(first_minute: int, last_minute: int) -> int:
    return last_minute - first_minute + 200_000


def lay_out(counts: pl.DataFrame) -> Series | None:
    """Lay out the requests of a `COUNTS` frame that has no untimed ones; nothing where there are none."""
    if counts.is_empty():
        return None
    names = counts["function"].unique().sort()
    minute = pl.col("minute").to_physical() // _MINUTE_US
    first, last = counts.select(minute.min().alias("first"), minute.max().alias("last")).row(0)
    stride = _stride(first, last)
    function = pl.col("function").cast(pl.Enum(names)).to_physical().cast(pl.Int64)
    sums = {"requests": pl.col("requests"), "healthy": _only(pl.col("class") == NO_CLASS)} | {
        kind.value: _only(_KIND_IS[kind]) for kind in Kind
    }
    sums["unanswered"] = _only(_KIND_IS[Kind.UNKNOWN] & _UNANSWERED)
    minutes = (
        counts.lazy()
        .select((function * stride + (minute - first)).alias("key"), **sums)
        .group_by("key")
        .agg(pl.col(*sums).sum())
        .sort("key")
        .select(
            (pl.col("key") // stride).alias("function"),
            (pl.col("key") % stride + first).alias("minute"),
            pl.col("key", *sums),
        )
        .collect()
    )
    most = minutes.select(pl.col(kind.value).max() for kind in Kind).row(0)
    kinds = tuple(kind for kind, n in zip(Kind, most, strict=True) if n)
    return Series(names.to_list(), first, last, minutes, kinds)


def _only(mask: pl.Expr) -> pl.Expr:
    return pl.when(mask).then("requests").otherwise(0)
