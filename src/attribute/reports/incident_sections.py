"""Sections of an incident report that do not look at time: impact, evidence, where, codes, examples."""

from __future__ import annotations

from typing import Final

import polars as pl

from attribute.incidents import belongs, touches
from attribute.incidents.model import Incident
from attribute.reports.charts_rows import heat
from attribute.reports.compare import Change, changes
from attribute.reports.document import Block, Bullets, Chart, Column, Kind, Paragraph, Section, Table, Tone, facts
from attribute.reports.evidence import INCIDENT
from attribute.reports.goals_section import cost_rows
from attribute.reports.model import Result, State
from attribute.reports.story import Story
from attribute.reports.terminal_tables import NAMES
from attribute.reports.wording import FEW, count, of, percent, span, stamp, times, upstream_word
from attribute.rules.words import CLASSES, Class

__all__ = [
    "codes_section",
    "evidence_section",
    "impact_section",
    "where_section",
]

CODES: Final = 12
HEAT_FUNCTIONS, HEAT_STAGES = 12, 6


def impact_section(story: Story) -> Section:
    """Return how bad it was: of all requests, and of this incident."""
    result, incident = story.result, story.incident
    requests = result.requests
    hit = sum(1 for row in result.functions if row.incident)
    rows = [
        ("requests", count(requests.total)),
        ("failing or slow", of(requests.incident, requests.total)),
        ("functions with such requests", f"{count(hit)} of {count(len(result.functions))}"),
        ("upstream failures that our side absorbed", count(requests.absorbed)),
    ]
    blocks: list[Block] = [facts("All the time looked at", rows), _classes(result)]
    if incident is not None:
        blocks.insert(0, facts(f"This incident ({incident.class_})", _incident_rows(story)))
    others = [row for row in result.incidents if incident is None or row.id != incident.id]
    shown = [row for row in others if row.shown]
    if shown:
        blocks.append(
            Table(
                caption="Other incidents in the same time",
                columns=(
                    Column("id"),
                    Column("class", Kind.CLASS),
                    Column("when"),
                    Column("severity", Kind.NUMBER),
                    Column("requests", Kind.NUMBER),
                    Column("functions", Kind.NAME),
                ),
                rows=tuple(
                    (
                        row.id,
                        row.class_,
                        story.when(row),
                        str(row.severity),
                        count(row.requests),
                        ", ".join(row.functions[:5]),
                    )
                    for row in shown[:20]
                ),
                omitted=max(len(shown) - 20, 0),
            )
        )
    return Section(anchor="impact", title="Impact", blocks=tuple(blocks), brief=True)


def _incident_rows(story: Story) -> list[tuple[str, str]]:
    incident, result = story.incident, story.result
    assert incident is not None
    rows = [
        ("when", story.when(incident)),
        ("how long", span(incident.ended_at - incident.started_at)),
        ("severity", f"{incident.severity} of 4, 1 is the worst"),
        (f"requests of class {incident.class_}", count(incident.requests)),
    ]
    outside = _outside(story, incident)
    if outside:
        rows.append(
            (f"more of class {incident.class_} meanwhile, while their function was not touched", count(outside))
        )
    if incident.unknown_requests:
        rows.append(("UNKNOWN requests that belong to it", count(incident.unknown_requests)))
    if incident.baseline_share is not None:
        rows.append(("more than usual by", f"{count(round(incident.excess))} requests"))
    rows += [
        ("all requests of these functions, each while it was touched", count(incident.total_requests)),
        ("functions", count(len(incident.functions))),
        ("minutes that are evidence of it", count(incident.hot_minutes)),
        ("peak", f"{stamp(incident.peak_at, result.zone)}{_peak(incident.peak_share, incident.total_requests)}"),
        (f"as minutes of an outage of {result.everything}", f"{incident.outage_minutes:,.1f}"),
        *cost_rows(result.goals, story.counts, incident.started_at, incident.ended_at),
    ]
    return rows


def _outside(story: Story, incident: Incident) -> int:
    """Return how many requests of its class and functions lie between its begin and end, and yet not in its spans."""
    meanwhile = (
        pl.col("minute").is_between(incident.started_at, incident.ended_at, closed="left")
        & pl.col("function").is_in(list(incident.functions))
        & (pl.col("class") == incident.class_.value)
    )
    return int(story.counts.filter(meanwhile & ~belongs(incident))["requests"].sum())


def _peak(share: float, requests: int) -> str:
    return "" if requests < FEW else f"; at worst {percent(share)} of requests"


def _classes(result: Result) -> Table:
    normal = any(row.normal is not None for row in result.classes)
    few = result.requests.incident < FEW
    columns = [Column("class", Kind.CLASS), Column("requests", Kind.NUMBER)]
    columns += [] if few else [Column("share", Kind.NUMBER), Column("as a bar", Kind.BAR)]
    columns += [Column("normal", Kind.NUMBER), Column("vs normal", Kind.NUMBER)] if normal else []
    rows = []
    for row in result.classes:
        line: list[str | float | None] = [row.class_, count(row.requests)]
        if not few:
            line += [None if row.share is None else percent(row.share), row.share or 0.0]
        if normal:
            ratio = None if row.normal is None or not row.requests else row.normal.times(row.requests)
            new = "new" if row.requests and row.normal is not None else None
            line += [
                None if row.normal is None else f"{count(row.normal.low)}-{count(row.normal.high)}",
                new if ratio is None else times(ratio),
            ]
        rows.append(tuple(line))
    return Table(caption="Failing or slow requests by class", columns=tuple(columns), rows=tuple(rows))


def evidence_section(story: Story) -> Section | None:
    """Return what speaks for the answer and what against each other class."""
    result = story.result
    if not result.why:
        return None
    normal = any(row.normal is not None for row in result.why)
    few = result.requests.incident < FEW
    mixed = result.verdict.state is State.MIXED
    columns = [Column("function", Kind.NAME), Column("stage", Kind.NAME), Column("evidence", Kind.NAME)]
    columns += [Column("class", Kind.CLASS)] if mixed else []
    columns += [Column("requests", Kind.NUMBER)]
    columns += [] if few else [Column("share", Kind.NUMBER), Column("as a bar", Kind.BAR)]
    columns += [Column("normal", Kind.NUMBER), Column("lift", Kind.NUMBER)] if normal else []
    rows = []
    for row in result.why:
        line: list[str | float | None] = [row.function, row.stage, row.evidence]
        line += [row.class_] if mixed else []
        line.append(count(row.requests))
        line += [] if few else [percent(row.share), row.share]
        if normal:
            line.append(None if row.normal is None else f"{row.normal:,.0f}")
            line.append(times(row.lift) if row.lift is not None else ("new" if row.normal == 0 else None))
        rows.append(tuple(line))
    title = " and ".join(result.verdict.classes)
    blocks: list[Block] = [Table(caption=f"For {title}", columns=tuple(columns), rows=tuple(rows))]
    if result.why_not:
        blocks.append(Paragraph("Against each other class:", Tone.NOTE))
        blocks.append(Bullets(tuple(f"{NAMES[Class(line.class_)]}: {line.text}" for line in result.why_not)))
    if story.is_aside:
        blocks.insert(
            0, Paragraph("This is about the answer on all the time looked at, not about the incident.", Tone.NOTE)
        )
    return Section(anchor="evidence", title="Evidence, for and against", blocks=tuple(blocks), brief=True)


def where_section(story: Story) -> Section | None:
    """Return the heat table of functions and stages."""
    heats = story.result.heat
    if not heats:
        return None
    functions = list(dict.fromkeys(row.function for row in heats))[:HEAT_FUNCTIONS]
    stages = list(dict.fromkeys(row.stage for row in heats))[:HEAT_STAGES]
    by_place = {(row.function, row.stage): row.requests for row in heats}
    drawing = heat(
        id_="where",
        title="Failing or slow requests by function and stage",
        description="One row per function, one column per deciding stage; the stronger the colour, the more.",
        rows=functions,
        columns=stages,
        values=[[by_place.get((function, stage)) for stage in stages] for function in functions],
    )
    table = Table(
        caption="Failing or slow requests by function, stage and class",
        columns=(
            Column("function", Kind.NAME),
            Column("stage", Kind.NAME),
            Column("requests", Kind.NUMBER),
            *(Column(class_.value, Kind.NUMBER) for class_ in CLASSES),
        ),
        rows=tuple(
            (row.function, row.stage, count(row.requests), *(count(row.by_class[class_]) for class_ in CLASSES))
            for row in heats
        ),
        omitted=_left_out(story),
    )
    return Section(anchor="where", title="Where", blocks=(Chart(drawing=drawing, table=table),))


def _left_out(story: Story) -> int:
    places = story.counts.filter(INCIDENT).select(pl.struct("function", "stage").n_unique()).item()
    return max(int(places) - len(story.result.heat), 0)


def codes_section(story: Story) -> Section | None:
    """Return error codes and upstream statuses: new, more, gone, against the quiet part of the same logs."""
    incident, quiet = story.incident, story.quiet()
    if incident is None or quiet is None:
        return _codes_only(story)
    during = story.counts.filter(touches(incident))
    usual = quiet.counts.filter(pl.col("function").is_in(list(incident.functions)))
    before = int(usual["requests"].sum())
    scale = int(during["requests"].sum()) / before if before else 0.0
    tables: list[Block] = []
    for key, word in (("error_code", str), ("upstream_status", _upstream)):
        known = pl.col(key).is_not_null()
        found = changes(during.filter(INCIDENT & known), usual.filter(INCIDENT & known), keys=[key], scale=scale)
        told = [change for change in found if change.requests or change.expected >= 1]
        if told:
            tables.append(_changes_table(f"{key} of failing or slow requests", key, told, word))
    if not tables:
        return None
    remark = (
        "In the functions of the incident, each while it was touched. Usual: what the time outside of incidents makes "
        "one expect of as many requests."
    )
    return Section(anchor="codes", title="Codes: new, more, gone", blocks=(Paragraph(remark, Tone.NOTE), *tables))


def _upstream(value: str | int | None) -> str:
    assert value is None or isinstance(value, int)
    return upstream_word(value)


def _changes_table(caption: str, key: str, found: list[Change], word: object) -> Table:
    assert callable(word)
    return Table(
        caption=caption,
        columns=(
            Column(key, Kind.NAME),
            Column("requests", Kind.NUMBER),
            Column("usual", Kind.NUMBER),
            Column("change"),
        ),
        rows=tuple(
            (word(change.key[0]), count(change.requests), f"{change.expected:,.0f}", change.word)
            for change in found[:CODES]
        ),
        omitted=max(len(found) - CODES, 0),
    )


def _codes_only(story: Story) -> Section | None:
    codes = story.result.codes
    if not codes:
        return None
    table = Table(
        caption="error_code of failing or slow requests",
        columns=(Column("error_code", Kind.NAME), Column("requests", Kind.NUMBER)),
        rows=tuple((row.error_code, count(row.requests)) for row in codes),
    )
    remark = Paragraph("Nothing here says which of them are usual.", Tone.NOTE)
    return Section(anchor="codes", title="Codes", blocks=(remark, table))
