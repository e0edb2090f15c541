"""More UNKNOWN never turns a fail into anything else. The promise that all of the gate is built around."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.gate import GateResult, GateSettings, Level, Limit, State, gate
from attribute.gate.baseline import build
from attribute.gate.cells import capped
from attribute.gate.spike import _least_mean
from attribute.rules.words import Class
from tests.drawn import examples
from tests.gate.world import (
    BLIND,
    FUNCTIONS,
    HEALTHY,
    KNOWN,
    NOW,
    REFUSED,
    UNKNOWN,
    Row,
    calm,
    calm_rows,
    frame,
    row,
    steady,
)

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


@settings(max_examples=examples(12), deadline=None)
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


@settings(max_examples=examples(8), deadline=None)
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


@pytest.mark.parametrize("failures", [4, 5, 6, 60])
def test_known_failures_that_turn_unknown_at_one_time_stay_above_the_floor(failures: int) -> None:
    """That a burst is cut is no reason to say that there is too little to judge."""
    at = NOW - timedelta(minutes=5)
    rows = [one for name in FUNCTIONS for one in steady(name, HEALTHY, hours=1, per_slot=10)]
    rows += [row(name, at, UNKNOWN, 2) for name in FUNCTIONS]
    before = gate(frame([*rows, row("api", at, KNOWN, failures)]), now=NOW, baseline=BASELINE)
    after = gate(frame([*rows, row("api", at, UNKNOWN, failures)]), now=NOW, baseline=BASELINE)
    failed = {one.id for one in before.outcomes if one.state is State.FAIL}
    assert failed <= {one.id for one in after.outcomes if one.state is State.FAIL}
    assert bool(failed) == (failures < 60)


def healthy_turned_unknown(counts: pl.DataFrame, *, where: pl.Expr, share: float, look: Row) -> pl.DataFrame:
    """Turn a share of the healthy requests that *where* picks into UNKNOWN ones, rounded up."""
    hit = (pl.col("class") == "none") & where
    turned = (pl.col("requests") * share).ceil().cast(pl.Int64)
    lost = counts.filter(hit).with_columns(turned.alias("requests"))
    kept = counts.filter(hit).with_columns((pl.col("requests") - turned).alias("requests"))
    rows = [*counts.filter(~hit).iter_rows(named=True), *kept.filter(pl.col("requests") > 0).iter_rows(named=True)]
    return frame([*rows, *({**one, **look} for one in lost.filter(pl.col("requests") > 0).iter_rows(named=True))])


@dataclass(frozen=True, kw_only=True)
class Turn:
    """
    Healthy requests of one function that turn UNKNOWN: in the minutes of *span* before now, a *share* of them, or of
    those without evidence only.
    """

    function: str
    look: Row
    span: tuple[int, int]
    share: float
    only_blind: bool

    def of(self, counts: pl.DataFrame) -> pl.DataFrame:
        ago = pl.lit(NOW) - pl.col("minute")
        where = (
            (pl.col("function") == self.function)
            & (ago > timedelta(minutes=self.span[0]))
            & (ago <= timedelta(minutes=self.span[1]))
            & (pl.col("upstream_status").is_null() | (not self.only_blind))
        )
        return healthy_turned_unknown(counts, where=where, share=self.share, look=self.look)


turns = st.builds(
    Turn,
    function=names,
    look=looks,
    span=st.sampled_from([(0, 60), (0, 24 * 60), (0, WEEK), (20, 40), (60, 7 * 60)]),
    share=st.sampled_from([1.0, 0.5, 0.9, 0.05]),
    only_blind=st.booleans(),
)
losses = st.builds(
    Turn,
    function=names,
    look=st.just(BLIND),
    span=st.sampled_from([(0, 60), (0, 120), (0, 360), (0, 80 * 60)]),
    share=st.sampled_from([1.0, 0.5]),
    only_blind=st.just(False),
)


def failed_of(result: GateResult) -> set[str]:
    return {one.id for one in result.outcomes if one.state is State.FAIL}


@settings(max_examples=examples(18), deadline=None)
@given(
    st.one_of(st.just([]), events(3)), st.lists(losses, max_size=2), others, turns, st.sampled_from([True, True, False])
)
def test_fail_with_healthy_requests_turned_unknown_stays_a_fail(
    trouble: list[dict[str, object]], lost: list[Turn], around: list[dict[str, object]], turn: Turn, same: bool
) -> None:
    """
    Healthy requests that turn UNKNOWN make nothing greener: not the spikes, whose mix of functions is that of healthy
    requests, and not coverage, which looks at healthy requests.
    """
    counts = frame([*RECENT, *trouble, *around])
    for one in lost:
        counts = one.of(counts)
        turn = replace(turn, function=one.function) if same else turn
    before = gate(counts, now=NOW, baseline=BASELINE, limits=LIMITS)
    after = gate(turn.of(counts), now=NOW, baseline=BASELINE, limits=LIMITS)
    assert failed_of(before) <= failed_of(after)
    if before.state is State.FAIL:
        assert after.state is State.FAIL


def test_lost_evidence_that_turns_into_failures_at_once_stays_a_fail() -> None:
    """Sixty healthy requests without evidence fail; the same sixty as UNKNOWN failures are no burst to be cut."""
    of_pay = (pl.col("function") == "pay") & (pl.col("minute") >= NOW - timedelta(hours=2))
    lost = healthy_turned_unknown(frame(RECENT), where=of_pay, share=1.0, look=BLIND)
    failing = healthy_turned_unknown(lost, where=of_pay, share=1.0, look=UNKNOWN)
    assert failed_of(gate(lost, now=NOW, baseline=BASELINE)) == {"coverage/pay"}
    assert "coverage/pay" in failed_of(gate(failing, now=NOW, baseline=BASELINE))


def test_a_burst_in_a_function_that_has_few_unknown_leaves_a_spike_a_spike() -> None:
    """All of one function's traffic in a burst of UNKNOWN: the functions that are left do not make more usual."""
    quiet, loud = row("quiet", NOW, HEALTHY), row("loud", NOW, HEALTHY)
    past = []
    for hour in range(24 * 16):
        at = NOW - timedelta(hours=hour + 1, minutes=-7 * (hour % 8))
        past += [{**quiet, "minute": at, "requests": 400}, row("quiet", at, KNOWN, 6)]
        past += [{**loud, "minute": at, "requests": 20}, row("loud", at, KNOWN, 1), row("loud", at, UNKNOWN, 1)]
    spike = [row("quiet", NOW - timedelta(minutes=10 * slot + 5), UNKNOWN, 1) for slot in range(144)]
    counts = frame([*past, *spike])
    of_quiet = (pl.col("function") == "quiet") & (pl.col("minute") >= NOW - timedelta(hours=24))
    turned = healthy_turned_unknown(counts, where=of_quiet, share=1.0, look=UNKNOWN)
    one_slot = turned.with_columns(
        pl.when((pl.col("function") == "quiet") & (pl.col("class") == "UNKNOWN") & (pl.col("requests") > 100))
        .then(pl.lit(NOW - timedelta(hours=3)).cast(turned.schema["minute"]))
        .otherwise("minute")
        .alias("minute")
    )
    baseline = build(frame(past).filter(pl.col("minute") < NOW - timedelta(hours=168)))
    before = failed_of(gate(counts, now=NOW, baseline=baseline))
    assert "unknown-spike/24h" in before
    assert before <= failed_of(gate(frame(one_slot.iter_rows(named=True)), now=NOW, baseline=baseline))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.001, 0.9), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6)
    .map(lambda parts: [(value, least, least + more) for value, least, more in parts])
    .filter(lambda parts: any(most for _, _, most in parts))
)  # fmt: skip
def test_least_mean_is_the_least_of_all_weights_within_bounds(parts: list[tuple[float, int, int]]) -> None:
    """What is usual of all functions is the least that the window's requests allow: every corner was tried."""
    means = [
        sum(value * weight for (value, _, _), weight in zip(parts, weights, strict=True)) / sum(weights)
        for weights in product(*((least, most) for _, least, most in parts))
        if sum(weights)
    ]
    assert _least_mean(parts) == pytest.approx(min(means))


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
