"""
How likely a count is by chance, where shares swing more than chance alone would have them.

A share that swings makes the successes in one window resemble each other. The beta-binomial distribution says so with
one number, the correlation within a window (`rho`): 0 is the plain binomial, 1 is all or nothing.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["critical_count", "tail"]

MAX_EXACT_DEVIATION: Final = 2000.0
"""Up to this standard deviation, in requests, the tail is summed term by term; beyond, a beta stands in for it."""

_LEAST_RHO: Final = 1e-9
_NEGLIGIBLE: Final = 1e-17
_MAX_FRACTION_STEPS: Final = 100_000


def tail(count: int, total: int, share: float, rho: float) -> float:
    """
    Return the probability of *count* or more of *total*, were the true share *share*.

    Args:
        count: 0 to *total*.
        total: how many there are.
        share: over 0 and under 1.
        rho: correlation within the window, 0 to under 1.

    Returns:
        0 to 1. Exact up to a standard deviation of 2,000 requests; beyond, within 3 % of the exact value where that is
        over 1e-6. One more success out of one more request never makes it larger, nor does one more out of the same.

    >>> round(tail(5, 10, 0.5, 0.0), 4)
    0.623
    """
    if count <= 0:
        return 1.0
    if count > total:
        return 0.0
    rho = max(rho, _LEAST_RHO)
    deviation = math.sqrt(total * share * (1 - share) * (1 + (total - 1) * rho))
    if deviation > MAX_EXACT_DEVIATION:
        return _beta_tail(count, total, share, rho)
    a, b = share * (1 - rho) / rho, (1 - share) * (1 - rho) / rho
    if count > total * share:
        return min(_point(count, total, a, b) * _sum_upward(count, total, a, b), 1.0)
    return max(1.0 - _point(count - 1, total, a, b) * _sum_downward(count - 1, total, a, b), 0.0)


def critical_count(total: int, share: float, rho: float, alpha: float) -> int | None:
    """
    Return the least count out of *total* whose `tail` is under *alpha*; nothing where not even *total* is.

    Args:
        total: how many there are.
        share: as in `tail`.
        rho: as in `tail`.
        alpha: over 0 and under 1.
    """
    if total < 1 or tail(total, total, share, rho) >= alpha:
        return None
    low, high = math.floor(total * share), total  # at *low* the tail is about a half, at *high* it is small enough
    while high - low > 1:
        middle = (low + high) // 2
        if tail(middle, total, share, rho) < alpha:
            high = middle
        else:
            low = middle
    return high


def _point(count: int, total: int, a: float, b: float) -> float:
    """Return the probability of exactly *count*."""
    ways = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
    return math.exp(ways + _rising(a, count) + _rising(b, total - count) - _rising(a + b, total))


def _rising(start: float, steps: int) -> float:
    """Return the logarithm of `start (start + 1) ... (start + steps - 1)`, also where the gammas would cancel."""
    if steps == 0:
        return 0.0
    if start > 1e6:
        # Stirling's formula of both gammas, written so that nothing large is subtracted from anything large.
        end = start + steps
        correction = (1 / end - 1 / start) / 12
        return (start - 0.5) * math.log1p(steps / start) + steps * (math.log(end) - 1) + correction
    return math.lgamma(start + steps) - math.lgamma(start)


def _sum_upward(count: int, total: int, a: float, b: float) -> float:
    """Return the tail from *count* on, in units of its first term."""
    term = added = 1.0
    for k in range(count, total):
        term *= (total - k) * (a + k) / ((k + 1) * (b + total - k - 1))
        added += term
        if term < _NEGLIGIBLE * added:
            break
    return added


def _sum_downward(count: int, total: int, a: float, b: float) -> float:
    """Return the sum of all terms up to *count*, in units of the last."""
    term = added = 1.0
    for k in range(count, 0, -1):
        term *= k * (b + total - k) / ((total - k + 1) * (a + k - 1))
        added += term
        if term < _NEGLIGIBLE * added:
            break
    return added


def _beta_tail(count: int, total: int, share: float, rho: float) -> float:
    """Return the tail of the beta with the same mean and variance, half a request to the safe side."""
    size = total / (1 + (total - 1) * rho) - 1
    at = (count - 0.5) / total
    return _incomplete_beta((1 - share) * size, share * size, 1 - at)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function (continued fraction, modified Lentz)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x) - math.log(a)
    )
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    fraction = d
    for m in range(1, _MAX_FRACTION_STEPS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + numerator * d or tiny)
            c = 1 + numerator / c or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return min(front * fraction, 1.0)
