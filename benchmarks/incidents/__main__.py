"""
How well incidents are found, on simulated weeks with known faults, beside simple methods.

    python -m benchmarks.incidents [--weeks N] [--seed 1] [--volumes 500,5000,100000,1000000] [--only-ours] [--detail]

Small applications need more weeks for as many faults that leave a trace, so without --weeks each volume has its own
number. All four take some ten minutes on two cores; --weeks 4 takes one. Needs numpy, which the toolkit does not.
"""

from __future__ import annotations

import argparse
import time
from datetime import timedelta

from benchmarks.incidents.methods import METHODS
from benchmarks.incidents.score import Score, add
from benchmarks.traffic import START, FaultRates, simulate

WEEKS = {500: 160, 5_000: 40, 100_000: 24, 1_000_000: 16}
"""How many weeks of each volume are simulated."""

BAR = {500: (0.96, 0.77), 5_000: (0.93, 0.85), 100_000: (0.85, 0.95), 1_000_000: (0.72, 0.97)}
"""Precision and recall that the method has to reach."""

UNKNOWN_SHARES = (0.01, 0.05, 0.2)
HISTORY_DAYS = 14
WEEKS_A_RUN = 4


def measure(volume: int, weeks: int, seed: int, methods: list[str]) -> dict[str, tuple[Score, float]]:
    """Score *methods* on *weeks* simulated weeks, four at a time, each after two weeks of history."""
    scores = {name: (Score(), 0.0) for name in methods}
    since = START + timedelta(days=HISTORY_DAYS)
    for run in range((weeks + WEEKS_A_RUN - 1) // WEEKS_A_RUN):
        length = min(WEEKS_A_RUN, weeks - run * WEEKS_A_RUN)
        traffic = simulate(
            requests_per_day=volume,
            days=HISTORY_DAYS + 7 * length,
            seed=seed * 1000 + run,
            unknown_share=UNKNOWN_SHARES[run % len(UNKNOWN_SHARES)],
            faults=FaultRates(),
            faults_from_day=HISTORY_DAYS,
        )
        for name in methods:
            began = time.perf_counter()
            detections = METHODS[name](traffic.counts, since)
            score, seconds = scores[name]
            add(score, detections, traffic.faults)
            scores[name] = score, seconds + time.perf_counter() - began
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weeks", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--volumes", default="500,5000,100000,1000000")
    parser.add_argument("--only-ours", action="store_true")
    parser.add_argument("--detail", action="store_true", help="what was missed, and what was false")
    options = parser.parse_args()
    methods = list(METHODS)[:1] if options.only_ours else list(METHODS)
    print("requests/day  method                          precision  recall  per fault  start error (p90)  s/run")
    for volume in map(int, options.volumes.split(",")):
        weeks = options.weeks or WEEKS.get(volume, 28)
        runs = (weeks + WEEKS_A_RUN - 1) // WEEKS_A_RUN
        for name, (score, seconds) in measure(volume, weeks, options.seed, methods).items():
            bar = BAR.get(volume)
            verdict = ""
            if name == "ours" and bar:
                met = score.precision >= bar[0] and score.recall >= bar[1]
                verdict = f"  bar {bar[0]:.2f}/{bar[1]:.2f} {'met' if met else 'MISSED'}"
            print(
                f"{volume:>12,}  {name:<30}  {score.precision:>9.3f}  {score.recall:>6.3f}  {score.per_fault:>9.2f}"
                f"  {score.start_error(0.5):>6.0f} ({score.start_error(0.9):.0f})".ljust(86)
                + f"  {seconds / runs:>5.2f}{verdict}"
            )
            if name == "ours":
                severities = ", ".join(f"{s}: {r}/{n}" for s, (r, n) in sorted(score.by_severity.items()))
                print(f"{'':>14}right by severity {severities}; {score.faults} faults in {weeks} weeks")
            if options.detail:
                print(f"{'':>14}missed", {kind: f"{m}/{n}" for kind, (m, n) in sorted(score.missed.items())})
                kinds: dict[tuple[str, int], int] = {}
                for one in score.false:
                    key = one.class_, one.severity
                    kinds[key] = kinds.get(key, 0) + 1
                print(f"{'':>14}false", dict(sorted(kinds.items())))


if __name__ == "__main__":
    main()
