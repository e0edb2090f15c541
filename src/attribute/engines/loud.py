"""All loud records, in memory, in a temporary folder, or still in the cache, with the hashes of their requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from attribute.engines.alone import KEYS
from attribute.engines.spill import Spill
from attribute.frames import RECORDS
from attribute.logs.hashes import hash_of

__all__ = ["LoudRecords", "Span", "span_of"]

Span = tuple[datetime, datetime]
"""The earliest and the latest time of some records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deferred:
    """
    Records that nobody has asked for yet.

    Attributes:
        keys: their `KEYS`.
        span: their times; None where none has one.
        load: returns them.
    """

    keys: pl.DataFrame
    span: Span | None
    load: Callable[[], pl.DataFrame]


class LoudRecords:
    """
    A heap of `RECORDS`.

    Args:
        budget_bytes: how much may stay in memory.
    """

    def __init__(self, *, budget_bytes: int) -> None:
        self._spill = Spill(RECORDS, budget_bytes=budget_bytes)
        self._keys: list[pl.DataFrame] = []
        self._deferred: list[_Deferred] = []

    def add(self, records: pl.DataFrame, keys: pl.DataFrame) -> None:
        """Append records and their `KEYS`."""
        self._spill.add(records)
        self._keys.append(keys)

    def add_later(self, keys: pl.DataFrame, span: Span | None, load: Callable[[], pl.DataFrame]) -> None:
        """Append records that are loaded once they are asked for, at most once."""
        self._keys.append(keys)
        self._deferred.append(_Deferred(keys=keys, span=span, load=load))

    def keys(self) -> pl.DataFrame:
        """Return `KEYS` of all records."""
        return pl.concat([KEYS.to_frame(), *self._keys])

    def of(self, hashes: pl.Series) -> Iterator[pl.DataFrame]:
        """Yield the records whose hash is one of *hashes*, with it (`hash`), a bounded piece at a time."""
        wanted = hashes.rename("hash").to_frame()
        self._load(lambda deferred: deferred.keys.join(wanted, on="hash", how="semi").height > 0)
        for frame in self._spill.frames():
            hashed = frame.with_columns(hash_of(pl.col("request_id")).alias("hash"))
            yield hashed.join(wanted, on="hash", how="semi")

    def lazy(self, since: datetime | None = None, until: datetime | None = None) -> pl.LazyFrame:
        """
        Return the records as one lazy frame; valid as long as this object lives.

        Args:
            since: records before it may be missing, and so may those without a time where it is given.
            until: the same, for those at it or later.
        """

        def may_hold(deferred: _Deferred) -> bool:
            if since is None and until is None:
                return True
            if deferred.span is None:
                return False
            first, last = deferred.span
            return (since is None or last >= since) and (until is None or first < until)

        self._load(may_hold)
        return self._spill.lazy()

    def _load(self, wanted: Callable[[_Deferred], bool]) -> None:
        left = []
        for deferred in self._deferred:
            if wanted(deferred):
                self._spill.add(deferred.load())
            else:
                left.append(deferred)
        self._deferred = left


def span_of(records: pl.DataFrame) -> Span | None:
    """Return the earliest and the latest time of *records*, None where none has one."""
    first, last = records.select(pl.col("at").min().alias("first"), pl.col("at").max().alias("last")).row(0)
    return None if first is None else (first, last)
