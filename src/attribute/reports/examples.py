"""A few single requests of each class, to look at or to ask about."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final

import polars as pl

from attribute.incidents import belongs
from attribute.reports.document import Block, Column, Kind, Paragraph, Section, Table, Tone
from attribute.reports.story import Story
from attribute.reports.wording import local, stamp, upstream_word, zone_name
from attribute.rules.words import CLASSES

__all__ = ["examples_section"]

EXAMPLES: Final = 5


def examples_section(story: Story) -> Section | None:
    """Return a few requests of each class: the first of the incident, and the first of all of other classes."""
    result = story.result
    verdicts = result.analysis.verdicts
    own = pl.lit(value=False) if story.incident is None else belongs(story.incident, at="at").fill_null(value=False)
    columns = [
        "class",
        "request_id",
        "at",
        "function",
        "status",
        "upstream_status",
        "latency_ms",
        "upstream_latency_ms",
        "error_code",
        "reason",
    ]
    frame = (
        verdicts.select(*columns, (~own).alias("elsewhere"))
        .group_by("class")
        .agg(pl.struct("elsewhere", "at", *(c for c in columns if c not in {"class", "at"})).bottom_k(EXAMPLES))
        .collect(engine="streaming")
    )
    found = dict(frame.iter_rows())
    blocks: list[Block] = []
    for class_ in CLASSES:
        samples = found.get(class_.value, [])
        samples.sort(key=lambda row: (row["elsewhere"], row["at"] is None, row["at"] or 0, row["request_id"]))
        if samples:
            blocks.append(_examples_table(story, class_.value, samples))
    if not blocks:
        return None
    remark = Paragraph("Of each class the first requests, those of this incident before others.", Tone.NOTE)
    return Section(anchor="examples", title="Examples", blocks=(remark, *blocks))


def _examples_table(story: Story, class_: str, samples: list[dict[str, object]]) -> Table:
    zone = story.result.zone
    days = {local(at, zone).date() for row in samples if isinstance(at := row["at"], datetime)}
    day = days.pop() if len(days) == 1 else None
    return Table(
        caption=f"Examples: {class_}" + ("" if day is None else f", {day.isoformat()}"),
        columns=(
            Column("request_id", Kind.NAME),
            Column("at", Kind.FIXED),
            Column("function", Kind.NAME),
            Column("status"),
            Column("upstream_status"),
            Column("latency, ms", Kind.NUMBER),
            Column("upstream, ms", Kind.NUMBER),
            Column("error_code", Kind.NAME),
            Column("reason", Kind.FIXED),
        ),
        rows=tuple(_example(row, zone, dated=day is None) for row in samples),
    )


def _example(row: dict[str, object], zone: tzinfo, *, dated: bool) -> tuple[str | None, ...]:
    at, upstream = row["at"], row["upstream_status"]
    assert upstream is None or isinstance(upstream, int)
    assert at is None or isinstance(at, datetime)
    return (
        str(row["request_id"]),
        "no time" if at is None else _time(at, zone, dated=dated),
        str(row["function"]),
        "missing" if row["status"] is None else str(row["status"]),
        upstream_word(upstream),
        _ms(row["latency_ms"]),
        _ms(row["upstream_latency_ms"]),
        None if row["error_code"] is None else str(row["error_code"]),
        str(row["reason"]),
    )


def _time(at: datetime, zone: tzinfo, *, dated: bool) -> str:
    return stamp(at, zone) if dated else f"{local(at, zone):%H:%M:%S} {zone_name(at, zone)}"


def _ms(value: object) -> str | None:
    return None if value is None else f"{value:,.0f}"
