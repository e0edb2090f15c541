"""A command line that runs in this process, and one that is a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from attribute.cli.main import run

OURS = """
version = "acme/1"

[[rule]]
id = "ACME-1"
class = "vendor"
summary = "The vendor throttled us."
when = { upstream_status = ["429"], status = ["5xx"] }
why = "They said so."
reasons = [{ reason = "user-rule" }]

[[rule.example]]
expect = "match"
record = { status = 503, upstream_status = 429 }
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class CommandLine:
    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *arguments: str) -> Done:
        self._capfd.readouterr()
        code = run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        captured = self._capfd.readouterr()
        return Done(code, captured.out, captured.err)


@pytest.fixture
def attribute(capfd: pytest.CaptureFixture[str], home: Path) -> CommandLine:
    """Runs a command line in this process, in an empty home and an empty current folder."""
    return CommandLine(capfd)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, and a current folder in it, with nothing of the machine's own settings."""
    for name in list(os.environ):
        if name.startswith(("ATTRIBUTE_", "XDG_", "CLICOLOR")) or name in {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "TZ"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def process(
    *arguments: str, cwd: Path, stdin: bytes | None = b"", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command line as a process of its own; *stdin* None leaves it closed."""
    return subprocess.run(
        [sys.executable, "-m", "attribute", *arguments],
        cwd=cwd,
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, **(env or {})},
    )


def unread(*arguments: str, cwd: Path) -> tuple[int, str]:
    """Runs a command line whose stdout nobody reads: the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "attribute", *arguments],
            cwd=cwd, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, check=False, text=True,
            timeout=60,
        )  # fmt: skip
    finally:
        os.close(writing)
    return done.returncode, done.stderr


def record(number: int, **fields: object) -> str:
    """One healthy M1 line, a second after the one before, unless *fields* say otherwise."""
    row: dict[str, object] = {
        "request_id": f"r{number:05}",
        "function": "quote",
        "stage": "response",
        "status": 200,
        "latency_ms": 100,
        "error_code": None,
        "upstream_status": 200,
        "upstream_latency_ms": 40,
        "ts": f"2026-11-16T02:{number // 60 % 60:02}:{number % 60:02}Z",
        "upstream_calls": 1,
    }
    return json.dumps({**row, **fields})


@pytest.fixture
def logs(home: Path) -> Path:
    """A folder of logs: 300 requests, 60 of them the vendor's failures, and one line that is cut off."""
    lines = [
        record(number, **({"status": 502, "upstream_status": 503} if 200 <= number < 260 else {}))
        for number in range(300)
    ]
    folder = home / "logs"
    folder.mkdir()
    (folder / "app.log").write_text("\n".join([*lines, "not a record", '{"request_id":"x","function":']))
    return folder


@pytest.fixture
def ours(home: Path) -> Path:
    """A rule file of one rule."""
    path = home / "ours.toml"
    path.write_text(OURS)
    return path
