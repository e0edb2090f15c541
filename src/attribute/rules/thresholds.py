"""What counts as slow, low and dominant. They look at one record alone and are printed with every verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    The limits of one function.

    Attributes:
        slow_ms: a request at or over it is slow.
        upstream_low_share: upstream latency at or under this share of the total is low.
        upstream_dominant_share: at or over this share it is dominant; between the two the split is unclear.
        clock_tolerance_ms: upstream over total by at most this (or `clock_tolerance_share`) counts as equal.
        clock_tolerance_share: the same, as a share of the total; the larger of the two holds.
    """

    slow_ms: float = 1000.0
    upstream_low_share: float = 0.2
    upstream_dominant_share: float = 0.8
    clock_tolerance_ms: float = 5.0
    clock_tolerance_share: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The limits for all functions, and those of functions that have their own."""

    default: Limits = Limits()
    by_function: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, function: str) -> Limits:
        """Return the limits that hold for *function*."""
        return self.by_function.get(function, self.default)
