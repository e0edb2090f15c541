"""A short form of `python -m benchmarks.incidents`: the same simulation, a few weeks of it."""

from __future__ import annotations

import pytest

from benchmarks.incidents.__main__ import measure
from benchmarks.incidents.detection import Detection
from benchmarks.incidents.methods import METHODS
from benchmarks.incidents.score import Score, add
from benchmarks.traffic import Fault, FaultRates, simulate


def balance(score: Score) -> float:
    """The harmonic mean of precision and recall."""
    return 2 * score.precision * score.recall / (score.precision + score.recall)


@pytest.mark.parametrize(("volume", "weeks", "precision", "recall"), [(500, 16, 0.9, 0.6), (5_000, 8, 0.9, 0.8)])
def test_incidents_of_simulated_weeks_are_found_and_few_others(
    volume: int, weeks: int, precision: float, recall: float
) -> None:
    """Faults that were put in come out, as good as nothing else does, and simple methods do worse at either."""
    measured = measure(volume, weeks, 7, list(METHODS))
    ours = measured["ours"][0]
    assert ours.faults > 10
    assert ours.precision >= precision
    assert ours.recall >= recall
    assert ours.per_fault <= 1.5
    assert ours.start_error(0.5) <= 30
    others = [score for name, (score, _) in measured.items() if name != "ours"]
    assert balance(ours) > max(balance(other) for other in others)


def test_severe_incidents_of_simulated_weeks_are_right() -> None:
    """Who is told of severity 1 or 2 is told of something."""
    severities = measure(5_000, 8, 11, ["ours"])["ours"][0].by_severity
    right, found = (sum(severities[severity][place] for severity in (1, 2)) for place in (0, 1))
    assert right == found > 5


def test_simulation_is_the_same_for_the_same_seed_and_knows_what_it_injected() -> None:
    """A benchmark that cannot be repeated proves nothing."""
    first, second = (
        simulate(requests_per_day=2_000, days=9, seed=3, faults=FaultRates(), faults_from_day=2) for _ in range(2)
    )
    assert first.counts.equals(second.counts)
    assert first.faults == second.faults
    calm = simulate(requests_per_day=2_000, days=9, seed=3, faults_from_day=2)
    assert calm.faults == ()
    assert first.counts["requests"].sum() == calm.counts["requests"].sum()
    assert sum(fault.hit for fault in first.faults) > 0


def test_score_counts_right_and_wrong_detections_and_missed_faults() -> None:
    """One found twice, one missed, one too small to leave a trace, one detection of nothing."""
    faults = [
        Fault("full_outage", "vendor", ("a",), 100, 200, hit=50),
        Fault("regression", "application", ("b",), 100, 200, hit=50),
        Fault("regression", "application", ("c",), 100, 200, hit=3),
    ]
    detections = [
        Detection("vendor", frozenset({"a"}), 103, 150),
        Detection("UNKNOWN", frozenset({"a"}), 150, 200),
        Detection("application", frozenset({"z"}), 100, 200),
        Detection("application", frozenset({"b"}), 300, 400),
    ]
    score = Score()
    add(score, detections, faults)
    assert (score.precision, score.recall, score.per_fault, score.start_errors) == (0.5, 0.5, 2.0, [3])
