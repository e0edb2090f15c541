"""Limits that somebody set: so many requests of a class, function or reason at most."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Self

import polars as pl

from attribute.gate.settings import GateSettings, Level, State
from attribute.gate.volume import Volume, without_time
from attribute.m1.errors import AttributionError
from attribute.rules.words import CLASS_OF_REASON, NO_CLASS, Class, Reason

__all__ = ["Limit", "LimitError", "LimitTest", "NoData", "Of", "check_names", "judge_limit"]

_MINUTE_US = 60_000_000
_MOST_NAMES = 2_000  # a log may invent names without end, and finding what was meant is slow
_GATED_REASONS = (*CLASS_OF_REASON, Reason.USER_RULE)


class NoData(StrEnum):
    """What a limit comes to when there is too little to judge by."""

    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"
    WARN = "warn"
    PASS = "pass"  # noqa: S105 -- a state, no secret


class Of(StrEnum):
    """What a share is a share of."""

    INCIDENT = "incident"
    REQUESTS = "requests"


class LimitError(AttributionError):
    """A limit that cannot be what was meant."""

    @classmethod
    def unknown_name(cls, place: str, what: str, name: str, known: Collection[str]) -> Self:
        """Return the error of a class, function or reason that does not exist."""
        close = get_close_matches(name, sorted(known)[:_MOST_NAMES], n=1)
        if close:
            hint = f"did you mean `{close[0]}`?"
        elif len(known) <= 20:
            hint = f"there are {', '.join(sorted(known))}" if known else "there are none"
        else:
            hint = f"there are {len(known):,} others"
        return cls(f"{place}: no {what} `{name[:128]}`", hint=hint)

    @classmethod
    def never_together(cls, place: str, reason: str, class_: str) -> Self:
        """Return the error of a reason that goes with another class."""
        return cls(f"{place}: the reason `{reason}` never goes with the class `{class_}`: the limit could not be met")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """
    One limit.

    Attributes:
        name: what to call it; stable, for fingerprints.
        class_: only requests of this class; None: of any of the four.
        function: only of functions that match this name or glob; None: of all.
        reason: only with this reason; None: any.
        max_share: greatest share, 0 to 1; None where *max_count* is set.
        max_count: greatest count.
        of: what *max_share* is a share of.
        min_requests: with fewer of those there is no share to judge.
        on_no_data: what too little data comes to; None: inconclusive, but a pass where so few of many requests failed
            or were slow that they do not matter.
        level: whether going over it fails the gate or warns.
        over_hours: only the last hours; None: everything up to now, untimed requests included.
        place: where it was set, for messages.
        line: its line in the configuration file, where it has one.
    """

    name: str
    class_: Class | None = None
    function: str | None = None
    reason: Reason | None = None
    max_share: float | None = None
    max_count: int | None = None
    of: Of = Of.INCIDENT
    min_requests: int = 10
    on_no_data: NoData | None = None
    level: Level = Level.ERROR
    over_hours: int | None = None
    place: str = "command line"
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitTest:
    """
    A limit and what it met.

    Attributes:
        limit: the limit.
        part: requests that it is about.
        whole: requests that these are a share of.
        requests: all requests of its functions.
        untimed: requests of its functions that have no time, or one after now, where they are too many to judge the
            others by; else 0.
        state: what it comes to; inconclusive where there was too little data.
    """

    limit: Limit
    part: int
    whole: int
    requests: int
    untimed: int
    state: State


def check_names(limit: Limit, functions: Collection[str]) -> None:
    """
    Make sure that a limit is about something that exists.

    Args:
        limit: the limit.
        functions: all functions of the logs and the baseline; with none at all nothing can be said.

    Raises:
        LimitError: no function matches, or reason and class never go together.
    """
    if limit.reason is not None and limit.class_ is not None:
        goes_with = CLASS_OF_REASON.get(limit.reason)
        if goes_with is not None and goes_with is not limit.class_:
            raise LimitError.never_together(limit.place, limit.reason, limit.class_)
    if limit.function is not None and functions and not _matching(limit.function, functions):
        raise LimitError.unknown_name(limit.place, "function", limit.function, functions)


def class_named(place: str, name: str) -> Class:
    """Return a class by name; raises LimitError."""
    if name not in set(Class):
        raise LimitError.unknown_name(place, "class", name, [str(one) for one in Class])
    return Class(name)


def reason_named(place: str, name: str) -> Reason:
    """Return a reason of incident requests by name; raises LimitError."""
    if name not in _GATED_REASONS:
        raise LimitError.unknown_name(place, "reason", name, [str(one) for one in _GATED_REASONS])
    return Reason(name)


def _matching(pattern: str, functions: Collection[str]) -> list[str]:
    return [name for name in functions if name == pattern or fnmatchcase(name, pattern)]


def judge_limit(
    limit: Limit, counts: pl.DataFrame, settings: GateSettings, *, now_minute: int, volume: Volume, as_of: bool
) -> LimitTest:
    """
    Hold *limit* against a `COUNTS` frame; *volume* is of all functions, *as_of* says whether somebody chose now.

    More requests that it is about never make it pass where it failed: both sides of a share grow by one.
    """
    minute = pl.col("minute").to_physical() // _MINUTE_US
    if limit.function is not None:
        counts = counts.filter(
            pl.col("function").is_in(_matching(limit.function, counts["function"].unique().to_list()))
        )
    scope = counts.filter(minute.is_null() | (minute < now_minute))
    if limit.over_hours is not None:
        scope = scope.filter(minute >= now_minute - 60 * limit.over_hours)
    incident = pl.col("class") != NO_CLASS
    about = incident
    if limit.class_ is not None:
        about &= pl.col("class") == limit.class_.value
    if limit.reason is not None:
        about &= pl.col("reason") == limit.reason.value
    requests = int(scope["requests"].sum())
    incidents = int(scope.filter(incident)["requests"].sum())
    part = int(scope.filter(about)["requests"].sum())
    whole = incidents if limit.of is Of.INCIDENT else requests
    state = _state(limit, part, whole, requests, settings)
    untimed = 0
    if limit.over_hours is not None and state is not State.FAIL:
        lost, timed = without_time(counts, now_minute=now_minute, as_of=as_of)
        if lost.too_many(read=timed, recent=requests, volume=volume, share=settings.max_rejected_share):
            state, untimed = State.INCONCLUSIVE, lost.all
    return LimitTest(limit=limit, part=part, whole=whole, requests=requests, untimed=untimed, state=state)


def _state(limit: Limit, part: int, whole: int, requests: int, settings: GateSettings) -> State:
    if limit.max_count is not None:
        if part > limit.max_count:
            return State.FAIL
        return State.PASS if requests else State.INCONCLUSIVE
    assert limit.max_share is not None
    if whole >= limit.min_requests:
        return State.FAIL if part > limit.max_share * whole else State.PASS
    few = requests >= settings.negligible_requests and whole <= settings.negligible_share * requests
    return State.PASS if few and limit.on_no_data is None else State.INCONCLUSIVE
