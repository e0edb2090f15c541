"""Do healthy requests still say what their upstream answered? If not, the next outage will be UNKNOWN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attribute.gate.cells import Sample
from attribute.gate.settings import GateSettings
from attribute.gate.tail import critical_count, tail
from attribute.gate.usual_coverage import Coverage

__all__ = ["CoverageReport", "CoverageTest", "judge_coverage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageTest:
    """
    One function and window.

    Attributes:
        function: whose.
        hours: the window, ending now.
        blind: healthy requests without an upstream status.
        healthy: all healthy requests.
        expected_share: the usual share of blind ones.
        allowed_share: the share that is still allowed.
        p_value: probability of as many, were the allowed share the true one.
        needed: how many blind ones would have been enough; None: not even all.
        fails: the verdict.
    """

    function: str
    hours: int
    blind: int
    healthy: int
    expected_share: float
    allowed_share: float
    p_value: float
    needed: int | None
    fails: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageReport:
    """
    All functions.

    Attributes:
        failing: for each function that fails, its shortest window that does.
        tested: functions of which enough is known, and that had enough healthy requests in some window to fail.
        asked: functions that usually carry evidence.
        blind: healthy requests without an upstream status in the longest window, of the functions asked.
        healthy: all healthy requests of those.
    """

    failing: tuple[CoverageTest, ...]
    tested: tuple[str, ...]
    asked: tuple[str, ...]
    blind: int
    healthy: int


def judge_coverage(
    samples: Sequence[Sample], usual: Mapping[str, Coverage], settings: GateSettings, *, windows: Sequence[int]
) -> CoverageReport:
    """Test every function in every one of *windows* (hours, some of `settings.coverage_hours`)."""
    failing: list[CoverageTest] = []
    tested: list[str] = []
    blind = healthy = 0
    by_name = {sample.function: sample for sample in samples}
    asked = [name for name, norm in usual.items() if _limit(norm, settings) < settings.max_coverage_limit]
    for name in asked:
        sample = by_name.get(name)
        if sample is None:
            continue
        blind += sample.blind[max(windows)]
        healthy += sample.healthy(max(windows))
        tests = [_test(sample, usual[name], hours, settings) for hours in windows]
        if any(test.needed is not None for test in tests):
            tested.append(name)
        failing += [test for test in tests if test.fails][:1]
    return CoverageReport(
        failing=tuple(sorted(failing, key=lambda test: (test.p_value, test.function))),
        tested=tuple(tested),
        asked=tuple(asked),
        blind=blind,
        healthy=healthy,
    )


def _limit(norm: Coverage, settings: GateSettings) -> float:
    return norm.without.share + settings.coverage_excess


def _test(sample: Sample, norm: Coverage, hours: int, settings: GateSettings) -> CoverageTest:
    blind, healthy = sample.blind[hours], sample.healthy(hours)
    allowed = _limit(norm, settings)
    rho = norm.without.rho_at(allowed, hours)
    over = blind > allowed * healthy
    p_value = tail(blind, healthy, allowed, rho) if over else 1.0
    quarter = hours // 4
    still_there = not quarter or sample.blind[quarter] > allowed * sample.healthy(quarter)
    enough = blind >= settings.min_missing and healthy >= settings.min_healthy
    fails = enough and still_there and p_value < settings.coverage_alpha
    needed: int | None = None
    if healthy >= settings.min_healthy:
        if tail(healthy, healthy, allowed, rho) < settings.coverage_alpha:
            needed = healthy
        if fails:
            needed = critical_count(healthy, allowed, rho, settings.coverage_alpha)
    return CoverageTest(
        function=sample.function,
        hours=hours,
        blind=blind,
        healthy=healthy,
        expected_share=norm.without.share,
        allowed_share=allowed,
        p_value=p_value,
        needed=None if needed is None else max(needed, settings.min_missing),
        fails=fails,
    )
