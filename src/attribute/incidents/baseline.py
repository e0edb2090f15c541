"""Series -> how often each kind of trouble is usual, per function and day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from attribute.incidents.model import IncidentSettings
from attribute.incidents.series import Kind, Series

__all__ = ["Baseline", "usual"]

_DAY: Final = 1440
_DAY_HOURS: Final = 24
_HOUR: Final = 60
_ENOUGH_HOURS: Final = 6
_PERIODS: Final = 400
_TOGETHER: Final = 8
_HOURS_DROPPED: Final = 0.5
_TRIMMED: Final = 0.02
_LEAST_SHARE: Final = 0.0005
_KINDS: Final = [str(kind) for kind in Kind]


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
    hourly = _per_unit(series.minutes, pl.col("minute"), _HOUR)
    days = hourly.select((pl.col("unit") // _DAY_HOURS).unique().sort())["unit"].to_list()
    solid = len(days) >= settings.enough_days
    unit = _DAY if solid else _HOUR
    dropped = settings.dropped_share if solid else _HOURS_DROPPED
    enough = solid or hourly["unit"].n_unique() >= _ENOUGH_HOURS
    per_hour = _by_kind(hourly)
    per_unit = _by_kind(_per_unit(hourly, pl.col("unit"), _DAY_HOURS)) if solid else per_hour
    periods = _periods(days, settings.baseline_days, causal=solid)
    in_unit = [
        pl.col("unit").is_between(first * _DAY // unit, (last + 1) * _DAY // unit - 1) for first, last in periods
    ]
    shares = _collected(
        [
            _shares(per_unit.lazy().filter(inside), dropped, settings.prior_requests, len(series.functions))
            for inside in in_unit
        ]
    )
    in_hours = [pl.col("unit").is_between(first * _DAY_HOURS, last * _DAY_HOURS + 23) for first, last in periods]
    dispersions = _collected(
        [
            _dispersion(per_hour.lazy().filter(inside), of_period.lazy(), settings)
            for inside, of_period in zip(in_hours, shares, strict=True)
        ]
    )
    found = pl.concat(
        of_period.join(dispersion, on=["kind"]).join(
            pl.DataFrame({"day": members}, schema={"day": pl.Int64}), how="cross"
        )
        for of_period, dispersion, members in zip(shares, dispersions, periods.values(), strict=True)
    )
    if not enough:  # an hour of trouble says nothing of what is usual
        found = found.with_columns(pl.lit(_LEAST_SHARE).alias("share"))
    return Baseline(found, solid, enough)


def _collected(plans: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
    """Collect *plans*, a few at once: to find what hundreds have in common takes longer than to do it twice."""
    return [frame for at in range(0, len(plans), _TOGETHER) for frame in pl.collect_all(plans[at : at + _TOGETHER])]


def _periods(days: list[int], width: int, *, causal: bool) -> dict[tuple[int, int], list[int]]:
    """
    Return (first day, last day) of each baseline, and the days that it is the baseline of.

    A day's baseline are the days before it. Past `_PERIODS` days several share the baseline of their first: no team
    looks at that many days at once, but a log can claim any.
    """
    if not causal:
        return {(days[0], days[-1]): days}
    periods: dict[tuple[int, int], list[int]] = {}
    lead = days[min(width, len(days)) - 1]
    together = -(-len(days) // _PERIODS)
    for place, day in enumerate(days):
        first = place - place % together
        period = (days[0], lead) if first < width else (days[first - width], days[first - 1])
        periods.setdefault(period, []).append(day)
    return periods


def _per_unit(frame: pl.DataFrame, time: pl.Expr, width: int) -> pl.DataFrame:
    """Columns `function`, `unit`, `requests` and one for each kind, for units *width* times those of *time*."""
    return frame.group_by("function", (time // width).alias("unit")).agg(pl.col("requests", *_KINDS).sum())


def _by_kind(per_unit: pl.DataFrame) -> pl.DataFrame:
    """Columns `kind`, `function`, `unit`, `requests`, `n`; rows also where a kind did not occur."""
    return per_unit.unpivot(_KINDS, index=["function", "unit", "requests"], variable_name="kind", value_name="n")


def _shares(per_unit: pl.LazyFrame, cut: float, prior: float, functions: int) -> pl.LazyFrame:
    """
    Columns `kind`, `function`, `share`.

    The worst days are cut down to what chance would allow the worst of the others, not left out: where a day has a
    handful of requests, leaving out the worst leaves out all there is, and what is usual would look like an incident.
    """
    of = ["kind", "function"]
    rank = (pl.col("n") / pl.col("requests")).rank("ordinal").over(of, order_by="unit")
    mild = rank <= (pl.len().over(of) * (1 - cut)).ceil()
    worst_mild = (pl.col("n") / pl.col("requests")).filter(mild).max().over(of)
    likely = worst_mild * pl.col("requests")
    cap = (likely + 2 * likely.sqrt() + 1).floor().cast(pl.Int64)
    capped = per_unit.with_columns(pl.min_horizontal("n", cap).alias("n"))
    seen = capped.group_by(of).agg(pl.col("n").sum(), pl.col("requests").sum())
    # A function that is newer than its baseline leans on the others altogether.
    every = pl.LazyFrame({"kind": _KINDS}).join(
        pl.LazyFrame({"function": pl.int_range(functions, eager=True)}), how="cross"
    )
    own = every.join(seen, on=of, how="left").with_columns(pl.col("n", "requests").fill_null(0))
    overall = pl.max_horizontal(pl.col("n").sum() / pl.col("requests").sum(), _LEAST_SHARE).over("kind")
    share = (pl.col("n") + prior * overall) / (pl.col("requests") + prior)
    return own.select("kind", "function", share.alias("share")).sort("kind", "function")


def _dispersion(hourly: pl.LazyFrame, shares: pl.LazyFrame, settings: IncidentSettings) -> pl.LazyFrame:
    """Columns `kind`, `dispersion`: by how much hourly counts swing more than chance would have them (moments)."""
    # Sums of floats depend on their order, and so on how many threads there are; sums of whole numbers do not.
    mean = pl.col("requests") * pl.col("share")
    swing = (pl.col("n") - mean) ** 2 - pl.col("n")
    terms = (
        hourly.join(shares, on=["kind", "function"])
        .select("kind", (swing / mean).alias("order"), _fixed(swing).alias("swing"), _fixed(mean**2).alias("scale"))
        .sort("kind", "order", "swing", "scale")
    )
    kept = (pl.len().over("kind") * (1 - _TRIMMED)).ceil()
    moments = (
        terms.filter(pl.int_range(pl.len()).over("kind") < kept)
        .group_by("kind")
        .agg((pl.col("swing").sum().cast(pl.Float64) / pl.col("scale").sum().cast(pl.Float64)).alias("dispersion"))
    )
    return moments.with_columns(pl.col("dispersion").clip(settings.min_dispersion, settings.max_dispersion))


def _fixed(value: pl.Expr) -> pl.Expr:
    return (value * 1e9).round().cast(pl.Int128)
