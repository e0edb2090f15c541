"""
Who is measured: one entry each.

To measure one more way to run `attribute` (a warm cache, say), add an entry; what has to happen before each run, such
as emptying a folder or appending lines, goes into its `before`.
"""

from __future__ import annotations

import gzip
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from benchmarks.speed.measure import Prepared

PEERS = Path(__file__).parent / "peers"
JQ_PROGRAM = (
    "select(.request_id) | [.ts[0:16], .function, .status, .upstream_status,"
    " ((.status // 500) >= 400 or .latency_ms >= 1000)] | @tsv"
)


Reads = Literal["clean", "broken", "gzip", "growing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The same log four times: clean, with broken lines, compressed, and one that grows; and what it grows by."""

    clean: Path
    broken: Path
    gzip: Path
    growing: Path
    new: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Logs:
        """Say where they lie; nothing is written."""
        return cls(
            clean=folder / "clean.jsonl",
            broken=folder / "broken.jsonl",
            gzip=folder / "clean.jsonl.gz",
            growing=folder / "growing.jsonl",
            new=folder / "growing.new",
        )

    def compress(self) -> None:
        """Write the compressed one."""
        with self.clean.open("rb") as source, gzip.open(self.gzip, "wb", compresslevel=6) as target:
            shutil.copyfileobj(source, target, 2**20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """
    A command that reads one log.

    Attributes:
        name: in tables.
        command: without the log.
        reads: which of the logs.
        environment: variables that it is given.
        is_there: whether it can be run here.
        before: what happens before every run, outside the time.
        slow_gb: logs of so many GB and more take it a minute: it reads them once, in the last round.
        most_gb: larger logs are left out.
    """

    name: str
    command: Sequence[str]
    reads: Reads = "clean"
    environment: Mapping[str, str] = field(default_factory=dict)
    is_there: bool = True
    before: Callable[[Path], None] | None = None
    slow_gb: float = math.inf
    most_gb: float = math.inf

    def prepared(self, logs: Logs, size_gb: float) -> Prepared:
        """Return the command on one of *logs*, which have *size_gb*."""
        log: Path = getattr(logs, self.reads)
        before = self.before
        return Prepared(
            name=self.name,
            command=(*self.command, str(log)),
            environment=self.environment,
            before=None if before is None else lambda: before(log),
            once=size_gb >= self.slow_gb,
        )


def _peer(
    name: str,
    script: str,
    *,
    module: str | None = None,
    reads: Reads = "clean",
    slow_gb: float = math.inf,
    most_gb: float = math.inf,
) -> Contender:
    return Contender(
        name=name,
        slow_gb=slow_gb,
        most_gb=most_gb,
        reads=reads,
        command=(sys.executable, str(PEERS / script)),
        is_there=module is None or find_spec(module) is not None,
    )


MOST_TEXT_GB = 1
"""Of a compressed file no more than 2 GiB of text are read."""

SLOW_GB = 10
"""To count the lines of so many takes some a minute and more."""

KEEPING = (sys.executable, "-m", "attribute", "--isolated", "-o", "json")
OURS = (*KEEPING, "--no-cache")


def _run_once(log: Path) -> None:
    """Let the cache hold the log."""
    subprocess.run([*KEEPING, str(log)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _forget(log: Path) -> None:
    """Let the cache hold nothing."""
    shutil.rmtree(log.parent / "attribute", ignore_errors=True)


def _grow(log: Path) -> None:
    """Take the lines of the last time off again, fill the cache, and add the lines that come next."""
    marker = log.with_suffix(".size")
    if not marker.exists():
        marker.write_text(str(log.stat().st_size), encoding="ascii")
    os.truncate(log, int(marker.read_text(encoding="ascii")))
    _run_once(log)
    with log.with_suffix(".new").open("rb") as new, log.open("ab") as file:
        shutil.copyfileobj(new, file, 2**20)


BASES: Mapping[Reads, str] = {
    "clean": "DuckDB",
    "growing": "DuckDB",
    "broken": "DuckDB, 5 % broken lines",
    "gzip": "DuckDB, gzip",
}
"""The contender that the ratios are to: DuckDB reading the same file (of one that grows, before it grew)."""

CONTENDERS = (
    _peer("floor", "floor.py"),
    _peer(BASES["clean"], "duckdb_counts.py", module="duckdb"),
    _peer(BASES["broken"], "duckdb_counts.py", module="duckdb", reads="broken"),
    _peer(BASES["gzip"], "duckdb_counts.py", module="duckdb", reads="gzip", most_gb=MOST_TEXT_GB),
    Contender(name="attribute", command=OURS),
    Contender(
        name="attribute, one thread",
        command=(sys.executable, str(PEERS / "one_thread.py")),
        environment={"POLARS_MAX_THREADS": "1"},
    ),
    Contender(name="attribute, first run", command=KEEPING, before=_forget),
    Contender(name="attribute, nothing new", command=KEEPING, before=_run_once),
    Contender(name="attribute, 5 % broken lines", command=OURS, reads="broken"),
    Contender(name="attribute, gzip", command=OURS, reads="gzip", most_gb=MOST_TEXT_GB),
    _peer("ClickHouse (chdb)", "chdb_counts.py", module="chdb", slow_gb=SLOW_GB),
    _peer("polars", "polars_counts.py", slow_gb=SLOW_GB),
    _peer("Python and orjson", "python_counts.py", slow_gb=SLOW_GB),
    Contender(name="attribute, 1 % new", command=KEEPING, before=_grow, reads="growing"),
    Contender(name="jq", command=("jq", "-r", JQ_PROGRAM), is_there=shutil.which("jq") is not None, slow_gb=SLOW_GB),
)
