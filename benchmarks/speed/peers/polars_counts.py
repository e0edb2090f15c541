"""Plain polars reads the same file and counts the same: `python polars_counts.py FILE`. Clean files only."""

from __future__ import annotations

import sys

import polars as pl

SCHEMA = {
    "request_id": pl.String,
    "function": pl.String,
    "stage": pl.String,
    "status": pl.Int32,
    "latency_ms": pl.Float64,
    "error_code": pl.String,
    "upstream_status": pl.String,
    "upstream_latency_ms": pl.Float64,
    "ts": pl.String,
}
status, upstream = pl.col("status"), pl.col("upstream_status")
slow = pl.col("latency_ms") >= 1000
class_ = (
    pl.when(~(status.is_null() | (status >= 400) | slow))
    .then(pl.lit("none"))
    .when(upstream.is_null())
    .then(pl.lit("UNKNOWN"))
    .when(((upstream == "timeout") | upstream.str.starts_with("5")) & (status >= 500))
    .then(pl.lit("vendor"))
    .when(upstream.str.starts_with("2") & (status >= 400))
    .then(pl.lit("application"))
    .when(slow & (pl.col("upstream_latency_ms") <= 0.2 * pl.col("latency_ms")))
    .then(pl.lit("application-bottleneck"))
    .otherwise(pl.lit("UNKNOWN"))
)
counts = (
    pl.scan_ndjson(sys.argv[1], schema=pl.Schema(SCHEMA))
    .group_by(pl.col("ts").str.slice(0, 16), "function", status, upstream, class_.alias("class"))
    .agg(pl.len())
    .collect(engine="streaming")
)
print(counts.height, counts["len"].sum())
