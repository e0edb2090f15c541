"""Random incident requests and healthy records, with few names so that keys collide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import strategies as st

from attribute.frames import UPSTREAM_INVALID, UPSTREAM_TIMEOUT, VERDICTS
from attribute.rules.words import CLASSES, NO_CLASS, Reason

START = datetime(2026, 11, 16, tzinfo=UTC)
LATENCIES = st.one_of(
    st.floats(0, 1e9),
    st.integers(0, 200).map(lambda half: half / 2),
    st.integers(6, 29).flatmap(lambda octave: st.sampled_from([2**octave - 1, 2**octave, 2**octave + 1])).map(float),
)
NAMES = st.sampled_from(["sync", "auth", "", "é\x1b", "(other)"])


@st.composite
def rows(draw: st.DrawFn, *, healthy: bool) -> dict[str, object]:
    at = draw(st.none() | st.integers(-(10**9), 40 * 60 * 10**6).map(lambda us: START + timedelta(microseconds=us)))
    ok = st.sampled_from([Reason.OK.value, Reason.UPSTREAM_FAILURE_ABSORBED.value])
    return {
        "request_id": "r",
        "function": draw(NAMES),
        "stage": draw(st.sampled_from(["response", "exception"])),
        "status": draw(st.sampled_from([None, 200, 401, 502])),
        "latency_ms": draw(LATENCIES),
        "error_code": draw(st.none() | NAMES),
        "upstream_status": draw(st.sampled_from([None, UPSTREAM_TIMEOUT, UPSTREAM_INVALID, 200, 503])),
        "upstream_latency_ms": draw(st.none() | LATENCIES),
        "upstream": draw(st.none() | NAMES),
        "at": at,
        "class": NO_CLASS if healthy else draw(st.sampled_from([name.value for name in CLASSES])),
        "rule": None if healthy else draw(st.sampled_from([None, "M1-1", "M1-2"])),
        "reason": draw(ok) if healthy else draw(st.sampled_from(["upstream-5xx", "upstream-slow"])),
    }


def frame(requests: list[dict[str, object]]) -> pl.DataFrame:
    """Lay rows out as `VERDICTS`; columns that a row lacks are null."""
    return pl.DataFrame(requests, schema=dict(VERDICTS))


VERDICT_ROWS = st.lists(rows(healthy=False), max_size=12)
HEALTHY_ROWS = st.lists(rows(healthy=True), max_size=12)
