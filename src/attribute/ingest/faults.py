"""What the vendor for demonstrations is told to do wrong, and when."""

from __future__ import annotations

import json
import threading
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from attribute.m1.errors import AttributionError


class FaultKind(StrEnum):
    """How a call goes wrong."""

    STATUS = "status"
    DELAY = "delay"
    RESET = "reset"
    HANG = "hang"
    CUT = "cut"
    RATE_LIMIT = "rate-limit"


class FaultError(AttributionError):
    """A fault schedule says something that cannot be done."""

    @classmethod
    def unreadable(cls, place: str, reason: str) -> Self:
        """Say which schedule cannot be read."""
        return cls(f"{place}: {reason}", hint='write TOML `[[fault]]` tables, or JSON `{"fault": [...]}`')

    @classmethod
    def not_so(cls, place: str, number: int, expected: str) -> Self:
        """Say which fault is wrong, and what was expected."""
        return cls(
            f"{place}: fault {number}: expected {expected}",
            hint="`attribute ingest vendor --help` shows a whole schedule",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    One stretch of calls that go wrong.

    Attributes:
        kind: how.
        first: number of the first call concerned, from 1.
        last: number of the last call concerned, or None for all that follow.
        status: of a `status` fault, 100 to 599.
        delay_ms: before anything else is done, for any kind; a `hang` without one holds until the caller leaves.
        after_write: whether the rows are written all the same, and only the answer goes wrong.
        retry_after_s: told with a `rate-limit`.
    """

    kind: FaultKind
    first: int = 1
    last: int | None = None
    status: int = 503
    delay_ms: int = 0
    after_write: bool = False
    retry_after_s: int = 1

    def concerns(self, number: int) -> bool:
        """Whether a call is one of those that go wrong."""
        return self.first <= number and (self.last is None or number <= self.last)


_BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "first": (1, 2**53),
    "last": (1, 2**53),
    "status": (200, 599),
    "delay_ms": (0, 600_000),
    "retry_after_s": (0, 3600),
}


def load(path: Path) -> tuple[Fault, ...]:
    """
    Read a schedule from a `.json` file, or from TOML in any other.

    Raises:
        FaultError: it cannot be read, or says something that cannot be done.
    """
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise FaultError.unreadable(repr(str(path)), error.strerror or "cannot be read") from error
    except (ValueError, RecursionError) as error:
        raise FaultError.unreadable(repr(str(path)), "neither TOML nor JSON") from error
    return parse(value, place=repr(str(path)))


def parse(value: object, *, place: str) -> tuple[Fault, ...]:
    """
    Read a schedule from what a TOML or JSON parser made of it.

    >>> parse({"fault": [{"kind": "status", "first": 3, "last": 4}]}, place="here")[0].concerns(4)
    True

    Raises:
        FaultError: naming *place* and the fault.
    """
    rows = value.get("fault") if isinstance(value, dict) and value.keys() == {"fault"} else None
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise FaultError.unreadable(place, "expected one list called `fault`")
    return tuple(_fault(row, place, number) for number, row in enumerate(rows, 1))


def _fault(row: object, place: str, number: int) -> Fault:
    known = set(Fault.__dataclass_fields__)
    if not isinstance(row, dict) or not row.keys() <= known or row.get("kind") not in set(FaultKind):
        raise FaultError.not_so(
            place, number, f"`kind` of {', '.join(FaultKind)} and no key but {', '.join(sorted(known))}"
        )
    for name, (least, most) in _BOUNDS.items():
        found = row.get(name)
        if found is not None and (type(found) is not int or not least <= found <= most):
            raise FaultError.not_so(place, number, f"`{name}` from {least} to {most}")
    if type(row.get("after_write", False)) is not bool:
        raise FaultError.not_so(place, number, "`after_write` true or false")
    return Fault(**{**row, "kind": FaultKind(row["kind"])})


class Schedule:
    """Numbers the calls from 1 and says what goes wrong with each. Safe to use from any thread."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._faults = tuple(faults)
        self._calls = 0

    @property
    def calls(self) -> int:
        """How many calls there were since the schedule was last replaced."""
        return self._calls

    def replace(self, faults: Sequence[Fault]) -> None:
        """Forget the old faults and begin to count anew."""
        with self._lock:
            self._faults, self._calls = tuple(faults), 0

    def next(self) -> Fault | None:
        """Number one more call, and say what goes wrong with it: the first fault of the list that concerns it."""
        with self._lock:
            self._calls += 1
            return next((fault for fault in self._faults if fault.concerns(self._calls)), None)
