"""The gate, asked every hour: the same functions as `attribute.gate.gate`, with the sums taken from running totals."""

from __future__ import annotations

import numpy as np

from attribute.gate.baseline import Baseline
from attribute.gate.cells import Sample
from attribute.gate.coverage import judge_coverage
from attribute.gate.expect import Expectation, expect
from attribute.gate.settings import GateSettings, Kind
from attribute.gate.spike import judge_spikes
from attribute.gate.usual_coverage import Coverage, expect_coverage
from benchmarks.gate.world import BLIND, EVIDENT, KNOWN, REFUSED, SLOTS_AN_HOUR, UNEXPLAINED, World


class Gate:
    """Judges a world hour by hour; what is usual is worked out once for each midnight."""

    def __init__(
        self, world: World, settings: GateSettings | None = None, shared: dict[int, Expectation] | None = None
    ) -> None:
        self.world = world
        self.settings = settings or GateSettings()
        self.past: Baseline = world.baseline()
        self.totals = np.concatenate([np.zeros((1, *world.counts.shape[1:]), np.int64), world.counts.cumsum(axis=0)])
        self._spikes: dict[int, Expectation] = {} if shared is None else shared
        self._coverage: dict[int, dict[str, Coverage]] = {}

    def fails(self, hour: int) -> tuple[bool, bool]:
        """Return whether a spike, and whether lost coverage, fails the gate at the end of *hour* hours."""
        settings = self.settings
        samples = self.samples(hour)
        covered = judge_coverage(samples, self.covered(hour), settings, windows=settings.coverage_hours)
        if sum(sum(sample.unexplained.values()) for sample in samples) < settings.min_unknown:
            return False, bool(covered.failing)
        overall, single = judge_spikes(
            samples, self.usual(hour), settings, kind=Kind.UNEXPLAINED, windows=settings.spike_hours, search=False
        )
        return any(test.fails for test in (*single, *overall)), bool(covered.failing)

    def usual(self, hour: int) -> Expectation:
        end = (hour - self.settings.spike_hours[-1]) // 24 * 24
        if end not in self._spikes:
            self._spikes[end] = expect(self.past, end_hour=end, settings=self.settings, kinds=(Kind.UNEXPLAINED,))
        return self._spikes[end]

    def covered(self, hour: int) -> dict[str, Coverage]:
        end = (hour - self.settings.coverage_hours[-1]) // 24 * 24
        if end not in self._coverage:
            self._coverage[end] = expect_coverage(self.past, end_hour=end, settings=self.settings)[0]
        return self._coverage[end]

    def samples(self, hour: int) -> list[Sample]:
        end = hour * SLOTS_AN_HOUR
        spans = self.settings.spans
        sums = {span: self.totals[end] - self.totals[max(end - span * SLOTS_AN_HOUR, 0)] for span in spans}
        recent = self.world.counts[max(end - max(spans) * SLOTS_AN_HOUR, 0) : end][::-1]
        found = []
        for place, name in enumerate(self.world.names):
            if not sums[max(spans)][place].sum():
                continue
            slots = {
                kind: {int(slot): int(recent[slot, place, kind]) for slot in np.nonzero(recent[:, place, kind])[0]}
                for kind in (UNEXPLAINED, REFUSED, BLIND)
            }
            found.append(
                Sample(
                    function=name,
                    other={span: int(sums[span][place, [KNOWN, EVIDENT, BLIND]].sum()) for span in spans},
                    known={span: int(sums[span][place, KNOWN]) for span in spans},
                    evident={span: int(sums[span][place, EVIDENT]) for span in spans},
                    blind={span: int(sums[span][place, BLIND]) for span in spans},
                    unexplained=slots[UNEXPLAINED],
                    refused=slots[REFUSED],
                    blind_slots=slots[BLIND],
                )
            )
        return found
