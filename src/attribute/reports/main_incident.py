"""Since when: the incident that an answer leads with, and how much of the answer it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from attribute.reports.model import ClassRow, IncidentRow
from attribute.reports.wording import count, when

__all__ = ["NEGLIGIBLE", "Main", "main_incident"]

NEGLIGIBLE: Final = 0.1
"""What is left out of the sentence is less than this share of the class, and then it says `mostly`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Main:
    """
    The incident that an answer leads with.

    Attributes:
        incident: the one that goes on, the gravest, the largest, in this order.
        gravest: the gravest, then the largest, whether or not it goes on.
        whole: whether nearly all that the answer counts is of that incident.
        mixed: whether the answer is about several classes.
    """

    incident: IncidentRow
    gravest: IncidentRow
    whole: bool
    mixed: bool

    @property
    def until_at(self) -> datetime | None:
        """Return its end; None while it is going on."""
        return None if self.incident.ongoing else self.incident.ended_at

    @property
    def part(self) -> str:
        """Return which requests it holds, in words; empty where that is nearly all of them."""
        return "" if self.whole else self._requests(self.incident)

    def when(self, zone: tzinfo, *, cut: bool) -> str:
        """Return since when, of how many requests, and the same of a graver incident that is over."""
        incident, gravest = self.incident, self.gravest
        text = when(incident.started_at, self.until_at, zone, cut=cut)
        if not self.whole:
            text = f"{self.part}{'' if self.mixed else ' of them'} {text}"
        if gravest is not incident:
            end = None if gravest.ongoing else gravest.ended_at
            text += f", and {self._requests(gravest)} {when(gravest.started_at, end, zone, cut=cut)}"
        return text

    def _requests(self, incident: IncidentRow) -> str:
        return f"{count(incident.requests)} of {incident.class_}" if self.mixed else count(incident.requests)


def main_incident(incidents: Sequence[IncidentRow], top: ClassRow, *, mixed: bool) -> Main | None:
    """
    Return the incident that an answer leads with, of its class (of any where it is mixed); or none.

    What goes on comes first: whoever asks while it does must not be told of what is over.
    """
    fitting = [each for each in incidents if each.shown and (mixed or each.class_ == top.class_)]
    if not fitting:
        return None
    main, gravest = min(fitting, key=lambda each: (not each.ongoing, *_gravity(each))), min(fitting, key=_gravity)
    left_out = top.requests - main.requests
    whole = main is gravest and not mixed and (not left_out or left_out < NEGLIGIBLE * top.requests)
    return Main(incident=main, gravest=gravest, whole=whole, mixed=mixed)


def _gravity(incident: IncidentRow) -> tuple[int, int, datetime, str]:
    return incident.severity, -incident.requests, incident.started_at, incident.id
