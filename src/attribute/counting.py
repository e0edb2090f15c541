"""
Verdicts and healthy records -> counts, for `attribute.rollup.merge` to add up.

Rows are told apart by the numbers of their values, where there are enough of them for that to pay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from attribute.buckets import bucket_expr, bucket_of
from attribute.coded import FEW, Batch, Coded, Packing
from attribute.frames import COUNTS, INSTANT, LATENCY
from attribute.m1.fields import MAX_MS
from attribute.rollup import Rollup, empty, merge
from attribute.rules.words import NO_CLASS, Reason
from attribute.slots import SLOT

__all__ = ["count_healthy", "count_some_healthy", "count_some_verdicts", "counted_healthy"]

_MINUTE_US: Final = 60_000_000

_RECORD_KEYS: Final = ("function", "stage", "upstream", "status", "upstream_status", "error_code")
_UNKNOWN_BUCKET: Final = bucket_of(MAX_MS) + 1
_BUCKETS: Final = pl.int_range(0, _UNKNOWN_BUCKET, dtype=pl.Int32, eager=True).extend_constant(None, 1)
_BUCKET_OF: Final = {"own": "own", "total": "total", "upstream": "upstream bucket"}
"""The column of buckets of each measure: `upstream` is a key, too."""
_MEASURES: Final = pl.Series(list(_BUCKET_OF))
_ALWAYS_LISTED: Final = 2**16
_HEALTHY_REASONS: Final = pl.Series([Reason.OK.value, Reason.UPSTREAM_FAILURE_ABSORBED.value])


def count_healthy(records: pl.DataFrame, absorbed: pl.Expr, *, slot: timedelta = SLOT) -> Rollup:
    """
    Count ending records of requests that are neither failing nor slow.

    Args:
        records: `RECORDS` columns, one row per request; other columns are ignored.
        absorbed: whether the upstream failed and the function answered well all the same; null counts as no.
        slot: how wide the slots of the latencies are, a multiple of ten minutes.

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
    if records.height <= FEW:
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


def count_some_verdicts(verdicts: pl.DataFrame, *, slot: timedelta = SLOT) -> Rollup:
    """
    Count incident requests, for `merge` alone.

    Args:
        verdicts: `VERDICTS` columns, one row per request; `also_matched`, `flags` and other columns are ignored.
        slot: as for `count_healthy`.

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
    kind, height = pl.String(), absorbed.len()
    return {
        "class": Coded.constant(NO_CLASS, kind, height),
        "rule": Coded.constant(None, kind, height),
        "reason": Coded(absorbed.cast(pl.UInt32), _HEALTHY_REASONS),
    }


def _width_us(slot: timedelta) -> int:
    if slot < SLOT or slot % SLOT:
        raise ValueError("the width of a latency slot is a multiple of ten minutes")
    return slot // timedelta(microseconds=1)
