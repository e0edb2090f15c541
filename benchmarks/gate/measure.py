"""One seed and volume: what every detector makes of a quiet world, or of one world for each fault."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from attribute.gate.expect import Expectation
from benchmarks.gate.detectors import DETECTORS, Counts, onsets
from benchmarks.gate.ours import Gate
from benchmarks.gate.plain import Plain, Usual
from benchmarks.gate.world import FAULTS, LEAD_DAYS, SLOTS_AN_HOUR, World, make

OURS = ("spike + coverage", "spike alone", "coverage alone")
PLAIN = "spike + coverage, plain"
QUIET_DAYS, FAULTY_DAYS, WEEK = 14, 9, 168
QUIET_SEED = 1000
"""Quiet worlds have seeds of their own, this far from those of faults."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to measure; `plain` says whether to ask the plain detector too."""

    volume: int
    seed: int
    quiet: bool
    functions: int
    plain: bool


@dataclass(frozen=True, kw_only=True)
class Measured:
    """
    What was measured in one world.

    `reds` (quiet worlds) is how often each detector turned red; `delays` (faulty ones) is when it was red first, in
    hours from the fault's `start`; `stats` is what the detectors without a threshold of their own say, hour by hour.
    """

    volume: int
    seed: int
    fault: str | None
    start: int | None = None
    reds: dict[str, int] = field(default_factory=dict)
    delays: dict[str, float | None] = field(default_factory=dict)
    stats: dict[str, list[float]] = field(default_factory=dict)


class Judge(Protocol):
    """Says hour by hour whether a spike, and whether lost coverage, stands out."""

    def fails(self, hour: int) -> tuple[bool, bool]: ...


def measure(task: Task) -> list[Measured]:
    """Judge the worlds of a task."""
    if task.quiet:
        world = make(
            requests_per_day=task.volume, days=QUIET_DAYS, seed=QUIET_SEED + task.seed, functions=task.functions
        )
        return [_quiet(task, world)]
    usual: dict[int, Expectation] = {}
    plain: dict[tuple[int, int], Usual] = {}
    found = []
    for fault in FAULTS:
        world = make(
            requests_per_day=task.volume, days=FAULTY_DAYS, seed=task.seed, fault=fault, functions=task.functions
        )
        found.append(_faulty(task, world, Gate(world, shared=usual), Plain(world, plain) if task.plain else None))
    return found


def _quiet(task: Task, world: World) -> Measured:
    reds: dict[str, int] = {}
    judges: dict[tuple[str, ...], Judge] = {OURS: Gate(world)}
    if task.plain:
        judges[PLAIN,] = Plain(world)
    for names, judge in judges.items():
        red = np.array([judge.fails(hour) for hour in range(LEAD_DAYS * 24, world.hours)])
        for name, alarm in zip(names, (red.any(axis=1), red[:, 0], red[:, 1]), strict=False):
            reds[name] = onsets(np.asarray(alarm))
    stats = {name: _stats(detector(Counts(world))[LEAD_DAYS * 24 - 1 :]) for name, detector in DETECTORS.items()}
    return Measured(volume=task.volume, seed=task.seed, fault=None, reds=reds, stats=stats)


def _faulty(task: Task, world: World, gate: Gate, plain: Plain | None) -> Measured:
    assert world.start is not None
    first = world.start // SLOTS_AN_HOUR + 1
    delays = _delays(world, gate, first, OURS)
    if plain is not None:
        delays[PLAIN] = _delays(world, plain, first, (PLAIN, "", ""))[PLAIN]
    counts = Counts(world)
    stats = {name: _stats(detector(counts)[first - 1 : first - 1 + WEEK]) for name, detector in DETECTORS.items()}
    return Measured(
        volume=task.volume, seed=task.seed, fault=world.fault, start=world.start, delays=delays, stats=stats
    )


def _delays(world: World, judge: Judge, first: int, names: tuple[str, str, str]) -> dict[str, float | None]:
    """When it was red first: for any reason, for a spike, and for lost coverage."""
    assert world.start is not None
    found: dict[str, float | None] = dict.fromkeys(names)
    either, spike, coverage = names
    for hour in range(first, first + WEEK):
        red = judge.fails(hour)
        for name, alarm in ((either, any(red)), (spike, red[0]), (coverage, red[1])):
            if alarm and found[name] is None:
                found[name] = hour - world.start / SLOTS_AN_HOUR
        if None not in found.values() or (not spike and found[either] is not None):
            break
    return found


def _stats(values: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
