"""The grammar of times: what each form means, in every odd zone, and what is refused where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.logs.instants import InstantError, Side, resolve, resolve_window
from attribute.logs.zones import ZoneError, parse_zone, readings

NOW = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)  # a wednesday; noon in Seoul
SEOUL = parse_zone("Asia/Seoul")
NEW_YORK = parse_zone("America/New_York")
LONDON = parse_zone("Europe/London")
LORD_HOWE = parse_zone("Australia/Lord_Howe")
KATHMANDU = parse_zone("Asia/Kathmandu")
EXAMPLES = (
    "  hint: write `90m`, `1h30m ago`, `02:41`, `yesterday`, `monday`, "
    "`2026-11-16`, `2026-11-16T02:41+09:00`, `2026-W47`"
)


def at(text: str, *, now: datetime = NOW, zone: tzinfo = SEOUL, side: Side = "since") -> str:
    return resolve(text, now=now, zone=zone, side=side).at.isoformat().replace("+00:00", "Z")


def window(text: str, *, now: datetime = NOW, zone: tzinfo = SEOUL) -> list[str]:
    return [end.at.isoformat().replace("+00:00", "Z") for end in resolve_window(text, now=now, zone=zone)]


def refusal(text: str) -> str:
    with pytest.raises(InstantError) as caught:
        resolve(text, now=NOW, zone=SEOUL, side="since")
    assert caught.value.exit_code == 2
    return str(caught.value)


# --- every form


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-18T03:00:00Z"),
        ("NOW", "2026-11-18T03:00:00Z"),
        (" now ", "2026-11-18T03:00:00Z"),
        ("today", "2026-11-17T15:00:00Z"),
        ("yesterday", "2026-11-16T15:00:00Z"),
        ("wednesday", "2026-11-17T15:00:00Z"),
        ("Tuesday", "2026-11-16T15:00:00Z"),
        ("thursday", "2026-11-11T15:00:00Z"),
        ("monday", "2026-11-15T15:00:00Z"),
        ("sunday", "2026-11-14T15:00:00Z"),
        ("12:00", "2026-11-18T03:00:00Z"),
        ("12:00:01", "2026-11-17T03:00:01Z"),
        ("02:41", "2026-11-17T17:41:00Z"),
        ("2:41", "2026-11-17T17:41:00Z"),
        ("23:59:59", "2026-11-17T14:59:59Z"),
        ("2026-11-16", "2026-11-15T15:00:00Z"),
        ("20261116", "2026-11-15T15:00:00Z"),
        ("2026-11-16T02:41", "2026-11-15T17:41:00Z"),
        ("2026-11-16 02:41:30", "2026-11-15T17:41:30Z"),
        ("2026-11-16T02:41:30.25", "2026-11-15T17:41:30.250000Z"),
        ("2026-11-16T02:41:30.123456789Z", "2026-11-16T02:41:30.123456Z"),
        ("2026-11-16t02:41z", "2026-11-16T02:41:00Z"),
        ("2026-11-16T02:41+09:00", "2026-11-15T17:41:00Z"),
        ("2026-11-16T02:41-0330", "2026-11-16T06:11:00Z"),
        ("2026-11-16T02:41+09", "2026-11-15T17:41:00Z"),
        ("20261116T024100Z", "2026-11-16T02:41:00Z"),
        ("2026-W47", "2026-11-15T15:00:00Z"),
        ("2026W47", "2026-11-15T15:00:00Z"),
        ("2026-W47-3", "2026-11-17T15:00:00Z"),
        ("2026-W53", "2026-12-27T15:00:00Z"),
        ("1763260000", "2025-11-16T02:26:40Z"),
        ("1763260000123", "2025-11-16T02:26:40.123000Z"),
        ("90s", "2026-11-18T02:58:30Z"),
        ("90m", "2026-11-18T01:30:00Z"),
        ("1h30m", "2026-11-18T01:30:00Z"),
        ("-2d", "2026-11-16T03:00:00Z"),
        ("90m ago", "2026-11-18T01:30:00Z"),
        ("1w2d3h4m5sago", "2026-11-08T23:55:55Z"),
        ("0s", "2026-11-18T03:00:00Z"),
    ],
)
def test_each_form_means_one_instant(text: str, expected: str) -> None:
    """What can be written, and what it means at noon in Seoul on a wednesday."""
    assert at(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("02:00..03:00", ["2026-11-17T17:00:00Z", "2026-11-17T18:00:00Z"]),
        ("23:00..01:00", ["2026-11-17T14:00:00Z", "2026-11-17T16:00:00Z"]),
        ("11:30..12:30", ["2026-11-18T02:30:00Z", "2026-11-18T03:30:00Z"]),
        ("11:00..11:00", ["2026-11-18T02:00:00Z", "2026-11-19T02:00:00Z"]),
        ("yesterday..03:00", ["2026-11-16T15:00:00Z", "2026-11-17T18:00:00Z"]),
        ("2h..1h", ["2026-11-18T01:00:00Z", "2026-11-18T02:00:00Z"]),
        ("monday .. now", ["2026-11-15T15:00:00Z", "2026-11-18T03:00:00Z"]),
        ("2026-11-16..2026-11-18", ["2026-11-15T15:00:00Z", "2026-11-17T15:00:00Z"]),
        ("2026-W47", ["2026-11-15T15:00:00Z", "2026-11-22T15:00:00Z"]),
        ("2026-W46..2026-W47", ["2026-11-08T15:00:00Z", "2026-11-15T15:00:00Z"]),
        ("2026-11-16", ["2026-11-15T15:00:00Z", "2026-11-16T15:00:00Z"]),
        ("yesterday", ["2026-11-16T15:00:00Z", "2026-11-17T15:00:00Z"]),
        ("sunday", ["2026-11-14T15:00:00Z", "2026-11-15T15:00:00Z"]),
    ],
)
def test_each_window_means_two_instants(text: str, expected: list[str]) -> None:
    """A window is two times, or the name of one day or week, which is meant whole."""
    assert window(text) == expected


# --- what is refused


@pytest.mark.parametrize(
    ("text", "why", "column"),
    [
        ("1.5h", "`1.5h` is not a time from here on", 1),
        ("30m1h", "`30m1h` is not a time from here on", 4),
        ("1h 30m", "`1h 30m` is not a time from here on", 3),
        ("1h30", "`1h30` stops too early to be a time", 4),
        ("5", "`5` stops too early to be a time", 1),
        ("12:5", "`12:5` is not a time from here on", 3),
        ("12:", "`12:` stops too early to be a time", 3),
        ("12:30:", "`12:30:` stops too early to be a time", 6),
        ("123:00", "`123:00` is not a time from here on", 3),
        ("99999999999", "`99999999999` stops too early to be a time", 11),
        ("2026-11", "`2026-11` stops too early to be a time", 7),
        ("2026-11-16T", "`2026-11-16T` stops too early to be a time", 11),
        ("2026-11-16T02", "`2026-11-16T02` stops too early to be a time", 13),
        ("2026-11-16T02:41:30,5", "`2026-11-16T02:41:30,5` is not a time from here on", 19),
        ("2026-11-16Z", "`2026-11-16Z` is not a time from here on", 10),
        ("2026-320", "`2026-320` is not a time from here on", 7),
        ("2026-13-01", "months go from 1 to 12", 5),
        ("2026-02-29", "2026-02 has no such day", 8),
        ("0000-01-01", "years go from 1 to 9999", 0),
        ("2026-W54", "2026 has no such week", 6),
        ("2027-W53", "2027 has no such week", 6),
        ("2026-W47-8", "weekdays go from 1, monday, to 7, sunday", 9),
        ("24:00", "hours go from 0 to 23", 0),
        ("12:60", "minutes go from 0 to 59", 3),
        ("2026-12-31T23:59:60Z", "seconds go from 0 to 59", 17),
        ("2026-11-16T02:41+24:00", "offsets go from -23:59 to +23:59", 16),
        ("9999-12-31T23:59-01:00", "the time is outside the years 1 to 9999", 0),
        ("0001-01-01", "the time is outside the years 1 to 9999", 0),
        ("200000w", "the time is outside the years 1 to 9999", 0),
        ("9999999999999999999999d", "the time is outside the years 1 to 9999", 0),
        ("", "a time is missing here", 0),
        ("\u0661\u0662:\u0660\u0660", "`\u0661\u0662:\u0660\u0660` is not a time from here on", 0),
        ("now\x1b[2J", "`now\\u{1b}[2J` is not a time from here on", 0),
        ("1\x1bh", "`1\\u{1b}h` is not a time from here on", 1),
    ],
)
def test_what_is_not_in_the_grammar_is_refused_where_it_leaves_it(text: str, why: str, column: int) -> None:
    """No guess: one line says why, a caret says where, a hint shows what can be written."""
    shown = text.replace("\x1b", "\\u{1b}")
    assert refusal(text) == f"{why}\n  {shown}\n  {' ' * column}^\n{EXAMPLES}"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("11/12/2026", "write the year first: `2026-11-12` or `2026-12-11`"),
        ("3am KST", "write hours from 00 to 23, `03:00` or `15:00`; name a zone with `--tz Asia/Seoul`"),
        ("2026-11-16T02:41 KST", "name a zone with `--tz Asia/Seoul`, or write an offset such as `+09:00`"),
        ("tody", "did you mean `today`?"),
        ("mon", "did you mean `monday`?"),
        ("-2d ago", "write `2d`, `-2d` or `2d ago`"),
    ],
)
def test_common_slips_get_their_own_hint(text: str, hint: str) -> None:
    """What other tools guess at is refused with what to write instead."""
    assert refusal(text).splitlines()[-1] == f"  hint: {hint}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1h..2h",
            (
                "the window ends at 2026-11-18T01:00:00Z, not after its start at 2026-11-18T02:00:00Z\n"
                "  1h..2h\n      ^\n  hint: the end comes second and is not part of the window"
            ),
        ),
        (
            "02:41",
            (
                "a window needs two ends\n  02:41\n       ^\n"
                "  hint: write `02:00..03:00`, `2h..1h`, `yesterday` or `2026-W47`"
            ),
        ),
        ("now..tomorow", f"`tomorow` is not a time\n  now..tomorow\n       ^\n{EXAMPLES}"),
        ("..now", f"a time is missing here\n  ..now\n  ^\n{EXAMPLES}"),
        ("now..", f"a time is missing here\n  now..\n       ^\n{EXAMPLES}"),
        ("2h...1h", f"`.1h` is not a time from here on\n  2h...1h\n      ^\n{EXAMPLES}"),
        ("3h..2h..1h", f"`2h..1h` is not a time from here on\n  3h..2h..1h\n        ^\n{EXAMPLES}"),
    ],
)
def test_window_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    """The caret counts in the whole text, whichever end it stands under."""
    with pytest.raises(InstantError) as caught:
        resolve_window(text, now=NOW, zone=SEOUL)
    assert str(caught.value) == message


@settings(max_examples=300)
@given(st.text(alphabet="0123456789-:.TWZ+dhms agotody\x1b/", max_size=20) | st.text(max_size=10))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing a user can type ends in anything but an instant or a printable refusal."""
    said = []
    for parse in (at, window):
        try:
            parse(text)
        except InstantError as error:
            said.append(str(error))
    assert all(each.replace("\n", "").isprintable() for each in said)


# --- clocks that are turned


@pytest.mark.parametrize(
    ("zone", "wall", "since", "until"),
    [
        (NEW_YORK, "2026-11-01T01:30", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
        (NEW_YORK, "2026-11-01T02:00", "2026-11-01T07:00:00Z", "2026-11-01T07:00:00Z"),
        (NEW_YORK, "2026-03-08T02:30", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"),
        (NEW_YORK, "2026-03-08T02:00", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"),
        (NEW_YORK, "2026-03-08T01:59:59", "2026-03-08T06:59:59Z", "2026-03-08T06:59:59Z"),
        (LONDON, "2026-10-25T01:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        (LONDON, "2026-03-29T01:30", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
        (LORD_HOWE, "2026-04-05T01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"),  # half an hour
        (LORD_HOWE, "2026-10-04T02:15", "2026-10-03T15:30:00Z", "2026-10-03T15:30:00Z"),
        (KATHMANDU, "2026-11-16T00:00", "2026-11-15T18:15:00Z", "2026-11-15T18:15:00Z"),  # 5:45, never turned
        (KATHMANDU, "1986-01-01T00:05", "1985-12-31T18:30:00Z", "1985-12-31T18:30:00Z"),  # the quarter it was set right
        (parse_zone("America/Havana"), "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-01T05:00:00Z"),  # two midnights
        (parse_zone("America/Sao_Paulo"), "2018-11-04", "2018-11-04T03:00:00Z", "2018-11-04T03:00:00Z"),  # no midnight
        (parse_zone("Pacific/Apia"), "2011-12-30", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),  # no such day
    ],
)
def test_turned_clock_gives_the_earlier_time_for_since_and_the_later_for_until(
    zone: tzinfo, wall: str, since: str, until: str
) -> None:
    """A time shown twice widens the window; one that is jumped over is the instant of the jump."""
    assert (at(wall, zone=zone), at(wall, zone=zone, side="until")) == (since, until)


def test_choice_is_said() -> None:
    """Whoever is given one of two times, or none of their own, is told which."""
    twice, none, once = "2026-11-01T01:30", "2026-03-08T02:30", "2026-11-01T02:30"
    zone = NEW_YORK
    assert [resolve(text, now=NOW, zone=zone, side="since").note for text in (twice, none, once)] == [
        "2026-11-01 01:30:00 America/New_York occurs twice; took the earlier one, 2026-11-01T05:30:00Z",
        "2026-03-08 02:30:00 America/New_York does not exist; took 2026-03-08T07:00:00Z, when the clock jumps over it",
        None,
    ]
    since, until = resolve_window(f"{twice}..{twice}", now=NOW, zone=zone)
    assert until.at - since.at == timedelta(hours=1)
    assert until.note == "2026-11-01 01:30:00 America/New_York occurs twice; took the later one, 2026-11-01T06:30:00Z"


@pytest.mark.parametrize(
    ("now", "text", "since", "until"),
    [
        ("2026-11-01T06:10:00+00:00", "01:05", "2026-11-01T05:05:00Z", "2026-11-01T06:05:00Z"),
        ("2026-11-01T06:10:00+00:00", "01:30", "2026-11-01T05:30:00Z", "2026-11-01T05:30:00Z"),
        ("2026-11-01T05:20:00+00:00", "01:30", "2026-10-31T05:30:00Z", "2026-10-31T05:30:00Z"),
        ("2026-03-08T07:10:00+00:00", "02:30", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"),
    ],
)
def test_most_recent_time_of_day_is_never_ahead_while_a_clock_is_turned(
    now: str, text: str, since: str, until: str
) -> None:
    """Between the two showings of a time only the first has been."""
    then = datetime.fromisoformat(now)
    assert [at(text, now=then, zone=NEW_YORK, side=side) for side in ("since", "until")] == [since, until]


@pytest.mark.parametrize(
    ("text", "hours"),
    [("2026-11-01", 25), ("2026-03-08", 23), ("2026-11-02", 24), ("2026-W44", 169), ("2026-W10", 167)],
)
def test_whole_day_is_as_long_as_it_was(text: str, hours: int) -> None:
    """A day on which the clock is turned has 23 or 25 hours; so is the week that it is in longer or shorter."""
    since, until = resolve_window(text, now=NOW, zone=NEW_YORK)
    assert until.at - since.at == timedelta(hours=hours)


def test_end_of_window_at_the_same_time_of_day_is_the_next_day_however_long_that_is() -> None:
    """`A..B` with one time of day is a whole day, of 25 hours too."""
    since, until = resolve_window("2026-10-31T12:00..12:00", now=datetime(2026, 10, 31, 17, tzinfo=UTC), zone=NEW_YORK)
    assert (since.at.isoformat(), until.at - since.at) == ("2026-10-31T16:00:00+00:00", timedelta(hours=25))


def test_span_of_days_is_exact_over_a_turned_clock() -> None:
    """A day in a span has 24 hours, whatever the clock on the wall did."""
    assert at("1d", now=datetime(2026, 11, 2, 4, 0, tzinfo=UTC), zone=NEW_YORK) == "2026-11-01T04:00:00Z"


ZONES = st.sampled_from(
    [UTC, SEOUL, NEW_YORK, LONDON, LORD_HOWE, KATHMANDU, timezone(timedelta(hours=-3, minutes=-30))]
)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


WALLS = st.datetimes(wall("1990-01-01"), wall("2037-01-01"))
TURNS = st.builds(
    lambda turn, seconds: wall(turn) + timedelta(seconds=seconds),
    st.sampled_from(["2026-11-01T01:00", "2026-03-08T02:00", "2026-04-05T01:30", "2026-10-04T02:00"]),
    st.integers(-7200, 7200),
)


@given(instant=WALLS, zone=ZONES)
def test_printed_instant_is_read_back(instant: datetime, zone: tzinfo) -> None:
    """What Python prints with an offset is read as the same instant, whatever zone is meant otherwise."""
    instant = instant.replace(tzinfo=UTC)
    assert resolve(instant.astimezone(zone).isoformat(), now=NOW, zone=SEOUL, side="since").at == instant
    assert resolve(instant.isoformat(), now=NOW, zone=zone, side="until").at == instant


@given(time=WALLS | TURNS, zone=ZONES)
def test_reading_of_a_clock_brackets_what_it_shows(time: datetime, zone: tzinfo) -> None:
    """The clock shows the time at both instants, or jumps over it between the one and the second before."""
    reading = readings(time, zone)
    shown = [each.astimezone(zone).replace(tzinfo=None) for each in (reading.earlier, reading.later)]
    if reading.exists:
        assert shown == [time, time]
        assert timedelta() <= reading.later - reading.earlier <= timedelta(hours=2)
    else:
        assert reading.earlier == reading.later
        before = (reading.earlier - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
        assert before < time < shown[0]


# --- zones


@pytest.mark.parametrize(
    ("name", "offset_hours"), [("UTC", 0), ("utc", 0), ("Asia/Seoul", 9), ("Etc/GMT-9", 9), ("America/Lima", -5)]
)
def test_zone_is_found_by_its_name(name: str, offset_hours: int) -> None:
    """IANA names, and UTC in any spelling."""
    assert NOW.astimezone(parse_zone(name)).utcoffset() == timedelta(hours=offset_hours)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("asia/seoul", "did you mean `Asia/Seoul`?"),
        ("seoul", "did you mean `Asia/Seoul`?"),
        ("new york", "did you mean `America/New_York`?"),
        ("KST", "zones have names such as `Asia/Seoul`, `UTC` or `local`"),
        ("", "zones have names such as `Asia/Seoul`, `UTC` or `local`"),
        ("../../etc/passwd", "zones have names such as `Asia/Seoul`, `UTC` or `local`"),
        ("right/UTC", "zones have names such as `Asia/Seoul`, `UTC` or `local`"),
        ("x" * 10_000, "zones have names such as `Asia/Seoul`, `UTC` or `local`"),
        ("a\0b", "zones have names such as `Asia/Seoul`, `UTC` or `local`"),
        ("\udcff", "zones have names such as `Asia/Seoul`, `UTC` or `local`"),
    ],
)
def test_unknown_zone_is_refused_with_those_near(name: str, hint: str) -> None:
    """No abbreviation is guessed at, no file outside the zones is opened."""
    with pytest.raises(ZoneError) as caught:
        parse_zone(name)
    assert caught.value.hint == hint
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("value", ["Asia/Seoul", ":Asia/Seoul"])
def test_local_zone_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """TZ says what this machine's zone is, with or without the colon of POSIX."""
    monkeypatch.setenv("TZ", value)
    assert str(parse_zone("local")) == "Asia/Seoul"


def test_local_zone_without_a_value_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty TZ means UTC."""
    monkeypatch.setenv("TZ", "")
    assert parse_zone("local") is UTC


@pytest.mark.parametrize("value", ["JST-9", "/nowhere/at/all"])
def test_local_zone_without_a_name_is_an_error(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A zone that only the C library understands has to be named."""
    monkeypatch.setenv("TZ", value)
    with pytest.raises(ZoneError) as caught:
        parse_zone("local")
    assert str(caught.value) == (
        f"the zone of this machine, `{value}`, has no known name\n  hint: name one: `--tz Asia/Seoul`"
    )


def test_local_zone_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A path in TZ is the zone's file; where it links to tells the name."""
    from importlib.resources import files

    seoul = files("tzdata") / "zoneinfo" / "Asia" / "Seoul"
    (tmp_path / "copy").write_bytes(seoul.read_bytes())
    monkeypatch.setenv("TZ", str(tmp_path / "copy"))
    assert NOW.astimezone(parse_zone("local")).utcoffset() == timedelta(hours=9)
    (tmp_path / "link").symlink_to(str(seoul))
    monkeypatch.setenv("TZ", str(tmp_path / "link"))
    assert str(parse_zone("local")) == "Asia/Seoul"


def test_local_zone_of_the_machine_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TZ it is what the machine is set to, at this instant the same as the C library says."""
    monkeypatch.delenv("TZ", raising=False)
    assert NOW.astimezone(parse_zone("local")).utcoffset() == NOW.astimezone().utcoffset()
