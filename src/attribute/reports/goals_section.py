"""The section of the weekly report that holds the week against its goals, and what an incident cost them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from attribute.reports.asked import Goal
from attribute.reports.document import Block, Column, Kind, Paragraph, Section, Table, Tone
from attribute.reports.goals import BURNS, TREND_WEEKS, GoalRow, Outcome, outage_minutes
from attribute.reports.weeks import Week
from attribute.reports.wording import FEW, and_more, count, of, percent, plural, span, times

__all__ = ["cost_rows", "goals_fact", "goals_section"]

_BURN: Final = (
    "Burn: how many times faster than it may, the budget went at the end of the told time; x1.0 just uses it up."
)


def goals_section(rows: Sequence[GoalRow], week: Week) -> Section | None:
    """Return what came of each goal; nothing where none is configured."""
    if not rows:
        return None
    remarks = [_BURN]
    unjudged = any(row.outcome is Outcome.NOT_JUDGED for row in rows)
    if unjudged:
        remarks.append("Nothing is judged where a single request would decide.")
    if any(row.budget_left is None for row in rows):
        remarks.append("No budget is told where the logs do not reach over its time, or hold too few requests of it.")
    remarks += [f"Of {row.goal.name}, {_harmless(row.goal)}" for row in rows if _harmless(row.goal)]
    blocks: list[Block] = [_week_table(rows), _budget_table(rows), Paragraph(" ".join(remarks), Tone.NOTE)]
    if any(each is not None for row in rows for each in row.trend[:-1]):
        blocks.append(_trend_table(rows, week))
    return Section(anchor="goals", title="Goals", blocks=tuple(blocks), brief=True)


def _harmless(goal: Goal) -> str:
    if len(set(goal.classes)) == len(Goal(name="", target=goal.target).classes):
        return ""
    return f"only failing or slow requests of class {and_more(goal.classes, 4)} count against it."


def _week_table(rows: Sequence[GoalRow]) -> Table:
    scoped = any(row.goal.functions != ("*",) for row in rows)
    return Table(
        caption="What went well",
        columns=(
            Column("goal", Kind.NAME),
            *((Column("functions", Kind.NAME),) if scoped else ()),
            Column("target", Kind.NUMBER),
            Column("went well", Kind.NUMBER),
            Column("outcome", Kind.FIXED),
            Column("went wrong", Kind.NUMBER),
        ),
        rows=tuple(
            (
                row.goal.name,
                *((", ".join(row.goal.functions),) if scoped else ()),
                f"{_target(row.goal)} %",
                _well(row.goal, row.requests, row.bad),
                _outcome(row),
                f"{count(row.bad)} of {count(row.requests)}",
            )
            for row in rows
        ),
    )


def _budget_table(rows: Sequence[GoalRow]) -> Table:
    return Table(
        caption="How much may still go wrong, and how fast that is used up",
        columns=(
            Column("goal", Kind.NAME),
            Column("budget of"),
            Column("left", Kind.NUMBER),
            *(Column(f"burn, last {_length(length)}", Kind.NUMBER) for length in BURNS),
        ),
        rows=tuple(
            (
                row.goal.name,
                plural(row.goal.weeks, "week"),
                _budget(row),
                *(None if burn is None else times(burn) for burn in row.burns),
            )
            for row in rows
        ),
    )


def _length(length: timedelta) -> str:
    """Return `1 h`, `6 h`, `3 d`."""
    return span(length) if length >= timedelta(hours=2) else f"{length // timedelta(hours=1)} h"


def _outcome(row: GoalRow) -> str:
    if row.outcome is Outcome.NOT_JUDGED:
        return f"not judged: under {plural(row.goal.enough, 'request')}" if row.requests else "not judged: no request"
    return row.outcome.value


def _target(goal: Goal) -> str:
    return f"{100 * goal.target:g}"


def _well(goal: Goal, requests: int, bad: int) -> str | None:
    """Return the share that went well, one decimal finer than the target and never rounded up to it."""
    if not requests:
        return None
    if requests < FEW:
        return of(requests - bad, requests)
    decimals = max(len(_target(goal).partition(".")[2]) + 1, 2)
    whole, rest = divmod((requests - bad) * 10 ** (decimals + 2) // requests, 10**decimals)
    return f"{whole}.{rest:0{decimals}} %"


def _budget(row: GoalRow) -> str | None:
    left = row.budget_left
    if left is None:
        return None
    return percent(left) if left >= 0 else f"none, {times(1 - left)} of it spent"


def _trend_table(rows: Sequence[GoalRow], week: Week) -> Table:
    names = [week.earlier(back).name for back in range(TREND_WEEKS - 1, -1, -1)]
    return Table(
        caption="What went well, over four weeks",
        columns=(Column("goal", Kind.NAME), *(Column(name, Kind.NUMBER) for name in names)),
        rows=tuple(
            (row.goal.name, *(None if each is None else _well(row.goal, *each) for each in row.trend)) for row in rows
        ),
    )


def goals_fact(rows: Sequence[GoalRow]) -> str | None:
    """Return what came of all goals, in a line; nothing where none is configured."""
    if not rows:
        return None
    judged = [row for row in rows if row.outcome is not Outcome.NOT_JUDGED]
    missed = [row.goal.name for row in judged if row.outcome is Outcome.MISSED]
    if not judged:
        return "too few requests to judge any"
    text = f"{count(len(missed))} of {count(len(rows))} missed"
    text += f": {and_more(missed, 3)}" if missed else ""
    return text + (f"; {count(len(rows) - len(judged))} not judged" if len(judged) < len(rows) else "")


def cost_rows(goals: Sequence[Goal], counts: pl.DataFrame, since: datetime, until: datetime) -> list[tuple[str, str]]:
    """Return what a stretch of time cost each goal, as label and value."""
    rows = []
    for goal in goals:
        spent = outage_minutes(goal, counts, since, until)
        if spent is not None and spent > 0:
            share = percent(spent / goal.budget_minutes)
            value = (
                f"{spent:,.1f} of {goal.budget_minutes:,.1f} outage minutes in {plural(goal.weeks, 'week')} ({share})"
            )
            rows.append((f"spent meanwhile of the budget of {goal.name}", value))
    return rows
