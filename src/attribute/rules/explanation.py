"""What an explanation of one request's verdict holds; `attribute.explain` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attribute.rules.model import Rule
from attribute.rules.thresholds import Limits
from attribute.rules.words import Flag, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRecord:
    """
    One distinct record of the request.

    Attributes:
        fields: the columns of `attribute.frames.RECORDS`.
        decides: whether it is the deciding one.
        lends: the fields that the deciding record took from it.
    """

    fields: Mapping[str, object]
    decides: bool
    lends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedEvidence:
    """A value that the deciding record did not have, and the stage of the record that lent it."""

    field: str
    value: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionAnswer:
    """
    What one condition of a rule looked at.

    Attributes:
        field: the M1 field.
        wanted: the patterns of which one must hold.
        seen: the value, and for latencies what it counts as and by which limit.
        holds: the answer.
    """

    field: str
    wanted: tuple[str, ...]
    seen: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """
    What one rule says of the request.

    Attributes:
        rule: the rule.
        matches: whether the request is an incident request and all conditions hold.
        decides: whether it is the first that matches.
        conditions: the answer of each condition.
    """

    rule: Rule
    matches: bool
    decides: bool
    conditions: tuple[ConditionAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedVerdict:
    """A verdict: the columns that `attribute.frames.VERDICTS` adds to a request. *class_* may be `none`."""

    class_: str
    rule: str | None
    reason: Reason
    also_matched: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """What the verdict would be if other values had been logged: `(field, value)` and the verdict."""

    logged: tuple[tuple[str, str], ...]
    verdict: ExplainedVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """
    All there is to say about one request.

    Attributes:
        request_id: which one.
        records: its distinct records, in order of time.
        duplicates: how many records repeated another one and were left out.
        request: the columns of `attribute.frames.REQUESTS`: the deciding record with its joined evidence.
        joined: what was joined, and from where.
        failing: whether the status is missing, 4xx or 5xx.
        slow: whether the latency is at or over the threshold.
        limits: the limits that hold for its function.
        own_limits: whether the function has limits of its own.
        verdict: the verdict; its class is `none` where the request is neither failing nor slow.
        rules: the answer of every rule, in order of evaluation.
        meaning: half a sentence on the reason.
        what_to_log: for UNKNOWN: what to log so that next time it is not.
        what_if: for UNKNOWN: the verdicts that other answers for the missing evidence would give.
    """

    request_id: str
    records: tuple[ExplainedRecord, ...]
    duplicates: int
    request: Mapping[str, object]
    joined: tuple[JoinedEvidence, ...]
    failing: bool
    slow: bool
    limits: Limits
    own_limits: bool
    verdict: ExplainedVerdict
    rules: tuple[RuleAnswer, ...]
    meaning: str
    what_to_log: str
    what_if: tuple[WhatIf, ...]
