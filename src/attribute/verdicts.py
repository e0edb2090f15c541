"""Requests -> verdicts."""

from __future__ import annotations

from typing import TypeVar

import polars as pl

from attribute.frames import VERDICTS
from attribute.rules.compile import CompiledRules

__all__ = ["classify", "decide"]

_Frame = TypeVar("_Frame", pl.DataFrame, pl.LazyFrame)


def classify(requests: pl.DataFrame, compiled: CompiledRules, *, in_order: bool = True) -> pl.DataFrame:
    """
    Give every incident request its verdict.

    A verdict depends on its own request and on the rules, never on other requests.

    Args:
        requests: a `REQUESTS` frame, one row per request.
        compiled: the rules.
        in_order: whether the order of what is returned matters.

    Returns:
        A `VERDICTS` frame with one row per request that is failing or slow; the others are left out. In order of `at`
        (untimed last), then `request_id`, or in none.
    """
    verdicts = decide(requests.filter(compiled.incident), compiled)
    return verdicts.sort("at", "request_id", nulls_last=True, maintain_order=True) if in_order else verdicts


def decide(requests: _Frame, compiled: CompiledRules) -> _Frame:
    """Return `VERDICTS` of *requests* (`REQUESTS`), in the order given; of healthy ones the class is `none`."""
    decided = requests
    for step in compiled.steps:
        decided = decided.with_columns(*step)
    return decided.select(pl.col(name).cast(dtype) for name, dtype in VERDICTS.items())
