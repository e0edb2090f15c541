"""
Batches of 300 buckets a second through the whole service, and what that costs beside a bare upsert.

    python -m benchmarks.ingest_load                 10 seconds per store, SQLite and, where it is installed, PostgreSQL
    python -m benchmarks.ingest_load --seconds 60

The service runs as its own process on loopback, four clients send without pause, every reply is awaited. SQLite runs
with `synchronous=FULL`, PostgreSQL with `fsync=on`. The bare upsert writes the same 300 rows into one table with the
same key in one transaction with `synchronous=FULL`, in process and without HTTP: no ledger, no rollup, no JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from attribute.ingest.credentials import hash_of, new_secret
from attribute.ingest.model import Bucket, Delivery, Device
from attribute.ingest.stores.interface import StoreOptions
from attribute.ingest.stores.opening import open_store
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.wire import COUNT_NAMES, hour_start_of, read_delivery, window_at
from tests.ingest_store.postgres import Server, binaries

BUCKETS = 300
CLIENTS = 4
PATH = "/functions/vibescore-ingest"
BAR_BATCHES_PER_S = 40
BAR_P99_MS = 150


class Load(NamedTuple):
    """What was measured: batches a second and latencies as the clients saw them, and what a batch cost the server."""

    name: str
    batches_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    failed: int


def bodies(seed: int, count: int = 40) -> list[bytes]:
    chance = random.Random(seed)
    last = window_at(datetime.now(UTC)).last_slot - 1
    return [
        json.dumps(
            {
                "hourly": [
                    {
                        "source": "codex",
                        "model": f"model-{index % 3}",
                        "hour_start": hour_start_of(last - chance.randrange(4) * 100 - index // 3),
                        **{name: chance.randrange(10**6) for name in COUNT_NAMES},
                    }
                    for index in range(BUCKETS)
                ]
            }
        ).encode()
        for _ in range(count)
    ]


@contextmanager
def served(store_url: str, folder: Path) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "attribute", "ingest", "serve", "--store", store_url, "--port", "0"]
    command += ["--log", str(folder / "m1.jsonl"), "--key-file", str(folder / "key")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = next(line.split("//")[-1].strip() for line in process.stderr if "listening on" in line)
        try:
            yield address, process.pid
        finally:
            process.terminate()


def load(name: str, store_url: str, folder: Path, seconds: float) -> Load:
    with closing(open_store(StoreOptions(url=store_url))) as store:
        tokens = [new_secret() for _ in range(CLIENTS)]
        for number, token in enumerate(tokens):
            store.issue_token(
                user_id=f"user-{number % 2}", name="bench", platform="bench", sha256=hash_of(token), at_us=0
            )
    latencies: list[float] = []
    failed: list[int] = []
    with served(store_url, folder) as (address, pid):
        cpu_before_s = cpu_s(pid)
        until = time.perf_counter() + seconds
        senders = [
            threading.Thread(target=send, args=(address, token, bodies(number), until, latencies, failed))
            for number, token in enumerate(tokens)
        ]
        began = time.perf_counter()
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        took = time.perf_counter() - began
        cpu_ms = (cpu_s(pid) - cpu_before_s) * 1000 / len(latencies)
    ranked = statistics.quantiles(latencies, n=100)
    return Load(name, len(latencies) / took, ranked[49], ranked[98], cpu_ms, len(failed))


def cpu_s(pid: int) -> float:
    """CPU time of a process so far, as the kernel counts it; unlike the rates, it does not depend on the neighbours."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send(
    address: str, token: str, batches: list[bytes], until: float, latencies: list[float], failed: list[int]
) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with closing(HTTPConnection(address, timeout=30)) as connection:
        number = 0
        while time.perf_counter() < until:
            began = time.perf_counter()
            connection.request("POST", PATH, batches[number % len(batches)], headers)
            answer = connection.getresponse()
            answer.read()
            latencies.append((time.perf_counter() - began) * 1000)
            if answer.status != 200:
                failed.append(answer.status)
            number += 1


def in_process(folder: Path, seconds: float) -> tuple[float, float]:
    """Batches a second of the store alone, and of a bare upsert of the same rows."""
    window = window_at(datetime.now(UTC))
    batches = [read_delivery(body, window=window) for body in bodies(9)]
    with closing(SqliteStore(folder / "store.db")) as store:
        device = store.issue_token(user_id="u", name="n", platform="p", sha256=b"h" * 32, at_us=0)
        stored = _rate(lambda number: _write(store, device, number, batches[number % len(batches)]), seconds)
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as bare:
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("PRAGMA synchronous = FULL")
        bare.execute(
            "CREATE TABLE fact (user_id, device_id, source, model, slot, a, b, c, d, e,"
            " PRIMARY KEY (user_id, device_id, source, model, slot)) WITHOUT ROWID"
        )
        upserted = _rate(lambda number: _upsert(bare, batches[number % len(batches)]), seconds)
    return stored, upserted


def _rate(work: object, seconds: float) -> float:
    assert callable(work)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        work(count)
        count += 1
    return count / (time.perf_counter() - began)


def _write(store: SqliteStore, device: Device, number: int, buckets: tuple[Bucket, ...]) -> None:
    place = store.next_ticket(device)
    store.write(
        Delivery(
            request_id=f"r{number}",
            device=device,
            buckets=buckets,
            place=place,
            body_sha256=b"b" * 32,
            received_at_us=number,
        )
    )


def _upsert(connection: sqlite3.Connection, buckets: tuple[Bucket, ...]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "INSERT INTO fact VALUES ('u', 'd', ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " a = excluded.a, b = excluded.b, c = excluded.c, d = excluded.d, e = excluded.e",
        buckets,
    )
    connection.execute("COMMIT")


@contextmanager
def postgres() -> Iterator[str | None]:
    programs = binaries()
    if programs is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="attribute-pg-"))
    server = Server(folder, programs)
    try:
        server.make()
        server.start(durable=True)
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    seconds = parser.parse_args().seconds
    print(f"{os.cpu_count()} cores, {CLIENTS} clients, batches of {BUCKETS} buckets, {seconds:.0f} s each")
    with tempfile.TemporaryDirectory() as name, postgres() as dsn:
        folder = Path(name)
        found = [load("SQLite FULL", str(folder / "load.db"), folder, seconds)]
        if dsn is None:
            print("PG NOT MEASURED: no server is installed")
        else:
            found.append(load("PostgreSQL", dsn, folder, seconds))
        stored, upserted = in_process(folder, seconds / 2)
    for one in found:
        print(
            f"{one.name:<12} {one.batches_per_s:6.1f} batches/s {one.batches_per_s * BUCKETS:8.0f} buckets/s"
            f"  p50 {one.p50_ms:5.1f} ms  p99 {one.p99_ms:6.1f} ms  server CPU {one.cpu_ms:4.1f} ms/batch"
            f"  failed {one.failed}"
        )
    print(
        f"in process, one writer: store {stored:.1f} batches/s, bare upsert {upserted:.1f}: {upserted / stored:.1f} x"
    )
    sqlite = found[0]
    met = sqlite.batches_per_s >= BAR_BATCHES_PER_S and sqlite.p99_ms <= BAR_P99_MS and not sqlite.failed
    print(f"bar of {BAR_BATCHES_PER_S} batches/s at p99 {BAR_P99_MS} ms: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
