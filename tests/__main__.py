"""
All checks in one command: `python -m tests`.

Lint, types, layers, then the tests with branch coverage. Stops at nothing: every part runs and the exit code is 1 if
any of them failed. Arguments are handed to pytest; with arguments the coverage bar is not asked.

`--cache on`, `--cache off` and `--cache prefilled` run the tests alone, in that mode of the cache (`tests.caching`).
`--times N` has the dearest of the tests that draw examples draw so many times as many (`tests.drawn`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.cache_mode import VARIABLE, Mode
from tests.drawn import VARIABLE as TIMES

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
COVERAGE_PERCENT = 90
WORKERS = "3"
"""One more than two cores: tests wait for servers, browsers and clusters now and then."""


def _run(name: str, *command: str) -> bool:
    print(f"== {name}", flush=True)
    started_at = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, check=False)
    print(
        f"== {name}: {'ok' if done.returncode == 0 else 'FAILED'} ({time.monotonic() - started_at:.0f} s)", flush=True
    )
    return done.returncode == 0


def main() -> int:
    """Run every check and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests", allow_abbrev=False)
    parser.add_argument("--cache", choices=list(Mode), help="run the tests alone, in this mode of the cache")
    parser.add_argument("--times", type=int, default=1, help="draw so many times as many examples")
    said, arguments = parser.parse_known_args()
    os.environ[TIMES] = str(said.times)
    if said.times > 1:
        arguments += ["-o", "faulthandler_timeout=0"]  # a long form has all the time that it wants
    if said.cache is not None:
        os.environ[VARIABLE] = said.cache
        command = [PYTHON, "-m", "pytest", "-n", WORKERS, "--dist", "worksteal", "-m", "not campaign", *arguments]
        return 0 if _run(f"pytest, cache {said.cache}", *command) else 1
    results = [
        _run("ruff check", PYTHON, "-m", "ruff", "check", "--quiet"),
        _run("ruff format", PYTHON, "-m", "ruff", "format", "--check", "--quiet"),
        _run("mypy", PYTHON, "-m", "mypy", "--num-workers", "auto"),
        _run("import-linter", str(Path(PYTHON).parent / "lint-imports")),
    ]
    pytest = [
        PYTHON,
        "-m",
        "pytest",
        "-n",
        WORKERS,
        "--dist",
        "worksteal",
        "--cov",
        "--cov-report=term",
        "-m",
        "not campaign",
        *arguments,
    ]
    if not arguments:
        pytest += [f"--cov-fail-under={COVERAGE_PERCENT}"]
    results.append(_run("pytest", *pytest))
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
