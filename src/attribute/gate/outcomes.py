"""What single tests come to, and the numbers of all that was read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from attribute.gate.cells import REFUSED
from attribute.gate.limits import LimitTest, NoData
from attribute.gate.result import Numbers, Outcome, Why
from attribute.gate.settings import Check, GateSettings, Kind, Level, State
from attribute.gate.shape import shape_of, signatures_of, unknown_rows
from attribute.gate.spike import SpikeTest
from attribute.rules.words import NO_CLASS, Class

__all__ = ["limit_outcome", "numbers_of", "spike_outcome"]

_STATE_OF_NO_DATA = {
    NoData.INCONCLUSIVE: State.INCONCLUSIVE,
    NoData.FAIL: State.FAIL,
    NoData.WARN: State.PASS,
    NoData.PASS: State.PASS,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def limit_outcome(test: LimitTest) -> Outcome:
    """Say what a limit comes to."""
    limit = test.limit
    counts_as = test.state
    if test.state is State.INCONCLUSIVE:
        counts_as = _STATE_OF_NO_DATA[limit.on_no_data]
    elif limit.level is Level.WARNING:
        counts_as = State.PASS
    return Outcome(
        id=f"limit/{limit.name}",
        check=Check.LIMITS,
        state=test.state,
        level=limit.level,
        counts_as=counts_as,
        limit=test,
        why=Why.TOO_FEW if test.state is State.INCONCLUSIVE else None,
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
    judged = State.PASS if test.could_fail or few else State.INCONCLUSIVE
    state = State.FAIL if test.fails else judged
    level = settings.refused_level if test.kind is Kind.REFUSED else Level.ERROR
    name = "unknown-spike" if test.kind is Kind.UNEXPLAINED else "refused-spike"
    found = Outcome(
        id=f"{name}/{_window(test.hours) if test.function is None else test.function}",
        check=Check.SPIKE,
        state=state,
        level=level,
        counts_as=State.PASS if state is State.FAIL and level is Level.WARNING else state,
        spike=test,
        why=Why.TOO_FEW if state is State.INCONCLUSIVE else None,
        negligible=few and not test.could_fail,
    )
    if state is not State.FAIL:
        return found
    rows = unknown_rows(counts, test, now_minute=now_minute, known=known)
    return replace(found, signatures=signatures_of(rows), shape=shape_of(rows, kind=test.kind, blind=blind))


def numbers_of(counts: pl.DataFrame, *, now_minute: int, rejected: int) -> Numbers:
    """Count the rows of a `COUNTS` frame."""
    requests = pl.col("requests")
    unknown = pl.col("class") == Class.UNKNOWN.value
    later = pl.col("minute") >= _EPOCH + timedelta(minutes=now_minute)
    newest = counts.filter(~later.fill_null(True))["minute"].max()
    sums = counts.select(
        requests.sum().alias("requests"),
        requests.filter(pl.col("class") != NO_CLASS).sum().alias("incident"),
        requests.filter(unknown).sum().alias("unknown"),
        requests.filter(REFUSED).sum().alias("refused"),
        requests.filter(pl.col("minute").is_null()).sum().alias("untimed"),
        requests.filter(later).sum().alias("later"),
    ).row(0, named=True)
    return Numbers(**sums, rejected=rejected, newest_at=newest if isinstance(newest, datetime) else None)


def _window(hours: int) -> str:
    return f"{hours}h"
