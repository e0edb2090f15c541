"""
Why a request has its verdict: its records, every rule's answer with the values it looked at, and what to log next.

Rules are asked with the very expressions that decide, so that an explanation cannot differ from the verdict. Texts
of the log (function, stage, error code, upstream) are in it as they came: escape them for the medium.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Final

import polars as pl

from attribute.frames import UPSTREAM_INVALID, UPSTREAM_TIMEOUT
from attribute.requests import consolidate, count_duplicates, trace
from attribute.rules.compile import CompiledRules, Decider, compile_rules
from attribute.rules.explanation import (
    ConditionAnswer,
    ExplainedRecord,
    ExplainedVerdict,
    Explanation,
    JoinedEvidence,
    RuleAnswer,
    WhatIf,
)
from attribute.rules.model import Catalogue
from attribute.rules.patterns import INVALID, MISSING, TIMEOUT, Condition, Split
from attribute.rules.thresholds import Limits, Thresholds, number_text
from attribute.rules.words import Class, Flag, Reason
from attribute.verdicts import decide

__all__ = [
    "ConditionAnswer",
    "ExplainedRecord",
    "ExplainedVerdict",
    "Explanation",
    "JoinedEvidence",
    "RuleAnswer",
    "WhatIf",
    "explain_request",
    "status_word",
]

_UPSTREAM_ANSWERS: Final = (200, 302, 404, 429, 503, UPSTREAM_TIMEOUT)
_STATUS_ANSWERS: Final = (200, 404, 500)
_LENT_WITH_STATUS: Final = ("upstream_status", "upstream")
_LENT: Final = (*_LENT_WITH_STATUS, "upstream_latency_ms", "upstream_calls")


def explain_request(records: pl.DataFrame, catalogue: Catalogue, thresholds: Thresholds) -> Explanation:
    """
    Explain the verdict of one request.

    Args:
        records: a `RECORDS` frame with all records of exactly one `request_id`, in any order.
        catalogue: the rules.
        thresholds: the limits.

    Raises:
        ValueError: *records* are not those of exactly one request.
    """
    requests = consolidate(records)
    if requests.height != 1:
        raise ValueError(f"records of {requests.height} requests, expected those of one")
    compiled = compile_rules(catalogue, thresholds)
    verdict = _verdicts(requests, compiled)[0]
    request = requests.row(0, named=True)
    function = str(request["function"])
    failing, slow = requests.select(compiled.failing.alias("failing"), compiled.slow.alias("slow")).row(0)
    explained, joined = _records(records, request)
    is_unknown = verdict.class_ == Class.UNKNOWN
    return Explanation(
        request_id=str(request["request_id"]),
        records=explained,
        duplicates=count_duplicates(records, requests),
        request=request,
        joined=joined,
        failing=failing,
        slow=slow,
        limits=thresholds.of(function),
        own_limits=function in thresholds.by_function,
        verdict=verdict,
        rules=_rule_answers(requests, catalogue, thresholds, verdict),
        meaning=catalogue.reasons[verdict.reason].meaning,
        what_to_log=catalogue.what_to_log(verdict.reason, verdict.rule) if is_unknown else "",
        what_if=_what_if(requests, catalogue, compiled, verdict) if is_unknown else (),
    )


def status_word(value: int | None) -> str:
    """Return a status as people write it: `missing`, `timeout`, `invalid` or the number."""
    if value is None:
        return MISSING
    return {UPSTREAM_TIMEOUT: TIMEOUT, UPSTREAM_INVALID: INVALID}.get(value, str(value))


# -- records -----------------------------------------------------------------------------------------------------------


def _records(
    records: pl.DataFrame, request: Mapping[str, object]
) -> tuple[tuple[ExplainedRecord, ...], tuple[JoinedEvidence, ...]]:
    traced = trace(records)
    rows = traced.records.to_dicts()
    decided = rows[traced.deciding]
    lends: dict[int, list[str]] = {}
    joined = []
    for name in _LENT:
        lender = traced.status_lender if name in _LENT_WITH_STATUS else traced.latency_lender
        if lender is None or decided[name] == request[name]:
            continue
        lends.setdefault(lender, []).append(name)
        joined.append(JoinedEvidence(field=name, value=_value(name, request[name]), stage=rows[lender]["stage"]))
    explained = tuple(
        ExplainedRecord(fields=row, decides=index == traced.deciding, lends=tuple(lends.get(index, ())))
        for index, row in enumerate(rows)
    )
    return explained, tuple(joined)


# -- rules -------------------------------------------------------------------------------------------------------------


def _verdicts(requests: pl.DataFrame, compiled: CompiledRules) -> list[ExplainedVerdict]:
    rows = decide(requests, compiled).to_dicts()
    return [
        ExplainedVerdict(
            class_=row["class"],
            rule=row["rule"],
            reason=Reason(row["reason"]),
            also_matched=tuple(row["also_matched"]),
            flags=tuple(Flag(flag) for flag in row["flags"]),
        )
        for row in rows
    ]


def _rule_answers(
    requests: pl.DataFrame, catalogue: Catalogue, thresholds: Thresholds, verdict: ExplainedVerdict
) -> tuple[RuleAnswer, ...]:
    decider = Decider(thresholds)
    request = requests.row(0, named=True)
    limits = thresholds.of(str(request["function"]))
    split = next(word for word, holds in zip(Split, requests.select(decider.splits()).row(0), strict=True) if holds)
    slow = bool(requests.select(decider.slow).item())
    conditions = [condition for rule in catalogue.rules for condition in rule.when]
    asked = [decider.holds(condition).alias(str(number)) for number, condition in enumerate(conditions)]
    holds = iter(requests.select(asked).row(0))
    return tuple(
        RuleAnswer(
            rule=rule,
            matches=rule.id == verdict.rule or rule.id in verdict.also_matched,
            decides=rule.id == verdict.rule,
            conditions=tuple(
                ConditionAnswer(
                    field=condition.field,
                    wanted=condition.texts,
                    seen=_seen(condition, request, limits, slow=slow, split=split),
                    holds=next(holds),
                )
                for condition in rule.when
            ),
        )
        for rule in catalogue.rules
    )


def _seen(condition: Condition, request: Mapping[str, object], limits: Limits, *, slow: bool, split: Split) -> str:
    """Return the value that a condition looked at; for latencies with the word and the limit that it comes from."""
    value = _value(condition.field, request[condition.field])
    if condition.field == "latency_ms":
        return f"{value}: {'slow, at or over' if slow else 'normal, under'} {_ms(limits.slow_ms)}"
    if condition.field != "upstream_latency_ms":
        return value
    if split is Split.LATENCY_MISSING:
        return MISSING
    total = _value("latency_ms", request["latency_ms"])
    limit = {
        Split.LOW: f"at most {_percent(limits.upstream_low_share)}",
        Split.DOMINANT: f"at least {_percent(limits.upstream_dominant_share)}",
        Split.UNCLEAR: (
            f"between {_percent(limits.upstream_low_share)} and {_percent(limits.upstream_dominant_share)}"
        ),
        Split.EXCEEDS: (
            f"over it by more than {_ms(limits.clock_tolerance_ms)} and {_percent(limits.clock_tolerance_share)}"
        ),
    }[split]
    return f"{value} of {total}: {split}, {limit}"


def _value(field: str, value: object) -> str:
    if field in {"status", "upstream_status"}:
        return status_word(value if isinstance(value, int) else None)
    if value is None:
        return MISSING
    return _ms(value) if field.endswith("_ms") and isinstance(value, float) else str(value)


def _ms(value: float) -> str:
    return f"{number_text(value)} ms"


def _percent(share: float) -> str:
    return f"{number_text(round(share * 100, 6))} %"


# -- what if -----------------------------------------------------------------------------------------------------------


def _what_if(
    requests: pl.DataFrame, catalogue: Catalogue, compiled: CompiledRules, verdict: ExplainedVerdict
) -> tuple[WhatIf, ...]:
    """Try all other answers for the fields that the reason asks for."""
    request = requests.row(0, named=True)
    limits = compiled.thresholds.of(str(request["function"]))
    asked = catalogue.reasons[verdict.reason].ask
    tries = [
        dict(zip(asked, answers, strict=True))
        for answers in product(*(_answers(field, request, limits) for field in asked))
    ]
    tries = [each for each in tries if any(request[field] != value for field, value in each.items())]
    if not asked or not tries:
        return ()
    frame = pl.concat([requests] * len(tries)).with_columns(
        pl.Series(field, [each[field] for each in tries], dtype=requests.schema[field]) for field in asked
    )
    return tuple(
        WhatIf(logged=tuple((field, _value(field, value)) for field, value in each.items()), verdict=got)
        for each, got in zip(tries, _verdicts(frame, compiled), strict=True)
    )


def _answers(field: str, request: Mapping[str, object], limits: Limits) -> Sequence[float | int]:
    if field == "upstream_status":
        return _UPSTREAM_ANSWERS
    if field == "status":
        return _STATUS_ANSWERS
    total = request["latency_ms"]
    if not isinstance(total, float):
        raise TypeError("`latency_ms` is a number")
    low, dominant = limits.upstream_low_share, limits.upstream_dominant_share
    return tuple(total * share for share in (low / 2, (low + dominant) / 2, (1 + dominant) / 2))
