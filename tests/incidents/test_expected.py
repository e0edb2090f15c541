from __future__ import annotations

from datetime import timedelta

import pytest

from attribute.incidents import ExpectedRange, expected_range
from tests.incidents.build import Log, at

DAY, HOUR = 1440, 60


def nightly(days: int) -> Log:
    """Between two and three each night, one failure more than the night before; at three, a hundred."""
    log = Log()
    for day in range(days):
        log.add(day * DAY, "sync", 50)
        log.add(day * DAY + 2 * HOUR, "sync", 20 + day, "application")
        log.add(day * DAY + 3 * HOUR, "sync", 100, "application")
        log.add(day * DAY + 2 * HOUR + 59, "auth", 1, "application")
    return log


def two_to_three(day: int) -> tuple:  # type: ignore[type-arg]  # a pair of instants
    return at(day * DAY + 2 * HOUR), at(day * DAY + 3 * HOUR)


def test_normal_for_an_hour_is_what_the_same_hour_had_on_other_days() -> None:
    """With a week, all days count; what lies at or after the window does not."""
    got = expected_range(nightly(20).counts, "application", *two_to_three(10))
    assert got == ExpectedRange(low=22, high=29, windows=10, same_weekday=False)


def test_normal_for_an_hour_is_that_of_the_weekday_where_there_are_three() -> None:
    """Mondays are compared with Mondays as soon as there are three."""
    got = expected_range(nightly(40).counts, "application", *two_to_three(28))
    assert got == ExpectedRange(low=21, high=42, windows=4, same_weekday=True)


def test_normal_counts_only_what_is_asked_for() -> None:
    """A class that never occurs is normally absent; functions can be picked."""
    counts = nightly(20).counts
    assert expected_range(counts, "vendor", *two_to_three(10)) == ExpectedRange(
        low=0, high=0, windows=10, same_weekday=False
    )
    got = expected_range(counts, "application", *two_to_three(10), functions=frozenset({"auth"}))
    assert got == ExpectedRange(low=1, high=1, windows=10, same_weekday=False)


@pytest.mark.parametrize("days", [0, 1, 6])
def test_normal_is_not_said_with_less_than_a_week(days: int) -> None:
    """Too little history, no claim."""
    assert expected_range(nightly(days).counts, "application", *two_to_three(days)) is None


def test_normal_for_no_time_or_for_days_is_refused() -> None:
    """Windows that overlap themselves a day earlier have no such band."""
    for end in (at(0), at(-5), at(DAY + 1)):
        with pytest.raises(ValueError, match="at most a day"):
            expected_range(nightly(9).counts, "vendor", at(0), end)
    start = at(8 * DAY)
    assert expected_range(nightly(9).counts, "vendor", start, start + timedelta(days=1)) is not None
