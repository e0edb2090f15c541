"""Sums over local ranges from UTC daily rollups plus the facts of the days that a boundary cuts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from attribute.ingest.model import NOTHING, SLOTS_PER_DAY, Counts, DayRow, Narrowing, Rule, SlotRow
from attribute.ingest.stores.interface import Reads


class Series(NamedTuple):
    """What a row of usage belongs to, time aside."""

    source: str
    model: str


Sums = Mapping[Series, Counts]


def sums_between(reads: Reads, user_id: str, boundaries: Sequence[int], only: Narrowing) -> list[Sums]:
    """
    Sum a user's usage between each two neighbouring boundaries.

    Whole UTC days come from the daily rollups; of a day that a boundary cuts, the facts of its shorter part are read
    and the other part is what the day's rollup leaves. Everything is read through one snapshot.

    Args:
        reads: the snapshot.
        user_id: whose.
        boundaries: half hours in ascending order, at least two.
        only: which rows.

    Returns:
        One mapping per pair of neighbours, first boundary in and second one out; series that sum to nothing are
        left out.
    """
    first_day, last_day = boundaries[0] // SLOTS_PER_DAY, boundaries[-1] // SLOTS_PER_DAY
    days: dict[int, list[DayRow]] = defaultdict(list)
    for row in reads.daily(user_id, first_day, last_day + 1, only):
        days[row.day].append(row)
    heads = [_head(reads, user_id, boundary, days, only) for boundary in boundaries]
    found: list[Sums] = []
    for (start, head_before), (end, head_after) in pairwise(zip(boundaries, heads, strict=True)):
        sums: dict[Series, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
        for day in range(start // SLOTS_PER_DAY, end // SLOTS_PER_DAY):
            _add(sums, days.get(day, ()), 1)
        _add(sums, head_after, 1)
        _add(sums, head_before, -1)
        found.append({series: Counts(*counts) for series, counts in sorted(sums.items()) if any(counts)})
    return found


_Rows = Sequence[DayRow | SlotRow]


def _head(
    reads: Reads, user_id: str, boundary: int, days: Mapping[int, list[DayRow]], only: Narrowing
) -> Sequence[DayRow | SlotRow]:
    """Rows that add up to the part of a boundary's UTC day that lies before the boundary."""
    midnight = boundary - boundary % SLOTS_PER_DAY
    whole = days.get(midnight // SLOTS_PER_DAY, [])
    if boundary == midnight or not whole:
        return ()
    if boundary - midnight <= SLOTS_PER_DAY // 2:
        return reads.slots(user_id, midnight, boundary, only)
    tail = reads.slots(user_id, boundary, midnight + SLOTS_PER_DAY, only)
    return [*whole, *(row._replace(counts=Counts(*(-count for count in row.counts))) for row in tail)]


def _add(sums: dict[Series, list[int]], rows: _Rows, sign: int) -> None:
    for row in rows:
        held = sums[Series(row.source, row.model)]
        for position, count in enumerate(row.counts):
            held[position] += sign * count


def total_of(sums: Sums) -> Counts:
    """Add up all series."""
    return Counts(*(sum(column) for column in zip(NOTHING, *sums.values(), strict=True)))


def billable_of(sums: Sums, rule: Rule) -> int:
    """Add up the billable totals of all series: the rule is linear, so it is applied to sums."""
    return sum(rule.billable(series.source, counts) for series, counts in sums.items())
