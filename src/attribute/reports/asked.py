"""What outputs repeat of the question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from attribute.engines.analysis import Window

__all__ = ["Asked"]


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
        commands: names of the commands that there are, for the next steps.
    """

    paths: tuple[str, ...] = ()
    window: Window = field(default_factory=Window)
    zone: tzinfo = UTC
    now: datetime
    runbook: Mapping[str, str] = field(default_factory=dict)
    commands: frozenset[str] = frozenset()
