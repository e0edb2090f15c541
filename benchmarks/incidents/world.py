"""The simulated weeks that incidents are measured on: `benchmarks.traffic`, with strengths argued for in the docs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks import traffic
from benchmarks.traffic import HOUR, REFUSED, Fault, FaultRates, Noise, Traffic

DAYS_BEFORE = 14
"""Days of history, without faults."""


@dataclass(frozen=True)
class Strength:
    """What the study's description leaves open."""

    noise: Noise
    functions: int
    bursts_grow: bool
    """Whether a scanner's burst is as large, beside all traffic, on a small site as on a large one."""
    least_observable: int
    """A fault that spoilt fewer requests than this left nothing to find."""


STUDY = Strength(
    Noise(swing=0.3, vendor_blips=1.0, scanner_bursts=1.0), functions=12, bursts_grow=True, least_observable=4
)
"""As the study's own must have been: its method does as well here as it says that it does, or worse."""

HARSH = Strength(Noise(swing=0.5, vendor_blips=3.0), functions=18, bursts_grow=False, least_observable=3)
"""More of everything that misleads. No method was ever seen to reach the bar here."""


WORLDS = {"study": STUDY, "harsh": HARSH}


class _World(traffic._Simulation):  # noqa: SLF001  # one simulation for gate and incidents, some strengths apart
    def __init__(self, strength: Strength, requests_per_day: float, days: int, seed: int, unknown_share: float) -> None:
        self.bursts_grow = strength.bursts_grow
        super().__init__(requests_per_day, days, seed, unknown_share, strength.noise, strength.functions)

    def _swing(self, hours: int) -> np.ndarray:
        """Swing from hour to hour, in steps: what an hourly count is over-dispersed by."""
        return np.repeat(super()._swing(hours)[::HOUR], HOUR)

    def _burst(self, start: int) -> None:
        if not self.bursts_grow:
            super()._burst(start)
            return
        place = int(self.rng.integers(len(self.functions)))
        length = int(self.rng.integers(1, 12))
        size = self.rng.lognormal(np.log(25 * self.volume / 50_000), 0.8)
        slots = self.counts[start : start + length, place, REFUSED]
        slots += self.rng.poisson(size / length, slots.shape)

    def _draw(self, kind: str, start: int) -> Fault:
        fault = super()._draw(kind, start)
        if kind == "lost_instrumentation":
            length = int(np.exp(self.rng.uniform(np.log(120), np.log(2880))))
            fault.end = min(start + length, self.minutes)
        return fault


def simulate(strength: Strength, *, requests_per_day: float, weeks: int, seed: int, unknown_share: float) -> Traffic:
    """Simulate *weeks* weeks with faults, after two without."""
    days = DAYS_BEFORE + 7 * weeks
    world = _World(strength, requests_per_day, days, seed, unknown_share)
    return world.run(FaultRates(), DAYS_BEFORE)
