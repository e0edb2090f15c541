from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.engines.analysis import InputAccount, Window
from attribute.reports import markdown
from attribute.reports.decide import MAJORITY, NOTHING_STANDS_OUT
from attribute.reports.document import Commands
from attribute.reports.evidence import quiet_part
from attribute.reports.incident_view import incident_document
from attribute.reports.model import Confidence, Result, State
from attribute.reports.series import MAX_BINS, WIDTHS, series
from attribute.reports.story import answer_of
from attribute.reports.wording import and_more, clock, of, percent, period, plural, rfc3339, span, times, zone_name
from attribute.reports.writers import Style, writer
from attribute.rollup import empty
from attribute.rules.words import CLASSES, Class
from tests.reports.golden import results
from tests.reports.world import (
    NO_EVIDENCE,
    OUR_FAULT,
    OUR_QUEUE,
    START,
    VENDOR_DOWN,
    VENDOR_TIMEOUT,
    Row,
    analysis_of,
    incident,
    outage,
    request,
    result_of,
)

FAULTS: dict[str, Row] = {
    Class.VENDOR: VENDOR_DOWN,
    Class.APPLICATION: OUR_FAULT,
    Class.BOTTLENECK: OUR_QUEUE,
    Class.UNKNOWN: NO_EVIDENCE,
}


def of_counts(counts: dict[str, int], healthy: int) -> Result:
    rows, number = [request(each, each / 100) for each in range(healthy)], healthy
    for class_, amount in counts.items():
        for _ in range(amount):
            rows.append(request(number, number / 100, fields=FAULTS[class_]))
            number += 1
    return result_of(rows)


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({class_.value: st.integers(0, 12) for class_ in CLASSES}), st.integers(0, 300))
def test_verdict_any_counts_follow_the_promised_bars(counts: dict[str, int], healthy: int) -> None:
    """60 % of the incident requests make an answer, under 5 % of the requests are no problem, none cannot be judged."""
    result = of_counts(counts, healthy)
    incident_requests, total = sum(counts.values()), sum(counts.values()) + healthy
    largest = max(counts.values())
    if total == 0:
        expected = State.CANNOT_JUDGE
    elif incident_requests == 0 or incident_requests < NOTHING_STANDS_OUT * total:
        expected = State.NO_PROBLEM
    elif largest >= MAJORITY * incident_requests:
        expected = State(next(class_ for class_ in CLASSES if counts[class_] == largest))
    else:
        expected = State.MIXED
    assert result.verdict.state is expected
    assert result.requests.total == total
    assert {row.class_: row.requests for row in result.classes} == counts
    assert "\n" not in result.verdict.sentence
    if 0 < incident_requests < 20 and expected is not State.NO_PROBLEM:
        assert "%" not in result.verdict.claim.removeprefix("No class reaches 60 %")
        assert (result.verdict.confidence.word, result.verdict.confidence.share) == ("low", None)
    assert result.exit_code == (4 if expected is State.CANNOT_JUDGE else 0)


SHARE = "100 of 100 failing or slow requests (100.0 %)"
SENTENCES = {
    "vendor": "694 of 761 failing or slow requests (91.2 %) were the vendor's: mostly upstream 503 and upstream "
    "timeout in quote, since 2026-11-16 02:41 KST, still going on.",
    "application": f"{SHARE} were the application's own: status 500 with db_conflict in quote.",
    "bottleneck": f"{SHARE} were slowed down by the application itself in quote"
    ", from 2026-11-15 17:20 UTC until 17:23 UTC.",
    "unknown": f"{SHARE} cannot be attributed: upstream-status-missing in quote"
    ", from 2026-11-15 17:20 UTC until 17:23 UTC.",
    "mixed": "No class reaches 60 % of 170 failing or slow requests"
    ": vendor 90 (52.9 %) and application 80 (47.1 %) lead.",
    "few": "3 of 3 failing or slow requests were the vendor's: upstream 503 in quote.",
    "no-problem": "14 of 2,000 requests failed or were slow (0.7 %): nothing stands out.",
    "nothing-at-all": "None of 900 requests failed or was slow.",
    "empty": "The input is empty: there is nothing to judge.",
    "rejects": "2 of 3 records were rejected (json 1 and range 1): too many to judge the rest.",
}


@pytest.mark.parametrize("world", sorted(SENTENCES))
def test_sentence_each_state_is_worded_in_one_plain_line(world: str) -> None:
    """Who, how much, by which evidence, where and since when, readable at night."""
    assert results()[world].verdict.sentence == SENTENCES[world]


@pytest.mark.parametrize(
    ("functions", "places"),
    [
        ({"a": 50, "b": 50}, ": upstream 503 in a and b"),
        ({"a": 95, "b": 5}, ": mostly upstream 503 in a"),
        ({"a": 30, "b": 30, "c": 31, "d": 5, "e": 4}, ": mostly upstream 503 in c, a and b"),
        ({"a": 40, "b": 20, "c": 20, "d": 15, "e": 5}, ": upstream 503 in a, b, c and 2 more"),
    ],
)
def test_sentence_functions_it_leaves_out_are_counted_or_said_to_be_left_out(
    functions: dict[str, int], places: str
) -> None:
    """The sentence agrees with the table below it: it names or counts every function, or says `mostly`."""
    names = [name for name, number in functions.items() for _ in range(number)]
    rows = [request(number, 1 + number / 40, name, VENDOR_DOWN) for number, name in enumerate(names)]
    assert result_of(rows).verdict.claim == f"{SHARE} were the vendor's{places}"


def test_sentence_evidence_that_does_not_hold_for_all_is_said_to_hold_mostly() -> None:
    """95 requests with one status and 5 with another are not 100 with the one."""
    fields = [VENDOR_DOWN] * 95 + [{**VENDOR_DOWN, "upstream_status": 500}] * 5
    rows = [request(number, 1 + number / 40, "a", row) for number, row in enumerate(fields)]
    assert result_of(rows).verdict.claim == f"{SHARE} were the vendor's: mostly upstream 503 in a"


@pytest.mark.parametrize(
    ("account", "claim"),
    [
        (InputAccount(), "No log file was found: there is nothing to judge"),
        (InputAccount(files=2, lines=9, not_m1=9), "No M1 record was found in 9 lines: there is nothing to judge"),
        (
            InputAccount(files=1, lines=5, records=5, outside_window=5),
            "No request lies in the window; 5 records lie outside of it",
        ),
        (
            InputAccount(files=1, lines=5, records=5),
            "None of 5 records is in the window and of the functions asked for",
        ),
        (
            InputAccount(files=1, lines=5, records=5, outside_window=3, untimed=2),
            "No request lies in the window; 3 records lie outside of it, and 2 without a time in none",
        ),
        (
            InputAccount(files=1, lines=5, records=2, rejected=3, rejected_by_reason={"json": 3}),
            "3 of 5 records were rejected (json 3): too many to judge the rest",
        ),
    ],
)
def test_cannot_judge_says_why(account: InputAccount, claim: str) -> None:
    """No data is never a pass: it says what is missing, and exits with 4."""
    result = result_of([], account=account)
    assert (result.verdict.state, result.verdict.claim, result.exit_code) == (State.CANNOT_JUDGE, claim, 4)
    assert result.analysis.rollup == empty()


def test_cannot_judge_of_records_without_a_time_says_that_no_window_has_them() -> None:
    """A wider window would not help: none holds what has no time."""
    account = InputAccount(files=1, lines=5, records=5, untimed=5)
    verdict = result_of([], account=account, window=Window(since_at=START)).verdict
    assert verdict.claim == "No request lies in the window, for none of 5 records has a time"
    assert verdict.confidence.raised_by == "records with a time; without a window they have verdicts as they are"


def test_cannot_judge_needs_more_rejects_than_records() -> None:
    """Exactly half is still judged; the count of rejects stands beside it."""
    account = InputAccount(files=1, lines=2, records=1, rejected=1, rejected_by_reason={"json": 1})
    assert result_of([request(1, 1)], account=account).verdict.state is State.NO_PROBLEM


def test_confidence_names_what_would_raise_it() -> None:
    """A number alone helps nobody: which field to log, or how many more requests it would take."""
    mostly = [request(n, n / 40, fields=VENDOR_DOWN) for n in range(70)]
    gaps = [request(100 + n, n / 40, fields=NO_EVIDENCE) for n in range(30)]
    confidence = result_of([*mostly, *gaps]).verdict.confidence
    assert confidence == Confidence(
        word="medium",
        share=confidence.share,
        raised_by="fewer requests with upstream-status-missing: now 30 of 100 (30.0 %)",
    )
    # Wilson's lower bound, one-sided 95 %, for 70 of 100.
    assert confidence.share == pytest.approx(0.6195, abs=1e-3)
    close = [request(200 + n, n / 40, fields=OUR_FAULT) for n in range(44)]
    confidence = result_of([*mostly, *close]).verdict.confidence
    assert confidence.word == "medium"
    assert confidence.raised_by == "a clearer majority than 61.4 % of the requests"


def test_rejected_lines_may_be_failures_of_any_class() -> None:
    """A writer that spoils the lines of one kind of failure must not make the other kind look like all there is."""
    rows = [request(n, n / 40, fields=VENDOR_DOWN) for n in range(100)]
    rows += [request(200 + n, n / 40) for n in range(1000)]
    account = InputAccount(files=1, lines=1200, records=1100, rejected=100, rejected_by_reason={"range": 100})
    result = result_of(rows, account=account)
    confidence = result.verdict.confidence
    assert (result.verdict.state, confidence.word) == (State.VENDOR, "low")
    assert confidence.share == pytest.approx(0.4422, abs=1e-3)  # Wilson's lower bound for 100 of 200
    assert confidence.raised_by == "fewer rejected lines: now 100; `--rejects FILE` names each of them"
    absent = {row.class_: row.text for row in result.why_not}
    assert absent["application"] == "no such request in what could be read"
    few = replace(account, rejected=1, lines=1101, rejected_by_reason={"range": 1})
    assert result_of(rows, account=few).verdict.confidence.word == "high"


@pytest.mark.parametrize(("rejected", "word"), [(0, "high"), (20, "high"), (60, "low"), (900, "low")])
def test_no_problem_is_as_sure_as_if_all_rejected_lines_had_failed(rejected: int, word: str) -> None:
    """Nothing may stand out only because what stands out could not be read."""
    rows = [request(n, n / 40) for n in range(1000)]
    account = InputAccount(files=1, lines=1000 + rejected, records=1000, rejected=rejected)
    confidence = result_of(rows, account=account).verdict.confidence
    assert confidence.word == word
    assert (confidence.raised_by is None) == (word == "high")
    assert word == "high" or str(confidence.raised_by).startswith(f"fewer rejected lines: now {rejected}")


@pytest.mark.parametrize(("fields", "word"), [({}, "low"), (VENDOR_DOWN, "low")])
def test_records_without_a_time_may_be_failures_in_the_window(fields: Row, word: str) -> None:
    """They lie in no window, and nobody knows which of them happened in it: the answer is no surer than that."""
    rows = [request(n, n / 40, fields=fields) for n in range(60)]
    account = InputAccount(files=1, lines=120, records=120, untimed=60)
    confidence = result_of(rows, account=account, window=Window(since_at=START)).verdict.confidence
    assert confidence.word == word
    assert confidence.raised_by == ("a time in every record: 60 of 120 (50.0 %) have none and may lie in the window")
    assert result_of(rows, account=account).verdict.confidence.word == "high"


def test_majority_is_never_said_of_what_is_rounded_up_to_one() -> None:
    """5,996 of 10,000 are 59.96 %, and no majority."""
    rows = [request(n, n / 400, fields=VENDOR_DOWN) for n in range(1499)]
    rows += [request(5000 + n, n / 400, fields=OUR_FAULT) for n in range(1001)]
    claim = result_of(rows).verdict.claim
    assert claim.endswith("vendor 1,499 (59.9 %) and application 1,001 (40.0 %) lead")


def test_confidence_of_unknown_names_an_unknown_reason() -> None:
    """What would raise it is about what is not known, also where a known reason is the most frequent single one."""
    rows = [request(n, n / 40, fields=VENDOR_DOWN) for n in range(40)]
    for place, upstream in enumerate((None, -1, 302)):
        fields = {**NO_EVIDENCE, "upstream_status": upstream}
        rows += [request(100 * place + 100 + n, n / 40, fields=fields) for n in range(30)]
    verdict = result_of(rows).verdict
    assert verdict.state is State.UNKNOWN
    assert verdict.confidence.raised_by == "fewer requests with upstream-status-inconclusive: now 30 of 130 (23.1 %)"


def test_no_problem_with_a_shown_incident_is_none() -> None:
    """A short, sharp incident in a long log is a problem, however small its share of the whole."""
    rows = [request(n, n / 40) for n in range(2000)]
    rows += [request(3000 + n, 20 + n / 60, fields=VENDOR_TIMEOUT) for n in range(30)]
    assert result_of(rows).verdict.state is State.NO_PROBLEM
    shown = incident(Class.VENDOR, 20, 21, requests=30, functions=["quote"])
    verdict = result_of(rows, incidents=[shown]).verdict
    assert (verdict.state, verdict.since_at) == (State.VENDOR, START + timedelta(minutes=20))
    chance = incident(Class.VENDOR, 20, 21, requests=30, functions=["quote"], severity=4)
    result = result_of(rows, incidents=[chance])
    assert (result.verdict.state, len(result.incidents), result.shown_incidents) == (State.NO_PROBLEM, 1, ())


VENDOR_ROWS = [request(n, n / 40, fields=VENDOR_DOWN) for n in range(1000)]
ONGOING = incident(Class.VENDOR, 40, 60, requests=400, functions=["quote"], severity=3, ongoing=True)
OVER = incident(Class.VENDOR, 1, 30, requests=600, functions=["quote"], severity=1)


def test_sentence_what_goes_on_comes_first_with_what_it_counts() -> None:
    """Two outages: the one that goes on leads, however grave the other was, and each has its own number and time."""
    result = result_of(VENDOR_ROWS, incidents=[OVER, ONGOING])
    verdict = result.verdict
    assert verdict.sentence == (
        "1,000 of 1,000 failing or slow requests (100.0 %) were the vendor's: upstream 503 in quote, 400 of them "
        "since 2026-11-15 17:40 UTC, still going on, and 600 from 2026-11-15 17:01 UTC until 17:30 UTC."
    )
    assert (verdict.incident_id, verdict.part) == (ONGOING.id, "400")
    assert (verdict.since_at, verdict.until_at, verdict.ongoing) == (ONGOING.started_at, None, True)
    assert result.next_commands[0] == "attribute explain vendor logs/ --since 2026-11-15T17:40:00Z"
    assert answer_of(result) == next(row for row in result.incidents if row.id == ONGOING.id)


def test_sentence_time_is_said_of_no_more_than_the_incident_holds() -> None:
    """Of two that are over the graver one leads, and the rest is not said to lie in its time."""
    small = replace(ONGOING, ongoing=False)
    sentence = result_of(VENDOR_ROWS, incidents=[OVER, small]).verdict.sentence
    assert sentence.endswith("in quote, 600 of them from 2026-11-15 17:01 UTC until 17:30 UTC.")
    most = replace(OVER, requests=901)
    sentence = result_of(VENDOR_ROWS, incidents=[most]).verdict.sentence
    assert sentence.endswith("in quote, from 2026-11-15 17:01 UTC until 17:30 UTC.")


def test_sentence_of_a_mixed_answer_says_whose_its_time_is() -> None:
    """Where two classes lead, a time without a class would be said of both."""
    rows = [*VENDOR_ROWS[:100], *(request(2000 + n, 50 + n / 40, fields=OUR_FAULT) for n in range(100))]
    ours = incident(Class.APPLICATION, 50, 60, requests=100, functions=["quote"], ongoing=True)
    theirs = incident(Class.VENDOR, 1, 30, requests=100, functions=["quote"], severity=1)
    sentence = result_of(rows, incidents=[ours, theirs]).verdict.sentence
    assert sentence.endswith(
        "lead, 100 of application since 2026-11-15 17:50 UTC, still going on, and 100 of vendor "
        "from 2026-11-15 17:01 UTC until 17:30 UTC."
    )


def test_main_incident_is_of_the_answers_class_the_gravest_then_the_largest() -> None:
    """Since when is said of what the answer is about."""
    rows = [request(n, n / 40, fields=VENDOR_DOWN if n % 2 else None) for n in range(400)]
    incidents = [
        incident(Class.APPLICATION, 1, 2, requests=500, functions=["quote"], severity=1),
        incident(Class.VENDOR, 3, 4, requests=100, functions=["quote"], severity=2),
        incident(Class.VENDOR, 5, 6, requests=200, functions=["quote"], severity=2, ongoing=True),
        incident(Class.VENDOR, 7, 8, requests=900, functions=["quote"], severity=3),
    ]
    verdict = result_of(rows, incidents=incidents).verdict
    assert (verdict.since_at, verdict.until_at, verdict.ongoing) == (START + timedelta(minutes=5), None, True)


def test_normal_is_what_the_quiet_part_makes_one_expect() -> None:
    """The range comes from the minutes outside of incidents, scaled to all requests."""
    result = results()["vendor"]
    rows = {row.class_: row for row in result.classes}
    normal = rows[Class.APPLICATION].normal
    assert normal is not None
    quiet = 41 * 60
    # 20 failures in the 41 quiet minutes: one in each odd one.
    assert normal.expected == pytest.approx(20 * 3840 / quiet)
    assert normal.low <= rows[Class.APPLICATION].requests <= normal.high
    assert result.normal_basis == "the 41 minutes outside of incidents in these logs"


def test_normal_without_incidents_or_enough_quiet_is_unknown() -> None:
    """Where nothing says what is normal, nothing is called normal."""
    assert results()["application"].normal_basis is None
    assert all(row.normal is None for row in results()["application"].classes)
    counts = analysis_of([request(n, n / 20) for n in range(210)]).rollup.counts
    assert quiet_part(counts, []) is None
    assert quiet_part(counts, [(START, START + timedelta(minutes=2))]) is None


def test_normal_with_a_week_of_history_comes_from_the_same_hours() -> None:
    """Where earlier days are known, they say what is normal for this hour."""
    rows = [request(n, n / 4, fields=OUR_FAULT if n % 60 == 0 else None) for n in range(240)]
    counts = analysis_of(rows).rollup.counts
    history = pl.concat([counts.with_columns(pl.col("minute") - timedelta(days=days)) for days in range(1, 12)])
    result = result_of(rows, history=history)
    normal = result.classes[1].normal
    assert normal is not None
    assert (normal.low, normal.high) == (4, 4)
    assert result.normal_basis == "the same hours on 11 earlier days"


def test_samples_are_the_first_requests_of_the_incident_itself() -> None:
    """The ids beside an incident are of its requests: its class, its functions, its time."""
    rows = [request(n, n / 10, "quote" if n % 2 else "cart", VENDOR_DOWN) for n in range(200)]
    rows += [request(500 + n, 10 + n / 10, "quote", OUR_FAULT) for n in range(20)]
    result = result_of(rows, incidents=[incident(Class.VENDOR, 10, 15, requests=25, functions=["quote"])])
    assert result.incidents[0].sample_request_ids == ("r000101", "r000103", "r000105", "r000107", "r000109")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60 * 24 * 400), st.integers(1, 9)), min_size=1, max_size=12),
    st.integers(2, MAX_BINS),
)
def test_series_any_times_add_up_in_few_bins_with_gaps_as_gaps(minutes: list[tuple[int, int]], max_bins: int) -> None:
    """No request is lost or counted twice, no chart gets too many points, and no data is not the same as no failure."""
    counts = pl.concat(
        [
            analysis_of([request(1, minute, fields=VENDOR_DOWN)]).rollup.counts.with_columns(requests=pl.lit(n))
            for minute, n in minutes[:3]
        ]
    )
    found = series(counts, max_bins=max_bins)
    assert len(found.starts) == len(found.totals) <= max_bins
    assert sum(number or 0 for number in found.totals) == sum(n for _, n in minutes[:3])
    assert found.totals == found.by_class[Class.VENDOR]
    assert 0 not in found.totals
    assert found.width_minutes in WIDTHS or found.width_minutes % 1440 == 0
    assert all(
        b - a == timedelta(minutes=found.width_minutes) for a, b in zip(found.starts, found.starts[1:], strict=False)
    )
    assert found.starts[0] <= START + timedelta(minutes=min(minute for minute, _ in minutes[:3]))


def test_series_untimed_requests_are_in_no_bin() -> None:
    """A log without times has no course in time."""
    assert series(analysis_of([request(1, None)]).rollup.counts).starts == ()


def test_next_commands_can_be_pasted_into_a_shell() -> None:
    """Paths that a shell would take apart are quoted, one that looks like an option stays a path, a pipe is gone."""
    rows = [request(n, n / 40, fields=VENDOR_DOWN) for n in range(100)]
    assert result_of(rows, paths=("my logs/$(x)", "-rf")).next_commands[0] == (
        "attribute explain vendor 'my logs/$(x)' ./-rf"
    )
    assert result_of(rows, paths=("-",)).next_commands == ()


def test_next_commands_ask_for_the_same_functions_window_and_options() -> None:
    """Without them the command would be asked of other requests, and ids depend on what is looked at."""
    rows = [request(n, n / 40, fields=VENDOR_DOWN) for n in range(100)]
    shown = [incident(Class.VENDOR, 0, 3, requests=100, functions=["quote"], ongoing=True)]
    window = Window(since_at=START, until_at=START + timedelta(hours=1))
    result = result_of(rows, incidents=shown, window=window, functions=("q*",), options=("--rules", "my rules.toml"))
    asked = "--since 2026-11-15T17:00:00Z --until 2026-11-15T18:00:00Z --function 'q*' --rules 'my rules.toml'"
    assert result.next_commands == (
        f"attribute explain vendor logs/ {asked}",
        f"attribute report incident logs/ {asked} -o html:incident.html",
    )
    document = incident_document(result)
    assert document.next_commands[-1] == f"attribute escalate {shown[0].id} logs/ {asked} --out escalation/"
    method = next(section for section in document.sections if section.anchor == "method")
    assert method.blocks[0] == Commands((f"attribute logs/ {asked}",))


def test_functions_asked_for_stand_in_every_output_that_counts_requests() -> None:
    """Nobody takes the answer on one function for one on everything."""
    rows = [request(n, n / 40, fields=VENDOR_DOWN) for n in range(100)]
    result = result_of(rows, functions=("q*", "cart"))
    screen = b"".join(writer("text")(result, Style())).decode().splitlines()
    assert screen[1] == "only functions q*, cart"
    assert "only-functions\tq*\tcart" in b"".join(writer("plain")(result, Style())).decode().splitlines()
    assert orjson.loads(b"".join(writer("json")(result, Style())))["only_functions"] == ["q*", "cart"]
    assert incident_document(result).facts[0] == ("Only functions", "q*, cart")


def test_incident_that_went_on_when_the_window_ended_is_nowhere_said_to_go_on() -> None:
    """Nobody looked after the window: neither the sentence, nor the facts, nor the tables know more."""
    rows, incidents = outage()
    result = result_of(rows, incidents=incidents, window=Window(until_at=START + timedelta(minutes=64)))
    text = markdown.render(incident_document(result)).decode()
    assert text.count("still going on when the window ended") == text.count("still going on") > 4


def test_runbook_names_the_most_specific_first() -> None:
    """The page for this function stands before the page for the class; others do not stand there at all."""
    assert results()["vendor"].runbook == ("https://wiki.example/quote", "https://status.example")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (percent(0.0), "0.0 %"),
        (percent(0.00001), "<0.1 %"),
        (percent(0.99999), ">99.9 %"),
        (percent(1.0), "100.0 %"),
        (of(3, 7), "3 of 7"),
        (of(30, 70), "30 of 70 (42.9 %)"),
        (times(9.94), "x9.9"),
        (times(9.96), "x10"),
        (times(1234.5), "x1,234"),
        (plural(1, "request"), "1 request"),
        (plural(1000, "request"), "1,000 requests"),
        (and_more([], 3), ""),
        (and_more(["a"], 3), "a"),
        (and_more(["a", "b", "c"], 3), "a, b and c"),
        (and_more(["a", "b", "c", "d"], 2), "a, b and 2 more"),
        (span(timedelta(seconds=119)), "119 s"),
        (span(timedelta(minutes=64)), "64 min"),
        (span(timedelta(minutes=120)), "2 h"),
        (span(timedelta(minutes=200)), "3 h 20 min"),
        (span(timedelta(days=12, hours=4)), "12 d 4 h"),
        (span(timedelta(days=3)), "3 d"),
        (rfc3339(START), "2026-11-15T17:00:00Z"),
        (rfc3339(START + timedelta(microseconds=1500)), "2026-11-15T17:00:00.001500Z"),
        (rfc3339(None), None),
    ],
)
def test_wording_numbers_and_spans(shown: str | None, expected: str | None) -> None:
    """One way to write a number, everywhere."""
    assert shown == expected


def test_wording_times_carry_the_zone_of_their_own_instant() -> None:
    """On the day of a change of clocks each time has the name that held then."""
    paris = ZoneInfo("Europe/Paris")
    summer, winter = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert (clock(summer, paris), clock(winter, paris)) == ("2026-10-25 02:30 CEST", "2026-10-25 02:30 CET")
    assert clock(winter, paris, day_of=summer) == "02:30 CET"
    assert zone_name(START, ZoneInfo("Asia/Kathmandu")) == "UTC+05:45"
    assert zone_name(START, ZoneInfo("America/Sao_Paulo")) == "UTC-03"
    assert period(START, START + timedelta(hours=10), UTC) == "2026-11-15 17:00..2026-11-16 03:00 UTC"
