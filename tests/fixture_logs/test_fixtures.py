"""The fixture logs: made again from their seeds, and answered as the reference and the scenario's author say."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attribute.cli.main import run
from fixtures.scenarios import EVERY_REASON, SCENARIOS
from tests.reference.files import expected

FIXTURES = Path(__file__).parents[2] / "fixtures"
COMPRESSED = {".gz", ".zst", ".bz2", ".xz"}

STATES = {
    "quiet": "no-problem",
    "vendor-outage": "vendor",
    "bad-release": "application",
    "bottleneck": "application-bottleneck",
    "lost-instrumentation": "UNKNOWN",
    "compressed": "vendor",
    "envelopes": "vendor",
    "untimed": "vendor",
    "multi-record": "mixed",
    "hostile": "cannot-judge",
}
INCIDENTS = {
    "quiet": [],
    "vendor-outage": [("vendor", ["checkout", "ingest", "quote", "refund", "usage-summary"])],
    "bad-release": [("application", ["checkout"])],
    "bottleneck": [("application-bottleneck", ["usage-summary"])],
    "lost-instrumentation": [("UNKNOWN", ["quote"])],
    "untimed": [],
}


CANNOT_JUDGE = {"hostile"}
"""More rejects than records: the numbers are printed, and nobody is blamed by them."""

Answer = Callable[[str], dict[str, Any]]


def by_rule(row: dict[str, Any]) -> tuple[str, str, str]:
    """Return the order in which the reference lists reasons."""
    return (row["class"], row["rule"] or "", row["reason"])


@pytest.fixture
def answer_in(capfd: pytest.CaptureFixture[str]) -> Callable[[str, str], str]:
    """Return what the command line prints for a fixture in a format."""

    def printed(name: str, form: str) -> str:
        logs = str(FIXTURES / name / "logs")
        code = run([logs, "--isolated", "-o", form, "--now", "2026-11-17T00:00:00Z"])
        out, err = capfd.readouterr()
        assert code == (4 if name in CANNOT_JUDGE else 0), err
        return out

    return printed


@pytest.fixture
def answer(answer_in: Callable[[str, str], str]) -> Answer:
    """Return the JSON that the command line prints for a fixture."""

    def parsed(name: str) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(answer_in(name, "json"))
        return result

    return parsed


@pytest.mark.parametrize("name", SCENARIOS)
def test_fixture_made_again_from_its_seed_is_the_same(name: str) -> None:
    """The files beside the answers are what their scenario says, byte for byte, and so is the answer."""
    files = SCENARIOS[name]()
    kept = {
        str(path.relative_to(FIXTURES / name / "logs")): path.read_bytes()
        for path in (FIXTURES / name / "logs").rglob("*")
        if path.is_file()
    }
    assert set(kept) == set(files)
    for file, content in files.items():
        if Path(file).suffix not in COMPRESSED and not content.startswith(b"\x1f\x8b"):
            assert kept[file] == content
        elif content.startswith(b"\x1f\x8b"):
            assert gzip.decompress(kept[file]) == gzip.decompress(content)
    assert json.loads((FIXTURES / name / "expected.json").read_text()) == expected(kept)


@pytest.mark.parametrize("name", SCENARIOS)
def test_fixture_numbers_are_those_of_the_reference(name: str, answer: Answer) -> None:
    """Lines, rejects, requests, classes and reasons of every fixture are exact, and they add up."""
    got = answer(name)
    want = json.loads((FIXTURES / name / "expected.json").read_text())
    assert {key: got["input"][key] for key in want["input"]} == want["input"]
    assert {key: got["requests"][key] for key in want["requests"]} == want["requests"]
    assert got["classes"] == want["classes"]
    reasons = [{key: row[key] for key in want["reasons"][0]} for row in got["reasons"]]
    assert sorted(reasons, key=by_rule) == want["reasons"]
    account = got["input"]
    assert account["lines"] == account["records"] + account["rejected"] + account["not_m1"] + account["blank"]
    assert got["requests"]["total"] == got["requests"]["healthy"] + got["requests"]["incident"]
    assert sum(got["classes"].values()) == got["requests"]["incident"]


@pytest.mark.parametrize(("name", "state"), STATES.items())
def test_fixture_verdict_is_what_its_author_injected(name: str, state: str, answer: Answer) -> None:
    """The first sentence names the class that the scenario injected."""
    assert answer(name)["verdict"]["state"] == state


@pytest.mark.parametrize(("name", "incidents"), INCIDENTS.items())
def test_fixture_incidents_are_those_injected(
    name: str, incidents: list[tuple[str, list[str]]], answer: Answer
) -> None:
    """One fault is one incident, over all the functions that it touches, and quiet hours have none."""
    shown = [one for one in answer(name)["incidents"] if one["severity"] < 4]
    assert [(one["class"], sorted(one["functions"])) for one in shown] == incidents


def test_fixture_every_reason_shows_the_reason_it_names(answer_in: Callable[[str, str], str]) -> None:
    """Every reason of the closed list is there, on the request that was made for it."""
    rows = [json.loads(line) for line in answer_in("every-reason", "verdicts").splitlines()]
    assert [(row["error_code"], row["reason"]) for row in rows] == [
        (reason, reason) for reason, _ in EVERY_REASON if reason not in {"ok", "upstream-failure-absorbed"}
    ]
