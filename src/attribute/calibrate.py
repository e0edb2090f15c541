"""
Limits per function, proposed from what its traffic looks like. Never adopted by themselves: they are text for a config.

A function that is slow by nature (an export, a report) makes every request of its own a slow one under a limit for
all. The proposal is twice its 99th percentile, at least the default limit, rounded to 1, 2 or 5 times a power of ten:
stable from week to week, and explainable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import polars as pl

from attribute.buckets import quantile
from attribute.m1.fields import MAX_MS
from attribute.rules.thresholds import Limits, number_text

__all__ = ["MINIMUM_REQUESTS", "Calibration", "FunctionCalibration", "calibrate", "round_to_1_2_5"]

MINIMUM_REQUESTS: Final = 1000
"""With fewer requests a 99th percentile rests on under ten of them."""

_STEPS: Final = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCalibration:
    """
    What the traffic of one function says.

    Attributes:
        function: which one.
        requests: how many were looked at.
        p99_ms: their 99th percentile, in whole milliseconds; None where they are too few.
        slow_ms: the limit that is proposed; None where it is the default one, or they are too few.
    """

    function: str
    requests: int
    p99_ms: int | None
    slow_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """
    A proposal for all functions.

    Attributes:
        default_ms: the limit that holds where nothing else is proposed.
        minimum_requests: functions with fewer requests keep the default.
        functions: in order of name.
    """

    default_ms: float
    minimum_requests: int
    functions: tuple[FunctionCalibration, ...]

    @property
    def too_few(self) -> tuple[FunctionCalibration, ...]:
        """The functions that have too few requests to say anything."""
        return tuple(each for each in self.functions if each.p99_ms is None)

    def to_toml(self) -> str:
        """Return the proposal as text for a configuration file, with the numbers that it rests on."""
        proposed = [each for each in self.functions if each.slow_ms is not None]
        enough = len(self.functions) - len(self.too_few) - len(proposed)
        lines = [
            "# Limits proposed from logs: twice the 99th percentile of the function, rounded to 1, 2 or 5 times",
            f"# a power of ten, and at least {number_text(self.default_ms)} ms. In force once they are in a config.",
            f"# Functions with a limit of their own: {len(proposed)}; with the default one: {enough};",
            f"# with too few requests to say (under {self.minimum_requests:,}): {len(self.too_few)}.",
        ]
        for each in proposed:
            lines += [
                "",
                f"[functions.{_quoted(each.function)}]",
                f"slow_ms = {number_text(each.slow_ms or 0.0)}  # p99 {each.p99_ms:,} ms of {each.requests:,} requests",
            ]
        return "\n".join(lines) + "\n"


def calibrate(
    latency: pl.DataFrame, *, default: Limits | None = None, minimum_requests: int = MINIMUM_REQUESTS
) -> Calibration:
    """
    Propose a limit for every function.

    Args:
        latency: a `LATENCY` frame, over days that were normal: an outage in it raises the proposal.
        default: the limits that hold for all; its `slow_ms` is the least that is proposed.
        minimum_requests: functions with fewer requests keep the default.

    Returns:
        One entry per function that has a `total` latency. The same for any order of the rows.
    """
    least = (default or Limits()).slow_ms
    functions = []
    totals = latency.filter(pl.col("measure") == "total").sort("function")
    for (function,), rows in totals.group_by("function", maintain_order=True):
        requests = int(rows["requests"].sum())
        p99_ms = quantile(rows, 0.99) if requests >= minimum_requests else None
        slow_ms = None if p99_ms is None else min(max(least, round_to_1_2_5(2.0 * p99_ms)), float(MAX_MS))
        functions.append(
            FunctionCalibration(
                function=str(function),
                requests=requests,
                p99_ms=p99_ms,
                slow_ms=None if slow_ms == least else slow_ms,
            )
        )
    return Calibration(default_ms=least, minimum_requests=minimum_requests, functions=tuple(functions))


def round_to_1_2_5(value: float) -> float:
    """
    Return the nearest of 1, 2, 5, 10, 20, 50, ... by ratio; 0 stays 0.

    >>> [round_to_1_2_5(value) for value in (0, 1.4, 1.5, 3.1, 3.2, 7, 8, 1999, 7071, 7072)]
    [0.0, 1.0, 2.0, 2.0, 5.0, 5.0, 10.0, 2000.0, 5000.0, 10000.0]
    """
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    mantissa = value / power
    for step, above in pairwise(_STEPS):
        if mantissa * mantissa < step * above:
            return step * power
    return 10.0 * power


def _quoted(name: str) -> str:
    """Return a TOML string for a name out of a log: printable ASCII, all else escaped."""
    return '"' + "".join(_escaped(character) for character in name) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if " " <= character <= "~":
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
