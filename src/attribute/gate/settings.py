"""What the gate is asked, and the numbers that it judges by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Check", "GateSettings", "Kind", "Level", "State"]


class State(StrEnum):
    """What the gate, or one of its tests, comes to."""

    PASS = "pass"  # noqa: S105 -- a state, no secret
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Level(StrEnum):
    """What a test that does not pass does to the whole gate."""

    ERROR = "error"
    WARNING = "warning"


class Check(StrEnum):
    """The parts of the gate, each of which can be left out."""

    SPIKE = "spike"
    COVERAGE = "coverage"
    LIMITS = "limits"


class Kind(StrEnum):
    """Two kinds of UNKNOWN with nothing in common; each is left out of the other's counts and denominators."""

    UNEXPLAINED = "unexplained"
    REFUSED = "refused"
    """Answered 4xx before any upstream call was seen: malformed or unauthenticated traffic, mostly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """
    The numbers of the gate. The defaults are measured (docs/gate.md); docs/gate.md says what each of them buys.

    Attributes:
        checks: which parts run.
        spike_hours: the windows of the spike test, in hours, ascending.
        coverage_hours: the windows of evidence coverage.
        baseline_days: at most so many days before the window are the baseline.
        min_baseline_days: with fewer there is no spike test.
        alpha: a spike fails under this corrected probability.
        coverage_alpha: lost coverage fails under this probability.
        quarantine_alpha: a day of the baseline is left out under this one.
        share_ratio: times the expected share is still allowed.
        share_excess: so much over the expected share of incident requests is allowed, where that is more.
        max_allowed: no share over it is ever allowed.
        coverage_excess: so much over the usual share of healthy requests without evidence is allowed.
        max_coverage_limit: a function that usually lacks evidence on more is not asked for it.
        prior_incident: how many incident requests of all functions a function's share is shrunk by.
        prior_requests: the same in requests.
        min_unknown: a spike has at least so many UNKNOWN requests.
        min_incident: and at least so many incident requests.
        min_incident_function: the same for one function.
        min_missing: coverage that is lost lacks on at least so many requests.
        min_healthy: of at least so many.
        min_baseline_healthy: and the baseline has at least so many.
        negligible_requests: with so many requests in the window,
        negligible_share: failures up to this share of them are too few to matter, whatever they are.
        max_rejected_share: with a greater share of rejected lines among records nothing can be judged; nor with as many
            requests whose time says nothing.
        min_day_share: a last day with less than this share of what nine in ten days have lacks requests.
        refused_level: what a spike of refused requests does.
    """

    checks: frozenset[Check] = frozenset(Check)
    spike_hours: tuple[int, ...] = (1, 24, 168)
    coverage_hours: tuple[int, ...] = (1, 24, 72)
    baseline_days: int = 28
    min_baseline_days: int = 7
    alpha: float = 0.01
    coverage_alpha: float = 0.001
    quarantine_alpha: float = 0.001
    share_ratio: float = 1.5
    share_excess: float = 0.05
    max_allowed: float = 0.98
    coverage_excess: float = 0.10
    max_coverage_limit: float = 0.95
    prior_incident: float = 20.0
    prior_requests: float = 200.0
    min_unknown: int = 5
    min_incident: int = 10
    min_incident_function: int = 5
    min_missing: int = 5
    min_healthy: int = 5
    min_baseline_healthy: int = 30
    negligible_requests: int = 1000
    negligible_share: float = 0.005
    max_rejected_share: float = 0.5
    min_day_share: float = 0.5
    refused_level: Level = Level.WARNING

    @property
    def spans(self) -> tuple[int, ...]:
        """Every stretch before now that some test sums over: the windows and their last quarters, in hours."""
        return self.with_quarters((*self.spike_hours, *self.coverage_hours))

    @staticmethod
    def with_quarters(windows: Iterable[int]) -> tuple[int, ...]:
        """Return *windows* and their last quarters, in hours, ascending; a window under four hours has none."""
        windows = set(windows)
        return tuple(sorted(windows | {hours // 4 for hours in windows if hours >= 4}))

    def allowed_of_incident(self, expected: float) -> float:
        """Return how large a share of incident requests may be UNKNOWN where *expected* is usual."""
        return min(max(self.share_ratio * expected, expected + self.share_excess), self.max_allowed)

    def allowed_of_requests(self, expected: float) -> float:
        """Return how large a share of all requests may be UNKNOWN where *expected* is usual."""
        return min(self.share_ratio * expected, self.max_allowed)
