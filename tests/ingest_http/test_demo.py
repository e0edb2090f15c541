"""The demonstration blames nobody wrongly, and its scoreboard can tell when somebody is."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from click.testing import CliRunner

from attribute.cli.demo import MAX_UNKNOWN_SHARE, DemoError, demo, scoreboard
from attribute.cli.main import run
from attribute.demo.play import Sent, play
from attribute.demo.scenario import ACTS, Act
from attribute.demo.score import score, undecided, unknown_share, verdicts_of
from attribute.rules.words import Class

VENDOR = Act(name="vendor", requests=2, expected=Class.VENDOR)


def act_called(name: str) -> Act:
    (act,) = [act for act in ACTS if act.name == name]
    return act


HEALTHY = Act(name="healthy", requests=1, expected=None)


def test_every_injected_fault_gets_the_verdict_that_it_deserves(tmp_path: Path) -> None:
    """Real traffic, real logs, the main job: no wrong blame, and nothing UNKNOWN that left evidence."""
    (tmp_path / "logs").mkdir()
    # Stalls are longer than in the demonstration: beside them even a vendor on a busy machine answers soon.
    acts = tuple(dataclasses.replace(act, requests=8, stall_ms=2 * act.stall_ms) for act in ACTS)
    sent = play(tmp_path / "logs", tmp_path, acts=acts)
    scores = score(sent, *verdicts_of(tmp_path / "logs"))
    assert [(one.act.name, one.right, one.unknown, one.wrong, one.missing) for one in scores] == [
        (act.name, 0 if act.by_design else 8, 8 if act.by_design else 0, 0, 0) for act in acts
    ]
    assert undecided(scores) == 0


def test_scoreboard_counts_wrong_blame_missing_records_and_unused_evidence() -> None:
    """A judge of judges: each way to be wrong is seen."""
    sent = [Sent(act=VENDOR, request_id=one, status=503) for one in "ab"] + [
        Sent(act=HEALTHY, request_id="c", status=200)
    ]
    verdicts = {"a": ("UNKNOWN", "upstream-status-missing"), "b": ("application", "x"), "c": ("vendor", "y")}
    scores = score(sent, verdicts, frozenset("ab"))
    assert [(one.right, one.unknown, one.wrong, one.missing) for one in scores] == [(0, 1, 1, 0), (0, 0, 1, 1)]
    assert (unknown_share(scores), undecided(scores)) == (0.5, 1)
    assert scoreboard(scores)[-1] == (
        "blamed wrongly: 2; without a record: 1; left UNKNOWN: 50.0% of what was injected, 1 of them with evidence"
    )


def test_scenario_injects_every_class_and_leaves_little_undecided_by_design() -> None:
    """A reason for everything that nobody could decide, and room below the bar for it."""
    assert {act.expected for act in ACTS} == {None, Class.VENDOR, Class.APPLICATION, Class.BOTTLENECK}
    injected = [act for act in ACTS if act.expected is not None]
    by_design = sum(act.requests for act in injected if act.by_design)
    assert 0 < by_design / sum(act.requests for act in injected) < MAX_UNKNOWN_SHARE


def test_demo_from_the_command_line_keeps_its_log_and_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a newcomer sees: the screen, the scoreboard, and commands that lead to files that are there."""
    quick = tuple(act for act in ACTS if act.name in ("healthy, before", "vendor outage (503)", "no token at all"))
    monkeypatch.setattr(play, "__kwdefaults__", {**(play.__kwdefaults__ or {}), "acts": quick})
    logs = tmp_path / "logs"
    done = CliRunner().invoke(demo, ["--keep", str(logs)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "blamed wrongly: 0; without a record: 0; left UNKNOWN: 2.9% of what was injected, 0 of them" in done.stdout
    assert f"attribute {logs}" in done.stdout
    assert [path.name for path in logs.iterdir()] == ["ingest.m1.jsonl"]
    again = CliRunner().invoke(demo, ["--keep", str(logs)])
    assert isinstance(again.exception, DemoError)


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (
            dataclasses.replace(act_called("vendor outage (503)"), requests=2, expected=Class.APPLICATION),
            "2 requests were blamed on the wrong side or left no record",
        ),
        (
            dataclasses.replace(act_called("no token at all"), requests=2),
            "100.0% of the injected faults stayed UNKNOWN, expected under 5%",
        ),
    ],
    ids=["wrong", "unknown"],
)
def test_demo_that_comes_out_otherwise_is_a_gate_that_failed(
    act: Act, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script that runs it sees 3; 1 is a crash of ours, which names a file with the details."""
    monkeypatch.setattr(play, "__kwdefaults__", {**(play.__kwdefaults__ or {}), "acts": (act,)})
    assert run(["demo", "--keep", str(tmp_path / "logs")]) == 3
    assert capsys.readouterr().err.endswith(f"\nattribute: error: {sentence}\n")


@pytest.mark.parametrize(
    ("name", "why"),
    [("file/logs", "Not a directory"), ("a" * 300, "File name too long"), ("closed/logs", "Permission denied")],
)
def test_keep_that_cannot_be_made_is_a_usage_error(
    name: str, why: str, open_folder: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """Where the logs cannot go, the demonstration does not begin, and says why."""
    (open_folder / "file").touch()
    (open_folder / "closed").mkdir(mode=0)
    keep = open_folder / name
    with as_nobody(), pytest.raises(DemoError) as caught:
        demo.main(["--keep", str(keep)], standalone_mode=False)
    assert caught.value.message == f"`--keep` names {str(keep)!r}, which cannot be used: {why}"
    assert (caught.value.hint, caught.value.exit_code) == ("name a folder of your own", 2)


def test_keep_that_may_not_be_written_to_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder of somebody else's is no place for the logs."""
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK | os.X_OK))
    with pytest.raises(DemoError, match="which cannot be used: Permission denied"):
        demo.main(["--keep", str(tmp_path)], standalone_mode=False)
