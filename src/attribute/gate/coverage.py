"""
Do requests still say what their upstream answered? If not, the next outage will be UNKNOWN.

Healthy requests are what this is about. UNKNOWN ones (refused ones left out) are counted with those that lack evidence,
so that a healthy request that fails for want of evidence does not make the loss look smaller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attribute.gate.cells import SLOT_MINUTES, Sample, capped
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
        blind: requests without evidence, healthy or UNKNOWN, with bursts cut.
        healthy: the same and the healthy requests with evidence.
        unknown: how many UNKNOWN requests there are, bursts not cut.
        of_healthy: whether healthy requests alone are over the allowed share, bursts not cut.
        expected_share: the usual share of blind ones.
        allowed_share: the share that is still allowed.
        p_value: probability of as many among these and the known failures, were the allowed share the true one.
        needed: how many blind ones would have been enough; None: not even all.
        still_there: whether the last quarter of the window is over the allowed share too; None where that is not asked.
        stands_out: whether it would fail, were it still so in the last quarter of the window.
        silent: whether the last quarter has no request of the function at all.
        fails: the verdict.
    """

    function: str
    hours: int
    blind: int
    healthy: int
    unknown: int
    of_healthy: bool
    expected_share: float
    allowed_share: float
    p_value: float
    needed: int | None
    still_there: bool | None
    stands_out: bool
    silent: bool
    fails: bool

    @property
    def unsettled(self) -> bool:
        """Whether nobody knows if it is over: it stood out, and then there was no request to tell by."""
        return self.stands_out and not self.fails and self.silent


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageReport:
    """
    All functions.

    Attributes:
        failing: for each function that fails, its shortest window that does.
        unsettled: for each other function that has one, its shortest window that would have failed and whose last
            quarter is empty.
        over: the rest of the functions of which some window would have failed: later requests have their evidence.
        tested: functions of which enough is known, that had enough healthy requests in some window to fail, and any
            request in the last day.
        asked: functions that usually carry evidence.
        hours: the last day, for all that follows.
        blind: healthy requests without an upstream status, of the functions asked.
        healthy: all healthy requests of those.
        requests: all requests of all functions, refused ones left out.
        new: those of each function of which too little is known to ask it.
        new_blind: healthy requests without an upstream status of those functions.
        new_healthy: all healthy requests of those.
    """

    failing: tuple[CoverageTest, ...]
    unsettled: tuple[CoverageTest, ...]
    over: tuple[str, ...]
    tested: tuple[str, ...]
    asked: tuple[str, ...]
    hours: int
    blind: int
    healthy: int
    requests: int
    new: Mapping[str, int]
    new_blind: int
    new_healthy: int


def judge_coverage(
    samples: Sequence[Sample], usual: Mapping[str, Coverage], settings: GateSettings, *, windows: Sequence[int]
) -> CoverageReport:
    """Test every function in every one of *windows* (hours, some of `settings.coverage_hours`)."""
    failing: list[CoverageTest] = []
    unsettled: list[CoverageTest] = []
    over: list[str] = []
    tested: list[str] = []
    day = next((hours for hours in settings.coverage_hours if hours >= 24), settings.coverage_hours[-1])
    by_name = {sample.function: sample for sample in samples}
    asked = [name for name, norm in usual.items() if _limit(norm, settings) < settings.max_coverage_limit]
    for name in asked:
        sample = by_name.get(name)
        if sample is None:
            continue
        tests = [_test(sample, usual[name], hours, settings) for hours in windows]
        if sample.requests(day) and any(test.needed is not None for test in tests):
            tested.append(name)
        if any(test.fails for test in tests):
            failing.append(next(test for test in tests if test.fails))
        elif any(test.unsettled for test in tests):
            unsettled.append(next(test for test in tests if test.unsettled))
        elif any(test.stands_out for test in tests):
            over.append(name)
    known = [by_name[name] for name in asked if name in by_name]
    new = [sample for sample in samples if sample.function not in usual and sample.requests(day)]
    return CoverageReport(
        failing=tuple(sorted(failing, key=lambda test: (test.p_value, test.function))),
        unsettled=tuple(sorted(unsettled, key=lambda test: (test.p_value, test.function))),
        over=tuple(over),
        tested=tuple(tested),
        asked=tuple(asked),
        hours=day,
        blind=sum(sample.blind[day] for sample in known),
        healthy=sum(sample.healthy(day) for sample in known),
        requests=sum(sample.requests(day) for sample in samples),
        new={sample.function: sample.requests(day) for sample in new},
        new_blind=sum(sample.blind[day] for sample in new),
        new_healthy=sum(sample.healthy(day) for sample in new),
    )


def _limit(norm: Coverage, settings: GateSettings) -> float:
    return norm.without.share + settings.coverage_excess


def _test(sample: Sample, norm: Coverage, hours: int, settings: GateSettings) -> CoverageTest:
    allowed = _limit(norm, settings)
    rho = norm.without.rho_at(allowed, hours)
    seen = _Seen.of(sample, norm, hours)
    p_value = tail(seen.blind, seen.requests, allowed, rho) if seen.over(allowed) else 1.0
    # The floor is on what came, not on what is left of bursts: a request must not fall below it by turning UNKNOWN.
    enough = seen.blind >= settings.min_missing and seen.raw + seen.evident >= settings.min_healthy
    quarter = hours // 4
    still_there = _Seen.of(sample, norm, quarter).over(allowed) if quarter else None
    stands_out = enough and p_value < settings.coverage_alpha
    needed: int | None = None
    if seen.whole >= settings.min_healthy:
        if tail(seen.whole, seen.requests, allowed, rho) < settings.coverage_alpha:
            needed = seen.whole
        if stands_out:
            needed = critical_count(seen.requests, allowed, rho, settings.coverage_alpha)
    healthy_blind = sample.blind[hours]
    return CoverageTest(
        function=sample.function,
        hours=hours,
        blind=seen.blind,
        healthy=seen.whole,
        unknown=seen.raw - healthy_blind,
        of_healthy=healthy_blind >= settings.min_missing and healthy_blind > allowed * sample.healthy(hours),
        expected_share=norm.without.share,
        allowed_share=allowed,
        p_value=p_value,
        needed=None if needed is None else max(needed, settings.min_missing),
        still_there=still_there,
        stands_out=stands_out,
        silent=bool(quarter) and not sample.requests(quarter),
        fails=stands_out and still_there is not False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """
    What a window holds.

    Attributes:
        raw: requests without evidence.
        blind: the same with bursts cut.
        evident: healthy requests with evidence.
        known: failures with evidence.
    """

    raw: int
    blind: int
    evident: int
    known: int

    @classmethod
    def of(cls, sample: Sample, norm: Coverage, hours: int) -> _Seen:
        """
        Count the last *hours*.

        A burst is cut because it comes on top of other traffic. So it is not cut as far as healthy requests with
        evidence are missing: where all of a function's usual traffic came at once and without it, that is no burst.
        """
        slots = sample.unseen()
        raw = sum(requests for slot, requests in slots.items() if slot * SLOT_MINUTES < hours * 60)
        evident = sample.evident[hours]
        gone = max(norm.evident[hours] - evident, 0)
        blind = max(sum(capped(slots, hours=hours).values()), min(raw, gone))
        return cls(raw=raw, blind=blind, evident=evident, known=sample.known[hours])

    @property
    def whole(self) -> int:
        """Return the requests that a share is told of."""
        return self.blind + self.evident

    @property
    def requests(self) -> int:
        """Return them and the known failures: an outage with all its evidence leaves few others, and loses nothing."""
        return self.whole + self.known

    def over(self, allowed: float) -> bool:
        """Return whether more than the *allowed* share lacks evidence."""
        return self.blind > allowed * self.requests
