"""What outputs repeat of the question, of the rules, and of what was configured beside them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from attribute.engines.analysis import Window
from attribute.reports.escape import visible
from attribute.reports.wording import FEW, rfc3339
from attribute.rules.thresholds import Thresholds
from attribute.rules.words import CLASSES

__all__ = ["Asked", "Goal", "Rules", "Typed"]


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
class Typed:
    """
    What was typed, for commands that ask the same again.

    Attributes:
        paths: as typed.
        window: resolved, for what was told by how long ago it is has another one each time.
        functions: globs; nothing was said of other functions. None: all were asked for.
        options: what else decides an answer, as words of a command.
    """

    paths: tuple[str, ...] = ()
    window: Window = field(default_factory=Window)
    functions: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def line(self, *words: str, window: Window | None = None, ending: Sequence[str] = ()) -> str:
        """
        Return a command over the same logs, quoted for a shell.

        Args:
            words: what stands before the paths: the command, and what it takes.
            window: the one to ask for; without it the same as was asked.
            ending: what stands behind all that is repeated.
        """
        within = self.window if window is None else window
        ends = (("--since", rfc3339(within.since_at)), ("--until", rfc3339(within.until_at)))
        parts = ["attribute", *words]
        parts += [path if not path.startswith("-") or path == "-" else f"./{path}" for path in self.paths]
        parts += [word for flag, at in ends if at is not None for word in (flag, at)]
        parts += [word for glob in self.functions for word in ("--function", glob)]
        return shlex.join([*parts, *self.options, *ending])

    def command(self, *words: str, window: Window | None = None, ending: Sequence[str] = ()) -> str | None:
        """
        Return the same where a shell takes it as it stands.

        Nothing where the logs came through a pipe, for they are gone, or where a word cannot be shown as it is.
        """
        line = self.line(*words, window=window, ending=ending)
        return line if self.paths and "-" not in self.paths and visible(line) == line else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    What the user asked for, as far as an output repeats it.

    Attributes:
        typed: what commands repeat.
        part: the stretch of time that is told, where that is less than the window.
        zone: the zone of printed times.
        now: the current time.
        runbook: texts by `class` or `class/function`, from the configuration.
        goals: what share of requests should go well, from the configuration.
        commands: names of the commands that there are, for the next steps.
    """

    typed: Typed = field(default_factory=Typed)
    part: Window | None = None
    zone: tzinfo = UTC
    now: datetime
    runbook: Mapping[str, str] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()
    commands: frozenset[str] = frozenset()

    @property
    def window(self) -> Window:
        """Return what is told."""
        return self.typed.window if self.part is None else self.part


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which rules gave the verdicts."""

    version: str
    sha256: str
    thresholds: Thresholds
