"""Holds detections against what was injected."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.incidents.detection import Detection
from benchmarks.traffic import Fault

GRACE = 15
OBSERVABLE = 4
"""A fault that spoilt fewer requests than this left nothing to find, where a world does not say otherwise."""


@dataclass
class Score:
    """Sums over simulated weeks."""

    detections: int = 0
    right: int = 0
    faults: int = 0
    found: int = 0
    fragments: int = 0
    start_errors: list[int] = field(default_factory=list)
    by_severity: dict[int, list[int]] = field(default_factory=dict)
    missed: dict[str, list[int]] = field(default_factory=dict)
    false: list[Detection] = field(default_factory=list)
    runs: list[tuple[int, int, int, int]] = field(default_factory=list)
    """For each simulation: right ones, detections, found ones, faults."""

    @property
    def precision(self) -> float:
        return self.right / self.detections if self.detections else 1.0

    @property
    def recall(self) -> float:
        return self.found / self.faults if self.faults else 1.0

    @property
    def per_fault(self) -> float:
        return self.fragments / self.found if self.found else 0.0

    @property
    def precision_error(self) -> float:
        """The standard error of the precision, from how much simulations differ."""
        return _ratio_error([(right, detections) for right, detections, _, _ in self.runs])

    @property
    def recall_error(self) -> float:
        """The standard error of the recall."""
        return _ratio_error([(found, faults) for _, _, found, faults in self.runs])

    def start_error(self, q: float) -> float:
        ordered = sorted(self.start_errors)
        return ordered[min(int(q * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def _ratio_error(runs: Sequence[tuple[int, int]]) -> float:
    """Requests of one simulation are not independent, simulations are: the error of a ratio of sums over them."""
    hits, all_ = (sum(column) for column in zip(*runs, strict=True)) if runs else (0, 0)
    if len(runs) < 2 or not all_:
        return math.nan
    squares = sum((hit - hits / all_ * count) ** 2 for hit, count in runs)
    return math.sqrt(squares * len(runs) / (len(runs) - 1)) / all_


def add(
    score: Score, detections: Sequence[Detection], faults: Iterable[Fault], *, least_observable: int = OBSERVABLE
) -> None:
    """Add one simulation's outcome to *score*."""
    everything = list(faults)
    known = [fault for fault in everything if fault.hit >= least_observable]
    before = score.right, score.detections, score.found, score.faults
    for one in detections:
        right = any(
            _overlap(one, fault) and (fault.class_ == one.class_ or _silent(one, fault)) for fault in everything
        )
        score.detections += 1
        score.right += right
        tally = score.by_severity.setdefault(one.severity, [0, 0])
        tally[0] += right
        tally[1] += 1
        if not right:
            score.false.append(one)
    for fault in known:
        matches = [one for one in detections if one.class_ == fault.class_ and _overlap(one, fault)]
        score.faults += 1
        tally = score.missed.setdefault(fault.kind, [0, 0])
        tally[1] += 1
        if not matches:
            tally[0] += 1
            continue
        score.found += 1
        score.fragments += len(matches) + sum(_silent(one, fault) and _overlap(one, fault) for one in detections)
        score.start_errors.append(min(abs(one.start - fault.start) for one in matches))
    after = score.right, score.detections, score.found, score.faults
    right_now, count, found, asked = (now - then for now, then in zip(after, before, strict=True))
    score.runs.append((right_now, count, found, asked))


def _overlap(one: Detection, fault: Fault) -> bool:
    return (
        one.start < fault.end + GRACE
        and one.end > fault.start - GRACE
        and not one.functions.isdisjoint(fault.functions)
    )


def _silent(one: Detection, fault: Fault) -> bool:
    """An UNKNOWN incident inside a vendor outage: true (timeouts without a status), but one too many."""
    return one.class_ == "UNKNOWN" and fault.class_ == "vendor"
