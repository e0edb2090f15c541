"""Small logs, written minute by minute, as counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from attribute.frames import COUNTS
from attribute.rules.words import Class

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)

LOOKS: dict[str, dict[str, object]] = {
    "none": {"reason": "ok", "status": 200, "upstream_status": 200},
    "vendor": {"rule": "M1-2", "reason": "upstream-5xx", "status": 502, "upstream_status": 503, "error_code": "UP"},
    "application": {"rule": "M1-3", "reason": "upstream-ok-function-5xx", "status": 500, "upstream_status": 200},
    "application-bottleneck": {
        "rule": "M1-4",
        "reason": "slow-with-fast-upstream",
        "status": 200,
        "upstream_status": 200,
    },
    "UNKNOWN": {"rule": "M1-1", "reason": "upstream-status-missing", "status": 504, "upstream_status": None},
    "refused": {"rule": "M1-1", "reason": "upstream-status-missing", "status": 401, "upstream_status": None},
}


@dataclass
class Log:
    """Counts under construction; `at` is minutes after Monday."""

    rows: list[dict[str, object]] = field(default_factory=list)

    def add(self, minute: int | None, function: str, requests: int, look: str = "none", **columns: object) -> None:
        if not requests:
            return
        self.rows.append(
            {
                "minute": None if minute is None else MONDAY + timedelta(minutes=minute),
                "function": function,
                "stage": "response",
                "class": "UNKNOWN" if look == "refused" else look,
                "requests": requests,
                **LOOKS[look],
                **columns,
            }
        )

    def traffic(self, minutes: Iterable[int], functions: Iterable[str], requests: int = 4) -> Log:
        """Add healthy requests, so many a minute and function."""
        names = list(functions)
        for minute in minutes:
            for function in names:
                self.add(minute, function, requests)
        return self

    def trouble(
        self, minutes: Iterable[int], functions: Iterable[str], look: str, requests: int = 4, **columns: object
    ) -> Log:
        """Turn requests bad: *requests* a minute and function, and no healthy ones."""
        names, hit = list(functions), set(minutes)
        times = {MONDAY + timedelta(minutes=minute) for minute in hit}
        self.rows = [
            row
            for row in self.rows
            if not (row["minute"] in times and row["function"] in names and row["class"] == "none")
        ]
        for minute in sorted(hit):
            for function in names:
                self.add(minute, function, requests, look, **columns)
        return self

    @property
    def counts(self) -> pl.DataFrame:
        return (
            pl.DataFrame(self.rows, schema=dict(COUNTS))
            .group_by(COUNTS.names()[:-1])
            .agg(pl.col("requests").sum())
            .select(COUNTS.names())
            .sort(COUNTS.names()[:-1])
        )


def at(minute: int) -> datetime:
    return MONDAY + timedelta(minutes=minute)


def hour_log(functions: Iterable[str] = ("auth", "sync")) -> Log:
    """One busy hour, and nothing wrong in it."""
    return Log().traffic(range(60), functions)


def week_log(functions: Iterable[str] = ("auth", "sync"), *, every: int = 1, days: int = 7) -> Log:
    """Healthy days, with one stray failure of each class every six hours."""
    names = list(functions)
    log = Log().traffic(range(0, days * 1440, every), names)
    for number, minute in enumerate(range(200, days * 1440, 360)):
        log.add(minute, names[number % len(names)], 1, str(list(Class)[number % 4]))
    return log
