"""The whole gate: which tests run, what each comes to, and what that makes of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl

from attribute.gate.baseline import Baseline, RulesMark, day_name, from_table
from attribute.gate.cells import Sample, minute_of, samples, tabulate
from attribute.gate.coverage import judge_coverage
from attribute.gate.expect import Expectation, LeftOut, expect
from attribute.gate.limits import Limit, LimitTest, check_names, judge_limit
from attribute.gate.outcomes import coverage_outcomes, limit_outcome, numbers_of, spike_outcome
from attribute.gate.result import BaselineUse, GateResult, Outcome, Why
from attribute.gate.settings import Check, GateSettings, Kind, Level, State
from attribute.gate.shape import MANY_FUNCTIONS, Shape
from attribute.gate.spike import SpikeTest, judge_spikes
from attribute.gate.usual_coverage import Coverage, expect_coverage
from attribute.gate.volume import Lost, Volume, volume_of, without_time

__all__ = ["gate"]


def gate(
    counts: pl.DataFrame,
    *,
    now: datetime,
    baseline: Baseline | None = None,
    rules: RulesMark | None = None,
    limits: Sequence[Limit] = (),
    settings: GateSettings | None = None,
    rejected: int = 0,
    records: int | None = None,
    incomplete: bool = False,
    as_of: bool = False,
) -> GateResult:
    """
    Judge the requests up to *now*.

    Args:
        counts: a `COUNTS` frame of the windows; without *baseline*, of the days before them too.
        now: the end of all windows. Requests from then on are counted and not judged.
        baseline: what to compare with; None: the earlier part of *counts*.
        rules: whose verdicts *counts* holds; a baseline with verdicts of others is not used.
        limits: limits that somebody set.
        settings: the gate's numbers.
        rejected: rejected lines of the logs.
        records: records of the logs; None where nobody counted them.
        incomplete: whether a file that could only be read in part is too little to judge by.
        as_of: whether somebody chose *now*: then that requests lie after it says nothing of their times.

    Returns:
        The answer. The same counts give the same answer, whatever their order.

    Raises:
        LimitError: a limit is about a function that is neither in the logs nor in the baseline.
    """
    settings = settings or GateSettings()
    table = tabulate(counts)
    past = from_table(table, rules=rules) if baseline is None else baseline
    names = set(counts["function"].unique()) | set(past.functions)
    for limit in limits:
        check_names(limit, names)
    now_minute = minute_of(now)
    comparable = past.rules is None or rules is None or past.rules == rules
    judging = _Judging(
        counts=counts,
        now=now,
        now_minute=now_minute,
        past=past,
        of_file=baseline is not None,
        comparable=comparable,
        settings=settings,
        volume=volume_of(table, past if comparable else None, now_minute=now_minute, settings=settings),
        as_of=as_of,
        samples=samples(table, now_minute=now_minute, spans=settings.spans),
    )
    outcomes = [*judging.input(rejected, records, incomplete=incomplete)]
    if Check.SPIKE in settings.checks or Check.COVERAGE in settings.checks:
        outcomes += judging.all_tests()
    if Check.LIMITS in settings.checks:
        outcomes += [limit_outcome(judging.limit(one)) for one in limits]
    outcomes = _in_order(outcomes)
    return GateResult(
        state=_state_of(outcomes),
        now=now,
        outcomes=tuple(outcomes),
        numbers=numbers_of(counts, now_minute=now_minute, rejected=rejected),
        volume=judging.volume,
        baseline=judging.use,
        asked_baseline=bool(settings.checks & {Check.SPIKE, Check.COVERAGE}),
    )


def _seen_together(single: Sequence[Outcome]) -> list[Outcome]:
    """
    Return the spikes of single functions, where each looks like what it is one of.

    Of each alone it can only be said that one function saw no answer. Where many have such a spike, that is the shape.
    """
    alike = [one for one in single if one.shape is Shape.NO_ANSWER_ONE]
    if len(alike) < MANY_FUNCTIONS:
        return list(single)
    return [replace(one, shape=Shape.NO_ANSWER_MANY) if one in alike else one for one in single]


def _state_of(outcomes: Iterable[Outcome]) -> State:
    states = {outcome.counts_as for outcome in outcomes}
    if State.FAIL in states:
        return State.FAIL
    # Nothing that was judged is no pass either.
    return State.INCONCLUSIVE if State.INCONCLUSIVE in states or State.PASS not in states else State.PASS


def _in_order(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Failures first, by their weight and how sure they are; then what was not judged, likewise; then the rest."""

    def key(outcome: Outcome) -> tuple[int, float]:
        test = outcome.spike or outcome.coverage
        if State.FAIL in {outcome.state, outcome.counts_as}:
            return (0 if outcome.counts_as is State.FAIL else 1, test.p_value if test else 0.0)
        if outcome.counts_as is State.INCONCLUSIVE:
            return (2, test.p_value if test and outcome.why is Why.SILENT else -1.0)
        return (3, 0.0)

    return sorted(outcomes, key=key)


@dataclass(slots=True, kw_only=True)
class _Judging:
    """One run, and what its tests share."""

    counts: pl.DataFrame
    now: datetime
    now_minute: int
    past: Baseline
    of_file: bool
    comparable: bool
    settings: GateSettings
    samples: list[Sample]
    volume: Volume
    as_of: bool
    use: BaselineUse = field(default_factory=BaselineUse)
    left_out: tuple[LeftOut, ...] = ()

    @property
    def now_hour(self) -> int:
        return self.now_minute // 60

    def input(self, rejected: int, records: int | None, *, incomplete: bool) -> Iterable[Outcome]:
        """Yield what the logs themselves make impossible to judge."""
        why: Why | None = None
        if self.counts.is_empty():
            why = Why.NO_REQUESTS
        elif records is not None and Lost(all=rejected).too_many(
            read=records, recent=self.volume.timed, volume=self.volume, share=self.settings.max_rejected_share
        ):
            why = Why.REJECTS
        elif self.settings.checks & {Check.SPIKE, Check.COVERAGE} and self.untimed_is_too_much():
            why = Why.UNTIMED
        elif incomplete:
            why = Why.INCOMPLETE
        if why is not None:
            yield Outcome(id="input", check=None, state=State.INCONCLUSIVE, counts_as=State.INCONCLUSIVE, why=why)

    def untimed_is_too_much(self) -> bool:
        """Whether what lies in the windows may be no sample of the requests that should."""
        lost, timed = without_time(self.counts, now_minute=self.now_minute, as_of=self.as_of)
        share = self.settings.max_rejected_share
        return lost.too_many(read=timed, recent=self.volume.timed, volume=self.volume, share=share)

    def limit(self, limit: Limit) -> LimitTest:
        return judge_limit(
            limit, self.counts, self.settings, now_minute=self.now_minute, volume=self.volume, as_of=self.as_of
        )

    def all_tests(self) -> list[Outcome]:
        """Run coverage, then spikes: what coverage finds says what a spike looks like."""
        settings = self.settings
        covered, used = self.coverage()
        lost = [one.coverage for one in covered if one.coverage is not None and one.state is State.FAIL]
        blind = {test.function for test in lost if test.of_healthy}
        outcomes = covered if Check.COVERAGE in settings.checks else []
        self.use = self._use((), None)
        if Check.SPIKE in settings.checks:
            outcomes = [*outcomes, *self.spikes(blind)]
        if Check.COVERAGE in settings.checks and not self.use.days and used:
            self.use = replace(
                self.use, days=len(used), first_day=day_name(used[0]), last_day=day_name(used[-1]), for_coverage=True
            )
        return outcomes

    # -- spikes --------------------------------------------------------------------------------------------------------

    def windows(self) -> tuple[int, ...]:
        """
        Return the windows that enough days of baseline lie before.

        All of them are compared with the days before the longest: with a baseline of its own for each, a request in
        a long window would be part of what a short one is compared with.
        """
        days = self.past.days
        for count in range(len(self.settings.spike_hours), 0, -1):
            windows = self.settings.spike_hours[:count]
            end = self.end_hour(windows[-1]) // 24
            first = end - self.settings.baseline_days
            if sum(first <= day < end for day in days) >= self.settings.min_baseline_days:
                return windows
        return ()

    def end_hour(self, window: int) -> int:
        """Return the end of the baseline of a window: the last midnight (UTC) before it starts."""
        return (self.now_hour - window) // 24 * 24

    def spikes(self, blind: set[str]) -> list[Outcome]:
        windows = self.windows() if self.comparable else ()
        self.use = self._use(windows, None)
        if not windows:
            why = Why.NO_BASELINE if self.comparable else Why.OTHER_RULES
            why = Why.NO_REQUESTS if self.counts.is_empty() else why
            return [
                Outcome(
                    id="unknown-spike",
                    check=Check.SPIKE,
                    state=State.INCONCLUSIVE,
                    counts_as=State.INCONCLUSIVE,
                    why=why,
                )
            ]
        expectation = expect(self.past, end_hour=self.end_hour(windows[-1]), settings=self.settings)
        self.use = self._use(windows, expectation)
        outcomes: list[Outcome] = []
        for kind in Kind:
            overall, single = judge_spikes(self.samples, expectation, self.settings, kind=kind, windows=windows)
            best: dict[tuple[str | None, bool], SpikeTest] = {}
            for test in sorted(single, key=lambda test: (not test.fails, test.p_value, test.hours)):
                best.setdefault((test.function, test.pooled), test)
            found = _seen_together([self.outcome(test, expectation, blind) for test in best.values()])
            if kind is Kind.UNEXPLAINED:
                outcomes += [*found, *self.overall_outcomes(overall, expectation, blind)]
            else:
                outcomes += self.refused_outcomes(overall, found, expectation, blind)
        return outcomes

    def overall_outcomes(self, tests: Sequence[SpikeTest], expectation: Expectation, blind: set[str]) -> list[Outcome]:
        """
        Return one outcome for each window; those that had too little to judge by only count where all had.

        One that stood out and then saw no request always counts: it would have failed, if only it could be told. So
        does the last day where it lacks requests: what a longer window says then, it says of the days before.
        """
        outcomes = [self.outcome(test, expectation, blind) for test in tests]
        day = next((test for test in tests if test.hours >= 24), tests[-1])
        if not day.requests:  # whatever the older part of a longer window says, it says nothing about now
            return [
                replace(one, state=State.INCONCLUSIVE, counts_as=State.INCONCLUSIVE, why=self.why_silent())
                if one.spike is day and one.state is not State.FAIL
                else one
                for one in outcomes
            ]
        if all(one.why is Why.TOO_FEW for one in outcomes):
            return outcomes
        if self.volume.lacking:
            outcomes = [
                replace(one, why=Why.LACKING) if one.spike is day and one.why is Why.TOO_FEW else one
                for one in outcomes
            ]
        return [replace(one, counts_as=None) if one.why is Why.TOO_FEW else one for one in outcomes]

    def why_silent(self) -> Why:
        """Say why a day without a request that says anything has none."""
        return Why.REFUSED if self.volume.refused else Why.STALE

    def outcome(self, test: SpikeTest, expectation: Expectation, blind: set[str]) -> Outcome:
        known = expectation.functions[test.kind]
        return spike_outcome(test, self.counts, self.settings, now_minute=self.now_minute, known=known, blind=blind)

    def refused_outcomes(
        self, overall: Sequence[SpikeTest], single: Sequence[Outcome], expectation: Expectation, blind: set[str]
    ) -> list[Outcome]:
        """Return the spikes of refused requests, or one line that says that there is none. It never decides alone."""
        found = [*single, *(self.outcome(test, expectation, blind) for test in overall if test.fails or test.unsettled)]
        if found:
            warns = self.settings.refused_level is Level.WARNING
            return [replace(one, counts_as=None) if one.why is Why.SILENT and warns else one for one in found]
        day = next((test for test in overall if test.hours >= 24), overall[-1])
        calm = self.outcome(day, expectation, blind)
        return [replace(calm, counts_as=None)]

    # -- coverage ------------------------------------------------------------------------------------------------------

    def coverage(self) -> tuple[list[Outcome], list[int]]:
        """Return what coverage comes to, and the days (since the epoch) that it was compared with."""
        hours = self.settings.coverage_hours
        usual, windows, end, left_out = self.usual_coverage() if self.comparable else ({}, (), 0, ())
        self.left_out = left_out
        report = judge_coverage(self.samples, usual, self.settings, windows=windows or hours)
        why: Why | None = None
        if not usual:
            why = Why.NO_BASELINE if self.comparable else Why.OTHER_RULES
            why = Why.NO_REQUESTS if self.counts.is_empty() else why
        elif not report.asked:
            why = Why.NO_EVIDENCE
        elif not any(sample.requests(report.hours) for sample in self.samples):
            why = Why.NO_REQUESTS if self.counts.is_empty() else self.why_silent()
        elif 2 * report.new_blind > report.healthy + report.new_healthy:
            why = Why.NEW_FUNCTIONS
        elif not report.tested:
            why = Why.TOO_FEW
        outcomes = coverage_outcomes(report, self.counts, why=why, now_minute=self.now_minute)
        first = end - 24 * self.settings.baseline_days
        return outcomes, self.past.between(first, end).days if usual else []

    def usual_coverage(self) -> tuple[dict[str, Coverage], tuple[int, ...], int, tuple[LeftOut, ...]]:
        """
        Return what is usual of each function's healthy requests, the windows, and the hour where the baseline ends.

        Whole days before the longest window; where the logs are too short for that, what lies before a shorter one.
        """
        hours = self.settings.coverage_hours
        first = min(self.past.days, default=0) * 24
        for count in range(len(hours), 0, -1):
            end = self.end_hour(hours[count - 1])
            if end > first:
                usual, left_out = expect_coverage(self.past, end_hour=end, settings=self.settings)
                if usual:
                    return usual, hours[:count], end, left_out
        end = self.now_hour - hours[0]
        usual, left_out = expect_coverage(self.past, end_hour=end, settings=self.settings)
        return usual, hours[:1], end, left_out

    # -- what was read -------------------------------------------------------------------------------------------------

    def _use(self, windows: tuple[int, ...], expectation: Expectation | None) -> BaselineUse:
        end = self.end_hour(self.settings.spike_hours[0]) // 24
        before = [day for day in self.past.days if day < end]
        found = BaselineUse(
            windows=windows,
            available_days=len(before),
            days_old=self.now_hour // 24 - before[-1] if before else None,
            of_file=self.of_file,
            left_out=self.left_out,
        )
        if expectation is None:
            return found
        return replace(
            found,
            days=expectation.days,
            first_day=expectation.first_day,
            last_day=expectation.last_day,
            left_out=tuple(sorted({*expectation.left_out, *self.left_out}, key=_left_out_key)),
        )


def _left_out_key(one: LeftOut) -> tuple[str, str, str]:
    return one.day, one.check, one.function or ""
