"""
What others watch: one number per hour for each detector, over a threshold it is an alarm.

All of them see the same counts as the gate's spike test (UNKNOWN without refused traffic, all functions together) and
the same baseline, the 28 days before the hour. Their thresholds are tuned on quiet worlds, by `tuned`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate.world import KNOWN, SLOTS_AN_HOUR, UNEXPLAINED, World

ALLOWED_PER_WEEK = 0.1
Numbers = NDArray[np.float64]


def _last(values: np.ndarray, slots: int) -> Numbers:
    """Sums over the last *slots*, at the end of every hour."""
    total = np.concatenate([[0], values.cumsum()])
    ends = np.arange(SLOTS_AN_HOUR, len(values) + 1, SLOTS_AN_HOUR)
    return np.asarray(total[ends] - total[np.maximum(ends - slots, 0)], np.float64)


class Counts:
    """UNKNOWN and incident requests of a world, per window at the end of every hour."""

    def __init__(self, world: World) -> None:
        self.unknown = world.counts[:, :, UNEXPLAINED].sum(axis=1)
        self.incident = self.unknown + world.counts[:, :, KNOWN].sum(axis=1)

    def share(self, hours: float, *, least: int = 1) -> Numbers:
        slots = max(round(hours * SLOTS_AN_HOUR), 1)
        unknown, incident = _last(self.unknown, slots), _last(self.incident, slots)
        return np.where(incident >= least, unknown / np.maximum(incident, 1), 0.0)

    def usual(self, hours: int) -> Numbers:
        """The share in the 28 days before a window of *hours*."""
        slots, window = 28 * 24 * SLOTS_AN_HOUR, hours * SLOTS_AN_HOUR
        unknown = _last(self.unknown, slots + window) - _last(self.unknown, window)
        incident = _last(self.incident, slots + window) - _last(self.incident, window)
        return np.asarray((unknown + 0.5) / (incident + 1))

    def z(self, hours: int) -> Numbers:
        """How many standard deviations of chance the share lies over the usual one."""
        slots = hours * SLOTS_AN_HOUR
        unknown, incident, usual = _last(self.unknown, slots), _last(self.incident, slots), self.usual(hours)
        deviation = np.sqrt(np.maximum(incident * usual * (1 - usual), 1e-9) + (incident < 5) * 1e9)
        return np.asarray((unknown - incident * usual) / deviation)


def fixed_share(counts: Counts) -> Numbers:
    return counts.share(24, least=10)


def ratio(counts: Counts) -> Numbers:
    return np.asarray(counts.share(24, least=20) / counts.usual(24))


def p_chart(counts: Counts) -> Numbers:
    return counts.z(1)


def burn_rate(counts: Counts) -> Numbers:
    """The budget is twice the usual share; a long and a short window must both burn it."""
    budget = 2 * counts.usual(72)
    pairs = ((1, 1 / 6, 14.4), (6, 0.5, 6.0), (72, 6, 1.0))
    burns = [
        np.minimum(counts.share(long, least=10), counts.share(short)) / budget / factor for long, short, factor in pairs
    ]
    return np.asarray(np.max(burns, axis=0))


def ewma(counts: Counts) -> Numbers:
    level, smoothed = 0.0, []
    for z in counts.z(1):
        level = 0.8 * level + 0.2 * z
        smoothed.append(level)
    return np.array(smoothed)


DETECTORS: dict[str, Callable[[Counts], Numbers]] = {
    "burn rate 1 h/6 h/3 d": burn_rate,
    "ratio to base, n >= 20": ratio,
    "p-chart 1 h": p_chart,
    "EWMA 0.2 of p-chart": ewma,
    "fixed share of 24 h": fixed_share,
}


def onsets(alarm: np.ndarray) -> int:
    """How often an alarm starts."""
    return int(np.count_nonzero(alarm[1:] & ~alarm[:-1]) + alarm[0])


def tuned(quiet: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the lowest threshold with at most 0.1 alarms a week, or the strictest of all, and its alarms a week."""
    weeks = sum(len(one) for one in quiet) / 168
    values = np.unique(np.concatenate([one[one > 0] for one in quiet]))
    grid = (
        np.unique(np.quantile(values, 1 - np.append(0, np.geomspace(1e-5, 0.5, 300))))
        if len(values)
        else np.array([0.0])
    )
    best: tuple[float, float] | None = None
    for threshold in grid[::-1]:  # from the strictest down: a threshold that is always exceeded starts only one alarm
        alarms = sum(onsets(one > threshold) for one in quiet) / weeks
        if best is not None and alarms > ALLOWED_PER_WEEK:
            break
        best = (float(threshold), alarms)
        if alarms > ALLOWED_PER_WEEK:
            break
    assert best is not None
    return best
