"""What the sections of an incident report are made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from attribute.incidents.model import Incident
from attribute.reports.evidence import Quiet, quiet_part
from attribute.reports.model import IncidentRow, Result, Verdict
from attribute.reports.wording import when

__all__ = ["Story", "answer_of"]


def answer_of(result: Result) -> IncidentRow | None:
    """Return the incident that the answer is about, where it is of one of its classes; or none."""
    verdict = result.verdict
    main = next((row for row in result.incidents if row.id == verdict.incident_id), None)
    return main if main is not None and main.class_ in verdict.classes else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """
    One incident in its surroundings.

    Attributes:
        result: all that was looked at.
        incident: the one that is told; None where there is none.
        row: the same as outputs show it.
        window: the time that charts show; None where nothing has a time.
        whole: the answer on all that was read, where *result* is a part of it and the incident is not what that answer
            is about; else None.
    """

    result: Result
    incident: Incident | None
    row: IncidentRow | None
    window: tuple[datetime, datetime] | None
    whole: Verdict | None = None

    @property
    def counts(self) -> pl.DataFrame:
        """Return the counts of all that was looked at."""
        return self.result.analysis.rollup.counts

    @property
    def is_answer(self) -> bool:
        """Whether the incident is the one that the answer is about, so that the page gives the answer."""
        main = answer_of(self.result)
        return self.whole is None and self.incident is not None and main is not None and main.id == self.incident.id

    @property
    def is_aside(self) -> bool:
        """Whether the page tells an incident that the answer is not about."""
        return self.incident is not None and not self.is_answer

    def when(self, incident: Incident | IncidentRow) -> str:
        """Return since when an incident is, or from when until when it was, as far as anybody looked."""
        end = None if incident.ongoing else incident.ended_at
        return when(incident.started_at, end, self.result.zone, cut=self.result.verdict.cut)

    @property
    def not_over(self) -> str:
        """Return what is said of an incident in place of its end."""
        return f"still going on {'when the window ended' if self.result.verdict.cut else 'at the end of the logs'}"

    def quiet(self) -> Quiet | None:
        """Return the part outside of shown incidents, as the view model uses it to say what is normal."""
        return quiet_part(self.counts, [(row.started_at, row.ended_at) for row in self.result.shown_incidents])
