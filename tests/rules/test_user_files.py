"""Rule files of users: what they may say, and one worded error for all they may not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.m1.errors import AttributionError
from attribute.rules.catalogue import parse
from attribute.rules.compile import compile_rules
from attribute.rules.errors import RuleFileError
from attribute.rules.examples import check_examples
from attribute.rules.thresholds import Thresholds
from tests.reference.verdicts import Verdict
from tests.rules.records import record, records_frame

HEAD = 'version = "acme/1"\n'
RULE = HEAD + (
    "\n[[rule]]\n"  # line 3
    'id = "ACME-1"\n'
    'class = "vendor"\n'
    'summary = "Our payment provider limits us by mistake."\n'
    'when = { upstream_status = [429], upstream = ["pay*"] }\n'
)


def verdict(text: str, **fields: object) -> Verdict:
    compiled = compile_rules(parse(text, name="acme.toml"), Thresholds())
    row = records_frame([record(**fields)]).select(compiled.verdict).row(0, named=True)
    return Verdict(row["class"], row["rule"], row["reason"], tuple(row["also_matched"]), tuple(row["flags"]))


def test_user_rule_turns_a_gap_into_a_verdict() -> None:
    """A rule of one's own decides what no built-in rule did, and says so by its id and reason."""
    limited = {"status": 500, "upstream_status": 429}
    assert verdict(RULE, **limited, upstream="pay-eu") == Verdict("vendor", "ACME-1", "user-rule")
    assert verdict(RULE, **limited, upstream="mail") == Verdict("UNKNOWN", None, "upstream-429")
    assert verdict(RULE, **limited) == Verdict("UNKNOWN", None, "upstream-429")


def test_user_rule_never_makes_an_incident_of_a_healthy_request() -> None:
    """Rules decide whose failure it was, not whether it was one."""
    assert verdict(RULE, status=200, upstream_status=429, upstream="pay") == Verdict(
        "none", None, "upstream-failure-absorbed"
    )


def test_user_rule_stands_after_the_builtin_ones() -> None:
    """Where a built-in rule decides, a rule of one's own is only mentioned."""
    text = RULE.replace("[429]", '["5xx"]')
    got = verdict(text, status=503, upstream_status=503, upstream="pay")
    assert got == Verdict("vendor", "M1-2", "upstream-5xx", ("ACME-1",))


def test_user_rule_before_another_decides_first() -> None:
    """`before` moves a rule up, and the other rule is mentioned."""
    text = HEAD + (
        '[[rule]]\nid = "ACME-2"\nclass = "UNKNOWN"\nsummary = "Load tests."\nlog = "Nothing: it is a test."\n'
        'before = "M1-3"\nwhen = { function = ["checkout"], status = ["5xx"] }\n'
    )
    assert verdict(text, status=500) == Verdict("UNKNOWN", "ACME-2", "user-rule", ("M1-3",))
    assert verdict(text, status=500, function="search").rule == "M1-3"


def test_user_rule_that_replaces_another_takes_its_place_under_its_own_id() -> None:
    """A changed rule has a new name in every report, so that nobody mistakes it for the old one."""
    text = HEAD + (
        '[[rule]]\nid = "ACME-3"\nclass = "application"\nsummary = "Without 404."\nreplaces = "M1-3"\n'
        'reasons = [{ reason = "upstream-ok-function-5xx", when = { status = ["5xx"] } }, '
        '{ reason = "upstream-ok-function-4xx" }]\n'
        'when = { upstream_status = ["2xx"], status = ["400-403", "405-499", "5xx"] }\n'
    )
    catalogue = parse(text, name="acme.toml")
    assert [rule.id for rule in catalogue.rules] == ["M1-1", "M1-2", "ACME-3", "M1-4"]
    assert verdict(text, status=500) == Verdict("application", "ACME-3", "upstream-ok-function-5xx")
    assert verdict(text, status=404) == Verdict("UNKNOWN", None, "upstream-status-inconclusive")


def test_second_file_adds_to_the_first_and_cannot_reuse_its_ids() -> None:
    """Files build on each other; the version names all of them."""
    first = parse(RULE, name="one.toml")
    second = parse(RULE.replace("ACME-1", "B-1").replace("acme/1", "b/2"), name="two.toml", base=first)
    assert [rule.id for rule in second.rules] == ["M1-1", "M1-2", "M1-3", "M1-4", "ACME-1", "B-1"]
    assert second.version == "m1/1+acme/1+b/2"
    with pytest.raises(RuleFileError, match=r"^two.toml:3: rule id ACME-1 is in use in one.toml, expected a new id"):
        parse(RULE, name="two.toml", base=first)


def test_retired_id_is_kept_and_never_evaluated_or_reused() -> None:
    """A retired rule stays in its file, so that old reports can be read."""
    retired = HEAD + '[[rule]]\nid = "ACME-1"\nretired = true\nsummary = "Limits were lifted."\n'
    catalogue = parse(retired, name="one.toml")
    assert [rule.id for rule in catalogue.rules] == ["M1-1", "M1-2", "M1-3", "M1-4"]
    with pytest.raises(RuleFileError, match=r"^two.toml:3: rule id ACME-1 is retired in one.toml"):
        parse(RULE, name="two.toml", base=catalogue)


def test_replaced_id_is_retired() -> None:
    """An id means one thing for ever, also after another rule took its place."""
    text = RULE.replace("when =", 'replaces = "M1-2"\nwhen =')
    catalogue = parse(text, name="one.toml")
    assert dict(catalogue.retired) == {"M1-2": "one.toml"}


def test_examples_of_a_user_rule_are_checked() -> None:
    """A rule that does not do what its examples say is reported with the example's line."""
    text = (
        RULE
        + '\n[[rule.example]]\nexpect = "match"\n'
        + 'record = { status = 500, upstream_status = 429, upstream = "pay" }\n'
        + '\n[[rule.example]]\nexpect = "no-match"\n'
        + 'record = { status = 500, upstream_status = 429, upstream = "pay-2" }\n'
        + '\n[[rule.example]]\nexpect = "match"\nreason = "user-rule"\n'
        + 'record = { upstream_status = 429, upstream = "pay" }\n'
    )
    failures = [str(failure) for failure in check_examples(parse(text, name="acme.toml"))]
    assert failures == ["acme.toml:13: example of rule ACME-1: expected no-match, got match"]


def test_example_with_a_reason_says_that_its_rule_decides() -> None:
    """A rule that another one always forestalls is found by its own example."""
    text = RULE.replace("[429]", "[503]") + (
        '[[rule.example]]\nexpect = "match"\nreason = "user-rule"\n'
        'record = { status = 500, upstream_status = 503, upstream = "pay" }\n'
    )
    (failure,) = check_examples(parse(text, name="acme.toml"))
    assert (failure.line, failure.expected) == (8, "ACME-1 to decide with user-rule")
    assert failure.got == "M1-2 to decide with upstream-5xx"


def with_when(when: str, class_: str = "vendor", more: str = "") -> str:
    return f'{HEAD}[[rule]]\nid = "A-1"\nclass = "{class_}"\nsummary = "One."\n{more}when = {when}\n'


LONG_GLOB = '{ upstream_status = ["5xx"], upstream = ["' + "x" * 300 + '"] }'

MISTAKES = {
    "syntax": ("version = ", "acme.toml:1: not TOML: invalid value", "`attribute rules check --help`"),
    "no version": ("[[rule]]\n", "acme.toml:1: the file has no `version`", "add `version = ...`"),
    "odd version": (
        'version = "a b"\n',
        'acme.toml:1: the file has `version` = "a b", expected letters, digits and `_./-`, at most 40, as in `acme/1`',
        "",
    ),
    "unknown top-level key": (
        HEAD + "\n[[rules]]\n",
        "acme.toml:3: the file has the unknown key `rules`",
        "did you mean `rule`?",
    ),
    "unknown key": (
        RULE.replace("summary", "sumary"),
        "acme.toml:6: rule ACME-1 has the unknown key `sumary`",
        "did you mean `summary`?",
    ),
    "no id": (HEAD + "[[rule]]\n", "acme.toml:2: rule 1 has no `id`", "add `id = ...`"),
    "builtin id": (
        RULE.replace("ACME-1", "M1-2"),
        "acme.toml:3: rule id M1-2 is in use in m1.toml, expected a new id",
        'give yours an id of its own and `replaces = "M1-2"`',
    ),
    "builtin prefix": (
        RULE.replace("ACME-1", "M1-9"),
        "acme.toml:3: rule id M1-9 starts with `M1-`, which is kept for built-in rules",
        "as in `ACME-1`",
    ),
    "unknown class": (
        RULE.replace('"vendor"', '"Vendor"'),
        'acme.toml:5: rule ACME-1 has `class` = "Vendor", expected one of vendor, application, application-bottleneck',
        "did you mean `vendor`?",
    ),
    "no field": (
        RULE.replace("upstream =", "pool_wait ="),
        "acme.toml:7: rule ACME-1 tests `pool_wait`, which is not an M1 field",
        "`attribute rules fields` lists them all",
    ),
    "near field": (
        RULE.replace("upstream =", "latency ="),
        "acme.toml:7: rule ACME-1 tests `latency`, which is not an M1 field",
        "did you mean `latency_ms`?",
    ),
    "request id": (
        RULE.replace("upstream =", "request_id ="),
        "acme.toml:7: rule ACME-1 tests `request_id`, which no rule can look at",
        "a verdict may not depend on",
    ),
    "status out of bounds": (
        RULE.replace("[429]", "[\n  503,\n  602,\n]"),
        "acme.toml:9: rule ACME-1 tests `upstream_status` for 602, expected missing, invalid, timeout, 1xx to 5xx, a",
        "",
    ),
    "range upside down": (
        RULE.replace("[429]", '["504-500"]'),
        'acme.toml:7: rule ACME-1 tests `upstream_status` for "504-500", expected missing',
        "",
    ),
    "near word": (
        with_when('{ upstream_status = ["5xx"], upstream_latency_ms = ["upstream-lo"] }'),
        'acme.toml:6: rule A-1 tests `upstream_latency_ms` for "upstream-lo", expected upstream-low',
        "did you mean `upstream-low`?",
    ),
    "number as latency": (
        with_when("{ latency_ms = [3000] }"),
        "acme.toml:6: rule A-1 tests `latency_ms` for 3000, expected slow or normal",
        "`attribute rules fields`",
    ),
    "no conditions": (
        with_when("{}"),
        "acme.toml:2: rule A-1 has an empty `when`, expected at least one condition",
        "",
    ),
    "when is text": (
        with_when('"5xx"'),
        'acme.toml:6: rule A-1 has `when` = "5xx", expected a table of fields and patterns',
        "",
    ),
    "empty patterns": (with_when("{ status = [] }"), "acme.toml:6: rule A-1 has `status` = [], expected 1 to", ""),
    "vendor on our status alone": (
        with_when('{ status = ["5xx"] }'),
        "acme.toml:2: rule A-1 says vendor without evidence: it does not test `upstream_status`",
        'no evidence, no blame: add `upstream_status = ["5xx", "timeout"]` to its `when`',
    ),
    "vendor on a slow answer": (
        with_when('{ latency_ms = ["slow"], upstream_latency_ms = ["upstream-dominant"] }'),
        "acme.toml:2: rule A-1 says vendor without evidence: it does not test `upstream_status`",
        "no evidence, no blame",
    ),
    "vendor on a missing status": (
        with_when('{ upstream_status = ["5xx", "missing"] }'),
        'acme.toml:2: rule A-1 says vendor without evidence: `upstream_status` "missing" is no failure',
        "no evidence, no blame",
    ),
    "vendor on a range that begins too low": (
        with_when('{ upstream_status = ["499-504"] }'),
        'acme.toml:2: rule A-1 says vendor without evidence: `upstream_status` "499-504" is no failure',
        "no evidence, no blame",
    ),
    "application without upstream": (
        with_when('{ status = ["5xx"] }', "application"),
        "acme.toml:2: rule A-1 says application without evidence: it does not test `upstream_status`",
        "no evidence, no blame",
    ),
    "application where the upstream failed": (
        with_when('{ upstream_status = ["timeout"], status = ["4xx"] }', "application"),
        'acme.toml:2: rule A-1 says application without evidence: `upstream_status` "timeout" does not say',
        "no evidence, no blame",
    ),
    "bottleneck that is not slow": (
        with_when('{ upstream_latency_ms = ["upstream-low"] }', "application-bottleneck"),
        "acme.toml:2: rule A-1 says application-bottleneck without evidence: it does not test that `latency_ms`",
        'add `latency_ms = ["slow"]`',
    ),
    "bottleneck with an unmeasured upstream": (
        with_when(
            '{ latency_ms = ["slow"], upstream_latency_ms = ["upstream-low", "upstream-latency-missing"] }',
            "application-bottleneck",
        ),
        "acme.toml:2: rule A-1 says application-bottleneck without evidence: it does not test that the upstream took",
        'add `upstream_latency_ms = ["upstream-low"]`',
    ),
    "UNKNOWN that does not help": (
        with_when('{ status = ["5xx"] }', "UNKNOWN"),
        "acme.toml:2: rule A-1, which says UNKNOWN, has no `log`",
        "add `log = ...`",
    ),
    "reason of another class": (
        with_when('{ upstream_status = ["5xx"] }', more='reason = "upstream-429"\n'),
        "acme.toml:6: rule A-1 says vendor with the reason upstream-429, which is a reason for UNKNOWN",
        "`user-rule` goes with every class",
    ),
    "reason of no class": (
        with_when('{ upstream_status = ["5xx"] }', more='reason = "ok"\n'),
        'acme.toml:6: rule A-1 has `reason` = "ok", expected one of',
        "",
    ),
    "last reason on condition": (
        with_when(
            '{ upstream_status = ["5xx"] }',
            more='reasons = [{ reason = "upstream-5xx", when = { upstream_status = ["503"] } }]\n',
        ),
        "acme.toml:6: rule A-1 has a condition on its last reason, so that a match could have none",
        "leave `when` out",
    ),
    "before nothing": (
        with_when('{ upstream_status = ["5xx"] }', more='before = "M1-33"\n'),
        'acme.toml:2: rule A-1 has before = "M1-33", and no such rule is evaluated before this line',
        "did you mean `M1-3`?",
    ),
    "before the first": (
        with_when('{ upstream_status = ["5xx"] }', more='before = "M1-1"\n'),
        'acme.toml:2: rule A-1 has before = "M1-1", and nothing may stand before that rule or in its place',
        "no evidence, no blame",
    ),
    "replaces the first": (
        with_when('{ upstream_status = ["5xx"] }', more='replaces = "M1-1"\n'),
        'acme.toml:2: rule A-1 has replaces = "M1-1", and nothing may stand before that rule or in its place',
        "no evidence, no blame",
    ),
    "before and replaces": (
        with_when('{ upstream_status = ["5xx"] }', more='before = "M1-3"\nreplaces = "M1-2"\n'),
        'acme.toml:6: rule A-1 has `before` = "M1-3", expected either `before` or `replaces`, not both',
        "",
    ),
    "twice": (
        RULE + RULE[len(HEAD) :],
        "acme.toml:9: rule id ACME-1 is in use in this file, expected a new id",
        "",
    ),
    "example is no record": (
        RULE + '\n[[rule.example]]\nexpect = "match"\nrecord = { status = 200, latency_ms = "1" }\n',
        "acme.toml:11: example 1 of rule ACME-1 is no M1 record: `latency_ms` is refused (type)",
        "`attribute schema`",
    ),
    "example with a slip": (
        RULE + '\n[[rule.example]]\nexpect = "matches"\nrecord = { status = 200 }\n',
        'acme.toml:10: example 1 of rule ACME-1 has `expect` = "matches", expected one of match, no-match',
        "did you mean `match`?",
    ),
    "rule is no table": (HEAD + 'rule = "x"\n', 'acme.toml:2: the file has `rule` = "x", expected tables', ""),
    "id with control characters": (
        HEAD + '[[rule]]\nid = "A\\u001b[2J"\n',
        'acme.toml:3: a rule has `id` = "A\ufffd[2J", expected a letter, then letters, digits',
        "",
    ),
    "id that is no text": (HEAD + "[[rule]]\nid = [1]\n", "acme.toml:3: rule [1] has `id` = [1], expected 1 to", ""),
    "no class": (HEAD + '[[rule]]\nid = "A-1"\n', "acme.toml:2: rule A-1 has no `class`", "add `class = ...`"),
    "no when": (
        HEAD + '[[rule]]\nid = "A-1"\nclass = "vendor"\n',
        "acme.toml:2: rule A-1 has no `when`",
        "`attribute rules check --help` shows a whole rule file",
    ),
    "no summary": (
        RULE.replace("summary", "why"),
        "acme.toml:3: rule ACME-1 has no `summary`",
        "add `summary = ...`",
    ),
    "retired is a word": (
        RULE.replace("when", 'retired = "yes"\nwhen'),
        'acme.toml:7: rule ACME-1 has `retired` = "yes", expected true or false',
        "",
    ),
    "blind spots are one text": (
        RULE.replace("when", 'blind_spots = "none"\nwhen'),
        'acme.toml:7: rule ACME-1 has `blind_spots` = "none", expected a list of texts',
        "",
    ),
    "reasons are words": (
        RULE.replace("when", 'reasons = ["upstream-5xx"]\nwhen'),
        "acme.toml:7: rule ACME-1 has `reasons` = ['upstream-5xx'], expected a list of tables",
        "",
    ),
    "example is no table": (
        RULE + "example = [1]\n",
        "acme.toml:8: rule ACME-1 has `example` = [1], expected tables, each under `[[rule.example]]`",
        "",
    ),
    "example without record": (
        RULE + '[[rule.example]]\nexpect = "match"\n',
        "acme.toml:8: example 1 of rule ACME-1 has `record` = None, expected a table of M1 fields",
        "",
    ),
    "example with an unknown field": (
        RULE + '[[rule.example]]\nexpect = "match"\nrecord = { stats = 200 }\n',
        "acme.toml:10: example 1 of rule ACME-1 has the unknown key `stats`",
        "did you mean `status`?",
    ),
    "truth as a status": (
        with_when("{ status = [true] }"),
        "acme.toml:6: rule A-1 tests `status` for True, expected missing, 1xx to 5xx",
        "",
    ),
    "glob as long as a novel": (
        with_when(LONG_GLOB),
        "acme.toml:6: rule A-1 tests `upstream` for",
        "",
    ),
    "control characters": (
        HEAD + '[[rule]]\nid = "A-1"\n"\\u001b[2J" = 1\n',
        "acme.toml:2: rule A-1 has the unknown key `\ufffd[2J`",
        "",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_in_a_rule_file_is_named_with_file_and_line(name: str) -> None:
    """Where, what was seen, what was expected; then what to try."""
    text, message, hint = MISTAKES[name]
    with pytest.raises(RuleFileError) as caught:
        parse(text, name="acme.toml")
    assert caught.value.message.startswith(message)
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == 2


def many_rules(prefix: str, count: int = 250) -> str:
    return HEAD + "".join(
        f'[[rule]]\nid = "{prefix}-{number}"\nclass = "vendor"\nsummary = "One."\nwhen.upstream_status = [429]\n'
        for number in range(count)
    )


def test_file_that_is_too_large_is_refused() -> None:
    """A rule file is written by people; anything else is refused before it costs anything."""
    with pytest.raises(RuleFileError, match=r"^acme.toml:1: 1000019 characters, expected at most 1000000"):
        parse(HEAD + "#" * 1_000_000, name="acme.toml")
    many = HEAD + "".join(f'[[rule]]\nid = "A-{number}"\n' for number in range(501))
    with pytest.raises(RuleFileError, match=r"^acme.toml:1: 501 `\[\[rule\]\]`, expected at most 500"):
        parse(many, name="acme.toml")
    first = parse(many_rules("A"), name="acme.toml")
    with pytest.raises(RuleFileError, match=r"^more.toml:1: 504 rules in all, expected at most 500"):
        parse(many_rules("B"), name="more.toml", base=first)
    deep = HEAD + "x = " + "[" * 50_000
    with pytest.raises(RuleFileError, match=r"^acme.toml:1?[0-9]: not TOML"):
        parse(deep, name="acme.toml")


def test_five_hundred_rules_compile_and_decide() -> None:
    """The largest catalogue still answers: rules are looked at side by side, not nested."""
    text = HEAD + "".join(
        f'[[rule]]\nid = "A-{number}"\nclass = "vendor"\nsummary = "One."\n'
        f'when = {{ upstream_status = [429], function = ["fn-{number}"] }}\n'
        for number in range(496)
    )
    got = verdict(text, status=500, upstream_status=429, function="fn-495")
    assert got == Verdict("vendor", "A-495", "user-rule")


WORDS = st.sampled_from(
    (
        *[
            "rule",
            "id",
            "when",
            "class",
            "vendor",
            "status",
            "5xx",
            "=",
            '"',
            "[[",
            "]]",
            "{",
            "}",
            "[",
            "]",
            "true",
            "1",
        ],
        "\n",
    )
)


@settings(max_examples=150, deadline=None)
@given(text=st.lists(WORDS | st.text(max_size=3), max_size=30).map(" ".join))
def test_any_text_is_a_catalogue_or_a_worded_error(text: str) -> None:
    """No text crashes the reader, and every error names its line."""
    said = ""
    try:
        parse(HEAD + text, name="acme.toml")
    except AttributionError as error:
        said = error.message
    assert re.match(r"acme\.toml:\d+: |$", said)
