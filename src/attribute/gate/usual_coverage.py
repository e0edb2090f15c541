"""A baseline -> which share of each function's requests usually says nothing of its upstream."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from attribute.gate.baseline import Baseline, day_name
from attribute.gate.expect import LeftOut, hourly_of, mild_days
from attribute.gate.norms import Allowance, one_rho, rho_of, windows_of
from attribute.gate.settings import GateSettings, Kind
from attribute.gate.tail import tail

__all__ = ["Coverage", "expect_coverage"]


_SELDOM: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """
    What is usual of one function's requests without evidence.

    Attributes:
        without: their share of all requests that are healthy or UNKNOWN (refused ones left out).
        healthy: how many requests that rests on.
        evident: how many healthy requests with evidence nine in ten windows have at least, by their length in hours.
    """

    without: Allowance
    healthy: int
    evident: Mapping[int, int]


def expect_coverage(
    baseline: Baseline, *, end_hour: int, settings: GateSettings
) -> tuple[dict[str, Coverage], tuple[LeftOut, ...]]:
    """
    Work out which share of each function's requests usually lacks evidence, from what lies before *end_hour*.

    Returns:
        Functions with at least `min_baseline_healthy` healthy or UNKNOWN requests, and the days that are no guide.
    """
    part = baseline.between(end_hour - 24 * settings.baseline_days, end_hour)
    hourly = (
        hourly_of(part, Kind.UNEXPLAINED)
        .select(
            "function",
            "hour",
            (pl.col("blind") + pl.col("n")).alias("n"),
            (pl.col("healthy") + pl.col("n")).alias("healthy"),
            (pl.col("hour") // 24).alias("day"),
        )
        .filter(pl.col("healthy") > 0)
    )
    if hourly.is_empty():
        return {}, ()
    daily = hourly.group_by("function", "day").agg(pl.col("n", "healthy").sum())
    mild = _coverages(
        hourly.join(mild_days(daily, "n", "healthy"), on=["function", "day"], how="semi"), end_hour, (24,), settings
    )
    bad = [
        (row["function"], row["day"])
        for row in daily.filter(pl.col("n") >= settings.min_missing).iter_rows(named=True)
        if (norm := mild.get(row["function"])) and _loses(row["n"], row["healthy"], norm, settings)
    ]
    gone = pl.DataFrame(bad, schema={"function": pl.String, "day": pl.Int64}, orient="row")
    calm = hourly.join(gone, on=["function", "day"], how="anti")
    left_out = [LeftOut(day=day_name(day), function=name, check="coverage") for name, day in bad]
    return _coverages(calm, end_hour, settings.coverage_hours, settings), tuple(sorted(left_out, key=str))


def _loses(blind: int, healthy: int, norm: Coverage, settings: GateSettings) -> bool:
    limit = norm.without.share + settings.coverage_excess
    if limit >= 1 or blind <= limit * healthy:
        return False
    return tail(blind, healthy, limit, norm.without.rho_at(limit, 24)) < settings.quarantine_alpha


def _coverages(
    hourly: pl.DataFrame, end_hour: int, spans: Sequence[int], settings: GateSettings
) -> dict[str, Coverage]:
    sums = hourly.group_by("function").agg(pl.col("n", "healthy").sum()).sort("function")
    sums = sums.with_columns(((pl.col("n") + 0.5) / (pl.col("healthy") + 1)).alias("p_healthy"))
    swings: dict[int, dict[str, float]] = {}
    usual: dict[int, float] = {}
    least: dict[int, dict[str, int]] = {}
    first_hour = int(hourly.select(pl.col("hour").min()).item() or 0)
    for hours in sorted({*settings.with_quarters(spans), 24}):
        windows = windows_of(hourly, hours, end_hour).join(sums.select("function", "p_healthy"), on="function")
        least[hours] = _least_evident(windows, (end_hour - first_hour) // hours)
        usual[hours] = one_rho(windows, "healthy")
        swings[hours] = dict(rho_of(windows, "healthy", by="function").iter_rows())
    days = max(hourly.select((pl.col("hour") // 24).n_unique()).item(), 1)
    found: dict[str, Coverage] = {}
    for name, _, healthy, share in sums.iter_rows():
        rho = {hours: swings[hours].get(name, usual[hours]) for hours in swings}
        within = 1 + max(healthy / days - 1, 0) * rho[24]
        variance = share * (1 - share) / max(healthy / within, 1.0)
        if healthy >= settings.min_baseline_healthy and math.isfinite(variance):
            found[name] = Coverage(
                without=Allowance(share=share, variance=variance, rho=rho),
                healthy=healthy,
                evident={hours: least[hours].get(name, 0) for hours in least},
            )
    return found


def _least_evident(windows: pl.DataFrame, count: int) -> dict[str, int]:
    """Return by function what nine in ten of *count* windows have; those without a request have no row."""
    evident = (pl.col("healthy") - pl.col("n")).sort()
    place = (pl.len().cast(pl.Int64) - count + int(count * _SELDOM)).alias("place")
    found = windows.group_by("function").agg(evident.alias("evident"), place)
    return {name: counts[at] if 0 <= at < len(counts) else 0 for name, counts, at in found.iter_rows()}
