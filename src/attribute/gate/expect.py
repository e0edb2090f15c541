"""
A baseline -> what is usual: shares, how much they swing, and which days are no guide.

All that a test compares with comes from here and depends on the baseline alone, never on the window that is judged:
that is why one more UNKNOWN request can only make a spike clearer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from attribute.gate.baseline import Baseline, day_name
from attribute.gate.cells import SLOTS_A_DAY
from attribute.gate.settings import GateSettings, Kind
from attribute.gate.tail import tail

__all__ = ["Allowance", "Coverage", "Expectation", "LeftOut", "Norm", "expect", "expect_coverage"]

_MILD_SHARE: Final = 0.7
_TRIMMED: Final = 0.02
_MAX_RHO: Final = 0.3
_PRIOR_PAIRS: Final = 20.0
_PRIOR_RHO: Final = {"incident": 0.02, "requests": 0.0005, "healthy": 0.02}
_LEAST_CAP: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LeftOut:
    """A day of the baseline that is no guide, for one function or (None) for all, and the test it would have failed."""

    day: str
    function: str | None
    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """
    What is usual of one share.

    Attributes:
        share: 0 to 1, shrunk.
        variance: how unsure *share* itself is.
        rho: correlation within a window, by its length in hours.
    """

    share: float
    variance: float
    rho: Mapping[int, float]

    def rho_at(self, allowed: float, hours: int) -> float:
        """Return the correlation within a window of *hours* at the *allowed* share, doubt about `share` included."""
        slope = allowed / self.share if self.share > 0 else 1.0
        doubt = min(slope, 1.5) ** 2 * self.variance / (allowed * (1 - allowed))
        rho = self.rho[hours]
        return min(rho + (1 - rho) * min(doubt, 0.5), 0.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """
    What is usual of one kind of UNKNOWN, for one function or for all.

    Attributes:
        of_incident: its share of incident requests.
        of_requests: its share of all requests.
        odds: incident requests for every healthy one.
    """

    of_incident: Allowance
    of_requests: Allowance
    odds: float


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What is usual of one function's healthy requests without evidence; *healthy* is on how many that rests."""

    without: Allowance
    healthy: int


# -- spikes ------------------------------------------------------------------------------------------------------------


def expect(baseline: Baseline, *, end_hour: int, settings: GateSettings) -> Expectation:
    """
    Work out what is usual from the days before *end_hour* (hours since the epoch, a multiple of 24).

    Args:
        baseline: counts; those from *end_hour* on are ignored, as are those over `baseline_days` older.
        end_hour: end of the baseline.
        settings: the gate's numbers.
    """
    part = baseline.between(end_hour - 24 * settings.baseline_days, end_hour)
    days = part.days
    left_out: list[LeftOut] = []
    functions: dict[Kind, dict[str, Norm]] = {}
    overall: dict[Kind, Norm] = {}
    new: dict[Kind, Norm] = {}
    for kind in Kind:
        hourly = _hourly(part, kind)
        calm, bad = _without_bad_days(hourly, kind, end_hour, settings)
        left_out += bad
        functions[kind], overall[kind], new[kind] = _norms(calm, end_hour, settings.spike_hours, settings)
    return Expectation(
        days=len(days),
        first_day=day_name(days[0]) if days else "",
        last_day=day_name(days[-1]) if days else "",
        left_out=tuple(sorted(left_out, key=lambda one: (one.day, one.check, one.function or ""))),
        functions=functions,
        overall=overall,
        new=new,
    )


def _hourly(part: Baseline, kind: Kind) -> pl.DataFrame:
    """Columns `function`, `hour`, `n` (UNKNOWN of the kind, bursts cut), `incident`, `requests`, `healthy`."""
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
        )
        .sort("function", "hour")
    )


def _shares(hourly: pl.DataFrame, settings: GateSettings) -> tuple[pl.DataFrame, tuple[float, float, float]]:
    """
    Columns `function`, `p_incident`, `p_requests`, `odds`, and sums; and the same three numbers of all functions.
    """
    sums = hourly.group_by("function").agg(pl.col("n", "incident", "requests", "healthy").sum()).sort("function")
    n, incident, requests, healthy = (int(sums[name].sum()) for name in ("n", "incident", "requests", "healthy"))
    # Half a request more than was seen: what never occurred is rare, not impossible.
    of_incident, of_requests = (n + 0.5) / (incident + 1), (n + 0.5) / (requests + 1)
    odds = (incident + 0.5) / (healthy + 1)
    k_incident, k_requests = settings.prior_incident, settings.prior_requests
    return sums.with_columns(
        ((pl.col("n") + k_incident * of_incident) / (pl.col("incident") + k_incident)).alias("p_incident"),
        ((pl.col("n") + k_requests * of_requests) / (pl.col("requests") + k_requests)).alias("p_requests"),
        ((pl.col("incident") + k_requests * odds) / (pl.col("healthy") + k_requests)).alias("odds"),
    ), (of_incident, of_requests, odds)


def _windows(hourly: pl.DataFrame, hours: int, end_hour: int) -> pl.DataFrame:
    """Sums per function and window of *hours*, counted back from *end_hour*."""
    block = ((end_hour - 1 - pl.col("hour")) // hours).alias("block")
    columns = [name for name in ("n", "incident", "requests", "healthy") if name in hourly.columns]
    return hourly.group_by("function", block).agg(pl.col(columns).sum())


def _pooled(windows: pl.DataFrame, shares: pl.DataFrame, usual: tuple[float, float, float]) -> pl.DataFrame:
    """The same over all functions, with the expected shares at each window's own mix of healthy traffic."""
    weight = pl.col("healthy") * pl.col("odds")
    return (
        windows.join(shares.select("function", "p_incident", "p_requests", "odds"), on="function")
        .group_by("block")
        .agg(
            pl.col("n", "incident", "requests", "healthy").sum(),
            (weight * pl.col("p_incident")).sum().alias("a"),
            weight.sum().alias("b"),
            (pl.col("healthy") * pl.col("p_requests")).sum().alias("c"),
        )
        .with_columns(
            pl.when(pl.col("b") > 0).then(pl.col("a") / pl.col("b")).otherwise(usual[0]).alias("p_incident"),
            pl.when(pl.col("healthy") > 0)
            .then(pl.col("c") / pl.col("healthy"))
            .otherwise(usual[1])
            .alias("p_requests"),
        )
    )


def _rho(windows: pl.DataFrame, of: str, *, by: str | None = None) -> pl.DataFrame:
    """
    Estimate the correlation within windows by moments; a few windows lean on a small prior.

    Args:
        windows: columns `n`, *of* (the denominator) and `p_` + *of* (the expected share).
        of: which denominator.
        by: a column to group by.

    Returns:
        Columns *by* and `rho`. The wildest 2 % of windows count no more than the others do.
    """
    total, share = pl.col(of).cast(pl.Float64), pl.col(f"p_{of}")
    chance = total * share * (1 - share)
    weight = total * share / (0.5 + total * share)  # where next to nothing is expected, one request says little
    residual = (pl.col("n") - total * share) ** 2 / chance
    groups = [pl.lit(0).alias("all") if by is None else pl.col(by)]
    terms = windows.filter((pl.col(of) >= 2) & (share > 0) & (share < 1)).select(
        *groups, residual.alias("residual"), (total - 1).alias("pairs"), weight.alias("weight")
    )
    key = terms.columns[0]
    bound = pl.col("residual").quantile(1 - _TRIMMED, "higher").over(key)
    prior = _PRIOR_RHO[of]
    swing = (pl.col("weight") * (pl.min_horizontal("residual", "bound") - 1)).sum()
    pairs = (pl.col("weight") * pl.col("pairs")).sum()
    rho = (swing + _PRIOR_PAIRS * prior) / (pairs + _PRIOR_PAIRS)
    return terms.with_columns(bound.alias("bound")).group_by(key).agg(rho.clip(prior / 20, _MAX_RHO).alias("rho"))


def _one_rho(windows: pl.DataFrame, of: str) -> float:
    found = _rho(windows, of)["rho"]
    return float(found[0]) if found.len() else _PRIOR_RHO[of]


def _norms(
    hourly: pl.DataFrame, end_hour: int, spans: Sequence[int], settings: GateSettings
) -> tuple[dict[str, Norm], Norm, Norm]:
    """Return the norms of every function, of all together, and of a function never seen."""
    shares, usual = _shares(hourly, settings)
    rho: dict[str, dict[int, float]] = {"incident": {}, "requests": {}}
    common: dict[str, dict[int, float]] = {"incident": {}, "requests": {}}
    own: dict[str, dict[int, dict[str, float]]] = {"incident": {}, "requests": {}}
    for hours in sorted({*spans, 24}):
        windows = _windows(hourly, hours, end_hour)
        pooled = _pooled(windows, shares, usual)
        windows = windows.join(shares.select("function", "p_incident", "p_requests"), on="function")
        for of in ("incident", "requests"):
            rho[of][hours] = _one_rho(pooled, of)
            common[of][hours] = max(_one_rho(windows, of), rho[of][hours])
            own[of][hours] = dict(_rho(windows, of, by="function").iter_rows())
    days = max(hourly.select((pl.col("hour") // 24).n_unique()).item(), 1)

    def allowance(share: float, total: int, prior: float, swing: Mapping[int, float]) -> Allowance:
        within = 1 + max(total / days - 1, 0) * swing[24]
        return Allowance(share=share, variance=share * (1 - share) / (total / within + prior), rho=swing)

    norms: dict[str, Norm] = {}
    for row in shares.iter_rows(named=True):
        name = row["function"]
        swings = {
            of: {hours: max(own[of][hours].get(name, 0.0), rho[of][hours]) for hours in rho[of]}
            for of in ("incident", "requests")
        }
        norms[name] = Norm(
            of_incident=allowance(row["p_incident"], row["incident"], settings.prior_incident, swings["incident"]),
            of_requests=allowance(row["p_requests"], row["requests"], settings.prior_requests, swings["requests"]),
            odds=row["odds"],
        )
    totals = {of: int(shares[of].sum()) for of in ("incident", "requests")}
    overall = Norm(
        of_incident=allowance(usual[0], totals["incident"], settings.prior_incident, rho["incident"]),
        of_requests=allowance(usual[1], totals["requests"], settings.prior_requests, rho["requests"]),
        odds=usual[2],
    )
    new = Norm(
        of_incident=allowance(usual[0], 0, settings.prior_incident, common["incident"]),
        of_requests=allowance(usual[1], 0, settings.prior_requests, common["requests"]),
        odds=usual[2],
    )
    return norms, overall, new


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
    mild = hourly.join(_mild(daily, "n", "requests"), on=["function", "day"], how="semi")
    norms, overall, _ = _norms(mild, end_hour, (24,), settings)
    bad: list[tuple[str, int]] = []
    for row in daily.filter(pl.col("n") >= settings.min_unknown).iter_rows(named=True):
        norm = norms.get(row["function"])
        if norm is not None and _stands_out(row, norm, settings, settings.min_incident_function):
            bad.append((row["function"], row["day"]))
    all_days = daily.group_by("day").agg(pl.col("n", "incident", "requests", "healthy").sum())
    shares, usual = _shares(mild, settings)
    blocks = daily.rename({"day": "block"})
    mixes = {row["block"]: row for row in _pooled(blocks, shares, usual).iter_rows(named=True)}
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


def _mild(daily: pl.DataFrame, part: str, whole: str) -> pl.DataFrame:
    """Return `function` and `day` of the mildest days of each function."""
    ranked = daily.sort("function", (pl.col(part) / pl.col(whole)).fill_nan(0.0), "day")
    place = pl.int_range(pl.len()).over("function")
    kept = (pl.len().over("function") * _MILD_SHARE).ceil()
    return ranked.filter(place < kept).select("function", "day")


def at_mix(norm: Norm, of_incident: float, of_requests: float) -> Norm:
    """Return *norm* with the shares of another mix of functions."""
    return Norm(
        of_incident=_with_share(norm.of_incident, of_incident),
        of_requests=_with_share(norm.of_requests, of_requests),
        odds=norm.odds,
    )


def _with_share(allowance: Allowance, share: float) -> Allowance:
    ratio = share / allowance.share if allowance.share > 0 else 1.0
    return Allowance(share=share, variance=allowance.variance * ratio, rho=allowance.rho)


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


# -- coverage ----------------------------------------------------------------------------------------------------------


def expect_coverage(
    baseline: Baseline, *, end_hour: int, settings: GateSettings
) -> tuple[dict[str, Coverage], tuple[LeftOut, ...]]:
    """
    Work out which share of each function's healthy requests usually lacks evidence, from what lies before *end_hour*.

    Returns:
        Functions with at least `min_baseline_healthy` healthy requests, and the days that are no guide.
    """
    part = baseline.between(end_hour - 24 * settings.baseline_days, end_hour).hours
    hourly = part.select(
        "function",
        "hour",
        pl.col("blind").alias("n"),
        (pl.col("evident") + pl.col("blind")).alias("healthy"),
        (pl.col("hour") // 24).alias("day"),
    ).filter(pl.col("healthy") > 0)
    if hourly.is_empty():
        return {}, ()
    daily = hourly.group_by("function", "day").agg(pl.col("n", "healthy").sum())
    mild = _coverages(
        hourly.join(_mild(daily, "n", "healthy"), on=["function", "day"], how="semi"), end_hour, (24,), settings
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
    for hours in sorted({*spans, 24}):
        windows = _windows(hourly, hours, end_hour).join(sums.select("function", "p_healthy"), on="function")
        usual[hours] = _one_rho(windows, "healthy")
        swings[hours] = dict(_rho(windows, "healthy", by="function").iter_rows())
    days = max(hourly.select((pl.col("hour") // 24).n_unique()).item(), 1)
    found: dict[str, Coverage] = {}
    for name, _, healthy, share in sums.iter_rows():
        rho = {hours: swings[hours].get(name, usual[hours]) for hours in swings}
        within = 1 + max(healthy / days - 1, 0) * rho[24]
        variance = share * (1 - share) / max(healthy / within, 1.0)
        if healthy >= settings.min_baseline_healthy and math.isfinite(variance):
            found[name] = Coverage(without=Allowance(share=share, variance=variance, rho=rho), healthy=healthy)
    return found
