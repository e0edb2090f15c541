from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.buckets import bucket_bounds, bucket_expr, bucket_of, quantile
from attribute.m1.fields import MAX_MS
from tests.reference import rollup as reference
from tests.rollup.strategies import LATENCIES


def in_polars(values: list[float | None]) -> list[int | None]:
    frame = pl.DataFrame({"ms": values}, schema={"ms": pl.Float64})
    return frame.select(bucket_expr(pl.col("ms"))).to_series().to_list()


@settings(max_examples=200, deadline=None)
@given(st.lists(LATENCIES, min_size=1, max_size=20))
def test_bucket_of_any_latency_is_the_same_in_python_in_polars_and_counted_up(values: list[float]) -> None:
    """One latency has one bucket, however it is worked out."""
    plain = [bucket_of(value) for value in values]
    assert in_polars(list(values)) == plain
    assert [reference.bucket(value) for value in values] == plain


def test_bucket_at_every_power_of_two_is_the_same_on_all_three_paths() -> None:
    """Powers of two, their neighbours and halves, where logarithms go wrong, fall where integers put them."""
    edges = [2.0**power + step for power in range(30) for step in (-1, -0.5, -0.25, 0, 0.5, 1)]
    edges += [math.nextafter(0.5, 0), 0.5, math.nextafter(63.5, 0), 63.5, 0.0, float(MAX_MS)]
    edges = [edge for edge in edges if edge <= MAX_MS]
    plain = [bucket_of(edge) for edge in edges]
    assert in_polars(list(edges)) == plain
    assert [reference.bucket(edge) for edge in edges] == plain


def test_bucket_of_unknown_latency_stays_unknown() -> None:
    """A null latency counts in no bucket."""
    assert in_polars([None, 1.0]) == [None, 1]


def test_buckets_cover_every_whole_millisecond_once_in_order() -> None:
    """Each bucket ends where the next begins, up to the longest latency."""
    end = 0
    for number in range(bucket_of(MAX_MS) + 1):
        first, following = bucket_bounds(number)
        assert first == end
        assert bucket_of(first) == bucket_of(min(following - 1, MAX_MS)) == number
        end = following
    assert end > MAX_MS
    assert bucket_of(70 * 60 * 1000 - 6000) == 575


@given(st.integers(0, MAX_MS))
def test_middle_of_a_bucket_is_near_every_whole_latency_in_it(value: int) -> None:
    """What is shown for a latency is at most 1/64 off."""
    first, end = bucket_bounds(bucket_of(value))
    assert abs((first + end) // 2 - value) <= value / 64


@pytest.mark.parametrize("value", [-1.0, 1e9 + 1, math.nan, math.inf])
def test_bucket_of_what_is_no_latency_raises(value: float) -> None:
    """The decoder lets no such number through; if one comes, we have a bug and hear of it."""
    with pytest.raises(ValueError, match="a latency lies between 0 and"):
        bucket_of(value)


@settings(deadline=None, max_examples=50)
@given(st.lists(LATENCIES, min_size=1, max_size=40), st.floats(0.01, 1))
def test_quantile_of_buckets_is_the_bucket_of_the_quantile(values: list[float], q: float) -> None:
    """Bucketing moves a quantile to its bucket's middle and no further."""
    latency = pl.DataFrame({"bucket": [bucket_of(value) for value in values], "requests": [1] * len(values)})
    first, end = bucket_bounds(bucket_of(reference.quantile(values, q)))
    assert quantile(latency, q) == (first + end) // 2


def test_quantile_of_nothing_is_nothing() -> None:
    """No requests, no latency."""
    assert quantile(pl.DataFrame(schema={"bucket": pl.Int32, "requests": pl.Int64}), 0.5) is None


@pytest.mark.parametrize("q", [0, -1, 1.01, math.nan])
def test_quantile_out_of_range_raises(q: float) -> None:
    """A share over 1 has no quantile."""
    with pytest.raises(ValueError, match="a quantile is over 0 and at most 1"):
        quantile(pl.DataFrame(schema={"bucket": pl.Int32, "requests": pl.Int64}), q)
