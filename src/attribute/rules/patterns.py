"""
The closed vocabulary of `when`: which fields a rule may test, and for what.

A condition names one field and any number of patterns and holds where one of them does. All conditions of a rule
must hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from attribute.m1.fields import FIELD_NAMES, UPSTREAM_INVALID, UPSTREAM_TIMEOUT
from attribute.rules.errors import Place, RuleFileError
from attribute.rules.globs import MAX_GLOB_CHARACTERS

MISSING: Final = "missing"
INVALID: Final = "invalid"
TIMEOUT: Final = "timeout"
MAX_PATTERNS: Final = 200


class LineOf(Protocol):
    """Finds the line on which a rule says *key*, or *value* under that key."""

    def __call__(self, key: str, value: object) -> int:
        """Return its number, from 1."""
        ...


class Total(StrEnum):
    """What `latency_ms` may be tested for."""

    SLOW = "slow"
    NORMAL = "normal"


class Split(StrEnum):
    """What `upstream_latency_ms` may be tested for. Every record is exactly one of them."""

    LOW = "upstream-low"
    DOMINANT = "upstream-dominant"
    UNCLEAR = "upstream-unclear"
    LATENCY_MISSING = "upstream-latency-missing"
    EXCEEDS = "upstream-exceeds"


class Kind(StrEnum):
    """What patterns a field takes."""

    STATUS = "status"
    UPSTREAM_STATUS = "upstream-status"
    TOTAL = "latency"
    SPLIT = "split"
    GLOB = "glob"


@dataclass(frozen=True, slots=True)
class Pattern:
    """
    One pattern.

    Attributes:
        text: as written, in its shortest form.
        codes: for statuses: the least and the greatest code that it takes, both included (as in `attribute.frames`);
            None for `missing`, words and globs.
    """

    text: str
    codes: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One field and the patterns of which one must hold."""

    field: str
    patterns: tuple[Pattern, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The patterns as they are written."""
        return tuple(pattern.text for pattern in self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Testable:
    """
    A field that rules may test.

    Attributes:
        field: its name, as in the M1 record.
        kind: what patterns it takes.
        words: its own words, in order of use.
        expected: what else it takes, for people.
    """

    field: str
    kind: Kind
    words: tuple[str, ...] = ()
    expected: str


_STATUS_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
_GLOBS: Final = "globs as in `pay-*`"

TESTABLE: Final = {
    each.field: each
    for each in (
        Testable(
            field="upstream_status",
            kind=Kind.UPSTREAM_STATUS,
            words=(MISSING, INVALID, TIMEOUT, *_STATUS_CLASSES),
            expected="missing, invalid, timeout, 1xx to 5xx, a status as in 503, or a range as in 500-504",
        ),
        Testable(
            field="status",
            kind=Kind.STATUS,
            words=(MISSING, *_STATUS_CLASSES),
            expected="missing, 1xx to 5xx, a status as in 503, or a range as in 500-504",
        ),
        Testable(field="latency_ms", kind=Kind.TOTAL, words=tuple(Total), expected="slow or normal"),
        Testable(
            field="upstream_latency_ms",
            kind=Kind.SPLIT,
            words=tuple(Split),
            expected=", ".join(tuple(Split)[:-1]) + f" or {tuple(Split)[-1]}",
        ),
        Testable(field="function", kind=Kind.GLOB, expected=_GLOBS),
        Testable(field="stage", kind=Kind.GLOB, expected=_GLOBS),
        Testable(field="error_code", kind=Kind.GLOB, words=(MISSING,), expected=f"missing, or {_GLOBS}"),
        Testable(field="upstream", kind=Kind.GLOB, words=(MISSING,), expected=f"missing, or {_GLOBS}"),
    )
}
"""All fields that `when` knows, in the order in which conditions are kept and shown."""

_CODE_OF_WORD: Final = {INVALID: UPSTREAM_INVALID, TIMEOUT: UPSTREAM_TIMEOUT}
_RANGE = re.compile(r"([1-5][0-9][0-9])-([1-5][0-9][0-9])")


def parse_pattern(value: object, testable: Testable) -> Pattern | None:
    """Return *value* as a pattern of *testable*, or None where it is not one."""
    if testable.kind in {Kind.STATUS, Kind.UPSTREAM_STATUS}:
        return _status_pattern(value, testable)
    if not isinstance(value, str) or not value:
        return None
    if testable.kind is Kind.GLOB:
        return Pattern(value) if len(value) <= MAX_GLOB_CHARACTERS else None
    return Pattern(value) if value in testable.words else None


def parse_when(table: object, *, rule: str, place: Place, line_of: LineOf) -> tuple[Condition, ...]:
    """
    Read a `when` table.

    Args:
        table: what TOML made of it.
        rule: the rule's id, for messages.
        place: where the rule stands.
        line_of: finds the line of a key or value inside the rule.

    Returns:
        Its conditions in the order of `TESTABLE`, patterns without repetition in the order written.

    Raises:
        RuleFileError: it is no table, or has an unknown field or pattern.
    """
    if not isinstance(table, dict):
        raise RuleFileError.wrong_type(place, f"rule {rule}", "`when`", table, "a table of fields and patterns")
    found: dict[str, Condition] = {}
    for key, value in table.items():
        where = Place(place.name, line_of(key, None))
        testable = TESTABLE.get(key)
        if testable is None:
            if key in FIELD_NAMES:
                raise RuleFileError.field_not_testable(where, rule, key)
            raise RuleFileError.not_a_field(where, rule, key, TESTABLE)
        values = value if isinstance(value, list) else [value]
        if not values or len(values) > MAX_PATTERNS:
            raise RuleFileError.wrong_type(where, f"rule {rule}", f"`{key}`", value, f"1 to {MAX_PATTERNS} patterns")
        patterns: dict[str, Pattern] = {}
        for each in values:
            pattern = parse_pattern(each, testable)
            if pattern is None:
                at = Place(place.name, line_of(key, each))
                raise RuleFileError.not_a_pattern(at, rule, key, each, expected=testable.expected, words=testable.words)
            patterns[pattern.text] = pattern
        found[key] = Condition(key, tuple(patterns.values()))
    return tuple(found[name] for name in TESTABLE if name in found)


def _status_pattern(value: object, testable: Testable) -> Pattern | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    if text in testable.words:
        return Pattern(text, _codes_of_word(text))
    between = _RANGE.fullmatch(text if "-" in text else f"{text}-{text}")
    if between is None or int(between[1]) > int(between[2]):
        return None
    return Pattern(text, (int(between[1]), int(between[2])))


def _codes_of_word(word: str) -> tuple[int, int] | None:
    if word == MISSING:
        return None
    if word in _CODE_OF_WORD:
        return _CODE_OF_WORD[word], _CODE_OF_WORD[word]
    return int(word[0]) * 100, int(word[0]) * 100 + 99
