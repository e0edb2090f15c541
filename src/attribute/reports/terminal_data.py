"""The lower part of the screen: where every line went, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator

from attribute.reports.model import View
from attribute.reports.paint import Paint
from attribute.reports.wording import and_more, count, most_first, plural, stamp

__all__ = ["data_lines", "next_lines"]

LEAD = "DATA  "
INDENT = " " * len(LEAD)


def data_lines(result: View, paint: Paint) -> Iterator[str]:
    """Yield the accounting of lines and, below it, what a reader should know about the input."""
    account = result.account
    parts = [plural(account.records, "record")]
    parts += [
        f"{count(number)} {word}"
        for number, word in (
            (account.rejected, "rejected"),
            (account.not_m1, "not M1"),
            (account.blank, "blank"),
        )
        if number
    ]
    line = f"{LEAD}{plural(account.lines, 'line')} = {' + '.join(parts)}"
    newest = f" \u00b7 newest {stamp(account.last_at, result.zone)}" if account.last_at is not None else ""
    if len(line + newest) <= paint.width:
        yield paint.own(line + newest)
    else:
        yield from paint.wrap(line.removeprefix(LEAD), lead=LEAD)
    notes = list(_notes(result))
    limit = 1 if paint.style.verbosity <= 0 else len(notes)
    more = f" (and {plural(len(notes) - limit, 'more note')}: -v)" if len(notes) > limit else ""
    for note in notes[:limit]:
        text = paint.text(f"! {note}", paint.width - len(INDENT) - len(more))
        yield INDENT + paint.color(text, "warning") + more


def _notes(result: View) -> Iterator[str]:
    """Yield one line for each thing that makes the input less than it seems, the gravest first."""
    account = result.account
    for file in account.incomplete_files:
        yield f"{file.file}: read in part: {file.reason}"
    if account.rejected:
        reasons = [f"{name} {count(number)}" for name, number in most_first(account.rejected_by_reason)]
        first = account.sample_rejects[0] if account.sample_rejects else None
        place = f", first at {first.file}:{first.line}" if first else ""
        yield f"rejected: {and_more(reasons, 4)}{place}"
    if not result.window.is_open and account.untimed:
        yield f"{plural(account.untimed, 'record')} without a time: in no incident and no window"
    if result.requests.untimed:
        yield f"{plural(result.requests.untimed, 'request')} without a time: in no incident and no window"
    if account.outside_window:
        yield f"{plural(account.outside_window, 'record')} outside the window"
    if account.newer_versions:
        yield f"{plural(account.newer_versions, 'record')} of a newer schema version; what it adds was not read"
    if account.unknown_fields:
        names = [f"{name} ({count(number)})" for name, number in account.unknown_fields.items()]
        yield f"fields that M1 does not know: {and_more(names, 3)}"
    if account.duplicates:
        yield f"{plural(account.duplicates, 'duplicate record')}, counted once"
    for file in account.skipped_files:
        yield f"{file.file}: skipped: {file.reason}"


def next_lines(result: View, paint: Paint) -> Iterator[str]:
    """Yield the next commands, whole however long they are, and the runbook's lines."""
    lead = "NEXT  "
    runbook = result.runbook if paint.style.verbosity > 0 else result.runbook[:1]  # the first is the most specific
    for text in (*result.next_commands, *(f"runbook {text}" for text in runbook)):
        yield lead + paint.text(text)
        lead = INDENT
