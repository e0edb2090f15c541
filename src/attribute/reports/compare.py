"""Two sets of counts, side by side: what is new, what is more, what is gone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

__all__ = ["Change", "changes"]

_FEW: Final = 5
_FACTOR: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    One key, now and before.

    Attributes:
        key: the values, in the order of the columns that were asked for.
        requests: how many now.
        before: how many before.
        expected: how many that makes one expect now, at the traffic of now.
        word: `new`, `more`, `fewer`, `gone`, or `as usual`.
    """

    key: tuple[str | int | None, ...]
    requests: int
    before: int
    expected: float
    word: str

    @property
    def surprise(self) -> float:
        """Return how far from the expected it is, in about standard deviations."""
        return abs(self.requests - self.expected) / math.sqrt(self.requests + self.expected + 1)


def changes(now: pl.DataFrame, before: pl.DataFrame, *, keys: Sequence[str], scale: float) -> tuple[Change, ...]:
    """
    Compare how often keys occur.

    Args:
        now: rows of `COUNTS`.
        before: the same, of other requests.
        keys: columns that make a key.
        scale: requests of all kinds now over those before.

    Returns:
        One change per key that occurs in either, the most surprising first.
    """
    order = [pl.col(key) for key in keys]
    ours = now.group_by(*keys).agg(pl.col("requests").sum())
    theirs = before.group_by(*keys).agg(pl.col("requests").sum().alias("before"))
    both = ours.join(theirs, on=list(keys), how="full", coalesce=True, nulls_equal=True).sort(order, nulls_last=False)
    found = []
    for row in both.iter_rows(named=True):
        requests, old = row["requests"] or 0, row["before"] or 0
        expected = old * scale
        found.append(
            Change(
                key=tuple(row[key] for key in keys),
                requests=requests,
                before=old,
                expected=expected,
                word=_word(requests, old, expected),
            )
        )
    return tuple(sorted(found, key=lambda change: -change.surprise))  # stable: equal ones stay sorted by key


def _word(requests: int, before: int, expected: float) -> str:
    if not before:
        return "new"
    if not requests:
        return "gone"
    if requests >= _FEW and requests > _FACTOR * expected:
        return "more"
    if expected >= _FEW and requests * _FACTOR < expected:
        return "fewer"
    return "as usual"
