from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from attribute.m1 import RequestLogger


class Time:
    """A clock that moves only when it is told to: the wall's and the stopwatch's at once."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 16, tzinfo=UTC) + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return 5000.0 + self.elapsed

    def advance(self, milliseconds: float) -> None:
        self.elapsed += milliseconds / 1000


class Log:
    """A request logger into memory, and what it wrote."""

    def __init__(self, time: Time) -> None:
        numbers: Iterator[int] = count(1)
        self.stream = io.BytesIO()
        self.logger = RequestLogger(
            self.stream, clock=time.now, monotonic=time.monotonic, new_id=lambda: f"id-{next(numbers)}"
        )

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        (record,) = self.records
        return record


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def log(time: Time) -> Log:
    return Log(time)
