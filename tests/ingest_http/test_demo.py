"""The demonstration blames nobody wrongly, and its scoreboard can tell when somebody is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from attribute.cli.demo import scoreboard
from attribute.demo.play import Sent, play
from attribute.demo.scenario import ACTS, Act
from attribute.demo.score import score, unknown_share, verdicts_of
from attribute.rules.words import Class

VENDOR = Act(name="vendor", requests=2, expected=Class.VENDOR)
HEALTHY = Act(name="healthy", requests=1, expected=None)


def test_every_injected_fault_gets_the_verdict_that_it_deserves(tmp_path: Path) -> None:
    """Real traffic, real logs, the main job: no wrong blame, and nothing UNKNOWN that left evidence."""
    (tmp_path / "logs").mkdir()
    acts = tuple(dataclasses.replace(act, requests=8) for act in ACTS)
    sent = play(tmp_path / "logs", tmp_path, acts=acts)
    scores = score(sent, *verdicts_of(tmp_path / "logs"))
    assert [(one.act.name, one.wrong, one.missing) for one in scores] == [(act.name, 0, 0) for act in acts]
    assert {one.act.name: one.right for one in scores if one.act.expected} == {
        act.name: 8 for act in acts if act.expected
    }
    assert unknown_share(scores) == 0


def test_scoreboard_counts_wrong_blame_missing_records_and_unused_evidence() -> None:
    """A judge of judges: each way to be wrong is seen."""
    sent = [Sent(act=VENDOR, request_id=one, status=503) for one in "ab"] + [
        Sent(act=HEALTHY, request_id="c", status=200)
    ]
    verdicts = {"a": ("UNKNOWN", "upstream-status-missing"), "b": ("application", "x"), "c": ("vendor", "y")}
    scores = score(sent, verdicts, frozenset("ab"))
    assert [(one.right, one.unknown, one.wrong, one.missing) for one in scores] == [(0, 1, 1, 0), (0, 0, 1, 1)]
    assert unknown_share(scores) == 0.5
    assert scoreboard(scores)[-1] == "wrong: 2; without a record: 1; UNKNOWN where there was evidence: 50.0%"


def test_scenario_names_every_class_and_why_the_unknown_ones_are() -> None:
    """All four classes and the healthy, and a reason for everything that is UNKNOWN by design."""
    assert {act.expected for act in ACTS} == {None, *Class}
    assert all((act.by_design is not None) == (act.expected is Class.UNKNOWN) for act in ACTS)
