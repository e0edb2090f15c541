"""
Verdicts and healthy records -> mergeable counts.

Everything that looks at time (incidents, gate, charts, quantiles) looks at a rollup and at nothing else, so a month of
logs can be read in any order, in pieces and in parallel. `merge` is associative and commutative and has an identity
(`empty`), and a rollup is canonical: two rollups that count the same requests have equal frames.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final

import polars as pl

from attribute.buckets import bucket_bounds, bucket_expr, bucket_of, quantile
from attribute.coded import Batch, Coded, Packing
from attribute.frames import COUNTS, INSTANT, LATENCY
from attribute.m1.fields import MAX_MS
from attribute.rules.words import NO_CLASS, Reason
from attribute.slots import SLOT

__all__ = [
    "OTHER",
    "Rollup",
    "bucket_bounds",
    "bucket_expr",
    "bucket_of",
    "coarsen_latency",
    "compact",
    "count_healthy",
    "count_some_healthy",
    "count_some_verdicts",
    "count_verdicts",
    "counted_healthy",
    "empty",
    "merge",
    "quantile",
    "roll_up",
    "subtract",
]

OTHER: Final = "(other)"
"""What `compact` calls all the names that were too many to keep."""

_MINUTE_US: Final = 60_000_000

_RECORD_KEYS: Final = ("function", "stage", "upstream", "status", "upstream_status", "error_code")
_UNKNOWN_BUCKET: Final = bucket_of(MAX_MS) + 1
_BUCKETS: Final = pl.int_range(0, _UNKNOWN_BUCKET, dtype=pl.Int32, eager=True).extend_constant(None, 1)
_BUCKET_OF: Final = {"own": "own", "total": "total", "upstream": "upstream bucket"}
"""The column of buckets of each measure: `upstream` is a key, too."""
_MEASURES: Final = pl.Series(list(_BUCKET_OF))
_ALWAYS_LISTED: Final = 2**16
_FEW: Final = 2**12
"""To tell so many rows apart by numbers first costs more than it saves."""

_ADDED_AT_ONCE: Final = 2**16
"""About so many rows are added up at once."""
_HEALTHY_REASONS: Final = pl.Series([Reason.OK.value, Reason.UPSTREAM_FAILURE_ABSORBED.value])


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


def count_healthy(records: pl.DataFrame, absorbed: pl.Expr, *, slot: timedelta = SLOT) -> Rollup:
    """
    Count ending records of requests that are neither failing nor slow.

    Args:
        records: `RECORDS` columns, one row per request; other columns are ignored.
        absorbed: whether the upstream failed and the function answered well all the same; null counts as no.
        slot: how wide the slots of the latencies are, see `coarsen_latency`.

    Returns:
        Their rollup, of class `none` and reason `ok` or `upstream-failure-absorbed`.
    """
    seen = records.with_columns(absorbed.fill_null(value=False).alias("absorbed"))["absorbed"]
    return merge([count_some_healthy(Batch.of(records), seen, slot=slot)])


def count_some_healthy(
    records: Batch, absorbed: pl.Series, *, keep: pl.Series | None = None, slot: timedelta = SLOT
) -> Rollup:
    """
    Count healthy requests as `count_healthy` does, for `merge` alone.

    Args:
        records: `RECORDS` columns, one row per request.
        absorbed: of each row, whether the upstream failed all the same; never null.
        keep: which rows count; all where not given.
        slot: as for `count_healthy`.

    Returns:
        Frames that are not canonical yet: a key may stand in several rows, in any order. `merge` puts that right.
    """
    ruled = _ruled_healthy(absorbed)
    if records.height <= _FEW:
        columns = (*_RECORD_KEYS, "at", "latency_ms", "upstream_latency_ms")
        rows = Batch({**records.columns, **ruled}).frame((*columns, *ruled))
        return count_some_verdicts(rows if keep is None else rows.filter(keep), slot=slot)
    return _count(records, ruled, keep=keep, slot=slot)


def counted_healthy(counts: pl.DataFrame, absorbed: pl.Series, latency: pl.DataFrame) -> Rollup:
    """
    Make a rollup of healthy requests that are counted already, for `merge` alone.

    Args:
        counts: columns of `COUNTS` but `class`, `rule` and `reason`.
        absorbed: of each row, whether the upstream failed all the same; never null.
        latency: columns of `LATENCY` of the same requests; other columns are ignored.
    """
    rows = Batch({**Batch.of(counts).columns, **_ruled_healthy(absorbed)})
    return Rollup(rows.frame(COUNTS), pl.DataFrame([latency[name] for name in LATENCY]))


def count_verdicts(verdicts: pl.DataFrame, *, slot: timedelta = SLOT) -> Rollup:
    """
    Count incident requests.

    Args:
        verdicts: `VERDICTS` columns, one row per request; `also_matched`, `flags` and other columns are ignored.
        slot: how wide the slots of the latencies are, see `coarsen_latency`.

    Returns:
        Their rollup.
    """
    return merge([count_some_verdicts(verdicts, slot=slot)])


def count_some_verdicts(verdicts: pl.DataFrame, *, slot: timedelta = SLOT) -> Rollup:
    """
    Count incident requests as `count_verdicts` does, for `merge` alone.

    Returns:
        Frames in no order. Where most requests have a minute and a key of their own, as those of incidents have, this
        takes half the time of telling them apart by numbers first.
    """
    rows = verdicts.lazy()
    at_us, total = pl.col("at").to_physical(), pl.col("latency_ms")
    minute = (at_us // _MINUTE_US * _MINUTE_US).cast(INSTANT).alias("minute")
    keys = ("class", "rule", "reason", *_RECORD_KEYS)
    own = (total - pl.col("upstream_latency_ms")).clip(lower_bound=0)
    buckets = {"total": total, "upstream": pl.col("upstream_latency_ms"), "own": own}
    width_us = _width_us(slot)
    taken = rows.select(
        (at_us // width_us * width_us).cast(INSTANT).alias("slot"),
        "function",
        *(bucket_expr(ms).alias(measure) for measure, ms in buckets.items()),
    )
    measured = taken.unpivot(list(buckets), index=["slot", "function"], variable_name="measure", value_name="bucket")
    requests = pl.len().cast(pl.Int64).alias("requests")
    counts, latency = pl.collect_all(
        [
            rows.select(minute, *keys).group_by("minute", *keys).agg(requests),
            measured.drop_nulls("bucket").group_by("slot", "function", "measure", "bucket").agg(requests),
        ]
    )
    return Rollup(counts.select(COUNTS.names()), latency.select(LATENCY.names()))


def roll_up(*, verdicts: pl.DataFrame, healthy: pl.DataFrame) -> Rollup:
    """
    Count the requests of one whole log.

    Args:
        verdicts: `VERDICTS`, the incident requests.
        healthy: `RECORDS` columns and `reason` (`ok` or `upstream-failure-absorbed`), one row per healthy request.

    Returns:
        The rollup of both. The rollups of two disjoint logs add up (`merge`) to the rollup of both logs.
    """
    rows = Batch.of(healthy)
    calm = _count(rows, {**_unruled(rows.height), "reason": rows.coded("reason")}, keep=None, slot=SLOT)
    return merge([count_some_verdicts(verdicts), calm])


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


def subtract(minuend: Rollup, subtrahend: Rollup) -> Rollup:
    """Return `merge` of *minuend* less *subtrahend*."""
    return merge([minuend], less=[subtrahend])


def compact(
    rollup: Rollup, *, max_functions: int = 1000, max_error_codes: int = 1000, max_other_names: int = 100
) -> Rollup:
    """
    Collapse names that are too many to show into `(other)`, for ever the same way and with the totals unchanged.

    Only the rollup of *all* the input may be compacted: what is kept depends on the whole. Kept are the names with the
    most incident requests, then the most requests, then the first in the alphabet.

    Args:
        rollup: what was counted.
        max_functions: how many functions keep their name.
        max_error_codes: how many error codes do.
        max_other_names: how many stages and how many upstreams do.

    Returns:
        The same rollup, where nothing was too much.
    """
    limits = {
        "function": max_functions,
        "error_code": max_error_codes,
        "stage": max_other_names,
        "upstream": max_other_names,
    }
    counts, latency = rollup.counts, rollup.latency
    for column, limit in limits.items():
        kept = _names_to_keep(counts, column, limit)
        if kept is None:
            continue
        renamed = (
            pl.when(pl.col(column).is_null() | pl.col(column).is_in(kept.implode()))
            .then(pl.col(column))
            .otherwise(pl.lit(OTHER))
        )
        counts = _added([counts.with_columns(renamed)], COUNTS)
        if column in latency.columns:
            latency = _added([latency.with_columns(renamed)], LATENCY)
    return Rollup(counts, latency)


def coarsen_latency(latency: pl.DataFrame, width: timedelta) -> pl.DataFrame:
    """
    Widen the slots of a `LATENCY` frame; quantiles over whole slots stay the same to the last bit.

    Ten-minute slots of many functions barely compress: a million requests of a day over 25 functions are over a
    million rows, a tenth of that in slots of a day. Coarsening before or after a merge gives the same frame.

    Raises:
        ValueError: *width* is no multiple of ten minutes.
    """
    width_us = _width_us(width)
    slot = (pl.col("slot").to_physical() // width_us * width_us).cast(INSTANT).alias("slot")
    return _added([latency.with_columns(slot)], LATENCY)


# -- counting ----------------------------------------------------------------------------------------------------------


def _count(requests: Batch, keys: Mapping[str, Coded], *, keep: pl.Series | None, slot: timedelta) -> Rollup:
    """Count requests by *keys* (`class`, `rule`, `reason`) and what they say themselves; not canonical yet."""
    slot_us = _width_us(slot)
    if not requests.height:
        return empty()
    counted = {**{name: requests.coded(name) for name in _RECORD_KEYS}, **keys}
    total = requests.plain("latency_ms")
    rows = pl.DataFrame(
        [
            *(column.codes.alias(name) for name, column in counted.items()),
            requests.plain("at"),
            _buckets(requests.columns["latency_ms"]).alias("total"),
            _buckets(requests.columns["upstream_latency_ms"]).alias("upstream bucket"),
            _buckets((total - requests.plain("upstream_latency_ms")).clip(lower_bound=0)).alias("own"),
        ]
    )
    minutes, slots = _Stretches.of(rows["at"], _MINUTE_US), _Stretches.of(rows["at"], slot_us)
    by_key = Packing({"minute": minutes.values, **{name: column.values for name, column in counted.items()}})
    by_bucket = Packing(
        {"slot": slots.values, "function": counted["function"].values, "measure": _MEASURES, "bucket": _BUCKETS}
    )
    packed = rows.select(
        by_key.pack({"minute": minutes.code(), **{name: pl.col(name) for name in counted}}).alias("key"),
        *(
            by_bucket.pack(
                {
                    "slot": slots.code(),
                    "function": pl.col("function"),
                    "measure": pl.lit(code),
                    "bucket": pl.col(bucket),
                }
            ).alias(measure)
            for code, (measure, bucket) in enumerate(_BUCKET_OF.items())
        ),
    )
    if keep is not None:
        packed = packed.filter(keep)
    latency = by_bucket.count(pl.concat([packed[measure] for measure in _BUCKET_OF], rechunk=True))
    return Rollup(
        by_key.count(packed["key"]).select(COUNTS.names()),
        latency.filter(pl.col("bucket").is_not_null()).select(LATENCY.names()),
    )


def _buckets(latency_ms: Coded | pl.Series) -> pl.Series:
    """Return the bucket of each latency, or `_UNKNOWN_BUCKET`; of coded ones, each different one is looked at once."""
    if isinstance(latency_ms, Coded):  # among the values may be some of lines that were refused: of no row, of any size
        return _buckets(latency_ms.values.clip(0.0, float(MAX_MS)))[latency_ms.codes]
    bucket = bucket_expr(pl.col("ms")).fill_null(_UNKNOWN_BUCKET).cast(pl.UInt32)
    return latency_ms.alias("ms").to_frame().select(bucket).to_series()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretches:
    """The stretches of time in which the instants of the column `at` lie, numbered."""

    values: pl.Series
    code: Callable[[], pl.Expr]

    @classmethod
    def of(cls, at: pl.Series, width_us: int) -> _Stretches:
        """Number the stretches of *width_us*."""
        first, last = (at.to_physical().min(), at.to_physical().max())
        low, high = (
            (first // width_us, last // width_us) if isinstance(first, int) and isinstance(last, int) else (0, -1)
        )
        place = pl.col("at").to_physical() // width_us
        if high - low < max(_ALWAYS_LISTED, at.len()):
            numbers = pl.int_range(low, high + 1, dtype=pl.Int64, eager=True)
            code = place - low
        else:  # few records over many years
            numbers = (at.to_physical() // width_us).drop_nulls().unique().sort()
            code = pl.when(place.is_not_null()).then(pl.lit(numbers).search_sorted(place))
        values = (numbers * width_us).extend_constant(None, 1).cast(INSTANT)
        return cls(values=values, code=lambda: code.fill_null(numbers.len()).cast(pl.UInt32))


def _ruled_healthy(absorbed: pl.Series) -> dict[str, Coded]:
    """Return `class`, `rule` and `reason` of healthy requests; *absorbed* as for `count_some_healthy`."""
    return {**_unruled(absorbed.len()), "reason": Coded(absorbed.cast(pl.UInt32), _HEALTHY_REASONS)}


def _unruled(height: int) -> dict[str, Coded]:
    kind = pl.String()
    return {"class": Coded.constant(NO_CLASS, kind, height), "rule": Coded.constant(None, kind, height)}


def _width_us(slot: timedelta) -> int:
    if slot < SLOT or slot % SLOT:
        raise ValueError("the width of a latency slot is a multiple of ten minutes")
    return slot // timedelta(microseconds=1)


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
    added = _added_few(rows, schema) if rows.height <= _FEW else _added_many(rows, schema)
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


def _names_to_keep(counts: pl.DataFrame, column: str, limit: int) -> pl.Series | None:
    """Return the names that keep their name, or nothing where there are not too many."""
    incident = pl.when(pl.col("class") != NO_CLASS).then(pl.col("requests")).otherwise(0).sum().alias("incident")
    names = counts.filter(pl.col(column).is_not_null()).group_by(column).agg(incident, pl.col("requests").sum())
    if names.height <= limit:
        return None
    order = [pl.col("incident"), pl.col("requests"), pl.col(column)]
    return names.sort(order, descending=[True, True, False]).head(limit)[column]
