"""Counts for tests: sixteen calm days of three functions, and ways to trouble the last of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

import polars as pl

from attribute.frames import COUNTS

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 16
NOW = START + timedelta(days=DAYS)
FUNCTIONS = ("api", "pay", "sync")

HEALTHY = {"class": "none", "rule": None, "reason": "ok", "status": 200, "upstream_status": 200, "error_code": None}
BLIND = HEALTHY | {"upstream_status": None}
KNOWN = {
    "class": "vendor", "rule": "M1-2", "reason": "upstream-5xx", "status": 502, "upstream_status": 503,
    "error_code": "UPSTREAM",
}  # fmt: skip
UNKNOWN = {
    "class": "UNKNOWN", "rule": "M1-1", "reason": "upstream-status-missing", "status": 504, "upstream_status": None,
    "error_code": "TIMEOUT",
}  # fmt: skip
REFUSED = UNKNOWN | {"status": 401, "error_code": "AUTH"}

Row = Mapping[str, object]


def row(function: str, minute: datetime | None, look: Row, requests: int = 1) -> dict[str, object]:
    return {
        "minute": minute, "function": function, "stage": "response", "upstream": "alpha", **look, "requests": requests,
    }  # fmt: skip


def frame(rows: Iterable[Row]) -> pl.DataFrame:
    """A `COUNTS` frame, canonical as a rollup's."""
    keys = [name for name in COUNTS if name != "requests"]
    found = pl.DataFrame(list(rows), schema=dict(COUNTS), orient="row")
    return found.group_by(keys).agg(pl.col("requests").sum()).sort(keys).select(COUNTS.names())


@cache
def calm_rows(days: int = DAYS) -> tuple[dict[str, object], ...]:
    """Per function and hour 60 healthy requests, three vendor failures, an UNKNOWN one every four hours."""
    random = Random(7)
    rows = []
    for hour in range(days * 24):
        for place, function in enumerate(FUNCTIONS):
            at = START + timedelta(hours=hour)
            rows.append(row(function, at + timedelta(minutes=random.randrange(60)), HEALTHY, 60))
            rows.append(row(function, at + timedelta(minutes=random.randrange(60)), KNOWN, 3))
            if (hour + place) % 4 == 0:
                rows.append(row(function, at + timedelta(minutes=random.randrange(60)), UNKNOWN))
    return tuple(rows)


def calm(days: int = DAYS) -> pl.DataFrame:
    return frame(calm_rows(days))


def ago(hours: float) -> datetime:
    """So many hours before NOW, to the minute."""
    return (NOW - timedelta(hours=hours)).replace(second=0, microsecond=0)


def steady(function: str, look: Row, *, hours: int, per_slot: int = 1) -> list[dict[str, object]]:
    """*per_slot* requests in every ten minutes of the last *hours*."""
    return [row(function, NOW - timedelta(minutes=10 * slot + 5), look, per_slot) for slot in range(hours * 6)]


def troubled(extra: Iterable[Row], days: int = DAYS) -> pl.DataFrame:
    return frame([*calm_rows(days), *extra])


def turned(counts: pl.DataFrame, *, function: str, hours: int, of: str, into: Row) -> pl.DataFrame:
    """Turn all requests of one class of one function in the last *hours* into others."""
    hit = (pl.col("function") == function) & (pl.col("minute") >= ago(hours)) & (pl.col("class") == of)
    rest = counts.filter(~hit).rows(named=True)
    return frame([*rest, *({**one, **into} for one in counts.filter(hit).iter_rows(named=True))])
