"""Sections of the weekly report that are charts: its days, their hours, and four weeks."""

from __future__ import annotations

from attribute.reports.charts import Stack, stacked
from attribute.reports.charts_rows import heat
from attribute.reports.document import Block, Chart, Column, Kind, Section, Table
from attribute.reports.weekly_model import DayRow, Totals, Weekly
from attribute.reports.weeks import Week
from attribute.reports.wording import FEW, count, of, percent
from attribute.rules.words import CLASSES

__all__ = ["days_section", "trend_section"]


def days_section(weekly: Weekly, *, by_hour: bool) -> Section:
    """Return the days of the week, and (where wanted) their hours."""
    days = weekly.days
    seen = [day.requests is not None for day in days]
    drawing = stacked(
        Stack(
            id="days-chart",
            title="Failing or slow requests by day and class",
            description="One bar per day, stacked by class; the dashed line is the week before.",
            labels=[day.label for day in days],
            by_class={
                class_: [day.by_class[class_] if there else None for day, there in zip(days, seen, strict=True)]
                for class_ in CLASSES
            },
            unit="requests per day",
            ghost=[day.before for day in days],
            ghost_label="the week before",
        )
    )
    table = Table(
        caption="Failing or slow requests by day",
        columns=(
            Column("day", Kind.FIXED),
            Column("requests", Kind.NUMBER),
            *(Column(class_.value, Kind.NUMBER) for class_ in CLASSES),
            Column("the week before", Kind.NUMBER),
        ),
        rows=tuple(_day_cells(day) for day in days),
    )
    blocks: list[Block] = [Chart(drawing=drawing, table=table)]
    if by_hour:
        blocks.append(_hours_chart(weekly))
    return Section(anchor="days", title="Seven days", blocks=tuple(blocks))


def _day_cells(day: DayRow) -> tuple[str | None, ...]:
    before = None if day.before is None else count(day.before)
    if day.requests is None:
        return (day.label, "none", *(None for _ in CLASSES), before)
    return (day.label, count(day.requests), *(count(day.by_class[class_]) for class_ in CLASSES), before)


def _hours_chart(weekly: Weekly) -> Chart:
    labels = [day.label for day in weekly.days]
    hours = [f"{hour:02}" for hour in range(24)]
    drawing = heat(
        id_="hours-chart",
        title="Failing or slow requests by day and hour",
        description="One row per day, one column per hour; the stronger the colour, the more; empty: no request.",
        rows=labels,
        columns=hours,
        values=weekly.hours,
    )
    table = Table(
        caption="Failing or slow requests by hour and day",
        columns=(Column("hour", Kind.FIXED), *(Column(label, Kind.NUMBER) for label in labels)),
        rows=tuple(
            (f"{hour}:00", *(None if day[number] is None else count(day[number] or 0) for day in weekly.hours))
            for number, hour in enumerate(hours)
        ),
        folded=True,
    )
    return Chart(drawing=drawing, table=table)


def trend_section(weekly: Weekly) -> Section | None:
    """Return four weeks; nothing where there are logs of one only."""
    trend = weekly.trend
    known = [each for each in trend if each is not None]
    if len(known) < 2:
        return None
    shares = all(each.requests >= FEW for each in known)
    names = [each.name if each else week.name for each, week in zip(trend, _weeks(weekly), strict=True)]

    def value(each: Totals | None, class_: str) -> float | None:
        if each is None:
            return None
        return 100 * each.by_class[class_] / each.requests if shares else each.by_class[class_]

    drawing = stacked(
        Stack(
            id="trend-chart",
            title="Failing or slow requests over four weeks, by class",
            description="One bar per week, stacked by class.",
            labels=names,
            by_class={class_: [value(each, class_) for each in trend] for class_ in CLASSES},
            unit="% of requests" if shares else "requests",
        )
    )
    table = Table(
        caption="Four weeks",
        columns=(
            Column("week", Kind.FIXED),
            Column("requests", Kind.NUMBER),
            Column("went well", Kind.NUMBER),
            *(Column(class_.value, Kind.NUMBER) for class_ in CLASSES),
            Column("incidents", Kind.NUMBER),
            Column("half hours with logs"),
        ),
        rows=tuple(_trend_cells(name, each) for name, each in zip(names, trend, strict=True)),
    )
    return Section(anchor="trend", title="Four weeks", blocks=(Chart(drawing=drawing, table=table),))


def _weeks(weekly: Weekly) -> list[Week]:
    return [weekly.week.earlier(back) for back in range(len(weekly.trend) - 1, -1, -1)]


def _trend_cells(name: str, each: Totals | None) -> tuple[str | None, ...]:
    if each is None:
        return (name, "no logs", None, *(None for _ in CLASSES), None, None)
    well = percent(each.healthy / each.requests) if each.requests >= FEW else of(each.healthy, each.requests)
    return (
        name,
        count(each.requests),
        well,
        *(count(each.by_class[class_]) for class_ in CLASSES),
        count(each.incidents),
        f"{count(each.half_hours)} of {count(each.possible_half_hours)}",
    )
