"""What single tests come to, and the numbers of all that was read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from attribute.gate.cells import REFUSED
from attribute.gate.coverage import CoverageReport, CoverageTest
from attribute.gate.limits import LimitTest, NoData
from attribute.gate.result import Numbers, Outcome, Why
from attribute.gate.settings import Check, GateSettings, Kind, Level, State
from attribute.gate.shape import shape_of, signatures_of, unknown_rows
from attribute.gate.spike import NEW_FUNCTIONS, SpikeTest
from attribute.rules.words import NO_CLASS, Class

__all__ = ["coverage_outcomes", "limit_outcome", "numbers_of", "spike_outcome"]

_ASIDE = "function "
"""What stands before the name of a function that is called like an id of ours."""

_STATE_OF_NO_DATA = {
    None: State.INCONCLUSIVE,
    NoData.INCONCLUSIVE: State.INCONCLUSIVE,
    NoData.FAIL: State.FAIL,
    NoData.WARN: State.PASS,
    NoData.PASS: State.PASS,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def limit_outcome(test: LimitTest) -> Outcome:
    """Say what a limit comes to."""
    limit = test.limit
    counts_as, why = test.state, None
    if test.state is State.INCONCLUSIVE:
        counts_as, why = _STATE_OF_NO_DATA[limit.on_no_data], Why.UNTIMED if test.untimed else Why.TOO_FEW
    elif limit.level is Level.WARNING:
        counts_as = State.PASS
    return Outcome(
        id=f"limit/{limit.name}",
        check=Check.LIMITS,
        state=test.state,
        level=limit.level,
        counts_as=counts_as,
        limit=test,
        why=why,
        negligible=limit.max_share is not None and test.state is State.PASS and test.whole < limit.min_requests,
    )


def spike_outcome(
    test: SpikeTest,
    counts: pl.DataFrame,
    settings: GateSettings,
    *,
    now_minute: int,
    known: Collection[str],
    blind: Collection[str],
) -> Outcome:
    """
    Say what a spike test comes to.

    Args:
        test: the test.
        counts: a `COUNTS` frame, for the signatures of a failure.
        settings: the gate's numbers.
        now_minute: the end of its window.
        known: the functions of the baseline.
        blind: functions whose healthy requests lost their evidence.
    """
    few = test.requests >= settings.negligible_requests and (test.incident <= settings.negligible_share * test.requests)
    judged = State.PASS if (test.could_fail or few) and not test.unsettled else State.INCONCLUSIVE
    state = State.FAIL if test.fails else judged
    level = settings.refused_level if test.kind is Kind.REFUSED else Level.ERROR
    name = "unknown-spike" if test.kind is Kind.UNEXPLAINED else "refused-spike"
    found = Outcome(
        id=f"{name}/{_about(test, settings)}",
        check=Check.SPIKE,
        state=state,
        level=level,
        counts_as=State.PASS if state is State.FAIL and level is Level.WARNING else state,
        spike=test,
        why=Why.TOO_FEW if state is State.INCONCLUSIVE else None,
        negligible=few and not test.could_fail,
    )
    if test.unsettled:
        since = _newest(_of_functions(counts, test, known), now_minute)
        found = replace(found, why=Why.SILENT, silent_since=since)
    elif state is not State.FAIL:
        return found
    rows = unknown_rows(counts, test, now_minute=now_minute, known=known)
    return replace(found, signatures=signatures_of(rows), shape=shape_of(rows, kind=test.kind, blind=blind))


def _about(test: SpikeTest, settings: GateSettings) -> str:
    """
    Return what a test is about, as its id says it: never the same of two, whatever functions are called.

    A function may be called like a window or like the pool of new functions: then a word is put before its name, and
    one more before that of a function that is called like the result.
    """
    if test.function is None:
        return _window(test.hours)
    ours = {NEW_FUNCTIONS, *(_window(hours) for hours in settings.spike_hours)}
    name = test.function
    while name.startswith(_ASIDE):
        name = name.removeprefix(_ASIDE)
    return f"{_ASIDE}{test.function}" if name in ours and not test.pooled else test.function


def _of_functions(counts: pl.DataFrame, test: SpikeTest, known: Collection[str]) -> pl.DataFrame:
    if test.function is None:
        return counts
    if test.pooled:
        return counts.filter(~pl.col("function").is_in(list(known)))
    return counts.filter(pl.col("function") == test.function)


def _newest(counts: pl.DataFrame, now_minute: int) -> datetime | None:
    later = pl.col("minute") >= _EPOCH + timedelta(minutes=now_minute)
    newest = counts.filter(~later.fill_null(True))["minute"].max()
    return newest if isinstance(newest, datetime) else None


def coverage_outcomes(
    report: CoverageReport, counts: pl.DataFrame, *, why: Why | None, now_minute: int
) -> list[Outcome]:
    """
    Say what coverage comes to: a line for each function that lost it or may have, or one for all of them.

    Args:
        report: the tests.
        counts: a `COUNTS` frame.
        why: why it could not be judged, if so.
        now_minute: the end of the windows.
    """

    def line(test: CoverageTest, state: State, why: Why | None = None, since: datetime | None = None) -> Outcome:
        return Outcome(
            id=f"coverage/{test.function}", check=Check.COVERAGE, state=state, counts_as=state, coverage=test, why=why,
            silent_since=since,
        )  # fmt: skip

    outcomes = [line(test, State.FAIL) for test in report.failing]
    for test in report.unsettled:
        since = _newest(counts.filter(pl.col("function") == test.function), now_minute)
        outcomes.append(line(test, State.INCONCLUSIVE, Why.SILENT, since))
    if report.failing or (report.unsettled and why is None):
        return outcomes
    state = State.PASS if why is None else State.INCONCLUSIVE
    whole = Outcome(
        id="coverage", check=Check.COVERAGE, state=state, counts_as=state, coverage_report=report, why=why
    )  # fmt: skip
    # Where no function has evidence to lose, others have a say; alone, that is no pass.
    return [*outcomes, replace(whole, counts_as=None) if why is Why.NO_EVIDENCE else whole]


def numbers_of(counts: pl.DataFrame, *, now_minute: int, rejected: int) -> Numbers:
    """Count the rows of a `COUNTS` frame."""
    requests = pl.col("requests")
    unknown = pl.col("class") == Class.UNKNOWN.value
    later = pl.col("minute") >= _EPOCH + timedelta(minutes=now_minute)
    sums = counts.select(
        requests.sum().alias("requests"),
        requests.filter(pl.col("class") != NO_CLASS).sum().alias("incident"),
        requests.filter(unknown).sum().alias("unknown"),
        requests.filter(REFUSED).sum().alias("refused"),
        requests.filter(pl.col("minute").is_null()).sum().alias("untimed"),
        requests.filter(later).sum().alias("later"),
    ).row(0, named=True)
    return Numbers(**sums, rejected=rejected, newest_at=_newest(counts, now_minute))


def _window(hours: int) -> str:
    return f"{hours}h"
