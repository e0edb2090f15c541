"""From the text of a rule file to rules: every mistake is named with its file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from attribute.m1.decode import Reject, decode
from attribute.m1.fields import FIELD_NAMES
from attribute.rules.entry import MAX_ENTRIES, Entry, read_document, read_entries, read_version
from attribute.rules.errors import Place, RuleFileError
from attribute.rules.evidence import lacking_evidence
from attribute.rules.locate import Block, entries
from attribute.rules.model import (
    BUILTIN_NAME,
    EXAMPLE_BASE,
    Catalogue,
    Example,
    ReasonCase,
    ReasonText,
    Rule,
    with_rules,
)
from attribute.rules.patterns import Condition, parse_when
from attribute.rules.words import CLASS_OF_REASON, Class, Reason

_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_BUILTIN_PREFIX: Final = "M1-"
_RULE_KEYS: Final = (
    "id", "class", "summary", "when", "why", "blind_spots", "reason", "reasons", "log", "before", "replaces",
    "retired", "example",
)  # fmt: skip
_EXAMPLE_KEYS: Final = ("expect", "record", "reason")
_NO_VERDICT: Final = (Reason.OK, Reason.UPSTREAM_FAILURE_ABSORBED)


def read_builtin(text: str) -> Catalogue:
    """Return the catalogue that the text of the built-in file says, gaps and reasons included."""
    document = read_document(text, BUILTIN_NAME)
    version = read_version(document, text, BUILTIN_NAME, ("version", "rule", "gap", "reason"))
    rules = _rules(document, text, BUILTIN_NAME)
    gaps = tuple(
        ReasonCase(reason=entry.word("reason", Reason, CLASS_OF_REASON), when=_when(entry, entry.table.get("when", {})))
        for entry in read_entries(document, text, BUILTIN_NAME, "gap")
    )
    return Catalogue(
        version=version,
        rules=tuple(rule for rule in rules if not rule.retired),
        gaps=gaps,
        reasons=MappingProxyType(
            {
                entry.word("id", Reason, Reason): ReasonText(
                    meaning=entry.text("meaning", required=True), what_to_log=entry.text("log"), ask=entry.texts("ask")
                )
                for entry in read_entries(document, text, BUILTIN_NAME, "reason")
            }
        ),
        retired=MappingProxyType({rule.id: BUILTIN_NAME for rule in rules if rule.retired}),
    )


def read_user(text: str, *, name: str, base: Catalogue) -> Catalogue:
    """Return *base* with the rules of a user's file, each checked for its evidence and at its place."""
    document = read_document(text, name)
    version = read_version(document, text, name, ("version", "rule"))
    rules = _rules(document, text, name)
    _check_ids(rules, base=base, name=name)
    _check_places(rules, base=base, name=name)
    for rule in rules:
        if not rule.retired:
            _check_convicts_on_evidence(rule, Place(name, rule.line))
    return with_rules(base, version=version, added=rules, name=name)


def _check_ids(rules: Iterable[Rule], *, base: Catalogue, name: str) -> None:
    """An id is given once, for ever."""
    owners = {rule.id: rule.name for rule in base.rules}
    for rule in rules:
        place = Place(name, rule.line)
        if rule.id in base.retired:
            raise RuleFileError.id_in_use(place, rule.id, base.retired[rule.id], retired=True)
        if rule.id in owners:
            raise RuleFileError.id_in_use(place, rule.id, owners[rule.id], retired=False)
        if rule.id.startswith(_BUILTIN_PREFIX):
            raise RuleFileError.reserved_id(place, rule.id)


def _check_places(rules: Iterable[Rule], *, base: Catalogue, name: str) -> None:
    """A rule may stand before, or in place of, any that is evaluated by then, but for the very first."""
    evaluated = [rule.id for rule in base.rules]
    first = evaluated[0]
    for rule in rules:
        if rule.retired:
            continue
        place = Place(name, rule.line)
        for key, target in (("before", rule.before), ("replaces", rule.replaces)):
            if target is not None and target not in evaluated:
                raise RuleFileError.no_such_rule(place, rule.id, key, target, evaluated)
            if target == first:
                raise RuleFileError.first_rule_stays_first(place, rule.id, key, first)
        if rule.replaces is not None:
            evaluated.remove(rule.replaces)
        evaluated.append(rule.id)
    if len(evaluated) > MAX_ENTRIES:
        raise RuleFileError.too_large(Place(name, 1), "rules in all", len(evaluated), MAX_ENTRIES)


def _check_convicts_on_evidence(rule: Rule, place: Place) -> None:
    if not rule.when:
        raise RuleFileError.matches_everything(place, rule.id)
    lacks = lacking_evidence(rule.class_, rule.when)
    if lacks is not None:
        raise RuleFileError.no_evidence(place, rule.id, rule.class_, *lacks)
    if rule.class_ is Class.UNKNOWN and not rule.what_to_log:
        raise RuleFileError.missing_key(place, f"rule {rule.id}, which says UNKNOWN,", "log")


def _rules(document: Mapping[str, object], text: str, name: str) -> tuple[Rule, ...]:
    rules = tuple(_rule(entry) for entry in read_entries(document, text, name, "rule"))
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise RuleFileError.id_in_use(Place(name, rule.line), rule.id, "this file", retired=False)
        seen.add(rule.id)
    return rules


def _rule(entry: Entry) -> Rule:
    rule_id = entry.text("id", required=True)
    if not _ID.fullmatch(rule_id):
        expected = "a letter, then letters, digits and `_.-`, at most 40, as in `ACME-1`"
        raise RuleFileError.wrong_type(entry.place("id"), "a rule", "`id`", rule_id, expected)
    entry.known_keys(_RULE_KEYS)
    retired = entry.table.get("retired", False)
    if not isinstance(retired, bool):
        raise RuleFileError.wrong_type(entry.place("retired"), entry.what, "`retired`", retired, "true or false")
    if retired:
        return Rule(
            id=rule_id, class_=Class.UNKNOWN, summary=entry.text("summary"), when=(), reasons=(), retired=True,
            name=entry.name, line=entry.block.first,
        )  # fmt: skip
    class_ = entry.word("class", Class, Class)
    if "when" not in entry.table:
        raise RuleFileError.missing_key(entry.place(), entry.what, "when")
    before, replaces = entry.text("before") or None, entry.text("replaces") or None
    if before is not None and replaces is not None:
        raise RuleFileError.wrong_type(
            entry.place("before"), entry.what, "`before`", before, "either `before` or `replaces`, not both"
        )
    return Rule(
        id=rule_id,
        class_=class_,
        summary=entry.text("summary", required=True),
        when=_when(entry, entry.table["when"]),
        reasons=_reasons(entry, rule_id, class_),
        why=entry.text("why"),
        blind_spots=entry.texts("blind_spots"),
        examples=_examples(entry, rule_id),
        what_to_log=entry.text("log"),
        before=before,
        replaces=replaces,
        name=entry.name,
        line=entry.block.first,
    )


def _when(entry: Entry, table: object) -> tuple[Condition, ...]:
    return parse_when(table, rule=entry.rule_id, place=entry.place("when"), line_of=entry.block.line_of)


def _reasons(entry: Entry, rule_id: str, class_: Class) -> tuple[ReasonCase, ...]:
    if "reasons" not in entry.table:
        reason = entry.word("reason", Reason, _allowed()) if "reason" in entry.table else Reason.USER_RULE
        _check_reason(entry, rule_id, class_, reason)
        return (ReasonCase(reason=reason),)
    tables = entry.table["reasons"]
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        expected = "a list of tables, each with `reason` and all but the last with `when`"
        raise RuleFileError.wrong_type(entry.place("reasons"), entry.what, "`reasons`", tables, expected)
    cases = []
    for table in tables:
        case = Entry(table, entry.block, entry.name, entry.what)
        case.known_keys(("reason", "when"))
        reason = case.word("reason", Reason, _allowed())
        _check_reason(case, rule_id, class_, reason)
        cases.append(ReasonCase(reason=reason, when=_when(case, table.get("when", {}))))
    if cases[-1].when:
        raise RuleFileError.reasons_not_total(entry.place("reasons"), rule_id)
    return tuple(cases)


def _allowed() -> tuple[str, ...]:
    return tuple(reason for reason in Reason if reason not in _NO_VERDICT)


def _check_reason(entry: Entry, rule_id: str, class_: Class, reason: Reason) -> None:
    own = CLASS_OF_REASON.get(reason, class_)
    if own is not class_:
        raise RuleFileError.reason_of_other_class(entry.place("reason", reason.value), rule_id, class_, reason, own)


def _examples(entry: Entry, rule_id: str) -> tuple[Example, ...]:
    tables = entry.table.get("example", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        expected = "tables, each under `[[rule.example]]`"
        raise RuleFileError.wrong_type(entry.place("example"), entry.what, "`example`", tables, expected)
    found = entries("\n".join(entry.block.lines), "rule.example")
    examples = []
    for number, table in enumerate(tables):
        block = entry.block
        if len(found) == len(tables):
            block = Block(found[number].name, entry.block.first + found[number].first - 1, found[number].lines)
        examples.append(_example(Entry(table, block, entry.name, f"example {number + 1} of rule {rule_id}")))
    return tuple(examples)


def _example(entry: Entry) -> Example:
    entry.known_keys(_EXAMPLE_KEYS)
    expect = entry.word("expect", str, ("match", "no-match"))
    record = entry.table.get("record")
    if not isinstance(record, dict):
        raise RuleFileError.wrong_type(entry.place("record"), entry.what, "`record`", record, "a table of M1 fields")
    for key in record:
        if key not in FIELD_NAMES:
            raise RuleFileError.unknown_key(entry.place(key), entry.what, key, FIELD_NAMES)
    decoded = decode({**EXAMPLE_BASE, **record})
    if isinstance(decoded, Reject):
        raise RuleFileError.example_not_a_record(
            entry.place(decoded.detail), entry.what, decoded.detail, decoded.reason
        )
    reason = entry.word("reason", Reason, _allowed()) if "reason" in entry.table else None
    return Example(
        matches=expect == "match", record=MappingProxyType(dict(record)), reason=reason, line=entry.block.first
    )
