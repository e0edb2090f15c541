"""
Log-linear latency buckets: whole milliseconds, exact below 64, then 32 buckets to each doubling.

A bucket's middle is within 1.6 % of every whole number in it. Counts of buckets add up, so a quantile does not depend
on the order in which logs were read or counts were merged (that of a t-digest does).
"""

from __future__ import annotations

import polars as pl

from attribute.m1.fields import MAX_MS

__all__ = ["bucket_bounds", "bucket_expr", "bucket_of", "quantile"]


def bucket_of(latency_ms: float) -> int:
    """
    Say in which bucket a latency counts; half a millisecond rounds up first.

    Raises:
        ValueError: *latency_ms* is negative, over 10^9, or no number.

    >>> [bucket_of(ms) for ms in (0, 0.5, 63.4, 64, 65, 127, 128, 1_000_000_000)]
    [0, 1, 63, 64, 64, 95, 96, 827]
    """
    if not 0 <= latency_ms <= MAX_MS:
        raise ValueError(f"a latency lies between 0 and {MAX_MS} ms, not at {latency_ms!r}")
    whole = int(latency_ms)
    whole += latency_ms - whole >= 0.5
    octave = max(whole.bit_length() - 6, 0)
    return 32 * octave + (whole >> octave)


def bucket_bounds(bucket: int) -> tuple[int, int]:
    """
    Return the first whole millisecond of *bucket* and the first after it.

    >>> bucket_bounds(63), bucket_bounds(64), bucket_bounds(96)
    ((63, 64), (64, 66), (128, 132))
    """
    octave = max(bucket // 32 - 1, 0)
    first = (bucket - 32 * octave) << octave
    return first, first + (1 << octave)


def bucket_expr(latency_ms: pl.Expr) -> pl.Expr:
    """
    Build the expression of `bucket_of`, for a Float64 column of 0 to 10^9; null stays null.

    From 64 on, the exponent and the five highest bits of the fraction of a double *are* the bucket, but for a constant:
    no logarithm, so no trouble at powers of two.
    """
    whole = latency_ms.round(0, mode="half_away_from_zero")
    bits = whole.reinterpret(dtype=pl.UInt64) // 2**47
    return pl.when(whole < 64).then(whole.cast(pl.Int32)).otherwise(bits.cast(pl.Int32) - (1023 + 4) * 32)


def quantile(latency: pl.DataFrame, q: float) -> int | None:
    """
    Return the *q*-quantile of what *latency* counts, in whole milliseconds.

    Args:
        latency: rows of a `LATENCY` frame of one measure, over any slots and functions. Reads `bucket`, `requests`.
        q: 0 to 1, over 0 excluded.

    Returns:
        The middle of the smallest bucket whose cumulated count reaches `ceil(q n)`; nothing where nothing is counted.

    Raises:
        ValueError: *q* is not over 0 and at most 1.
    """
    if not 0 < q <= 1:
        raise ValueError(f"a quantile is over 0 and at most 1, not {q!r}")
    per_bucket = latency.group_by("bucket").agg(pl.col("requests").sum()).sort("bucket")
    total = int(per_bucket["requests"].sum())
    seen = 0
    for bucket, requests in per_bucket.iter_rows():
        seen += requests
        if seen >= q * total:
            first, end = bucket_bounds(bucket)
            return (first + end) // 2
    return None
