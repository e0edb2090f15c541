"""Sections of an incident report that look at time: the timeline, and latency before, during and after."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from attribute.reports.charts import Mark, Stack, stacked
from attribute.reports.charts_rows import QuantileRow, quantiles
from attribute.reports.document import Block, Chart, Column, Kind, Paragraph, Section, Table, Tone, facts
from attribute.reports.evidence import INCIDENT, SPREAD
from attribute.reports.model import LatencyRow, Series
from attribute.reports.narrow import around
from attribute.reports.series import series
from attribute.reports.story import Story
from attribute.reports.wording import count, local, same_day, span, stamp, zone_name
from attribute.rollup import quantile
from attribute.rules.words import CLASSES
from attribute.slots import SLOT

__all__ = ["latency_section", "quantiles_of", "timeline_section"]

_LABELS: Final = 8
_NICE: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080)


def timeline_section(story: Story) -> Section | None:
    """Return failing or slow requests over time, what is usual, and the moments of the incident."""
    if story.window is None:
        text = "No request has a time, so there is no timeline."
        return Section(anchor="timeline", title="Timeline", blocks=(Paragraph(text, Tone.NOTE),))
    since, until = story.window
    bins = series(story.counts.filter(pl.col("minute").is_between(since, until, closed="left")))
    if not bins.starts:
        return None
    blocks: list[Block] = []
    if story.incident is not None:
        blocks.append(_moments(story))
    blocks.append(Chart(drawing=stacked(_stack(story, bins)), table=_bins_table(story, bins)))
    return Section(anchor="timeline", title="Timeline", blocks=tuple(blocks))


def _stack(story: Story, bins: Series) -> Stack:
    zone, width = story.result.zone, timedelta(minutes=bins.width_minutes)
    start, whole = bins.starts[0], width * len(bins.starts)
    band = _usual(story, bins.width_minutes)
    incident = story.incident
    parts = [f"Failing or slow requests per {span(width)}, one bar per {span(width)}, stacked by class."]
    if band is not None:
        parts.append(f"The band is what is usual, {band[0]:,.0f} to {band[1]:,.0f}.")
    marks: list[Mark] = []
    shade = []
    if incident is not None:
        shade = [(_along(incident.started_at, start, whole), _along(incident.ended_at, start, whole))]
        parts.append("The shaded stretch is the incident.")
        moments = [(incident.started_at, "first bad minute"), (incident.peak_at, "peak")]
        if not incident.ongoing:
            moments.append((incident.ended_at, "recovered"))
        marks = [
            Mark(_along(at, start, whole), f"{word} {local(at, zone):%H:%M}")
            for at, word in sorted(moments, key=lambda moment: moment[0])
        ]
    return Stack(
        id="timeline-chart",
        title="Failing or slow requests over time, by class",
        description=" ".join(parts),
        labels=_labels(story, bins),
        by_class=bins.by_class,
        unit=f"requests per {span(width)}, times in {zone_name(start, zone)}",
        band=band,
        shade=shade,
        marks=marks,
    )


def _along(at: datetime, start: datetime, whole: timedelta) -> float:
    return min(max((at - start) / whole, 0.0), 1.0)


def _labels(story: Story, bins: Series) -> list[str]:
    """Return a label for so many bins as there is room for, at round times of the clock."""
    zone = story.result.zone
    first, last = bins.starts[0], bins.starts[-1]
    form = "%H:%M" if same_day(first, last, zone) else "%m-%d %H:%M"
    minutes = bins.width_minutes * len(bins.starts)
    step = next((each for each in _NICE if each >= bins.width_minutes and minutes / each <= _LABELS), _NICE[-1])
    labels = []
    for at in bins.starts:
        there = local(at, zone)
        shown = (there.hour * 60 + there.minute) % min(step, 1440) == 0
        labels.append(f"{there:{form}}" if shown else "")
    return labels if any(labels) else [f"{local(first, zone):{form}}", *[""] * (len(bins.starts) - 1)]


def _usual(story: Story, width_minutes: int) -> tuple[float, float] | None:
    """Return how many failing or slow requests a bin usually has: two standard deviations to each side."""
    quiet = story.quiet()
    if quiet is None:
        return None
    seen = int(quiet.counts.filter(INCIDENT)["requests"].sum())
    expected = seen * width_minutes / quiet.minutes
    deviation = math.sqrt(expected + (SPREAD * expected) ** 2)
    return max(0.0, math.floor(expected - 2 * deviation)), float(math.ceil(expected + 2 * deviation))


def _moments(story: Story) -> Table:
    incident, zone = story.incident, story.result.zone
    assert incident is not None
    rows = [
        ("first bad minute", stamp(incident.started_at, zone)),
        ("peak: the minute with the most such requests", stamp(incident.peak_at, zone)),
        ("recovered", story.not_over if incident.ongoing else stamp(incident.ended_at, zone)),
        ("noticed", "for people to write: see the review"),
    ]
    return facts("Moments, from the logs", rows)


def _bins_table(story: Story, bins: Series) -> Table:
    zone = story.result.zone
    highest = max((sum(bins.by_class[c][n] or 0 for c in CLASSES) for n in range(len(bins.starts))), default=0)
    rows: list[tuple[str | float | None, ...]] = []
    for number, start in enumerate(bins.starts):
        total = bins.totals[number]
        by_class = [bins.by_class[class_][number] for class_ in CLASSES]
        failing = sum(value or 0 for value in by_class)
        rows.append(
            (
                stamp(start, zone),
                "none" if total is None else count(total),
                *(None if value is None else count(value) for value in by_class),
                failing / highest if highest else 0.0,
            )
        )
    return Table(
        caption=f"Requests per {span(timedelta(minutes=bins.width_minutes))}",
        columns=(
            Column("from", Kind.FIXED),
            Column("requests", Kind.NUMBER),
            *(Column(class_.value, Kind.NUMBER) for class_ in CLASSES),
            Column("failing or slow", Kind.BAR),
        ),
        rows=tuple(rows),
        folded=True,
    )


# -- latency -----------------------------------------------------------------------------------------------------------


def latency_section(story: Story) -> Section | None:
    """Return quantiles of own and upstream latency, before, during and after the incident."""
    latency = story.result.analysis.rollup.latency
    phases = _phases(story, latency)
    by_phase = [(name, quantiles_of(frame)) for name, frame in phases]
    rows: list[QuantileRow] = []
    for measure in ("own", "upstream", "total"):
        for name, found in by_phase:
            row = found.get(measure)
            rows.append(
                QuantileRow(
                    group=measure,
                    label=name,
                    role=measure,
                    p50_ms=None if row is None else row.p50_ms,
                    p95_ms=None if row is None else row.p95_ms,
                    p99_ms=None if row is None else row.p99_ms,
                )
            )
    if all(row.p50_ms is None for row in rows):
        return None
    drawing = quantiles(
        rows,
        id_="latency-chart",
        title="Own and upstream latency",
        description="Half, 95 and 99 of a hundred requests took at most so long, on a logarithmic axis.",
    )
    table = Table(
        caption="Latency in ms",
        columns=(
            Column("measure"),
            *((Column("when"),) if len(phases) > 1 else ()),
            Column("requests", Kind.NUMBER),
            Column("p50", Kind.NUMBER),
            Column("p95", Kind.NUMBER),
            Column("p99", Kind.NUMBER),
        ),
        rows=tuple(
            (measure, *((name,) if len(phases) > 1 else ()), *_latency_cells(found.get(measure)))
            for measure in ("own", "upstream", "total")
            for name, found in by_phase
        ),
    )
    remark = (
        f"Own is total less upstream. Times are counted in slots of {span(SLOT)}; a slot that the incident touches "
        "counts as during."
    )
    text = remark if len(phases) > 1 else "Own is total less upstream."
    return Section(
        anchor="latency",
        title="Latency: ours and the upstream's",
        blocks=(Paragraph(text, Tone.NOTE), Chart(drawing=drawing, table=table)),
    )


def _latency_cells(row: LatencyRow | None) -> tuple[str | None, ...]:
    if row is None:
        return ("0", None, None, None)
    return (count(row.requests), f"{row.p50_ms:,.0f}", f"{row.p95_ms:,.0f}", f"{row.p99_ms:,.0f}")


def _phases(story: Story, latency: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    if story.incident is None or story.window is None:
        return [("all", latency)]
    since, until = story.window
    slot, incident = pl.col("slot"), story.incident
    first = around(incident.started_at, incident.started_at, SLOT)[
        0
    ]  # a slot that ends after the start touches the incident
    phases = [
        ("before", (slot >= since) & (slot <= first)),
        ("during", (slot > first) & (slot < incident.ended_at)),
        ("after", (slot >= incident.ended_at) & (slot < until)),
    ]
    return [(name, latency.filter(inside)) for name, inside in phases]


def quantiles_of(latency: pl.DataFrame) -> dict[str, LatencyRow]:
    """Return the quantiles of each measure that *latency* counts."""
    rows = {}
    for measure in ("total", "upstream", "own"):
        frame = latency.filter(pl.col("measure") == measure)
        p50, p95, p99 = (quantile(frame, q) for q in (0.5, 0.95, 0.99))
        if p50 is None or p95 is None or p99 is None:
            continue
        rows[measure] = LatencyRow(
            measure=measure, requests=int(frame["requests"].sum()), p50_ms=p50, p95_ms=p95, p99_ms=p99
        )
    return rows
