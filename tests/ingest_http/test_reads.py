"""The usage reads: exact on every day of every zone, capped, paged, canaries hidden."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.ingest.calendar import days_between, first_slot, local_start, month_back, zone_of_offset
from attribute.ingest.credentials import hash_of
from attribute.ingest.model import Bucket, Delivery, Ticket
from attribute.ingest.refusals import Code
from attribute.ingest.usage import nearest_rank
from attribute.ingest.visits import Settings
from attribute.ingest.wire import hour_start_of, slot_of
from tests.ingest_http import transitions
from tests.ingest_http.world import NOW, World, bucket, make_world

NAMES = ("total_tokens", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")

# zone, a day on which it changes, hours that the day has; from the zones' published rules
GOLDEN = [
    ("America/New_York", "2024-03-10", 23.0),
    ("America/New_York", "2024-11-03", 25.0),
    ("America/New_York", "2025-03-09", 23.0),
    ("America/New_York", "2025-11-02", 25.0),
    ("Europe/London", "2024-03-31", 23.0),
    ("Europe/London", "2024-10-27", 25.0),
    ("Europe/London", "2025-03-30", 23.0),
    ("Europe/London", "2025-10-26", 25.0),
    ("Africa/Cairo", "2024-04-26", 23.0),
    ("Africa/Cairo", "2024-10-31", 25.0),
    ("Australia/Lord_Howe", "2024-10-06", 23.5),
    ("Australia/Lord_Howe", "2025-04-06", 24.5),
    ("Asia/Kathmandu", "2025-03-30", 24.0),
    ("America/Sao_Paulo", "2018-11-04", 23.0),
    ("America/Havana", "2024-11-03", 25.0),
    ("Asia/Beirut", "2024-03-31", 23.0),
    ("Pacific/Apia", "2011-12-30", 0.0),
    ("Pacific/Apia", "2011-12-31", 24.0),
    ("Europe/Berlin", "2025-06-01", 24.0),
]
ZONES = ("America/New_York", "Europe/London", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana")


@pytest.mark.parametrize(("zone", "day", "hours"), GOLDEN)
def test_local_day_has_the_hours_that_its_zone_gives_it(zone: str, day: str, hours: float) -> None:
    """23, 25, 23.5 or 24.5 hours, or none at all: a table, not a formula."""
    first = date.fromisoformat(day)
    length = first_slot(first + timedelta(days=1), ZoneInfo(zone)) - first_slot(first, ZoneInfo(zone))
    assert length / 2 == hours


@pytest.mark.parametrize("zone", ZONES)
def test_local_days_of_ten_years_cut_the_half_hours_without_gap_or_overlap(zone: str) -> None:
    """Every half hour belongs to the day in which it begins, so sums over days are sums over half hours."""
    info = ZoneInfo(zone)
    days = days_between(date(2020, 1, 1), date(2029, 12, 31))
    starts = [first_slot(day, info) for day in days]
    assert starts == sorted(set(starts))
    for day, start, end in zip(days, starts, starts[1:], strict=False):
        if end - start != 48:
            assert {local_start(slot, info).date() for slot in range(start, end)} == {day}


def put(world: World, token: str, rows: list[Bucket]) -> None:
    """Write facts of any age: what the window would refuse now was accepted then."""
    device = world.store.find_token(hash_of(token))
    assert device is not None
    for start in range(0, len(rows), 500):
        ticket: Ticket = world.store.next_ticket(device)
        world.store.write(
            Delivery(
                request_id=f"r{ticket.seq}",
                device=device,
                buckets=tuple(rows[start : start + 500]),
                place=ticket,
                body_sha256=b"\0" * 32,
                received_at_us=world.hand.now_us,
            )
        )


@pytest.mark.parametrize(("zone", "day", "hours"), GOLDEN)
def test_days_around_a_transition_add_up_to_the_plain_sum_of_their_half_hours(
    world: World, zone: str, day: str, hours: float
) -> None:
    """Rollups plus the facts of the days that a boundary cuts equal a loop over facts, for every read."""
    token, middle, info = world.token(), date.fromisoformat(day), ZoneInfo(zone)
    around = int(datetime(middle.year, middle.month, middle.day, tzinfo=UTC).timestamp()) // 1800
    chance = random.Random(day + zone)
    rows = [
        Bucket(source, model, slot, *(chance.randrange(1000) for _ in range(5)))
        for slot in range(around - 120, around + 168)
        for source, model in (("codex", "m"), ("claude", "n"))
    ]
    put(world, token, rows)
    first, last = middle - timedelta(days=1), middle + timedelta(days=1)
    by_day = dict.fromkeys(days_between(first, last), 0)
    for row in rows:
        local = local_start(row.slot, info).date()
        if local in by_day:
            by_day[local] += row.total
    query = f"from={first}&to={last}&tz={zone}"
    daily = world.read("usage-daily", query, token=token)
    assert {row["day"]: int(row["total_tokens"]) for row in daily["data"]} == {str(k): v for k, v in by_day.items()}
    everything = str(sum(by_day.values()))
    assert daily["summary"]["totals"]["total_tokens"] == everything
    assert world.read("usage-summary", query, token=token)["totals"] == daily["summary"]["totals"]
    breakdown = world.read("usage-model-breakdown", query, token=token)["sources"]
    assert str(sum(int(source["totals"]["total_tokens"]) for source in breakdown)) == everything
    hourly = world.read("usage-hourly", f"day={middle}&tz={zone}", token=token)["data"]
    assert len(hourly) == hours * 2
    assert sum(int(row["total_tokens"]) for row in hourly) == by_day[middle]
    weeks = world.read("usage-heatmap", f"weeks=2&to={last}&tz={zone}", token=token)["weeks"]
    cells = {cell["day"]: cell["value"] for week in weeks for cell in week if cell}
    assert all((cells[str(shown)] == "0") == (by_day[shown] == 0) for shown in by_day)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2), st.integers(0, 10**12)), max_size=30),
    st.sampled_from([*ZONES, "UTC"]),
    st.integers(0, 8),
    st.integers(0, 8),
)
def test_any_facts_in_any_zone_over_any_range_sum_as_a_loop_does(
    tmp_path_factory: pytest.TempPathFactory, facts: list[tuple[int, int, int]], zone: str, start: int, length: int
) -> None:
    """The fast path over rollups and boundary facts agrees with a dictionary and a loop."""
    world = make_world(tmp_path_factory.mktemp("w"))
    token, base, info = world.token(), slot_of("2025-10-24T00:00:00Z") or 0, ZoneInfo(zone)
    held = {(offset, model): total for offset, model, total in facts}
    put(
        world,
        token,
        [Bucket("codex", f"m{model}", base + offset, 0, 0, 0, 0, total) for (offset, model), total in held.items()],
    )
    first = date(2025, 10, 23) + timedelta(days=start)
    last = first + timedelta(days=length)
    expected = sum(t for (offset, _), t in held.items() if first <= local_start(base + offset, info).date() <= last)
    found = world.read("usage-summary", f"from={first}&to={last}&tz={zone}", token=token)["totals"]["total_tokens"]
    world.store.close()
    assert found == str(expected)


def test_hourly_names_each_half_hour_by_local_time_and_instant(world: World) -> None:
    """On the day on which an hour occurs twice, the instant tells the two apart."""
    rows = world.read("usage-hourly", "day=2025-11-02&tz=America/New_York", token=world.token())["data"]
    assert [(row["hour"], row["hour_start"]) for row in rows[2:6]] == [
        ("2025-11-02T01:00:00", "2025-11-02T05:00:00.000Z"),
        ("2025-11-02T01:30:00", "2025-11-02T05:30:00.000Z"),
        ("2025-11-02T01:00:00", "2025-11-02T06:00:00.000Z"),
        ("2025-11-02T01:30:00", "2025-11-02T06:30:00.000Z"),
    ]


def test_hourly_says_what_is_missing_after_the_last_sync(world: World) -> None:
    """Not yet synced is not the same as not used."""
    token = world.token()
    world.post("/functions/vibescore-sync-ping", token=token)
    answer = world.read("usage-hourly", "day=2026-03-10", token=token)
    assert [row["hour_start"][11:16] for row in answer["data"] if row.get("missing")][:2] == ["12:30", "13:00"]
    assert answer["sync"] == {"last_sync_at": "2026-03-10T12:10:00.000Z", "min_interval_minutes": 30}


def test_fixed_offset_is_a_zone_too(world: World) -> None:
    """A client without zone names says minutes; a name goes first where both are there."""
    token = world.token()
    world.ingest([bucket("2026-03-10T05:00:00Z", total=5)], token=token)
    for query in ("tz_offset_minutes=-480", "tz=America/Los_Angeles&tz_offset_minutes=600"):
        days = world.read("usage-daily", f"from=2026-03-09&to=2026-03-10&{query}", token=token)["data"]
        assert [day["total_tokens"] for day in days] == ["5", "0"]


def test_canary_rows_are_hidden_unless_asked_for_by_name(world: World) -> None:
    """A row with either name is hidden; naming it in either filter shows it."""
    token = world.token()
    world.ingest([bucket(total=1), bucket(total=10, source="canary"), bucket(total=100, model="canary")], token=token)
    totals = {
        query: world.read("usage-summary", query, token=token)["totals"]["total_tokens"]
        for query in ("", "source=canary", "model=canary", "source=codex")
    }
    assert totals == {"": "1", "source=canary": "10", "model=canary": "100", "source=codex": "1"}


@pytest.mark.parametrize(
    ("source", "billable"),
    [
        ("codex", 1011),
        ("every-code", 1011),
        ("claude", 1111),
        ("opencode", 1111),
        ("gemini", 50_000),
        ("other", 50_000),
    ],
)
def test_billable_totals_follow_the_first_rule(world: World, source: str, billable: int) -> None:
    """Weights by source, applied to sums at read time."""
    token = world.token()
    counts = {"input_tokens": 1, "cached_input_tokens": 100, "output_tokens": 10, "reasoning_output_tokens": 1000}
    world.ingest([bucket(source=source, total=50_000, **counts)], token=token)
    answer = world.read("usage-summary", token=token)
    assert (answer["totals"]["billable_total_tokens"], answer["billable_rule_version"]) == (str(billable), 1)


def test_filter_is_folded_like_the_names_it_filters(world: World) -> None:
    """A filter in another case finds what was stored."""
    token = world.token()
    world.ingest([bucket(total=3, model="GPT-5"), bucket(total=4, model="other")], token=token)
    answer = world.read("usage-summary", "model=gPt-5", token=token)
    assert (answer["totals"]["total_tokens"], answer["model"]) == ("3", "gpt-5")


def test_pages_hold_every_fact_once_in_order(world: World) -> None:
    """Whatever the page size, the pages together are the whole; the last one has no cursor."""
    token = world.token()
    sent = [
        bucket(hour_start_of((slot_of("2026-03-01T00:00:00Z") or 0) + number), total=number) for number in range(25)
    ]
    world.ingest(sent, token=token)
    for limit in (1, 7, 25, 26):
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = world.read("usage-buckets", f"limit={limit}{f'&after={cursor}' if cursor else ''}", token=token)
            assert len(page["data"]) <= limit
            seen += [row["total_tokens"] for row in page["data"]]
            cursor = page["next"]
        assert seen == [str(number) for number in range(25)]


def test_pages_do_not_repeat_or_skip_rows_when_others_come_in_between(world: World) -> None:
    """A cursor stands behind a row, not at a distance from the start."""
    token = world.token()
    sent = [
        bucket(hour_start_of((slot_of("2026-03-01T00:00:00Z") or 0) + 2 * number), total=number) for number in range(10)
    ]
    world.ingest(sent, token=token)
    page = world.read("usage-buckets", "limit=5", token=token)
    world.ingest([bucket("2026-03-01T00:30:00Z", total=777)], token=token)
    rest = world.read("usage-buckets", f"after={page['next']}", token=token)["data"]
    assert [row["total_tokens"] for row in rest] == ["5", "6", "7", "8", "9"]


@pytest.mark.parametrize(
    ("name", "query", "code"),
    [
        ("usage-summary", "tz=Mars/Olympus", Code.INVALID_PARAMETER),
        ("usage-summary", "tz=../../etc/passwd", Code.INVALID_PARAMETER),
        ("usage-summary", "tz=Europe", Code.INVALID_PARAMETER),
        ("usage-summary", "tz=localtime", Code.INVALID_PARAMETER),
        ("usage-summary", "tz=Factory", Code.INVALID_PARAMETER),
        ("usage-summary", "tz_offset_minutes=841", Code.INVALID_PARAMETER),
        ("usage-summary", "tz_offset_minutes=1.5", Code.INVALID_PARAMETER),
        ("usage-summary", "from=2025-02-29", Code.INVALID_PARAMETER),
        ("usage-summary", "from=20250101", Code.INVALID_PARAMETER),
        ("usage-summary", "from=0001-01-01", Code.INVALID_PARAMETER),
        ("usage-summary", "to=9999-12-31", Code.INVALID_PARAMETER),
        ("usage-summary", "from=2023-01-01", Code.RANGE_TOO_LARGE),
        *(
            (name, f"{parameter}={blank}", Code.INVALID_PARAMETER)
            for name, parameters in (
                ("usage-summary", ("source", "model", "tz", "tz_offset_minutes", "from", "to", "debug")),
                ("usage-hourly", ("day",)),
                ("usage-monthly", ("months",)),
                ("usage-heatmap", ("weeks", "week_starts_on")),
                ("usage-buckets", ("limit", "after")),
            )
            for parameter in parameters
            for blank in ("", "%20")
        ),
        ("usage-summary", "source", Code.INVALID_PARAMETER),
        ("usage-summary", "source=a%00b", Code.INVALID_PARAMETER),
        ("usage-summary", "source=%ff", Code.UNKNOWN_PARAMETER),
        ("usage-summary", "source=" + "a" * 65, Code.INVALID_PARAMETER),
        ("usage-summary", "x=1", Code.UNKNOWN_PARAMETER),
        ("usage-summary", "tz=UTC&tz=UTC", Code.UNKNOWN_PARAMETER),
        ("usage-summary", "user_id=root", Code.UNKNOWN_PARAMETER),
        ("usage-summary", "source=" + "a" * 3000, Code.INVALID_PARAMETER),
        ("usage-model-breakdown", "model=m", Code.UNKNOWN_PARAMETER),
        ("usage-monthly", "months=0", Code.INVALID_PARAMETER),
        ("usage-monthly", "months=25", Code.INVALID_PARAMETER),
        ("usage-monthly", "months=-1", Code.INVALID_PARAMETER),
        ("usage-heatmap", "weeks=105", Code.INVALID_PARAMETER),
        ("usage-heatmap", "week_starts_on=tue", Code.INVALID_PARAMETER),
        ("usage-hourly", "day=yesterday", Code.INVALID_PARAMETER),
        ("usage-buckets", "limit=1001", Code.INVALID_PARAMETER),
        ("usage-buckets", "after=!", Code.INVALID_PARAMETER),
        ("usage-buckets", "after=WzFd", Code.INVALID_PARAMETER),
        ("usage-buckets", "after=WzEsImEiLCJiIiwiXHVkODAwIl0", Code.INVALID_PARAMETER),
        ("usage-buckets", "after=" + "W1tb" * 300, Code.INVALID_PARAMETER),
        ("usage-daily", "debug=2", Code.INVALID_PARAMETER),
    ],
)
def test_question_of_another_form_is_refused_and_never_guessed(world: World, name: str, query: str, code: Code) -> None:
    """A zone or a day that is none is 400: an answer to another question would look like an answer."""
    answer = world.get(name, query, token=world.token())
    assert (answer.status, answer.code) == (400, code)


def test_range_is_capped_as_configured_and_the_cap_is_named(worlds: Callable[..., World]) -> None:
    """The limit is part of the sentence."""
    world = worlds(settings=Settings(usage_max_days=3))
    token = world.token()
    assert world.get("usage-daily", "from=2026-03-08&to=2026-03-10", token=token).status == 200
    answer = world.get("usage-daily", "from=2026-03-07&to=2026-03-10", token=token)
    assert b"Date range too large (max 3 days)" in answer.body


def test_range_that_ends_before_it_starts_is_nothing(world: World) -> None:
    """Zero days, zero tokens, as it always was."""
    token = world.token()
    query = "from=2026-03-10&to=2026-03-09"
    assert world.read("usage-summary", query, token=token)["days"] == 0
    assert world.read("usage-daily", query, token=token)["data"] == []
    assert world.read("usage-model-breakdown", query, token=token)["sources"] == []
    assert world.read("usage-buckets", query, token=token)["data"] == []


def test_defaults_are_thirty_days_24_months_and_52_weeks_to_today(world: World) -> None:
    """Today is the zone's, not the server's."""
    token = world.token()
    assert world.read("usage-summary", token=token)["days"] == 30
    assert len(world.read("usage-monthly", token=token)["data"]) == 24
    heatmap = world.read("usage-heatmap", token=token)
    assert (len(heatmap["weeks"]), heatmap["week_starts_on"], heatmap["to"]) == (52, "sun", "2026-03-10")
    assert world.read("usage-hourly", "tz=Pacific/Kiritimati", token=token)["day"] == "2026-03-11"


def test_heatmap_levels_and_streak_come_from_billable_days(world: World) -> None:
    """Levels at the halves, three quarters and nine tenths of active days; the streak ends at the last day."""
    token = world.token()
    totals = {8: 10, 9: 20, 10: 30}
    world.ingest(
        [bucket(f"2026-03-{day:02}T00:00:00Z", total=total, source="gemini") for day, total in totals.items()],
        token=token,
    )
    answer = world.read("usage-heatmap", "weeks=1&week_starts_on=sun", token=token)
    assert answer["weeks"] == [
        [
            {"day": f"2026-03-{day:02}", "value": str(totals[day]), "level": level}
            for day, level in ((8, 1), (9, 1), (10, 2))
        ]
        + [None] * 4
    ]
    assert (answer["thresholds"], answer["active_days"], answer["streak_days"]) == (
        {"t1": "20", "t2": "30", "t3": "30"},
        3,
        3,
    )


def test_monthly_months_are_the_zones_and_the_last_one_ends_today(world: World) -> None:
    """A half hour after midnight in the zone's new month counts there."""
    token = world.token()
    world.ingest([bucket("2026-02-28T23:30:00Z", total=1), bucket("2026-03-10T12:00:00Z", total=2)], token=token)
    berlin = world.read("usage-monthly", "months=2&tz=Europe/Berlin", token=token)
    assert [(row["month"], row["total_tokens"]) for row in berlin["data"]] == [("2026-02", "0"), ("2026-03", "3")]
    utc = world.read("usage-monthly", "months=2", token=token)
    assert [row["total_tokens"] for row in utc["data"]] == ["1", "2"]


def test_debug_says_how_long_the_answer_took(world: World) -> None:
    """The request id of the body is the one of the header."""
    answer = world.get("usage-summary", "debug=1", token=world.token())
    assert f'"request_id":"{dict(answer.headers)["X-Request-Id"]}"'.encode() in answer.body


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=40),
    st.sampled_from([Fraction(1, 2), Fraction(3, 4), Fraction(9, 10)]),
)
def test_nearest_rank_is_the_least_value_that_enough_do_not_exceed(values: list[int], share: Fraction) -> None:
    """The definition itself, checked against a count."""
    found = nearest_rank(sorted(values), share)
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(0, 60))
def test_month_back_undoes_months(day: date, count: int) -> None:
    """The months between are as many as were asked for."""
    back = month_back(day, count)
    assert (day.year - back.year) * 12 + day.month - back.month == count
    assert back.day == 1


def test_offset_of_another_form_is_no_zone() -> None:
    """Fourteen hours either way, in whole minutes."""
    assert zone_of_offset("840") is not None
    assert [zone_of_offset(text) for text in ("841", "-841", "1.5", "", "x", "\u0661")] == [None] * 6
    assert NOW.tzinfo is UTC


# --- every zone, against plain code -----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(8))
def test_every_transition_of_every_zone_adds_up_as_plain_code_does(
    tmp_path_factory: pytest.TempPathFactory, part: int
) -> None:
    """Daily and hourly reads of each zone's days around each transition of a year equal a loop over half hours."""
    names = sorted(available_timezones())[part::8]
    assert transitions.check(tmp_path_factory.mktemp("zones"), names, range(2024, 2025)) >= len(names) // 3
