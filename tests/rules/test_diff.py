"""Before other rules are adopted, every verdict that they change is counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings

from attribute.frames import VERDICTS
from attribute.rules.catalogue import builtin, parse
from attribute.rules.compile import compile_rules
from attribute.rules.diff import Change, ChangedRequest, Difference, Said, diff, diff_verdicts
from attribute.rules.thresholds import Limits, Thresholds
from tests.reference.verdicts import verdict_of
from tests.rules.records import many_rows, record, requests_frame
from tests.rules.user_rules import THRESHOLDS, RuleFile, rule_files

OLD = compile_rules(builtin(), Thresholds())


def test_lower_limit_turns_healthy_requests_into_incident_requests() -> None:
    """A request that is no incident on one side has the class `none` there."""
    requests = [record(request_id=f"r{number}", latency_ms=600.0, upstream_latency_ms=590.0) for number in range(5)]
    new = compile_rules(builtin(), Thresholds(default=Limits(slow_ms=500)))
    assert diff(requests_frame(requests), OLD, new, examples=2) == Difference(
        compared=5,
        changed=5,
        class_changed=5,
        changes=(
            Change(
                old=Said(class_="none"),
                new=Said(class_="UNKNOWN", reason="upstream-slow"),
                requests=5,
                examples=(
                    ChangedRequest(request_id="r0", function="checkout", at=None),
                    ChangedRequest(request_id="r1", function="checkout", at=None),
                ),
            ),
        ),
    )


def test_same_rules_change_nothing() -> None:
    """A catalogue does not differ from itself."""
    requests = requests_frame([record(status=500, request_id=f"r{number}") for number in range(3)])
    assert diff(requests, OLD, OLD) == Difference(compared=3)
    assert diff_verdicts(VERDICTS.to_frame(), VERDICTS.to_frame()) == Difference()


def test_another_rule_with_the_same_class_is_a_change() -> None:
    """Who decides and why is part of a verdict; how many classes change is said apart."""
    text = (
        'version = "a/1"\n[[rule]]\nid = "A-1"\nclass = "application"\nsummary = "s"\nreplaces = "M1-3"\n'
        'when = { upstream_status = ["2xx"], status = ["4xx", "5xx"] }\n'
    )
    new = compile_rules(parse(text, name="a.toml"), Thresholds())
    got = diff(requests_frame([record(status=500)]), OLD, new, examples=0)
    old_said = Said(class_="application", rule="M1-3", reason="upstream-ok-function-5xx")
    new_said = Said(class_="application", rule="A-1", reason="user-rule")
    change = Change(old=old_said, new=new_said, requests=1, examples=())
    assert got == Difference(compared=1, changed=1, class_changed=0, changes=(change,))


@settings(max_examples=30, deadline=None)
@given(requests=many_rows(), thresholds=THRESHOLDS, file=rule_files())
def test_difference_counts_what_a_loop_over_all_requests_counts(
    requests: list[dict[str, Any]], thresholds: Thresholds, file: RuleFile
) -> None:
    """No change is lost and none is counted twice, under any other rules and limits."""
    new = compile_rules(parse(file.text, name="test.toml"), thresholds)
    got = diff(requests_frame(requests), OLD, new)
    expected: Counter[tuple[Said, Said]] = Counter()
    compared = 0
    for request in requests:
        before, after = verdict_of(request), verdict_of(request, thresholds, file.rules)
        compared += (before.class_, after.class_) != ("none", "none")
        sides = [
            Said(class_="none")
            if each.class_ == "none"
            else Said(class_=each.class_, rule=each.rule, reason=each.reason)
            for each in (before, after)
        ]
        if sides[0] != sides[1]:
            expected[sides[0], sides[1]] += 1
    assert {(change.old, change.new): change.requests for change in got.changes} == expected
    assert (got.compared, got.changed) == (compared, expected.total())
    assert [change.requests for change in got.changes] == sorted(expected.values(), reverse=True)
