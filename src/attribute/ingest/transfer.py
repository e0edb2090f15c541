"""
The whole history as text, and a new store from it.

An export is the canonical dump between a first line that says what it is and a last line with the store's digest. A
replay says everything again, through the same statements as a delivery, and is right when the digest comes out the
same. Tokens are not exported: after a replay devices need new ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from attribute.ingest.model import StoreError
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.stores import dump
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.transaction import Transaction, number, one, recompute_touched

SCHEMA: Final = "attribute.export/1"
CHUNK: Final = 5000
WHERE: Final = "export"

_NAMED: Final = re.compile(r":(c\d+)")
_BYTES: Final = {"delivery": (6, 7), "seal": (2,)}
_INSERT: Final = {
    "device": """INSERT INTO device (device_id, user_id, name, platform, created_at_us, revoked_at_us, last_sync_at_us,
                                     last_ping_at_us, epoch, last_ticket)
                 VALUES (:c0, :c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9)""",
    "rule": "INSERT INTO rule VALUES (:c0, :c1, :c2, :c3, :c4, :c5, :c6) ON CONFLICT DO NOTHING",
    "active_rule": "UPDATE active_rule SET version = :c0",
    "plan": """INSERT INTO plan (plan_id, sha256, kind, document, state, chunks_done, chunk_count, started_at_us,
                                 finished_at_us)
               VALUES (:c0, :c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8)""",
    "plan_void": "INSERT INTO plan_void (plan_id, voided_at_us) VALUES (:c0, :c1)",
    "delivery": """INSERT INTO delivery (delivery_id, request_id, device_id, epoch, seq, idempotency_key, body_sha256,
                                         content_sha256, inserted, skipped, late, received_at_us, plan_id)
                   VALUES (:c0, :c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c10, :c11, :c12)""",
    "ledger": """INSERT INTO ledger (ledger_id, delivery_id, device_id, source, model, slot, t_in, t_cached, t_out,
                                     t_reason, t_total, epoch, seq, sub, fix, plan_id)
                 VALUES (:c0, :c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c10, :c11, :c12, :c13, :c14, :c15)""",
    "archived": "INSERT INTO archived (delivery_id, plan_id, row_count) VALUES (:c0, :c1, :c2)",
    "seal": "INSERT INTO seal (seal_id, last_delivery_id, sha256) VALUES (:c0, :c1, :c2)",
}


def export(store: RelationalStore) -> Iterator[bytes]:
    """
    The lines of an export, newline included, out of one snapshot.

    Raises:
        PlanError: a plan is being applied.
    """
    with store.reading() as tx:
        under_way = one(tx, "SELECT plan_id FROM plan WHERE state = 'applying'")
        if under_way is not None:
            raise PlanError.plan_under_way(int(under_way[0]))
        yield orjson.dumps({"schema": SCHEMA}) + b"\n"
        yield from dump.dump(tx, dump.HISTORY)
        yield orjson.dumps({"digest": dump.dump_digest(tx)}) + b"\n"


def replay(store: RelationalStore, lines: Iterable[bytes]) -> str:
    """
    Say a history again in an empty store.

    Returns:
        The digest, which is the exported one.

    Raises:
        PlanError: the store is not empty, the text is no export, or the digest differs; or all of it is said here, and
            the records vendor has yet to confirm that.
    """
    with store.planning() as tx:
        if number(tx, "SELECT count(*) FROM delivery") or number(tx, "SELECT count(*) FROM device"):
            raise PlanError.not_empty()
        expected, rows = None, []
        for place, line in enumerate(lines):
            value = _value(line, place)
            if isinstance(value, dict):
                expected = value.get("digest", expected)
                continue
            table, *columns = value
            rows += _say(tx, table, columns, place, store.rejections)
            if len(rows) >= CHUNK:
                _decide(tx, rows)
                rows = []
        _decide(tx, rows)
        store.renumber(tx)
        if expected is None:
            raise PlanError.no_export(WHERE, "has no last line, so it is not whole")
        seen = dump.dump_digest(tx)
        if seen != expected:
            raise PlanError.digest_differs(str(expected), seen)
    try:
        store.after_plan()
    except StoreError as error:
        raise PlanError.replayed_here(str(error)) from error
    return seen


def _value(line: bytes, place: int) -> Any:  # noqa: ANN401 - whatever JSON holds; told apart by the caller
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise PlanError.bad_export_line(WHERE, place + 1, "is not JSON") from error
    if place == 0 and value != {"schema": SCHEMA}:
        raise PlanError.no_export(WHERE, f"is not an export of the form `{SCHEMA}`")
    if not isinstance(value, dict) and not (isinstance(value, list) and value and value[0] in _INSERT):
        raise PlanError.bad_export_line(WHERE, place + 1, "is no line of an export")
    return value


def _say(
    tx: Transaction, table: str, columns: list[Any], place: int, rejections: tuple[type[Exception], ...]
) -> list[list[Any]]:
    """Insert one row; a ledger row is given back, because it has yet to be decided upon."""
    damaged = PlanError.bad_export_line(WHERE, place + 1, "is no line of an export")
    if len(columns) != len(set(_NAMED.findall(_INSERT[table]))):
        raise damaged
    if not all(value is None or type(value) in (str, int) for value in columns):
        raise damaged
    try:
        for index in _BYTES.get(table, ()):
            columns[index] = bytes.fromhex(columns[index])
    except (TypeError, ValueError):
        raise damaged from None
    values = {f"c{index}": value for index, value in enumerate(columns)}
    try:
        tx.run(_INSERT[table], **values)
    except rejections:
        raise damaged from None
    return [columns] if table == "ledger" else []


def _decide(tx: Transaction, rows: list[list[Any]]) -> None:
    if not rows:
        return
    users: dict[str, str] = dict(tx.rows("SELECT device_id, user_id FROM device"))
    voided = {plan_id for (plan_id,) in tx.rows("SELECT plan_id FROM plan_void")}
    greatest: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        key = tuple(row[2:6])
        if row[15] not in voided and (key not in greatest or row[11:15] > greatest[key][11:15]):
            greatest[key] = row
    tx.fill("batch", [(row[0], users[row[2]], *row[2:15]) for row in greatest.values()])
    tx.run(sql.UPSERT_FACTS)
    recompute_touched(tx)
