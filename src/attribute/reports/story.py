"""What the sections of an incident report are made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from attribute.incidents.model import Incident
from attribute.reports.evidence import Quiet, quiet_part
from attribute.reports.model import IncidentRow, Result

__all__ = ["Story"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """
    One incident in its surroundings.

    Attributes:
        result: all that was looked at.
        incident: the one that is told; None where there is none.
        row: the same as outputs show it.
        window: the time that charts show; None where nothing has a time.
    """

    result: Result
    incident: Incident | None
    row: IncidentRow | None
    window: tuple[datetime, datetime] | None

    @property
    def counts(self) -> pl.DataFrame:
        """Return the counts of all that was looked at."""
        return self.result.analysis.rollup.counts

    @property
    def is_answer(self) -> bool:
        """Whether the incident is the one that the answer is about."""
        verdict = self.result.verdict
        return (
            self.incident is not None
            and verdict.since_at == self.incident.started_at
            and self.incident.class_ in verdict.classes
        )

    def quiet(self) -> Quiet | None:
        """Return the part outside of shown incidents, as the view model uses it to say what is normal."""
        return quiet_part(self.counts, [(row.started_at, row.ended_at) for row in self.result.shown_incidents])
