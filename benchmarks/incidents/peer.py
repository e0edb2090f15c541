"""
The method that the study in docs/incidents.md recommends, as its text has it: the peer that ours is held against.

Written from the text alone and in numpy, with nothing of `attribute.incidents` in it. Where the text leaves a choice,
a comment names it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from benchmarks.incidents.detection import CLASSES, Detection
from benchmarks.traffic import DAY, HOUR, minute_of

SCALES = (5, 30, 180)
BASELINE_DAYS = 14
DROPPED = 0.3
PRIOR = 200.0
LEAST_SHARE = 1e-6
"""A class that never occurred still has a usual share; the text does not say which."""


@dataclass(frozen=True)
class Stretch:
    """Trouble of one class in one function; `end` is the minute after the last."""

    function: int
    start: int
    end: int
    requests: int
    expected: float


def recommended(counts: pl.DataFrame, since: datetime) -> list[Detection]:
    """Find incidents that last into the time after *since*."""
    names, totals, healthy, of_class = _dense(counts)
    first_day = minute_of(since) // DAY
    stretches: dict[str, list[Stretch]] = {}
    for class_ in CLASSES:
        n = of_class[class_]
        shares = _shares(n, totals)
        kappa = _dispersion(n, totals, shares, first_day)
        stretches[class_] = [
            one
            for function in range(len(names))
            for one in _stretches(function, n[function], totals[function], healthy[function], shares[function], kappa)
        ]
    rate = totals.sum(axis=0).cumsum()
    vendor = _merged(stretches["vendor"], "vendor")
    unknown = _merged(stretches["UNKNOWN"], "UNKNOWN")
    left = [group for group in unknown if not any(_attaches(group, to) for to in vendor)]
    groups = {
        "vendor": vendor,
        "application": _merged(stretches["application"], "application"),
        "application-bottleneck": _merged(stretches["application-bottleneck"], "application-bottleneck"),
        "UNKNOWN": left,
    }
    found = [_detection(class_, group, names, rate) for class_, of in groups.items() for group in of]
    return [one for one in found if one.end > minute_of(since)]


def _dense(counts: pl.DataFrame) -> tuple[list[str], np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return the functions, and requests by function and minute: all, healthy ones, and those of each class."""
    names = counts["function"].unique().sort().to_list()
    at = minute_of(datetime.fromisoformat("1970-01-01T00:00:00+00:00"))
    minute = (counts["minute"].to_physical() // 60_000_000).to_numpy() + at
    place = counts["function"].cast(pl.Enum(names)).to_physical().to_numpy()
    class_, requests = counts["class"], counts["requests"].to_numpy()
    shape = len(names), int(minute.max()) + 1

    def add(mask: np.ndarray) -> np.ndarray:
        dense = np.zeros(shape, dtype=np.int64)
        np.add.at(dense, (place[mask], minute[mask]), requests[mask])
        return dense

    of_class = {name: add((class_ == name).to_numpy()) for name in CLASSES}
    return names, add(np.ones(len(requests), dtype=bool)), add((class_ == "none").to_numpy()), of_class


def _shares(n: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """
    Return the usual share by function and day, from the 14 days before it (the first 14 days share theirs).

    Step 1: "each function's worst 30 % of days dropped, shrunk to the class-wide share (k = 200 requests)". Worst is
    read as: highest share of the class; the class-wide share is that of the days kept.
    """
    days = totals.shape[1] // DAY
    n_daily, total_daily = (of[:, : days * DAY].reshape(len(of), days, DAY).sum(axis=2) for of in (n, totals))
    shares = np.empty((len(n), days + 1))
    for day in range(days + 1):
        first = max(day - BASELINE_DAYS, 0)
        window = slice(first, first + BASELINE_DAYS)
        x, total = n_daily[:, window], total_daily[:, window]
        order = np.argsort(x / np.maximum(total, 1), axis=1, kind="stable")
        kept = order[:, : math.ceil(x.shape[1] * (1 - DROPPED))]
        own, own_total = (np.take_along_axis(of, kept, axis=1).sum(axis=1) for of in (x, total))
        overall = max(own.sum() / max(own_total.sum(), 1), LEAST_SHARE)
        shares[:, day] = (own + PRIOR * overall) / (own_total + PRIOR)
    return shares


def _dispersion(n: np.ndarray, totals: np.ndarray, shares: np.ndarray, day: int) -> float:
    """Step 1: "kappa from hourly counts (top 2 % trimmed), between 0.10 and 1", by moments, on the 14 days before."""
    hours = slice(max(day - BASELINE_DAYS, 0) * 24, day * 24)
    x, total = (
        of[:, : of.shape[1] // HOUR * HOUR].reshape(len(of), -1, HOUR).sum(axis=2)[:, hours] for of in (n, totals)
    )
    mean = (total * shares[:, [day]]).ravel()
    x = x.ravel()[mean > 0]
    mean = mean[mean > 0]
    swing = (x - mean) ** 2 - x
    kept = np.argsort(swing / mean, kind="stable")[: math.ceil(len(mean) * 0.98)]
    scale = (mean[kept] ** 2).sum()
    return float(np.clip(swing[kept].sum() / scale, 0.1, 1.0)) if scale else 0.1


def _stretches(
    function: int, n: np.ndarray, totals: np.ndarray, healthy: np.ndarray, shares: np.ndarray, kappa: float
) -> Iterator[Stretch]:
    """Steps 2 to 4 for one class and function."""
    n_sum, total_sum, healthy_sum = (np.concatenate([[0], of.cumsum()]) for of in (n, totals, healthy))
    hot, peaks = _hot(n, n_sum, total_sum, shares, kappa)
    kept: list[tuple[int, int]] = []
    for start, end in _split(np.flatnonzero(hot), peaks, healthy_sum):
        x = n_sum[end] - n_sum[start]
        if x >= 3 and x - shares[start // DAY] * (total_sum[end] - total_sum[start]) >= 2:
            if kept and start - kept[-1][1] <= 60:
                kept[-1] = kept[-1][0], end
            else:
                kept.append((start, end))
    for start, end in kept:
        total = total_sum[end] - total_sum[start]
        yield Stretch(function, start, end, int(n_sum[end] - n_sum[start]), float(shares[start // DAY] * total))


def _hot(
    n: np.ndarray, n_sum: np.ndarray, total_sum: np.ndarray, shares: np.ndarray, kappa: float
) -> tuple[np.ndarray, np.ndarray]:
    """Step 2: which minutes are hot, and the share of the hottest window that begins in each."""
    starts = np.flatnonzero(n)
    hot, peaks = np.zeros(len(n), dtype=bool), np.zeros(len(n))
    p = shares[starts // DAY]
    for scale in SCALES:
        ends = np.minimum(starts + scale, len(n))
        x, total = n_sum[ends] - n_sum[starts], total_sum[ends] - total_sum[starts]
        mean, size = p * total, 1 / kappa
        evidence = x * np.log(x / mean) - (x + size) * np.log((x + size) / (mean + size))
        hot_sum = np.concatenate([[0], hot.cumsum()])
        stands_out = (x >= 3) & (x / total >= np.maximum(3 * p, p + 0.05)) & (evidence >= 9)
        stands_out &= hot_sum[ends] == hot_sum[starts]
        steps = np.zeros(len(n) + 1, dtype=np.int64)
        np.add.at(steps, starts[stands_out], 1)
        np.add.at(steps, ends[stands_out], -1)
        hot |= (steps.cumsum()[:-1] > 0) & (n > 0)
        peaks[starts[stands_out]] = np.maximum(peaks[starts[stands_out]], (x / total)[stands_out])
    return hot, peaks


def _split(hot: np.ndarray, peaks: np.ndarray, healthy_sum: np.ndarray) -> Iterator[tuple[int, int]]:
    """Step 3: runs of hot minutes that belong together, as (first, after the last)."""
    if not len(hot):
        return
    start = last = int(hot[0])
    peak = peaks[start]
    for minute in map(int, hot[1:]):
        calm = healthy_sum[minute] - healthy_sum[last + 1]
        over = minute - last > 10 and calm >= max(5, 4.6 / max(peak, 0.01))
        if over or minute - last > 12 * HOUR:
            yield start, last + 1
            start, peak = minute, 0.0
        last, peak = minute, max(peak, peaks[minute])
    yield start, last + 1


def _merged(stretches: Sequence[Stretch], class_: str) -> list[list[Stretch]]:
    """Step 5."""
    groups: list[list[Stretch]] = []
    for one in sorted(stretches, key=lambda one: (one.start, one.function)):
        if groups and (
            one.start - groups[-1][0].start <= 5
            if class_ == "application"
            else one.start - max(other.end for other in groups[-1]) <= 15
        ):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _attaches(unknown: Sequence[Stretch], vendor: Sequence[Stretch]) -> bool:
    """Step 6."""
    start, end = min(one.start for one in unknown), max(one.end for one in unknown)
    begin, finish = min(one.start for one in vendor) - 15, max(one.end for one in vendor) + 15
    inside = min(end, finish) - max(start, begin)
    return 2 * inside >= end - start and not {one.function for one in unknown}.isdisjoint(
        one.function for one in vendor
    )


def _detection(class_: str, group: Sequence[Stretch], names: Sequence[str], rate: np.ndarray) -> Detection:
    """Step 7, with the requests per minute of twelve hours either side."""
    start, end = min(one.start for one in group), max(one.end for one in group)
    excess = sum(one.requests - one.expected for one in group)
    begin, finish = max(start - 12 * HOUR, 0), min(end + 12 * HOUR, len(rate)) - 1
    outage = excess / max((rate[finish] - rate[begin]) / max(finish - begin, 1), 1e-9)
    severity = 1 + sum(int(outage < limit) for limit in (30, 5, 1))
    return Detection(class_, frozenset(names[one.function] for one in group), start, end, severity)
