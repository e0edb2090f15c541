from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.frames import COUNTS
from attribute.incidents import Incident, IncidentSettings, belongs, group, tag, touches
from attribute.rollup import Rollup, empty, merge
from attribute.rules.words import Class
from tests.incidents.build import MONDAY, Log, at, hour_log, week_log

FIVE = ("auth", "export", "import", "search", "sync")


def only(found: tuple[Incident, ...]) -> Incident:
    assert len(found) == 1, [one.id for one in found]
    return found[0]


def summary(found: tuple[Incident, ...]) -> list[tuple[str, tuple[str, ...], int, int]]:
    """Class, functions in the alphabet's order, first minute and the one after the last."""
    return [
        (
            str(one.class_),
            tuple(sorted(one.functions)),
            (one.started_at - MONDAY) // timedelta(minutes=1),
            (one.ended_at - MONDAY) // timedelta(minutes=1),
        )
        for one in found
    ]


# -- what is one incident, and what is two -----------------------------------------------------------------------------


def test_vendor_outage_over_five_functions_is_one_incident() -> None:
    """The vendor went down once, however many functions saw it."""
    log = hour_log(FIVE).trouble(range(20, 35), FIVE, "vendor")
    assert summary(group(log.counts)) == [("vendor", FIVE, 20, 35)]


def test_vendor_outage_that_functions_notice_one_after_another_is_one_incident() -> None:
    """A quiet function notices late; it is the same outage."""
    log = hour_log(FIVE)
    for place, function in enumerate(FIVE):
        log.trouble(range(10 + 6 * place, 20 + 6 * place), [function], "vendor")
    assert summary(group(log.counts)) == [("vendor", FIVE, 10, 44)]


def test_two_bugs_at_different_times_are_two_incidents() -> None:
    """Two applications that fail at once but not from the same minute on have two bugs."""
    log = hour_log().trouble(range(10, 50), ["auth"], "application").trouble(range(25, 50), ["sync"], "application")
    assert summary(group(log.counts)) == [("application", ("auth",), 10, 50), ("application", ("sync",), 25, 50)]


def test_two_functions_that_fail_from_one_release_on_are_one_incident() -> None:
    """What starts within five minutes was shipped together."""
    log = hour_log().trouble(range(10, 50), ["auth"], "application").trouble(range(13, 30), ["sync"], "application")
    assert summary(group(log.counts)) == [("application", ("auth", "sync"), 10, 50)]


def test_vendor_outage_and_a_bug_at_once_are_two_incidents() -> None:
    """Classes are never mixed: each has its own cure."""
    log = hour_log().trouble(range(10, 30), ["auth"], "vendor").trouble(range(10, 30), ["sync"], "application")
    assert summary(group(log.counts)) == [("vendor", ("auth",), 10, 30), ("application", ("sync",), 10, 30)]


def test_recovered_traffic_ends_an_incident() -> None:
    """Two outages with two good hours between them are two."""
    log = Log().traffic(range(360), ["sync"])
    log.trouble(range(60, 80), ["sync"], "vendor").trouble(range(200, 220), ["sync"], "vendor")
    assert summary(group(log.counts)) == [("vendor", ("sync",), 60, 80), ("vendor", ("sync",), 200, 220)]


def test_quiet_night_does_not_end_an_incident() -> None:
    """Nobody asked for six hours, so nobody knows that it was over."""
    log = Log().traffic(range(60), ["sync"]).traffic(range(450, 500), ["sync"])
    log.trouble([*range(40, 60), *range(450, 470)], ["sync"], "vendor")
    assert summary(group(log.counts)) == [("vendor", ("sync",), 40, 470)]


def test_silence_of_more_than_half_a_day_ends_an_incident() -> None:
    """Past twelve hours without a request, nothing is one incident any more."""
    log = Log().traffic(range(60), ["sync"]).traffic(range(800, 860), ["sync"])
    log.trouble([*range(40, 60), *range(800, 820)], ["sync"], "vendor")
    assert summary(group(log.counts)) == [("vendor", ("sync",), 40, 60), ("vendor", ("sync",), 800, 820)]


def test_incident_that_is_back_within_the_hour_is_reopened() -> None:
    """Recovered, and down again after forty minutes: one incident."""
    log = Log().traffic(range(240), ["sync"])
    log.trouble([*range(60, 80), *range(120, 140)], ["sync"], "vendor")
    assert summary(group(log.counts)) == [("vendor", ("sync",), 60, 140)]


def test_flapping_vendor_is_one_incident() -> None:
    """Three minutes down, seven up, for two hours."""
    log = Log().traffic(range(300), ["sync"])
    log.trouble([minute for minute in range(60, 180) if minute % 10 < 3], ["sync"], "vendor")
    assert summary(group(log.counts)) == [("vendor", ("sync",), 60, 173)]


# -- UNKNOWN -----------------------------------------------------------------------------------------------------------


def test_timeouts_without_status_are_part_of_the_vendor_outage_they_fall_into() -> None:
    """UNKNOWN requests stay UNKNOWN, but the incident says how many of them came with it."""
    log = hour_log(FIVE).trouble(range(20, 40), FIVE, "vendor", 3)
    for minute in range(18, 40):
        log.add(minute, "sync", 2, "UNKNOWN")
    got = only(group(log.counts))
    assert (got.class_, got.requests, got.unknown_requests) == (Class.VENDOR, 300, 44)
    assert (got.started_at, got.ended_at) == (at(18), at(40))
    assert got.reasons == (("upstream-5xx", 300), ("upstream-status-missing", 44))


@pytest.mark.parametrize(
    "says",
    [
        {"status": 400, "upstream_status": 400, "reason": "upstream-4xx-function-4xx"},
        {"status": 500, "upstream_status": 401, "reason": "upstream-4xx-function-5xx"},
        {"status": 503, "upstream_status": 429, "reason": "upstream-429"},
        {"status": 500, "upstream_status": -1, "reason": "upstream-status-invalid"},
        {"status": 200, "upstream_status": None, "reason": "upstream-status-missing"},
        {"status": 200, "upstream_status": 200, "reason": "latency-split-unclear"},
    ],
    ids=lambda says: says["reason"],
)
def test_unknown_with_evidence_of_its_own_is_no_part_of_a_vendor_outage(says: dict[str, object]) -> None:
    """Bad requests of callers, limits that were run into and the like: an outage beside them does not explain them."""
    log = hour_log(FIVE).trouble(range(20, 40), FIVE, "vendor", 3)
    for minute in range(20, 40):
        log.add(minute, "sync", 6, "UNKNOWN", **says)
        log.add(minute, "sync", 2, "UNKNOWN")  # even where some timeouts lie among them
    found = group(log.counts)
    assert [(one.class_, one.requests, one.unknown_requests) for one in found] == [
        (Class.VENDOR, 300, 0),
        (Class.UNKNOWN, 160, 0),
    ]


@pytest.mark.parametrize(("unknown", "attached"), [(15, True), (16, False)])
def test_vendor_outage_is_mostly_the_vendor_by_evidence(unknown: int, attached: bool) -> None:
    """However many requests nobody can explain: a few failures of the vendor do not take them all with them."""
    log = hour_log(FIVE).trouble(range(20, 40), FIVE, "vendor", 3)
    for minute in range(20, 40):
        log.add(minute, "sync", unknown, "UNKNOWN")
    found = group(log.counts)
    assert [(one.class_, one.requests, one.unknown_requests) for one in found] == (
        [(Class.VENDOR, 300, 300)] if attached else [(Class.VENDOR, 300, 0), (Class.UNKNOWN, 320, 0)]
    )


def test_unknown_stretch_elsewhere_or_of_other_functions_stays_an_incident_of_its_own() -> None:
    """Half of it must lie in the outage, and they must share a function."""
    log = Log().traffic(range(300), FIVE).trouble(range(20, 40), ["auth"], "vendor")
    log.trouble(range(20, 40), ["sync"], "UNKNOWN").trouble(range(200, 220), ["auth"], "UNKNOWN")
    assert summary(group(log.counts)) == [
        ("vendor", ("auth",), 20, 40),
        ("UNKNOWN", ("sync",), 20, 40),
        ("UNKNOWN", ("auth",), 200, 220),
    ]


def test_burst_of_refused_requests_is_no_incident() -> None:
    """One client without credentials, however loud, is not trouble of ours: its requests count and no more."""
    log = hour_log()
    for minute in range(30, 36):
        log.add(minute, "auth", 400, "refused")
    assert group(log.counts) == ()


def test_refused_requests_that_go_on_are_an_incident() -> None:
    """Half of all clients refused for an hour is more than one client."""
    log = hour_log()
    for minute in range(60):
        log.add(minute, "auth", 4, "refused")
    assert summary(group(log.counts)) == [("UNKNOWN", ("auth",), 0, 60)]


# -- with little data, and with enough ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("failures", "incidents"), [(4, 0), (5, 1)])
def test_hour_without_history_has_an_incident_from_five_requests_on(failures: int, incidents: int) -> None:
    """With nothing to compare with, five requests and five per cent are the limit."""
    log = Log().traffic(range(20), ["sync"], 1)
    for minute in range(failures):
        log.add(20 + minute, "sync", 1, "application")
    assert len(group(log.counts)) == incidents


def test_hour_without_history_has_no_incident_under_five_per_cent() -> None:
    """Nine failures among two hundred requests are the daily bread of some applications."""
    log = Log().traffic(range(60), ["sync"], 40)
    for minute in range(0, 60, 2):
        log.add(minute, "sync", 2, "application")
    assert group(log.counts) == ()


def test_ordinary_week_has_no_incident() -> None:
    """A stray failure now and then is no incident."""
    assert group(week_log().counts) == ()


def sparse_log() -> Log:
    """Fifteen days of eight functions that are hardly used, with a stray failure now and then."""
    log = Log()
    for number, minute in enumerate(range(0, 15 * 1440, 20)):
        log.add(minute, f"f{number % 8}", 1, "vendor" if number % 100 == 99 else "none")
    return log


def test_outage_that_each_function_saw_once_is_one_vendor_incident() -> None:
    """Of a small application's vendor outage no function shows anything alone; all of them together do."""
    log = sparse_log()
    assert group(log.counts) == ()
    down = range(14 * 1440 + 600, 14 * 1440 + 720, 20)
    names = [f"f{minute // 20 % 8}" for minute in down]
    for minute, name in zip(down, names, strict=True):
        log.trouble([minute], [name], "vendor", 1)
    got = only(group(log.counts))
    assert summary((got,)) == [("vendor", tuple(sorted(names)), down[0], down[-1] + 1)]
    assert (got.requests, got.unknown_requests, got.severity) == (6, 0, 1)
    assert {span.requests for span in got.spans} == {1}


def test_bugs_that_each_function_saw_once_are_no_incident() -> None:
    """A vendor is what functions have in common; failures of their own are not added up."""
    log = sparse_log()
    for minute in range(14 * 1440 + 600, 14 * 1440 + 720, 20):
        log.trouble([minute], [f"f{minute // 20 % 8}"], "application", 1)
    assert group(log.counts) == ()


def test_function_newer_than_its_baseline_leans_on_the_others() -> None:
    """What was deployed this morning and fails ever since is an incident, though nobody knows what is usual for it."""
    log = week_log(every=5)
    log.trouble(range(6 * 1440 + 600, 6 * 1440 + 630, 2), ["brand-new"], "application")
    counts = log.counts
    cut = at(6 * 1440)
    got = group(counts.filter(pl.col("minute") >= cut), history=counts.filter(pl.col("minute") < cut))
    assert summary(got) == [("application", ("brand-new",), 6 * 1440 + 600, 6 * 1440 + 629)]


def test_usual_trouble_is_no_incident_where_the_unusual_is() -> None:
    """A function that always refuses a tenth of its requests has an incident only when it is more."""
    log = week_log(every=2)
    for minute in range(0, 7 * 1440, 10):
        log.add(minute, "sync", 2, "application")
    assert group(log.counts) == ()
    log.trouble(range(5 * 1440 + 600, 5 * 1440 + 630, 2), ["sync"], "application")
    got = only(group(log.counts))
    assert summary((got,)) == [("application", ("sync",), 7800, 7829)]
    assert got.baseline_share is not None
    assert 0.05 < got.baseline_share < 0.15


def test_history_teaches_what_is_usual_and_adds_no_incident_of_its_own() -> None:
    """An hour of logs beside a week of counts is judged by the week."""
    log = week_log()
    for minute in range(0, 7 * 1440, 10):
        log.add(minute, "sync", 6, "application")
    log.trouble(range(1000, 1030), ["auth"], "vendor")
    history, hour = log.counts, Log().traffic(range(7 * 1440, 7 * 1440 + 60), ["sync"], 20)
    for minute in range(7 * 1440, 7 * 1440 + 60):
        hour.add(minute, "sync", 3, "application")
    assert [one.class_ for one in group(hour.counts)] == [Class.APPLICATION]
    assert group(hour.counts, history=history) == ()
    assert [one.class_ for one in group(history)] == [Class.VENDOR]


def test_no_requests_and_untimed_requests_have_no_incidents() -> None:
    """Without a time, a request can be part of no stretch of time."""
    assert group(COUNTS.to_frame()) == ()
    log = hour_log().trouble(range(20, 35), ["sync"], "vendor")
    timed = group(log.counts)
    log.add(None, "sync", 100_000, "vendor")
    assert group(log.counts) == timed
    assert group(log.counts.filter(pl.col("minute").is_null())) == ()


# -- what an incident says ---------------------------------------------------------------------------------------------


def test_incident_says_all_that_was_seen_in_it() -> None:
    """Every field, of one partial outage in two functions."""
    log = Log().traffic(range(60), ["auth", "sync"], 4)
    log.trouble(range(20, 30), ["auth"], "vendor", 4, upstream="mail")
    log.trouble(range(22, 24), ["sync"], "vendor", 6, status=503, error_code=None)
    got = only(group(log.counts))
    spans, points = got.spans, got.points
    assert [(span.function, span.started_at, span.ended_at, span.requests) for span in spans] == [
        ("auth", at(20), at(30), 40),
        ("sync", at(22), at(24), 12),
    ]
    assert [(point.minute, point.requests, point.total, point.hot) for point in points] == [
        (at(minute), 10 if minute in {22, 23} else 4, 10 if minute in {22, 23} else 4, True) for minute in range(20, 30)
    ]
    assert got == Incident(
        id="V-20261116-0020-" + got.id[-4:],
        class_=Class.VENDOR,
        started_at=at(20),
        ended_at=at(30),
        ongoing=False,
        functions=("auth", "sync"),
        requests=52,
        unknown_requests=0,
        total_requests=52,
        expected_requests=got.expected_requests,
        excess=52 - got.expected_requests,
        baseline_share=None,
        outage_minutes=(52 - got.expected_requests) * 60 / 484,
        severity=2,
        hot_minutes=10,
        peak_share=1.0,
        peak_at=at(22),
        reasons=(("upstream-5xx", 52),),
        statuses=((502, 40), (503, 12)),
        upstream_statuses=((503, 52),),
        error_codes=(("UP", 40), (None, 12)),
        upstreams=(("mail", 40), (None, 12)),
        spans=spans,
        points=points,
    )


@pytest.mark.parametrize(("minutes", "look", "severity"), [(40, "vendor", 1), (20, "vendor", 2), (4, "application", 3)])
def test_severity_counts_minutes_of_full_outage(minutes: int, look: str, severity: int) -> None:
    """Thirty, five and one minute of everything being down are the steps."""
    log = Log().traffic(range(300), ["auth", "sync"])
    functions = ["auth", "sync"] if look == "vendor" else ["sync"]
    log.trouble(range(100, 100 + minutes), functions, look)
    assert only(group(log.counts)).severity == severity


def test_incident_of_a_small_function_is_of_the_lowest_severity() -> None:
    """One function in a hundred that fails is worth knowing, not waking for."""
    log = Log().traffic(range(300), ["big"], 1000).traffic(range(300), ["small"], 1)
    log.trouble(range(100, 130), ["small"], "application", 1)
    assert only(group(log.counts)).severity == 4


def test_blip_that_healthy_requests_prove_short_is_no_incident() -> None:
    """Two bad minutes of one small function, good ones before and after."""
    log = Log().traffic(range(300), ["big"], 1000).traffic(range(300), ["small"], 10)
    log.trouble(range(100, 102), ["small"], "vendor", 10)
    assert group(log.counts) == ()


@pytest.mark.parametrize("function", ["aaa", "zzz"])
@pytest.mark.parametrize("minutes", [range(4), range(56, 60)], ids=["begins-in-it", "ends-in-it"])
def test_short_outage_that_no_healthy_request_proves_short_is_an_incident(function: str, minutes: range) -> None:
    """A log that begins or ends in the outage proves nothing, wherever in the alphabet the function stands."""
    log = Log().traffic(range(60), ["main"], 54).traffic(range(60), [function], 6)
    log.trouble(minutes, [function], "vendor", 6)
    got = only(group(log.counts))
    assert (got.severity, got.requests, got.functions) == (4, 24, (function,))


def test_log_of_one_function_that_only_fails_is_an_incident() -> None:
    """Five thousand failures in one minute, and no healthy request on either side to prove them short."""
    log = Log()
    log.add(0, "pay", 5_000, "vendor")
    assert summary(group(log.counts)) == [("vendor", ("pay",), 0, 1)]


@pytest.mark.parametrize("unproven", ["auth", "sync"])
def test_of_functions_hit_alike_one_that_is_not_proven_short_decides(unproven: str) -> None:
    """Which of two equals comes first in the alphabet says nothing about the outage."""
    log = Log().traffic(range(60), ["big"], 1000).traffic(range(60), ["auth", "sync"], 6)
    log.trouble(range(30, 32), ["auth", "sync"], "vendor", 6)
    log.rows = [row for row in log.rows if row["function"] != unproven or row["class"] == "vendor"]
    assert summary(group(log.counts)) == [("vendor", ("auth", "sync"), 30, 32)]


@pytest.mark.parametrize(
    ("healthy_after", "now", "ongoing"),
    [
        (0, None, True),
        (5, None, True),
        (30, None, False),
        (0, at(60 + 8), True),
        (0, at(60 + 11 * 60), True),
        (0, at(60 + 13 * 60), False),
        (30, at(60 + 8 * 60), False),
    ],
)
def test_incident_goes_on_until_something_says_that_it_is_over(
    healthy_after: int,
    now: object,
    ongoing: bool,  # a parameter of a table
) -> None:
    """Recovered traffic ends it, silence does not, for half a day."""
    log = Log().traffic(range(40), ["sync"]).trouble(range(40, 60), ["sync"], "vendor")
    log.traffic(range(60, 60 + healthy_after), ["sync"])
    got = only(group(log.counts, now=now))  # type: ignore[arg-type]  # the table's cells are of several types
    assert got.ongoing is ongoing


def test_incident_keeps_its_id_when_later_data_comes_in() -> None:
    """A link to an incident still holds when the log has grown."""
    log = hour_log().trouble(range(20, 40), ["sync"], "vendor")
    before = only(group(log.counts))
    log.traffic(range(60, 120), ["auth", "sync"]).trouble(range(36, 50), ["sync"], "vendor")
    after = only(group(log.counts))
    assert before.id == after.id
    assert before.ended_at != after.ended_at


def test_incidents_have_different_ids() -> None:
    """Classes and starts tell them apart."""
    log = Log().traffic(range(600), FIVE)
    for number, look in enumerate(["vendor", "application", "application-bottleneck", "UNKNOWN"]):
        log.trouble(range(100, 120), [FIVE[number]], look).trouble(range(400, 420), [FIVE[number]], look)
    found = group(log.counts)
    assert len({one.id for one in found}) == len(found) == 8
    assert {one.id[0] for one in found} == {"V", "A", "B", "U"}


# -- always ------------------------------------------------------------------------------------------------------------


@st.composite
def logs(draw: st.DrawFn) -> pl.DataFrame:
    """A few hours with a few stretches of trouble."""
    log = Log().traffic(range(0, 240, draw(st.integers(1, 5))), ["auth", "sync"], draw(st.integers(1, 5)))
    looks = st.sampled_from(["vendor", "application", "application-bottleneck", "UNKNOWN", "refused"])
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, 230))
        minutes = range(start, start + draw(st.integers(1, 60)), draw(st.integers(1, 4)))
        log.trouble(
            minutes, draw(st.sampled_from([["auth"], ["sync"], ["auth", "sync"]])), draw(looks), draw(st.integers(1, 4))
        )
    return log.counts


@settings(max_examples=25, deadline=None)
@given(logs(), st.integers(0, 1000))
def test_incidents_do_not_depend_on_the_order_or_the_pieces_of_the_counts(counts: pl.DataFrame, seed: int) -> None:
    """However the log was read, its incidents are the same to the last field."""
    found = group(counts)
    shuffled = counts.sample(fraction=1, shuffle=True, seed=seed)
    assert group(shuffled) == found
    half = shuffled.height // 2
    latency = empty().latency
    merged = merge([Rollup(shuffled.head(half), latency), Rollup(shuffled.slice(half), latency)])
    assert group(merged.counts) == found


@settings(max_examples=25, deadline=None)
@given(
    logs(), st.sampled_from([range(-3, 0), range(240, 243)]), st.permutations(["auth", "sync"]), st.sampled_from("az")
)
def test_names_of_functions_decide_nothing(counts: pl.DataFrame, edge: range, names: list[str], other: str) -> None:
    """Other names for the same functions, and the same incidents: when, how many, how severe, and where."""
    around = Log().traffic(range(-3, 243), ["other"], 40).trouble(edge, ["auth"], "vendor", 4)
    counts = pl.concat([counts, around.counts])
    renamed = counts.with_columns(
        pl.col("function").replace_strict({"auth": names[0], "sync": names[1], "other": other})
    )
    back = {names[0]: "auth", names[1]: "sync", other: "other"}

    def facts(found: tuple[Incident, ...], back: dict[str, str]) -> list[tuple[object, ...]]:
        return [
            (
                *(one.class_, one.started_at, one.ended_at, one.ongoing, one.severity),
                *(one.requests, one.unknown_requests, one.total_requests),
                sorted(back.get(name, name) for name in one.functions),
            )
            for one in found
        ]

    assert facts(group(renamed), back) == facts(group(counts), {})


@settings(max_examples=25, deadline=None)
@given(logs())
def test_numbers_of_incidents_add_up(counts: pl.DataFrame) -> None:
    """Each request belongs to one incident at most, and every sum of an incident is the same sum."""
    found = group(counts)
    tagged = tag(counts, found)
    assert tagged.height == counts.height
    per_incident = dict(tagged.group_by("incident").agg(pl.col("requests").sum()).iter_rows())
    for one in found:
        total = one.requests + one.unknown_requests
        assert per_incident[one.id] == total == counts.filter(belongs(one))["requests"].sum()
        assert total == sum(point.requests for point in one.points) == sum(span.requests for span in one.spans)
        for tally in (one.reasons, one.statuses, one.upstream_statuses, one.error_codes, one.upstreams):
            assert sum(requests for _, requests in tally) == total
        assert one.total_requests == sum(point.total for point in one.points) >= total
        assert one.total_requests == counts.filter(touches(one))["requests"].sum()
        assert counts.filter(belongs(one) & ~touches(one)).is_empty()
        assert one.started_at < one.ended_at
        assert one.started_at == min(span.started_at for span in one.spans)
        assert 0 < one.peak_share <= 1
        assert 1 <= one.severity <= 4
        assert set(one.functions) == {span.function for span in one.spans}
        assert one.unknown_requests == 0 or one.class_ is Class.VENDOR


def test_settings_decide() -> None:
    """What a limit says holds, and none of them is decoration: without doubt and reopening, one outage is two."""
    log = Log().traffic(range(240), ["sync"]).trouble([*range(60, 80), *range(120, 140)], ["sync"], "vendor")
    assert len(group(log.counts, settings=IncidentSettings(reopen_minutes=30))) == 2
    assert group(log.counts, settings=IncidentSettings(absolute_min_requests=1000)) == ()


def test_hostile_rollup_of_ten_thousand_functions_is_grouped_in_linear_time() -> None:
    """Every line another function, all of them failing, at times a century apart: still one answer."""
    names = [f"f{number:05d}\x1b" for number in range(10_000)]
    minutes = [number % 50 for number in range(10_000)]
    rows = {
        "minute": [at(minute) for minute in minutes],
        "function": names,
        "class": ["vendor"] * 10_000,
        "reason": ["upstream-5xx"] * 10_000,
        "status": [502] * 10_000,
        "requests": [5] * 10_000,
    }
    counts = pl.DataFrame(rows, schema_overrides={"minute": COUNTS["minute"], "status": pl.Int16})
    counts = counts.with_columns(pl.lit(None, COUNTS[name]).alias(name) for name in COUNTS if name not in rows).select(
        COUNTS.names()
    )
    outliers = counts.head(2).with_columns(pl.col("minute").dt.offset_by("100y"))
    got = group(pl.concat([counts, outliers]))
    assert (got[0].requests, len(got[0].functions)) == (50_000, 10_000)
    assert sum(one.requests for one in got) == 50_010
    assert tag(counts, got)["incident"].n_unique() == 1
