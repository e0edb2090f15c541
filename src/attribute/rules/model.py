"""What rules and a catalogue of them are, and how rules of a second file find their place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from attribute.rules.patterns import Condition
from attribute.rules.words import Class, Reason

BUILTIN_NAME: Final = "m1.toml"

EXAMPLE_BASE: Final[Mapping[str, object]] = MappingProxyType(
    {
        "request_id": "example",
        "function": "example",
        "stage": "response",
        "status": None,
        "latency_ms": 100,
        "error_code": None,
        "upstream_status": None,
        "upstream_latency_ms": None,
    }
)
"""What an example does not say itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """
    A record that a rule matches, or nearly does.

    Attributes:
        matches: whether the rule matches it.
        record: M1 fields and values as in a log line; fields that are not there are null (`latency_ms`: 100).
        reason: the reason of the verdict, where the example says that this rule decides.
        line: where it stands.
    """

    matches: bool
    record: Mapping[str, object]
    reason: Reason | None = None
    line: int = 0

    def __reduce__(self) -> tuple[Callable[..., Example], tuple[object, ...]]:
        return _example, (self.matches, dict(self.record), self.reason, self.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCase:
    """The reason of a match, where *when* holds too. The last case of a rule has no conditions."""

    reason: Reason
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    One rule.

    Attributes:
        id: for ever; a retired one is never used again.
        class_: the verdict's class.
        summary: one sentence.
        when: all of these must hold.
        reasons: the first whose conditions hold names the reason.
        why: the argument for it.
        blind_spots: when it is wrong.
        examples: its tests.
        what_to_log: for a rule of class UNKNOWN: what to log so that next time it is not.
        retired: whether it only keeps its id.
        before: the rule that it is evaluated before, if not after all others.
        replaces: the rule whose place it takes.
        name: the file it stands in.
        line: its first line.
    """

    id: str
    class_: Class
    summary: str
    when: tuple[Condition, ...]
    reasons: tuple[ReasonCase, ...]
    why: str = ""
    blind_spots: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    what_to_log: str = ""
    retired: bool = False
    before: str | None = None
    replaces: str | None = None
    name: str = BUILTIN_NAME
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonText:
    """
    What a reason means to a reader.

    Attributes:
        meaning: half a sentence.
        what_to_log: for UNKNOWN: what to log so that next time it is not.
        ask: the fields that this is about; `explain` tries answers for them.
    """

    meaning: str
    what_to_log: str = ""
    ask: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """
    All rules that are evaluated, in order, and what to say where none matches.

    Attributes:
        version: `m1/1`, and `+` the version of every file that was added.
        rules: the rules in order of evaluation; the first match decides.
        gaps: where no rule matches, the first whose conditions hold names the reason; the last has none.
        reasons: a text for every reason.
        retired: ids that may not be used again, with the file that says so.
        sha256: hash over all of this but file names and lines.
    """

    version: str
    rules: tuple[Rule, ...]
    gaps: tuple[ReasonCase, ...]
    reasons: Mapping[Reason, ReasonText]
    retired: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __reduce__(self) -> tuple[Callable[..., Catalogue], tuple[object, ...]]:
        mappings = (dict(self.reasons), dict(self.retired))  # a read-only view cannot travel to another process
        return _catalogue, (self.version, self.rules, self.gaps, *mappings)

    @property
    def sha256(self) -> str:
        """Sixty-four hexadecimal digits; the same for files that say the same."""
        return _sha256_of(self)

    def rule(self, rule_id: str) -> Rule | None:
        """Return the rule of that id that is evaluated, or None."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def what_to_log(self, reason: Reason, rule_id: str | None = None) -> str:
        """Return what to log so that a verdict of this reason (and rule, if one decided) is not UNKNOWN next time."""
        rule = self.rule(rule_id) if rule_id is not None else None
        return (rule.what_to_log if rule is not None else "") or self.reasons[reason].what_to_log


def _example(matches: bool, record: dict[str, object], reason: Reason | None, line: int) -> Example:
    return Example(matches=matches, record=MappingProxyType(record), reason=reason, line=line)


def _catalogue(
    version: str,
    rules: tuple[Rule, ...],
    gaps: tuple[ReasonCase, ...],
    reasons: dict[Reason, ReasonText],
    retired: dict[str, str],
) -> Catalogue:
    return Catalogue(
        version=version,
        rules=rules,
        gaps=gaps,
        reasons=MappingProxyType(reasons),
        retired=MappingProxyType(retired),
    )


def in_order(base: tuple[Rule, ...], added: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return *base* with each of *added* at its place: that of the rule it replaces, before another, or at the end."""
    order = list(base)
    for rule in added:
        ids = [each.id for each in order]
        if rule.replaces is not None:
            order[ids.index(rule.replaces)] = rule
        elif rule.before is not None:
            order.insert(ids.index(rule.before), rule)
        else:
            order.append(rule)
    return tuple(order)


def with_rules(base: Catalogue, *, version: str, added: tuple[Rule, ...], name: str) -> Catalogue:
    """Return *base* with the rules of one more file."""
    gone = {rule.replaces: name for rule in added if rule.replaces is not None and not rule.retired}
    gone |= {rule.id: name for rule in added if rule.retired}
    return replace(
        base,
        version=f"{base.version}+{version}",
        rules=in_order(base.rules, tuple(rule for rule in added if not rule.retired)),
        retired=MappingProxyType({**base.retired, **gone}),
    )


def _sha256_of(catalogue: Catalogue) -> str:
    content = {
        "version": catalogue.version,
        "rules": [_content_of(rule) for rule in catalogue.rules],
        "gaps": [[gap.reason, _when_content(gap.when)] for gap in catalogue.gaps],
        "reasons": {
            reason: [text.meaning, text.what_to_log, list(text.ask)] for reason, text in catalogue.reasons.items()
        },
        "retired": sorted(catalogue.retired),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _content_of(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "class": rule.class_,
        "summary": rule.summary,
        "when": _when_content(rule.when),
        "reasons": [[case.reason, _when_content(case.when)] for case in rule.reasons],
        "why": rule.why,
        "blind_spots": list(rule.blind_spots),
        "log": rule.what_to_log,
        "examples": [
            [example.matches, {key: repr(value) for key, value in example.record.items()}, example.reason]
            for example in rule.examples
        ],
    }


def _when_content(when: tuple[Condition, ...]) -> list[list[object]]:
    return [[condition.field, sorted(condition.texts)] for condition in when]
