"""
Who is measured: one entry each.

To measure one more way to run `attribute` (a warm cache, say), add an entry; what has to happen before each run, such
as emptying a folder or appending lines, goes into its `before`.
"""

from __future__ import annotations

import gzip
import shutil
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The same log three times: clean, with broken lines among the others, and compressed."""

    clean: Path
    broken: Path
    gzip: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Logs:
        """Say where they lie; nothing is written."""
        return cls(clean=folder / "clean.jsonl", broken=folder / "broken.jsonl", gzip=folder / "clean.jsonl.gz")

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
    """

    name: str
    command: Sequence[str]
    reads: Literal["clean", "broken", "gzip"] = "clean"
    environment: Mapping[str, str] = field(default_factory=dict)
    is_there: bool = True
    before: Callable[[Path], None] | None = None

    def prepared(self, logs: Logs) -> Prepared:
        """Return the command on one of *logs*."""
        log: Path = {"clean": logs.clean, "broken": logs.broken, "gzip": logs.gzip}[self.reads]
        before = self.before
        return Prepared(
            name=self.name,
            command=(*self.command, str(log)),
            environment=self.environment,
            before=None if before is None else lambda: before(log),
        )


def _peer(name: str, script: str, *, module: str | None = None) -> Contender:
    return Contender(
        name=name,
        command=(sys.executable, str(PEERS / script)),
        is_there=module is None or find_spec(module) is not None,
    )


OURS = (sys.executable, "-m", "attribute", "--isolated", "-o", "json")
BASE = "DuckDB"
"""The contender that the ratios are to."""

CONTENDERS = (
    _peer("floor", "floor.py"),
    _peer(BASE, "duckdb_counts.py", module="duckdb"),
    Contender(name="attribute", command=OURS),
    Contender(name="attribute, 5 % broken lines", command=OURS, reads="broken"),
    Contender(name="attribute, gzip", command=OURS, reads="gzip"),
    Contender(
        name="attribute, one thread",
        command=(sys.executable, str(PEERS / "one_thread.py")),
        environment={"POLARS_MAX_THREADS": "1"},
    ),
    _peer("ClickHouse (chdb)", "chdb_counts.py", module="chdb"),
    _peer("polars", "polars_counts.py"),
    _peer("Python and orjson", "python_counts.py"),
    Contender(name="jq", command=("jq", "-r", JQ_PROGRAM), is_there=shutil.which("jq") is not None),
)
