"""
How long whole processes take on the same logs, and how much memory: ours and others, side by side.

    python -m benchmarks.speed [--sizes 0.1,1] [--runs 3] [--seed 1] [--only NAME ...] [--write]

Sizes are in GB; a GB is four million lines. All are run in turn, the runs of one round in the same minute, so that a
busy machine is as hard on one as on the other, those that read the log with broken lines after the others. What takes a
minute is run once. Ratios are those of the medians, to DuckDB on the same file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed.contenders import CONTENDERS, Contender, Logs
from benchmarks.speed.measure import Figures, side_by_side
from benchmarks.speed.page import page, table

LINES_PER_GB = 4_000_000
PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BROKEN_SHARE = 0.05
NEW_SHARE = 0.01


def measure(size_gb: float, *, runs: int, seed: int, contenders: tuple[Contender, ...]) -> dict[str, Figures]:
    """Make logs of *size_gb* and return the figures of all contenders that are there and succeed."""
    contenders = tuple(one for one in contenders if size_gb <= one.most_gb)
    groups = ([one for one in contenders if (one.reads == "broken") is broken] for broken in (False, True))
    found: dict[str, Figures] = {}
    for group in groups:  # one after the other, for the logs of one are all that the memory of many a machine holds
        if group:
            found |= _measured(group, size_gb, runs=runs, seed=seed)
    return {one.name: found[one.name] for one in contenders if one.name in found}


def _measured(group: Sequence[Contender], size_gb: float, *, runs: int, seed: int) -> dict[str, Figures]:
    line_count = max(1, round(size_gb * LINES_PER_GB))
    reads = {contender.reads for contender in group}
    with tempfile.TemporaryDirectory() as folder:
        logs = Logs.in_folder(Path(folder))
        os.environ["XDG_CACHE_HOME"] = folder
        if "broken" in reads:
            _make(logs.broken, line_count, seed, broken_share=BROKEN_SHARE)
        if reads != {"broken"}:
            _make(logs.clean, line_count, seed)
        if "gzip" in reads:
            logs.compress()
        if "growing" in reads:
            shutil.copyfile(logs.clean, logs.growing)
            _make(logs.new, line_count, seed, more=max(1, round(line_count * NEW_SHARE)))
        return side_by_side([contender.prepared(logs, size_gb) for contender in group], runs=runs)


def _make(path: Path, line_count: int, seed: int, *, broken_share: float = 0.0, more: int = 0) -> None:
    """Make a log in a process of its own: a process that is started counts the memory of the one that starts it."""
    command = [sys.executable, "-m", "benchmarks.speed.make_logs", str(path), str(line_count), str(seed)]
    subprocess.run([*command, str(broken_share), str(more)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="0.1,1", help="in GB, with commas")
    parser.add_argument("--runs", type=int, default=3, help="measured runs of each, after one that is not")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="names of contenders")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    given = parser.parse_args()
    wanted = set(given.only)
    unknown = wanted - {contender.name for contender in CONTENDERS}
    if unknown:
        parser.error(f"no such contender: {', '.join(sorted(unknown))}")
    contenders = tuple(one for one in CONTENDERS if one.is_there and (not wanted or one.name in wanted))
    measured: dict[float, dict[str, Figures]] = {}
    for size_gb in map(float, given.sizes.split(",")):
        measured[size_gb] = measure(size_gb, runs=given.runs, seed=given.seed, contenders=contenders)
        print(table(size_gb, measured[size_gb]), flush=True)
    if given.write:
        PAGE.write_text(page(measured, runs=given.runs, seed=given.seed), encoding="utf-8")


if __name__ == "__main__":
    main()
