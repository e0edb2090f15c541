"""Every output is read back by a consumer, says the same numbers, and lets no name out of its place."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from junitparser import JUnitXml
from lxml import etree  # type: ignore[import-untyped]  # lxml ships no types
from markdown_it import MarkdownIt
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prom

from attribute.gate.spike import NEW_FUNCTIONS
from attribute.reports.gate_github import MAX_ANNOTATIONS, outputs, summary
from attribute.reports.gate_view import GateView, plain
from attribute.reports.gate_writers import GATE_WRITERS, gate_writer
from attribute.reports.shipped import gate_schema_text
from attribute.reports.writers import Style
from tests.gate.views import HOSTILE, MASKED, VIEWS

SCHEMAS = Path(__file__).parent / "schemas"
SAID_OF_WHAT_IS_OVER = [
    (
        "last 24 h, `sync`: 111 of 162 incident requests UNKNOWN (68.5 %) (112 before bursts were cut), expected "
        "7.7 %; 39 or more were enough to fail, but nothing of it was logged since 2026-03-17 16:55:00 UTC, so "
        "nobody knows whether it is over"
    ),
    (
        "evidence coverage, last 24 h: 0 of 3,900 healthy requests have no `upstream_status`, as is usual; 3 of 3 "
        "functions judged"
    ),
    (
        "last 1 h, all functions: 0 of 6 incident requests UNKNOWN (0.0 %), expected 7.7 %; too few to judge: not "
        "even all of them UNKNOWN would have stood out, 10 would"
    ),
    (
        "last 24 h, all functions: 226 of 421 incident requests UNKNOWN (53.7 %) (229 before bursts were cut), "
        "expected 7.7 %; 79 or more were enough to fail, but it is over: 0 of 36 incident requests in the last 6 h"
    ),
    (
        "last 24 h, all functions: 0 of 195 incident requests UNKNOWN 4xx before any upstream call (0.0 %), "
        "expected <0.1 %; 32 or more would have failed"
    ),
]
Numbers = dict[str, tuple[str, int | None, int | None]]

pytestmark = pytest.mark.parametrize("name", list(VIEWS))


def written(view: GateView, form: str, style: Style | None = None) -> bytes:
    return b"".join(gate_writer(form)(view, style or Style()))


def commands(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Read workflow commands as a runner does: both grammars, on every line, leading space ignored."""
    for line in re.split(r"\r\n|\r|\n", text):
        assert "##[" not in line or line.startswith("::")  # the old form counts anywhere in a line
        match = re.fullmatch(r"::([a-z-]+)(?: (.*?))?::(.*)", line.lstrip())
        if match is None:
            continue
        properties = dict(pair.split("=", 1) for pair in (match[2] or "").split(",") if pair)
        for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
            properties = {key: value.replace(code, character) for key, value in properties.items()}
        yield match[1], properties, match[3]


def of_view(view: GateView) -> Numbers:
    return {line.id: (line.state.value, line.part, line.whole) for line in view.lines}


def test_json_says_the_numbers_of_the_view(name: str) -> None:
    """The JSON output is the view: state, exit code, and every check with its numbers."""
    view = VIEWS[name]()
    document = json.loads(written(view, "json"))
    assert document["schema"] == "attribute.gate/1"
    assert (document["state"], document["exit_code"]) == (view.state.value, view.exit_code)
    found = {one["id"]: (one["state"], one["part"], one["whole"]) for one in document["checks"]}
    assert found == of_view(view)
    assert [one["sentence"] for one in document["checks"]] == [plain(line.sentence) for line in view.lines]


def _undescribed(value: object, schema: Mapping[str, Any], path: str) -> list[str]:
    """Keys that are written and not described."""
    if isinstance(value, list):
        return [name for item in value for name in _undescribed(item, schema.get("items", {}), f"{path}[]")]
    if not isinstance(value, dict):
        return []
    known = schema.get("properties", {})
    return [
        name
        for key, item in value.items()
        for name in ([f"{path}.{key}"] if key not in known else _undescribed(item, known[key], f"{path}.{key}"))
    ]


def test_json_fits_the_shipped_schema_which_describes_every_key(name: str) -> None:
    """What is published about the JSON output holds in every state, and leaves nothing out."""
    document = json.loads(written(VIEWS[name](), "json"))
    schema = json.loads(gate_schema_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(document)
    assert _undescribed(document, schema, "") == []


BROKEN: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "another schema": lambda one: one.update(schema="attribute.gate/2"),
    "an exit code that there is not": lambda one: one.update(exit_code=1),
    "a state that goes with no such exit code": lambda one: one.update(state="pass" if one["exit_code"] else "fail"),
    "passed, and no exit code 0": lambda one: one.update(passed=not one["passed"]),
    "no checks": lambda one: one.pop("checks"),
    "a share over 1": lambda one: one["checks"][0].update(share=1.5),
    "a count below 0": lambda one: one["requests"].update(total=-1),
    "a time without a zone": lambda one: one.update(now="2026-03-18T00:00:00"),
    "a state of its own": lambda one: one["checks"][0].update(state="maybe"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_schema_refuses_what_is_no_answer_of_the_gate(name: str, what: str) -> None:
    """A schema that everything fits would promise nothing."""
    document = json.loads(written(VIEWS[name](), "json"))
    BROKEN[what](document)
    assert not Draft202012Validator(json.loads(gate_schema_text())).is_valid(document)


def test_junit_is_valid_and_has_a_case_for_every_check(name: str) -> None:
    """Jenkins' rules hold, JUnit readers count the same, and every case carries its sentence as text."""
    view = VIEWS[name]()
    content = written(view, "junit")
    etree.XMLSchema(file=SCHEMAS / "junit.xsd").assertValid(etree.fromstring(content))
    suite = next(iter(JUnitXml.fromstring(content)))
    assert (suite.tests, suite.failures, suite.errors) == (len(view.lines), len(view.of_kind("error")), 0)
    assert suite.skipped == len(view.of_kind("inconclusive", "unjudged"))
    cases = etree.fromstring(content).findall(".//testcase")
    assert len({(one.get("classname"), one.get("name")) for one in cases}) == len(view.lines)
    for line, case in zip(view.lines, cases, strict=True):
        tag = {"error": "failure", "inconclusive": "skipped", "unjudged": "skipped"}.get(line.kind, "system-out")
        text = case.findtext(tag)
        assert text is not None
        if line.part is not None:
            assert f"{line.part:,}" in text


def test_sarif_is_valid_and_has_a_result_for_every_finding(name: str) -> None:
    """What code scanning demands is there, and a finding keeps its fingerprint whatever its numbers are."""
    view = VIEWS[name]()
    document = json.loads(written(view, "sarif"))
    Draft202012Validator(json.loads((SCHEMAS / "sarif.json").read_text())).validate(document)
    results = document["runs"][0]["results"]
    found = {
        one["id"]: (one["state"], one["part"], one["whole"]) for one in (result["properties"] for result in results)
    }
    loud = {line.id for line in view.of_kind("error", "warning", "inconclusive")}
    assert found == {key: value for key, value in of_view(view).items() if key in loud}
    prints = [one["partialFingerprints"]["primaryLocationLineHash"] for one in results]
    assert len(set(prints)) == len(prints)


def test_gitlab_report_is_an_array_of_issues(name: str) -> None:
    """Each finding is one issue with all that GitLab asks for; none where all is well."""
    view = VIEWS[name]()
    content = written(view, "gitlab")
    assert not content.startswith(b"\xef\xbb\xbf")
    issues = json.loads(content)
    assert len(issues) == len(view.of_kind("error", "warning", "inconclusive"))
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert issue["location"]["lines"]["begin"] >= 1
        assert not issue["location"]["path"].startswith("/")
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)


def samples(families: object) -> Numbers:
    values: dict[str, dict[str, float]] = {}
    for family in families:  # type: ignore[attr-defined]  # what the parsers yield
        for sample in family.samples:
            if "id" in sample.labels:
                values.setdefault(sample.labels["id"], {})[sample.name] = sample.value
    return {
        key: (
            "fail" if value.get("attribute_gate_check_failed") else "",
            None if (part := value.get("attribute_gate_check_requests")) is None else int(part),
            None if (whole := value.get("attribute_gate_check_requests_of")) is None else int(whole),
        )
        for key, value in values.items()
    }


def test_prom_is_accepted_by_promtool_and_says_the_same_numbers(name: str, tmp_path: Path) -> None:
    """promtool has nothing to say, the parser finds every check, and all states are there, also at 0."""
    view = VIEWS[name]()
    content = written(view, "prom")
    checked = subprocess.run(["promtool", "check", "metrics"], input=content, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    families = list(parse_prom(content.decode()))
    assert len(samples(families)) == len(view.lines)
    if name != "hostile":
        expected = {line.id: ("fail" if line.kind == "error" else "", line.part, line.whole) for line in view.lines}
        assert samples(families) == expected
    states = next(one for one in families if one.name == "attribute_gate_state").samples
    assert {one.labels["state"]: one.value for one in states} == {
        state: float(state == view.state.value) for state in ("pass", "fail", "inconclusive")
    }


def test_openmetrics_says_the_same_as_prom(name: str) -> None:
    """Both metric formats hold the same samples; the OpenMetrics one ends as its grammar wants."""
    view = VIEWS[name]()
    content = written(view, "openmetrics").decode()
    assert content.endswith("# EOF\n")
    openmetrics = parse_openmetrics(content)  # type: ignore[no-untyped-call]  # the library has no types here
    ours = [(one.name, one.labels, one.value) for family in openmetrics for one in family.samples]
    prom = parse_prom(written(view, "prom").decode())
    assert ours == [(one.name, one.labels, one.value) for family in prom for one in family.samples]


def test_github_prints_at_most_ten_commands_of_a_kind(name: str) -> None:
    """GitHub drops what is over ten without a word, so the tenth says how many there are."""
    view = VIEWS[name]()
    found = list(commands(written(view, "github").decode()))
    assert len(found) == written(view, "github").count(b"\n")
    for level, lines in (
        ("error", view.of_kind("error")),
        ("warning", [*view.of_kind("warning"), *view.of_kind("inconclusive")]),
    ):
        told = [properties["title"] for command, properties, _ in found if command == level]
        assert len(told) == min(len(lines), MAX_ANNOTATIONS + 1)
        if len(lines) > MAX_ANNOTATIONS:
            assert f"and {len(lines) - MAX_ANNOTATIONS} more" in written(view, "github").decode()
    assert {command for command, _, _ in found} <= {"error", "warning", "notice"}


@pytest.mark.parametrize("form", [form for form in GATE_WRITERS if form != "github"])
def test_no_other_output_holds_a_command_of_a_runner(name: str, form: str) -> None:
    """Whatever is printed on a runner, nothing in it is run."""
    text = written(VIEWS[name](), form).decode()
    assert list(commands(text)) == []


def test_step_summary_is_one_table_and_no_markup_of_logs(name: str) -> None:
    """Names stay in their cells: no HTML, link, heading or column comes from a log."""
    view = VIEWS[name]()
    text = summary(view).decode()
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    rows = [one for one in tokens if one.type == "tr_open"]
    assert len(rows) == len(view.lines) + 1
    assert sum(one.type == "td_open" for one in tokens) == 7 * len(view.lines)
    flat = [child for one in tokens for child in (one.children or [one])]
    assert not [one for one in flat if one.type in {"html_block", "html_inline", "link_open", "image"}]
    assert sum(one.type == "heading_open" for one in tokens) == 1
    for line in view.lines:
        if line.part is not None:
            assert f"{line.part:,}" in text


@pytest.mark.parametrize("limit", [3_000, 5_000, 900_000])
def test_step_summary_keeps_its_limit(name: str, limit: int) -> None:
    """A summary that is too long is lost whole, so it is cut and says so."""
    view = VIEWS[name]()
    text = summary(view, limit=limit)
    assert len(text) <= limit
    if len(summary(view)) > limit:
        assert b"left out for want of room" in text


def test_outputs_of_the_step_are_one_line_each(name: str) -> None:
    """Nothing in there comes from a log, so nothing can add an output."""
    view = VIEWS[name]()
    lines = outputs(view).decode().splitlines()
    assert [line.partition("=")[0] for line in lines] == ["gate", "exit-code", "failed-checks"]
    assert lines[0] == f"gate={view.state.value}"


def test_text_has_every_sentence_and_no_control_character(name: str) -> None:
    """A terminal sees every line and nothing that moves its cursor."""
    view = VIEWS[name]()
    text = written(view, "text").decode()
    assert not [one for one in text if not one.isprintable() and one != "\n"]
    for line in view.lines:
        if line.part is not None:
            assert f"{line.part:,}" in text
    assert text.splitlines()[0].startswith("gate ")
    assert text.endswith(f"exit code  {view.exit_code}\n")
    assert written(view, "text", Style(verbosity=-1)).count(b"\n") == 1


@pytest.mark.parametrize("form", GATE_WRITERS)
def test_output_is_the_same_twice(name: str, form: str) -> None:
    """The same answer is the same bytes."""
    assert written(VIEWS[name](), form) == written(VIEWS[name](), form)


def test_views_show_what_they_are_for(name: str) -> None:
    """The world of these tests holds what it claims: otherwise the tests above could not fail."""
    view = VIEWS[name]()
    kinds = {line.kind for line in view.lines}
    expected = {
        "loud": {"error", "warning", "inconclusive", "pass"},
        "quiet": {"pass"},
        "short": {"inconclusive"},
        "hostile": {"error", "pass"},
        "over": {"inconclusive", "pass"},
    }
    assert kinds >= expected[name]
    if name == "hostile":
        assert {line.function for line in view.of_kind("error")} >= {*HOSTILE, *MASKED}
        assert sum(line.function == NEW_FUNCTIONS for line in view.of_kind("error")) == 2


def test_sentences_of_what_is_over_contradict_no_number(name: str) -> None:
    """Where as many came as fail, a line that does not fail says why not, in words and in the JSON output."""
    document = json.loads(written(VIEWS[name](), "json"))
    for one in document["checks"]:
        if one["needed"] is None or one["part"] is None or one["check"] not in {"unknown-spike", "refused-spike"}:
            continue
        if one["state"] == "fail":
            assert "were enough to fail" in one["sentence"]
            assert one["still_there"] is not False
        elif one["p_value"] < 0.01:
            assert one["part"] >= one["needed"]
            assert one["still_there"] is False
            assert "were enough to fail, but " in one["sentence"]
        else:
            assert "would have failed" in one["sentence"]
    if name == "over":
        said = [one["sentence"] for one in document["checks"]]
        assert said == SAID_OF_WHAT_IS_OVER


def test_function_that_is_called_like_the_pool_can_be_told_from_it(name: str) -> None:
    """The pool stands without backticks, and is marked where programs read."""
    document = json.loads(written(VIEWS[name](), "json"))
    found = {one["new_functions"]: one["sentence"] for one in document["checks"] if one["function"] == NEW_FUNCTIONS}
    assert set(found) == ({True, False} if name == "hostile" else set())
    if found:
        assert f"`{NEW_FUNCTIONS}`" in found[False]
        assert f", {NEW_FUNCTIONS.strip('()')}: " in found[True]
