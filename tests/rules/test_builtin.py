"""The built-in catalogue keeps its own promises."""

from __future__ import annotations

import pickle
from itertools import product
from types import MappingProxyType

import polars as pl

from attribute.rules.catalogue import builtin, parse
from attribute.rules.compile import Decider, compile_rules
from attribute.rules.evidence import lacking_evidence
from attribute.rules.examples import check_examples
from attribute.rules.thresholds import Limits, Thresholds
from attribute.rules.words import CLASS_OF_REASON, Class, Reason
from tests.rules.records import UNKNOWN_REASONS, record, records_frame


def test_builtin_rules_are_the_four_in_order() -> None:
    """The order decides, so it is written down."""
    catalogue = builtin()
    assert catalogue.version == "m1/1"
    assert [(rule.id, rule.class_) for rule in catalogue.rules] == [
        ("M1-1", Class.UNKNOWN),
        ("M1-2", Class.VENDOR),
        ("M1-3", Class.APPLICATION),
        ("M1-4", Class.BOTTLENECK),
    ]


def test_builtin_rules_keep_their_examples() -> None:
    """Every rule matches its examples and none of its near misses."""
    assert check_examples(builtin()) == ()


def test_builtin_rules_have_a_match_and_a_near_miss_each() -> None:
    """A rule argues its case: why, where it is blind, and examples on both sides of its edge."""
    for rule in builtin().rules:
        assert rule.why, rule.id
        assert rule.blind_spots, rule.id
        assert {example.matches for example in rule.examples} == {True, False}, rule.id
        covered = {example.reason for example in rule.examples if example.matches}
        assert covered >= {case.reason for case in rule.reasons}, rule.id


def test_every_reason_has_a_meaning_and_every_unknown_one_says_what_to_log() -> None:
    """No UNKNOWN without a way out of it."""
    reasons = builtin().reasons
    assert set(reasons) == set(Reason)
    for reason in (*UNKNOWN_REASONS, Reason.USER_RULE):
        assert len(reasons[reason].what_to_log) > 40, reason
    for reason in UNKNOWN_REASONS:
        assert reasons[reason].ask, reason
    for reason in set(Reason) - set(UNKNOWN_REASONS) - {Reason.USER_RULE}:
        assert reasons[reason].what_to_log == "", reason


def test_every_reason_but_two_belongs_to_one_class_and_can_be_reached() -> None:
    """The closed list has no reason that no rule or gap names."""
    catalogue = builtin()
    named = {case.reason for rule in catalogue.rules for case in rule.reasons} | {gap.reason for gap in catalogue.gaps}
    assert named == set(CLASS_OF_REASON)
    assert set(Reason) - named == {Reason.OK, Reason.UPSTREAM_FAILURE_ABSORBED, Reason.USER_RULE}


def test_builtin_rules_convict_on_evidence() -> None:
    """What is asked of users' rules holds for the built-in ones."""
    assert [lacking_evidence(rule.class_, rule.when) for rule in builtin().rules] == [None] * 4


def test_gaps_name_a_reason_for_every_request_before_the_last_one_takes_the_rest() -> None:
    """Under the built-in rules the last gap means what it says: it is reached by unclear splits alone."""
    catalogue, decider = builtin(), Decider(Thresholds())
    rows = [
        record(upstream_status=upstream, status=status, latency_ms=total, upstream_latency_ms=latency)
        for upstream, status, (total, latency) in product(
            (None, -1, 0, 101, 200, 302, 404, 429, 500),
            (None, 200, 302, 404, 500),
            ((10.0, 1.0), (1000.0, 100.0), (1000.0, 900.0), (1000.0, None), (1000.0, 2000.0), (1000.0, 500.0)),
        )
    ]
    frame = records_frame(rows).with_columns(
        pl.any_horizontal([decider.all_hold(gap.when) for gap in catalogue.gaps[:-1]]).alias("named"),
        *compile_rules(catalogue, Thresholds()).verdict,
    )
    rest = frame.filter((pl.col("class") == "UNKNOWN") & pl.col("rule").is_null() & ~pl.col("named"))
    assert set(rest["upstream_latency_ms"]) == {500.0}
    assert set(rest["reason"]) == {"latency-split-unclear"}


def test_hash_depends_on_what_a_file_says_and_not_on_how() -> None:
    """Comments, white space, line endings and the file's name leave the hash alone; a changed word does not."""
    rule = 'version = "a/1"\n[[rule]]\nid = "A-1"\nclass = "UNKNOWN"\nsummary = "One."\nlog = "More."\n'
    one = parse(rule + "when = { status = [503, 502] }\n", name="one.toml")
    same = parse("# why\n" + rule + 'when = { status = [502,  "503"] }\n', name="other.toml")
    other = parse(rule + 'when = { status = ["502"] }\n', name="one.toml")
    assert one.sha256 == same.sha256
    assert len({one.sha256, other.sha256, builtin().sha256}) == 3
    assert one.version == "m1/1+a/1"


def test_compiled_rules_travel_to_another_process() -> None:
    """Catalogue, limits and expressions survive pickling, so that a cluster judges by the same rules."""
    thresholds = Thresholds(by_function=MappingProxyType({"checkout": Limits(slow_ms=50)}))
    compiled = compile_rules(builtin(), thresholds)
    travelled = pickle.loads(pickle.dumps(compiled))
    assert (travelled.catalogue, travelled.thresholds) == (builtin(), thresholds)
    assert travelled.catalogue.sha256 == builtin().sha256
    frame = records_frame([record(status=500), record(upstream_latency_ms=1.0)])
    assert frame.select(travelled.verdict).equals(frame.select(compiled.verdict))
