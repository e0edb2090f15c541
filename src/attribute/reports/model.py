"""
The view model: every number and word that any output shows, decided once.

Writers format and escape; they count, round to a decision and choose nothing. Names and values in here are as they
stand in the logs, so a writer passes every text through its encoder of `attribute.reports.escape`. Instants are UTC;
shares are 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING

from attribute.engines.analysis import InputAccount, Window
from attribute.reports.asked import Goal, Rules, Typed
from attribute.reports.wording import and_more

if TYPE_CHECKING:  # a view that was kept is shown without loading polars
    import polars as pl

    from attribute.engines.analysis import Analysis
    from attribute.incidents.model import Incident, Tally

__all__ = [
    "ClassRow",
    "CodeRow",
    "Confidence",
    "FunctionRow",
    "HeatRow",
    "IncidentRow",
    "LatencyRow",
    "Normal",
    "ReasonRow",
    "Requests",
    "Result",
    "Series",
    "State",
    "Verdict",
    "View",
    "WhyNot",
    "WhyRow",
]


class State(StrEnum):
    """What the answer is. The first four are the classes."""

    VENDOR = "vendor"
    APPLICATION = "application"
    BOTTLENECK = "application-bottleneck"
    UNKNOWN = "UNKNOWN"
    MIXED = "mixed"
    NO_PROBLEM = "no-problem"
    CANNOT_JUDGE = "cannot-judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """
    How sure the answer is.

    Attributes:
        word: `high`, `medium` or `low`.
        share: the same as a number, 0 to 1; None where there are too few requests for one.
        raised_by: what would raise it, in words; None where nothing much would.
    """

    word: str
    share: float | None
    raised_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """
    How many requests would be usual.

    Attributes:
        expected: the count to expect.
        low: lower end of the usual range.
        high: upper end of it.

    Where it comes from stands in `Result.normal_basis`.
    """

    expected: float
    low: int
    high: int

    def times(self, requests: int) -> float | None:
        """Return how many times the expected count *requests* is; None where nothing was expected."""
        return requests / self.expected if self.expected > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    The answer.

    Attributes:
        state: what it is.
        claim: what is so, without when.
        when: since when, or from when until when, and how many of the requests that is said of where it is not nearly
            all of them; empty where there is no incident.
        classes: the class it is about, the two largest where it is mixed, none where there is no problem.
        requests: how many incident requests are of the first of *classes*.
        share: their share of all incident requests; None where there are none.
        incident_id: the main incident; None where there is none.
        part: which requests of the answer it holds, in words; empty where that is nearly all of them.
        since_at: its start.
        until_at: its end; None while it is going on, and without an incident.
        ongoing: whether it is going on.
        cut: whether the window ended before now: nobody looked whether it still goes on.
        confidence: how sure that is.
    """

    state: State
    claim: str
    when: str = ""
    classes: tuple[str, ...] = ()
    requests: int = 0
    share: float | None = None
    incident_id: str | None = None
    part: str = ""
    since_at: datetime | None = None
    until_at: datetime | None = None
    ongoing: bool = False
    cut: bool = False
    confidence: Confidence

    @property
    def sentence(self) -> str:
        """Return the answer as one line in plain English, with names from the logs in it."""
        return f"{self.claim}, {self.when}." if self.when else f"{self.claim}."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class: how many incident requests, their share of all of these, and what would be normal."""

    class_: str
    requests: int
    share: float | None
    normal: Normal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonRow:
    """One reason: how many incident requests have it, and (for UNKNOWN) what to log so that they need not."""

    class_: str
    rule: str | None
    reason: str
    requests: int
    what_to_log: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRow:
    """One function: all its requests, and its incident requests by class."""

    function: str
    requests: int
    by_class: Mapping[str, int]

    @property
    def incident(self) -> int:
        """Return how many of its requests failed or were slow."""
        return sum(self.by_class.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatRow:
    """One function and stage: its incident requests by class."""

    function: str
    stage: str
    requests: int
    by_class: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRow:
    """One error code of incident requests. *normal* None: nothing to compare with; 0: new."""

    error_code: str
    requests: int
    normal: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRow:
    """Quantiles of one measure (`total`, `upstream`, `own`) in ms, and of how many requests."""

    measure: str
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyRow:
    """
    One piece of evidence for the answer.

    Attributes:
        class_: the class it speaks for.
        function: where.
        stage: which record decided.
        evidence: the values, as `field=value`.
        words: the same for a sentence.
        requests: how many incident requests show it.
        share: their share of all incident requests.
        normal: how many the quiet part of the logs would have given; None where it cannot say.
        lift: *requests* over *normal*; None where *normal* is None or 0.
    """

    class_: str
    function: str
    stage: str
    evidence: str
    words: str
    requests: int
    share: float
    normal: float | None
    lift: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """Why the answer is not another class: parts of one line, the most telling first."""

    class_: str
    requests: int
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the whole line."""
        return ", ".join(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """
    Counts over time, in bins of equal width. A bin without any request at all is a gap: None, not 0.

    Attributes:
        starts: start of each bin.
        width_minutes: width of all of them.
        totals: requests, healthy ones included.
        by_class: incident requests by class.
    """

    starts: tuple[datetime, ...] = ()
    width_minutes: int = 1
    totals: tuple[int | None, ...] = ()
    by_class: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRow:
    """One incident; pairs are a value and its count, the most frequent first."""

    id: str
    class_: str
    started_at: datetime
    ended_at: datetime
    ongoing: bool
    functions: tuple[str, ...]
    requests: int
    excess: float
    unknown_requests: int
    severity: int
    reasons: Tally = ()
    statuses: Tally = ()
    upstream_statuses: Tally = ()
    error_codes: Tally = ()
    sample_request_ids: tuple[str, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether it is led with: most of severity 4 are chance, so those are only counted and listed."""
        return self.severity <= 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """`total = healthy + incident`; *absorbed* are healthy ones whose upstream failed."""

    total: int = 0
    healthy: int = 0
    incident: int = 0
    absorbed: int = 0
    untimed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """
    All that an output shows that draws neither single requests nor minutes: plain values.

    Attributes:
        generated_at: when, as the caller said.
        zone: the zone of printed times.
        typed: what was asked for, as it was typed.
        tool_version: ours.
        rules: see `Rules`.
        window: what is told: the one that was asked for, or a part of it.
        account: where every line went.
        requests: see `Requests`.
        verdict: the answer.
        classes: one row per class, in their fixed order.
        normal_basis: what *normal* rests on, in words; None where nothing says what is normal.
        reasons: most frequent first.
        functions: by incident requests, then requests, then name.
        heat: function and stage, by incident requests.
        codes: error codes of incident requests, the most frequent.
        latency: quantiles over all requests.
        why: evidence for the answer, strongest first.
        why_not: one line for each other class.
        series: counts over time.
        incidents: by severity, then size; all severities.
        flags: how many verdicts carry which flag.
        runbook: texts for the classes and functions that the answer names.
        goals: those that are configured; reports hold weeks and incidents against them.
        next_commands: what to run next, ready for a shell.
        exit_code: 0, or 4 where nothing can be judged.
    """

    generated_at: datetime
    zone: tzinfo
    typed: Typed
    tool_version: str
    rules: Rules
    window: Window
    account: InputAccount
    requests: Requests
    verdict: Verdict
    classes: tuple[ClassRow, ...]
    normal_basis: str | None = None
    reasons: tuple[ReasonRow, ...] = ()
    functions: tuple[FunctionRow, ...] = ()
    heat: tuple[HeatRow, ...] = ()
    codes: tuple[CodeRow, ...] = ()
    latency: tuple[LatencyRow, ...] = ()
    why: tuple[WhyRow, ...] = ()
    why_not: tuple[WhyNot, ...] = ()
    series: Series = field(default_factory=Series)
    incidents: tuple[IncidentRow, ...] = ()
    flags: Mapping[str, int] = field(default_factory=dict)
    runbook: tuple[str, ...] = ()
    goals: tuple[Goal, ...] = ()
    next_commands: tuple[str, ...] = ()
    exit_code: int = 0

    @property
    def paths(self) -> tuple[str, ...]:
        """Return what was read, as it was typed."""
        return self.typed.paths

    @property
    def everything(self) -> str:
        """Return what was looked at in words: everything, or the functions that were asked for."""
        functions = self.typed.functions
        return f"all functions asked for ({and_more(functions, 3)})" if functions else "everything"

    @property
    def shown_incidents(self) -> tuple[IncidentRow, ...]:
        """Return the incidents that a screen leads with."""
        return tuple(incident for incident in self.incidents if incident.shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(View):
    """
    All that any output shows.

    Attributes:
        analysis: what all this was made from; for outputs with one line per request and for reports.
        found: the incidents as they were found, for outputs that tell one of them minute by minute.
    """

    analysis: Analysis = field(repr=False, compare=False)
    found: tuple[Incident, ...] = field(default=(), repr=False, compare=False)

    @property
    def verdicts(self) -> pl.LazyFrame:
        """Return one row per incident request, in order of time."""
        return self.analysis.verdicts
