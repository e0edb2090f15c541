"""Weeks: by the clocks of a zone, whole or in part."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribute.reports.weeks import Week, WeekError, part_of

NEW_YORK = ZoneInfo("America/New_York")
ZONES = [UTC, NEW_YORK, *(ZoneInfo(name) for name in ("Asia/Seoul", "Asia/Kathmandu", "Australia/Lord_Howe"))]


@pytest.mark.parametrize(
    ("week", "half_hours"), [("2026-W10", 334), ("2026-W11", 336), ("2026-W43", 336), ("2026-W44", 338)]
)
def test_week_in_which_clocks_change_has_its_own_length(week: str, half_hours: int) -> None:
    """Seven days of New York have 167, 168 or 169 hours."""
    assert Week.parse(week, zone=NEW_YORK).half_hours == half_hours


def test_week_begins_and_ends_at_midnight_of_its_zone() -> None:
    """Week 47 begins on Monday the 16th, in Seoul nine hours before UTC's."""
    week = Week.parse("2026-W47", zone=ZoneInfo("Asia/Seoul"))
    assert week.since_at == datetime(2026, 11, 15, 15, tzinfo=UTC)
    assert week.until_at == datetime(2026, 11, 22, 15, tzinfo=UTC)
    assert (week.name, week.number, week.days[0], week.days[6]) == (
        "2026-W47",
        47,
        date(2026, 11, 16),
        date(2026, 11, 22),
    )


@given(monday=st.dates(date(1975, 1, 6), date(2090, 1, 1)), zone=st.sampled_from(ZONES))
def test_weeks_follow_each_other_without_a_gap(monday: date, zone: ZoneInfo) -> None:
    """A week ends where the next one begins, is named after itself, and has 334 to 338 half hours."""
    week = Week(monday - timedelta(days=monday.weekday()), zone)
    after = Week(week.monday + timedelta(weeks=1), zone)
    assert week.until_at == after.since_at
    assert after.earlier(1) == week
    assert Week.parse(week.name, zone=zone) == week
    assert 334 <= week.half_hours <= 338


@pytest.mark.parametrize(
    "text",
    ["2026-W54", "2026-W00", "2026W", "W47", "2026-47", "2026-W47-1", "0001-W01", "\uff19\uff19\uff19\uff19-W01"],
)
def test_text_that_names_no_week_is_said_to(text: str) -> None:
    """One line, and how to write one."""
    with pytest.raises(WeekError, match="is not a week"):
        Week.parse(text, zone=UTC)


def test_last_whole_week_is_the_one_before_today() -> None:
    """On a Monday morning it is the week that ended at midnight, by the zone's own clock."""
    now = datetime(2026, 11, 22, 16, tzinfo=UTC)
    assert Week.last_whole(now, zone=ZoneInfo("Asia/Seoul")).name == "2026-W47"
    assert Week.last_whole(now, zone=UTC).name == "2026-W46"


WEEK = Week.parse("2026-W47", zone=UTC)
MONDAY = WEEK.since_at
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("known", "now", "since", "until", "remarks"),
    [
        ((-99, 500), 200, 0, 168, ()),
        ((-99, 500), 76, 0, 76, ("This week so far: 3 d 4 h of 7 d.",)),
        ((-99, 100), 200, 0, 100, ("The logs end at 2026-11-20 04:00:00 UTC; the week is told up to there.",)),
        ((30, 500), 200, 30, 168, ("The logs begin at 2026-11-17 06:00:00 UTC; the week is told from there.",)),
        ((0.5, 167.5), 200, 0, 168, ()),
        ((-99, -50), 200, 0, 168, ()),
        ((500, 600), 700, 0, 168, ()),
        (None, 200, 0, 168, ()),
        ((-99, 500), -10, 0, 0, ("This week so far: 0 s of 7 d.",)),
    ],
)
def test_part_of_a_week_is_what_logs_and_clock_allow(
    known: tuple[float, float] | None, now: float, since: float, until: float, remarks: tuple[str, ...]
) -> None:
    """A week that is not over, or not in the logs, is told as far as it goes, and says so."""
    reach = None if known is None else (MONDAY + known[0] * HOUR, MONDAY + known[1] * HOUR)
    part = part_of(WEEK, reach, MONDAY + now * HOUR)
    assert part.since_at == MONDAY + since * HOUR
    assert part.until_at == MONDAY + until * HOUR
    assert part.remarks == remarks


def test_same_part_of_the_week_before_is_by_the_clock() -> None:
    """Friday noon is compared with Friday noon, also over a change of clocks."""
    week = Week.parse("2026-W45", zone=NEW_YORK)
    noon = datetime(2026, 11, 6, 17, tzinfo=UTC)
    assert week.same_clock(noon, 1) == datetime(2026, 10, 30, 16, tzinfo=UTC)
    assert week.same_clock(week.since_at, 1) == week.earlier(1).since_at
    assert week.same_clock(week.until_at, 1) == week.earlier(1).until_at
