"""
What is unusually frequent among some requests, against others: which functions, stages, statuses and error codes.

Works on rollup counts alone, so it answers for a class, an incident or any window without reading the logs again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from attribute.frames import UPSTREAM_INVALID, UPSTREAM_TIMEOUT

__all__ = ["FIELDS", "OverRepresented", "over_represented"]

FIELDS: Final = ("function", "stage", "upstream", "status", "upstream_status", "error_code")
"""The fields that are compared, in the order in which equals are ranked."""

_MISSING: Final = "missing"
_NULL_SAYS_NOTHING: Final = ("upstream", "error_code")
"""Fields that most records leave out: that one is missing is no finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverRepresented:
    """
    One value of one field.

    Attributes:
        field: the field.
        value: the value as text; statuses as `503`, `timeout`, `invalid` or `missing`.
        selected: how many of the selected requests have it.
        selected_share: their share of the selected requests, 0 to 1.
        baseline: how many of the baseline's requests have it.
        baseline_share: their share of the baseline, None where there is no baseline.
        lift: how many times more frequent it is among the selected; None where there is no baseline.
    """

    field: str
    value: str
    selected: int
    selected_share: float
    baseline: int
    baseline_share: float | None
    lift: float | None


def over_represented(
    selected: pl.DataFrame,
    baseline: pl.DataFrame,
    *,
    fields: Sequence[str] = FIELDS,
    minimum_requests: int = 3,
    minimum_share: float = 0.01,
    minimum_lift: float = 1.5,
) -> tuple[OverRepresented, ...]:
    """
    Rank what is more frequent among *selected* requests than in a *baseline*.

    The lift is the share among the selected over the share in the baseline, each with half a request added to it and
    one to its total: `((n + 1/2) / (N + 1)) / ((m + 1/2) / (M + 1))`. So what the baseline never had gets a finite lift
    that grows with the evidence, and a handful of requests does not outrank a thousand.

    Args:
        selected: rows of a `COUNTS` frame: a class, an incident, a window.
        baseline: rows of a `COUNTS` frame: healthy or earlier requests. Disjoint from *selected*.
        fields: which fields to compare.
        minimum_requests: a value with fewer selected requests is left out,
        minimum_share: as is one with a smaller share of them,
        minimum_lift: and one that is hardly more frequent than in the baseline.

    Returns:
        The highest lift first; equals by selected requests (more first), field and value. Without a baseline, the
        most frequent first, and no lifts. A missing `upstream` or `error_code` is never among them.

    Source:
        Half a request: the Haldane-Anscombe correction of a ratio of proportions.
    """
    selected_total, baseline_total = int(selected["requests"].sum()), int(baseline["requests"].sum())
    rows = [
        OverRepresented(
            field=field,
            value=value,
            selected=count,
            selected_share=count / selected_total,
            baseline=base,
            baseline_share=base / baseline_total if baseline_total else None,
            lift=_lift(count, selected_total, base, baseline_total) if baseline_total else None,
        )
        for field in fields
        for value, count, base in _counts(selected, baseline, field)
        if count >= max(minimum_requests, 1) and count / selected_total >= minimum_share
    ]
    kept = [row for row in rows if row.lift is None or row.lift >= minimum_lift]
    return tuple(sorted(kept, key=lambda row: (-(row.lift or 0.0), -row.selected, fields.index(row.field), row.value)))


def _lift(count: int, total: int, base: int, base_total: int) -> float:
    return ((count + 0.5) / (total + 1)) / ((base + 0.5) / (base_total + 1))


def _counts(selected: pl.DataFrame, baseline: pl.DataFrame, field: str) -> list[tuple[str, int, int]]:
    """Return each value of *field* among the selected, with its count on both sides."""
    sides = [side.group_by(_value(field).alias("value")).agg(pl.col("requests").sum()) for side in (selected, baseline)]
    joined = sides[0].drop_nulls("value").join(sides[1], on="value", how="left", suffix="_baseline")
    return [(value, count, base or 0) for value, count, base in joined.iter_rows()]


def _value(field: str) -> pl.Expr:
    column = pl.col(field)
    if field in _NULL_SAYS_NOTHING:
        return column
    if field == "upstream_status":
        return (
            pl.when(column == UPSTREAM_TIMEOUT)
            .then(pl.lit("timeout"))
            .when(column == UPSTREAM_INVALID)
            .then(pl.lit("invalid"))
            .otherwise(column.cast(pl.String))
            .fill_null(_MISSING)
        )
    return column.cast(pl.String).fill_null(_MISSING)
