"""Reports over small worlds, and what they parse back into."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import html5lib
import polars as pl
from markdown_it import MarkdownIt
from markdown_it.token import Token

from attribute.engines.analysis import Analysis, FileNote, InputAccount, RejectedAt
from attribute.frames import COUNTS, LATENCY, VERDICTS
from attribute.incidents import group
from attribute.reports.asked import Asked, Goal, Typed
from attribute.reports.document import Document
from attribute.reports.incident_view import incident_document
from attribute.reports.model import Result
from attribute.reports.notes import Action, Notes
from attribute.reports.weekly import look_at_week
from attribute.reports.weekly_model import Weekly
from attribute.reports.weekly_view import weekly_document
from attribute.reports.weeks import Week
from attribute.rollup import Rollup
from attribute.rules.catalogue import builtin
from tests.reports.world import THRESHOLDS, FixedRows, Row, analysis_of, full_account, outage, request, result_of

XHTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def hostile_rows(names: Sequence[str]) -> list[Row]:
    """The outage, over functions that are called as *names*, with stages, upstreams, codes and ids called the same."""
    rows: list[Row] = []
    for number, row in enumerate(outage()[0]):
        if number % 60 < 32:
            named = _named(names[number // 4 % len(names)], number, row) if row["function"] == "quote" else {}
            rows.append({**row, **named})
    return rows


def _named(name: str, number: int, row: Row) -> Row:
    named: Row = {"function": name, "stage": name, "upstream": name}
    return named if row["status"] == 200 else {**named, "error_code": name, "request_id": f"{name}{number:06}"}


def hostile_account(names: Sequence[str], rows: Sequence[Row]) -> InputAccount:
    """An account in which every name of a file or field is one of *names*."""
    return replace(
        full_account(rows),
        unknown_fields={**dict.fromkeys(names, 3), "pod": 1},
        skipped_files=tuple(FileNote(file=name, reason="hidden") for name in names),
        incomplete_files=tuple(FileNote(file=name, reason=name) for name in names),
        sample_rejects=tuple(RejectedAt(file=name, line=1, reason="json", detail=name) for name in names),
    )


def hostile_result(names: Sequence[str]) -> Result:
    """A result over the hostile rows, with the incidents that are really found in them."""
    rows = hostile_rows(names)
    return result_of(
        rows,
        incidents=group(analysis_of(rows).rollup.counts),
        account=hostile_account(names, rows),
        runbook={"vendor": names[0]},
    )


def hostile_notes(names: Sequence[str]) -> Notes:
    """Notes in which a person pasted *names* everywhere."""
    lines = tuple(line for name in names for line in (name, f"- {name}"))
    return Notes({"Summary": lines, "Root causes": lines, f"Own {names[0]}": lines})


def hostile_incident(names: Sequence[str]) -> Document:
    return incident_document(hostile_result(names), notes=hostile_notes(names), command=f"attribute {names[0]}")


def weekly_of(
    analysis: Analysis,
    *,
    week: str = "2026-W47",
    now: datetime = MONDAY + timedelta(days=8),
    zone: tzinfo = UTC,
    notes: Notes | None = None,
    actions: Sequence[Action] = (),
    paths: tuple[str, ...] = ("logs/",),
    goals: Sequence[Goal] = (),
) -> Weekly:
    """The numbers of one week."""
    return look_at_week(
        analysis,
        week=Week.parse(week, zone=zone),
        catalogue=builtin(),
        thresholds=THRESHOLDS,
        incidents=group(analysis.rollup.counts, now=now),
        asked=Asked(
            typed=Typed(paths=paths), zone=zone, now=now, goals=tuple(goals), commands=frozenset({"analyze", "report"})
        ),
        notes=notes,
        actions=actions,
    )


def hostile_week(names: Sequence[str]) -> Weekly:
    rows = [{**row, "at": row["at"] + timedelta(days=1)} for row in hostile_rows(names)]  # type: ignore[operator]  # every row has a time
    before = [request(90_000 + n, n - 6 * 1440, "other", {"error_code": "old", "status": 500}) for n in range(30)]
    return weekly_of(
        analysis_of([*rows, *before], account=hostile_account(names, rows)),
        notes=hostile_notes(names),
        actions=[Action(text=name, owner=name, due=None, done=False, source=name) for name in names],
        goals=[Goal(name=name, target=0.5, functions=(name, "*")) for name in names],
    )


def hostile_weekly(names: Sequence[str]) -> Document:
    command = f"attribute report weekly {names[0]}"
    return weekly_document(hostile_week(names), command=command, reports=frozenset())


def tree(page: bytes) -> ET.Element:
    """The page as a browser's parser sees it; a mistake in it is an error."""
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"), strict=True)
    root = parser.parse(page.decode())
    assert isinstance(root, ET.Element)
    return root


def shape(root: ET.Element) -> Counter[tuple[str, tuple[str, ...]]]:
    """How often each kind of element occurs, with the names of its attributes."""
    return Counter((str(element.tag).rpartition("}")[2], tuple(sorted(element.attrib))) for element in root.iter("*"))


def texts(root: ET.Element) -> str:
    """All text but that of the style sheet."""
    body = root.find(f"{XHTML}body")
    return "\n".join((root if body is None else body).itertext())


def tokens(text: bytes) -> Iterator[Token]:
    """All tokens of a Markdown text, as GitHub's dialect has them, bare links included."""
    for token in MarkdownIt("gfm-like", {"linkify": True}).parse(text.decode()):
        yield token
        yield from token.children or ()


def kinds(text: bytes, *, but: frozenset[str] = frozenset()) -> Counter[str]:
    return Counter(token.type for token in tokens(text) if token.type not in but)


def mail_of(mail: bytes) -> tuple[EmailMessage, str, str]:
    """A mail as a mail program reads it: its message, its text, its HTML."""
    message = message_from_bytes(mail, policy=default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    assert message.get_content_type() == "multipart/alternative"
    text, page = message.iter_parts()
    assert [text.get_content_type(), page.get_content_type()] == ["text/plain", "text/html"]
    return message, text.get_content(), page.get_content()


def counts_of(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """A `COUNTS` frame of rows that say only what matters."""
    base: dict[str, object] = dict.fromkeys(COUNTS.names())
    filled = [
        {**base, "function": "quote", "stage": "response", "class": "none", "reason": "ok", "status": 200, **row}
        for row in rows
    ]
    return pl.DataFrame(filled, schema=COUNTS).sort(COUNTS.names()[:-1])


def analysis_of_counts(counts: pl.DataFrame, latency: pl.DataFrame) -> Analysis:
    """An analysis that has its rollup and no single verdict, as one from a cache may."""
    return Analysis(
        account=InputAccount(files=1, lines=int(counts["requests"].sum()), records=int(counts["requests"].sum())),
        rollup=Rollup(counts, latency),
        rows=FixedRows(VERDICTS.to_frame()),
    )


def large_month(per_cell: int, *, functions: int = 25, failing_per_cell: int = 2) -> Analysis:
    """Thirty days of counts of many functions: every minute a row of healthy ones each, some of failing ones."""
    minutes = pl.DataFrame({"minute": [MONDAY - timedelta(days=23) + timedelta(minutes=n) for n in range(30 * 1440)]})
    names_ = pl.DataFrame({"function": [f"function-{n:02}" for n in range(functions)]})
    cells = minutes.join(names_, how="cross").with_columns(pl.lit(per_cell, pl.Int64).alias("requests"))
    template = counts_of([{"requests": 1}]).drop("minute", "function", "requests")
    names = counts_of([]).columns
    healthy = cells.join(template, how="cross").select(names)
    number = pl.int_range(pl.len())
    failing = healthy.filter(number % 97 == 0).with_columns(
        pl.lit(502, pl.Int16).alias("status"),
        pl.lit(503, pl.Int16).alias("upstream_status"),
        pl.lit("vendor").alias("class"),
        pl.lit("M1-2").alias("rule"),
        pl.lit("upstream-5xx").alias("reason"),
        pl.lit(failing_per_cell, pl.Int64).alias("requests"),
    )
    slots = cells.group_by(pl.col("minute").dt.truncate("10m").alias("slot"), "function").agg(pl.col("requests").sum())
    measures = pl.DataFrame(
        {"measure": ["own", "total", "upstream"], "bucket": pl.Series([40, 120, 100], dtype=pl.Int32)}
    )
    latency = slots.join(measures, how="cross").select(LATENCY.names())
    frame = pl.concat([healthy, failing]).sort(names[:-1])
    return analysis_of_counts(frame, latency.cast({"bucket": pl.Int32, "requests": pl.Int64}))
