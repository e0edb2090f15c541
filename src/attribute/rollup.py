"""
Verdicts and healthy records -> mergeable counts.

Everything that looks at time (incidents, gate, charts, quantiles) looks at a rollup and at nothing else, so a month of
logs can be read in any order, in pieces and in parallel. `merge` is associative and commutative and has an identity
(`empty`), and a rollup is canonical: two rollups that count the same requests have equal frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from attribute.buckets import bucket_bounds, bucket_expr, bucket_of, quantile
from attribute.frames import COUNTS, INSTANT, LATENCY
from attribute.rules.words import NO_CLASS, Reason

__all__ = [
    "OTHER",
    "SLOT",
    "Rollup",
    "bucket_bounds",
    "bucket_expr",
    "bucket_of",
    "coarsen_latency",
    "compact",
    "count_healthy",
    "count_verdicts",
    "empty",
    "merge",
    "quantile",
    "roll_up",
    "subtract",
]

OTHER: Final = "(other)"
"""What `compact` calls all the names that were too many to keep."""

_MINUTE_US: Final = 60_000_000
SLOT: Final = timedelta(minutes=10)
"""How wide the slots of `LATENCY` are where nobody asks for wider ones."""

_COUNT_KEYS: Final = tuple(name for name in COUNTS if name != "requests")
_LATENCY_KEYS: Final = tuple(name for name in LATENCY if name != "requests")
_RECORD_KEYS: Final = ("function", "stage", "upstream", "status", "upstream_status", "error_code")
_PACKED_LIMIT: Final = 2**62


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


def empty() -> Rollup:
    """Return the rollup of no requests at all, the identity of `merge`."""
    return Rollup(COUNTS.to_frame(), LATENCY.to_frame())


def count_healthy(records: pl.DataFrame, absorbed: pl.Expr, *, slot: timedelta = SLOT) -> Rollup:
    """
    Count ending records of requests that are neither failing nor slow.

    A call has some ten milliseconds of its own, so pieces of a few hundred thousand records suit it best.

    Args:
        records: `RECORDS` columns, one row per request; other columns are ignored.
        absorbed: whether the upstream failed and the function answered well all the same; null counts as no.
        slot: how wide the slots of the latencies are, see `coarsen_latency`.

    Returns:
        Their rollup, of class `none` and reason `ok` or `upstream-failure-absorbed`.
    """
    ok, was_absorbed = Reason.OK.value, Reason.UPSTREAM_FAILURE_ABSORBED.value
    return _count(
        records,
        pl.when(absorbed).then(pl.lit(was_absorbed)).otherwise(pl.lit(ok)).alias("reason"),
        keys=("reason",),
        constants={"class": NO_CLASS, "rule": None},
        slot=slot,
    )


def count_verdicts(verdicts: pl.DataFrame, *, slot: timedelta = SLOT) -> Rollup:
    """
    Count incident requests.

    Args:
        verdicts: `VERDICTS` columns, one row per request; `also_matched`, `flags` and other columns are ignored.
        slot: how wide the slots of the latencies are, see `coarsen_latency`.

    Returns:
        Their rollup.
    """
    return _count(verdicts, keys=("class", "rule", "reason"), constants={}, slot=slot)


def roll_up(*, verdicts: pl.DataFrame, healthy: pl.DataFrame) -> Rollup:
    """
    Count the requests of one whole log.

    Args:
        verdicts: `VERDICTS`, the incident requests.
        healthy: `RECORDS` columns and `reason` (`ok` or `upstream-failure-absorbed`), one row per healthy request.

    Returns:
        The rollup of both. The rollups of two disjoint logs add up (`merge`) to the rollup of both logs.
    """
    calm = _count(healthy, keys=("reason",), constants={"class": NO_CLASS, "rule": None})
    return merge([count_verdicts(verdicts), calm])


def merge(rollups: Iterable[Rollup]) -> Rollup:
    """Add up *rollups*. Order and grouping do not matter; nothing to merge gives `empty()`."""
    parts = [part for part in rollups if part.counts.height or part.latency.height]
    if not parts:
        return empty()
    if len(parts) == 1:
        return parts[0]
    return Rollup(
        _added([part.counts for part in parts], _COUNT_KEYS, COUNTS),
        _added([part.latency for part in parts], _LATENCY_KEYS, LATENCY),
    )


def subtract(minuend: Rollup, subtrahend: Rollup) -> Rollup:
    """
    Take requests that were counted out again, exactly.

    An ending record that looked healthy when it was counted may turn out to belong to an incident request.

    Raises:
        ValueError: *subtrahend* holds a request that *minuend* does not (a bug of the caller's).
    """
    minus = pl.col("requests").neg()
    frames = []
    for have, take, keys, schema in (
        (minuend.counts, subtrahend.counts, _COUNT_KEYS, COUNTS),
        (minuend.latency, subtrahend.latency, _LATENCY_KEYS, LATENCY),
    ):
        left = _added([have, take.with_columns(minus)], keys, schema) if take.height else have
        if left.height and left.select(pl.col("requests").min()).item() < 0:
            raise ValueError("a rollup cannot give back requests that it never counted")
        frames.append(left.filter(pl.col("requests") != 0))
    return Rollup(frames[0], frames[1])


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
        counts = _added([counts.with_columns(renamed)], _COUNT_KEYS, COUNTS)
        if column in latency.columns:
            latency = _added([latency.with_columns(renamed)], _LATENCY_KEYS, LATENCY)
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
    return _added([latency.with_columns(slot)], _LATENCY_KEYS, LATENCY)


# -- counting ----------------------------------------------------------------------------------------------------------


def _count(
    requests: pl.DataFrame,
    *added: pl.Expr,
    keys: Sequence[str],
    constants: dict[str, str | None],
    slot: timedelta = SLOT,
) -> Rollup:
    slot_us = _width_us(slot)
    if requests.is_empty():
        return empty()
    own = (pl.col("latency_ms") - pl.col("upstream_latency_ms")).clip(lower_bound=0)
    count_keys = ("minute", *_RECORD_KEYS, *keys)
    # Category sets of their own: the process-wide one would keep every name of a hostile log for ever.
    coded = (
        requests.lazy()
        .with_columns(*added)
        .select(
            pl.col("at").to_physical().floordiv(_MINUTE_US).alias("minute"),
            pl.col("at").to_physical().floordiv(slot_us).alias("slot"),
            *(
                pl.col(name).cast(pl.Categorical(pl.Categories.random())) if COUNTS[name] == pl.String else name
                for name in (*_RECORD_KEYS, *keys)
            ),
            bucket_expr(pl.col("latency_ms")).alias("total"),
            bucket_expr(pl.col("upstream_latency_ms")).alias("upstream bucket"),
            bucket_expr(own).alias("own"),
        )
        .collect()
    )
    physical = coded.select(pl.all().to_physical().cast(pl.Int64))
    ranges = dict(zip(coded.columns, zip(physical.min().row(0), physical.max().row(0), strict=True), strict=True))
    counts = _tally(coded, count_keys, ranges).select(
        (pl.col("minute") * _MINUTE_US).cast(INSTANT),
        *(pl.col(name).cast(COUNTS[name]) for name in (*_RECORD_KEYS, *keys)),
        *(pl.lit(value, pl.String).alias(name) for name, value in constants.items()),
        "requests",
    )
    latency = [
        _tally(coded, ("slot", "function", bucket), ranges, required=bucket).select(
            (pl.col("slot") * slot_us).cast(INSTANT),
            pl.col("function").cast(pl.String),
            pl.lit(measure).alias("measure"),
            pl.col(bucket).cast(pl.Int32).alias("bucket"),
            "requests",
        )
        for measure, bucket in (("total", "total"), ("upstream", "upstream bucket"), ("own", "own"))
    ]
    frames = pl.collect_all(
        [
            counts.select(COUNTS.names()).sort(_COUNT_KEYS),
            pl.concat(latency).sort(_LATENCY_KEYS),
        ]
    )
    return Rollup(frames[0], frames[1])


def _width_us(slot: timedelta) -> int:
    if slot < SLOT or slot % SLOT:
        raise ValueError("the width of a latency slot is a multiple of ten minutes")
    return slot // timedelta(microseconds=1)


def _tally(
    coded: pl.DataFrame,
    keys: Sequence[str],
    ranges: Mapping[str, tuple[int | None, int | None]],
    *,
    required: str | None = None,
) -> pl.LazyFrame:
    """
    Count rows by *keys* (whole numbers and categoricals): the columns of `group_by(keys)`, and `requests`.

    All keys of a row are packed into one whole number, which sorts faster than rows of strings hash. Rows without
    *required* are left out.
    """
    columns = coded.lazy().select(keys).drop_nulls(required) if required else coded.lazy().select(keys)
    first = {key: ranges[key][0] or 0 for key in keys}
    size = {key: (ranges[key][1] or 0) - first[key] + 2 for key in keys}  # one more, for null
    if math.prod(size.values()) >= _PACKED_LIMIT:  # hostile: more names and minutes than fit
        return columns.group_by(keys).agg(pl.len().cast(pl.Int64).alias("requests"))
    packed = pl.lit(0, pl.Int64)
    for key in keys:
        packed = packed * size[key] + (pl.col(key).to_physical().cast(pl.Int64) - (first[key] - 1)).fill_null(0)
    unpacked = []
    rest = pl.col("value")
    for key in reversed(keys):
        code = rest % size[key]
        rest = rest // size[key]
        number = pl.when(code > 0).then(code + (first[key] - 1))
        dtype = coded.schema[key]
        unpacked.append(
            (number.cast(pl.UInt32).cat.to(dtype) if isinstance(dtype, pl.Categorical) else number).alias(key)
        )
    runs = columns.select(packed.sort().rle().alias("run")).unnest("run")
    return runs.select(*unpacked, pl.col("len").cast(pl.Int64).alias("requests"))


def _added(frames: Sequence[pl.DataFrame], keys: Sequence[str], schema: pl.Schema) -> pl.DataFrame:
    added = pl.concat(frames).lazy().group_by(keys).agg(pl.col("requests").sum()).sort(keys)
    return added.select(schema.names()).collect()


def _names_to_keep(counts: pl.DataFrame, column: str, limit: int) -> pl.Series | None:
    """Return the names that keep their name, or nothing where there are not too many."""
    incident = pl.when(pl.col("class") != NO_CLASS).then(pl.col("requests")).otherwise(0).sum().alias("incident")
    names = counts.filter(pl.col(column).is_not_null()).group_by(column).agg(incident, pl.col("requests").sum())
    if names.height <= limit:
        return None
    order = [pl.col("incident"), pl.col("requests"), pl.col(column)]
    return names.sort(order, descending=[True, True, False]).head(limit)[column]
