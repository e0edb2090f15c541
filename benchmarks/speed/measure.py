"""Whole processes, side by side, several times: wall time, processor time and peak memory of each."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One finished process."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Medians over runs."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A command ready to run, with what has to happen before every run, and whether one run must do."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    before: Callable[[], None] | None = None
    once: bool = False


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run *command* to its end and return what it cost, children included."""
    started_s = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        wall_s=time.perf_counter() - started_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / 1024,
        exit_code=process.returncode,
    )


def side_by_side(contenders: Sequence[Prepared], *, runs: int) -> dict[str, Figures]:
    """Run all *contenders* in turn, *runs* times after one warm-up, and return the medians of those that succeed."""
    kept: dict[str, list[Run]] = {one.name: [] for one in contenders}
    for number in range(runs + 1):
        for one in contenders:
            if one.once and number != runs:
                continue
            if one.before is not None:
                one.before()
            done = run(one.command, one.environment)
            if number and done.exit_code == 0:
                kept[one.name].append(done)
    return {
        name: Figures(
            wall_s=statistics.median(one.wall_s for one in done),
            cpu_s=statistics.median(one.cpu_s for one in done),
            peak_mb=statistics.median(one.peak_mb for one in done),
            runs=len(done),
        )
        for name, done in kept.items()
        if done
    }
