"""What outputs repeat of the question, of the rules, and of what was configured beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from attribute.engines.analysis import Window
from attribute.reports.wording import FEW
from attribute.rules.thresholds import Thresholds
from attribute.rules.words import CLASSES

__all__ = ["Asked", "Goal", "Rules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """
    A share of requests that should go well.

    Attributes:
        name: what it is called in reports.
        target: the share, over 0 and under 1.
        functions: globs; requests of functions that match one of them count.
        classes: failing or slow requests of these classes do not go well; those of others do no harm.
        weeks: the time that the budget is for.
    """

    name: str
    target: float
    functions: tuple[str, ...] = ("*",)
    classes: tuple[str, ...] = tuple(CLASSES)
    weeks: int = 4

    @property
    def enough(self) -> int:
        """Return of how many requests one may go wrong: with fewer, a single one would decide."""
        return max(FEW, math.ceil(round(1 / (1 - self.target), 6)))

    @property
    def budget_minutes(self) -> float:
        """Return the budget as minutes of an outage of everything."""
        return (1 - self.target) * self.weeks * timedelta(weeks=1) / timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    What the user asked for, as far as an output repeats it.

    Attributes:
        paths: as typed.
        window: the resolved window.
        zone: the zone of printed times.
        now: the current time.
        runbook: texts by `class` or `class/function`, from the configuration.
        goals: what share of requests should go well, from the configuration.
        commands: names of the commands that there are, for the next steps.
    """

    paths: tuple[str, ...] = ()
    window: Window = field(default_factory=Window)
    zone: tzinfo = UTC
    now: datetime
    runbook: Mapping[str, str] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()
    commands: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which rules gave the verdicts."""

    version: str
    sha256: str
    thresholds: Thresholds
