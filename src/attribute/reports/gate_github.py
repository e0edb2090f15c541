"""
`-o github`: annotations as workflow commands, a step summary in Markdown, and outputs for later steps.

GitHub shows ten errors and ten warnings per step and drops the rest without a word, and it drops a summary over 1 MiB
whole: both are cut before, and say so. Text from logs reaches a command only through its encoder, and a summary only
inside code spans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attribute.reports.escape import github_data, github_property, markdown_cell
from attribute.reports.gate_view import GateView, Line, Phrase, plain
from attribute.reports.wording import count, percent, plural, stamp
from attribute.reports.writers import Style

__all__ = ["MAX_SUMMARY_BYTES", "outputs", "summary", "write"]

MAX_ANNOTATIONS: Final = 9
MAX_SUMMARY_BYTES: Final = 900_000
_MARK: Final = {
    "error": "\u274c",
    "warning": "\u26a0\ufe0f",
    "inconclusive": "\u2753",
    "unjudged": "\u2796",
    "pass": "\u2705",
}


def write(view: GateView, style: Style) -> Iterator[bytes]:
    """Yield the workflow commands, the worst first, at most ten of each kind."""
    del style
    yield from _commands("error", view.of_kind("error"), view)
    yield from _commands("warning", [*view.of_kind("warning"), *view.of_kind("inconclusive")], view)
    if not view.of_kind("error", "warning", "inconclusive"):
        yield f"::notice title=attribute gate::{github_data(plain(view.headline))}\n".encode()


def _commands(level: str, lines: Sequence[Line], view: GateView) -> Iterator[bytes]:
    for line in lines[:MAX_ANNOTATIONS]:
        place = ""
        if line.line is not None and view.config is not None:
            place = f"file={github_property(view.config)},line={line.line},"
        title = github_property(plain(line.title))
        text = "%0A".join(github_data(plain(phrase)) for phrase in (line.sentence, *line.details))
        yield f"::{level} {place}title={title}::{text}\n".encode()
    if len(lines) > MAX_ANNOTATIONS:
        rest = len(lines) - MAX_ANNOTATIONS
        yield f"::{level} title=attribute gate::and {rest} more, see the step summary\n".encode()


def outputs(view: GateView) -> bytes:
    """Return what later steps may read: names and values of our own alone, one line each, so no delimiter is needed."""
    failed = len(view.of_kind("error"))
    return f"gate={view.state.value}\nexit-code={view.exit_code}\nfailed-checks={failed}\n".encode()


def summary(view: GateView, *, limit: int = MAX_SUMMARY_BYTES) -> bytes:
    """Return the step summary: GitHub Markdown of at most *limit* bytes, cut between lines of the tables."""
    head = [
        (
            f"### {_MARK['error' if view.exit_code == 3 else 'inconclusive' if view.exit_code else 'pass']} "
            f"attribute gate: {view.state.value}"
        ),
        "",
        _text(view.headline),
        "",
        "| | check | counted | share | usual | allowed | would fail |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows = [_row(line) for line in view.lines]
    details = [text for line in view.lines for text in _details(line)]
    numbers = view.result.numbers
    foot = [
        "",
        (
            f"{plural(numbers.requests, 'request')} read, {count(numbers.incident)} incident, {count(numbers.unknown)} "
            f"UNKNOWN, as of {stamp(view.now, view.zone)}. Baseline: {_text(view.baseline)}. "
            f"Rules {view.rules_version} `{view.rules_sha256[:12]}`."
        ),
        *(f"- {_text(note)}" for note in view.notes),
        "",
    ]
    room = limit - sum(len(line.encode()) + 1 for line in (*head, *foot)) - 200
    kept_rows, room = _fit(rows, room)
    kept_details, room = _fit(details, room) if len(kept_rows) == len(rows) else ([], 0)
    left_out = len(rows) - len(kept_rows) + len(details) - len(kept_details)
    cut = ["", f"{plural(left_out, 'line')} left out for want of room: see the JSON output."] if left_out else []
    return ("\n".join([*head, *kept_rows, "", *kept_details, *cut, *foot]) + "\n").encode()


def _fit(lines: Sequence[str], room: int) -> tuple[list[str], int]:
    kept: list[str] = []
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return kept, room


def _text(phrase: Phrase, name: Callable[[str], str] = markdown_cell) -> str:
    """Our words with what came from logs in code spans; where our own words put backticks around a name, they go."""
    pieces = list(phrase)
    for place in range(1, len(pieces) - 1):
        before, after = pieces[place - 1], pieces[place + 1]
        if isinstance(pieces[place], str) or not isinstance(before, str) or not isinstance(after, str):
            continue
        if before.endswith("`") and after.startswith("`"):
            pieces[place - 1], pieces[place + 1] = before[:-1], after[1:]
    return plain(tuple(pieces), name)


def _row(line: Line) -> str:
    cells = [
        _MARK[line.kind],
        _text(line.title),
        "" if line.part is None else count(line.part) + ("" if line.whole is None else f" of {count(line.whole)}"),
        "" if line.share is None else percent(line.share),
        "" if line.expected_share is None else percent(line.expected_share),
        _allowed(line),
        "" if line.needed is None else f"{count(line.needed)} or more{', but it is over' if line.over else ''}",
    ]
    return f"| {' | '.join(cells)} |"


def _allowed(line: Line) -> str:
    if line.allowed_count is not None:
        return count(line.allowed_count)
    return "" if line.allowed_share is None else percent(line.allowed_share)


def _details(line: Line) -> Iterator[str]:
    if line.kind in {"pass", "unjudged"}:
        return
    yield f"- **{line.kind}** {_text(line.sentence)}"
    for detail in line.details:
        yield f"  - {_text(detail)}"
