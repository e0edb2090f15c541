from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine, record

NOW = ("--now", "2026-11-16T02:10Z")


def test_explain_request_shows_its_records_and_each_rules_answer(attribute: CommandLine, logs: Path) -> None:
    """Which records there are, which decides, what every rule looked at, and the verdict."""
    with (logs / "more.log").open("w") as file:
        file.write(record(900, request_id="two", stage="upstream", status=None, upstream_status="timeout") + "\n")
        file.write(record(901, request_id="two", status=504, upstream_status=None, upstream_latency_ms=None) + "\n")
    done = attribute("explain", "two", "logs")
    assert (done.code, done.err) == (0, "")
    assert "VERDICT  vendor   rule M1-2, upstream-timeout" in done.out
    assert "RECORDS  2" in done.out
    assert "lends upstream_status" in done.out
    for rule in ("M1-1     no match", "M1-2     decides", "M1-3     no match", "M1-4     no match"):
        assert rule in done.out
    document = json.loads(attribute("explain", "two", "logs", "-o", "json").out)
    assert document["schema"] == "attribute.explanation/1"
    assert document["verdict"]["class"] == "vendor"
    assert [found["decides"] for found in document["records"]] == [False, True]
    assert document["records"][0]["fields"]["upstream_status"] == "timeout"


def test_explain_unknown_says_what_to_log_and_what_it_would_change(attribute: CommandLine, logs: Path) -> None:
    """An UNKNOWN is never a dead end."""
    (logs / "more.log").write_text(record(1, request_id="gap", status=500, upstream_status=None))
    shown = attribute("explain", "gap", "logs").out
    assert "VERDICT  UNKNOWN   rule M1-1, upstream-status-missing" in shown
    assert "MISSING  Log `upstream_status`" in shown
    assert "with upstream_status=503: vendor (upstream-5xx)" in shown


def test_explain_request_finds_an_id_however_json_writes_it(attribute: CommandLine, logs: Path) -> None:
    """An id is found by what it is, not by how its letters happen to be escaped."""
    line = record(1, status=500).replace('"r00001"', '"\\u0061bc-\\u0031"')
    (logs / "more.log").write_text(line)
    assert "REQUEST  abc-1" in attribute("explain", "abc-1", "logs").out
    assert attribute("explain", "abc", "logs").code == 4


def test_explain_hostile_request_is_inert(attribute: CommandLine, logs: Path) -> None:
    """What stands in a record reaches the terminal escaped."""
    (logs / "more.log").write_text(record(1, request_id="evil", status=500, error_code="\x1b[2J\u202e", stage="a\nb"))
    shown = attribute("explain", "evil", "logs").out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "a\\u{a}b" in shown


@pytest.mark.parametrize("what", ["vendor", "VENDOR"])
def test_explain_class_ranks_what_is_over_represented(what: str, attribute: CommandLine, logs: Path) -> None:
    """Against healthy requests, the values that set the class apart come first, with counts."""
    shown = attribute("explain", what, "logs").out
    assert "vendor: what is over-represented in 60 requests\nagainst 240 healthy requests\n" in shown
    assert re.search(r"^upstream_status=503 +60 +100\.0 % +0 +0\.0 % +new$", shown, re.MULTILINE)
    document = json.loads(attribute("explain", what, "logs", "-o", "json").out)
    assert document["requests"] == 60
    assert {row["field"] for row in document["over_represented"]} == {"status", "upstream_status"}


def test_explain_incident_compares_with_what_was_before(attribute: CommandLine, logs: Path) -> None:
    """An incident is named by its id and held against the time before it."""
    lines = [record(n, **({"status": 502, "upstream_status": 503} if 120 <= n < 280 else {})) for n in range(400)]
    (logs / "app.log").write_text("".join(line + "\n" for line in lines))
    result = json.loads(attribute("logs", *NOW, "-o", "json").out)
    (found,) = result["incidents"]
    done = attribute("explain", found["id"], "logs", *NOW)
    assert done.code == 0
    assert done.out.startswith(f"{found['id']}: what is over-represented in {found['requests']} requests\n")


@pytest.mark.parametrize("what", ["nobody", "V-20260101-0000-abcd", "UNKNOWN"])
def test_explain_nothing_there_says_so(what: str, attribute: CommandLine, logs: Path) -> None:
    """No such request, incident or class is exit code 4, not an empty page."""
    done = attribute("explain", what, "logs", *NOW)
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("attribute: error: no re")
