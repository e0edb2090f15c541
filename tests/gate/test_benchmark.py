"""The short form of `python -m benchmarks.gate`: what it measures is the gate, and the gate still finds faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from attribute.gate import State, gate
from benchmarks.gate.detectors import DETECTORS, Counts, onsets, tuned
from benchmarks.gate.measure import OURS, PLAIN, Task, measure
from benchmarks.gate.ours import Gate
from benchmarks.gate.tables import tables
from benchmarks.gate.world import FAULTS, LEAD_DAYS, SLOTS_AN_HOUR, World, make
from tests.gate.world import BLIND, HEALTHY, KNOWN, REFUSED, UNKNOWN, frame

LOOKS = (KNOWN, UNKNOWN, REFUSED, HEALTHY, BLIND)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def counts_of(world: World) -> pl.DataFrame:
    """The `COUNTS` frame of a world."""
    places = zip(*world.counts.nonzero(), strict=True)
    return frame(
        {
            "minute": EPOCH + timedelta(minutes=10 * int(slot)), "function": world.names[place], "stage": "response",
            "upstream": None, **LOOKS[kind], "requests": int(world.counts[slot, place, kind]),
        }
        for slot, place, kind in places
    )  # fmt: skip


@pytest.mark.parametrize("fault", [None, "function loses evidence", "new error"])
def test_benchmark_asks_the_gate_itself(fault: str | None) -> None:
    """The hourly answers that are measured are those of the gate on the same counts."""
    world = make(requests_per_day=400, days=2, seed=5, fault=fault)
    counts, asked = counts_of(world), Gate(world)
    for hour in (LEAD_DAYS * 24 + 30, world.hours):
        spike, coverage = asked.fails(hour)
        result = gate(counts, now=EPOCH + timedelta(hours=hour))
        failing = {one.check for one in result.outcomes if one.counts_as is State.FAIL}
        assert ("spike" in failing, "coverage" in failing) == (spike, coverage)


def test_gate_stays_green_for_two_quiet_weeks() -> None:
    """Campaigns, bursts, blips, outages and regressions with all their evidence are no business of the gate."""
    world = make(requests_per_day=5_000, days=14, seed=1001)
    asked = Gate(world)
    assert [hour for hour in range(LEAD_DAYS * 24, world.hours, 4) if any(asked.fails(hour))] == []


@pytest.mark.parametrize("fault", FAULTS[:4])
def test_gate_finds_a_fault_within_a_day(fault: str) -> None:
    """At 5,000 requests a day, lost evidence and an outage of timeouts are found within 24 hours."""
    world = make(requests_per_day=5_000, days=3, seed=3, fault=fault)
    asked = Gate(world)
    assert world.start is not None
    first = world.start // SLOTS_AN_HOUR + 1
    assert any(any(asked.fails(hour)) for hour in range(first, first + 24))


def test_benchmark_prints_gate_plain_form_and_five_others_with_their_errors() -> None:
    """Every detector has a row, every fault a cell and, for the gate, a standard error."""
    tasks = [Task(volume=300, seed=2, quiet=quiet, functions=4, plain=True) for quiet in (True, False)]
    lines = list(tables([one for task in tasks for one in measure(task)]))
    first = [line.split("|")[1].strip() for line in lines if line.startswith("|")]
    assert first[2:11] == [*OURS, PLAIN, *DETECTORS]
    assert first[-6:] == [*FAULTS, "false alarms/week"]
    assert all("±" in line for line in lines[-6:])
    assert lines[0] == "1 quiet worlds of 14 days, 1 worlds per fault"


def test_worlds_of_one_seed_differ_in_their_fault_alone() -> None:
    """Before the fault starts there is nothing to tell two worlds of a seed apart, and an outage hits all that call."""
    quiet, outage = (make(requests_per_day=5_000, days=3, seed=4, fault=fault) for fault in (None, FAULTS[3]))
    assert outage.start is not None
    assert (quiet.counts[: outage.start] == outage.counts[: outage.start]).all()
    hit = (quiet.counts != outage.counts).any(axis=2).any(axis=0)
    calling = quiet.counts[..., 3].sum(axis=0) > 0
    assert (hit == calling).all()
    assert (quiet.counts.sum(axis=2) == outage.counts.sum(axis=2)).all()


def test_other_detectors_are_tuned_to_the_limit_where_they_can_be() -> None:
    """What the gate is compared with is as good as a threshold can make it: a lower one would alarm too often."""
    quiet = [Counts(make(requests_per_day=2_000, days=7, seed=seed)) for seed in (1, 2)]
    for name, detector in DETECTORS.items():
        stats = [detector(counts)[LEAD_DAYS * 24 - 1 :] for counts in quiet]
        threshold, per_week = tuned(stats)
        assert per_week <= 0.1, name
        assert sum(onsets(one > 0.9 * threshold) for one in stats) > 0, name
