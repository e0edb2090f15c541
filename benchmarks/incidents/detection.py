"""What every method hands back."""

from __future__ import annotations

from dataclasses import dataclass

CLASSES = ("vendor", "application", "application-bottleneck", "UNKNOWN")


@dataclass(frozen=True)
class Detection:
    """An incident: from minute `start` of the simulation to before minute `end`."""

    class_: str
    functions: frozenset[str]
    start: int
    end: int
    severity: int = 0
