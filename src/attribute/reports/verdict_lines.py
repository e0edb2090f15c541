"""`-o verdicts`: JSON Lines, one per incident request, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson
import polars as pl

from attribute.frames import UPSTREAM_INVALID, UPSTREAM_TIMEOUT
from attribute.reports.escape import json_bytes
from attribute.reports.model import Result
from attribute.reports.writers import Style

__all__ = ["KEYS", "write"]

KEYS: Final = (
    "request_id",
    "at",
    "function",
    "class",
    "rule",
    "reason",
    "also_matched",
    "flags",
    "status",
    "upstream_status",
    "latency_ms",
    "upstream_latency_ms",
    "error_code",
    "joined_from",
)
"""The keys of a line, in this order."""

BATCH_ROWS: Final = 8192


def write(result: Result, style: Style) -> Iterator[bytes]:
    """
    Yield the lines in pieces of whole lines, without ever holding all of them.

    `at` is UTC, null for untimed requests, which come last. `upstream_status` is a status, `timeout`, `invalid` (what
    the log had was no status) or null.
    """
    del style
    upstream = pl.col("upstream_status")
    rows = result.verdicts.select(
        *(pl.col(name) for name in KEYS if name not in {"at", "upstream_status"}),
        pl.col("at").dt.replace_time_zone(None),
        pl.when(upstream > 0).then(upstream).alias("upstream_number"),
        pl.when(upstream == UPSTREAM_TIMEOUT)
        .then(pl.lit("timeout"))
        .when(upstream == UPSTREAM_INVALID)
        .then(pl.lit("invalid"))
        .alias("upstream_word"),
    )
    for batch in rows.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        yield json_bytes(b"".join([_line(row) for row in batch.to_dicts()]))


# orjson writes a datetime without a zone as RFC 3339 with Z: fractions only where there are any.
_OPTIONS: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


def _line(row: dict[str, object]) -> bytes:
    number, word = row.pop("upstream_number"), row.pop("upstream_word")
    row["upstream_status"] = word if number is None else number
    return orjson.dumps({key: row[key] for key in KEYS}, option=_OPTIONS)
