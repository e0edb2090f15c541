"""
Counts of requests that add up; `attribute.counting` makes them of verdicts and healthy records.

Everything that looks at time (incidents, gate, charts, quantiles) looks at a rollup and at nothing else, so a month of
logs can be read in any order, in pieces and in parallel. `merge` is associative and commutative and has an identity
(`empty`), and a rollup is canonical: two rollups that count the same requests have equal frames.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import polars as pl

from attribute.buckets import bucket_bounds, quantile
from attribute.coded import FEW, Coded, Packing
from attribute.frames import COUNTS, LATENCY

__all__ = ["Rollup", "bucket_bounds", "empty", "merge", "quantile"]

_ADDED_AT_ONCE: Final = 2**16
"""About so many rows are added up at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """
    How many requests there were, and how long they took.

    Attributes:
        counts: a `COUNTS` frame.
        latency: a `LATENCY` frame of the same requests: each adds one to `total`, and one each to `upstream` and `own`
            where its upstream's latency is known.
    """

    counts: pl.DataFrame
    latency: pl.DataFrame

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rollup):
            return NotImplemented
        return self.counts.equals(other.counts) and self.latency.equals(other.latency)

    __hash__ = None  # type: ignore[assignment]  # frames cannot be hashed: a rollup is compared, and is never a key


@cache
def empty() -> Rollup:
    """Return the rollup of no requests at all, the identity of `merge`."""
    return Rollup(COUNTS.to_frame(), LATENCY.to_frame())


def merge(rollups: Iterable[Rollup], *, less: Iterable[Rollup] = ()) -> Rollup:
    """
    Add up *rollups*. Order and grouping do not matter; nothing to merge gives `empty()`.

    Args:
        rollups: what was counted.
        less: what is taken out of it again, exactly: an ending record that looked healthy when it was counted may turn
            out to belong to an incident request.

    Raises:
        ValueError: *less* holds a request that *rollups* do not (a bug of the caller's).
    """
    counts: list[pl.DataFrame] = []
    latency: list[pl.DataFrame] = []
    for sign, parts in ((1, rollups), (-1, less)):
        for part in parts:
            counts.append(part.counts if sign > 0 else part.counts.with_columns(-pl.col("requests")))
            latency.append(part.latency if sign > 0 else part.latency.with_columns(-pl.col("requests")))
    return Rollup(_added(counts, COUNTS), _added(latency, LATENCY))


def _added(frames: Sequence[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    """Add up frames of counts, one stretch of time after the other where they are long: it takes memory to do so."""
    names = schema.names()  # thousands of frames may come in, of which few want a query to put them into this order
    frames = [frame if frame.columns == names else frame.select(names) for frame in frames if frame.height]
    if not frames:
        return schema.to_frame()
    stretches = [_added_at_once(rows, schema) for rows in _stretches(pl.concat(frames), names[0])]
    return pl.concat(stretches)


def _stretches(rows: pl.DataFrame, time: str) -> Iterator[pl.DataFrame]:
    """Cut *rows* into stretches of time that are good to add up, in order; those without a time come first."""
    if rows.height <= _ADDED_AT_ONCE:
        yield rows
        return
    at, times = pl.col(time), rows[time].drop_nulls().sort()
    yield rows.filter(at.is_null())
    edges = times.gather_every(_ADDED_AT_ONCE).unique(maintain_order=True).to_list()
    for since, until in itertools.pairwise([*edges, None]):
        yield rows.filter(at >= since if until is None else (at >= since) & (at < until))


def _added_at_once(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    rows = rows.rechunk()
    if rows.is_empty():
        return schema.to_frame()
    added = _added_few(rows, schema) if rows.height <= FEW else _added_many(rows, schema)
    least = added["requests"].min()
    assert isinstance(least, int)
    if least < 0:
        raise ValueError("a rollup cannot give back requests that it never counted")
    return added if least > 0 else added.filter(pl.col("requests") > 0)


def _added_few(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    keys = [name for name in schema if name != "requests"]
    return rows.group_by(keys).agg(pl.col("requests").sum()).sort(keys, nulls_last=False)


def _added_many(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    keys = {name: Coded.of(rows[name]) for name in schema if name != "requests"}
    return _canonical(keys, rows["requests"])


def _canonical(keys: Mapping[str, Coded], requests: pl.Series) -> pl.DataFrame:
    """Return one row per key, in order of all of them."""
    ranked = {name: column.ranked() for name, column in keys.items()}
    packing = Packing({name: column.values for name, column in ranked.items()})
    codes = pl.DataFrame([column.codes.alias(name) for name, column in ranked.items()])
    packed = codes.select(packing.pack({name: pl.col(name) for name in ranked})).to_series()
    return packing.count(packed, requests)
