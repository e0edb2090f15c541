"""A part of an analysis: the requests of a stretch of time, as if nothing else had been asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from attribute.engines.alone import count_flags
from attribute.engines.analysis import Analysis, Rows
from attribute.incidents.model import Incident
from attribute.reports.wording import later
from attribute.rollup import Rollup

__all__ = ["around", "narrow", "overlapping", "time_of"]

_FIRST: Final = datetime.min.replace(tzinfo=UTC)


def narrow(analysis: Analysis, since: datetime, until: datetime) -> Analysis:
    """
    Return the requests from *since* up to and without *until*.

    Counts and verdicts are those that the engine would give for that window, as long as both ends are whole minutes.
    Latencies lie in slots; a slot counts where it starts. The account of lines stays that of all that was read.
    """
    inside = pl.col("minute").is_between(since, until, closed="left")
    slots = pl.col("slot").is_between(since, until, closed="left")
    return replace(
        analysis,
        rollup=Rollup(analysis.rollup.counts.filter(inside), analysis.rollup.latency.filter(slots)),
        rows=_Within(analysis.rows, since, until),
    )


@dataclass(frozen=True, slots=True)
class _Within:
    """The verdicts of a stretch of time."""

    rows: Rows
    since: datetime
    until: datetime

    def between(self, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
        first = self.since if since is None else max(since, self.since)
        end = self.until if until is None else min(until, self.until)
        return self.rows.between(first, max(first, end))

    def flags(self) -> dict[str, int]:
        return dict(sorted(count_flags(self.between(None, None)).items()))


def around(since: datetime, until: datetime, margin: timedelta) -> tuple[datetime, datetime]:
    """Return a stretch of time and *margin* on each side, as far as there are years."""
    first = since - margin if margin <= since - _FIRST else _FIRST
    return first, later(until, margin)


def overlapping(incidents: tuple[Incident, ...], since: datetime, until: datetime) -> tuple[Incident, ...]:
    """Return the incidents that have a part in the time from *since* to *until*."""
    return tuple(each for each in incidents if each.started_at < until and each.ended_at > since)


def time_of(counts: pl.DataFrame) -> tuple[datetime, datetime] | None:
    """Return the start of the first minute with a request and the end of the last; nothing where none has a time."""
    first, last = counts.select(pl.col("minute").min().alias("first"), pl.col("minute").max().alias("last")).row(0)
    return None if first is None else (first, later(last, timedelta(minutes=1)))
