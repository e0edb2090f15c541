"""What counts as slow, low and dominant. They look at one record alone and are printed with every verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from attribute.m1.errors import AttributionError
from attribute.m1.fields import MAX_MS


class ThresholdError(AttributionError):
    """A limit that cannot hold."""

    @classmethod
    def out_of_bounds(cls, name: str, value: object, expected: str) -> ThresholdError:
        """Say which limit lies outside its bounds."""
        return cls(f"`{name}` is {value!r}, expected {expected}", hint="the defaults are in `attribute config show`")

    @classmethod
    def low_not_below_dominant(cls, low: float, dominant: float) -> ThresholdError:
        """Say that the two shares leave no room between them."""
        return cls(
            f"`upstream_low_share` is {low!r} and `upstream_dominant_share` {dominant!r}, expected the first below the"
            " second",
            hint="a share cannot be low and dominant at once; the defaults are 0.2 and 0.8",
        )


def _check(name: str, value: object, *, maximum: float, zero: bool = True) -> None:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0.0 <= number <= maximum or (number == 0.0 and not zero):
        expected = f"a number from 0 to {maximum:g}" if zero else f"a number over 0 and at most {maximum:g}"
        raise ThresholdError.out_of_bounds(name, value, expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    The limits of one function.

    Attributes:
        slow_ms: a request at or over it is slow. Over 0, at most 1e9.
        upstream_low_share: upstream latency at or under this share of the total is low. From 0, below the next.
        upstream_dominant_share: at or over this share it is dominant; between the two the split is unclear. At most 1.
        clock_tolerance_ms: upstream over total by at most this (or `clock_tolerance_share`) counts as equal.
        clock_tolerance_share: the same, as a share of the total; the larger of the two holds.

    Raises:
        ThresholdError: a limit is no finite number within its bounds.
    """

    slow_ms: float = 1000.0
    upstream_low_share: float = 0.2
    upstream_dominant_share: float = 0.8
    clock_tolerance_ms: float = 5.0
    clock_tolerance_share: float = 0.01

    def __post_init__(self) -> None:
        _check("slow_ms", self.slow_ms, maximum=MAX_MS, zero=False)
        _check("upstream_low_share", self.upstream_low_share, maximum=1.0)
        _check("upstream_dominant_share", self.upstream_dominant_share, maximum=1.0)
        _check("clock_tolerance_ms", self.clock_tolerance_ms, maximum=MAX_MS)
        _check("clock_tolerance_share", self.clock_tolerance_share, maximum=1.0)
        if self.upstream_low_share >= self.upstream_dominant_share:
            raise ThresholdError.low_not_below_dominant(self.upstream_low_share, self.upstream_dominant_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The limits for all functions, and those of functions that have their own."""

    default: Limits = Limits()
    by_function: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))

    def __reduce__(self) -> tuple[Callable[..., Thresholds], tuple[object, ...]]:
        return _thresholds, (self.default, dict(self.by_function))  # a read-only view cannot travel

    def of(self, function: str) -> Limits:
        """Return the limits that hold for *function*."""
        return self.by_function.get(function, self.default)

    def listed(self) -> list[tuple[str, list[float]]]:
        """Return the limits in order of their function, those for all others first, to tell them apart."""
        every = [("", self.default), *sorted(self.by_function.items())]
        return [(name, [float(getattr(limits, each.name)) for each in fields(limits)]) for name, limits in every]


def number_text(value: float) -> str:
    """
    Return a limit, or what is held against one, as it is written in a configuration: no fraction where there is none.

    >>> number_text(2000.0), number_text(0.25)
    ('2000', '0.25')
    """
    return f"{value:.0f}" if value == int(value) else repr(value)


def _thresholds(default: Limits, by_function: dict[str, Limits]) -> Thresholds:
    return Thresholds(default=default, by_function=MappingProxyType(by_function))
