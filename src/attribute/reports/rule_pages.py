"""Rules, fields and differences of rules as text and JSON, for `attribute rules`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import tzinfo

from attribute.reports.escape import terminal
from attribute.reports.wording import plural, rfc3339, stamp
from attribute.rules.catalogue import Catalogue
from attribute.rules.diff import Difference, Said
from attribute.rules.model import Rule
from attribute.rules.patterns import TESTABLE, Condition
from attribute.rules.words import Class

__all__ = ["diff_json", "diff_text", "fields_text", "list_json", "list_text", "rule_text"]


def list_text(catalogue: Catalogue) -> str:
    """Return the rules, one a line, in order."""
    rows = [(terminal(rule.id), rule.class_.value, terminal(rule.summary)) for rule in catalogue.rules]
    width = max((len(row[0]) for row in rows), default=0)
    lines = [f"rules {terminal(catalogue.version)}  sha256 {catalogue.sha256}"]
    lines += [f"{row[0]:<{width}}  {row[1]:<22}  {row[2]}" for row in rows]
    return "\n".join(lines) + "\n"


def list_json(catalogue: Catalogue) -> str:
    """Return the rules as one object."""
    document = {
        "schema": "attribute.rules/1",
        "version": catalogue.version,
        "sha256": catalogue.sha256,
        "rules": [
            {
                "id": rule.id,
                "class": rule.class_.value,
                "summary": rule.summary,
                "when": {condition.field: list(condition.texts) for condition in rule.when},
                "file": rule.name,
                "line": rule.line,
            }
            for rule in catalogue.rules
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def rule_text(rule: Rule, catalogue: Catalogue) -> str:
    """Return one rule whole."""
    return "\n".join(terminal(line) for line in _rule_lines(rule, catalogue)) + "\n"


def _rule_lines(rule: Rule, catalogue: Catalogue) -> Iterator[str]:
    yield f"{rule.id}  {rule.class_}  ({rule.name}:{rule.line})"
    yield rule.summary
    yield ""
    yield f"when    {_when(rule.when)}"
    for case in rule.reasons:
        condition = f" when {_when(case.when)}" if case.when else ""
        yield f"reason  {case.reason}{condition}: {catalogue.reasons[case.reason].meaning}"
    if rule.class_ is Class.UNKNOWN:
        for case in rule.reasons:
            yield f"log     {catalogue.what_to_log(case.reason, rule.id)}"
    if rule.why:
        yield f"why     {rule.why}"
    for spot in rule.blind_spots:
        yield f"blind   {spot}"
    for example in rule.examples:
        word = "match   " if example.matches else "no-match"
        yield f"{word} {json.dumps(dict(example.record))}"


def _when(conditions: tuple[Condition, ...]) -> str:
    return " and ".join(f"{condition.field} is {' or '.join(condition.texts)}" for condition in conditions)


def fields_text() -> str:
    """Return the fields that rules may test."""
    width = max(len(name) for name in TESTABLE)
    return "".join(f"{name:<{width}}  {testable.expected}\n" for name, testable in TESTABLE.items())


def diff_text(difference: Difference, old: Catalogue, new: Catalogue, *, zone: tzinfo) -> str:
    """Return what changes, the most frequent change first."""
    lines = [
        f"old {old.version}  sha256 {old.sha256[:12]}",
        f"new {new.version}  sha256 {new.sha256[:12]}",
        f"{difference.changed:,} of {plural(difference.compared, 'incident request')} would change",
        f"{difference.class_changed:,} of them their class",
    ]
    for change in difference.changes:
        lines.append(f"{change.requests:>9,}  {_said(change.old)} -> {_said(change.new)}")
        for example in change.examples:
            at = "no time" if example.at is None else stamp(example.at, zone)
            lines.append(f"           {example.request_id}  {example.function}  {at}")
    return "\n".join(terminal(line) for line in lines) + "\n"


def _said(said: Said) -> str:
    return f"{said.class_} ({said.rule or 'no rule'}, {said.reason})"


def diff_json(difference: Difference, old: Catalogue, new: Catalogue) -> str:
    """Return what changes as one object."""
    document = {
        "schema": "attribute.rules-diff/1",
        "old": {"version": old.version, "sha256": old.sha256},
        "new": {"version": new.version, "sha256": new.sha256},
        "compared": difference.compared,
        "changed": difference.changed,
        "class_changed": difference.class_changed,
        "changes": [
            {
                "old": _said_json(change.old),
                "new": _said_json(change.new),
                "requests": change.requests,
                "examples": [{**asdict(example), "at": rfc3339(example.at)} for example in change.examples],
            }
            for change in difference.changes
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _said_json(said: Said) -> dict[str, object]:
    return {"class": said.class_, "rule": said.rule, "reason": said.reason}
