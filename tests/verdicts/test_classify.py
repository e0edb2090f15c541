"""The compiled rules and the plain reference agree, and nobody is blamed without evidence."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from attribute.frames import REQUESTS, VERDICTS
from attribute.requests import consolidate
from attribute.rules.catalogue import builtin, parse
from attribute.rules.compile import Decider, compile_rules
from attribute.rules.thresholds import Limits, Thresholds
from attribute.verdicts import classify
from tests.drawn import examples
from tests.reference.requests import consolidate as consolidate_plainly
from tests.reference.verdicts import Verdict, split, verdict_of
from tests.rules.records import many_rows, record, records_frame, requests_frame, rows
from tests.rules.user_rules import THRESHOLDS, RuleFile, rule_files

BUILTIN = compile_rules(builtin(), Thresholds())


def verdicts_of(frame: pl.DataFrame) -> dict[str, Verdict]:
    return {
        row["request_id"]: Verdict(
            row["class"], row["rule"], row["reason"], tuple(row["also_matched"]), tuple(row["flags"])
        )
        for row in frame.iter_rows(named=True)
    }


@settings(max_examples=examples(50), deadline=None)
@given(requests=many_rows(), thresholds=THRESHOLDS, file=rule_files())
def test_compiled_rules_equal_the_plain_reference(
    requests: list[dict[str, Any]], thresholds: Thresholds, file: RuleFile
) -> None:
    """Class, rule, reason, further matches and flags are those of a chain of ifs, under any limits and rule file."""
    compiled = compile_rules(parse(file.text, name="test.toml"), thresholds)
    frame = records_frame(requests).with_columns(*compiled.verdict)
    expected = {request["request_id"]: verdict_of(request, thresholds, file.rules) for request in requests}
    assert verdicts_of(frame) == expected
    columns = ("class", "reason", "also_matched", "flags")
    assert frame.select(*columns).null_count().sum_horizontal().to_list() == [0]


@settings(max_examples=examples(45), deadline=None)
@given(log=st.lists(rows(request_ids=("a", "b", "c")), max_size=10), thresholds=THRESHOLDS)
def test_records_to_verdicts_equal_the_plain_references(log: list[dict[str, Any]], thresholds: Thresholds) -> None:
    """Consolidated and classified, every incident request has the verdict of the plain way, in order; others none."""
    got = classify(consolidate(records_frame(log)), compile_rules(builtin(), thresholds))
    plain = [(request, verdict_of(request, thresholds)) for request in consolidate_plainly(log)]
    expected = [
        {
            **request,
            "class": verdict.class_,
            "rule": verdict.rule,
            "reason": verdict.reason,
            "also_matched": list(verdict.also_matched),
            "flags": list(verdict.flags),
        }
        for request, verdict in plain
        if verdict.class_ != "none"
    ]
    assert_frame_equal(got, pl.DataFrame(expected, schema=VERDICTS), check_exact=True)


@settings(max_examples=examples(40), deadline=None)
@given(requests=many_rows(), thresholds=THRESHOLDS, file=rule_files())
def test_nobody_is_blamed_without_evidence(
    requests: list[dict[str, Any]], thresholds: Thresholds, file: RuleFile
) -> None:
    """
    Under any limits, and any rule file that is taken: the vendor is blamed for a failure that was seen, the
    application for an answer of the upstream's that was seen, and nobody for a healthy request.
    """
    compiled = compile_rules(parse(file.text, name="test.toml"), thresholds)
    for row in classify(requests_frame(requests), compiled).iter_rows(named=True):
        upstream, limits = row["upstream_status"], thresholds.of(row["function"])
        slow = row["latency_ms"] >= limits.slow_ms
        assert row["status"] is None or row["status"] >= 400 or slow
        if row["class"] == "vendor":
            assert upstream in {0, 429} or upstream >= 500
            assert upstream != 429 or row["rule"].startswith("T-")
        if row["class"] == "application":
            assert 100 <= upstream < 500
        if row["class"] == "application-bottleneck":
            assert slow
            assert row["upstream_latency_ms"] <= limits.upstream_low_share * row["latency_ms"]


@settings(max_examples=40, deadline=None)
@given(requests=many_rows())
def test_builtin_rules_blame_the_vendor_for_5xx_and_timeouts_alone(requests: list[dict[str, Any]]) -> None:
    """The built-in rules never say vendor but where both sides failed."""
    for row in classify(requests_frame(requests), BUILTIN).iter_rows(named=True):
        both = row["status"] is not None and row["status"] >= 500 and row["upstream_status"] in {0, 500, 503, 599}
        assert (row["class"] == "vendor") == both


@settings(max_examples=30, deadline=None)
@given(requests=many_rows(), data=st.data())
def test_verdict_depends_on_its_own_request_alone(requests: list[dict[str, Any]], data: st.DataObject) -> None:
    """Other traffic changes nothing: a request alone has the verdict that it has among others."""
    among = verdicts_of(classify(requests_frame(requests), BUILTIN))
    for request in data.draw(st.lists(st.sampled_from(requests or [record()]), max_size=3)):
        alone = verdicts_of(classify(requests_frame([request]), BUILTIN))
        assert alone.get(request["request_id"]) == among.get(request["request_id"])


def test_no_requests_give_no_verdicts_of_the_same_shape() -> None:
    """Nothing in, nothing out, with all columns."""
    empty = classify(REQUESTS.to_frame(), BUILTIN)
    assert (empty.height, empty.schema) == (0, VERDICTS)
    healthy = classify(requests_frame([record()]), BUILTIN)
    assert (healthy.height, healthy.schema) == (0, VERDICTS)


def test_failed_request_without_upstream_status_is_unknown() -> None:
    """No evidence, no blame: a log that lacks the upstream's answer convicts nobody."""
    got = verdicts_of(classify(requests_frame([record(status=500, upstream_status=None)]), BUILTIN))
    assert got == {
        "r1": Verdict("UNKNOWN", "M1-1", "upstream-status-missing", flags=("upstream-called-no-answer",)),
    }


def test_bottleneck_from_a_record_that_does_not_count_its_calls_is_flagged() -> None:
    """A logger that keeps only its last call can make a slow vendor look like us; the verdict says that it may."""
    slow = record(latency_ms=2000.0, upstream_latency_ms=100.0)
    got = verdicts_of(
        classify(requests_frame([slow, {**slow, "request_id": "r2", "upstream_calls": 2}]), BUILTIN),
    )
    bottleneck = Verdict("application-bottleneck", "M1-4", "slow-with-fast-upstream")
    assert got == {"r1": bottleneck._replace(flags=("upstream-latency-may-be-partial",)), "r2": bottleneck}


def test_joined_evidence_is_flagged() -> None:
    """A verdict on evidence of another record says so."""
    log = [
        record(stage="upstream", status=None, upstream_status=503, latency_ms=90.0),
        record(status=502, upstream_status=None, upstream_latency_ms=None),
    ]
    verdicts = classify(consolidate(records_frame(log)), BUILTIN)
    assert verdicts_of(verdicts) == {"r1": Verdict("vendor", "M1-2", "upstream-5xx", flags=("evidence-joined",))}
    assert verdicts.select("status", "upstream_status", "joined_from", "records").row(0) == (502, 503, "upstream", 2)


@pytest.mark.parametrize(
    ("total", "upstream", "limits", "expected"),
    [
        (1000.0, 200.0, Limits(), "slow-with-fast-upstream"),
        (1000.0, 200.00000000000003, Limits(), "latency-split-unclear"),
        (1000.0, 799.9999999999999, Limits(), "latency-split-unclear"),
        (1000.0, 800.0, Limits(), "upstream-slow"),
        (1000.0, 1010.0, Limits(), "upstream-slow"),
        (1000.0, 1010.0000000000001, Limits(), "latency-contradiction"),
        (400.0, 405.0, Limits(slow_ms=400), "upstream-slow"),
        (400.0, 405.00000000000006, Limits(slow_ms=400), "latency-contradiction"),
        (1000.0, 0.0, Limits(upstream_low_share=0), "slow-with-fast-upstream"),
        (1000.0, 1000.0, Limits(upstream_dominant_share=1), "upstream-slow"),
        (1000.0, 999.9999999999999, Limits(upstream_dominant_share=1), "latency-split-unclear"),
    ],
)
def test_limits_hold_to_the_last_bit(total: float, upstream: float, limits: Limits, expected: str) -> None:
    """Low and dominant include their limit, equal includes its tolerance, and one bit more is over it."""
    request = record(latency_ms=total, upstream_latency_ms=upstream)
    thresholds = Thresholds(default=limits)
    got = classify(requests_frame([request]), compile_rules(builtin(), thresholds))
    assert got["reason"].to_list() == [expected]
    assert verdict_of(request, thresholds).reason == expected


def test_a_thousand_functions_with_limits_of_their_own_are_each_judged_by_theirs() -> None:
    """Limits per function are looked up, not chained."""
    thresholds = Thresholds(by_function={f"fn-{number}": Limits(slow_ms=1000 + number) for number in range(1000)})
    requests = [
        record(request_id=f"{number}/{latency}", function=f"fn-{number}", latency_ms=float(latency))
        for number in range(0, 1000, 37)
        for latency in (999 + number, 1000 + number)
    ]
    got = classify(requests_frame(requests), compile_rules(builtin(), thresholds))
    assert set(got["request_id"]) == {f"{number}/{1000 + number}" for number in range(0, 1000, 37)}


@settings(max_examples=30, deadline=None)
@given(requests=many_rows(), thresholds=THRESHOLDS)
@example(requests=[record(latency_ms=0.0, upstream_latency_ms=0.0)], thresholds=Thresholds())
@example(requests=[record(latency_ms=0.0, upstream_latency_ms=3.0)], thresholds=Thresholds())
def test_every_record_has_exactly_one_split(requests: list[dict[str, Any]], thresholds: Thresholds) -> None:
    """Low, dominant, unclear, missing and exceeding share all records out among them, as the reference does."""
    answers = records_frame(requests).select(Decider(thresholds).splits()).to_dicts()
    expected = [split(request, thresholds.of(request["function"])) for request in requests]
    assert [[word for word, holds in answer.items() if holds] for answer in answers] == [[word] for word in expected]
