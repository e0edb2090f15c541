"""What the gate answers: numbers and states. `attribute.reports.gate_view` puts them into words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from attribute.gate.coverage import CoverageReport, CoverageTest
from attribute.gate.expect import LeftOut
from attribute.gate.limits import LimitTest
from attribute.gate.settings import Check, Level, State
from attribute.gate.shape import Shape, Signature
from attribute.gate.spike import SpikeTest
from attribute.gate.volume import Volume

__all__ = ["BaselineUse", "GateResult", "Numbers", "Outcome", "Why"]


class Why(StrEnum):
    """Why a test could not judge."""

    NO_REQUESTS = "no-requests"
    STALE = "stale"
    REFUSED = "refused"
    """All requests of the last day were refused before any upstream call."""
    SILENT = "silent"
    """It would have failed, were it still there, and since then there is no request to tell by."""
    REJECTS = "rejects"
    UNTIMED = "untimed"
    """Too many requests have no time, or one after now."""
    NO_BASELINE = "no-baseline"
    OTHER_RULES = "other-rules"
    TOO_FEW = "too-few"
    LACKING = "lacking"
    """Too few to judge, and far fewer than usual: what is missing may be anything."""
    NEW_FUNCTIONS = "new-functions"
    """Most healthy requests are of functions of which nobody knows what is usual, and say nothing of their upstream."""
    NO_EVIDENCE = "no-evidence"
    """No function usually says what its upstream answered, so none can stop saying it."""
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    One line of the answer.

    Attributes:
        id: stable from run to run; a check and what it looks at, never a number.
        check: which part of the gate.
        state: what it comes to.
        level: what a failure of it does.
        counts_as: what state it brings to the whole gate; None where another line decides.
        spike: the numbers, for a spike test.
        coverage: the numbers, for a function that lost evidence.
        coverage_report: the numbers of all functions, for the line on coverage.
        limit: the numbers, for a limit.
        why: why it could not judge.
        silent_since: the minute of the newest request of what it is about, where there is none to tell by since.
        negligible: there were so few failures that they do not matter, whatever they are.
        shape: what a spike looks like.
        signatures: its most frequent signatures.
    """

    id: str
    check: Check | None
    state: State
    level: Level = Level.ERROR
    counts_as: State | None = None
    spike: SpikeTest | None = None
    coverage: CoverageTest | None = None
    coverage_report: CoverageReport | None = None
    limit: LimitTest | None = None
    why: Why | None = None
    silent_since: datetime | None = None
    negligible: bool = False
    shape: Shape | None = None
    signatures: tuple[Signature, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineUse:
    """
    What the gate compared with.

    Attributes:
        days: how many days with requests the spike test rests on, or where it did not run, coverage.
        first_day: the first of them; empty where there is none.
        last_day: the last.
        left_out: days that are no guide, and for whom.
        windows: the windows in hours for which that was enough.
        available_days: how many days there were in all, before the shortest window.
        days_old: days between the last day of the baseline and now; None without a baseline.
        of_file: whether it was given, rather than taken from the earlier part of the same logs.
        for_coverage: whether *days* are those of coverage, as no spike was looked for.
    """

    days: int = 0
    first_day: str = ""
    last_day: str = ""
    left_out: tuple[LeftOut, ...] = ()
    windows: tuple[int, ...] = ()
    available_days: int = 0
    days_old: int | None = None
    of_file: bool = False
    for_coverage: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """
    Requests that were read.

    Attributes:
        requests: all of them.
        incident: failing or slow ones.
        unknown: UNKNOWN ones.
        refused: those of them that were answered 4xx before any upstream call was seen.
        untimed: requests without a time; only limits over everything count them.
        later: requests after now, which nothing counts.
        rejected: rejected lines.
        newest_at: minute of the newest request that is not after now.
    """

    requests: int
    incident: int
    unknown: int
    refused: int
    untimed: int
    later: int
    rejected: int
    newest_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """
    The answer.

    Attributes:
        state: fail where any line that counts fails, else inconclusive where any that counts is, else pass.
        now: the end of all windows.
        outcomes: the lines: failures first, then what could not be judged, then the rest.
        numbers: what was read.
        volume: how many requests came in the last day, and how many usually do.
        baseline: what was compared with.
        asked_baseline: whether any part of the gate that ran compares with one.
    """

    state: State
    now: datetime
    outcomes: tuple[Outcome, ...]
    numbers: Numbers
    volume: Volume
    baseline: BaselineUse
    asked_baseline: bool = True
