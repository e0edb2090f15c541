"""The weekly report for machines: the numbers of the page, under keys that stay."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import orjson

from attribute.reports.escape import json_bytes
from attribute.reports.goals import BURNS, GoalRow
from attribute.reports.json_result import document as result_document
from attribute.reports.weekly_model import Totals, Weekly
from attribute.reports.weekly_view import headline
from attribute.reports.wording import rfc3339

__all__ = ["SCHEMA", "document", "render"]

SCHEMA = "attribute.weekly/1"


def render(weekly: Weekly) -> bytes:
    """Return the object, indented, ending with a line break."""
    return json_bytes(orjson.dumps(document(weekly), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def document(weekly: Weekly) -> dict[str, object]:
    """Return what is written, as plain values. `result` is what `-o json` gives for that part of the week."""
    week, part = weekly.week, weekly.part
    return {
        "schema": SCHEMA,
        "generated_at": rfc3339(weekly.result.generated_at),
        "week": week.name,
        "zone": str(week.zone),
        "since": rfc3339(week.since_at),
        "until": rfc3339(week.until_at),
        "half_hours": week.half_hours,
        "part": {
            "since": rfc3339(part.since_at),
            "until": rfc3339(part.until_at),
            "whole": part.is_whole,
            "remarks": list(part.remarks),
        },
        "headline": headline(weekly),
        "totals": _totals(weekly.totals),
        "before": None if weekly.before is None else _totals(weekly.before),
        "days": [asdict(day) for day in weekly.days],
        "hours": [list(day) for day in weekly.hours],
        "trend": [None if each is None else _totals(each) for each in weekly.trend],
        "movers": [
            {
                "function": change.key[0],
                "class": change.key[1],
                "error_code": change.key[2],
                "requests": change.requests,
                "before": change.before,
                "change": change.word,
            }
            for change in weekly.movers
        ],
        "goals": [_goal(row) for row in weekly.goals],
        "vendors": [asdict(row) for row in weekly.vendors],
        "bottlenecks": [asdict(row) for row in weekly.bottlenecks],
        "coverage": [asdict(row) for row in weekly.coverage],
        "actions": [
            {**asdict(action), "due": None if action.due is None else action.due.isoformat()}
            for action in weekly.actions
        ],
        "reviews": None if weekly.reviews is None else {name: asdict(each) for name, each in weekly.reviews.items()},
        "result": result_document(weekly.result),
    }


def _goal(row: GoalRow) -> dict[str, object]:
    return {
        **asdict(row.goal),
        "requests": row.requests,
        "bad": row.bad,
        "outcome": row.outcome.value,
        "budget_requests": row.budget_requests,
        "budget_bad": row.budget_bad,
        "budget_left": None if row.budget_left is None else round(row.budget_left, 6),
        "burn_by_hours": {
            str(length // timedelta(hours=1)): None if burn is None else round(burn, 6)
            for length, burn in zip(BURNS, row.burns, strict=True)
        },
        "trend": [None if each is None else {"requests": each[0], "bad": each[1]} for each in row.trend],
    }


def _totals(totals: Totals) -> dict[str, object]:
    return {**asdict(totals), "incident": totals.incident, "healthy": totals.healthy}
