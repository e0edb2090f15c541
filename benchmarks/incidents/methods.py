"""The method of `attribute.incidents`, and simple ones to compare it with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import polars as pl

from attribute.incidents import group
from benchmarks.incidents.detection import CLASSES, Detection
from benchmarks.incidents.peer import recommended
from benchmarks.traffic import minute_of

Method = Callable[[pl.DataFrame, datetime], list[Detection]]


def ours(counts: pl.DataFrame, since: datetime) -> list[Detection]:
    found = group(counts.filter(pl.col("minute") >= since), history=counts.filter(pl.col("minute") < since))
    return [
        Detection(
            str(one.class_), frozenset(one.functions), minute_of(one.started_at), minute_of(one.ended_at), one.severity
        )
        for one in found
    ]


def gap(counts: pl.DataFrame, since: datetime) -> list[Detection]:
    """Requests of a class that are at most 15 minutes apart, at least five of them."""
    found: list[Detection] = []
    for class_, cells in _cells(counts, since):
        runs = _runs(((minute, n, function) for minute, function, n in cells), 15)
        found.extend(_detection(class_, run) for run in runs if sum(n for _, n, _ in run) >= 5)
    return found


def five_percent(counts: pl.DataFrame, since: datetime) -> list[Detection]:
    """A function has 5 % of a class (and three requests) in five minutes; grouped by class."""
    return _by_share(counts, since, width=5, opens=0.05, closes=0.05, least=3)


def hysteresis(counts: pl.DataFrame, since: datetime) -> list[Detection]:
    """Opens at 20 % of a function's requests of 15 minutes (at least five), closes under 10 %; grouped by class."""
    return _by_share(counts, since, width=15, opens=0.2, closes=0.1, least=5)


METHODS: dict[str, Method] = {
    "ours": ours,
    "study": recommended,
    "gap 15 min per class, n >= 5": gap,
    "5 % for 5 min, by class": five_percent,
    "hysteresis 20/10 %, n >= 5": hysteresis,
}


def _cells(counts: pl.DataFrame, since: datetime) -> Iterable[tuple[str, list[tuple[int, str, int]]]]:
    cells = (
        counts.filter(pl.col("minute") >= since, pl.col("class") != "none")
        .group_by("class", _minute(), "function")
        .agg(pl.col("requests").sum())
        .sort("class", "minute", "function")
    )
    for class_ in CLASSES:
        yield class_, cells.filter(pl.col("class") == class_).drop("class").rows()


def _minute() -> pl.Expr:
    start = minute_of(datetime(1970, 1, 1, tzinfo=UTC))
    return (pl.col("minute").to_physical() // 60_000_000 + start).alias("minute")


def _runs(cells: Iterable[tuple[int, int, str]], gap_minutes: int) -> list[list[tuple[int, int, str]]]:
    runs: list[list[tuple[int, int, str]]] = []
    for cell in cells:
        if runs and cell[0] - runs[-1][-1][0] <= gap_minutes:
            runs[-1].append(cell)
        else:
            runs.append([cell])
    return runs


def _detection(class_: str, run: list[tuple[int, int, str]]) -> Detection:
    return Detection(class_, frozenset(name for _, _, name in run), run[0][0], run[-1][0] + 1)


def _by_share(
    counts: pl.DataFrame, since: datetime, *, width: int, opens: float, closes: float, least: int
) -> list[Detection]:
    totals: dict[str, dict[int, int]] = defaultdict(dict)
    every = counts.filter(pl.col("minute") >= since).group_by(_minute(), "function").agg(pl.col("requests").sum())
    for minute, function, n in every.iter_rows():
        totals[function][minute] = n
    found: list[Detection] = []
    for class_, cells in _cells(counts, since):
        per_function: dict[str, dict[int, int]] = defaultdict(dict)
        for minute, function, n in cells:
            per_function[function][minute] = n
        hot = [
            (minute, 1, function)
            for function, of_class in per_function.items()
            for minute in _open_minutes(of_class, totals[function], width, opens, closes, least)
        ]
        found.extend(_detection(class_, run) for run in _runs(sorted(hot), 5))
    return found


def _open_minutes(
    of_class: dict[int, int], totals: dict[int, int], width: int, opens: float, closes: float, least: int
) -> Iterable[int]:
    opened = False
    x = total = 0
    last = max(totals)
    for minute in range(min(totals), last + width):
        x += of_class.get(minute, 0) - of_class.get(minute - width, 0)
        total += totals.get(minute, 0) - totals.get(minute - width, 0)
        share = x / total if total else 0.0
        opened = share >= closes if opened else (share >= opens and x >= least)
        if opened and of_class.get(minute, 0):
            yield minute
