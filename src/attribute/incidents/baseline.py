"""Series -> how often each kind of trouble is usual, per function and day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from attribute.incidents.model import IncidentSettings
from attribute.incidents.series import Kind, Series

__all__ = ["Baseline", "usual"]

_DAY: Final = 1440
_HOUR: Final = 60
_ENOUGH_HOURS: Final = 6
_HOURS_DROPPED: Final = 0.5
_TRIMMED: Final = 0.02
_LEAST_SHARE: Final = 0.0005


@dataclass(frozen=True, slots=True)
class Baseline:
    """
    What is usual.

    Attributes:
        shares: columns `kind`, `function`, `day` (days since the epoch), `share` (0 to 1), `dispersion`; a row for
            every function on every day that has requests.
        solid: whether it rests on enough days; if not, absolute limits hold beside it.
        any: whether there is one at all.
    """

    shares: pl.DataFrame
    solid: bool
    any: bool


def usual(series: Series, settings: IncidentSettings) -> Baseline:
    """
    Work out the usual share of each kind, robustly: the worst days are left out, small functions lean on all.

    A day's baseline are the `baseline_days` before it; the first days of the data share the first such period. A log
    of fewer than `enough_days` is its own baseline, by hours; under six hours there is none.
    """
    days = series.minutes.select((pl.col("minute") // _DAY).unique().sort())["minute"].to_list()
    solid = len(days) >= settings.enough_days
    unit = _DAY if solid else _HOUR
    dropped = settings.dropped_share if solid else _HOURS_DROPPED
    per_unit = _per_unit(series, unit)
    enough = solid or per_unit["unit"].n_unique() >= _ENOUGH_HOURS
    hourly = per_unit if unit == _HOUR else _per_unit(series, _HOUR)
    parts = []
    for period, members in _periods(days, settings.baseline_days, causal=solid).items():
        inside = pl.col("unit").is_between(period[0] * _DAY // unit, (period[1] + 1) * _DAY // unit - 1)
        shares = _shares(per_unit.filter(inside), dropped, settings.prior_requests)
        hours = hourly.filter(pl.col("unit").is_between(period[0] * 24, period[1] * 24 + 23))
        parts.append(
            shares.join(_dispersion(hours, shares, settings), on=["kind"]).join(
                pl.DataFrame({"day": members}, schema={"day": pl.Int64}), how="cross"
            )
        )
    return Baseline(pl.concat(parts), solid, enough)


def _periods(days: list[int], width: int, *, causal: bool) -> dict[tuple[int, int], list[int]]:
    """Return (first day, last day) of each baseline, and the days that it is the baseline of."""
    if not causal:
        return {(days[0], days[-1]): days}
    periods: dict[tuple[int, int], list[int]] = {}
    lead = days[min(width, len(days)) - 1]
    for place, day in enumerate(days):
        period = (days[0], lead) if place < width else (days[place - width], days[place - 1])
        periods.setdefault(period, []).append(day)
    return periods


def _per_unit(series: Series, width: int) -> pl.DataFrame:
    """Columns `kind`, `function`, `unit`, `requests`, `n`; rows also where a kind did not occur."""
    unit = (pl.col("minute") // width).alias("unit")
    totals = series.minutes.group_by("function", unit).agg(pl.col("requests").sum())
    occurred = series.occurrences.group_by("kind", "function", unit).agg(pl.col("n").sum())
    kinds = pl.DataFrame({"kind": [str(kind) for kind in Kind]})
    return (
        totals.join(kinds, how="cross")
        .join(occurred, on=["kind", "function", "unit"], how="left")
        .with_columns(pl.col("n").fill_null(0))
    )


def _shares(per_unit: pl.DataFrame, dropped: float, prior: float) -> pl.DataFrame:
    """Columns `kind`, `function`, `share`."""
    rank = (pl.col("n") / pl.col("requests")).rank("ordinal").over("kind", "function", order_by="unit")
    kept = per_unit.with_columns(rank.alias("rank"), pl.len().over("kind", "function").alias("units")).filter(
        pl.col("rank") <= pl.col("units") - (pl.col("units") * dropped).floor()
    )
    own = kept.group_by("kind", "function").agg(pl.col("n").sum(), pl.col("requests").sum())
    overall = pl.max_horizontal(pl.col("n").sum() / pl.col("requests").sum(), _LEAST_SHARE).over("kind")
    share = (pl.col("n") + prior * overall) / (pl.col("requests") + prior)
    return own.select("kind", "function", share.alias("share")).sort("kind", "function")


def _dispersion(hourly: pl.DataFrame, shares: pl.DataFrame, settings: IncidentSettings) -> pl.DataFrame:
    """Columns `kind`, `dispersion`: by how much hourly counts swing more than chance would have them (moments)."""
    mean = pl.col("requests") * pl.col("share")
    terms = hourly.join(shares, on=["kind", "function"]).select(
        "kind", mean.alias("mean"), ((pl.col("n") - mean) ** 2 - pl.col("n")).alias("swing")
    )
    calm = terms.filter(
        (pl.col("swing") / pl.col("mean")).rank("ordinal").over("kind") <= pl.len().over("kind") * (1 - _TRIMMED)
    )
    moments = calm.group_by("kind").agg((pl.col("swing").sum() / (pl.col("mean") ** 2).sum()).alias("dispersion"))
    bounded = pl.col("dispersion").fill_nan(1.0).clip(settings.min_dispersion, settings.max_dispersion)
    return moments.with_columns(bounded)
