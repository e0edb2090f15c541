"""What a vendor's support is told: what we saw, when, how often, by which requests, and how we know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Final

import polars as pl

from attribute.incidents.model import Incident
from attribute.reports.document import Block, Bullets, Column, Document, Kind, Paragraph, Section, Table, Tone
from attribute.reports.incident_time import quantiles_of
from attribute.reports.markdown import render
from attribute.reports.model import Result
from attribute.reports.narrow import around
from attribute.reports.series import WIDTHS
from attribute.reports.wording import FEW, count, percent, plural, span, stamp, upstream_word
from attribute.slots import SLOT

__all__ = ["Evidence", "message"]

IDS: Final = 20
ROWS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """
    What is taken to a vendor.

    Attributes:
        result: of the logs.
        incident: which incident.
        upstream: whose; None where no record names one.
        listed: the requests that are listed.
        minutes: calls of the incident's functions by minute, from before its begin until after its end.
        counted: those of them that were made while the incident touched their function.
        requests: how many requests there are, listed or not.
    """

    result: Result
    incident: Incident
    upstream: str | None
    listed: pl.DataFrame
    minutes: pl.DataFrame
    counted: pl.DataFrame
    requests: int


def message(evidence: Evidence) -> bytes:
    """Return the message, as Markdown. All times are UTC."""
    incident = evidence.incident
    begin, end = stamp(incident.started_at, UTC), stamp(incident.ended_at, UTC)
    calls, failed = _calls(evidence.counted)
    share = f" ({percent(failed / calls)})" if calls >= FEW else ""
    time, still = f"From {begin} until {end}", ""
    if incident.ongoing:
        time, still = f"Since {begin}", "; it is still going on"
    sentence = (
        f"{time}, {count(failed)} of our {plural(calls, 'call')}{share} were answered with 5xx or not in time{still}."
        f"{_outside(evidence)}"
    )
    whom = "your service" if evidence.upstream is None else evidence.upstream
    document = Document(
        title=f"Failed calls to {whom}, {begin}",
        subtitle=(f"Our reference: {incident.id}.",),
        lead="What we saw",
        state="calls failed",
        class_=incident.class_,
        sentence=sentence,
        facts=tuple(_facts(evidence)),
        sections=tuple(_sections(evidence)),
        footer=(
            f"Made from our request logs by attribute {evidence.result.tool_version}, rules "
            f"{evidence.result.rules.version}. Every file of the archive is listed with its SHA-256 in manifest.json."
        ),
    )
    return render(document)


def _outside(evidence: Evidence) -> str:
    """Say what else the same functions called between begin and end; nothing where each was in trouble all the time."""
    incident = evidence.incident
    during = evidence.minutes.filter(pl.col("minute").is_between(incident.started_at, incident.ended_at, closed="left"))
    (calls, failed), (counted, counted_failed) = _calls(during), _calls(evidence.counted)
    if calls == counted:
        return ""
    return (
        " Each function of ours is counted while it was in trouble: before or after that they made "
        f"{plural(calls - counted, 'more call')} in this time, {count(failed - counted_failed)} of which failed."
    )


def _calls(minutes: pl.DataFrame) -> tuple[int, int]:
    """Return how many calls there are, and how many of them failed."""
    calls, answered, late = minutes.select(pl.col("calls", "answered_5xx", "timeouts").sum()).row(0)
    return calls, answered + late


def _facts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    incident = evidence.incident
    yield "From", stamp(incident.started_at, UTC)
    yield "Until", "still going on" if incident.ongoing else stamp(incident.ended_at, UTC)
    yield "For", span(incident.ended_at - incident.started_at)
    yield "Worst minute", stamp(incident.peak_at, UTC)
    yield "Requests of ours that failed with you", count(evidence.requests)
    absorbed = _calls(evidence.counted)[1] - evidence.requests
    if absorbed > 0:
        yield "Calls that failed and did not make a request of ours fail with 5xx", count(absorbed)


def _sections(evidence: Evidence) -> Iterator[Section]:
    yield Section(anchor="answers", title="What you answered", blocks=(_answers(evidence), *_latency(evidence)))
    yield Section(anchor="minutes", title="Over time", blocks=(_over_time(evidence),))
    yield Section(anchor="requests", title="Requests", blocks=tuple(_requests(evidence)))
    yield Section(
        anchor="how",
        title="How we know",
        blocks=(
            Bullets(
                (
                    "A request counts here only where our log holds your answer, 5xx, or that none came in time.",
                    "Our own request failed with 5xx as well.",
                    "Requests without such evidence are in none of these numbers.",
                    "Times are those of our clocks, in UTC. upstream_latency_ms is the time that we waited for you.",
                )
            ),
        ),
    )
    yield Section(
        anchor="questions",
        title="What we ask",
        blocks=(
            Bullets(
                (
                    "Do your logs show the same requests, and the same answers?",
                    "When did it begin and end on your side?",
                    "Is it over, and what keeps it from coming back?",
                )
            ),
        ),
    )


def _answers(evidence: Evidence) -> Table:
    rows = (
        evidence.listed.group_by("function", "upstream_status")
        .agg(pl.len().alias("requests"))
        .sort("requests", "function", "upstream_status", descending=[True, False, False])
    )
    return Table(
        caption="By function of ours and status of yours, of the requests listed",
        columns=(Column("function", Kind.NAME), Column("upstream_status"), Column("requests", Kind.NUMBER)),
        rows=tuple(
            (row["function"], upstream_word(row["upstream_status"]), count(row["requests"]))
            for row in rows.head(ROWS).iter_rows(named=True)
        ),
        omitted=max(rows.height - ROWS, 0),
    )


def _latency(evidence: Evidence) -> Iterator[Block]:
    """Yield how long we waited for answers, before and during, over the functions that the incident touches."""
    incident = evidence.incident
    latency = evidence.result.analysis.rollup.latency.filter(pl.col("function").is_in(list(incident.functions)))
    first, slot = around(incident.started_at, incident.started_at, SLOT)[0], pl.col("slot")
    phases = (
        ("before", latency.filter(slot <= first)),
        ("during", latency.filter((slot > first) & (slot < incident.ended_at))),
    )
    rows = [(name, found) for name, frame in phases if (found := quantiles_of(frame).get("upstream")) is not None]
    if not rows or len({upstream for upstream, _ in incident.upstreams}) > 1:
        return
    yield Paragraph(
        f"How long we waited is counted in slots of {span(SLOT)}. A slot that the incident touches counts as during, "
        "so there can be more calls than at the head of this message. Before is all of our logs before that.",
        Tone.NOTE,
    )
    yield Table(
        caption="How long we waited for you, ms",
        columns=(
            Column("when"),
            Column("calls", Kind.NUMBER),
            Column("p50", Kind.NUMBER),
            Column("p95", Kind.NUMBER),
            Column("p99", Kind.NUMBER),
        ),
        rows=tuple(
            (name, count(row.requests), f"{row.p50_ms:,.0f}", f"{row.p95_ms:,.0f}", f"{row.p99_ms:,.0f}")
            for name, row in rows
        ),
    )


def _over_time(evidence: Evidence) -> Table:
    minutes = evidence.minutes
    width = _width(minutes)
    binned = (
        minutes.group_by(pl.col("minute").dt.truncate(f"{width}m"))
        .agg(pl.col("calls", "answered_5xx", "timeouts").sum())
        .sort("minute")
    )
    return Table(
        caption=f"Our calls per {plural(width, 'minute')}; minutes.csv has every minute",
        columns=(
            Column("from", Kind.FIXED),
            Column("calls", Kind.NUMBER),
            Column("answered 5xx", Kind.NUMBER),
            Column("not in time", Kind.NUMBER),
            Column("share", Kind.NUMBER),
            Column("as a bar", Kind.BAR),
        ),
        rows=tuple(
            (
                stamp(at, UTC),
                count(calls),
                count(failed),
                count(late),
                percent((failed + late) / calls) if calls >= FEW else None,
                (failed + late) / calls,
            )
            for at, calls, failed, late in binned.head(ROWS).iter_rows()
        ),
        omitted=max(binned.height - ROWS, 0),
    )


def _width(minutes: pl.DataFrame) -> int:
    """Return a width of bins, in minutes, that makes few of them."""
    if minutes.is_empty():
        return 1
    whole: timedelta = minutes.select(pl.col("minute").max() - pl.col("minute").min()).item()
    length = whole // timedelta(minutes=1) + 1
    return next((each for each in WIDTHS if length <= each * ROWS), 1440)


def _requests(evidence: Evidence) -> Iterator[Block]:
    listed, total = evidence.listed, evidence.requests
    if listed.height < total:
        yield Paragraph(f"requests.csv lists the first {count(listed.height)} of {count(total)} requests.")
    else:
        yield Paragraph(f"requests.csv lists all {count(total)} requests.")
    yield Table(
        caption="The first of them",
        columns=(
            Column("request_id", Kind.NAME),
            Column("at", Kind.FIXED),
            Column("status"),
            Column("upstream_status"),
            Column("upstream_latency_ms", Kind.NUMBER),
        ),
        rows=tuple(
            (
                row["request_id"],
                stamp(row["at"], UTC),
                str(row["status"]),
                upstream_word(row["upstream_status"]),
                None if row["upstream_latency_ms"] is None else f"{row['upstream_latency_ms']:,.0f}",
            )
            for row in listed.head(IDS).iter_rows(named=True)
        ),
        omitted=max(total - IDS, 0),
    )
