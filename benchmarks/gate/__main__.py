"""
Measure the gate and five other detectors on simulated traffic.

    python -m benchmarks.gate --jobs 2              # the tables of docs/gate.md; about half an hour on two cores
    python -m benchmarks.gate --first-seed 500      # other worlds
    python -m benchmarks.gate --seeds 3 --volumes 500 50000

Every hour is judged, as a cron job would. A false alarm is the start of a stretch of red in a world without fault; a
fault is found when an hour after its start is red; the delay is from the fault's start. With `--keep FILE` what was
measured is kept, and a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from benchmarks.gate.measure import Measured, Task, measure
from benchmarks.gate.tables import tables

VOLUMES = (50, 500, 5_000, 50_000)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--volumes", type=int, nargs="+", default=list(VOLUMES))
    parser.add_argument("--functions", type=int, default=8)
    parser.add_argument("--plain", action="store_true", help="also ask the gate's plain form; takes twice as long")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    started = time.perf_counter()
    tasks = [
        Task(volume=volume, seed=seed, quiet=quiet, functions=given.functions, plain=given.plain)
        for seed in range(given.first_seed, given.first_seed + given.seeds)
        for volume in given.volumes
        for quiet in (True, False)
    ]
    measured = list(_kept(given.keep))
    done = {(one.volume, one.seed, one.fault is None) for one in measured}
    open_tasks = [task for task in tasks if (task.volume, task.seed, task.quiet) not in done]
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:  # polars must not be forked
        for number, future in enumerate(as_completed([pool.submit(measure, task) for task in open_tasks]), 1):
            measured += future.result()
            _keep(given.keep, future.result())
            print(f"\r{number} of {len(open_tasks)}, {time.perf_counter() - started:.0f} s", end="", flush=True)
    wanted = {(task.volume, task.seed) for task in tasks}
    print()
    for line in tables([one for one in measured if (one.volume, one.seed) in wanted]):
        print(line)


def _kept(path: Path | None) -> Iterator[Measured]:
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield Measured(**json.loads(line))


def _keep(path: Path | None, measured: list[Measured]) -> None:
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(one)) + "\n" for one in measured)


if __name__ == "__main__":
    main()
