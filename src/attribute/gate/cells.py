"""Counts per minute and key -> the few numbers per function and stretch of time that the gate looks at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from attribute.frames import UPSTREAM_INVALID
from attribute.gate.settings import Kind
from attribute.rules.words import NO_CLASS, Class

__all__ = [
    "REFUSED",
    "SLOTS_A_DAY",
    "SLOT_MINUTES",
    "Sample",
    "add_samples",
    "capped",
    "minute_of",
    "samples",
    "tabulate",
]

SLOT_MINUTES: Final = 10
SLOTS_A_DAY: Final = 1440 // SLOT_MINUTES
_SLOTS_AN_HOUR: Final = 60 // SLOT_MINUTES
_MINUTE_US: Final = 60_000_000
_LEAST_CAP: Final = 2

_UNKNOWN: Final = pl.col("class") == Class.UNKNOWN.value
REFUSED: Final = _UNKNOWN & pl.col("upstream_status").is_null() & pl.col("status").is_between(400, 499).fill_null(False)
"""UNKNOWN answers 4xx that no upstream call was seen before; a row of `COUNTS`."""

_HEALTHY: Final = pl.col("class") == NO_CLASS
_BLIND: Final = pl.col("upstream_status").is_null() | (pl.col("upstream_status") == UPSTREAM_INVALID)

COLUMNS: Final = ("other", "known", "evident", "blind", "unexplained", "refused")
"""
What is counted: requests that are not UNKNOWN, those of them that are incident requests, healthy requests with and
without evidence (a status of their upstream), and UNKNOWN requests of both kinds.
"""


def tabulate(counts: pl.DataFrame) -> pl.DataFrame:
    """Return `minute` (whole, since the epoch), `function` and `COLUMNS` of the timed rows of a `COUNTS` frame."""
    requests = pl.col("requests")
    return (
        counts.lazy()
        .filter(pl.col("minute").is_not_null())
        .group_by((pl.col("minute").to_physical() // _MINUTE_US).alias("minute"), "function")
        .agg(
            requests.filter(~_UNKNOWN).sum().alias("other"),
            requests.filter(~_UNKNOWN & ~_HEALTHY).sum().alias("known"),
            requests.filter(_HEALTHY & ~_BLIND).sum().alias("evident"),
            requests.filter(_HEALTHY & _BLIND).sum().alias("blind"),
            requests.filter(_UNKNOWN & ~REFUSED).sum().alias("unexplained"),
            requests.filter(REFUSED).sum().alias("refused"),
        )
        .sort("function", "minute")
        .collect()
    )


def minute_of(now: datetime) -> int:
    """Return the first whole minute that lies not before *now*, since the epoch: the end of every window."""
    return -int(-now.timestamp() // 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """
    One function's recent past.

    Attributes:
        function: its name.
        other: requests that are not UNKNOWN in the last so many hours, by hours.
        known: incident requests that are not UNKNOWN.
        evident: healthy requests with an upstream status.
        blind: healthy requests without one.
        unexplained: UNKNOWN requests by ten-minute slot, 0 the newest.
        refused: the same of refused ones.
        blind_slots: healthy requests without an upstream status, by slot.
    """

    function: str
    other: Mapping[int, int]
    known: Mapping[int, int]
    evident: Mapping[int, int]
    blind: Mapping[int, int]
    unexplained: Mapping[int, int] = field(default_factory=dict)
    refused: Mapping[int, int] = field(default_factory=dict)
    blind_slots: Mapping[int, int] = field(default_factory=dict)

    def slots_of(self, kind: Kind) -> Mapping[int, int]:
        """Return the UNKNOWN requests of one kind by slot."""
        return self.unexplained if kind is Kind.UNEXPLAINED else self.refused

    def requests(self, hours: int, kind: Kind = Kind.UNEXPLAINED) -> int:
        """Return the requests of the last *hours* that say something of one kind: all but UNKNOWN ones of the other."""
        slots = self.slots_of(kind).items()
        return self.other[hours] + sum(requests for slot, requests in slots if slot < hours * _SLOTS_AN_HOUR)

    def unseen(self) -> dict[int, int]:
        """Return by slot the requests that lack evidence: healthy ones, and UNKNOWN ones that were not refused."""
        return {
            slot: self.blind_slots.get(slot, 0) + self.unexplained.get(slot, 0)
            for slot in self.blind_slots.keys() | self.unexplained.keys()
        }

    def healthy(self, hours: int) -> int:
        """Return the healthy requests of the last *hours*."""
        return self.evident[hours] + self.blind[hours]


def samples(table: pl.DataFrame, *, now_minute: int, spans: Sequence[int]) -> list[Sample]:
    """
    Return the recent past of every function that had requests in the longest of *spans*.

    Args:
        table: as `tabulate` gives it.
        now_minute: end of all windows, not included.
        spans: hours.
    """
    age = now_minute - 1 - pl.col("minute")
    recent = table.filter((age >= 0) & (age < max(spans) * 60)).with_columns(age.alias("age"))
    sums = recent.group_by("function").agg(
        *(
            pl.col(name).filter(pl.col("age") < hours * 60).sum().alias(f"{name} {hours}")
            for name in COLUMNS[:4]
            for hours in spans
        )
    )
    slots: dict[str, dict[str, dict[int, int]]] = {name: defaultdict(dict) for name in (*Kind, "blind")}
    for name, by_function in slots.items():
        per_slot = (
            recent.filter(pl.col(name) > 0)
            .group_by("function", (pl.col("age") // SLOT_MINUTES).alias("slot"))
            .agg(pl.col(name).sum())
        )
        for function, slot, requests in per_slot.iter_rows():
            by_function[function][slot] = requests
    return [
        Sample(
            function=row["function"],
            **{name: {hours: row[f"{name} {hours}"] for hours in spans} for name in COLUMNS[:4]},
            unexplained=slots[Kind.UNEXPLAINED].get(row["function"], {}),
            refused=slots[Kind.REFUSED].get(row["function"], {}),
            blind_slots=slots["blind"].get(row["function"], {}),
        )
        for row in sums.sort("function").iter_rows(named=True)
    ]


def add_samples(parts: Iterable[Sample], *, function: str, spans: Sequence[int]) -> Sample:
    """Return the recent past of several functions as that of one."""
    parts = list(parts)
    slots: dict[str, dict[int, int]] = {kind.value: defaultdict(int) for kind in Kind}
    for part in parts:
        for kind in Kind:
            for slot, requests in part.slots_of(kind).items():
                slots[kind.value][slot] += requests
    return Sample(
        function=function,
        other={hours: sum(part.other[hours] for part in parts) for hours in spans},
        known={hours: sum(part.known[hours] for part in parts) for hours in spans},
        evident={hours: sum(part.evident[hours] for part in parts) for hours in spans},
        blind={hours: sum(part.blind[hours] for part in parts) for hours in spans},
        unexplained=dict(slots[Kind.UNEXPLAINED]),
        refused=dict(slots[Kind.REFUSED]),
    )


def capped(slots: Mapping[int, int], *, hours: int) -> dict[int, int]:
    """
    Return the slots of the last *hours*, where in every 24 hours no slot counts more than the third largest, or 2.

    One scanner's burst then neither fires the gate nor hides in it. No slot of the answer ever gets smaller where a
    slot of the question gets larger.
    """
    blocks: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for slot, requests in slots.items():
        if slot < hours * _SLOTS_AN_HOUR:
            blocks[slot // SLOTS_A_DAY].append((slot, requests))
    kept: dict[int, int] = {}
    for members in blocks.values():
        sizes = sorted((requests for _, requests in members), reverse=True)
        cap = max(sizes[2] if len(sizes) > 2 else 0, _LEAST_CAP)
        kept.update((slot, min(requests, cap)) for slot, requests in members)
    return kept
