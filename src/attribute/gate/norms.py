"""What is usual of a share: how large it is, how unsure that is, and how much it swings. Estimates, no decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from attribute.gate.settings import GateSettings

__all__ = ["Allowance", "Norm", "at_mix", "norms_of", "one_rho", "pooled", "rho_of", "shares_of", "windows_of"]

_TRIMMED: Final = 0.02
_MAX_RHO: Final = 0.3
_PRIOR_PAIRS: Final = 20.0
_PRIOR_RHO: Final = {"incident": 0.02, "requests": 0.0005, "healthy": 0.02}


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


def shares_of(hourly: pl.DataFrame, settings: GateSettings) -> tuple[pl.DataFrame, tuple[float, float, float]]:
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


def windows_of(hourly: pl.DataFrame, hours: int, end_hour: int) -> pl.DataFrame:
    """Sums per function and window of *hours*, counted back from *end_hour*."""
    block = ((end_hour - 1 - pl.col("hour")) // hours).alias("block")
    columns = [name for name in ("n", "incident", "requests", "healthy") if name in hourly.columns]
    return hourly.group_by("function", block).agg(pl.col(columns).sum())


def pooled(windows: pl.DataFrame, shares: pl.DataFrame, usual: tuple[float, float, float]) -> pl.DataFrame:
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


def rho_of(windows: pl.DataFrame, of: str, *, by: str | None = None) -> pl.DataFrame:
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


def one_rho(windows: pl.DataFrame, of: str) -> float:
    """Return the one correlation of all *windows*; see `rho_of`."""
    found = rho_of(windows, of)["rho"]
    return float(found[0]) if found.len() else _PRIOR_RHO[of]


def norms_of(
    hourly: pl.DataFrame, end_hour: int, spans: Sequence[int], settings: GateSettings
) -> tuple[dict[str, Norm], Norm, Norm]:
    """Return the norms of every function, of all together, and of a function never seen."""
    shares, usual = shares_of(hourly, settings)
    rho: dict[str, dict[int, float]] = {"incident": {}, "requests": {}}
    common: dict[str, dict[int, float]] = {"incident": {}, "requests": {}}
    own: dict[str, dict[int, dict[str, float]]] = {"incident": {}, "requests": {}}
    for hours in sorted({*spans, 24}):
        windows = windows_of(hourly, hours, end_hour)
        together = pooled(windows, shares, usual)
        windows = windows.join(shares.select("function", "p_incident", "p_requests"), on="function")
        for of in ("incident", "requests"):
            rho[of][hours] = one_rho(together, of)
            common[of][hours] = max(one_rho(windows, of), rho[of][hours])
            own[of][hours] = dict(rho_of(windows, of, by="function").iter_rows())
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
