"""More UNKNOWN never turns a fail into anything else. The promise that all of the gate is built around."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.gate import GateSettings, Level, Limit, State, gate
from attribute.gate.baseline import build
from attribute.gate.cells import capped
from attribute.rules.words import Class
from tests.gate.world import BLIND, FUNCTIONS, HEALTHY, KNOWN, NOW, REFUSED, UNKNOWN, calm, calm_rows, frame, row

BASELINE = build(calm())
WEEK = 168 * 60
LIMITS = (
    Limit(name="share", class_=Class.UNKNOWN, max_share=0.2, over_hours=24),
    Limit(name="count", class_=Class.UNKNOWN, max_count=40, function="pay", over_hours=24),
)
RECENT = [one for one in calm_rows() if (NOW - one["minute"]) < timedelta(hours=168)]  # type: ignore[operator]  # the rows of the world have times

names = st.sampled_from((*FUNCTIONS, "new-one", "new-two"))
looks = st.sampled_from((UNKNOWN, UNKNOWN | {"status": 500}, UNKNOWN | {"status": 404, "upstream_status": 404}))
minutes = st.one_of(st.integers(1, 59), st.integers(1, 24 * 60), st.integers(1, WEEK))


@st.composite
def events(draw: st.DrawFn, most: int) -> list[dict[str, object]]:
    """UNKNOWN requests in the last week: single ones, bursts, and steady streams."""
    found: list[dict[str, object]] = []
    for _ in range(draw(st.integers(1, most))):
        name, look, start = draw(names), draw(looks), draw(minutes)
        size, slots = draw(st.integers(1, 60)), draw(st.integers(1, 40))
        found += [
            row(name, NOW - timedelta(minutes=start + 10 * slot), look, size)
            for slot in range(slots)
            if start + 10 * slot <= WEEK
        ]
    return found


others = st.lists(
    st.builds(
        lambda name, look, ago, size: row(name, NOW - timedelta(minutes=ago), look, size),
        names,
        st.sampled_from((HEALTHY, BLIND, KNOWN, REFUSED)),
        minutes,
        st.integers(1, 400),
    ),
    max_size=8,
)
STRICT = GateSettings(refused_level=Level.ERROR)


@settings(max_examples=20, deadline=None)
@given(events(4), events(3), others)
def test_fail_with_more_unknown_requests_stays_a_fail(
    trouble: list[dict[str, object]], more: list[dict[str, object]], around: list[dict[str, object]]
) -> None:
    """Whatever else is in the window, further UNKNOWN requests, of any function, known or new, leave a fail a fail."""
    counts = [*RECENT, *trouble, *around]
    before = gate(frame(counts), now=NOW, baseline=BASELINE, limits=LIMITS)
    after = gate(frame([*counts, *more]), now=NOW, baseline=BASELINE, limits=LIMITS)
    if before.state is State.FAIL:
        assert after.state is State.FAIL
    failed = {one.id for one in before.outcomes if one.state is State.FAIL}
    assert failed <= {one.id for one in after.outcomes if one.state is State.FAIL}


@settings(max_examples=15, deadline=None)
@given(events(4), others, names, st.integers(1, 24), st.integers(1, 3))
def test_fail_with_known_failures_turned_unknown_stays_a_fail(
    trouble: list[dict[str, object]], around: list[dict[str, object]], name: str, hours: int, every: int
) -> None:
    """A failure that loses its evidence makes the gate no greener."""
    counts = frame([*RECENT, *trouble, *around])
    hit = (
        (pl.col("class") == "vendor")
        & (pl.col("function") == name)
        & (pl.col("minute") >= NOW - timedelta(hours=hours))
        & (pl.col("minute").dt.minute() % every == 0)
    )
    lost = ({**one, **UNKNOWN} for one in counts.filter(hit).iter_rows(named=True))
    after_counts = frame([*counts.filter(~hit).iter_rows(named=True), *lost])
    before = gate(counts, now=NOW, baseline=BASELINE, limits=LIMITS)
    after = gate(after_counts, now=NOW, baseline=BASELINE, limits=LIMITS)
    failed = {one.id for one in before.outcomes if one.state is State.FAIL}
    assert failed <= {one.id for one in after.outcomes if one.state is State.FAIL}


@settings(max_examples=8, deadline=None)
@given(events(3), events(2))
def test_fail_against_the_earlier_part_of_the_same_logs_stays_a_fail(
    trouble: list[dict[str, object]], more: list[dict[str, object]]
) -> None:
    """The windows share one baseline, so what is added to a long window is not what a short one is compared with."""
    before = gate(frame([*calm_rows(), *trouble]), now=NOW)
    after = gate(frame([*calm_rows(), *trouble, *more]), now=NOW)
    if before.state is State.FAIL:
        assert after.state is State.FAIL


@settings(max_examples=12, deadline=None)
@given(events(3), st.integers(1, 300), minutes, names)
def test_refused_requests_change_nothing_about_the_rest(
    trouble: list[dict[str, object]], size: int, ago: int, name: str
) -> None:
    """Garbage from clients neither fails the gate nor hides a spike."""
    counts = [*RECENT, *trouble]
    flood = [row(name, NOW - timedelta(minutes=ago), REFUSED, size)]
    before = gate(frame(counts), now=NOW, baseline=BASELINE)
    after = gate(frame([*counts, *flood]), now=NOW, baseline=BASELINE)
    assert before.state is after.state
    assert {one.id: one.spike for one in before.outcomes if one.id.startswith("unknown") and one.spike} == {
        one.id: one.spike for one in after.outcomes if one.id.startswith("unknown") and one.spike
    }


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.integers(0, 1_007), st.integers(1, 50), max_size=30),
    st.integers(0, 1_007),
    st.integers(1, 50),
    st.sampled_from([1, 24, 168]),
)
def test_cutting_bursts_never_counts_less_where_there_is_more(
    slots: dict[int, int], slot: int, more: int, hours: int
) -> None:
    """One larger slot leaves no slot of the answer smaller."""
    before = capped(slots, hours=hours)
    after = capped({**slots, slot: slots.get(slot, 0) + more}, hours=hours)
    assert all(after[place] >= requests for place, requests in before.items())
