"""Limits that cannot hold are refused where they are made."""

from __future__ import annotations

import math

import pytest

from attribute.rules.thresholds import Limits, ThresholdError, Thresholds


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slow_ms": 0.0}, "`slow_ms` is 0.0, expected a number over 0 and at most 1e+09"),
        ({"slow_ms": math.inf}, "`slow_ms` is inf, expected a number over 0 and at most 1e+09"),
        ({"slow_ms": math.nan}, "`slow_ms` is nan, expected a number over 0 and at most 1e+09"),
        ({"slow_ms": True}, "`slow_ms` is True, expected a number over 0 and at most 1e+09"),
        ({"slow_ms": "1000"}, "`slow_ms` is '1000', expected a number over 0 and at most 1e+09"),
        ({"upstream_low_share": 1.5}, "`upstream_low_share` is 1.5, expected a number from 0 to 1"),
        ({"clock_tolerance_ms": -1}, "`clock_tolerance_ms` is -1, expected a number from 0 to 1e+09"),
        (
            {"upstream_low_share": 0.8},
            "`upstream_low_share` is 0.8 and `upstream_dominant_share` 0.8, expected the first below the second",
        ),
    ],
)
def test_limit_that_cannot_hold_is_refused(changes: dict[str, float], message: str) -> None:
    """A limit is a finite number within its bounds, and low lies below dominant."""
    with pytest.raises(ThresholdError) as caught:
        Limits(**changes)
    assert caught.value.message == message


def test_function_without_limits_of_its_own_has_the_default_ones() -> None:
    """Only named functions differ."""
    thresholds = Thresholds(by_function={"import": Limits(slow_ms=5000)})
    assert (thresholds.of("import").slow_ms, thresholds.of("export").slow_ms) == (5000, 1000)
