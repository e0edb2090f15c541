"""`attribute watch`: what each look shows is what one run would say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from attribute.cli.job import prepare
from attribute.cli.options import AnalysisFlags
from attribute.cli.run import analyse_and_build
from attribute.cli.watch import looks
from attribute.reports.model import Result


def line(number: int, status: int = 502) -> str:
    row = {
        "request_id": f"r{number}", "function": "quote", "stage": "response", "status": status, "latency_ms": 30,
        "error_code": None, "upstream_status": 503 if status >= 500 else 200, "upstream_latency_ms": 20,
        "ts": 1_794_830_400 + number,
    }  # fmt: skip
    return json.dumps(row) + "\n"


def counted(result: Result) -> Iterator[bytes]:
    """Draw nothing but how many requests there are, and how many lines."""
    yield f"{result.requests.total} {result.account.lines}".encode()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def test_each_look_sees_what_was_written_before_it_and_counts_nothing_twice(folder: Path) -> None:
    """Growth, a new file, rotation by renaming and truncation in place are what they are at the time of the look."""
    log = folder / "a.jsonl"
    log.write_text("".join(line(number) for number in range(8000)))

    def grow() -> None:
        with log.open("a") as file:
            file.write(line(8000) + line(8001))

    def add() -> None:
        (folder / "b.jsonl").write_text(line(9000))

    def rotate() -> None:
        log.rename(folder / "a-1.jsonl")
        log.write_text(line(9001))

    def truncate() -> None:
        os.truncate(folder / "a-1.jsonl", len("".join(line(number) for number in range(10))))

    steps = iter((grow, add, rotate, truncate))

    def wait() -> None:
        next(steps)()

    job = prepare(AnalysisFlags(paths=(str(folder),), isolated=True, now="2026-11-17", no_progress=True))
    seen = [b"".join(pieces) for pieces in looks(job, counted, count=5, wait=wait)]
    assert seen == [b"8000 8000", b"8002 8002", b"8003 8003", b"8004 8004", b"12 12"]


def test_watching_that_is_started_again_says_the_same(folder: Path) -> None:
    """What a watch read before it was ended is neither lost nor counted again."""
    (folder / "a.jsonl").write_text("".join(line(number) for number in range(9000)))
    flags = AnalysisFlags(paths=(str(folder),), isolated=True, now="2026-11-17", no_progress=True)
    for _ in range(2):
        (pieces,) = looks(prepare(flags), counted, count=1, wait=lambda: None)
        assert pieces == [b"9000 9000"]
    assert analyse_and_build(prepare(flags)).requests.total == 9000


def test_piped_watch_prints_one_plain_line_per_look(folder: Path) -> None:
    """A log of verdicts can be kept: no escape sequence, one line each."""
    (folder / "a.jsonl").write_text("".join(line(number) for number in range(40)))
    command = [sys.executable, "-m", "attribute", "watch", "--isolated", "--every", "0.5", "--looks", "2", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, b"")
    first, second = done.stdout.splitlines()
    assert first == second
    assert first.startswith(b"VENDOR")
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize("paths", [[], ["-"]])
def test_stream_cannot_be_watched(paths: list[str]) -> None:
    """What was read of a pipe is gone: that is said at once, not found out later."""
    done = subprocess.run(
        [sys.executable, "-m", "attribute", "watch", *paths], capture_output=True, check=False, input=b""
    )
    assert done.returncode == 2
    assert b"standard input cannot be watched" in done.stderr
