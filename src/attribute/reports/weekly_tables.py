"""Sections of the weekly report that are one table each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from attribute.reports.document import Block, Column, Kind, Paragraph, Section, Table, Tone
from attribute.reports.notes import Review
from attribute.reports.weekly_model import BottleneckRow, VendorRow, Weekly
from attribute.reports.wording import FEW, count, percent, span, stamp

__all__ = [
    "actions_section",
    "bottlenecks_section",
    "coverage_blocks",
    "incidents_section",
    "movers_section",
    "vendors_section",
]

ROWS: Final = 15
FEW_ROWS: Final = 10


def incidents_section(weekly: Weekly, reports: Iterable[str]) -> Section | None:
    """Return the incidents that reach into the week; *reports* are files that may be linked."""
    files = frozenset(reports)
    hidden = sum(1 for row in weekly.result.incidents if not row.shown)
    if not weekly.incidents:
        return None
    zone = weekly.week.zone
    table = Table(
        caption="Incidents, the gravest first; outage min: their cost as minutes of an outage of everything",
        columns=(
            Column("id", Kind.REPORT),
            Column("class", Kind.CLASS),
            Column("from", Kind.FIXED),
            Column("how long", Kind.FIXED),
            Column("severity", Kind.NUMBER),
            Column("requests", Kind.NUMBER),
            Column("functions", Kind.NAME),
            Column("outage min", Kind.NUMBER),
            *(() if weekly.reviews is None else (Column("review"),)),
        ),
        rows=tuple(
            (
                f"{each.id}.html" if f"{each.id}.html" in files else each.id,
                each.class_.value,
                stamp(each.started_at, zone) + (" (began before)" if each.started_at < weekly.part.since_at else ""),
                "still going on" if each.ongoing else span(each.ended_at - each.started_at),
                str(each.severity),
                count(each.requests),
                ", ".join(each.functions[:5]) + (" ..." if len(each.functions) > 5 else ""),
                f"{each.outage_minutes:,.1f}",
                *(() if weekly.reviews is None else (_review(weekly.reviews.get(each.id)),)),
            )
            for each in weekly.incidents[:ROWS]
        ),
        omitted=max(len(weekly.incidents) - ROWS, 0),
    )
    blocks: list[Block] = [table]
    if hidden:
        text = f"{count(hidden)} of severity 4, most of which are chance, are not shown."
        blocks.append(Paragraph(text, Tone.NOTE))
    return Section(anchor="incidents", title="Incidents", blocks=tuple(blocks), brief=True)


def _review(review: Review | None) -> str:
    if review is None or not review.written:
        return "not begun"
    return f"{count(review.written)} of {count(review.fields)} fields"


def movers_section(weekly: Weekly) -> Section | None:
    """Return what is new, more, fewer or gone."""
    if not weekly.movers:
        return None
    table = Table(
        caption="Against the same part of the week before, at the traffic of this one",
        columns=(
            Column("function", Kind.NAME),
            Column("class", Kind.CLASS),
            Column("error_code", Kind.NAME),
            Column("requests", Kind.NUMBER),
            Column("the week before", Kind.NUMBER),
            Column("change"),
        ),
        rows=tuple(
            (
                str(change.key[0]),
                str(change.key[1]),
                None if change.key[2] is None else str(change.key[2]),
                count(change.requests),
                count(change.before),
                change.word,
            )
            for change in weekly.movers[:ROWS]
        ),
        omitted=max(len(weekly.movers) - ROWS, 0),
    )
    return Section(anchor="movers", title="Movers: new, more, fewer, gone", blocks=(table,), brief=True)


def vendors_section(weekly: Weekly) -> Section | None:
    """Return the scorecard of upstreams, for the talk about their promises."""
    if not weekly.vendors:
        return None
    length = weekly.part.until_at - weekly.part.since_at
    table = Table(
        caption="Upstreams, as our own calls saw them",
        columns=(
            Column("upstream", Kind.NAME),
            Column("calls", Kind.NUMBER),
            Column("failed", Kind.NUMBER),
            Column("share", Kind.NUMBER),
            Column("usual share", Kind.NUMBER),
            Column("our failures by it", Kind.NUMBER),
            Column("p95, ms", Kind.NUMBER),
            Column("bad minutes", Kind.NUMBER),
            Column("incidents", Kind.NUMBER),
        ),
        rows=tuple(_vendor_cells(row) for row in weekly.vendors[:ROWS]),
        omitted=max(len(weekly.vendors) - ROWS, 0),
    )
    remark = (
        "A call failed where the upstream answered 5xx or not within our time limit, whether or not our side absorbed "
        f"it. Bad minutes: of vendor incidents, of {count(length // timedelta(minutes=1))} in all. Usual: the median "
        "of up to four weeks before. p95 stands where all functions that call it call no other."
    )
    return Section(anchor="vendors", title="Vendors", blocks=(table, Paragraph(remark, Tone.NOTE)), brief=True)


def _vendor_cells(row: VendorRow) -> tuple[str | None, ...]:
    return (
        "(no name logged)" if row.upstream is None else row.upstream,
        count(row.calls),
        count(row.failed),
        percent(row.failed / row.calls) if row.calls >= FEW else None,
        None if row.usual_share is None else percent(row.usual_share),
        count(row.blamed),
        None if row.p95_ms is None else count(row.p95_ms),
        count(row.bad_minutes),
        count(row.incidents),
    )


def bottlenecks_section(weekly: Weekly) -> Section | None:
    """Return the functions with the most time of their own."""
    rows = weekly.bottlenecks
    if not rows:
        return None
    table = Table(
        caption="Functions by requests that they slowed down themselves, then by own time",
        columns=(
            Column("function", Kind.NAME),
            Column("bottleneck requests", Kind.NUMBER),
            Column("the week before", Kind.NUMBER),
            Column("own p95, ms", Kind.NUMBER),
            Column("the week before, ms", Kind.NUMBER),
            Column("upstream p95, ms", Kind.NUMBER),
        ),
        rows=tuple(_bottleneck_cells(row, known=weekly.before is not None) for row in rows[:FEW_ROWS]),
        omitted=max(len(rows) - FEW_ROWS, 0),
    )
    return Section(anchor="bottlenecks", title="Bottlenecks of our own", blocks=(table,))


def _bottleneck_cells(row: BottleneckRow, *, known: bool) -> tuple[str | None, ...]:
    return (
        row.function,
        count(row.requests),
        count(row.before) if known else None,
        *(
            None if value is None else count(value)
            for value in (row.own_p95_ms, row.own_p95_before_ms, row.upstream_p95_ms)
        ),
    )


def coverage_blocks(weekly: Weekly) -> list[Block]:
    """Return how much of the week the logs cover, and of its failures the evidence."""
    totals = weekly.totals
    blocks: list[Block] = [
        Paragraph(
            f"Half hours with at least one request: {count(totals.half_hours)} of {count(totals.possible_half_hours)}."
            if totals.possible_half_hours
            else "Nothing of this week can be told yet."
        )
    ]
    if weekly.coverage:
        rows = weekly.coverage[:FEW_ROWS]
        blocks.append(
            Table(
                caption="Failing or slow requests that say what their upstream answered, by how many do not",
                columns=(
                    Column("function", Kind.NAME),
                    Column("requests", Kind.NUMBER),
                    Column("with upstream_status", Kind.NUMBER),
                    Column("share", Kind.NUMBER),
                    Column("as a bar", Kind.BAR),
                ),
                rows=tuple(
                    (
                        row.function,
                        count(row.requests),
                        count(row.with_status),
                        percent(row.with_status / row.requests) if row.requests >= FEW else None,
                        row.with_status / row.requests,
                    )
                    for row in rows
                ),
                omitted=max(len(weekly.coverage) - FEW_ROWS, 0),
            )
        )
    return blocks


def actions_section(weekly: Weekly) -> Section | None:
    """Return what people noted to do and have not ticked off, overdue first."""
    if not weekly.actions:
        return None
    today = weekly.result.generated_at.astimezone(weekly.week.zone).date()
    rows = []
    for action in weekly.actions[:ROWS]:
        late = "" if action.due is None or action.due >= today else f" ({(today - action.due).days} d overdue)"
        rows.append(
            (
                action.text,
                action.owner,
                None if action.due is None else f"{action.due.isoformat()}{late}",
                action.source,
            )
        )
    table = Table(
        caption="Open actions, by date",
        columns=(Column("what"), Column("owner", Kind.NAME), Column("due"), Column("from", Kind.NAME)),
        rows=tuple(rows),
        omitted=max(len(weekly.actions) - ROWS, 0),
    )
    return Section(anchor="actions", title="Actions", blocks=(table,), brief=True)
