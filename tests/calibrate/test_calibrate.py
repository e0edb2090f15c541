"""Limits are proposed from traffic, in round numbers, and never from too little of it."""

from __future__ import annotations

import tomllib

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.buckets import bucket_of
from attribute.calibrate import Calibration, FunctionCalibration, calibrate, round_to_1_2_5
from attribute.frames import LATENCY
from attribute.rules.thresholds import Limits


def latency(function: str, *values: tuple[float, int], measure: str = "total") -> pl.DataFrame:
    rows = [
        {"slot": None, "function": function, "measure": measure, "bucket": bucket_of(ms), "requests": requests}
        for ms, requests in values
    ]
    return pl.DataFrame(rows, schema=LATENCY)


def test_limit_is_twice_the_99th_percentile_in_round_numbers() -> None:
    """A function that is slow by nature gets a limit of its own; one that is not keeps the default."""
    logs = pl.concat(
        [
            latency("export", (100, 900), (4000, 100)),
            latency("search", (20, 5000), (3000, 10)),
            latency("rare", (9000, 999)),
            latency("rare", (9000, 999), measure="upstream"),
        ]
    )
    assert calibrate(logs) == Calibration(
        default_ms=1000.0,
        minimum_requests=1000,
        functions=(
            FunctionCalibration(function="export", requests=1000, p99_ms=4000, slow_ms=10000.0),
            FunctionCalibration(function="rare", requests=999, p99_ms=None, slow_ms=None),
            FunctionCalibration(function="search", requests=5010, p99_ms=20, slow_ms=None),
        ),
    )


def test_proposal_is_text_for_a_config_with_the_numbers_it_rests_on() -> None:
    """The text says what it is, what it rests on, and who has too few requests to say."""
    logs = pl.concat([latency("export", (100, 900), (4000, 100)), latency("rare", (9000, 9))])
    assert calibrate(logs).to_toml() == (
        "# Limits proposed from logs: twice the 99th percentile of the function, rounded to 1, 2 or 5 times\n"
        "# a power of ten, and at least 1000 ms. In force once they are in a config.\n"
        "# Functions with a limit of their own: 1; with the default one: 0;\n"
        "# with too few requests to say (under 1,000): 1.\n"
        "\n"
        '[functions."export"]\n'
        "slow_ms = 10000  # p99 4,000 ms of 1,000 requests\n"
    )


@settings(max_examples=60, deadline=None)
@given(names=st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), max_size=4))
def test_proposal_is_toml_whatever_the_functions_are_called(names: set[str]) -> None:
    """A function's name comes out of a log: it can break out of no quotes, and no line of it is a setting."""
    frames = [latency(name, (5000, 1000)) for name in sorted(names)]
    text = calibrate(pl.concat(frames) if frames else LATENCY.to_frame()).to_toml()
    assert tomllib.loads(text) == ({"functions": {name: {"slow_ms": 10000} for name in names}} if names else {})
    assert all(line.isprintable() and line.isascii() for line in text.split("\n"))


def test_proposal_is_never_below_the_default() -> None:
    """The limit for all is the least."""
    (function,) = calibrate(latency("export", (400, 1000)), default=Limits(slow_ms=3000)).functions
    assert function.slow_ms is None
    (function,) = calibrate(latency("export", (4000, 1000)), default=Limits(slow_ms=3000)).functions
    assert function.slow_ms == 10000.0


@given(st.floats(0.001, 1e9))
def test_rounded_number_is_1_2_or_5_times_a_power_of_ten_and_near(value: float) -> None:
    """Rounding changes a limit by at most the half of a step, by ratio."""
    rounded = round_to_1_2_5(value)
    assert f"{rounded:e}"[0] in "125"
    assert float(f"{rounded:e}"[:8]) in {1.0, 2.0, 5.0}
    assert 1 / 1.5812 < rounded / value < 1.5812
