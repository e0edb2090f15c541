"""
The canonical text of a store: the same bytes for the same history, whichever database holds it.

One JSON array per line, its first element naming the table. Tokens, lineage, migrations and generations are not part
of it: they say who may speak and where, not what was said.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import orjson

from attribute.ingest.stores.transaction import Row, Transaction

HISTORY: Final = {
    "device": """SELECT device_id, user_id, name, platform, created_at_us, revoked_at_us, last_sync_at_us,
                        last_ping_at_us, epoch, last_ticket FROM device ORDER BY device_id""",
    "rule": "SELECT version, source, w_in, w_cached, w_out, w_reason, w_total FROM rule ORDER BY version, source",
    "active_rule": "SELECT version FROM active_rule",
    "plan": """SELECT plan_id, sha256, kind, document, state, chunks_done, chunk_count, started_at_us, finished_at_us
                 FROM plan ORDER BY plan_id""",
    "plan_void": "SELECT plan_id, voided_at_us FROM plan_void ORDER BY plan_id",
    "delivery": """SELECT delivery_id, request_id, device_id, epoch, seq, idempotency_key, body_sha256,
                          content_sha256, inserted, skipped, late, received_at_us, plan_id
                     FROM delivery ORDER BY delivery_id""",
    "ledger": """SELECT ledger_id, delivery_id, device_id, source, model, slot, t_in, t_cached, t_out, t_reason,
                        t_total, epoch, seq, sub, fix, plan_id FROM ledger ORDER BY ledger_id""",
    "archived": "SELECT delivery_id, plan_id, row_count FROM archived ORDER BY delivery_id, plan_id",
    "seal": "SELECT seal_id, last_delivery_id, sha256 FROM seal ORDER BY seal_id",
}
"""What was said, table by table, in an order in which it can be said again."""

DERIVED: Final = {
    "fact": """SELECT user_id, slot, source, model, device_id, t_in, t_cached, t_out, t_reason, t_total,
                      epoch, seq, sub, fix, ledger_id FROM fact ORDER BY user_id, slot, source, model, device_id""",
    "rollup_day": """SELECT user_id, day, source, model, t_in, t_cached, t_out, t_reason, t_total FROM rollup_day
                      WHERE gen_id = (SELECT gen_id FROM gen WHERE state = 'active')
                      ORDER BY user_id, day, source, model""",
}
"""What holds and what is derived."""


def line(table: str, row: Row) -> bytes:
    """One line of the dump, newline included; bytes are written in hex."""
    return orjson.dumps([table, *(bytes(v).hex() if isinstance(v, bytes | memoryview) else v for v in row)]) + b"\n"


def dump(tx: Transaction, tables: dict[str, str]) -> Iterator[bytes]:
    """The lines of some tables."""
    for table, statement in tables.items():
        for row in tx.stream(statement):
            yield line(table, row)


def dump_digest(tx: Transaction) -> str:
    """SHA-256 over history and what is derived from it."""
    hashed = sha256()
    for tables in (HISTORY, DERIVED):
        for text in dump(tx, tables):
            hashed.update(text)
    return hashed.hexdigest()
