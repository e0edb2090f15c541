"""
`-o plain`: what a pipe gets. Tab-separated, one fact a line, nothing cut, no art.

The first field says what a line is; docs/output.md has the fields of each kind. What is not known is empty. Text is
escaped so that it can be read back (`attribute.reports.escape.tsv_cell`); instants are RFC 3339 in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from attribute.reports.escape import tsv_cell
from attribute.reports.model import View
from attribute.reports.wording import rfc3339
from attribute.reports.writers import Style
from attribute.rules.words import CLASSES

__all__ = ["write"]

Cell = str | int | float | bool | datetime | None


def write(result: View, style: Style) -> Iterator[bytes]:
    """Yield the lines; with a verbosity under 0 the verdict's alone."""
    lines = _verdict(result) if style.verbosity < 0 or style.oneline else _all(result)
    for line in lines:
        yield ("\t".join(_cell(value) for value in line) + "\n").encode()


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return tsv_cell(value)
    if isinstance(value, datetime):
        return rfc3339(value) or ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _verdict(result: View) -> Iterator[tuple[Cell, ...]]:
    verdict = result.verdict
    yield (
        "verdict",
        verdict.state.value,
        verdict.requests,
        verdict.share,
        verdict.since_at,
        verdict.until_at,
        verdict.ongoing,
        verdict.confidence.word,
        verdict.confidence.share,
        verdict.sentence,
    )


def _all(result: View) -> Iterator[tuple[Cell, ...]]:
    for part in (_verdict, _answer, _places, _input, _method):
        yield from part(result)


def _answer(result: View) -> Iterator[tuple[Cell, ...]]:
    requests = result.requests
    yield "requests", requests.total, requests.healthy, requests.incident, requests.absorbed, requests.untimed
    for row in result.classes:
        low, high = (None, None) if row.normal is None else (row.normal.low, row.normal.high)
        yield "class", row.class_, row.requests, row.share, low, high
    yield "normal-basis", result.normal_basis
    for reason in result.reasons:
        yield "reason", reason.class_, reason.rule, reason.reason, reason.requests, reason.what_to_log
    for why in result.why:
        yield "why", why.class_, why.function, why.stage, why.evidence, why.requests, why.share, why.normal, why.lift
    for against in result.why_not:
        yield "why-not", against.class_, against.text


def _places(result: View) -> Iterator[tuple[Cell, ...]]:
    for incident in result.incidents:
        yield (
            "incident",
            incident.id,
            incident.class_,
            incident.severity,
            incident.started_at,
            incident.ended_at,
            incident.ongoing,
            incident.requests,
            *incident.functions,
        )
    for function in result.functions:
        yield "function", function.function, function.requests, *(function.by_class[class_] for class_ in CLASSES)


def _input(result: View) -> Iterator[tuple[Cell, ...]]:
    account = result.account
    yield (
        "input",
        account.files,
        account.bytes,
        account.lines,
        account.records,
        account.rejected,
        account.not_m1,
        account.blank,
        account.duplicates,
        account.outside_window,
        account.untimed,
        account.fingerprint,
    )
    for name, count in account.rejected_by_reason.items():
        yield "rejected", name, count
    for name, count in account.unknown_fields.items():
        yield "unknown-field", name, count
    for note in account.skipped_files:
        yield "skipped-file", note.file, note.reason
    for note in account.incomplete_files:
        yield "incomplete-file", note.file, note.reason
    yield "window", result.window.since_at, result.window.until_at, account.first_at, account.last_at
    if result.typed.functions:
        yield "only-functions", *result.typed.functions


def _method(result: View) -> Iterator[tuple[Cell, ...]]:
    rules = result.rules
    limits = rules.thresholds.default
    yield (
        "rules",
        rules.version,
        rules.sha256,
        limits.slow_ms,
        limits.upstream_low_share,
        limits.upstream_dominant_share,
        limits.clock_tolerance_ms,
        limits.clock_tolerance_share,
    )
    for name, own in sorted(rules.thresholds.by_function.items()):
        yield "limits", name, own.slow_ms, own.upstream_low_share, own.upstream_dominant_share
    for text in result.runbook:
        yield "runbook", text
    for command in result.next_commands:
        yield "next", command
