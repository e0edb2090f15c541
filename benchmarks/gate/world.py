"""
Traffic with one fault of the gate's kind in it, as counts per ten minutes.

What is usual comes from `benchmarks.traffic` (functions of many sizes, shares that swing, campaigns, scanner bursts,
vendor blips). On top: outages and regressions whose evidence is complete, which must not fail the gate; and, in a
faulty world, one fault that must.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from attribute.gate.baseline import Baseline, from_table
from benchmarks.traffic import START, simulate

SLOTS_A_DAY, SLOTS_AN_HOUR = 144, 6
KNOWN, UNEXPLAINED, REFUSED, EVIDENT, BLIND = range(5)
FAULTS = ("function loses evidence", "small function loses", "partial loss", "60-min outage", "new error")
UNKNOWN_SHARES = (0.01, 0.05, 0.20)
"""Of incident requests; each world has one of them."""
LEAD_DAYS = 36
"""28 days of baseline, the week of the longest window, and a day for the last midnight."""


@dataclass(frozen=True)
class World:
    """
    `counts` is slots x functions x kinds; `start` is the fault's first slot, or nothing.
    """

    counts: np.ndarray
    names: tuple[str, ...]
    start: int | None
    fault: str | None

    @property
    def hours(self) -> int:
        return len(self.counts) // SLOTS_AN_HOUR

    def table(self) -> pl.DataFrame:
        """What `attribute.gate.cells.tabulate` would give, with minutes counted from the epoch."""
        slot, place = np.nonzero(self.counts.sum(axis=2))
        cells = self.counts[slot, place]
        return pl.DataFrame(
            {
                "minute": slot * 10,
                "function": [self.names[number] for number in place],
                "other": cells[:, KNOWN] + cells[:, EVIDENT] + cells[:, BLIND],
                "known": cells[:, KNOWN],
                "evident": cells[:, EVIDENT],
                "blind": cells[:, BLIND],
                "unexplained": cells[:, UNEXPLAINED],
                "refused": cells[:, REFUSED],
            }
        )

    def baseline(self) -> Baseline:
        return from_table(self.table())


@dataclass(frozen=True)
class _Base:
    """A world before its fault; `vendors` says for each function what it calls."""

    counts: np.ndarray
    names: tuple[str, ...]
    vendors: tuple[str | None, ...]


def make(*, requests_per_day: float, days: int, seed: int, fault: str | None = None, functions: int = 8) -> World:
    """
    Make a world of *days* after the lead, with a fault of the kind *fault* on the first of them, or with none.

    Worlds of one seed differ in nothing but their fault, which starts at the same time.
    """
    base = _base(requests_per_day, LEAD_DAYS + days, seed, functions)
    if fault is None:
        return World(base.counts, base.names, None, None)
    rng = np.random.default_rng([seed, int(requests_per_day), 1])
    start = LEAD_DAYS * SLOTS_A_DAY + int(rng.integers(0, SLOTS_A_DAY))
    counts = base.counts.copy()
    _inject(fault, counts, base.vendors, start, rng)
    return World(counts, base.names, start, fault)


@lru_cache(maxsize=2)
def _base(requests_per_day: float, days: int, seed: int, functions: int) -> _Base:
    rng = np.random.default_rng([seed, int(requests_per_day)])
    traffic = simulate(
        requests_per_day=requests_per_day,
        days=days,
        seed=seed,
        unknown_share=float(rng.choice(UNKNOWN_SHARES)),
        faults=None,
        functions=functions,
    )
    names = tuple(function.name for function in traffic.functions)
    vendors = tuple(function.vendor for function in traffic.functions)
    counts = _slots(traffic.counts, names, days)
    calling = np.array([vendor is not None for vendor in vendors])
    counts[:, ~calling, BLIND] += counts[:, ~calling, EVIDENT]
    counts[:, ~calling, EVIDENT] = 0
    _known_trouble(counts, vendors, rng, days)
    counts.flags.writeable = False
    return _Base(counts, names, vendors)


def _slots(frame: pl.DataFrame, names: tuple[str, ...], days: int) -> np.ndarray:
    kind = (
        pl.when(pl.col("class") == "none")
        .then(EVIDENT)
        .when((pl.col("class") == "UNKNOWN") & pl.col("status").is_between(400, 499))
        .then(REFUSED)
        .when(pl.col("class") == "UNKNOWN")
        .then(UNEXPLAINED)
        .otherwise(KNOWN)
    )
    cells = frame.group_by(
        ((pl.col("minute").to_physical() - int(START.timestamp()) * 1_000_000) // 600_000_000).alias("slot"),
        pl.col("function").replace_strict({name: number for number, name in enumerate(names)}).alias("place"),
        kind.alias("kind"),
    ).agg(pl.col("requests").sum())
    counts = np.zeros((days * SLOTS_A_DAY, len(names), 5), dtype=np.int64)
    counts[cells["slot"].to_numpy(), cells["place"].to_numpy(), cells["kind"].to_numpy()] = cells["requests"].to_numpy()
    return counts


def _known_trouble(counts: np.ndarray, vendors: Sequence[str | None], rng: np.random.Generator, days: int) -> None:
    """Outages (1.5 a week) and regressions (1.5 a week) with all their evidence: no business of this gate."""
    for _ in range(rng.poisson(1.5 * days / 7)):
        vendor = "alpha" if rng.random() < 0.6 else "beta"
        places = [number for number, name in enumerate(vendors) if name == vendor]
        _turn_known(
            counts, places, int(rng.integers(len(counts))), int(rng.integers(1, 13)), rng.uniform(0.1, 1.0), rng
        )
    for _ in range(rng.poisson(1.5 * days / 7)):
        place = int(rng.integers(len(vendors)))
        _turn_known(
            counts, [place], int(rng.integers(len(counts))), int(rng.integers(3, 48)), rng.uniform(0.05, 0.6), rng
        )


def _turn_known(
    counts: np.ndarray, places: list[int], start: int, length: int, share: float, rng: np.random.Generator
) -> None:
    for place in places:
        for kind in (EVIDENT, BLIND):
            window = counts[start : start + length, place]
            hit = rng.binomial(window[:, kind], share)
            window[:, kind] -= hit
            window[:, KNOWN] += hit


def _inject(
    fault: str, counts: np.ndarray, vendors: Sequence[str | None], start: int, rng: np.random.Generator
) -> None:
    calling = [number for number, vendor in enumerate(vendors) if vendor]
    if fault == "function loses evidence":
        _lose(counts, int(rng.choice(calling[:2])), start, 1.0, rng)
    elif fault == "small function loses":
        _lose(counts, int(rng.choice(calling[-3:])), start, 1.0, rng)
    elif fault == "partial loss":
        _lose(counts, int(rng.choice(calling)), start, rng.uniform(0.1, 0.6), rng)
    elif fault == "60-min outage":
        # M1 knows of one upstream unless a record names another: its outage hits all that call it. One of a vendor with
        # an eighth of the traffic would hit under five requests of 500 a day, which no floor of five can find.
        for place in calling:
            _turn_unknown(counts[start : start + SLOTS_AN_HOUR, place], rng.uniform(0.9, 1.0), rng)
    else:
        share = float(np.exp(rng.uniform(np.log(0.01), np.log(0.3))))
        _turn_unknown(counts[start:, int(rng.choice(calling))], share, rng)


def _lose(counts: np.ndarray, place: int, start: int, share: float, rng: np.random.Generator) -> None:
    """A share of requests no longer says what the upstream answered; nothing else changes."""
    window = counts[start:, place]
    blind = rng.binomial(window[:, EVIDENT], share)
    window[:, EVIDENT] -= blind
    window[:, BLIND] += blind
    lost = rng.binomial(window[:, KNOWN], share)
    refused = rng.binomial(lost, 0.2)
    window[:, KNOWN] -= lost
    window[:, REFUSED] += refused
    window[:, UNEXPLAINED] += lost - refused


def _turn_unknown(window: np.ndarray, share: float, rng: np.random.Generator) -> None:
    for kind in (EVIDENT, BLIND):
        hit = rng.binomial(window[:, kind], share)
        window[:, kind] -= hit
        window[:, UNEXPLAINED] += hit
