"""What an incident is made of, and the settings that decide where one begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from attribute.rules.words import Class

__all__ = ["Incident", "IncidentSettings", "Point", "Span", "Tally"]

Tally = tuple[tuple[str | int | None, int], ...]
"""Values and how many requests had them: most first, then by value; null is a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSettings:
    """
    The limits of the method in docs/incidents.md; the defaults are tuned there, on simulated weeks.

    Attributes:
        scales_minutes: window lengths that are searched for hot minutes, ascending.
        min_requests: a window with fewer requests of the class is never hot.
        share_ratio: nor is one whose share of the class is under this many times the baseline's...
        share_excess: ...or not this much above it.
        rare_ratio: for a class that is rare, this many times the baseline's share...
        rare_excess: ...and this much on top are enough, where that is less.
        min_evidence: nor one whose log-likelihood ratio against the baseline is less.
        chance_weeks: and in so many weeks not one window of chance alone may pass: the more windows there are to look
            at, the more evidence is asked for.
        absolute_min_requests: where there is no baseline worth the name, a window needs this many requests...
        absolute_share: ...and this share of all.
        baseline_days: how many days before a day are its baseline.
        enough_days: with fewer days than this, a baseline is no baseline worth the name.
        dropped_share: this share of a baseline's days, the worst, is cut down to what the others would allow.
        prior_requests: how many requests the share of the class over all functions weighs in that of one function.
        min_dispersion: the least over-dispersion assumed.
        max_dispersion: the most.
        gap_minutes: hot minutes this close belong together, whatever lies between.
        gap_doubt: hot minutes further apart belong together while the healthy requests between them would be at least
            this likely if the trouble were still going on.
        gap_min_healthy: but never are they torn apart by fewer healthy requests.
        gap_hours: further apart than this they never belong together.
        reopen_minutes: two stretches of one function and class this close are one.
        min_excess: a stretch with fewer requests over the expected is dropped.
        merge_minutes: stretches of several functions this close are one incident.
        attached_most: UNKNOWN requests that a vendor incident takes with it, at most so many for each of its own.
        release_minutes: for application incidents, only those that start this close are.
        pooled_outage_minutes: vendor trouble that only all functions together show must weigh as much as so many
            minutes of full outage.
        burst_slot_minutes: of a stretch of answers that no upstream call preceded (UNKNOWN, 4xx), the two largest slots
            of this many minutes are thought to be one client's burst...
        burst_rest_share: ...and if less than this share of its requests lies outside them, it is no incident.
        blip_minutes: an incident of the lowest severity that provably was over sooner is none.
        severity_minutes: the equivalent minutes of full outage from which on severity is 1, 2 and 3.
    """

    scales_minutes: tuple[int, ...] = (5, 30, 90, 360)
    min_requests: int = 3
    share_ratio: float = 3.0
    share_excess: float = 0.05
    rare_ratio: float = 6.0
    rare_excess: float = 0.005
    min_evidence: float = 8.5
    chance_weeks: float = 2.0
    absolute_min_requests: int = 5
    absolute_share: float = 0.05
    baseline_days: int = 14
    enough_days: int = 4
    dropped_share: float = 0.3
    prior_requests: float = 200.0
    min_dispersion: float = 0.1
    max_dispersion: float = 1.0
    gap_minutes: int = 10
    gap_doubt: float = 0.01
    gap_min_healthy: int = 5
    gap_hours: int = 12
    reopen_minutes: int = 60
    min_excess: float = 2.0
    merge_minutes: int = 15
    attached_most: float = 1.0
    release_minutes: int = 5
    pooled_outage_minutes: float = 5.0
    burst_slot_minutes: int = 10
    burst_rest_share: float = 0.25
    blip_minutes: int = 5
    severity_minutes: tuple[float, float, float] = (30.0, 5.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """
    One function's part in an incident.

    Attributes:
        class_: the class of the requests; in a vendor incident UNKNOWN for what is attached.
        refused: whether they are UNKNOWN answers 4xx without upstream status, or none of them is.
        function: whose requests.
        started_at: first minute, UTC.
        ended_at: end of the last one.
        requests: how many.
    """

    class_: Class
    refused: bool
    function: str
    started_at: datetime
    ended_at: datetime
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """
    One minute of an incident, over the functions that it touches then.

    Attributes:
        minute: its start, UTC.
        requests: how many requests of the incident's class (for a vendor incident with UNKNOWN ones attached, of both).
        total: how many requests of any class, healthy ones too, of these functions.
        hot: whether the minute is evidence of the incident.
    """

    minute: datetime
    requests: int
    total: int
    hot: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """
    A stretch of time in which one class is unusually frequent, over the functions it touches.

    Attributes:
        id: short and stable: class, minute of the start, and a hash that includes the first function.
        class_: whose failure it is.
        started_at: start of its first hot minute, UTC.
        ended_at: end of its last hot minute.
        ongoing: nothing says that it was over at the end of the data (or at `now`).
        functions: those it touches, the most requests first.
        requests: how many requests of its class the functions had, each in its spans (of a vendor incident, the
            attached UNKNOWN ones not among them).
        unknown_requests: how many UNKNOWN requests are attached: timeouts that left no status.
        total_requests: how many requests of any class, healthy ones too, the functions had in the same spans; see
            `touches`.
        expected_requests: how many of its class (and attached UNKNOWN ones) the baseline would have had.
        excess: `requests + unknown_requests - expected_requests`, at least 0.
        baseline_share: `expected_requests` as a share of `total_requests`; nothing where there was no baseline.
        outage_minutes: the excess as minutes of an outage of everything, at the traffic of that time of day.
        severity: 1 (worst) to 4 (not shown unless asked for).
        hot_minutes: how many minutes are evidence.
        peak_share: the highest share of the class in a window of evidence, 0 to 1.
        peak_at: the minute with the most requests of it.
        reasons, statuses, upstream_statuses, error_codes, upstreams: of its requests, the attached ones included.
        spans: exactly which requests are meant: those of each function's class within its part of the time. No request
            belongs to two incidents; see `belongs`.
        points: the minutes of its spans with traffic.
    """

    id: str
    class_: Class
    started_at: datetime
    ended_at: datetime
    ongoing: bool
    functions: tuple[str, ...]
    requests: int
    unknown_requests: int
    total_requests: int
    expected_requests: float
    excess: float
    baseline_share: float | None
    outage_minutes: float
    severity: int
    hot_minutes: int
    peak_share: float
    peak_at: datetime
    reasons: Tally
    statuses: Tally
    upstream_statuses: Tally
    error_codes: Tally
    upstreams: Tally
    spans: tuple[Span, ...]
    points: tuple[Point, ...] = field(repr=False)
