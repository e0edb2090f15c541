"""How many baselines a log may ask for."""

from __future__ import annotations

import pytest

from attribute.incidents.baseline import _periods


@pytest.mark.parametrize("count", [1, 5, 14, 15, 400, 401, 5000])
def test_periods_of_any_number_of_days_stay_few(count: int) -> None:
    """A log that claims thousands of days costs no more than one of a year: its days share baselines before them."""
    days = list(range(0, 3 * count, 3))
    periods = _periods(days, 14, causal=True)
    assert [day for members in periods.values() for day in members] == days
    assert len(periods) <= 401
    assert all(last < members[0] or members[0] < days[min(14, count) - 1] + 1 for (_, last), members in periods.items())
    assert all(last - first <= 3 * 13 for first, last in periods)
