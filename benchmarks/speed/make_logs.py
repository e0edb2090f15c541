"""
M1 logs of any size from a seed, made without a loop over lines.

About 1 % of the requests are the vendor's 5xx, 1 % timeouts, 1 % answered before any call, 0.5 % our own 5xx and
0.5 % slow; five functions, one record per request, ten days.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

LINES_AT_ONCE = 500_000
FUNCTIONS = ("ingest", "usage-summary", "sync-ping", "usage-daily", "device-token")
START_MS = 1_763_280_000_000
SPAN_MS = 10 * 86_400_000
BROKEN = ('{"request_id":"', "not json at all", '{"request_id":"x","function":"y","status":"200"}')


def _draw(name: str, below: int, seed: int) -> pl.Expr:
    """Return a pseudo-random integer under *below* per line; the same line number and seed give the same one."""
    return (pl.concat_str(pl.lit(name), pl.col("n").cast(pl.String)).hash(seed=seed) % below).cast(pl.Int64)


def lines(first: int, count: int, *, total: int, seed: int, broken_share: float = 0.0) -> pl.Series:
    """Return *count* lines from line *first* of a log of *total* lines."""
    frame = pl.DataFrame({"n": pl.int_range(first, first + count, eager=True)})
    kind = pl.col("kind")
    frame = frame.with_columns(
        _draw("kind", 1000, seed).alias("kind"),
        _draw("id-a", 1 << 60, seed).alias("a"),
        _draw("id-b", 1 << 60, seed).alias("b"),
        _draw("f", len(FUNCTIONS), seed).alias("f"),
        (_draw("own", 40, seed) + 5).alias("own"),
        (_draw("up", 160, seed) + 10).alias("up"),
        (START_MS + (pl.col("n") * SPAN_MS) // total).cast(pl.Datetime("ms")).alias("at"),
    ).with_columns(
        pl.when(kind >= 995).then(pl.col("own") + 1500).otherwise(pl.col("own")).alias("own"),
        pl.when(kind.is_between(10, 19)).then(3000).otherwise(pl.col("up")).alias("up"),
    )
    status = (
        pl.when(kind < 10).then(502).when(kind < 20).then(504).when(kind < 30).then(401).when(kind < 35).then(500)
    ).otherwise(200)
    upstream = (
        pl.when(kind < 10)
        .then(pl.lit("503"))
        .when(kind < 20)
        .then(pl.lit('"timeout"'))
        .when(kind < 30)
        .then(pl.lit("null"))
        .otherwise(pl.lit("200"))
    )
    code = (
        pl.when(kind < 20)
        .then(pl.lit('"SERVER_ERROR"'))
        .when(kind < 30)
        .then(pl.lit('"CLIENT_ERROR"'))
        .when(kind < 35)
        .then(pl.lit('"UNHANDLED_EXCEPTION"'))
        .otherwise(pl.lit("null"))
    )
    waited = pl.when(kind.is_between(20, 29)).then(pl.lit("null")).otherwise(pl.col("up").cast(pl.String))
    text = pl.format(
        '{"request_id":"{}-{}","function":"{}","stage":"response","status":{},"latency_ms":{},"error_code":{},'
        '"upstream_status":{},"upstream_latency_ms":{},"ts":"{}"}'.replace('{"', "\x01", 1).replace('"}', '"\x02'),
        pl.col("a"),
        pl.col("b"),
        pl.col("f").replace_strict(dict(enumerate(FUNCTIONS)), return_dtype=pl.String),
        status,
        pl.col("own") + pl.col("up"),
        code,
        upstream,
        waited,
        pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
    )
    line = text.str.replace("\x01", '{"', literal=True).str.replace("\x02", "}", literal=True)
    if broken_share:
        bad = _draw("bad", 10_000, seed)
        choice = (bad % len(BROKEN)).replace_strict(dict(enumerate(BROKEN)), return_dtype=pl.String)
        line = pl.when(bad < broken_share * 10_000).then(choice).otherwise(line)
    return frame.select(line.alias("line"))["line"]


def write(path: Path, *, line_count: int, seed: int = 1, broken_share: float = 0.0, more: int = 0) -> None:
    """Write a log of *line_count* lines to *path*; or the *more* lines that would come next in it, where asked for."""
    start, end = (line_count, line_count + more) if more else (0, line_count)
    with path.open("wb") as file:
        for first in range(start, end, LINES_AT_ONCE):
            count = min(LINES_AT_ONCE, end - first)
            block = lines(first, count, total=line_count, seed=seed, broken_share=broken_share)
            block.to_frame().write_csv(file, include_header=False, quote_style="never")


if __name__ == "__main__":
    write(
        Path(sys.argv[1]),
        line_count=int(sys.argv[2]),
        seed=int(sys.argv[3]),
        broken_share=float(sys.argv[4]),
        more=int(sys.argv[5]),
    )
