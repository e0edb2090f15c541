"""Logs that outgrow memory: what is written to a temporary folder lives as long as it is wanted, and no longer."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from attribute.engines.loud import LoudRecords
from attribute.engines.quiet import QuietHashes
from attribute.engines.spill import Scratch
from tests.cli.conftest import CommandLine, record

NOW = ("--now", "2026-11-16T03:00:00Z")
COMMANDS = (
    ("logs", *NOW, "-o", "json"),
    ("logs", *NOW, "-o", "csv"),
    ("logs", *NOW, "-o", "verdicts"),
    ("rules", "diff", "builtin", "ours.toml", "logs"),
    ("report", "incident", *NOW, "logs"),
    ("report", "weekly", *NOW, "--week", "2026-W47", "logs"),
    ("gate", *NOW, "--max-unknown-share", "50%", "logs"),
    ("explain", "vendor", "logs"),
    ("explain", "r00210", "logs"),
)
HELD = """
import attribute.engines.gathering as gathering
from attribute.engines.analysis import AnalysisOptions
from attribute.engines.local import analyse
from attribute.engines.loud import LoudRecords
from attribute.rules.catalogue import builtin

gathering.LoudRecords = lambda budget_bytes: LoudRecords(budget_bytes=0)
analysis = analyse(AnalysisOptions(paths=("logs",), catalogue=builtin()))
again = analysis.verdicts
print(again.collect().height)
"""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@contextlib.contextmanager
def spilling() -> Iterator[list[LoudRecords]]:
    """Leave no record and no hash in memory; yields the heaps of loud records that are made."""
    made: list[LoudRecords] = []

    def loud(*, budget_bytes: int) -> LoudRecords:
        assert budget_bytes > 0
        made.append(LoudRecords(budget_bytes=0))
        return made[-1]

    def quiet(*, budget_bytes: int, threads: int) -> QuietHashes:
        assert budget_bytes > 0
        return QuietHashes(budget_bytes=0, threads=threads)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("attribute.engines.gathering.LoudRecords", loud)
        patch.setattr("attribute.engines.gathering.QuietHashes", quiet)
        yield made


def left_in(folder: Path) -> list[str]:
    """Return what lies in a folder once nothing is being deleted any more."""
    for thread in threading.enumerate():
        if thread.name == "delete what was spilled":
            thread.join()
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_answer_is_the_same_and_nothing_is_left_behind(
    command: tuple[str, ...], attribute: CommandLine, logs: Path, scratch: Path
) -> None:
    """Each command, with all that it holds on disk: what it wrote there is gone once it has answered."""
    (logs / "more.log").write_text(record(400, request_id="throttled", status=503, upstream_status=429))
    with spilling() as made:
        spilled = attribute(*command, "--no-cache")
        assert made or command[:2] == ("explain", "r00210")  # which looks for one request and gathers nothing
        made.clear()
        assert left_in(scratch) == []
    assert spilled.code == (4 if command[0] == "gate" else 0), spilled.err
    assert attribute(*command, "--no-cache") == spilled


def test_what_is_let_go_is_deleted_without_a_thread(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is tidied up anywhere, also while `threading` holds the lock that it takes to start one."""
    spilled = Scratch()
    spilled.write([pl.DataFrame({"hash": [1]})])
    assert len(left_in(scratch)) == 1
    monkeypatch.delattr("threading.Thread.start")
    del spilled
    assert left_in(scratch) == []


def test_what_is_held_to_the_end_of_the_process_is_deleted_then(logs: Path, scratch: Path) -> None:
    """When nobody waits for threads any more."""
    done = subprocess.run([sys.executable, "-c", HELD], cwd=logs.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "60\n", "")
    assert left_in(scratch) == []
