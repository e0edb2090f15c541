"""
Rules and limits -> expressions over records.

Every expression is null-safe: a missing value makes a condition true or false, never unknown, so that no null leaks
into a decision. The comparisons are those of `thresholds.Limits`, in 64-bit floating point, in the order in which they
are written there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import polars as pl

from attribute.m1.fields import UPSTREAM_TIMEOUT
from attribute.rules.globs import matches_any
from attribute.rules.model import Catalogue, ReasonCase, Rule
from attribute.rules.patterns import MISSING, TESTABLE, Condition, Kind, Pattern, Split, Total
from attribute.rules.thresholds import Limits, Thresholds
from attribute.rules.words import NO_CLASS, Class, Flag, Reason

__all__ = ["CompiledRules", "Decider", "compile_rules"]


_GROUP: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRules:
    """
    Expressions over the columns of `attribute.frames.RECORDS`.

    Attributes:
        failing: `status` is missing, 4xx or 5xx.
        slow: `latency_ms` is at or over the function's threshold.
        incident: failing or slow.
        absorbed: the upstream failed (5xx, timeout, 429) and the function answered well and in time all the same.
        steps: the verdict over the columns of `attribute.frames.REQUESTS`, with a flag where evidence was joined. Each
            step adds columns that later ones look at, so that nothing is asked twice.
        catalogue: what the expressions say.
        thresholds: the limits that they use.
    """

    failing: pl.Expr
    slow: pl.Expr
    incident: pl.Expr
    absorbed: pl.Expr
    steps: tuple[tuple[pl.Expr, ...], ...]
    catalogue: Catalogue
    thresholds: Thresholds

    @property
    def verdict(self) -> tuple[pl.Expr, ...]:
        """
        Return `class`, `rule`, `reason`, `also_matched`, `flags`, in this order, named so. Made anew at every look.

        A request that is neither failing nor slow has the class `none`, no rule and the reason `ok` or
        `upstream-failure-absorbed`.
        """
        decider = Decider(self.thresholds)
        seen = _Seen.of(self.catalogue, decider)
        return _Decision.of(self.catalogue, decider, seen).answers(seen, joined=False)


def compile_rules(catalogue: Catalogue, thresholds: Thresholds) -> CompiledRules:
    """Return the expressions that decide as *catalogue* says, under *thresholds*."""
    decider = Decider(thresholds)
    return CompiledRules(
        failing=decider.failing,
        slow=decider.slow,
        incident=decider.incident,
        absorbed=decider.absorbed,
        steps=_steps(catalogue, decider),
        catalogue=catalogue,
        thresholds=thresholds,
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of a record before it is decided upon: expressions that are never null."""

    incident: pl.Expr
    absorbed: pl.Expr
    matches: Sequence[tuple[Rule, pl.Expr]]

    @classmethod
    def of(cls, catalogue: Catalogue, decider: Decider) -> _Seen:
        matches = [(rule, decider.incident & decider.all_hold(rule.when)) for rule in catalogue.rules]
        return cls(decider.incident, decider.absorbed, matches)


@dataclass(frozen=True, slots=True)
class _Decision:
    """Class, rule and reason, each as the first of some conditions."""

    class_: _First
    rule: _First
    reason: _First

    @classmethod
    def of(cls, catalogue: Catalogue, decider: Decider, seen: _Seen) -> _Decision:
        classes = [(match, rule.class_.value) for rule, match in seen.matches]
        return cls(
            class_=_First.of([(~seen.incident, NO_CLASS), *classes], Class.UNKNOWN.value),
            rule=_First.of([(match, rule.id) for rule, match in seen.matches], None),
            reason=_reason(catalogue, decider, seen),
        )

    def answers(self, seen: _Seen, *, joined: bool) -> tuple[pl.Expr, ...]:
        """Return the verdict; *joined*: with the flag that evidence was joined."""
        flags = _flags(self.class_, self.reason)
        if joined:
            flags.append((pl.col("joined_from").is_not_null(), Flag.EVIDENCE_JOINED.value))
        return (
            self.class_.name().alias("class"),
            self.rule.name().alias("rule"),
            self.reason.name().alias("reason"),
            _all([(match, rule.id) for rule, match in seen.matches], after_first=True).alias("also_matched"),
            _all(flags).alias("flags"),
        )


def _steps(catalogue: Catalogue, decider: Decider) -> tuple[tuple[pl.Expr, ...], ...]:
    seen = _Seen.of(catalogue, decider)
    incident, absorbed = "(incident)", "(absorbed)"
    matches = {f"(rule {number})": pair for number, pair in enumerate(seen.matches)}
    looked = (
        seen.incident.alias(incident),
        seen.absorbed.alias(absorbed),
        *(match.alias(name) for name, (_, match) in matches.items()),
    )
    told = _Seen(pl.col(incident), pl.col(absorbed), [(rule, pl.col(name)) for name, (rule, _) in matches.items()])
    decision = _Decision.of(catalogue, decider, told)
    numbered = {"(class)": decision.class_, "(rule)": decision.rule, "(reason)": decision.reason}
    numbers = tuple(first.number.alias(name) for name, first in numbered.items())
    class_, rule, reason = (replace(first, number=pl.col(name)) for name, first in numbered.items())
    return looked, numbers, _Decision(class_, rule, reason).answers(told, joined=True)


class Decider:
    """
    Turns conditions into expressions under given limits.

    Args:
        thresholds: the limits; functions without their own have the default ones.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        limit = {each.name: limit_of(each.name, thresholds) for each in fields(Limits)}
        status, upstream_status = pl.col("status"), pl.col("upstream_status")
        total, upstream = pl.col("latency_ms"), pl.col("upstream_latency_ms")
        self.failing = status.is_null() | (status >= 400)
        self.slow = total >= limit["slow_ms"]
        self.incident = self.failing | self.slow
        upstream_failed = (upstream_status == UPSTREAM_TIMEOUT) | (upstream_status == 429) | (upstream_status >= 500)
        self.absorbed = upstream_failed.fill_null(value=False) & ~self.incident
        tolerance = pl.max_horizontal(limit["clock_tolerance_ms"], limit["clock_tolerance_share"] * total)
        exceeds = (upstream > total + tolerance).fill_null(value=False)
        low = (upstream <= limit["upstream_low_share"] * total).fill_null(value=False)
        dominant = (upstream >= limit["upstream_dominant_share"] * total).fill_null(value=False)
        self._split = {
            Split.LATENCY_MISSING: upstream.is_null(),
            Split.EXCEEDS: exceeds,
            Split.LOW: low & ~exceeds,
            Split.DOMINANT: dominant & ~low & ~exceeds,
            Split.UNCLEAR: upstream.is_not_null() & ~exceeds & ~low & ~dominant,
        }

    def splits(self) -> tuple[pl.Expr, ...]:
        """Return whether each of `Split` holds, in their order: exactly one of them does."""
        return tuple(self._split[split].alias(split.value) for split in Split)

    def holds(self, condition: Condition) -> pl.Expr:
        """Return whether one of the patterns of *condition* holds; never null."""
        column = pl.col(condition.field)
        match TESTABLE[condition.field].kind:
            case Kind.STATUS | Kind.UPSTREAM_STATUS:
                return _has_status(column, condition.patterns)
            case Kind.TOTAL:
                return _any(self.slow if pattern.text == Total.SLOW else ~self.slow for pattern in condition.patterns)
            case Kind.SPLIT:
                return _any(self._split[Split(pattern.text)] for pattern in condition.patterns)
            case Kind.GLOB:
                return _has_text(column, condition)

    def all_hold(self, when: Sequence[Condition]) -> pl.Expr:
        """Return whether all conditions hold; never null, and true where there are none."""
        return pl.all_horizontal([self.holds(condition) for condition in when]) if when else pl.lit(value=True)


def limit_of(name: str, thresholds: Thresholds) -> pl.Expr:
    """Return the limit *name* of a record's function, as a number that is never null."""
    default = float(getattr(thresholds.default, name))
    own = {function: float(getattr(limits, name)) for function, limits in thresholds.by_function.items()}
    own = {function: value for function, value in own.items() if value != default}
    if not own:
        return pl.lit(default, pl.Float64)
    return pl.col("function").replace_strict(
        pl.Series(list(own), dtype=pl.String),
        pl.Series(list(own.values()), dtype=pl.Float64),
        default=default,
        return_dtype=pl.Float64,
    )


def _has_status(column: pl.Expr, patterns: Iterable[Pattern]) -> pl.Expr:
    answers = []
    for pattern in patterns:
        if pattern.codes is None:
            answers.append(column.is_null())
            continue
        low, high = pattern.codes
        within = column == low if low == high else (column >= low) & (column <= high)
        answers.append(within.fill_null(value=False))
    return _any(answers)


def _has_text(column: pl.Expr, condition: Condition) -> pl.Expr:
    missing_is_a_word = MISSING in TESTABLE[condition.field].words
    globs = tuple(text for text in condition.texts if not (missing_is_a_word and text == MISSING))
    answers = [matches_any(column, globs)] if globs else []
    if len(globs) < len(condition.patterns):
        answers.append(column.is_null())
    return _any(answers)


def _reason(catalogue: Catalogue, decider: Decider, seen: _Seen) -> _First:
    named: list[tuple[pl.Expr, str]] = [
        (seen.absorbed, Reason.UPSTREAM_FAILURE_ABSORBED.value),
        (~seen.incident, Reason.OK.value),
    ]
    for rule, match in seen.matches:
        named += [(match & decider.all_hold(case.when) if case.when else match, case.reason) for case in rule.reasons]
    gaps: Sequence[ReasonCase] = catalogue.gaps
    named += [(decider.all_hold(gap.when), gap.reason) for gap in gaps[:-1]]
    return _First.of(named, gaps[-1].reason.value)


def _flags(class_: _First, reason: _First) -> list[tuple[pl.Expr, str]]:
    called = reason.is_called(Reason.UPSTREAM_STATUS_MISSING.value) & pl.col("upstream_latency_ms").is_not_null()
    partial = class_.is_called(Class.BOTTLENECK.value) & pl.col("upstream_calls").is_null()
    return [(called, Flag.UPSTREAM_CALLED_NO_ANSWER.value), (partial, Flag.UPSTREAM_LATENCY_MAY_BE_PARTIAL.value)]


def _any(answers: Iterable[pl.Expr]) -> pl.Expr:
    answers = list(answers)
    return answers[0] if len(answers) == 1 else pl.any_horizontal(answers)


@dataclass(frozen=True, slots=True)
class _First:
    """
    The first of some conditions that is true, as a number: names are looked up once it is known, for numbers are small.

    Flat, however many conditions there are, where a chain would nest.

    Attributes:
        names: what the conditions are called, and last the name where none is true.
        number: which one it is.
    """

    names: Sequence[str | None]
    number: pl.Expr

    @classmethod
    def of(cls, named: Sequence[tuple[pl.Expr, str]], otherwise: str | None) -> _First:
        """Return the first of *named* (conditions that are never null, with their names), else *otherwise*."""
        numbers = [pl.when(answer).then(pl.lit(number, pl.UInt16)) for number, (answer, _) in enumerate(named)]
        number = pl.coalesce([*numbers, pl.lit(len(named), pl.UInt16)])
        return cls([*(str(name) for _, name in named), otherwise], number)

    def name(self) -> pl.Expr:
        """Return its name."""
        return pl.lit(pl.Series(self.names, dtype=pl.String)).gather(self.number)

    def is_called(self, name: str) -> pl.Expr:
        """Return whether its name is *name*; never null."""
        numbers = [number for number, each in enumerate(self.names) if each == name]
        return _any([self.number == number for number in numbers] or [pl.lit(value=False)])


def _all(named: Sequence[tuple[pl.Expr, str]], *, after_first: bool = False) -> pl.Expr:
    """
    Return the list of the names of all that are true, in order; the first left out where *after_first*.

    Looked up in tables of ready lists, one per eight answers: building a list for every row is slow.
    """
    groups = [named[start : start + _GROUP] for start in range(0, len(named), _GROUP)]
    if len(groups) == 1:
        return _looked_up(groups[0], after_first=after_first)
    names = pl.concat_list([_looked_up(group) for group in groups])
    return names.list.slice(1) if after_first else names


def _looked_up(named: Sequence[tuple[pl.Expr, str]], *, after_first: bool = False) -> pl.Expr:
    names = [str(name) for _, name in named]
    chosen = [[name for bit, name in enumerate(names) if mask >> bit & 1] for mask in range(1 << len(names))]
    lists = pl.Series([each[1:] for each in chosen] if after_first else chosen, dtype=pl.List(pl.String))
    mask = pl.sum_horizontal(answer.cast(pl.UInt32) * (1 << bit) for bit, (answer, _) in enumerate(named))
    return pl.lit(lists).gather(mask.cast(pl.UInt32))
