"""Logs with all that makes answers differ between readers, from a seed."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

EPOCH = datetime(2026, 11, 16, 17, 0, tzinfo=UTC)
COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}
BROKEN = (
    '{"request_id": "r0", ',
    '{"request_id": "r0", "function": "f", "status": "200"}',
    '{"request_id": "r1", "function": "f", "status": 200.7, "stage": "response"}',
    '{"request_id":"a","request_id":"b","function":"f","stage":"response","status":200}',
    "{" * 50,
    "x" * 70_000,
    "",
    "   ",
    "starting up",
    '{"level": "info"}',
    "\x00\x00",
)


def _row(chance: random.Random, ids: int) -> dict[str, Any]:
    upstream = chance.choice([200, 200, 200, 204, 404, 429, 503, "timeout", "refused", None])
    row: dict[str, Any] = {
        "request_id": f"r{chance.randrange(ids)}",
        "function": chance.choice(["pay-1", "search", "quote", "caf\u00e9"]),
        "stage": chance.choice(["response"] * 6 + ["exception", "upstream", "slow_query"]),
        "status": chance.choice([200] * 8 + [404, 500, 502, None]),
        "latency_ms": chance.choice([1, 20, 99.5, 999.999, 1000, 3005.25]),
        "error_code": chance.choice([None, None, "TIMEOUT", "E\u00dc"]),
        "upstream_status": upstream,
        "upstream_latency_ms": chance.choice([None, 1, 18.5, 990, 3001]),
    }
    if chance.random() < 0.9:
        row["ts"] = (EPOCH + timedelta(seconds=chance.randrange(7200))).isoformat()
    if chance.random() < 0.05:
        row[chance.choice(["query_label", "region", "zone"])] = "x"
    if chance.random() < 0.01:
        row["v"] = 2
    return row


def lines(seed: int, count: int) -> list[str]:
    """Return lines of records, one in a hundred broken, some twice."""
    chance, ids = random.Random(seed), max(10, count // 2)
    made: list[str] = []
    for _ in range(count):
        if chance.random() < 0.01:
            made.append(chance.choice(BROKEN))
        else:
            made.append(json.dumps(_row(chance, ids), ensure_ascii=chance.random() < 0.5))
            if chance.random() < 0.02:
                made.append(made[-1])
    return made


def write(folder: Path, seed: int, count: int = 3000) -> None:
    """Write them to files of every compression, in a tree with things to pass over; one file ends in half a line."""
    chance = random.Random(seed + 1)
    texts = lines(seed, count)
    chance.shuffle(texts)
    (folder / "deep" / ".hidden").mkdir(parents=True)
    names = [f"{place}{number}.log{ending}" for number, place in enumerate(("", "deep/")) for ending in COMPRESSIONS]
    for number, name in enumerate(names):
        text = "\n".join(texts[number :: len(names)]) + ("\n" if number else "\n" + texts[0][: len(texts[0]) // 2])
        packed = COMPRESSIONS[Path(name).suffix if Path(name).suffix in COMPRESSIONS else ""](text.encode())
        (folder / name).write_bytes(packed)
    whole = (folder / "0.log.gz").read_bytes()
    (folder / "cut.log.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "deep" / ".hidden" / "a.log").write_text("{}\n")
    (folder / "notes.txt").write_text("not a log\n")
