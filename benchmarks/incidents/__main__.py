"""
How well incidents are found, on simulated weeks with known faults, beside the study's method and simple ones.

    python -m benchmarks.incidents [--seeds 1,2,3,4,5] [--weeks N] [--volumes 500,5000,100000,1000000]
                                   [--world study|harsh] [--methods ours,study | all] [--detail]

Small applications need more weeks for as many faults that leave a trace, so without --weeks each volume has its own
number. The default takes some ten minutes; --weeks 4 --seeds 1 takes half a one. Needs numpy, which the toolkit does
not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from datetime import timedelta

from benchmarks.incidents.methods import METHODS
from benchmarks.incidents.score import Score, add
from benchmarks.incidents.world import DAYS_BEFORE, STUDY, WORLDS, Strength, simulate
from benchmarks.traffic import START

WEEKS = {500: 160, 5_000: 40, 100_000: 24, 1_000_000: 16}
"""How many weeks of each volume are simulated, for each seed."""

BAR = {500: (0.96, 0.77), 5_000: (0.93, 0.85), 100_000: (0.85, 0.95), 1_000_000: (0.72, 0.97)}
"""Precision and recall that the method has to reach."""

UNKNOWN_SHARES = (0.01, 0.05, 0.2)
WEEKS_A_RUN = 4


def measure(
    volume: int, weeks: int, seeds: int | Sequence[int], methods: Sequence[str], world: Strength = STUDY
) -> dict[str, tuple[Score, float]]:
    """Score *methods* on *weeks* simulated weeks of each seed, four at a time, each after two weeks of history."""
    scores = {name: (Score(), 0.0) for name in methods}
    since = START + timedelta(days=DAYS_BEFORE)
    for seed in [seeds] if isinstance(seeds, int) else seeds:
        for run in range((weeks + WEEKS_A_RUN - 1) // WEEKS_A_RUN):
            traffic = simulate(
                world,
                requests_per_day=volume,
                weeks=min(WEEKS_A_RUN, weeks - run * WEEKS_A_RUN),
                seed=seed * 1000 + run,
                unknown_share=UNKNOWN_SHARES[run % len(UNKNOWN_SHARES)],
            )
            for name in methods:
                began = time.perf_counter()
                detections = METHODS[name](traffic.counts, since)
                score, seconds = scores[name]
                scores[name] = score, seconds + time.perf_counter() - began
                add(score, detections, traffic.faults, least_observable=world.least_observable)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weeks", type=int, default=None)
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--volumes", default="500,5000,100000,1000000")
    parser.add_argument("--world", choices=list(WORLDS), default="study")
    parser.add_argument("--methods", default="ours,study", help="names, or all")
    parser.add_argument("--detail", action="store_true", help="what was missed, and what was false")
    options = parser.parse_args()
    methods = list(METHODS) if options.methods == "all" else options.methods.split(",")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    print(f"{'requests/day':>12}  {'method':<30}  precision (se)  recall (se)    per fault  start error (p90)  s/run")
    for volume in map(int, options.volumes.split(",")):
        weeks = options.weeks or WEEKS.get(volume, 28)
        measured = measure(volume, weeks, seeds, methods, WORLDS[options.world])
        for name, (score, seconds) in measured.items():
            print(
                f"{volume:>12,}  {name:<30}  {score.precision:.3f} ({score.precision_error:.3f})"
                f"   {score.recall:.3f} ({score.recall_error:.3f})  {score.per_fault:>9.2f}"
                f"  {score.start_error(0.5):>6.0f} ({score.start_error(0.9):.0f})".ljust(96)
                + f"  {seconds / len(score.runs):>5.2f}",
                flush=True,
            )
            if name == "ours":
                severities = ", ".join(f"{s}: {r}/{n}" for s, (r, n) in sorted(score.by_severity.items()))
                print(
                    f"{'':>14}right by severity {severities}; {score.faults} faults, {len(seeds)} times {weeks} weeks"
                )
                for beside, least in (("bar", BAR.get(volume)), ("study's method", _reached(measured, "study"))):
                    if least:
                        met = score.precision >= least[0] and score.recall >= least[1]
                        print(f"{'':>14}{beside} {least[0]:.3f}/{least[1]:.3f} {'met' if met else 'MISSED'}")
            if options.detail:
                print(f"{'':>14}missed", {kind: f"{m}/{n}" for kind, (m, n) in sorted(score.missed.items())})
                kinds: dict[tuple[str, int], int] = {}
                for one in score.false:
                    key = one.class_, one.severity
                    kinds[key] = kinds.get(key, 0) + 1
                print(f"{'':>14}false", dict(sorted(kinds.items())))


def _reached(measured: dict[str, tuple[Score, float]], name: str) -> tuple[float, float] | None:
    return (measured[name][0].precision, measured[name][0].recall) if name in measured else None


if __name__ == "__main__":
    main()
