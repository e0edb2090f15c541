"""
How fast lines become records: megabytes a second of each way, on lines made from a seed.

    python -m benchmarks.decode [--lines 300000] [--broken 0.05] [--style compact|spaced]

`exact` decodes line by line, `fast` is `decode_chunk` in two threads; `read_ndjson` and `duckdb` only read the same
columns and check nothing. Needs duckdb, which no list of requirements has: `pip install duckdb`.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import polars as pl

from attribute.logs.chunks import CHUNK_BYTES, Chunk
from attribute.logs.lines import decode_chunk

FUNCTIONS = ["ingest", "usage-summary", "leaderboard", "heatmap", "user-status", "sync-ping", "device-token"]
COLUMNS = [
    *["ts", "request_id", "function", "stage", "status", "latency_ms", "error_code", "upstream_status"],
    "upstream_latency_ms",
]


def make_lines(count: int, *, broken_share: float, style: str, seed: int = 7) -> bytes:
    """Make lines of about 230 bytes, a share of them broken in one of several ways."""
    draw = random.Random(seed)
    comma, colon = (", ", ": ") if style == "spaced" else (",", ":")
    at_ms = 1_794_787_200_000
    lines: list[str] = []
    for _ in range(count):
        at_ms += draw.randrange(40)
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000))
        status = draw.choices([200, 400, 401, 500, 502], [95, 1, 1, 1, 2])[0]
        latency_ms = int(draw.lognormvariate(4.5, 0.9))
        bits = f"{draw.getrandbits(128):032x}"
        values = [
            f'"{clock}.{at_ms % 1000:03d}Z"',
            f'"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"',
            f'"{draw.choice(FUNCTIONS)}"',
            '"response"' if draw.random() < 0.97 else '"upstream"',
            str(status),
            str(latency_ms),
            "null" if status < 400 else '"UPSTREAM_ERROR"',
            draw.choices(["200", "503", '"timeout"', "null"], [95, 2, 1, 2])[0],
            str(int(latency_ms * draw.random())),
        ]
        line = "{" + comma.join(f'"{key}"{colon}{value}' for key, value in zip(COLUMNS, values, strict=True)) + "}"
        if draw.random() < broken_share:
            at = draw.randrange(1, len(line))
            line = draw.choice([line[:at], line[:at] + line, line + ",", "Traceback:", line[:at] + "\0" + line[at:]])
        lines.append(line)
    return ("\n".join(lines) + "\n").encode()


def chunks_of(data: bytes) -> list[Chunk]:
    chunks: list[Chunk] = []
    at = 0
    while at < len(data):
        end = data.rfind(b"\n", at, at + CHUNK_BYTES) + 1
        chunks.append(Chunk(data=data[at:end], lines=data.count(b"\n", at, end)))
        at = end
    return chunks


def decode_all(chunks: Sequence[Chunk], *, fast_from: int, threads: int) -> int:
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(lambda chunk: decode_chunk(chunk, fast_from=fast_from).records.height, chunks))


def count_with_duckdb(path: Path) -> int:
    columns = ", ".join(f"{name}: 'VARCHAR'" for name in COLUMNS)
    query = f"SELECT count(request_id) FROM read_ndjson('{path}', columns={{{columns}}})"
    counted = duckdb.connect().execute(query).fetchone()
    assert counted is not None
    return int(counted[0])


def best_seconds(run: Callable[[], int], repeats: int) -> tuple[float, int]:
    best, answer = float("inf"), 0
    for _ in range(repeats):
        began = time.perf_counter()
        answer = run()
        best = min(best, time.perf_counter() - began)
    return best, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--broken", type=float, default=0.0)
    parser.add_argument("--style", choices=["compact", "spaced"], default="compact")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    data = make_lines(given.lines, broken_share=given.broken, style=given.style)
    chunks = chunks_of(data)
    schema = dict.fromkeys(COLUMNS, pl.String)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m1.jsonl"
        path.write_bytes(data)
        ways: dict[str, Callable[[], int]] = {
            "fast": lambda: decode_all(chunks, fast_from=0, threads=2),
            "exact": lambda: decode_all(chunks[:1], fast_from=10**9, threads=1),
        }
        if not given.broken:  # the others die of broken lines, or take them for nulls
            ways["read_ndjson"] = lambda: pl.read_ndjson(data, schema=schema).height
            ways["duckdb"] = lambda: count_with_duckdb(path)
        print(f"{given.lines} lines, {len(data) / 1e6:.0f} MB, {given.broken:.0%} broken, {given.style}")
        for name, run in ways.items():
            seconds, records = best_seconds(run, given.repeats if name != "exact" else 1)
            size = len(chunks[0].data) if name == "exact" else len(data)
            print(f"  {name:12} {size / seconds / 1e6:7.0f} MB/s  {seconds:6.3f} s  {records} records")


if __name__ == "__main__":
    main()
