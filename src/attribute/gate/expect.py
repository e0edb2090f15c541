"""
A baseline -> what is usual: shares, how much they swing, and which days are no guide.

All that a test compares with comes from here and depends on the baseline alone, never on the window that is judged:
that is why one more UNKNOWN request can only make a spike clearer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from attribute.gate.baseline import Baseline, day_name
from attribute.gate.cells import SLOTS_A_DAY
from attribute.gate.norms import Norm, at_mix, norms_of, pooled, shares_of
from attribute.gate.settings import GateSettings, Kind
from attribute.gate.tail import tail

__all__ = ["Expectation", "LeftOut", "expect", "hourly_of", "mild_days"]

_MILD_SHARE: Final = 0.7
_LEAST_CAP: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LeftOut:
    """A day of the baseline that is no guide, for one function or (None) for all, and the test it would have failed."""

    day: str
    function: str | None
    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """
    What is usual.

    Attributes:
        days: how many days of the baseline have requests, bad ones included.
        first_day: the first of them.
        last_day: the last of them.
        left_out: days that are no guide.
        functions: norms by kind and function.
        overall: norms of all functions together, by kind; their shares are those of the baseline's own mix.
        new: norms of functions that the baseline has not seen.
    """

    days: int
    first_day: str
    last_day: str
    left_out: tuple[LeftOut, ...]
    functions: Mapping[Kind, Mapping[str, Norm]] = field(repr=False)
    overall: Mapping[Kind, Norm] = field(repr=False)
    new: Mapping[Kind, Norm] = field(repr=False)


def expect(
    baseline: Baseline, *, end_hour: int, settings: GateSettings, kinds: Iterable[Kind] = tuple(Kind)
) -> Expectation:
    """
    Work out what is usual from the days before *end_hour* (hours since the epoch, a multiple of 24).

    Args:
        baseline: counts; those from *end_hour* on are ignored, as are those over `baseline_days` older.
        end_hour: end of the baseline.
        settings: the gate's numbers.
        kinds: which kinds of UNKNOWN to work it out for.
    """
    part = baseline.between(end_hour - 24 * settings.baseline_days, end_hour)
    days = part.days
    left_out: list[LeftOut] = []
    functions: dict[Kind, dict[str, Norm]] = {}
    overall: dict[Kind, Norm] = {}
    new: dict[Kind, Norm] = {}
    for kind in kinds:
        hourly = hourly_of(part, kind)
        calm, bad = _without_bad_days(hourly, kind, end_hour, settings)
        left_out += bad
        functions[kind], overall[kind], new[kind] = norms_of(calm, end_hour, settings.spike_hours, settings)
    return Expectation(
        days=len(days),
        first_day=day_name(days[0]) if days else "",
        last_day=day_name(days[-1]) if days else "",
        left_out=tuple(sorted(left_out, key=lambda one: (one.day, one.check, one.function or ""))),
        functions=functions,
        overall=overall,
        new=new,
    )


def hourly_of(part: Baseline, kind: Kind) -> pl.DataFrame:
    """Columns `function`, `hour`, `n` (UNKNOWN of the kind, bursts cut), `incident`, `requests`, `healthy`, `blind`."""
    day = pl.col("slot") // SLOTS_A_DAY
    third = pl.col(kind.value).sort(descending=True).get(2, null_on_oob=True).fill_null(0)
    caps = part.slots.group_by("function", day.alias("day")).agg(
        pl.max_horizontal(third, pl.lit(_LEAST_CAP)).alias("cap")
    )
    cut = (
        part.slots.with_columns(day.alias("day"))
        .join(caps, on=["function", "day"])
        .group_by("function", (pl.col("slot") // 6).alias("hour"))
        .agg(pl.min_horizontal(kind.value, "cap").sum().alias("n"))
    )
    return (
        part.hours.join(cut, on=["function", "hour"], how="full", coalesce=True)
        .with_columns(pl.col("n", "known", "other", "evident", "blind").fill_null(0))
        .select(
            "function",
            "hour",
            "n",
            (pl.col("known") + pl.col("n")).alias("incident"),
            (pl.col("other") + pl.col("n")).alias("requests"),
            (pl.col("evident") + pl.col("blind")).alias("healthy"),
            "blind",
        )
        .sort("function", "hour")
    )


# -- days that are no guide --------------------------------------------------------------------------------------------


def _without_bad_days(
    hourly: pl.DataFrame, kind: Kind, end_hour: int, settings: GateSettings
) -> tuple[pl.DataFrame, list[LeftOut]]:
    """Leave out the days that would themselves have failed, judged by the mildest of them."""
    if hourly.is_empty():
        return hourly, []
    day = (pl.col("hour") // 24).alias("day")
    hourly = hourly.with_columns(day)
    daily = hourly.group_by("function", "day").agg(pl.col("n", "incident", "requests", "healthy").sum())
    mild = hourly.join(mild_days(daily, "n", "requests"), on=["function", "day"], how="semi")
    norms, overall, _ = norms_of(mild, end_hour, (24,), settings)
    bad: list[tuple[str, int]] = []
    for row in daily.filter(pl.col("n") >= settings.min_unknown).iter_rows(named=True):
        norm = norms.get(row["function"])
        if norm is not None and _stands_out(row, norm, settings, settings.min_incident_function):
            bad.append((row["function"], row["day"]))
    all_days = daily.group_by("day").agg(pl.col("n", "incident", "requests", "healthy").sum())
    shares, usual = shares_of(mild, settings)
    blocks = daily.rename({"day": "block"})
    mixes = {row["block"]: row for row in pooled(blocks, shares, usual).iter_rows(named=True)}
    bad_days = []
    for row in all_days.iter_rows(named=True):
        mix = mixes.get(row["day"])
        if row["n"] >= settings.min_unknown and mix is not None:
            norm = at_mix(overall, mix["p_incident"], mix["p_requests"])
            if _stands_out(row, norm, settings, settings.min_incident):
                bad_days.append(row["day"])
    left_out = [LeftOut(day=day_name(one), function=None, check=kind.value) for one in bad_days]
    left_out += [
        LeftOut(day=day_name(one), function=name, check=kind.value) for name, one in bad if one not in bad_days
    ]
    gone = pl.DataFrame(bad, schema={"function": pl.String, "day": pl.Int64}, orient="row")
    calm = hourly.filter(~pl.col("day").is_in(bad_days)).join(gone, on=["function", "day"], how="anti")
    return (calm if calm.height else hourly).drop("day"), left_out if calm.height else []


def mild_days(daily: pl.DataFrame, part: str, whole: str) -> pl.DataFrame:
    """Return `function` and `day` of the mildest days of each function."""
    ranked = daily.sort("function", (pl.col(part) / pl.col(whole)).fill_nan(0.0), "day")
    place = pl.int_range(pl.len()).over("function")
    kept = (pl.len().over("function") * _MILD_SHARE).ceil()
    return ranked.filter(place < kept).select("function", "day")


def _stands_out(row: Mapping[str, int], norm: Norm, settings: GateSettings, min_incident: int) -> bool:
    if row["incident"] < min_incident:
        return False
    for total, allowance, allowed in (
        (row["incident"], norm.of_incident, settings.allowed_of_incident(norm.of_incident.share)),
        (row["requests"], norm.of_requests, settings.allowed_of_requests(norm.of_requests.share)),
    ):
        if row["n"] <= allowed * total:
            return False
        if tail(row["n"], total, allowed, allowance.rho_at(allowed, 24)) >= settings.quarantine_alpha:
            return False
    return True
