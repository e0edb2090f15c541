"""
`-o junit`: one test case per check, for Jenkins, GitLab and whatever reads JUnit.

A check that fails is a failure, one that could not judge is skipped. GitLab shows an element's text and not its
message, so both say the same. Nothing here carries the time that a check took: the same answer is the same file.
"""

from __future__ import annotations

from collections.abc import Iterator

from attribute.reports.disarm import disarmed_xml
from attribute.reports.escape import xml_text
from attribute.reports.gate_view import GateView, Line, plain
from attribute.reports.writers import Style

__all__ = ["write"]


def write(view: GateView, style: Style) -> Iterator[bytes]:
    """Yield the document."""
    del style
    yield from (f"{disarmed_xml(line)}\n".encode() for line in _document(view))


def _document(view: GateView) -> Iterator[str]:
    failures = len(view.of_kind("error"))
    skipped = len(view.of_kind("inconclusive", "unjudged"))
    totals = f'tests="{len(view.lines)}" failures="{failures}" errors="0"'
    place = "" if view.config is None else f' file="{xml_text(view.config)}"'
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<testsuites name="attribute gate" {totals}>'
    yield (
        f'  <testsuite name="attribute gate" {totals} skipped="{skipped}" time="0"'
        f' timestamp="{view.now:%Y-%m-%dT%H:%M:%S}"{place}>'
    )
    yield "    <properties>"
    yield f'      <property name="state" value="{view.state.value}"/>'
    yield f'      <property name="exit_code" value="{view.exit_code}"/>'
    yield f'      <property name="rules" value="{xml_text(view.rules_version)}"/>'
    yield "    </properties>"
    shown = view.shown_ids()
    for line in view.lines:
        yield from _case(line, shown[line.id])
    yield "  </testsuite>"
    yield "</testsuites>"


def _case(line: Line, name: str) -> Iterator[str]:
    texts = [xml_text(plain(phrase)) for phrase in (line.sentence, *line.details)]
    yield f'    <testcase classname="attribute.gate.{xml_text(line.check)}" name="{xml_text(name)}" time="0">'
    if line.kind == "error":
        yield f'      <failure message="{texts[0]}" type="{xml_text(line.check)}">' + "\n".join(texts) + "</failure>"
    elif line.kind in {"inconclusive", "unjudged"}:
        yield f'      <skipped message="{texts[0]}">' + "\n".join(texts) + "</skipped>"
    else:
        yield "      <system-out>" + "\n".join(texts) + "</system-out>"
    yield "    </testcase>"
