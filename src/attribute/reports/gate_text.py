"""`-o text`: the gate for people, on a terminal or in a CI log. Every line stands alone; nothing depends on colour."""

from __future__ import annotations

from collections.abc import Iterator

from attribute.reports.disarm import disarmed
from attribute.reports.escape import terminal
from attribute.reports.gate_view import GateView, Line, Phrase, plain
from attribute.reports.wording import count, plural, stamp
from attribute.reports.writers import Style

__all__ = ["write"]

_WORD = {"error": "FAIL", "warning": "WARN", "inconclusive": "?   ", "unjudged": "-   ", "pass": "ok  "}
_CODES = {"error": "31", "warning": "33", "inconclusive": "33", "unjudged": "2", "pass": "32"}


def write(view: GateView, style: Style) -> Iterator[bytes]:
    """Yield the lines; with a verbosity under 0 the headline alone."""
    for line in _lines(view, style):
        yield f"{line}\n".encode()


def _lines(view: GateView, style: Style) -> Iterator[str]:
    def text(phrase: Phrase) -> str:
        return plain(phrase, lambda name: disarmed(terminal(name, ascii_only=style.ascii_only)))

    yield text(view.headline)
    if style.verbosity < 0 or style.oneline:
        return
    numbers = view.result.numbers
    for line in view.lines:
        yield f"  {_marked(line, style)} {text(line.sentence)}"
        for detail in line.details:
            yield f"         {text(detail)}"
    yield f"  as of      {stamp(view.now, view.zone)}"
    yield (
        f"  read       {plural(numbers.requests, 'request')}, {count(numbers.incident)} incident, "
        f"{count(numbers.unknown)} UNKNOWN ({count(numbers.refused)} of them 4xx before any upstream call)"
    )
    yield f"  baseline   {text(view.baseline)}"
    yield f"  rules      {view.rules_version} {view.rules_sha256[:12]}"
    for note in view.notes:
        yield f"  note       {text(note)}"
    for step in view.next_steps:
        yield f"  next       {text(step)}"
    yield f"  exit code  {view.exit_code}"


def _marked(line: Line, style: Style) -> str:
    word = _WORD[line.kind]
    return f"\x1b[{_CODES[line.kind]}m{word}\x1b[0m" if style.color else word
