"""
Records -> requests, in plain Python: dicts and loops, slow and obvious.

A record and a request are dicts with the columns of `attribute.frames` as keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]

TIMEOUT = 0
INVALID = -1
COLUMNS = (
    "request_id", "function", "stage", "status", "latency_ms", "error_code", "upstream_status", "upstream_latency_ms",
    "at", "upstream", "upstream_calls",
)  # fmt: skip


def consolidate(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return one request per `request_id`, in order of time (untimed last), then `request_id`."""
    groups: dict[str, set[tuple[Any, ...]]] = {}
    for record in records:
        groups.setdefault(record["request_id"], set()).add(tuple(record[column] for column in COLUMNS))
    requests = []
    for distinct in groups.values():
        rows = [dict(zip(COLUMNS, values, strict=True)) for values in distinct]
        requests.append(put_together(rows))
    last = datetime.max.replace(tzinfo=UTC)
    return sorted(requests, key=lambda row: (row["at"] is None, row["at"] or last, row["request_id"]))


def put_together(rows: list[Row]) -> Row:
    """Return the request that the distinct *rows* of one `request_id` come to."""
    deciding = max(rows, key=lambda row: (rank(row["stage"]), time_order(row)))
    others = [row for row in rows if row is not deciding]
    others.sort(key=time_order)
    request = dict(deciding)
    lender_of_status = None
    if deciding["upstream_status"] is None:
        knowing = [row for row in others if row["upstream_status"] is not None]
        lender_of_status = min(knowing, key=lends_status, default=None)
    if lender_of_status is not None:
        request["upstream_status"] = lender_of_status["upstream_status"]
        if lender_of_status["upstream"] is not None:
            request["upstream"] = lender_of_status["upstream"]
    lender_of_latency = None
    if deciding["upstream_latency_ms"] is None:
        if lender_of_status is not None and lender_of_status["upstream_latency_ms"] is not None:
            lender_of_latency = lender_of_status
        else:
            knowing = [row for row in others if row["upstream_latency_ms"] is not None]
            lender_of_latency = min(knowing, key=lends_latency, default=None)
    if lender_of_latency is not None:
        request["upstream_latency_ms"] = lender_of_latency["upstream_latency_ms"]
        is_whole = lender_of_latency["function"] == deciding["function"] and is_all(lender_of_latency, rows)
        request["upstream_calls"] = lender_of_latency["upstream_calls"] if is_whole else None
    elif deciding["upstream_latency_ms"] is not None and speaks_of_less(deciding, others):
        request["upstream_calls"] = None
    lender = lender_of_status or lender_of_latency
    request["joined_from"] = None if lender is None else lender["stage"]
    request["records"] = len(rows)
    return request


def lends_status(row: Row) -> tuple[int, float]:
    """Return how early a record is asked for its status: a failed one first, of others the slowest."""
    worse = badness(row["upstream_status"])
    return (worse, 0.0) if worse == 0 else lends_latency(row)


def lends_latency(row: Row) -> tuple[int, float]:
    """Return how early a record is asked for its latency."""
    latency_ms = row["upstream_latency_ms"]
    return (badness(row["upstream_status"]), 1.0 if latency_ms is None else -latency_ms)


def is_all(lender: Row, rows: list[Row]) -> bool:
    """Say whether no record of the request, which does not know its latency itself, speaks of more than the lender."""
    latencies = [row["upstream_latency_ms"] for row in rows if row["upstream_latency_ms"] is not None]
    calls = [row["upstream_calls"] for row in rows if row["upstream_calls"] is not None]
    if lender["upstream_calls"] is None or lender["upstream_latency_ms"] < max(latencies):
        return False
    return bool(lender["upstream_calls"] >= max([len(latencies), *calls]))


def speaks_of_less(deciding: Row, others: list[Row]) -> bool:
    """Say whether another record of the request speaks of a greater latency, or of more calls."""
    if any((row["upstream_latency_ms"] or 0) > deciding["upstream_latency_ms"] for row in others):
        return True
    calls = deciding["upstream_calls"]
    return calls is not None and any((row["upstream_calls"] or 0) > calls for row in others)


def rank(stage: str) -> int:
    """Return how much a stage has to say."""
    return {"exception": 2, "response": 1}.get(stage, 0)


def badness(upstream_status: int | None) -> int:
    """Return how early a lender is asked: the failed one first, the one that knows nothing last."""
    if upstream_status is None:
        return 4
    if upstream_status == INVALID:
        return 3
    if upstream_status == TIMEOUT or upstream_status >= 500:
        return 0
    return 1 if upstream_status >= 400 else 2


def time_order(row: Row) -> tuple[Any, ...]:
    """Return a key that orders records by time, then by how far from the arrival, then by all that they say."""
    failing = row["status"] is None or row["status"] >= 400
    return (
        nulls_first(row["at"]),
        row["latency_ms"],
        failing,
        nulls_first(row["status"]),
        *(
            nulls_first(row[column])
            for column in (
                "error_code",
                "upstream_status",
                "upstream_latency_ms",
                "function",
                "stage",
                "upstream",
                "upstream_calls",
            )
        ),
    )


def nulls_first(value: object) -> tuple[Any, ...]:
    """Return a key that puts None before everything; texts compare as their UTF-8 bytes do."""
    if value is None:
        return (0,)
    return (1, value.encode() if isinstance(value, str) else value)
