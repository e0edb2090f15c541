"""
A rollup of weeks -> the numbers of one week beside those of the week before.

Everything here looks at counts alone, so that weeks of any size cost the same; only the few requests that a result
shows by their id come from verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from attribute.engines.analysis import Analysis, Window
from attribute.incidents.model import Incident
from attribute.reports.asked import Asked
from attribute.reports.goals import judge
from attribute.reports.narrow import narrow, overlapping, time_of
from attribute.reports.notes import Action, Notes, Review
from attribute.reports.result import build_result
from attribute.reports.weekly_model import Weekly
from attribute.reports.weekly_numbers import (
    bottlenecks,
    coverage,
    days,
    hours,
    inside,
    movers,
    told_part,
    totals,
    trend,
    vendors,
)
from attribute.reports.weeks import Week, part_of
from attribute.rules.catalogue import Catalogue
from attribute.rules.thresholds import Thresholds

__all__ = ["look_at_week"]


def look_at_week(
    analysis: Analysis,
    *,
    week: Week,
    catalogue: Catalogue,
    thresholds: Thresholds,
    incidents: Sequence[Incident],
    asked: Asked,
    notes: Notes | None = None,
    actions: Sequence[Action] = (),
    reviews: Mapping[str, Review] | None = None,
) -> Weekly:
    """
    Return the numbers of one week.

    Args:
        analysis: of logs that may reach over any time; the weeks before the one asked for say what is usual.
        week: which one.
        catalogue: the rules that gave the verdicts.
        thresholds: the limits that they used.
        incidents: from `attribute.incidents.group` over all of *analysis*.
        asked: what the user asked for; its window is not looked at.
        notes: what people wrote about the week.
        actions: from all notes.
        reviews: how far that of each incident is, by id; None: nobody knows.
    """
    counts, latency = analysis.rollup.counts, analysis.rollup.latency
    known = time_of(counts)
    part = told_part(week, part_of(week, known, asked.now), counts)
    since, until = part.since_at, part.until_at
    here = overlapping(tuple(incidents), since, until)
    result = build_result(
        narrow(analysis, since, until),
        catalogue=catalogue,
        thresholds=thresholds,
        incidents=here,
        asked=replace(asked, part=Window(since_at=since, until_at=until)),
    )
    now = result.analysis.rollup
    old_since, old_until = week.same_clock(since, 1), week.same_clock(until, 1)
    old = counts.filter(inside(old_since, old_until))
    old_latency = latency.filter(pl.col("slot").is_between(old_since, old_until, closed="left"))
    before = part_of(week.earlier(1), known, asked.now)
    before = replace(before, since_at=max(before.since_at, old_since), until_at=min(before.until_at, old_until))
    shown = tuple(sorted((each for each in here if each.severity <= 3), key=_gravity))
    return Weekly(
        week=week,
        part=part,
        result=result,
        totals=totals(week.name, now.counts, since, until, incidents),
        before=totals(week.earlier(1).name, old, old_since, old_until, incidents) if old.height else None,
        before_part=told_part(week.earlier(1), before, counts),
        days=days(week, part, now.counts, old),
        hours=hours(week, now.counts),
        trend=trend(week, part, counts, incidents),
        movers=movers(now.counts, old),
        goals=judge(asked.goals, counts, week=week, part=part),
        vendors=vendors(now, counts=counts, week=week, part=part, incidents=shown),
        bottlenecks=bottlenecks(now.counts, now.latency, old, old_latency),
        coverage=coverage(now.counts),
        incidents=shown,
        counts=counts,
        notes=notes or Notes(),
        actions=tuple(sorted((action for action in actions if not action.done), key=_urgency)),
        reviews=reviews,
    )


def _gravity(incident: Incident) -> tuple[int, int, datetime, str]:
    return incident.severity, -incident.requests, incident.started_at, incident.id


def _urgency(action: Action) -> tuple[bool, str, str, str]:
    return action.due is None, "" if action.due is None else action.due.isoformat(), action.source, action.text
