"""Hot minutes -> stretches of one function and one kind: a gap ends one by evidence, not by the clock."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import polars as pl

from attribute.incidents.model import IncidentSettings
from attribute.incidents.series import Kind, Series

__all__ = ["Stretch", "find_stretches"]

_FOREVER = 10**12


class _Hot(NamedTuple):
    """
    A hot minute. The sums run over its function, and those of `n` over its kind too, from some fixed point in the past
    to the minute's start (`..._before`) or end (`..._after`). `calm_before` and `calm_after` are the nearest other
    minutes with a healthy request of the function.
    """

    kind: str
    function: int
    minute: int
    usual: float
    peak: float
    n_before: int
    n_after: int
    total_before: int
    total_after: int
    healthy_before: int
    healthy_after: int
    calm_before: int
    calm_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """
    A stretch of trouble of one kind in one function.

    Attributes:
        kind: what was searched for.
        function: its place among the series' functions.
        start: first minute.
        end: the minute after the last.
        requests: how many requests of the kind.
        total: how many of any.
        expected: how many of the kind were to be expected.
        peak: the highest share of the kind in one window of evidence.
        hot: the minutes that are evidence.
        ongoing: nothing says that it was over at the end of the data.
        calm_before: the last minute before it with a healthy request of the function: it cannot have begun earlier.
        calm_after: the first one after it.
    """

    kind: Kind
    function: int
    start: int
    end: int
    requests: int
    total: int
    expected: float
    peak: float
    hot: tuple[int, ...]
    ongoing: bool
    calm_before: int
    calm_after: int


def find_stretches(series: Series, hot: pl.DataFrame, settings: IncidentSettings, until: int) -> list[Stretch]:
    """
    Join the hot minutes of each function and kind into stretches, and keep those that matter.

    Args:
        series: what *hot* was found in.
        hot: what `hot_minutes` returned.
        settings: the limits.
        until: the minute that is now.

    Returns:
        Stretches of the same kind and function never overlap. Sorted by kind, function and start.
    """
    if hot.is_empty():
        return []
    per_function = series.minutes.group_by("function").agg(pl.col("healthy").sum()).sort("function")
    healthy_at_end = per_function["healthy"].cum_sum().to_list()
    found = []
    for _, group in groupby(_hot_rows(series.minutes, hot), key=attrgetter("kind", "function")):
        kept = []
        for rows in _split(list(group), settings):
            core = _core(rows)
            if _matters(core, settings):
                kept.append(core)
        for rows in _reopened(kept, settings):
            if _is_burst(rows, settings):
                continue
            found.append(_stretch(rows, settings, until, healthy_at_end[rows[0].function]))
    return found


def _hot_rows(minutes: pl.DataFrame, hot: pl.DataFrame) -> Iterator[_Hot]:
    rows = hot.select("kind", "function", "minute", "row", "n", "n_after", "share", "peak")
    healthy = minutes["healthy"].cum_sum()
    for name, after in (("total", minutes["requests"].cum_sum()), ("healthy", healthy)):
        own = minutes["requests" if name == "total" else name].gather(rows["row"])
        rows = rows.with_columns(after.gather(rows["row"]).alias(f"{name}_after"))
        rows = rows.with_columns((pl.col(f"{name}_after") - own).alias(f"{name}_before"))
    # The minute in which the running sum of healthy requests first reaches what it is before this one, and the one in
    # which it first exceeds what it is after: the neighbours with healthy requests, if there are such and they are the
    # same function's. What is before all healthy requests, or after them, has none, whatever row stands there.
    for name, wanted, limit in (
        ("calm_before", rows["healthy_before"], -_FOREVER),
        ("calm_after", rows["healthy_after"] + 1, _FOREVER),
    ):
        at = healthy.search_sorted(wanted)
        neighbour = minutes.select(pl.col("function", "minute").gather(at.clip(0, minutes.height - 1)))
        same = (neighbour["function"] == rows["function"]) & wanted.is_between(1, healthy[-1])
        rows = rows.with_columns(neighbour.select(pl.when(same).then("minute").otherwise(limit).alias(name)))
    return (
        _Hot(*row)
        for row in rows.select(
            pl.col("kind", "function", "minute"),
            pl.col("share").alias("usual"),
            "peak",
            (pl.col("n_after") - pl.col("n")).alias("n_before"),
            *_Hot._fields[6:],
        ).iter_rows()
    )


def _needed_healthy(peak: float, settings: IncidentSettings) -> float:
    """How many healthy requests in a row are too unlikely for trouble that takes *peak* of all requests."""
    return max(settings.gap_min_healthy, -math.log(settings.gap_doubt) / peak)


def _split(rows: Sequence[_Hot], settings: IncidentSettings) -> Iterator[list[_Hot]]:
    """Tear hot minutes apart where traffic had recovered between them, or where they are half a day apart."""
    current = [rows[0]]
    peak = rows[0].peak
    for row in rows[1:]:
        apart = row.minute - current[-1].minute
        recovered = row.healthy_before - current[-1].healthy_after >= _needed_healthy(max(peak, 0.01), settings)
        if (apart > settings.gap_minutes and recovered) or apart > settings.gap_hours * 60:
            yield current
            current, peak = [], 0.0
        current.append(row)
        peak = max(peak, row.peak)
    yield current


def _core(rows: list[_Hot]) -> list[_Hot]:
    """
    Cut occurrences off both ends that do not raise the likelihood of a change.

    A long window is hot as a whole; where in it the trouble began, its minutes must say. With the share q inside and p
    outside, the likeliest interval is the one with the largest sum of `n ln(q / p) - (q - p) total`.
    """
    usual = rows[0].usual
    inside = max(_share(rows), 2 * usual)
    gain, cost = math.log(inside / usual), inside - usual
    best, best_span = -math.inf, (0, len(rows) - 1)
    begin, score = 0, -math.inf
    for place, row in enumerate(rows):
        own = (row.n_after - row.n_before) * gain - (row.total_after - row.total_before) * cost
        if place:
            previous = rows[place - 1]
            score += (row.n_before - previous.n_after) * gain - (row.total_before - previous.total_after) * cost
        if score <= 0:
            begin, score = place, 0.0
        score += own
        if score > best:
            best, best_span = score, (begin, place)
    return rows[best_span[0] : best_span[1] + 1]


def _share(rows: Sequence[_Hot]) -> float:
    return (rows[-1].n_after - rows[0].n_before) / (rows[-1].total_after - rows[0].total_before)


def _expected(rows: Sequence[_Hot]) -> float:
    return rows[0].usual * (rows[-1].total_after - rows[0].total_before)


def _matters(rows: Sequence[_Hot], settings: IncidentSettings) -> bool:
    requests = rows[-1].n_after - rows[0].n_before
    return requests >= settings.min_requests and requests - _expected(rows) >= settings.min_excess


def _reopened(parts: Sequence[list[_Hot]], settings: IncidentSettings) -> Iterator[list[_Hot]]:
    """Join what is back soon after it was over."""
    current: list[_Hot] = []
    for rows in parts:
        if current and rows[0].minute - current[-1].minute - 1 > settings.reopen_minutes:
            yield current
            current = []
        current = current + rows
    if current:
        yield current


def _is_burst(rows: Sequence[_Hot], settings: IncidentSettings) -> bool:
    """Say whether this is one client hammering: refused before any upstream call, nearly all of it at one time."""
    if rows[0].kind != Kind.REFUSED:
        return False
    slots: Counter[int] = Counter()
    for row in rows:
        slots[row.minute // settings.burst_slot_minutes] += row.n_after - row.n_before
    burst = sum(requests for _, requests in slots.most_common(2))
    rest = slots.total() - burst
    return rest < settings.absolute_min_requests or rest < settings.burst_rest_share * slots.total()


def _stretch(rows: Sequence[_Hot], settings: IncidentSettings, until: int, healthy_at_end: int) -> Stretch:
    first, last = rows[0], rows[-1]
    peak = max(*(row.peak for row in rows), _share(rows))
    since = until - last.minute
    healthy_since = healthy_at_end - last.healthy_after
    ongoing = since <= settings.gap_minutes or (
        healthy_since < _needed_healthy(peak, settings) and since <= settings.gap_hours * 60
    )
    return Stretch(
        kind=Kind(first.kind),
        function=first.function,
        start=first.minute,
        end=last.minute + 1,
        requests=last.n_after - first.n_before,
        total=last.total_after - first.total_before,
        expected=_expected(rows),
        peak=peak,
        hot=tuple(row.minute for row in rows),
        ongoing=ongoing,
        calm_before=first.calm_before,
        calm_after=last.calm_after,
    )
