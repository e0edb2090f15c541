"""Records for tests: frames from plain dicts, and strategies for random ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from attribute.frames import RECORDS, REQUESTS
from attribute.rules.words import CLASS_OF_REASON, Class

BASE: dict[str, Any] = {
    "request_id": "r1",
    "function": "checkout",
    "stage": "response",
    "status": 200,
    "latency_ms": 100.0,
    "error_code": None,
    "upstream_status": 200,
    "upstream_latency_ms": 50.0,
    "at": None,
    "upstream": None,
    "upstream_calls": None,
}
EPOCH = datetime(2026, 11, 16, tzinfo=UTC)
UNKNOWN_REASONS = tuple(reason for reason, class_ in CLASS_OF_REASON.items() if class_ is Class.UNKNOWN)
"""Why evidence may not decide, in the order of the closed list."""


def record(**changes: object) -> dict[str, Any]:
    """Return a healthy record with *changes*."""
    return {**BASE, **changes}


def records_frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return the rows as a `RECORDS` frame."""
    return pl.DataFrame([{name: row[name] for name in RECORDS} for row in rows], schema=RECORDS)


def requests_frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return the rows, each one request, as a `REQUESTS` frame."""
    return pl.DataFrame([{"joined_from": None, "records": 1, **row} for row in rows], schema=REQUESTS)


FUNCTIONS = ("checkout", "search", "pay-1", "pay-2", "Pay-1", "é[x]")
CODES = (None, "", "missing", "db_timeout", "db_pool", "E[1]")
STATUSES = (None, 100, 200, 204, 302, 399, 400, 404, 429, 499, 500, 503, 599)
UPSTREAM_STATUSES = (None, -1, 0, 100, 199, 200, 299, 304, 400, 401, 429, 499, 500, 503, 599)
TOTALS = (0.0, 0.5, 4.0, 24.0, 25.0, 99.5, 100.0, 500.0, 999.0, 999.999, 1000.0, 1000.1, 1500.0, 2000.0, 5000.0, 1e9)


@st.composite
def rows(draw: st.DrawFn, request_ids: tuple[str, ...] | None = None, number: int = 0) -> dict[str, Any]:
    """Draw a record; upstream latencies lie on and beside every limit."""
    total = draw(st.sampled_from(TOTALS) | st.floats(0, 20_000))
    share = draw(st.sampled_from((0.0, 0.1, 0.2, 0.3, 0.5, 0.79, 0.8, 0.9, 1.0, 1.01)))
    off = draw(st.sampled_from((0.0, 1e-9, -1e-9, 0.001, 5.0, 5.001, 25.0)))
    upstream = draw(st.none() | st.just(min(max(total * share + off, 0.0), 1e9)) | st.floats(0, 20_000))
    return {
        "request_id": f"r{number}" if request_ids is None else draw(st.sampled_from(request_ids)),
        "function": draw(st.sampled_from(FUNCTIONS)),
        "stage": draw(st.sampled_from(("response", "exception", "upstream", "slow_query"))),
        "status": draw(st.sampled_from(STATUSES)),
        "latency_ms": total,
        "error_code": draw(st.sampled_from(CODES)),
        "upstream_status": draw(st.sampled_from(UPSTREAM_STATUSES)),
        "upstream_latency_ms": upstream,
        "at": draw(st.none() | st.integers(0, 3).map(lambda second: EPOCH + timedelta(seconds=second))),
        "upstream": draw(st.sampled_from((None, "quotes", "mail"))),
        "upstream_calls": draw(st.sampled_from((None, 0, 1, 2))),
    }


@st.composite
def many_rows(draw: st.DrawFn, maximum: int = 16) -> list[dict[str, Any]]:
    """Draw records of distinct requests."""
    count = draw(st.integers(0, maximum))
    return [draw(rows(number=number)) for number in range(count)]
