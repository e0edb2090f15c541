"""
A baseline: what was usual, as counts per hour, small enough for a repository and mergeable.

A baseline holds facts only: the counts of every day that went in. Which days are left out as unusual is worked out
from them whenever the baseline is used (`attribute.gate.expect`), so that merging is plain addition: associative,
commutative, whatever the pieces are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import orjson
import polars as pl

from attribute.gate.cells import SLOT_MINUTES, tabulate

__all__ = ["HOURS", "OTHER", "SLOTS", "Baseline", "RulesMark", "build", "checksum", "day_name", "merge", "to_bytes"]

SCHEMA: Final = "attribute.baseline/1"
MAX_FUNCTIONS: Final = 1000
"""So many functions keep their name; the others, those with the fewest requests, are counted as one."""

OTHER: Final = "(other)"
"""What those are called."""

MAX_HOUR: Final = 2**22
"""The last hour that a baseline knows lies in the year 2448."""

HOURS: Final = pl.Schema(
    {name: pl.Int64() for name in ("hour", "other", "known", "evident", "blind")} | {"function": pl.String()}
)
"""Per function and hour (since the epoch): see `attribute.gate.cells.COLUMNS`. Sorted by `function`, `hour`."""

SLOTS: Final = pl.Schema({name: pl.Int64() for name in ("slot", "unexplained", "refused")} | {"function": pl.String()})
"""Per function and ten minutes (since the epoch) with UNKNOWN requests. Sorted by `function`, `slot`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesMark:
    """Which rules and thresholds gave the verdicts that were counted: counts by others cannot be compared."""

    version: str
    sha256: str
    thresholds: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baseline:
    """
    Counts of the past.

    Attributes:
        hours: a `HOURS` frame.
        slots: a `SLOTS` frame.
        rules: whose verdicts they are; nothing for a baseline without any.
    """

    hours: pl.DataFrame
    slots: pl.DataFrame
    rules: RulesMark | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Baseline):
            return NotImplemented
        return self.rules == other.rules and self.hours.equals(other.hours) and self.slots.equals(other.slots)

    __hash__ = None  # type: ignore[assignment]  # frames cannot be hashed

    @property
    def days(self) -> list[int]:
        """Return the days (since the epoch, UTC) that have requests."""
        hours = pl.concat([self.hours["hour"] // 24, self.slots["slot"] * SLOT_MINUTES // 1440])
        return hours.unique().sort().to_list()

    @property
    def functions(self) -> list[str]:
        """Return the names of the functions."""
        return pl.concat([self.hours["function"], self.slots["function"]]).unique().sort().to_list()

    @property
    def requests(self) -> int:
        """Return how many requests it counts."""
        return sum(
            int(column.sum()) for column in (self.hours["other"], self.slots["unexplained"], self.slots["refused"])
        )

    def between(self, first_hour: int | None, end_hour: int) -> Baseline:
        """Return what lies from *first_hour* (nothing: from the start) to before *end_hour*."""
        slots_an_hour = 60 // SLOT_MINUTES
        hours = self.hours.filter(pl.col("hour") < end_hour)
        slots = self.slots.filter(pl.col("slot") < end_hour * slots_an_hour)
        if first_hour is not None:
            hours = hours.filter(pl.col("hour") >= first_hour)
            slots = slots.filter(pl.col("slot") >= first_hour * slots_an_hour)
        return Baseline(hours=hours, slots=slots, rules=self.rules)


def day_name(day: int) -> str:
    """Return a day (since the epoch, UTC) as people write it."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def build(counts: pl.DataFrame, *, rules: RulesMark | None = None, until: datetime | None = None) -> Baseline:
    """
    Make a baseline of counts.

    Args:
        counts: a `COUNTS` frame; untimed requests are left out.
        rules: whose verdicts they are.
        until: requests from then on are left out.

    Returns:
        The baseline of all of them, good days and bad. Over `MAX_FUNCTIONS`, the smallest functions are one.
    """
    if until is not None:
        counts = counts.filter(pl.col("minute") < until)
    return from_table(_few_functions(tabulate(counts)), rules=rules)


def from_table(table: pl.DataFrame, *, rules: RulesMark | None = None) -> Baseline:
    """Make a baseline of what `tabulate` gives; times no calendar knows are left out."""
    table = table.filter(pl.col("minute").is_between(0, MAX_HOUR * 60, closed="left"))
    hours = table.group_by("function", (pl.col("minute") // 60).alias("hour")).agg(
        pl.col("other", "known", "evident", "blind").sum()
    )
    slots = table.group_by("function", (pl.col("minute") // SLOT_MINUTES).alias("slot")).agg(
        pl.col("unexplained", "refused").sum()
    )
    return _canonical(hours, slots, rules)


def _few_functions(table: pl.DataFrame) -> pl.DataFrame:
    size = (pl.col("other") + pl.col("unexplained") + pl.col("refused")).sum().alias("size")
    sizes = table.group_by("function").agg(size)
    if sizes.height <= MAX_FUNCTIONS:
        return table
    kept = sizes.sort(["size", "function"], descending=[True, False]).head(MAX_FUNCTIONS - 1)["function"]
    name = pl.when(pl.col("function").is_in(kept.implode())).then(pl.col("function")).otherwise(pl.lit(OTHER))
    return table.with_columns(name.alias("function"))


def merge(parts: Iterable[Baseline]) -> Baseline:
    """
    Add up the baselines of disjoint logs. Order and grouping do not matter.

    Raises:
        ValueError: verdicts by different rules (the caller checks, and words it).
    """
    parts = list(parts)
    marks = {part.rules for part in parts if part.rules is not None}
    if len(marks) > 1:
        raise ValueError("baselines of different rules cannot be added up")
    hours = pl.concat([HOURS.to_frame(), *(part.hours.select(HOURS.names()) for part in parts)])
    slots = pl.concat([SLOTS.to_frame(), *(part.slots.select(SLOTS.names()) for part in parts)])
    return _canonical(hours, slots, next(iter(marks), None))


def _canonical(hours: pl.DataFrame, slots: pl.DataFrame, rules: RulesMark | None) -> Baseline:
    values = ("other", "known", "evident", "blind")
    hours = hours.group_by("function", "hour").agg(pl.col(values).sum()).filter(pl.col("other") > 0)
    slots = slots.group_by("function", "slot").agg(pl.col("unexplained", "refused").sum())
    slots = slots.filter(pl.col("unexplained") + pl.col("refused") > 0)
    return Baseline(
        hours=hours.select(HOURS.names()).cast(HOURS).sort("function", "hour"),
        slots=slots.select(SLOTS.names()).cast(SLOTS).sort("function", "slot"),
        rules=rules,
    )


def to_bytes(baseline: Baseline) -> bytes:
    """
    Return a baseline as one JSON object, the same bytes for the same counts.

    Columns of numbers, not objects: a month of 18 functions is a few hundred kilobytes. `sha256` is over everything
    else, written without spaces and with sorted keys.
    """
    names = baseline.functions
    place = {name: number for number, name in enumerate(names)}
    document: dict[str, object] = {
        "schema": SCHEMA,
        "rules": None
        if baseline.rules is None
        else {
            "version": baseline.rules.version,
            "sha256": baseline.rules.sha256,
            "thresholds": baseline.rules.thresholds,
        },
        "days": [day_name(day) for day in baseline.days],
        "requests": baseline.requests,
        "functions": names,
        "hours": _columns(baseline.hours, place),
        "slots": _columns(baseline.slots, place),
    }
    document["sha256"] = checksum(document)
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _columns(frame: pl.DataFrame, place: dict[str, int]) -> dict[str, list[int]]:
    return {
        name: [place[value] for value in frame[name]] if name == "function" else frame[name].to_list()
        for name in frame.columns
    }


def checksum(document: dict[str, object]) -> str:
    """Return the SHA-256 of a baseline's document without its `sha256`."""
    body = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
