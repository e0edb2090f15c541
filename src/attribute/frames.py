"""
The frames that pass from stage to stage: records -> requests -> verdicts -> rollup.

`records` is made from the table of fields in `attribute.m1.fields`; the later frames extend it. A frame always has
all its columns, in this order, also when it has no rows. `upstream_status` is a status, `UPSTREAM_TIMEOUT`,
`UPSTREAM_INVALID` or null (not seen).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from attribute.m1.fields import FIELDS, UPSTREAM_INVALID, UPSTREAM_TIMEOUT, Kind

__all__ = ["COUNTS", "INSTANT", "LATENCY", "RECORDS", "REQUESTS", "UPSTREAM_INVALID", "UPSTREAM_TIMEOUT", "VERDICTS"]

INSTANT: Final = pl.Datetime("us", "UTC")

_TYPE_OF_KIND: Final[dict[Kind, pl.DataType]] = {
    Kind.TEXT: pl.String(),
    Kind.STATUS: pl.Int16(),
    Kind.UPSTREAM_STATUS: pl.Int16(),
    Kind.MILLISECONDS: pl.Float64(),
    Kind.COUNT: pl.Int32(),
    Kind.INSTANT: INSTANT,
}


def _records_schema() -> pl.Schema:
    columns: dict[str, pl.DataType] = {}
    for field in FIELDS:
        if field.kind is Kind.VERSION:  # counted by the decoder, of no use later
            continue
        columns["at" if field.kind is Kind.INSTANT else field.name] = _TYPE_OF_KIND[field.kind]
    return pl.Schema(columns)


RECORDS: Final = _records_schema()
"""One row per record. `at` is `ts`, else the envelope's time, else null (*untimed*). UTC, microseconds."""

REQUESTS: Final = pl.Schema({**RECORDS, "joined_from": pl.String(), "records": pl.Int32()})
"""
One row per request: its deciding record, with the evidence joined from its other records.

`joined_from` is the stage of the record that lent evidence, null where nothing was joined; `records` counts the
request's distinct records.
"""

VERDICTS: Final = pl.Schema(
    {
        **REQUESTS,
        "class": pl.String(),
        "rule": pl.String(),
        "reason": pl.String(),
        "also_matched": pl.List(pl.String()),
        "flags": pl.List(pl.String()),
    }
)
"""One row per incident request. `class` is one of the four; `rule` is null where no rule matched."""

COUNTS: Final = pl.Schema(
    {
        "minute": INSTANT,
        "function": pl.String(),
        "stage": pl.String(),
        "upstream": pl.String(),
        "class": pl.String(),
        "rule": pl.String(),
        "reason": pl.String(),
        "status": pl.Int16(),
        "upstream_status": pl.Int16(),
        "error_code": pl.String(),
        "requests": pl.Int64(),
    }
)
"""
How many requests, per minute and key. `minute` is the start of the minute (UTC), null for untimed requests.
`class` is one of the four, or `none` for healthy requests (`reason` then `ok` or `upstream-failure-absorbed`).
Sorted by all key columns, nulls first; `requests` at least 1.
"""

LATENCY: Final = pl.Schema(
    {
        "slot": INSTANT,
        "function": pl.String(),
        "measure": pl.String(),
        "bucket": pl.Int32(),
        "requests": pl.Int64(),
    }
)
"""
Latency in log-linear buckets, per ten-minute slot (null for untimed), function and measure: `total` (`latency_ms`),
`upstream` (`upstream_latency_ms`) and `own` (total less upstream, at least 0, where both are known).
Sorted by all key columns, nulls first.
"""
