"""`-o text`: the screen. Answer first, then what it rests on, then what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Final

from attribute.reports.model import IncidentRow, State, View
from attribute.reports.paint import Paint
from attribute.reports.terminal_data import data_lines, next_lines
from attribute.reports.terminal_tables import NAMES, class_lines, heat_lines, place, reason_lines, why_lines
from attribute.reports.wording import FEW, clock, count, percent, period, plural, same_day, span, when, zone_name
from attribute.reports.writers import Style
from attribute.rules.words import Class

__all__ = ["write"]

STATES: Final = {
    State.VENDOR: "VENDOR",
    State.APPLICATION: "APPLICATION",
    State.BOTTLENECK: "APPLICATION BOTTLENECK",
    State.UNKNOWN: "UNKNOWN",
    State.MIXED: "MIXED",
    State.NO_PROBLEM: "NO PROBLEM",
    State.CANNOT_JUDGE: "CANNOT JUDGE",
}
WIDE: Final = 120


def write(result: View, style: Style) -> Iterator[bytes]:
    """Yield the screen for *style*; nothing in it is wider than the style says, but for commands to copy."""
    paint = Paint(style)
    if style.oneline:
        lines = [_oneline(result, paint)]
    elif style.verbosity < 0:
        lines = [f"{_headline(result, paint)}: {paint.text(result.verdict.sentence)}"]
    else:
        lines = list(_screen(result, paint))
    for line in lines:
        yield (line.rstrip(" ") + "\n").encode()


def _screen(result: View, paint: Paint) -> Iterator[str]:
    yield paint.own(_header(result, paint))
    if result.typed.functions:
        yield from paint.wrap(paint.text(f"only functions {', '.join(result.typed.functions)}"))
    yield paint.rule()
    yield from _verdict(result, paint)
    if result.verdict.state is not State.CANNOT_JUDGE:
        yield from class_lines(result, paint)
        yield from _incidents(result, paint)
        yield from why_lines(result, paint)
        yield from _why_not(result, paint)
        yield from _what_to_log(result, paint)
        if paint.width >= WIDE or paint.style.verbosity > 0:
            yield from heat_lines(result, paint)
        if paint.style.verbosity > 0:
            yield from reason_lines(result, paint)
    yield from data_lines(result, paint)
    yield from next_lines(result, paint)


def _header(result: View, paint: Paint) -> str:
    """Return the fullest first line that fits: what was read, and its window, or its records' time, in two zones."""
    account, zone = result.account, result.zone
    paths = [paint.text("standard input" if path == "-" else path, 30) for path in result.paths]
    what = ", ".join(paths[:2]) + (f" and {len(paths) - 2} more" if len(paths) > 2 else "")
    tool = [f"attribute {result.tool_version}"]
    files = "" if result.paths == ("-",) else plural(account.files, "file")
    source = [f"{what} {files}".strip()]
    tails: list[list[str]] = [[]]
    start = account.first_at if result.window.since_at is None else result.window.since_at
    end = account.last_at if result.window.until_at is None else result.window.until_at
    if start is not None and end is not None and start <= end:
        local = period(start, end, zone)
        both = local if zone_name(end, zone) == "UTC" else f"{local} ({period(start, end, UTC, dated=False)})"
        tails = [[both, span(end - start)], [both], [local]]
    for head in ([*tool, *source], source, [f"{count(account.files)} files"], []):
        for tail in tails:
            line = " \u00b7 ".join([*head, *tail])
            if len(line) <= paint.width:
                return line
    return tails[-1][0] if tails[-1] else tool[0]


def _headline(result: View, paint: Paint) -> str:
    return paint.color(STATES[result.verdict.state], result.verdict.state.value)


def _verdict(result: View, paint: Paint) -> Iterator[str]:
    verdict, lead = result.verdict, "VERDICT  "
    sure = f"confidence {verdict.confidence.word}"
    if verdict.confidence.share is not None:
        sure += f" {verdict.confidence.share * 100:.0f} %"
    at = ""
    if verdict.since_at is not None:
        at = when(verdict.since_at, verdict.until_at, result.zone, day_of=result.account.last_at, cut=verdict.cut)
        at = f"{verdict.part} {at}".lstrip()
    line, used = lead + _headline(result, paint), len(lead) + len(STATES[verdict.state])
    for part in (sure, at):
        if part and used + 3 + len(part) > paint.width:
            yield line
            line, used = " " * len(lead) + part, len(lead) + len(part)
        elif part:
            line, used = f"{line}   {part}", used + 3 + len(part)
    yield line
    yield from paint.wrap(paint.text(f"{verdict.claim}."))
    told_below = verdict.state is State.UNKNOWN  # what to log stands there: it is what makes it surer
    if verdict.confidence.raised_by and verdict.confidence.word != "high" and not told_below:
        yield from paint.wrap(paint.text(f"Surer with {verdict.confidence.raised_by}."))


def _incidents(result: View, paint: Paint) -> Iterator[str]:
    """Yield one line for each incident that is worth it, what goes on first, and how many were left out."""
    verbose = paint.style.verbosity > 0
    shown = sorted(result.incidents if verbose else result.shown_incidents, key=lambda row: not row.ongoing)
    minor = len(result.incidents) - len(result.shown_incidents)
    limit = len(shown) if verbose else 2
    lines = []
    for incident in shown[:limit]:
        many = len(incident.functions)
        where = f" in {incident.functions[0]}" if many == 1 else f" in {many} functions"
        text = f"{NAMES[Class(incident.class_)]} {_during(incident, result)}, {plural(incident.requests, 'request')}"
        lines.append(f"severity {incident.severity}  {text}{where}")
    if len(shown) > limit:
        lines.append(f"{len(shown) - limit} more (-v)" + (f", and {minor} of severity 4" if minor else ""))
    elif minor and lines and not verbose:
        lines[-1] += f"; {minor} minor"
    elif minor and not verbose:
        lines.append(f"{minor} of severity 4, too short or too small to lead with (-v)")
    lead = "INCIDENT "
    for line in lines:
        yield lead + paint.text(line, paint.width - len(lead))
        lead = " " * len(lead)


def _during(incident: IncidentRow, result: View) -> str:
    day = result.account.last_at or incident.started_at
    if incident.ongoing:
        return f"since {clock(incident.started_at, result.zone, day_of=day)}"
    dated = not same_day(incident.started_at, day, result.zone)
    return period(incident.started_at, incident.ended_at, result.zone, dated=dated)


def _why_not(result: View, paint: Paint) -> Iterator[str]:
    """Yield one line for each class that it is not, with as many of its parts as fit whole."""
    lead = "WHY NOT  "
    absent = [row for row in result.why_not if not row.requests]
    for row in result.why_not:
        if not row.requests:
            continue
        line = f"{lead}{_lower(row.class_)}: {paint.text(row.parts[0])}"
        for part in row.parts[1:]:
            longer = f"{line}, {paint.text(part)}"
            if len(longer) <= paint.width:
                line = longer
        yield paint.text(line, paint.width)
        lead = " " * len(lead)
    if absent:
        yield from paint.wrap(f"{', '.join(_lower(row.class_) for row in absent)}: {absent[0].text}", lead=lead)


def _lower(class_: str) -> str:
    return class_ if class_ == Class.UNKNOWN else NAMES[Class(class_)].lower()


def _what_to_log(result: View, paint: Paint) -> Iterator[str]:
    """Yield what would turn the most frequent UNKNOWN into a verdict, where UNKNOWN is part of the answer."""
    if Class.UNKNOWN not in result.verdict.classes:
        return
    row = next((row for row in result.reasons if row.what_to_log), None)
    if row is not None and row.what_to_log:
        yield from paint.wrap(paint.text(row.what_to_log), lead="MISSING  ")


def _oneline(result: View, paint: Paint) -> str:
    verdict = result.verdict
    if not verdict.classes:
        return f"{STATES[verdict.state]} {paint.text(verdict.sentence)}"
    share = f" {percent(verdict.share or 0.0).replace(' ', '')}" if result.requests.incident >= FEW else ""
    parts = [f"{STATES[verdict.state]}{share} ({verdict.requests}/{result.requests.incident})"]
    if result.why:
        top = result.why[0]
        parts.append(paint.text(f"{place(top.function, top.stage)} {top.evidence}"))
    if verdict.since_at is not None:
        since = f"{verdict.part} since {clock(verdict.since_at, result.zone)}".lstrip()
        parts.append(since if verdict.ongoing else verdict.when)
    if verdict.confidence.share is not None:
        parts.append(f"conf={verdict.confidence.share:.2f}")
    row = next(row for row in result.classes if row.class_ == verdict.classes[0])
    if row.normal is not None:
        parts.append(f"normal={row.normal.low}-{row.normal.high}")
    return " ".join(parts)
