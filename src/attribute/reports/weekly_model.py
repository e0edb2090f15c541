"""What a weekly report is made of: the numbers of one week beside those of the week before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from attribute.incidents.model import Incident
from attribute.reports.compare import Change
from attribute.reports.goals import GoalRow
from attribute.reports.model import Result
from attribute.reports.notes import Action, Notes, Review
from attribute.reports.weeks import Part, Week

__all__ = ["BottleneckRow", "CoverageRow", "DayRow", "Totals", "VendorRow", "Weekly"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """
    What there was in a stretch of time.

    Attributes:
        name: what to call it.
        requests: all of them.
        by_class: the failing or slow ones.
        half_hours: in how many half hours there was a request.
        possible_half_hours: how many half hours it has.
        incidents: how many shown incidents began in it.
    """

    name: str
    requests: int
    by_class: dict[str, int]
    half_hours: int
    possible_half_hours: int
    incidents: int

    @property
    def incident(self) -> int:
        """Return how many requests failed or were slow."""
        return sum(self.by_class.values())

    @property
    def healthy(self) -> int:
        """Return how many did not."""
        return self.requests - self.incident


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """
    One day by the clock.

    Attributes:
        label: its name.
        requests: all of them; None: none at all, or not told yet.
        by_class: those failing or slow.
        before: those failing or slow on the same day a week before; None where that had no request at all.
    """

    label: str
    requests: int | None
    by_class: dict[str, int]
    before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRow:
    """
    One upstream, as our own calls saw it.

    Attributes:
        upstream: its name; None for calls that name none.
        calls: requests whose upstream answered or ran into our time limit.
        failed: those that it answered with 5xx or not in time, absorbed ones included.
        blamed: requests of class vendor.
        p95_ms: of its answers; None where its functions call others too, or nothing is known.
        bad_minutes: minutes of vendor incidents that it had a part in.
        incidents: how many those are.
        usual_share: the median share of failed calls in the weeks before; None under two weeks of 20 calls.
    """

    upstream: str | None
    calls: int
    failed: int
    blamed: int
    p95_ms: int | None
    bad_minutes: int
    incidents: int
    usual_share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BottleneckRow:
    """One function's own time, this week and in the same part of the last one; ms, None where not known."""

    function: str
    requests: int
    before: int
    own_p95_ms: int | None
    own_p95_before_ms: int | None
    upstream_p95_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageRow:
    """How many failing or slow requests of a function say what their upstream answered."""

    function: str
    requests: int
    with_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekly:
    """
    All that a weekly report shows.

    Attributes:
        week: which one.
        part: what of it is told.
        result: that part, as every other output shows it.
        totals: the same in short.
        before: the same part of the week before; None where there are no logs of it.
        before_part: what the logs hold of that part.
        days: one row per day.
        hours: requests failing or slow by day and hour; None where there was no request.
        trend: four weeks, the last one being this; None for a week without logs.
        movers: (function, class, error_code) whose counts changed.
        goals: the configured ones, held against the told part.
        vendors: by failed calls.
        bottlenecks: by requests, then own time.
        coverage: by requests without evidence.
        incidents: those that reach into the part, the gravest first; only shown ones.
        counts: all counts that there are.
        notes: what people wrote.
        actions: what is still to do.
        reviews: how far the review of each incident is that has notes, by id; None where nobody looked for notes.
    """

    week: Week
    part: Part
    result: Result
    totals: Totals
    before: Totals | None
    before_part: Part
    days: tuple[DayRow, ...]
    hours: tuple[tuple[int | None, ...], ...]
    trend: tuple[Totals | None, ...]
    movers: tuple[Change, ...]
    goals: tuple[GoalRow, ...]
    vendors: tuple[VendorRow, ...]
    bottlenecks: tuple[BottleneckRow, ...]
    coverage: tuple[CoverageRow, ...]
    incidents: tuple[Incident, ...]
    counts: pl.DataFrame
    notes: Notes
    actions: tuple[Action, ...]
    reviews: Mapping[str, Review] | None
