"""An explanation says what the verdict rests on, and nothing that the verdict does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.explain import (
    ConditionAnswer,
    ExplainedVerdict,
    Explanation,
    JoinedEvidence,
    WhatIf,
    explain_request,
)
from attribute.requests import consolidate
from attribute.rules.catalogue import builtin, parse
from attribute.rules.compile import compile_rules
from attribute.rules.thresholds import Limits, Thresholds
from attribute.rules.words import Flag, Reason
from attribute.verdicts import classify
from tests.rules.records import UNKNOWN_REASONS, record, records_frame, rows
from tests.rules.user_rules import THRESHOLDS, RuleFile, rule_files


def explain(*log: dict[str, Any], thresholds: Thresholds | None = None) -> Explanation:
    return explain_request(records_frame(log), builtin(), thresholds or Thresholds())


def answers(explanation: Explanation, rule: str) -> tuple[ConditionAnswer, ...]:
    return next(answer.conditions for answer in explanation.rules if answer.rule.id == rule)


def test_explanation_shows_every_rule_with_the_values_it_looked_at() -> None:
    """Which rule decides, which others match, and of each condition what was wanted and what was seen."""
    got = explain(record(status=502, upstream_status=503, latency_ms=1500.0, upstream_latency_ms=300.0))
    assert got.verdict == ExplainedVerdict(
        class_="vendor", rule="M1-2", reason=Reason.UPSTREAM_5XX, also_matched=("M1-4",)
    )
    assert [(each.rule.id, each.matches, each.decides) for each in got.rules] == [
        ("M1-1", False, False),
        ("M1-2", True, True),
        ("M1-3", False, False),
        ("M1-4", True, False),
    ]
    assert answers(got, "M1-3") == (
        ConditionAnswer(field="upstream_status", wanted=("2xx",), seen="503", holds=False),
        ConditionAnswer(field="status", wanted=("4xx", "5xx"), seen="502", holds=True),
    )
    assert answers(got, "M1-4") == (
        ConditionAnswer(field="latency_ms", wanted=("slow",), seen="1500 ms: slow, at or over 1000 ms", holds=True),
        ConditionAnswer(
            field="upstream_latency_ms",
            wanted=("upstream-low",),
            seen="300 ms of 1500 ms: upstream-low, at most 20 %",
            holds=True,
        ),
    )
    assert (got.what_to_log, got.what_if) == ("", ())


@pytest.mark.parametrize(
    ("upstream", "seen"),
    [
        (None, "missing"),
        (900.5, "900.5 ms of 1000 ms: upstream-dominant, at least 80 %"),
        (500.0, "500 ms of 1000 ms: upstream-unclear, between 20 % and 80 %"),
        (2000.0, "2000 ms of 1000 ms: upstream-exceeds, over it by more than 5 ms and 1 %"),
    ],
)
def test_explanation_names_the_split_and_its_limit(upstream: float | None, seen: str) -> None:
    """A latency is shown with what it counts as, and by which limit."""
    got = explain(record(latency_ms=1000.0, upstream_latency_ms=upstream))
    assert answers(got, "M1-4")[1].seen == seen


def test_explanation_uses_the_limits_of_the_function() -> None:
    """The limit that is shown is the one that was used."""
    thresholds = Thresholds(by_function={"checkout": Limits(slow_ms=50.5)})
    got = explain(record(latency_ms=100.0), thresholds=thresholds)
    assert answers(got, "M1-4")[0].seen == "100 ms: slow, at or over 50.5 ms"
    assert (got.limits, got.own_limits, got.slow, got.failing) == (Limits(slow_ms=50.5), True, True, False)


def test_explanation_of_a_healthy_request_has_no_class_and_no_advice() -> None:
    """A request that is neither failing nor slow is explained, too: no rule matches, nothing is asked for."""
    got = explain(record(upstream_status=None))
    assert got.verdict == ExplainedVerdict(class_="none", rule=None, reason=Reason.OK)
    assert not any(answer.matches for answer in got.rules)
    assert answers(got, "M1-1")[0].holds
    assert (got.what_to_log, got.what_if) == ("", ())


def test_explanation_shows_who_decides_and_who_lends() -> None:
    """All records in order of time, the deciding one and the lenders marked, repetitions counted."""
    late = record(stage="upstream", status=None, upstream_status=200, latency_ms=95.0, upstream_latency_ms=5.0)
    first = record(
        stage="upstream", status=None, upstream_status=503, latency_ms=90.0, upstream_latency_ms=80.0, upstream="quotes"
    )
    last = record(status=502, upstream_status=None, upstream_latency_ms=None, latency_ms=99.0)
    got = explain(last, late, first, last)
    assert [(each.fields["latency_ms"], each.decides, each.lends) for each in got.records] == [
        (90.0, False, ("upstream_status", "upstream", "upstream_latency_ms")),
        (95.0, False, ()),
        (99.0, True, ()),
    ]
    assert got.duplicates == 1
    assert got.joined == (
        JoinedEvidence(field="upstream_status", value="503", stage="upstream"),
        JoinedEvidence(field="upstream", value="quotes", stage="upstream"),
        JoinedEvidence(field="upstream_latency_ms", value="80 ms", stage="upstream"),
    )
    assert got.verdict.flags == (Flag.EVIDENCE_JOINED,)


def test_explanation_of_unknown_says_what_each_answer_would_have_made_of_it() -> None:
    """What to log, and the verdict that each value of it would give."""
    got = explain(record(status=500, upstream_status=None, upstream_latency_ms=None))
    assert got.what_to_log == builtin().reasons[Reason.UPSTREAM_STATUS_MISSING].what_to_log

    def what_if(upstream: str, class_: str, rule: str | None, reason: Reason) -> WhatIf:
        verdict = ExplainedVerdict(class_=class_, rule=rule, reason=reason)
        return WhatIf(logged=(("upstream_status", upstream),), verdict=verdict)

    assert got.what_if == (
        what_if("200", "application", "M1-3", Reason.UPSTREAM_OK_FUNCTION_5XX),
        what_if("302", "UNKNOWN", None, Reason.UPSTREAM_STATUS_INCONCLUSIVE),
        what_if("404", "UNKNOWN", None, Reason.UPSTREAM_4XX_FUNCTION_5XX),
        what_if("429", "UNKNOWN", None, Reason.UPSTREAM_429),
        what_if("503", "vendor", "M1-2", Reason.UPSTREAM_5XX),
        what_if("timeout", "vendor", "M1-2", Reason.UPSTREAM_TIMEOUT),
    )


UNKNOWNS: dict[Reason, dict[str, Any]] = {
    Reason.UPSTREAM_STATUS_MISSING: {"status": 500, "upstream_status": None},
    Reason.UPSTREAM_STATUS_INVALID: {"status": 500, "upstream_status": -1},
    Reason.FUNCTION_STATUS_MISSING: {"status": None},
    Reason.UPSTREAM_SLOW: {"latency_ms": 2000.0, "upstream_latency_ms": 1900.0},
    Reason.UPSTREAM_LATENCY_MISSING: {"latency_ms": 2000.0, "upstream_latency_ms": None},
    Reason.LATENCY_SPLIT_UNCLEAR: {"latency_ms": 2000.0, "upstream_latency_ms": 1000.0},
    Reason.LATENCY_CONTRADICTION: {"latency_ms": 2000.0, "upstream_latency_ms": 3000.0},
    Reason.UPSTREAM_FAILED_FUNCTION_4XX: {"status": 404, "upstream_status": 500},
    Reason.UPSTREAM_4XX_FUNCTION_4XX: {"status": 404, "upstream_status": 404},
    Reason.UPSTREAM_4XX_FUNCTION_5XX: {"status": 500, "upstream_status": 404},
    Reason.UPSTREAM_429: {"status": 500, "upstream_status": 429},
    Reason.UPSTREAM_STATUS_INCONCLUSIVE: {"status": 500, "upstream_status": 302},
}


@pytest.mark.parametrize("reason", UNKNOWN_REASONS)
def test_every_unknown_reason_has_an_answer_that_would_have_decided(reason: Reason) -> None:
    """For each reason of the closed list there is evidence that turns it into a verdict, and the advice asks for it."""
    got = explain(record(**UNKNOWNS[reason]))
    assert (got.verdict.class_, got.verdict.reason) == ("UNKNOWN", reason)
    assert got.what_to_log
    assert {each.verdict.class_ for each in got.what_if} - {"UNKNOWN", "none"}


def test_unknown_by_a_rule_of_ones_own_shows_that_rules_advice() -> None:
    """A rule file that says UNKNOWN says what to log, and that is what is shown."""
    text = (
        'version = "a/1"\n[[rule]]\nid = "A-1"\nclass = "UNKNOWN"\nsummary = "s"\nlog = "Log the shard."\n'
        "when = { upstream_status = [429] }\n"
    )
    frame = records_frame([record(status=500, upstream_status=429)])
    got = explain_request(frame, parse(text, name="a.toml"), Thresholds())
    assert (got.verdict.rule, got.verdict.reason) == ("A-1", Reason.USER_RULE)
    assert (got.what_to_log, got.what_if) == ("Log the shard.", ())


@pytest.mark.parametrize("ids", [(), ("a", "b")])
def test_explanation_is_of_one_request(ids: tuple[str, ...]) -> None:
    """Records of none or of several requests are a mistake of the caller's."""
    with pytest.raises(ValueError, match=f"records of {len(ids)} requests, expected those of one"):
        explain(*(record(request_id=each) for each in ids))


def says_more(records: Sequence[Mapping[str, Any]], *, than: Mapping[str, Any]) -> bool:
    """Return whether one of *records* knows of a greater upstream latency, or of more calls."""
    return any(
        than[name] is not None and each[name] is not None and each[name] > than[name]
        for each in records
        for name in ("upstream_latency_ms", "upstream_calls")
    )


@settings(max_examples=25, deadline=None)
@given(log=st.lists(rows(request_ids=("a",)), min_size=1, max_size=6), thresholds=THRESHOLDS, file=rule_files())
def test_explanation_has_the_verdict_of_the_main_path(
    log: list[dict[str, Any]], thresholds: Thresholds, file: RuleFile
) -> None:
    """What is explained is what was decided: verdict, matches, flags, joined evidence and conditions agree."""
    catalogue = parse(file.text, name="test.toml")
    frame = records_frame(log)
    got = explain_request(frame, catalogue, thresholds)
    verdicts = classify(consolidate(frame), compile_rules(catalogue, thresholds))
    assert (got.verdict.class_ == "none") == verdicts.is_empty()
    assert (got.failing or got.slow) != verdicts.is_empty()
    for row in verdicts.iter_rows(named=True):
        assert got.verdict == ExplainedVerdict(
            class_=row["class"],
            rule=row["rule"],
            reason=Reason(row["reason"]),
            also_matched=tuple(row["also_matched"]),
            flags=tuple(Flag(flag) for flag in row["flags"]),
        )
        for answer in got.rules:
            assert answer.matches == all(condition.holds for condition in answer.conditions)
    assert [each.decides for each in got.records].count(True) == 1
    assert len(got.records) + got.duplicates == len(log)
    lent = {each.field for each in got.joined}
    decided = dict(next(each.fields for each in got.records if each.decides))
    if decided["upstream_latency_ms"] is not None and says_more([each.fields for each in got.records], than=decided):
        decided["upstream_calls"] = None
    assert {name: value for name, value in got.request.items() if name in decided and name not in lent} == {
        name: value for name, value in decided.items() if name not in lent
    }
    lender_stages = {each.stage for each in got.joined if each.field.startswith("upstream_")}
    assert (got.request["joined_from"] is not None) == bool(lender_stages & {got.request["joined_from"]})


def test_explanation_looks_at_frames_of_any_order() -> None:
    """The order of lines is no evidence."""
    log = [record(stage=stage, latency_ms=latency) for stage, latency in (("a", 1.0), ("b", 2.0), ("exception", 0.5))]
    forward, backward = records_frame(log), records_frame(log[::-1])
    assert isinstance(forward, pl.DataFrame)
    assert explain_request(forward, builtin(), Thresholds()) == explain_request(backward, builtin(), Thresholds())
