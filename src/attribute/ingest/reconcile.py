"""
M1 records held against deliveries: every success in the log must be in the database, and nearly the other way round.

A record is written after the commit. A process that dies in between leaves a delivery without a record (the record is
lost, the data is not). A successful record without its delivery is the one thing that must never be.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import orjson

from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.transaction import one
from attribute.m1.decode import Record, decode
from attribute.m1.fields import ENDING_STAGES

SHOWN: Final = 20
MAX_LINE_BYTES: Final = 64 * 1024
INGEST_FUNCTIONS: Final = ("ingest", "vibescore-ingest", "vibeusage-ingest")
REPLAYED: Final = "REPLAYED"
"""The error code of a 2xx that repeats an earlier answer: it rests on the delivery of another request."""
NO_CONTENT: Final = 204
"""The answer to a browser's preflight: it claims that nothing was written, and nothing was."""
BY_REQUEST: Final = "SELECT 1 FROM delivery WHERE request_id = :request_id"
FROM_REQUESTS: Final = "SELECT request_id FROM delivery WHERE plan_id IS NULL ORDER BY delivery_id"


class Reconciled(NamedTuple):
    """
    What came of it.

    Attributes:
        records: ending records of deliveries that were read; replays and preflights are none.
        confirmed: of those, the ones that said success.
        lied: successful records without a delivery; must be 0.
        log_lost: deliveries without a record; at most one per crash and request in flight, plus what logs were dropped.
        not_told: deliveries that are there though their record said failure: the client will send again.
        unread: lines that are no such record.
    """

    records: int
    confirmed: int
    lied: int
    log_lost: int
    not_told: int
    unread: int
    first_lied: tuple[str, ...]
    first_lost: tuple[str, ...]


def reconcile(
    store: RelationalStore, lines: Iterable[bytes], *, functions: tuple[str, ...] = INGEST_FUNCTIONS
) -> Reconciled:
    """
    Hold M1 lines against the store's deliveries.

    Args:
        store: whose deliveries.
        lines: M1 records, one JSON object per line, all that were written for the store's deliveries.
        functions: the names under which deliveries are logged.
    """
    statuses: dict[str, int | None] = {}
    unread = 0
    for line in lines:
        record = _record(line)
        if record is None or record.function not in functions or record.stage not in ENDING_STAGES:
            unread += record is None
            continue
        if record.error_code == REPLAYED or record.status == NO_CONTENT:
            continue
        statuses[record.request_id] = record.status
    told = {name for name, status in statuses.items() if status is not None and 200 <= status < 300}
    with store.reading() as tx:
        lied = [name for name in sorted(told) if one(tx, BY_REQUEST, request_id=name) is None]
        lost, not_told = 0, 0
        first_lost: list[str] = []
        for (name,) in tx.stream(FROM_REQUESTS):
            if name not in statuses:
                lost += 1
                if len(first_lost) < SHOWN:
                    first_lost.append(str(name))
            elif name not in told:
                not_told += 1
    return Reconciled(
        records=len(statuses),
        confirmed=len(told),
        lied=len(lied),
        log_lost=lost,
        not_told=not_told,
        unread=unread,
        first_lied=tuple(lied[:SHOWN]),
        first_lost=tuple(first_lost),
    )


def _record(line: bytes) -> Record | None:
    if len(line) > MAX_LINE_BYTES or not line.strip():
        return None
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    found = decode(value) if isinstance(value, dict) else None
    return found if isinstance(found, Record) else None
