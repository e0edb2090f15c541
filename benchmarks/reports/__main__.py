"""
How long the weekly report of a month of logs takes, first read in full and then from the cache.

    python -m benchmarks.reports [--lines-a-day 1000000] [--runs 3] [--seed 1] [--folder FOLDER]

A month of a million lines a day takes 7 GB of room below FOLDER (a temporary one where none is given) and, for the
cache, 2 GB more; all of it is deleted afterwards. Every run is a whole process that writes all formats of the report.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.reports.make_month import DAYS
from benchmarks.speed.measure import Figures, Prepared, run, side_by_side

WEEK, NOW = "2025-W50", "2025-12-16T08:00:00Z"
"""The last whole week of the month that is made, and its end."""

HEAD = "| | wall, s | processor, s | peak, MB |\n| --- | ---: | ---: | ---: |"


def measure(folder: Path, *, lines_a_day: int, runs: int, seed: int) -> tuple[Figures, Figures, int]:
    """Return the first run, the median of *runs* later ones, and how many bytes the logs have."""
    logs = folder / "logs"
    logs.mkdir()
    maker = [sys.executable, "-m", "benchmarks.reports.make_month", str(logs), str(lines_a_day), str(seed)]
    subprocess.run(maker, check=True)
    command = (
        *(sys.executable, "-m", "attribute", "report", "weekly", str(logs), "--week", WEEK, "--now", NOW),
        *("--isolated", "--no-progress", "--out", str(folder / "reports")),
    )
    environment = {"XDG_CACHE_HOME": str(folder / "cache")}
    first = run(command, environment)
    if first.exit_code:
        raise SystemExit(f"the report ended with {first.exit_code}")
    cold = Figures(wall_s=first.wall_s, cpu_s=first.cpu_s, peak_mb=first.peak_mb, runs=1)
    warm = side_by_side([Prepared(name="warm", command=command, environment=environment)], runs=runs)["warm"]
    return cold, warm, sum(path.stat().st_size for path in logs.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines-a-day", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3, help="measured runs from the cache, after one that is not")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="an existing folder with room")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        cold, warm, size_bytes = measure(Path(folder), lines_a_day=given.lines_a_day, runs=given.runs, seed=given.seed)
    print(f"{DAYS} days of {given.lines_a_day:,} lines, {size_bytes / 1e9:.2f} GB; {os.cpu_count()} processors\n")
    print(HEAD)
    for name, each in (("read in full", cold), (f"from the cache, median of {warm.runs}", warm)):
        print(f"| {name} | {each.wall_s:.1f} | {each.cpu_s:.1f} | {each.peak_mb:,.0f} |")


if __name__ == "__main__":
    main()
