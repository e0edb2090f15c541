from __future__ import annotations

import random
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.coded import FEW, Batch
from attribute.counting import count_healthy, count_some_healthy, count_some_verdicts
from attribute.frames import COUNTS, LATENCY, RECORDS
from attribute.rollup import Rollup, empty, merge
from attribute.rules.words import Reason
from attribute.slots import SLOT
from tests.drawn import examples
from tests.reference import rollup as reference
from tests.rollup.strategies import HEALTHY_ROWS, START, VERDICT_ROWS, frame

Rows = list[dict[str, object]]


def as_dict(counted: pl.DataFrame) -> dict[tuple[object, ...], int]:
    return {row[:-1]: row[-1] for row in counted.iter_rows()}


def rolled(verdicts: Rows, healthy: Rows, *, slot: timedelta = SLOT) -> Rollup:
    """The rollup of one whole log; healthy rows have a `reason` as verdicts have."""
    calm = frame(healthy)
    absorbed = calm["reason"] == Reason.UPSTREAM_FAILURE_ABSORBED
    counted = count_some_healthy(Batch.of(calm.select(RECORDS.names())), absorbed, slot=slot)
    return merge([count_some_verdicts(frame(verdicts), slot=slot), counted])


def assert_canonical(rollup: Rollup) -> None:
    for counted, schema in ((rollup.counts, COUNTS), (rollup.latency, LATENCY)):
        assert counted.schema == schema
        keys = schema.names()[:-1]
        assert counted.equals(counted.sort(keys))
        assert counted.select(keys).n_unique() == counted.height
        assert counted.filter(pl.col("requests") < 1).is_empty()


@settings(max_examples=examples(20), deadline=None)
@given(VERDICT_ROWS, HEALTHY_ROWS, st.sampled_from([0, FEW]))
def test_rollup_of_any_requests_is_what_a_dict_and_a_loop_count(verdicts: Rows, healthy: Rows, few: int) -> None:
    """Every request counts once, in its own minute, under its own key; every known latency counts once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("attribute.counting.FEW", few)
        got = rolled(verdicts, healthy)
    assert as_dict(got.counts) == reference.counts([*verdicts, *healthy])
    assert as_dict(got.latency) == reference.latency([*verdicts, *healthy])
    assert_canonical(got)


@settings(max_examples=examples(20), deadline=None)
@given(HEALTHY_ROWS)
def test_healthy_records_count_as_absorbed_where_the_expression_says_so(healthy: Rows) -> None:
    """The expression decides the reason, null is no, and class and rule are those of no incident."""
    got = count_healthy(frame(healthy), pl.col("upstream_status") >= 500)
    expected = [
        {**row, "reason": "upstream-failure-absorbed" if row["upstream_status"] == 503 else "ok"} for row in healthy
    ]
    assert as_dict(got.counts) == reference.counts(expected)
    assert as_dict(got.latency) == reference.latency(expected)
    assert_canonical(got)


@settings(max_examples=15, deadline=None)
@given(VERDICT_ROWS, HEALTHY_ROWS, st.randoms(use_true_random=False))
def test_rollup_of_pieces_is_the_rollup_of_the_whole(verdicts: Rows, healthy: Rows, chance: random.Random) -> None:
    """However the requests are dealt to chunks, and however the chunks are merged, the rollup is the same."""
    whole = rolled(verdicts, healthy)
    hands: list[tuple[Rows, Rows]] = [([], []) for _ in range(4)]
    for row in verdicts:
        chance.choice(hands)[0].append(row)
    for row in healthy:
        chance.choice(hands)[1].append(row)
    parts = [rolled(*hand) for hand in hands]
    chance.shuffle(parts)
    assert merge(parts) == whole
    assert merge([merge(parts[:2]), empty(), merge(parts[2:])]) == whole
    assert merge([parts[0], merge([parts[1], merge(parts[2:])])]) == whole


@settings(max_examples=examples(20), deadline=None)
@given(VERDICT_ROWS, HEALTHY_ROWS)
def test_subtracting_what_was_merged_gives_back_what_was_there(verdicts: Rows, healthy: Rows) -> None:
    """A request taken out again leaves no trace, not even a row of zero."""
    first, second = rolled(verdicts, []), rolled([], healthy)
    assert merge([first, second], less=[second]) == first
    assert merge([first], less=[empty()]) == first
    assert merge([first], less=[first]) == empty()


@settings(max_examples=examples(25), deadline=None)
@given(VERDICT_ROWS, HEALTHY_ROWS, st.integers(1, 20), st.sampled_from([0, 3, 10**9]))
def test_many_rows_added_up_in_any_way_are_the_same(verdicts: Rows, healthy: Rows, at_once: int, few: int) -> None:
    """How much is added up at once is a matter of memory, and what is few one of time."""
    first, second = rolled(verdicts, []), rolled([], healthy)
    both = merge([first, second])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("attribute.rollup._ADDED_AT_ONCE", at_once)
        patch.setattr("attribute.rollup.FEW", few)
        assert merge([first, second]) == both
        assert merge([both, both], less=[first, second]) == both
        assert merge([both], less=[second]) == first
        assert merge([both], less=[both]) == empty()


def test_subtracting_what_was_never_counted_raises() -> None:
    """Counts never go below zero in silence."""
    row = {"function": "sync", "stage": "response", "status": 200, "latency_ms": 1.0, "reason": "ok", "at": START}
    counted = rolled([], [row])
    with pytest.raises(ValueError, match="never counted"):
        merge([], less=[counted])
    with pytest.raises(ValueError, match="never counted"):
        merge([counted], less=[counted, counted])


def test_merging_nothing_is_the_empty_rollup() -> None:
    """No requests: no rows, all columns."""
    assert merge([]) == merge([empty(), empty()]) == rolled([], []) == empty()
    assert_canonical(empty())


@settings(max_examples=examples(12), deadline=None)
@given(VERDICT_ROWS, HEALTHY_ROWS, st.sampled_from([10, 20, 60, 1440]), st.sampled_from([0, FEW]))
def test_wider_latency_slots_hold_the_same_requests(verdicts: Rows, healthy: Rows, minutes: int, few: int) -> None:
    """How wide a slot is says when a latency was, to that width, and nothing else of it."""
    width = timedelta(minutes=minutes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("attribute.counting.FEW", few)
        coarse = rolled(verdicts, healthy, slot=width)
    assert as_dict(coarse.latency) == reference.latency([*verdicts, *healthy], slot=width)
    assert coarse.counts.equals(rolled(verdicts, healthy).counts)
    assert_canonical(coarse)


@pytest.mark.parametrize("minutes", [15, 0, 5])
@pytest.mark.parametrize("few", [0, FEW])
def test_slot_that_ten_minutes_do_not_divide_raises(minutes: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such slots would tear requests apart."""
    monkeypatch.setattr("attribute.counting.FEW", few)
    with pytest.raises(ValueError, match="a multiple of ten minutes"):
        rolled([], [], slot=timedelta(minutes=minutes))


def test_names_past_what_fits_into_one_number_are_counted_all_the_same() -> None:
    """A log in which every line brings new names and a new century costs speed, not counts."""
    rows: Rows = [
        {
            "function": f"f{number}",
            "stage": f"s{number}",
            "upstream": f"u{number}",
            "error_code": f"e{number}",
            "status": 100 + number % 500,
            "upstream_status": 599 - number % 500,
            "latency_ms": float(number * 5_000),
            "upstream_latency_ms": 0.5,
            "at": START + timedelta(days=365 * number),
            "class": "UNKNOWN",
            "rule": None,
            "reason": "upstream-slow",
        }
        for number in range(2000)
    ]
    blank = dict.fromkeys(["rule"], None)
    got = merge([count_some_verdicts(frame(rows))])
    assert as_dict(got.counts) == reference.counts([{**blank, **row} for row in rows])
    assert as_dict(got.latency) == reference.latency(rows)
