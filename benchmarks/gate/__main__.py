"""
Measure the gate and five other detectors on simulated traffic.

    python -m benchmarks.gate                       # the table of docs/gate.md; an hour or so on one core
    python -m benchmarks.gate --seeds 3 --volumes 500 50000

Every hour is judged, as a cron job would. A false alarm is the start of a stretch of red in a world without fault; a
fault is found when an hour after its start is red; the delay is from the fault's start.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.gate.detectors import DETECTORS, Counts, onsets, tuned
from benchmarks.gate.ours import Gate
from benchmarks.gate.world import FAULTS, LEAD_DAYS, SLOTS_AN_HOUR, World, make

OURS = ("spike + coverage", "spike alone", "coverage alone")
VOLUMES = (50, 500, 5_000, 50_000, 1_000_000)
QUIET_DAYS, WEEK = 14, 168


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seeds", type=int, default=12)
    arguments.add_argument("--volumes", type=int, nargs="+", default=list(VOLUMES))
    arguments.add_argument("--functions", type=int, default=8)
    given = arguments.parse_args()
    started = time.perf_counter()
    tally = Tally()
    for volume in given.volumes:
        for seed in range(given.seeds):
            tally.quiet(
                volume, make(requests_per_day=volume, days=QUIET_DAYS, seed=1000 + seed, functions=given.functions)
            )
            for fault in FAULTS:
                tally.faulty(
                    volume, make(requests_per_day=volume, days=9, seed=seed, fault=fault, functions=given.functions)
                )
        print(f"after {volume:,} a day, {time.perf_counter() - started:.0f} s:", flush=True)
        for line in tally.report(given.volumes[: given.volumes.index(volume) + 1]):
            print(line, flush=True)


class Tally:
    """What was measured."""

    def __init__(self) -> None:
        self.quiet_stats: dict[str, list[np.ndarray]] = defaultdict(list)
        self.quiet_reds: dict[tuple[str, int], list[int]] = defaultdict(list)
        self.delays: dict[tuple[str, str, int], list[float | None]] = defaultdict(list)
        self.fault_stats: dict[tuple[str, str, int], list[tuple[int, np.ndarray]]] = defaultdict(list)

    def quiet(self, volume: int, world: World) -> None:
        gate = Gate(world)
        red = np.array([gate.fails(hour) for hour in range(LEAD_DAYS * 24, world.hours)])
        for name, alarm in zip(OURS, (red.any(axis=1), red[:, 0], red[:, 1]), strict=True):
            self.quiet_reds[name, volume].append(onsets(np.asarray(alarm)))
        counts = Counts(world)
        for name, detector in DETECTORS.items():
            self.quiet_stats[name].append(detector(counts)[LEAD_DAYS * 24 - 1 :])

    def faulty(self, volume: int, world: World) -> None:
        assert world.fault is not None
        assert world.start is not None
        found: dict[str, float | None] = dict.fromkeys(OURS)
        gate = Gate(world)
        first = world.start // SLOTS_AN_HOUR + 1
        for hour in range(first, first + WEEK):
            spike, coverage = gate.fails(hour)
            for name, red in zip(OURS, (spike or coverage, spike, coverage), strict=True):
                if red and found[name] is None:
                    found[name] = hour - world.start / SLOTS_AN_HOUR
            if found["spike alone"] is not None and found["coverage alone"] is not None:
                break
        for name, delay in found.items():
            self.delays[name, world.fault, volume].append(delay)
        counts = Counts(world)
        for name, detector in DETECTORS.items():
            self.fault_stats[name, world.fault, volume].append(
                (world.start, detector(counts)[first - 1 : first - 1 + WEEK])
            )

    def report(self, volumes: Sequence[int]) -> Iterator[str]:
        yield "| detector | false alarms/week | " + " | ".join(FAULTS) + " | all faults |"
        yield "| --- " * (len(FAULTS) + 3) + "|"
        per_week: dict[str, float] = {}
        for name in OURS:
            starts = [count for volume in volumes for count in self.quiet_reds[name, volume]]
            per_week[name] = sum(starts) / (len(starts) * QUIET_DAYS / 7)
        for name in DETECTORS:
            threshold, per_week[name] = tuned(self.quiet_stats[name])
            for (of, fault, volume), worlds in self.fault_stats.items():
                if of == name:
                    self.delays[name, fault, volume] = [_delay(start, stat > threshold) for start, stat in worlds]
        for name in (*OURS, *DETECTORS):
            cells = [_cell([d for volume in volumes for d in self.delays[name, fault, volume]]) for fault in FAULTS]
            every = _cell([d for volume in volumes for fault in FAULTS for d in self.delays[name, fault, volume]])
            yield f"| {name} | {per_week[name]:.2f} | {' | '.join(cells)} | {every} |"
        yield ""
        yield "| spike + coverage at | false alarms/week | " + " | ".join(FAULTS) + " |"
        yield "| --- " * (len(FAULTS) + 2) + "|"
        for volume in volumes:
            starts = self.quiet_reds[OURS[0], volume]
            cells = [_cell(self.delays[OURS[0], fault, volume]) for fault in FAULTS]
            yield f"| {volume:,} a day | {sum(starts) / (len(starts) * QUIET_DAYS / 7):.2f} | {' | '.join(cells)} |"


def _delay(start: int, alarm: np.ndarray) -> float | None:
    hours = np.flatnonzero(alarm)
    return None if not len(hours) else (start // SLOTS_AN_HOUR + 1 + int(hours[0])) - start / SLOTS_AN_HOUR


def _cell(delays: Sequence[float | None]) -> str:
    """Found within 24 h / 7 d, and the median delay of what was found."""
    found = sorted(delay for delay in delays if delay is not None)
    day, week = sum(delay <= 24 for delay in found) / len(delays), len(found) / len(delays)
    return f"{day:.2f}/{week:.2f}" + (f" ({found[len(found) // 2]:.0f} h)" if found else "")


if __name__ == "__main__":
    main()
