"""What the gate comes to, scenario by scenario, with the numbers it says so by."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from attribute.frames import COUNTS
from attribute.gate import Check, GateResult, GateSettings, Kind, Level, Limit, RulesMark, State, Why, gate
from attribute.gate.baseline import build
from attribute.gate.limits import LimitError, NoData
from attribute.gate.shape import Shape
from attribute.gate.spike import NEW_FUNCTIONS
from attribute.rules.words import Class, Reason
from tests.gate.world import (
    BLIND,
    DAYS,
    FUNCTIONS,
    HEALTHY,
    KNOWN,
    NOW,
    REFUSED,
    START,
    UNKNOWN,
    Row,
    ago,
    calm,
    calm_rows,
    frame,
    row,
    steady,
    troubled,
    turned,
)


def only(check: Check) -> GateSettings:
    return GateSettings(checks=frozenset({check}))


def states(result: GateResult) -> dict[str, str]:
    return {outcome.id: outcome.state.value for outcome in result.outcomes}


def failing(result: GateResult) -> list[str]:
    return [outcome.id for outcome in result.outcomes if outcome.state is State.FAIL]


def test_gate_on_calm_days_passes_every_window() -> None:
    """Usual traffic passes, and each window says how much would have failed."""
    result = gate(calm(), now=NOW)
    assert result.state is State.PASS
    assert states(result) == {
        "coverage": "pass",
        "unknown-spike/1h": "pass",
        "unknown-spike/24h": "pass",
        "unknown-spike/168h": "pass",
        "refused-spike/24h": "pass",
    }
    day = next(one.spike for one in result.outcomes if one.id == "unknown-spike/24h")
    assert day is not None
    assert (day.unknown, day.incident, day.requests) == (18, 234, 4_554)
    assert day.needed is not None
    assert 18 < day.needed < 117
    assert (result.baseline.days, result.baseline.windows) == (9, (1, 24, 168))


def test_spike_of_one_function_fails_it_and_says_what_it_looks_like() -> None:
    """A function that times out without evidence fails, with its signature and shape."""
    result = gate(troubled(steady("pay", UNKNOWN, hours=6, per_slot=2)), now=NOW)
    assert result.state is State.FAIL
    found = next(one for one in result.outcomes if one.id == "unknown-spike/pay")
    assert found.shape is Shape.NO_ANSWER_ONE
    assert found.spike is not None
    assert found.spike.p_value < 0.01
    assert [(one.function, one.status, one.error_code, one.reason) for one in found.signatures] == [
        ("pay", 504, "TIMEOUT", "upstream-status-missing")
    ]
    assert found.signatures[0].requests == found.spike.unknown


def test_spike_over_many_functions_is_called_the_vendors_timeouts() -> None:
    """Functions that fail together without an answer look like the vendor."""
    extra = [one for name in FUNCTIONS for one in steady(name, UNKNOWN, hours=3, per_slot=2)]
    result = gate(troubled(extra), now=NOW)
    shapes = {one.id: one.shape for one in result.outcomes if one.state is State.FAIL}
    assert shapes["unknown-spike/24h"] is Shape.NO_ANSWER_MANY


def test_spike_over_very_many_functions_is_no_failure_of_one_or_two() -> None:
    """However many functions share a spike, and however little each has of it, none of them is singled out."""
    names = [f"f{number:02}" for number in range(12)]
    known = [row(name, START + timedelta(hours=hour), HEALTHY, 20) for name in names for hour in range(24 * DAYS)]
    hit = [one for name in names for one in steady(name, UNKNOWN, hours=3)]
    result = gate(troubled([*known, *hit]), now=NOW, settings=only(Check.SPIKE))
    shapes = {one.id: one.shape for one in result.outcomes if one.state is State.FAIL}
    assert {f"unknown-spike/{name}" for name in (*names, "24h")} <= set(shapes)
    assert set(shapes.values()) == {Shape.NO_ANSWER_MANY}


def test_spike_of_one_function_among_very_many_is_its_own() -> None:
    """A few UNKNOWN requests of each of many others do not hide whose spike it is."""
    names = [f"f{number:02}" for number in range(12)]
    known = [row(name, START + timedelta(hours=hour), HEALTHY, 20) for name in names for hour in range(24 * DAYS)]
    few = [row(name, ago(2), UNKNOWN) for name in names]
    result = gate(troubled([*known, *few, *steady("pay", UNKNOWN, hours=6, per_slot=2)]), now=NOW)
    shapes = {one.id: one.shape for one in result.outcomes if one.state is State.FAIL}
    assert shapes["unknown-spike/24h"] is shapes["unknown-spike/pay"] is Shape.NO_ANSWER_ONE


def test_lost_instrumentation_fails_coverage_without_any_failure() -> None:
    """Healthy requests that lose their evidence fail within the hour, before the next outage needs it."""
    counts = turned(calm(), function="pay", hours=2, of="none", into=BLIND)
    result = gate(counts, now=NOW)
    assert failing(result) == ["coverage/pay"]
    lost = result.outcomes[0].coverage
    assert lost is not None
    assert (lost.hours, lost.blind, lost.healthy) == (1, 60, 60)


def test_lost_instrumentation_of_failures_too_is_named_as_such() -> None:
    """Where healthy requests lost their evidence too, the spike is called a regression of the instrumentation."""
    counts = turned(calm(), function="pay", hours=12, of="none", into=BLIND)
    counts = turned(counts, function="pay", hours=12, of="vendor", into=UNKNOWN)
    result = gate(counts, now=NOW)
    assert {"coverage/pay", "unknown-spike/pay"} <= set(failing(result))
    shape = next(one.shape for one in result.outcomes if one.id == "unknown-spike/pay")
    assert shape is Shape.LOST_EVIDENCE


def test_outage_with_all_its_evidence_does_not_fail() -> None:
    """Share of requests alone would fire on any outage; known failures are no business of the gate."""
    assert gate(troubled(steady("pay", KNOWN, hours=12, per_slot=40)), now=NOW).state is State.PASS


def test_known_failures_that_stop_do_not_fail() -> None:
    """Share of incidents alone would fire when the known errors go down."""
    counts = calm().filter(~((pl.col("class") == "vendor") & (pl.col("minute") >= ago(24))))
    result = gate(counts, now=NOW)
    day = next(one.spike for one in result.outcomes if one.id == "unknown-spike/24h")
    assert day is not None
    assert day.counted == day.incident  # every incident request is UNKNOWN, and yet there are no more than usual
    assert result.state is State.PASS


def test_burst_of_two_slots_does_not_fail_and_is_said() -> None:
    """One scanner's burst neither fires the gate nor is hidden from its reader."""
    burst = [row("api", ago(1.5), UNKNOWN, 400), row("api", ago(1.3), UNKNOWN, 400)]
    result = gate(troubled(burst), now=NOW)
    assert result.state is State.PASS
    day = next(one.spike for one in result.outcomes if one.id == "unknown-spike/24h")
    assert day is not None
    assert (day.unknown, day.counted) == (818, 22)


def test_burst_without_evidence_on_top_of_usual_traffic_does_not_fail_coverage() -> None:
    """Two slots of healthy requests without evidence are a burst like any other, while the usual ones have theirs."""
    burst = [row("api", ago(0.5), BLIND, 400), row("api", ago(0.3), BLIND, 400)]
    assert gate(troubled(burst), now=NOW).state is State.PASS
    lasting = steady("api", BLIND, hours=3, per_slot=40)
    assert failing(gate(troubled(lasting), now=NOW)) == ["coverage/api"]


def test_outage_that_leaves_few_healthy_requests_is_no_lost_evidence() -> None:
    """Where all but a few requests failed with their evidence, the few UNKNOWN ones beside them are nothing new."""
    counts = turned(calm(), function="pay", hours=3, of="none", into=KNOWN)
    few = [row("pay", NOW - timedelta(minutes=10 * slot + 5), UNKNOWN, 1) for slot in range(6)]
    assert gate(frame([*counts.iter_rows(named=True), *few]), now=NOW).state is State.PASS


def test_function_whose_every_request_turns_unknown_lacks_evidence_and_is_not_called_lost_instrumentation() -> None:
    """UNKNOWN requests count with those that lack evidence; what a spike looks like goes by healthy requests alone."""
    counts = turned(calm(), function="pay", hours=6, of="none", into=UNKNOWN)
    spread = frame(
        {**one, "minute": one["minute"] + timedelta(minutes=10 * part), "requests": one["requests"] // 6}
        if one["class"] == "UNKNOWN" and one["requests"] == 60
        else {**one, "requests": one["requests"] if part == 0 else 0}
        for one in counts.iter_rows(named=True)
        for part in range(6)
        if part == 0 or (one["class"] == "UNKNOWN" and one["requests"] == 60)
    ).filter((pl.col("requests") > 0) & (pl.col("minute") < NOW))
    result = gate(spread, now=NOW)
    assert {"coverage/pay", "unknown-spike/pay"} <= set(failing(result))
    lost = next(one.coverage for one in result.outcomes if one.id == "coverage/pay")
    assert lost is not None
    assert (lost.of_healthy, lost.unknown) == (False, lost.blind)
    shape = next(one.shape for one in result.outcomes if one.id == "unknown-spike/pay")
    assert shape is Shape.NO_ANSWER_ONE


def test_flood_of_refused_requests_only_warns_and_hides_nothing() -> None:
    """Clients that send garbage cannot fail the gate, and cannot hide a spike in their number."""
    flood = steady("pay", REFUSED, hours=6, per_slot=50)
    result = gate(troubled(flood), now=NOW)
    assert result.state is State.PASS
    assert {one.id: one.level for one in result.outcomes if one.state is State.FAIL} == {
        "refused-spike/pay": Level.WARNING,
        "refused-spike/1h": Level.WARNING,
        "refused-spike/24h": Level.WARNING,
        "refused-spike/168h": Level.WARNING,
    }
    both = gate(troubled([*flood, *steady("pay", UNKNOWN, hours=6, per_slot=2)]), now=NOW)
    assert "unknown-spike/pay" in failing(both)
    strict = gate(troubled(flood), now=NOW, settings=GateSettings(refused_level=Level.ERROR))
    assert strict.state is State.FAIL


def test_spike_that_is_over_does_not_keep_the_gate_red() -> None:
    """A long window only fails while its last quarter is over the limit too."""
    counts = troubled(row("pay", ago(60) + timedelta(minutes=10 * slot), UNKNOWN, 40) for slot in range(12))
    result = gate(counts, now=NOW)
    week = next(one.spike for one in result.outcomes if one.id == "unknown-spike/168h")
    assert week is not None
    assert week.p_value < 0.01
    assert week.still_there is False
    assert result.state is State.PASS


def test_change_of_mix_is_no_spike() -> None:
    """A function that always was UNKNOWN may get more traffic."""
    odd = [row("odd", START + timedelta(hours=hour, minutes=20), UNKNOWN, 2) for hour in range(24 * 15)]
    odd += [row("odd", START + timedelta(hours=hour, minutes=21), HEALTHY, 20) for hour in range(24 * 15)]
    more = [row("odd", ago(hour - 0.2), UNKNOWN, 8) for hour in range(1, 24)]
    more += [row("odd", ago(hour - 0.3), HEALTHY, 80) for hour in range(1, 24)]
    assert gate(troubled([*odd, *more]), now=NOW).state is State.PASS


def test_bad_day_of_the_baseline_is_left_out_and_named() -> None:
    """A day that would itself have failed does not raise what is expected, and the answer names it."""
    bad = [row("pay", START + timedelta(days=3, minutes=10 * slot), UNKNOWN, 12) for slot in range(144)]
    spike = steady("pay", UNKNOWN, hours=6, per_slot=2)
    result = gate(troubled([*bad, *spike]), now=NOW)
    assert "2026-03-05" in {one.day for one in result.baseline.left_out}
    assert "unknown-spike/pay" in failing(result)


def test_gate_does_not_depend_on_the_order_of_counts() -> None:
    """The answer is one of the requests, not of how they were read."""
    counts = troubled(steady("pay", UNKNOWN, hours=6, per_slot=2))
    shuffled = counts.sample(fraction=1.0, shuffle=True, seed=3)
    ones = shuffled.with_columns(pl.col("requests").clip(upper_bound=1))
    rest = shuffled.with_columns(pl.col("requests") - 1).filter(pl.col("requests") > 0)
    halves = pl.concat([ones, rest])
    assert gate(shuffled, now=NOW) == gate(counts, now=NOW)
    assert gate(halves, now=NOW) == gate(counts, now=NOW)


# -- too little to judge -----------------------------------------------------------------------------------------------


def test_no_requests_is_inconclusive() -> None:
    """Nothing read is no pass."""
    result = gate(COUNTS.to_frame(), now=NOW)
    assert result.state is State.INCONCLUSIVE
    assert {one.why for one in result.outcomes} == {Why.NO_REQUESTS}


def test_short_log_without_baseline_is_inconclusive_and_says_how_many_days() -> None:
    """A spike needs seven days to compare with; coverage and limits are judged all the same."""
    counts = calm().filter(pl.col("minute") >= ago(72))
    result = gate(counts, now=NOW, limits=[Limit(name="most", class_=Class.UNKNOWN, max_count=10_000)])
    assert result.state is State.INCONCLUSIVE
    assert states(result) == {"unknown-spike": "inconclusive", "coverage": "pass", "limit/most": "pass"}
    assert result.outcomes[0].why is Why.NO_BASELINE
    assert result.baseline.available_days == 2


def test_one_function_with_one_request_is_inconclusive() -> None:
    """A single request judges nothing."""
    result = gate(frame([row("only", ago(0.5), UNKNOWN)]), now=NOW)
    assert result.state is State.INCONCLUSIVE
    with_past = gate(frame([row("only", ago(0.5), UNKNOWN)]), now=NOW, baseline=build(calm()))
    assert with_past.state is State.INCONCLUSIVE
    day = next(one for one in with_past.outcomes if one.id == "unknown-spike/24h")
    assert day.why is Why.TOO_FEW
    assert day.spike is not None
    assert day.spike.least_incident == 10


def test_few_failures_among_many_requests_pass() -> None:
    """A quiet service is not a lack of data: so few failures are no spike, whatever they are."""
    counts = calm().filter(~((pl.col("class") != "none") & (pl.col("minute") >= ago(168))))
    result = gate(frame([*counts.iter_rows(named=True), row("api", ago(2), UNKNOWN, 2)]), now=NOW)
    day = next(one for one in result.outcomes if one.id == "unknown-spike/24h")
    assert (day.state, day.negligible) == (State.PASS, True)
    assert result.state is State.PASS


def test_logs_that_stopped_are_inconclusive() -> None:
    """Old logs say nothing about now, however good they look."""
    result = gate(calm(), now=NOW + timedelta(hours=30))
    assert result.state is State.INCONCLUSIVE
    assert [one.id for one in result.outcomes if one.why is Why.STALE] == ["coverage", "unknown-spike/24h"]
    for check in (Check.SPIKE, Check.COVERAGE):
        assert gate(calm(), now=NOW + timedelta(hours=30), settings=only(check)).state is State.INCONCLUSIVE


def day_of(*rows: Row, days: int = DAYS) -> pl.DataFrame:
    """The calm days with *rows* in the place of the last one."""
    return frame([*(one for one in calm_rows(days) if one["minute"] < ago(24)), *rows])  # type: ignore[operator]


def few(function: str = "api") -> list[dict[str, object]]:
    """A day with too few failures to judge, and far fewer requests than usual."""
    return [row(function, ago(5), KNOWN, 4), row(function, ago(5), HEALTHY, 150)]


def whys(result: GateResult) -> dict[str, Why | None]:
    return {one.id: one.why for one in result.outcomes if one.counts_as is State.INCONCLUSIVE}


def test_last_day_that_lacks_requests_and_cannot_be_judged_is_not_passed_by_the_days_before() -> None:
    """A pass must not rest on the days before a deployment: where most of the last day is missing, that is said."""
    result = gate(day_of(*few()), now=NOW)
    assert result.state is State.INCONCLUSIVE
    assert states(result)["unknown-spike/168h"] == "pass"
    assert whys(result) == {"unknown-spike/24h": Why.LACKING}
    assert (result.volume.last_day, result.volume.usual_day, result.volume.lacking) == (154, 4_554, True)


def test_last_day_with_few_failures_of_as_many_requests_as_usual_is_passed_by_the_week() -> None:
    """A quiet day is no lack of data: the longer window decides."""
    small = calm().with_columns(
        pl.when(pl.col("class") == "none").then(10).otherwise(pl.col("requests")).alias("requests")
    )
    quiet = small.filter((pl.col("class") == "none") | (pl.col("minute") < ago(24)))
    result = gate(frame([*quiet.iter_rows(named=True), row("api", ago(5), KNOWN, 4)]), now=NOW)
    day = next(one for one in result.outcomes if one.id == "unknown-spike/24h")
    assert (day.why, day.counts_as, result.volume.lacking) == (Why.TOO_FEW, None, False)
    assert result.state is State.PASS


def test_weekends_with_few_requests_are_no_lack_of_them() -> None:
    """What is usual is what nine in ten days have, so that the quiet days of each week are usual, too."""
    minute = pl.col("minute")
    quiet = minute.dt.weekday() > 5
    counts = calm().filter(~quiet | (minute.dt.hour() == 12))
    sunday = START + timedelta(days=14)
    assert not gate(counts.filter(minute < sunday), now=sunday).volume.lacking


@pytest.mark.parametrize("with_baseline", [True, False])
def test_rejected_lines_are_not_diluted_by_the_days_before(with_baseline: bool) -> None:
    """Whether the history comes as logs or as a baseline, rejects in the place of today's requests are too many."""
    counts, past = day_of(*few(), row("api", ago(5), UNKNOWN, 20)), build(calm())
    today = counts.filter(pl.col("minute") >= ago(24))
    read = today if with_baseline else counts
    result = gate(
        read, now=NOW, rejected=3_000, records=int(read["requests"].sum()), baseline=past if with_baseline else None
    )
    assert whys(result)["input"] is Why.REJECTS
    usual = gate(calm(), now=NOW, rejected=5_000, records=int(calm()["requests"].sum()))
    assert usual.state is State.PASS  # as many as came in a day, over sixteen days, of which the last lacks nothing


UNTIMED = [row("pay", None, UNKNOWN, 3_000)]
AHEAD = [row("pay", NOW + timedelta(minutes=40), UNKNOWN, 3_000)]


@pytest.mark.parametrize("lost", [UNTIMED, AHEAD])
@pytest.mark.parametrize("with_baseline", [True, False])
def test_requests_whose_time_says_nothing_are_no_pass(lost: list[Row], with_baseline: bool) -> None:
    """Where most of what came today lies in no window, what does is no sample of it."""
    today = [*few(), row("api", ago(5), KNOWN, 200), *lost]
    counts = frame(today) if with_baseline else day_of(*today)
    result = gate(counts, now=NOW, baseline=build(calm()) if with_baseline else None)
    assert result.state is State.INCONCLUSIVE
    assert whys(result)["input"] is Why.UNTIMED


def test_function_that_never_has_a_time_does_not_keep_the_others_from_being_judged() -> None:
    """Untimed requests of all the days are not held against one of them, as long as that lacks none."""
    result = gate(troubled([row("odd", None, HEALTHY, 30_000)]), now=NOW)
    assert (result.volume.lacking, result.state) == (False, State.PASS)


def test_requests_after_a_now_that_somebody_chose_are_none_of_its_business() -> None:
    """Judging as of a moment amid the logs says nothing of the times of what came later."""
    counts = troubled([row("api", NOW + timedelta(hours=hour), HEALTHY, 9_000) for hour in range(240)])
    assert gate(counts, now=NOW, as_of=True).state is State.PASS
    assert whys(gate(counts, now=NOW))["input"] is Why.UNTIMED


@pytest.mark.parametrize("lost", [UNTIMED, AHEAD])
@pytest.mark.parametrize(
    ("limit", "state"),
    [
        (Limit(name="x", class_=Class.UNKNOWN, max_share=0.5, over_hours=24), State.INCONCLUSIVE),
        (Limit(name="x", class_=Class.UNKNOWN, max_count=5, over_hours=24), State.INCONCLUSIVE),
        (
            Limit(name="x", class_=Class.UNKNOWN, max_count=5, over_hours=24, on_no_data=NoData.FAIL),
            State.FAIL,
        ),
        (Limit(name="x", class_=Class.VENDOR, max_count=5, over_hours=24), State.FAIL),
        (Limit(name="x", function="api", class_=Class.UNKNOWN, max_count=5, over_hours=24), State.PASS),
    ],
)
def test_limit_on_the_last_hours_is_not_kept_by_requests_without_a_time(
    limit: Limit, state: State, lost: list[Row]
) -> None:
    """What has no place in its hours may exceed it: that is too little data, of its own functions alone."""
    counts = frame([row("api", ago(5), KNOWN, 30), row("api", ago(5), HEALTHY, 150), *lost])
    result = gate(counts, now=NOW, limits=[limit], settings=only(Check.LIMITS))
    assert result.state is state
    assert result.outcomes[0].why is (Why.UNTIMED if result.outcomes[0].state is State.INCONCLUSIVE else None)


def test_limit_on_everything_counts_untimed_requests_and_judges_by_them() -> None:
    """Logs without times are judged by limits over all of them."""
    limit = Limit(name="x", class_=Class.UNKNOWN, max_share=0.5)
    assert gate(frame(UNTIMED), now=NOW, limits=[limit], settings=only(Check.LIMITS)).state is State.FAIL


def test_day_of_refused_requests_alone_is_said_to_be_that() -> None:
    """A day whose every request was refused has requests, and nothing to judge by."""
    result = gate(day_of(*steady("api", REFUSED, hours=24, per_slot=20)), now=NOW)
    assert result.state is State.INCONCLUSIVE
    assert {one.id for one in result.outcomes if one.why is Why.REFUSED} == {"coverage", "unknown-spike/24h"}
    assert (result.volume.last_day, result.volume.refused) == (0, 2_880)


def test_function_that_fell_silent_is_named_and_not_counted_as_judged() -> None:
    """The days before do not make a function judged of which the last has no request."""
    counts = calm().filter(~((pl.col("function") == "pay") & (pl.col("minute") >= ago(24))))
    seldom = [row("seldom", START + timedelta(days=day), HEALTHY, 40) for day in range(0, DAYS - 1, 3)]
    result = gate(frame([*counts.iter_rows(named=True), *seldom]), now=NOW)
    report = next(one.coverage_report for one in result.outcomes if one.id == "coverage")
    assert report is not None
    assert (report.tested, report.hours, report.healthy) == (("api", "sync"), 24, 2_880)
    assert result.volume.silent == ("pay",)


def renamed(look: Row) -> pl.DataFrame:
    """Two of three functions are called otherwise since a day, and their healthy requests look like that."""
    new = {"api": "api", "pay": "pay-v2", "sync": "sync-v2"}
    rows = [
        one if one["minute"] < ago(24) or one["function"] == "api"  # type: ignore[operator]
        else {**one, "function": new[str(one["function"])], **(look if one["class"] == "none" else {})}
        for one in calm_rows()
    ]  # fmt: skip
    return frame(rows)


def test_coverage_of_new_functions_that_say_nothing_is_not_passed() -> None:
    """Nobody knows whether functions lost their evidence that the baseline does not know: most of them is too many."""
    result = gate(renamed(BLIND), now=NOW)
    assert result.state is State.INCONCLUSIVE
    assert whys(result) == {"coverage": Why.NEW_FUNCTIONS}


def test_coverage_of_new_functions_with_their_evidence_passes_and_names_them() -> None:
    """New functions that say what their upstream answered have lost nothing; how much they are is said."""
    result = gate(renamed(HEALTHY), now=NOW)
    assert result.state is State.PASS
    report = next(one.coverage_report for one in result.outcomes if one.id == "coverage")
    assert report is not None
    assert dict(report.new) == {"pay-v2": 1_518, "sync-v2": 1_518}
    assert (report.requests, report.tested) == (4_554, ("api",))


def silenced(counts: pl.DataFrame, *, hours: int, function: str | None = None) -> pl.DataFrame:
    """Twelve days, too few for the week's window, without what was logged in the last *hours* by one or by all."""
    counts = counts.filter(pl.col("minute") >= ago(24 * 12))
    whose = pl.lit(value=True) if function is None else pl.col("function") == function
    return counts.filter(~(whose & (pl.col("minute") >= ago(hours))))


def test_spike_after_which_nothing_was_logged_is_inconclusive_and_says_since_when() -> None:
    """Nobody knows whether it is over: an empty last quarter is no proof that it is."""
    counts = silenced(troubled(steady("pay", UNKNOWN, hours=13, per_slot=3)), hours=7)
    result = gate(counts, now=NOW, settings=only(Check.SPIKE))
    assert result.state is State.INCONCLUSIVE
    silent = {one.id: one for one in result.outcomes if one.why is Why.SILENT}
    assert set(silent) == {"unknown-spike/24h", "unknown-spike/pay"}
    for one in silent.values():
        assert one.spike is not None
        assert (one.state, one.counts_as, one.spike.still_there, one.spike.silent) == (
            State.INCONCLUSIVE, State.INCONCLUSIVE, False, True,
        )  # fmt: skip
        assert one.silent_since == ago(7) - timedelta(minutes=5)
        assert one.shape is Shape.NO_ANSWER_ONE


def test_function_that_is_silent_after_a_spike_is_inconclusive_though_others_go_on() -> None:
    """A function that failed without evidence and was not heard of since may be gone, not well."""
    counts = silenced(troubled(steady("pay", UNKNOWN, hours=13, per_slot=3)), hours=7, function="pay")
    result = gate(counts, now=NOW, settings=only(Check.SPIKE))
    assert result.state is State.INCONCLUSIVE
    assert [one.id for one in result.outcomes if one.why is Why.SILENT] == ["unknown-spike/pay"]
    one_healthy = frame([*counts.iter_rows(named=True), row("pay", ago(0.2), HEALTHY)])
    assert gate(one_healthy, now=NOW, settings=only(Check.SPIKE)).state is State.PASS


def test_quiet_night_stays_a_pass() -> None:
    """A window that would not have failed anyway does not need its last quarter."""
    result = gate(silenced(calm(), hours=7), now=NOW)
    assert result.state is State.PASS
    assert not [one for one in result.outcomes if one.why is Why.SILENT]


def test_flood_of_refused_requests_after_which_nothing_was_logged_changes_nothing() -> None:
    """What only warns cannot keep the gate from passing either, unless it is asked to fail."""
    counts = silenced(troubled(steady("pay", REFUSED, hours=13, per_slot=50)), hours=7)
    result = gate(counts, now=NOW)
    assert result.state is State.PASS
    assert [one.id for one in result.outcomes if one.why is Why.SILENT] == ["refused-spike/pay", "refused-spike/24h"]
    assert gate(counts, now=NOW, settings=GateSettings(refused_level=Level.ERROR)).state is State.INCONCLUSIVE


def test_refused_requests_in_the_last_quarter_do_not_show_that_a_spike_is_over() -> None:
    """What never gets as far as a call says nothing of those that do; one healthy request does."""
    counts = silenced(troubled(steady("pay", UNKNOWN, hours=13, per_slot=3)), hours=7)
    whys = []
    for late in (REFUSED, HEALTHY):
        result = gate(frame([*counts.iter_rows(named=True), row("pay", ago(1), late)]), now=NOW)
        whys.append({one.why for one in result.outcomes if one.spike is not None and one.spike.stands_out})
    assert Why.SILENT in whys[0]
    assert Why.SILENT not in whys[1]


def test_lost_evidence_after_which_nothing_was_logged_is_inconclusive() -> None:
    """Coverage knows no better than a spike whether it is over."""
    lost = turned(calm(), function="pay", hours=14, of="none", into=BLIND)
    result = gate(silenced(lost, hours=7), now=NOW, settings=only(Check.COVERAGE))
    assert result.state is State.INCONCLUSIVE
    (one,) = result.outcomes
    assert (one.id, one.why) == ("coverage/pay", Why.SILENT)
    assert one.coverage is not None
    assert (one.coverage.hours, one.coverage.stands_out, one.coverage.fails) == (24, True, False)
    assert one.silent_since is not None
    assert ago(8) <= one.silent_since < ago(7)


def test_lost_evidence_that_is_back_passes_and_is_not_called_usual() -> None:
    """What was lost for a time and came back is said."""
    lost = turned(calm(), function="pay", hours=14, of="none", into=BLIND)
    back = turned(lost, function="pay", hours=7, of="none", into=HEALTHY)
    result = gate(back, now=NOW, settings=only(Check.COVERAGE))
    assert result.state is State.PASS
    report = result.outcomes[0].coverage_report
    assert report is not None
    assert report.over == ("pay",)


def test_coverage_alone_where_nothing_has_evidence_is_inconclusive() -> None:
    """Where no function has evidence to lose no check could have failed; beside others that could, it has no say."""
    blind = frame({**one, "upstream_status": None} for one in calm_rows() if one["class"] == "none")
    alone = gate(blind, now=NOW, settings=only(Check.COVERAGE))
    assert alone.state is State.INCONCLUSIVE
    assert [(one.why, one.counts_as) for one in alone.outcomes] == [(Why.NO_EVIDENCE, None)]
    rest = frame([*blind.iter_rows(named=True), *(one for one in calm_rows() if one["class"] != "none")])
    assert gate(rest, now=NOW).state is State.PASS


def test_coverage_alone_says_which_days_it_used() -> None:
    """What was compared with is said, whoever compared."""
    use = gate(calm(), now=NOW, settings=only(Check.COVERAGE)).baseline
    assert (use.days, use.first_day, use.last_day) == (13, "2026-03-02", "2026-03-14")
    assert (use.available_days, use.for_coverage, use.windows) == (15, True, ())
    both = gate(calm(), now=NOW).baseline
    assert (both.days, both.for_coverage) == (9, False)
    assert (
        gate(calm(), now=NOW, settings=only(Check.LIMITS), limits=[Limit(name="x", max_count=9**9)]).baseline.days == 0
    )


def test_functions_that_are_called_like_an_id_of_ours_get_ids_of_their_own() -> None:
    """A log may call its functions as it likes: no two checks of an answer share an id."""
    names = ("24h", "function 24h", NEW_FUNCTIONS, "new-a", "new-b")
    rows = [one for name in names for one in steady(name, UNKNOWN, hours=6, per_slot=3)]
    known = [row(name, START + timedelta(hours=hour), HEALTHY, 20) for name in names[:3] for hour in range(380)]
    ids = [one.id for one in gate(troubled([*rows, *known]), now=NOW).outcomes]
    assert len(ids) == len(set(ids))
    assert {
        "unknown-spike/24h",
        "unknown-spike/function 24h",
        "unknown-spike/function function 24h",
        f"unknown-spike/function {NEW_FUNCTIONS}",
        f"unknown-spike/{NEW_FUNCTIONS}",
    } <= set(ids)


def test_function_that_is_called_like_the_pool_is_not_taken_for_it() -> None:
    """The pool is no function: its numbers and its signatures are not those of a function of that name."""
    known = [row(NEW_FUNCTIONS, START + timedelta(hours=hour), HEALTHY, 20) for hour in range(380)]
    named = steady(NEW_FUNCTIONS, UNKNOWN, hours=6, per_slot=3)
    result = gate(troubled([*known, *named, *steady("new", UNKNOWN, hours=6, per_slot=2)]), now=NOW)
    found = {one.spike.pooled: one for one in result.outcomes if one.spike and one.spike.function == NEW_FUNCTIONS}
    assert {pooled: one.signatures[0].function for pooled, one in found.items()} == {True: "new", False: NEW_FUNCTIONS}
    assert {pooled: one.spike.unknown for pooled, one in found.items() if one.spike} == {True: 72, False: 108}


def test_baseline_of_other_rules_is_not_compared_with() -> None:
    """Verdicts of other rules cannot be compared; the gate says so and does not pass."""
    ours, theirs = (
        RulesMark(version="m1/1", sha256="a", thresholds="t"),
        RulesMark(version="m1/2", sha256="b", thresholds="t"),
    )
    result = gate(calm(), now=NOW, baseline=build(calm(), rules=theirs), rules=ours)
    assert result.state is State.INCONCLUSIVE
    assert {one.why for one in result.outcomes if one.counts_as is State.INCONCLUSIVE} == {Why.OTHER_RULES}


def test_baseline_of_the_future_is_none() -> None:
    """Time that goes backwards leaves nothing to compare with."""
    result = gate(calm(2), now=START + timedelta(days=1), baseline=build(calm().filter(pl.col("minute") >= ago(240))))
    assert result.state is State.INCONCLUSIVE
    assert result.baseline.available_days == 0


def test_most_lines_rejected_is_inconclusive() -> None:
    """Where most lines are broken, the rest is no sample."""
    result = gate(calm(), now=NOW, rejected=30_000, records=20_000)
    assert result.state is State.INCONCLUSIVE
    assert result.outcomes[0].why is Why.REJECTS


def test_fail_stands_whatever_else_could_not_be_judged() -> None:
    """Too many rejects do not take back what was seen."""
    counts = troubled(steady("pay", UNKNOWN, hours=6, per_slot=2))
    assert gate(counts, now=NOW, rejected=30_000, records=20_000).state is State.FAIL


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "state", "part", "whole"),
    [
        (Limit(name="a", class_=Class.UNKNOWN, max_share=0.10, over_hours=24), State.PASS, 18, 234),
        (Limit(name="b", class_=Class.UNKNOWN, max_share=0.07, over_hours=24), State.FAIL, 18, 234),
        (Limit(name="c", class_=Class.VENDOR, max_count=215, over_hours=24), State.FAIL, 216, 234),
        (Limit(name="d", function="p*", max_count=78, over_hours=24), State.PASS, 78, 78),
        (
            Limit(name="e", reason=Reason.UPSTREAM_5XX, max_share=0.0, over_hours=1, min_requests=11),
            State.INCONCLUSIVE, 9, 10,
        ),
        (
            Limit(name="f", class_=Class.UNKNOWN, max_share=0.5, over_hours=24, min_requests=235),
            State.INCONCLUSIVE, 18, 234,
        ),
    ],
)  # fmt: skip
def test_limit_counts_what_it_is_about(limit: Limit, state: State, part: int, whole: int) -> None:
    """A limit counts its class, function and reason over its span, and judges only enough of them."""
    result = gate(calm(), now=NOW, limits=[limit])
    found = next(one.limit for one in result.outcomes if one.limit is not None)
    assert found is not None
    assert (found.state, found.part, found.whole) == (state, part, whole)


def test_limit_on_a_function_that_is_nowhere_is_refused() -> None:
    """A misspelt name must not pass for want of data; the hint names what was meant."""
    with pytest.raises(LimitError, match="no function `payy`") as caught:
        gate(calm(), now=NOW, limits=[Limit(name="x", function="payy", max_count=1)])
    assert caught.value.exit_code == 2
    assert caught.value.hint == "did you mean `pay`?"


def test_limit_on_a_function_of_the_baseline_alone_is_accepted() -> None:
    """A function that fell silent exists: the limit then has no data, which is said."""
    counts = calm().filter(pl.col("function") != "pay")
    limit = Limit(name="x", function="pay", max_share=0.1)
    result = gate(counts, now=NOW, limits=[limit], baseline=build(calm()))
    found = next(one for one in result.outcomes if one.limit is not None)
    assert (found.state, found.counts_as) == (State.INCONCLUSIVE, State.INCONCLUSIVE)


def test_limit_on_a_reason_of_another_class_is_refused() -> None:
    """A limit that could never be exceeded is a mistake."""
    limit = Limit(name="x", class_=Class.VENDOR, reason=Reason.UPSTREAM_STATUS_MISSING, max_count=1)
    with pytest.raises(LimitError, match="never goes with"):
        gate(calm(), now=NOW, limits=[limit])


@pytest.mark.parametrize(
    ("on_no_data", "state"),
    [
        (NoData.INCONCLUSIVE, State.INCONCLUSIVE),
        (NoData.FAIL, State.FAIL),
        (NoData.WARN, State.PASS),
        (NoData.PASS, State.PASS),
    ],
)
def test_limit_without_data_does_what_it_says(on_no_data: NoData, state: State) -> None:
    """Too little data is what the limit says it is, and a pass only where it says so."""
    limit = Limit(name="x", class_=Class.UNKNOWN, max_share=0.5, over_hours=1, min_requests=99, on_no_data=on_no_data)
    assert gate(calm(), now=NOW, limits=[limit]).state is state


@pytest.mark.parametrize(
    ("on_no_data", "state"),
    [
        (None, State.PASS),
        (NoData.INCONCLUSIVE, State.INCONCLUSIVE),
        (NoData.FAIL, State.FAIL),
        (NoData.WARN, State.PASS),
        (NoData.PASS, State.PASS),
    ],
)
def test_limit_on_few_failures_of_many_requests_does_what_it_says(on_no_data: NoData | None, state: State) -> None:
    """So few failures pass by themselves only where nobody said what too little data comes to."""
    counts = frame([row("api", ago(1), HEALTHY, 20_000), row("api", ago(1), UNKNOWN, 90)])
    limit = Limit(name="x", class_=Class.UNKNOWN, max_share=0.05, min_requests=100, on_no_data=on_no_data)
    result = gate(counts, now=NOW, limits=[limit], settings=only(Check.LIMITS))
    assert result.state is state
    assert result.outcomes[0].state is (State.PASS if on_no_data is None else State.INCONCLUSIVE)


def test_kinds_add_up_to_unknown() -> None:
    """Every UNKNOWN request is of exactly one kind."""
    counts = troubled(
        [row("api", ago(2), REFUSED, 5), row("api", ago(2), UNKNOWN | {"status": 404, "upstream_status": 404}, 3)]
    )
    numbers = gate(counts, now=NOW).numbers
    tests = {
        (one.spike.kind, one.spike.hours): one.spike.unknown
        for one in gate(counts, now=NOW).outcomes
        if one.spike is not None and one.spike.function is None
    }
    assert numbers.refused == 5
    assert tests[Kind.REFUSED, 24] == 5
    assert tests[Kind.UNEXPLAINED, 24] == 18 + 3
