"""
A month of logs, one file a day, with two bad stretches in its last week.

    python -m benchmarks.reports.make_month FOLDER LINES_A_DAY SEED

The lines are those of `benchmarks.speed.make_logs`; in the bad stretches most requests of one function fail, once with
its upstream and once with the upstream well.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from benchmarks.speed.make_logs import FUNCTIONS, LINES_AT_ONCE, lines

DAYS = 30
LINES_TEN_DAYS = 10
"""The maker's clock: so many days are one `total` of its lines, and it goes on beyond them."""

FAULTS = ((25, 0.30, 0.36, FUNCTIONS[0], "503"), (27, 0.55, 0.60, FUNCTIONS[1], "200"))
"""Day, from and to which share of it, function, and what the upstream answered."""


def day(number: int, *, lines_a_day: int, seed: int) -> pl.Series:
    """Return the lines of one day."""
    total = lines_a_day * LINES_TEN_DAYS
    first = number * lines_a_day
    pieces = [
        lines(first + n, min(LINES_AT_ONCE, lines_a_day - n), total=total, seed=seed)
        for n in range(0, lines_a_day, LINES_AT_ONCE)
    ]
    frame = pl.concat(pieces).to_frame().with_row_index("n")
    line, place = pl.col("line"), pl.col("n") / lines_a_day
    for fault_day, since, until, function, upstream in FAULTS:
        if fault_day == number:
            failing = (
                line.str.replace('"status":200', '"status":502', literal=True)
                .str.replace('"upstream_status":200', f'"upstream_status":{upstream}', literal=True)
                .str.replace('"error_code":null', '"error_code":"SERVER_ERROR"', literal=True)
            )
            hit = place.is_between(since, until) & line.str.contains(f'"function":"{function}"', literal=True)
            frame = frame.with_columns(pl.when(hit & (pl.col("n") % 5 != 0)).then(failing).otherwise(line))
    return frame["line"]


def write(folder: Path, *, lines_a_day: int, seed: int = 1) -> None:
    """Write `DAYS` files into *folder*, which must exist."""
    for number in range(DAYS):
        with (folder / f"day-{number:02}.jsonl").open("wb") as file:
            day(number, lines_a_day=lines_a_day, seed=seed).to_frame().write_csv(
                file, include_header=False, quote_style="never"
            )


if __name__ == "__main__":
    write(Path(sys.argv[1]), lines_a_day=int(sys.argv[2]), seed=int(sys.argv[3]))
