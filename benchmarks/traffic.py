"""
Simulated M1 traffic, as rollups: what gate and incidents are measured on.

Each function has its own size, vendor and usual shares of trouble; shares swing from hour to hour (auto-correlated),
traffic follows the day and the week, campaigns multiply one function's traffic, scanners send bursts of malformed
requests, vendors blip for a minute or two. Faults are injected on top, and every request that a fault turned bad is
counted, so the truth is known. Nothing here knows how faults are looked for.

    from benchmarks.traffic import FaultRates, simulate
    traffic = simulate(requests_per_day=5_000, days=42, seed=1, unknown_share=0.05, faults=FaultRates())
    traffic.counts, traffic.faults
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import polars as pl

from attribute.frames import COUNTS

START = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""

DAY, HOUR, WEEK = 1440, 60, 10080

VENDOR, APPLICATION, BOTTLENECK, UNKNOWN, REFUSED = range(5)
CLASS_NAMES = ("vendor", "application", "application-bottleneck", "UNKNOWN", "UNKNOWN")

_COLUMNS: tuple[dict[str, object], ...] = (
    {"rule": "M1-2", "reason": "upstream-5xx", "status": 502, "upstream_status": 503, "error_code": "UPSTREAM_FAILED"},
    {"rule": "M1-3", "reason": "upstream-ok-function-5xx", "status": 500, "upstream_status": 200, "error_code": "BUG"},
    {"rule": "M1-4", "reason": "slow-with-fast-upstream", "status": 200, "upstream_status": 200, "error_code": None},
    {"rule": "M1-1", "reason": "upstream-status-missing", "status": 504, "upstream_status": None, "error_code": None},
    {"rule": "M1-1", "reason": "upstream-status-missing", "status": 401, "upstream_status": None, "error_code": "AUTH"},
)


@dataclass(frozen=True)
class Function:
    """A function: its share of the traffic, its vendor (none: it never calls one) and usual shares of trouble."""

    name: str
    weight: float
    vendor: str | None
    shares: tuple[float, ...]


@dataclass
class Fault:
    """
    What was injected.

    `start` and `end` are minutes of the simulation; `hit` counts the requests that it turned into `class_` (and, for a
    vendor outage, into UNKNOWN).
    """

    kind: str
    class_: str
    functions: tuple[str, ...]
    start: int
    end: int
    hit: int = 0
    hit_unknown: int = 0
    first_hit: int | None = None


@dataclass(frozen=True)
class FaultRates:
    """How many faults of each kind a week brings, on average."""

    full_outage: float = 1.2
    partial_outage: float = 1.2
    flapping_outage: float = 0.6
    regression: float = 2.0
    bottleneck: float = 1.2
    lost_instrumentation: float = 0.8


@dataclass(frozen=True)
class Noise:
    """How often a week things happen that are no faults, and how hard shares swing."""

    campaigns: float = 1.0
    scanner_bursts: float = 2.0
    vendor_blips: float = 2.0
    swing: float = 0.35
    swing_memory: float = 0.8


@dataclass(frozen=True)
class Traffic:
    """Counts from the start on, and what was injected into them from `faults_from` on."""

    counts: pl.DataFrame
    faults: tuple[Fault, ...]
    functions: tuple[Function, ...]
    days: int
    start: datetime = START
    extra: dict[str, int] = field(default_factory=dict)


def simulate(
    *,
    requests_per_day: float,
    days: int,
    seed: int,
    unknown_share: float = 0.05,
    faults: FaultRates | None = None,
    faults_from_day: int = 14,
    noise: Noise | None = None,
    functions: int = 12,
) -> Traffic:
    """Simulate *days* days of traffic; faults are injected from `faults_from_day` on."""
    return _Simulation(requests_per_day, days, seed, unknown_share, noise or Noise(), functions).run(
        faults, faults_from_day
    )


class _Simulation:
    def __init__(
        self, requests_per_day: float, days: int, seed: int, unknown_share: float, noise: Noise, functions: int
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.volume = requests_per_day
        self.days = days
        self.minutes = days * DAY
        self.noise = noise
        self.functions = tuple(self._functions(functions, unknown_share))
        self.rate = self._rate()
        self.counts = self._usual()

    def run(self, faults: FaultRates | None, faults_from_day: int) -> Traffic:
        extra = {
            "blips": self._repeat(self.noise.vendor_blips, 0, self._blip),
            "bursts": self._repeat(self.noise.scanner_bursts, 0, self._burst),
        }
        planned = sorted(self._plan(faults, faults_from_day), key=lambda one: one.start) if faults else []
        for fault in planned:
            self._inject(fault)
        return Traffic(self._frame(), tuple(planned), self.functions, self.days, extra=extra)

    # -- what is usual -------------------------------------------------------------------------------------------------

    def _functions(self, count: int, unknown_share: float) -> Iterator[Function]:
        weights = 1 / np.arange(1, count + 1) ** 1.1
        weights /= weights.sum()
        for number, weight in enumerate(weights):
            structural = number % 6 == 5
            vendor = None if structural else ("alpha", "alpha", "beta")[number % 3]
            spread = self.rng.lognormal(0, 0.6, 4)
            known = np.array([0.003, 0.025, 0.002]) * spread[:3]
            if structural:
                shares = (0.0, 0.0, 0.0, 0.002 * spread[0], 0.015 * spread[1])
            else:
                unknown = known.sum() * unknown_share / (1 - unknown_share) * spread[3]
                shares = (*known, 0.4 * unknown, 0.6 * unknown)
            yield Function(f"fn-{number:02d}", float(weight), vendor, tuple(float(share) for share in shares))

    def _rate(self) -> np.ndarray:
        """Requests a minute, minutes by functions."""
        minute = np.arange(self.minutes)
        hour = minute % DAY / HOUR
        diurnal = 0.25 + np.exp(-(((hour - 14) / 4.5) ** 2)) + 0.35 * np.exp(-(((hour - 20.5) / 1.8) ** 2))
        weekly = np.where(minute // DAY % 7 >= 5, 0.55, 1.1)
        shape = diurnal * weekly
        shape /= shape.mean()
        rate = self.volume / DAY * np.outer(shape, [function.weight for function in self.functions])
        for _ in range(self.rng.poisson(self.noise.campaigns * self.days / 7)):
            start = int(self.rng.integers(0, self.minutes))
            length = int(self.rng.integers(60, 8 * HOUR))
            rate[start : start + length, self.rng.integers(len(self.functions))] *= self.rng.uniform(2, 8)
        return rate

    def _usual(self) -> np.ndarray:
        """Requests by minute, function and kind; the last kind is healthy."""
        hours = self.days * 24
        counts = np.zeros((self.minutes, len(self.functions), 6), dtype=np.int64)
        healthy_share = np.ones_like(self.rate)
        for place, function in enumerate(self.functions):
            for kind, share in enumerate(function.shares):
                if not share:
                    continue
                swing = self._swing(hours)
                now = np.minimum(share * swing, 0.5)
                counts[:, place, kind] = self.rng.poisson(self.rate[:, place] * now)
                healthy_share[:, place] -= now
        counts[:, :, 5] = self.rng.poisson(self.rate * np.maximum(healthy_share, 0))
        return counts

    def _swing(self, hours: int) -> np.ndarray:
        sigma, memory = self.noise.swing, self.noise.swing_memory
        steps = self.rng.normal(0, sigma * np.sqrt(1 - memory**2), hours)
        level = np.empty(hours)
        level[0] = self.rng.normal(0, sigma)
        for hour in range(1, hours):
            level[hour] = memory * level[hour - 1] + steps[hour]
        smooth = np.interp(np.arange(hours * HOUR) / HOUR, np.arange(hours), level)
        return np.exp(smooth - sigma**2 / 2)

    # -- what is no fault ----------------------------------------------------------------------------------------------

    def _repeat(self, per_week: float, from_day: int, act) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001  # a method of this class
        times = int(self.rng.poisson(per_week * (self.days - from_day) / 7))
        for _ in range(times):
            act(int(self.rng.integers(from_day * DAY, self.minutes - 5)))
        return times

    def _blip(self, start: int) -> None:
        places = self._of_vendor("alpha" if self.rng.random() < 0.6 else "beta")
        length, share = int(self.rng.integers(1, 4)), self.rng.uniform(0.1, 0.6)
        for place in places:
            self._turn(place, start, start + length, VENDOR, share)

    def _burst(self, start: int) -> None:
        """A scanner knows nothing of our size: its burst is as large on a small site."""
        place = int(self.rng.integers(len(self.functions)))
        length = int(self.rng.integers(1, 12))
        size = self.rng.lognormal(np.log(25), 0.8) * max(1.0, self.volume / 50_000)
        self.counts[start : start + length, place, REFUSED] += self.rng.poisson(
            size / length, self.counts[start : start + length, place, REFUSED].shape
        )

    # -- faults --------------------------------------------------------------------------------------------------------

    def _of_vendor(self, vendor: str) -> list[int]:
        return [place for place, function in enumerate(self.functions) if function.vendor == vendor]

    def _plan(self, rates: FaultRates, from_day: int) -> Iterator[Fault]:
        weeks = (self.days - from_day) / 7
        for kind, per_week in vars(rates).items():
            for _ in range(int(self.rng.poisson(per_week * weeks))):
                yield self._draw(kind, int(self.rng.integers(from_day * DAY, self.minutes - 4 * HOUR)))

    def _draw(self, kind: str, start: int) -> Fault:
        calling = [place for place, function in enumerate(self.functions) if function.vendor]
        span = {
            "full_outage": (5, 120),
            "partial_outage": (15, 240),
            "flapping_outage": (40, 180),
            "regression": (30, 480),
            "bottleneck": (20, 180),
            "lost_instrumentation": (180, 2880),
        }[kind]
        length = int(np.exp(self.rng.uniform(np.log(span[0]), np.log(span[1]))))
        class_ = "vendor"
        if kind.endswith("outage"):
            places = self._of_vendor("alpha" if self.rng.random() < 0.6 else "beta")
            if kind == "partial_outage" and self.rng.random() < 0.5:
                places = [int(place) for place in self.rng.choice(places, max(1, len(places) // 2), replace=False)]
        elif kind == "lost_instrumentation":
            class_, places = "UNKNOWN", [int(self.rng.choice(calling[:8]))]
        else:
            class_ = "application" if kind == "regression" else "application-bottleneck"
            several = 1 + int(self.rng.random() < 0.3) + int(kind == "bottleneck" and self.rng.random() < 0.3)
            places = [int(place) for place in self.rng.choice(calling[:10], several, replace=False)]
        names = tuple(sorted(self.functions[place].name for place in places))
        return Fault(kind, class_, names, start, min(start + length, self.minutes))

    def _inject(self, fault: Fault) -> None:
        places = [place for place, function in enumerate(self.functions) if function.name in fault.functions]
        if fault.kind == "lost_instrumentation":
            for place in places:
                self._lose(fault, place)
            return
        share = {
            "full_outage": self.rng.uniform(0.85, 1.0),
            "partial_outage": self.rng.uniform(0.1, 0.5),
            "flapping_outage": self.rng.uniform(0.5, 1.0),
            "regression": np.exp(self.rng.uniform(np.log(0.12), np.log(0.95))),
            "bottleneck": self.rng.uniform(0.1, 0.6),
        }[fault.kind]
        silent = self.rng.uniform(0, 0.5) if fault.class_ == "vendor" else 0.0
        kind = CLASS_NAMES.index(fault.class_)
        for start, end in self._phases(fault):
            for place in places:
                strength = share * self.rng.uniform(0.8, 1.0)
                hit = self._turn(place, start, end, kind, strength * (1 - silent))
                unknown = self._turn(place, start, end, UNKNOWN, strength * silent) if silent else hit * 0
                _note(fault, start, hit, unknown)

    def _phases(self, fault: Fault) -> Iterator[tuple[int, int]]:
        if fault.kind != "flapping_outage":
            yield fault.start, fault.end
            return
        at = fault.start
        while at < fault.end:
            on = int(self.rng.integers(3, 9))
            yield at, min(at + on, fault.end)
            at += on + int(self.rng.integers(5, 21))

    def _turn(self, place: int, start: int, end: int, kind: int, share: float) -> np.ndarray:
        """Turn a share of healthy requests into requests of *kind*; return how many, by minute."""
        hit = self.rng.binomial(self.counts[start:end, place, 5], min(share, 1.0))
        self.counts[start:end, place, 5] -= hit
        self.counts[start:end, place, kind] += hit
        return hit

    def _lose(self, fault: Fault, place: int) -> None:
        """Without the upstream's status, all trouble of a function is UNKNOWN; nothing healthy turns bad."""
        window = self.counts[fault.start : fault.end, place]
        hit = window[:, VENDOR] + window[:, APPLICATION]
        refused = self.rng.binomial(window[:, APPLICATION], 0.5)
        window[:, UNKNOWN] += hit - refused
        window[:, REFUSED] += refused
        window[:, VENDOR] = window[:, APPLICATION] = 0
        _note(fault, fault.start, hit, hit * 0)

    # -- the frame -----------------------------------------------------------------------------------------------------

    def _frame(self) -> pl.DataFrame:
        minute, place, kind = np.nonzero(self.counts)
        looks: list[dict[str, object]] = [
            {"kind": number, "class": CLASS_NAMES[number], **columns} for number, columns in enumerate(_COLUMNS)
        ]
        looks.append(
            {
                "kind": 5,
                "class": "none",
                "rule": None,
                "reason": "ok",
                "status": 200,
                "upstream_status": 200,
                "error_code": None,
            }
        )
        names = pl.DataFrame(
            {
                "place": range(len(self.functions)),
                "function": [function.name for function in self.functions],
                "upstream": [function.vendor for function in self.functions],
            },
            schema_overrides={"place": pl.Int64},
        )
        start_us = int(START.timestamp()) * 1_000_000
        return (
            pl.DataFrame({"minute": minute, "place": place, "kind": kind, "requests": self.counts[minute, place, kind]})
            .join(names, on="place")
            .join(pl.DataFrame(looks, schema_overrides={"kind": pl.Int64, "upstream_status": pl.Int16}), on="kind")
            .with_columns(
                (pl.lit(start_us) + pl.col("minute") * 60_000_000).cast(pl.Datetime("us", "UTC")).alias("minute"),
                pl.lit("response").alias("stage"),
            )
            .with_columns(
                pl.when(pl.col("upstream").is_not_null()).then(pl.col("upstream_status")).alias("upstream_status")
            )
            .select(COUNTS.names())
            .cast(COUNTS)
            .sort(COUNTS.names()[:-1])
        )


def _note(fault: Fault, start: int, hit: np.ndarray, unknown: np.ndarray) -> None:
    fault.hit += int(hit.sum())
    fault.hit_unknown += int(unknown.sum())
    struck = np.nonzero(hit + unknown)[0]
    if struck.size:
        first = start + int(struck[0])
        fault.first_hit = first if fault.first_hit is None else min(first, fault.first_hit)


def minute_of(at: datetime) -> int:
    """Return the minute of the simulation that *at* lies in."""
    return int((at - START).total_seconds() // 60)


def names_of(functions: Sequence[Function]) -> list[str]:
    return [function.name for function in functions]
