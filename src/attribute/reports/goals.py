"""
Goals: which share of requests should go well, what a week did of it, and how much of the budget is left.

A goal of 99.5 % lets one request in 200 fail or be slow: that is its budget. Nothing is called met or missed where a
single request would decide, and no budget is told where the logs do not reach over the time that it is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import polars as pl

from attribute.engines.settle import matches
from attribute.reports.asked import Goal
from attribute.reports.narrow import time_of
from attribute.reports.weeks import Part, Week
from attribute.reports.wording import FEW

__all__ = ["BURNS", "TREND_WEEKS", "GoalRow", "Outcome", "judge", "outage_minutes"]

BURNS: Final = (timedelta(hours=1), timedelta(hours=6), timedelta(days=3))
"""Over these last stretches of the told time it is said how fast the budget goes: SRE Workbook, chapter 5."""

TREND_WEEKS: Final = 4
_NEARLY: Final = timedelta(hours=1)
"""Logs that begin so soon after a budget's time hold all of it: nobody may have called."""


class Outcome(StrEnum):
    """What can be said of a goal."""

    MET = "met"
    MISSED = "missed"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalRow:
    """
    One goal, in one week.

    Attributes:
        goal: which.
        requests: of its functions in the told part of the week.
        bad: those that did not go well.
        outcome: what can be said of it.
        budget_requests: requests of its functions in the time of the budget, which ends with the told part; None where
            the logs do not reach over it, or hold too few.
        budget_bad: those of them that did not go well; None as before.
        burns: how many times faster than it may, the budget went in each of the last stretches of `BURNS`; None for
            too few requests.
        trend: requests and bad ones in each of the last weeks, the told part last; None for a week without requests.
    """

    goal: Goal
    requests: int
    bad: int
    outcome: Outcome
    budget_requests: int | None
    budget_bad: int | None
    burns: tuple[float | None, ...]
    trend: tuple[tuple[int, int] | None, ...]

    @property
    def budget_left(self) -> float | None:
        """Return which share of the budget is left; under 0 where more than all of it is spent."""
        if self.budget_requests is None or self.budget_bad is None:
            return None
        return 1 - self.budget_bad / ((1 - self.goal.target) * self.budget_requests)


def judge(goals: Sequence[Goal], counts: pl.DataFrame, *, week: Week, part: Part) -> tuple[GoalRow, ...]:
    """
    Hold a week against *goals*.

    Args:
        goals: in the order in which they are to be shown.
        counts: `COUNTS`, of that week and of all weeks before it that are known.
        week: which one.
        part: what of it is told.
    """
    known = time_of(counts)
    return tuple(_row(goal, counts, week, part, known) for goal in goals)


def _row(goal: Goal, counts: pl.DataFrame, week: Week, part: Part, known: tuple[datetime, datetime] | None) -> GoalRow:
    until = part.until_at
    ours = _of(goal, counts)
    requests, bad = _count(ours, part.since_at, until)
    since = week.same_clock(until, goal.weeks)
    whole = _count(ours, since, until) if known is not None and known[0] <= since + _NEARLY else (0, 0)
    budget = whole if whole[0] >= goal.enough else (None, None)
    stretches = [_count(ours, until - length, until) for length in BURNS]
    return GoalRow(
        goal=goal,
        requests=requests,
        bad=bad,
        outcome=_outcome(goal, requests, bad),
        budget_requests=budget[0],
        budget_bad=budget[1],
        burns=tuple(None if all_ < FEW else wrong / all_ / (1 - goal.target) for all_, wrong in stretches),
        trend=tuple(_week_of(ours, week, part, back) for back in range(TREND_WEEKS - 1, -1, -1)),
    )


def _outcome(goal: Goal, requests: int, bad: int) -> Outcome:
    if requests < goal.enough:
        return Outcome.NOT_JUDGED
    rounding = 1e-9 * requests  # 1 - 0.995 is not 0.005
    return Outcome.MET if bad <= (1 - goal.target) * requests + rounding else Outcome.MISSED


def _week_of(ours: pl.DataFrame, week: Week, part: Part, back: int) -> tuple[int, int] | None:
    each = week.earlier(back)
    since, until = (each.since_at, each.until_at) if back else (part.since_at, part.until_at)
    found = _count(ours, since, until)
    return found if found[0] else None


def _of(goal: Goal, counts: pl.DataFrame) -> pl.DataFrame:
    """Return, by minute, the requests of a goal's functions and those that did not go well."""
    names = [name for name in counts["function"].unique() if matches(name, goal.functions)]
    requests, wrong = pl.col("requests"), pl.col("class").is_in(list(goal.classes))
    return (
        counts.filter(pl.col("function").is_in(names) & pl.col("minute").is_not_null())
        .group_by("minute")
        .agg(requests.sum(), requests.filter(wrong).sum().alias("bad"))
    )


def _count(ours: pl.DataFrame, since: datetime, until: datetime) -> tuple[int, int]:
    inside = ours.filter(pl.col("minute").is_between(since, until, closed="left"))
    return int(inside["requests"].sum()), int(inside["bad"].sum())


def outage_minutes(goal: Goal, counts: pl.DataFrame, since: datetime, until: datetime) -> float | None:
    """
    Return what a stretch of time cost a goal, as minutes of an outage of everything, whatever the traffic was.

    Nothing where its functions had too few requests in it.
    """
    inside = _of(goal, counts).filter(pl.col("minute").is_between(since, until, closed="left"))
    if int(inside["requests"].sum()) < FEW:
        return None
    return float((inside["bad"] / inside["requests"]).sum())
