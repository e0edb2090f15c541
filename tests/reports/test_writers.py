from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.engines.analysis import FileNote, InputAccount, RejectedAt
from attribute.reports.escape import visible
from attribute.reports.json_result import document
from attribute.reports.model import Result
from attribute.reports.shipped import result_schema_text
from attribute.reports.verdict_lines import KEYS
from attribute.reports.writers import WRITERS, Style, writer
from attribute.rules.words import CLASSES, Class
from tests.reports.golden import results
from tests.reports.hostile import acts, text
from tests.reports.world import NO_EVIDENCE, OUR_FAULT, START, VENDOR_DOWN, incident, request, result_of

WORLDS = sorted(results())


def written(name: str, result: Result, style: Style | None = None) -> str:
    return b"".join(writer(name)(result, style or Style())).decode()


@cache
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(result_schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("world", WORLDS)
def test_json_every_world_is_valid_against_the_shipped_schema(world: str) -> None:
    """What is published about the JSON output holds in every state of the verdict."""
    validator().validate(json.loads(written("json", results()[world])))


def _undescribed(value: object, schema: Mapping[str, Any], path: str) -> list[str]:
    for option in schema.get("anyOf", ()):
        if option != {"type": "null"}:
            schema = option
    if isinstance(value, list):
        return [name for item in value for name in _undescribed(item, schema.get("items", {}), f"{path}[]")]
    if not isinstance(value, dict):
        return []
    if "additionalProperties" in schema:
        inner = schema["additionalProperties"]
        return [name for item in value.values() for name in _undescribed(item, inner, f"{path}.*")]
    known = schema.get("properties", {})
    missing = [f"{path}.{key}" for key in value if key not in known]
    deeper = [name for key in value if key in known for name in _undescribed(value[key], known[key], f"{path}.{key}")]
    return missing + deeper


@pytest.mark.parametrize("world", ["vendor", "unknown", "rejects"])
def test_json_every_key_is_described_in_the_schema(world: str) -> None:
    """A key that is written is a key that is published, with its meaning."""
    assert _undescribed(document(results()[world]), json.loads(result_schema_text()), "") == []


CONTRACT = {
    "": {"schema", "generated_at", "tool", "rules", "window", "input", "requests", "classes", "reasons", "functions"}
    | {"verdict", "incidents"},
    "rules": {"version", "sha256", "thresholds"},
    "window": {"since", "until", "first_at", "last_at"},
    "input": {"files", "bytes", "fingerprint", "lines", "records", "rejected", "not_m1", "blank"}
    | {"rejected_by_reason", "duplicates", "outside_window", "untimed", "unknown_fields", "skipped_files"},
    "requests": {"total", "healthy", "incident", "absorbed"},
    "verdict": {"state", "sentence", "share", "since", "ongoing"},
}


def test_json_holds_every_key_that_was_promised() -> None:
    """Programs written against the first version of the schema keep working."""
    found = document(results()["vendor"])
    for name, keys in CONTRACT.items():
        part = found if not name else found[name]
        assert isinstance(part, dict)
        assert keys <= set(part), name
    first = found["incidents"]
    assert isinstance(first, list)
    assert {"id", "class", "started_at", "ended_at", "ongoing", "functions", "requests", "severity", "reasons"} | {
        "statuses",
        "upstream_statuses",
        "error_codes",
        "sample_request_ids",
    } <= set(first[0])


def _plain(result: Result) -> list[list[str]]:
    return [line.split("\t") for line in written("plain", result).removesuffix("\n").split("\n")]


def _csv(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written("csv", result), newline="")))


@pytest.mark.parametrize("world", WORLDS)
def test_outputs_all_tell_the_same_numbers(world: str) -> None:
    """One model, one truth: a count that differs between two outputs would make both worthless."""
    result = results()[world]
    as_json = json.loads(written("json", result))
    plain, rows = _plain(result), _csv(result)
    lines = written("verdicts", result).splitlines()

    assert sum(as_json["classes"].values()) == as_json["requests"]["incident"] == len(lines)
    assert as_json["requests"]["total"] == as_json["requests"]["healthy"] + as_json["requests"]["incident"]
    assert {row[1]: int(row[2]) for row in plain if row[0] == "class"} == as_json["classes"]
    assert {row["name"]: int(row["requests"]) for row in rows if row["table"] == "class"} == as_json["classes"]
    counted = dict.fromkeys((class_.value for class_ in CLASSES), 0)
    for line in lines:
        counted[json.loads(line)["class"]] += 1
    assert counted == as_json["classes"]
    assert sum(row["requests"] for row in as_json["reasons"]) == as_json["requests"]["incident"]
    assert {row["name"]: int(row["requests"]) for row in rows if row["table"] == "function"} == {
        row["function"]: row["requests"] for row in as_json["functions"]
    }
    assert sum(row["requests"] for row in as_json["functions"]) == as_json["requests"]["total"]
    timed = [number for class_ in CLASSES for number in as_json["series"][class_.value] if number is not None]
    assert sum(timed) <= as_json["requests"]["incident"]
    assert [row[1] for row in plain if row[0] == "verdict"] == [as_json["verdict"]["state"]]
    if as_json["exit"] == 0:
        screen = written("text", result)
        for class_, number in as_json["classes"].items():
            name = {"application-bottleneck": "BOTTLENECK"}.get(class_, class_.upper())
            assert any(
                line[2:14].strip() == name and line[14:23].strip() == f"{number:,}" for line in screen.split("\n")
            )


def test_verdict_lines_come_in_order_of_time_with_the_promised_keys() -> None:
    """A stream that can be read line by line, untimed requests last, statuses as words where they are no numbers."""
    rows = [
        request(1, None, fields=VENDOR_DOWN),
        request(2, 5, fields={**VENDOR_DOWN, "upstream_status": 0}),
        request(3, 1.5, fields={**NO_EVIDENCE, "upstream_status": -1}),
        request(4, 2),
        request(5, 1, fields={**OUR_FAULT, "joined_from": "upstream"}),
    ]
    lines = [json.loads(line) for line in written("verdicts", result_of(rows)).splitlines()]
    assert [tuple(line) for line in lines] == [KEYS] * 4
    assert [(line["request_id"], line["at"], line["upstream_status"]) for line in lines] == [
        ("r000005", "2026-11-15T17:01:00Z", 200),
        ("r000003", "2026-11-15T17:01:30Z", "invalid"),
        ("r000002", "2026-11-15T17:05:00Z", "timeout"),
        ("r000001", None, 503),
    ]
    assert lines[0]["joined_from"] == "upstream"
    assert lines[0]["flags"] == ["evidence-joined"]
    assert lines[0]["also_matched"] == []


def test_plain_quiet_is_the_verdict_alone() -> None:
    """`-q` in a pipe gives one line to test."""
    lines = _plain(results()["vendor"])
    assert written("plain", results()["vendor"], Style(verbosity=-1)) == "\t".join(lines[0]) + "\n"


def test_csv_numbers_are_numbers_and_rows_are_rectangular() -> None:
    """A spreadsheet sums the numbers without a word about text, and every row has every column."""
    raw = written("csv", results()["vendor"])
    rows = list(csv.reader(io.StringIO(raw, newline="")))
    assert len({len(row) for row in rows}) == 1
    assert raw.endswith("\r\n")
    assert '"class","vendor",694,' in raw


HOSTILE = st.fixed_dictionaries({"function": text, "stage": text, "error_code": text, "request_id": text, "file": text})


@settings(max_examples=60, deadline=None)
@given(HOSTILE, st.sampled_from([VENDOR_DOWN, OUR_FAULT, NO_EVIDENCE]))
def test_outputs_hostile_names_reach_nothing_that_acts_on_them(
    names: dict[str, str], fault: Mapping[str, object]
) -> None:
    """Whatever a log holds in its names, every output is inert and keeps its shape."""
    fields = {**fault, "stage": names["stage"], "error_code": names["error_code"], "request_id": names["request_id"]}
    rows = [request(number, number / 10, names["function"], fields) for number in range(1)]
    rows += [request(number, number / 10, names["function"]) for number in range(1, 4)]
    account = InputAccount(
        files=1,
        lines=5,
        records=4,
        rejected=1,
        rejected_by_reason={"json": 1},
        unknown_fields={names["file"]: 1},
        unknown_field_names=1,
        first_at=START,
        last_at=START,
        skipped_files=(FileNote(file=visible(names["file"]), reason="hidden"),),
        sample_rejects=(RejectedAt(file=visible(names["file"]), line=1, reason="json", detail=names["file"]),),
    )
    result = result_of(
        rows,
        incidents=[incident(Class.VENDOR, 0, 1, requests=1, functions=[names["function"]])],
        account=account,
        paths=(names["file"],),
        runbook={f"vendor/{names['function']}": names["file"] or "x"},
    )
    for style in (Style(), Style(width=60, ascii_only=True), Style(width=120, verbosity=1), Style(oneline=True)):
        assert acts(written("text", result, style)) == []
    assert len(written("text", result, Style(oneline=True)).splitlines()) == 1

    plain = written("plain", result)
    assert acts(plain, allowed="\n\t") == []
    kinds = [line.split("\t")[0] for line in plain.removesuffix("\n").split("\n")]
    assert set(kinds) <= KINDS
    assert [len(line.split("\t")) for line in plain.split("\n") if line.startswith("function\t")] == [7]

    as_json = written("json", result)
    assert acts(as_json) == []
    parsed = json.loads(as_json)
    validator().validate(parsed)
    assert parsed["functions"][0]["function"] == names["function"]

    table = _csv(result)
    assert {row["table"] for row in table} == {"class", "function", "incident"}
    assert acts(written("csv", result), allowed="\r\n") == []
    (line,) = written("verdicts", result).splitlines()
    assert json.loads(line)["request_id"] == names["request_id"]
    assert acts(line) == []


KINDS = {
    "verdict",
    "requests",
    "class",
    "normal-basis",
    "reason",
    "why",
    "why-not",
    "incident",
    "function",
    "input",
} | {
    "rejected",
    "unknown-field",
    "skipped-file",
    "incomplete-file",
    "window",
    "rules",
    "limits",
    "runbook",
    "next",
}


def test_table_of_writers_names_only_writers_that_are_there() -> None:
    """Every format that the help lists can be written."""
    for name in WRITERS:
        assert callable(writer(name))


def test_table_of_writers_loads_no_polars() -> None:
    """Naming the formats, as help and completion do, costs nothing."""
    code = "import sys, attribute.reports.writers, attribute.reports.escape; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
