"""
The records vendor: a copy of the ledger at somebody else's place, confirmed before a client is.

An upsert over HTTP lets the last *arrival* win, so a request that timed out may still land after a newer one. What is
sent is therefore never a fact but ledger rows: each has its own key (device and order) and never changes, so sending
one twice, late or in any order leaves the same rows, and the facts are the greatest order per key over there as here.

The local SQLite file stays the durable ledger. A delivery is committed there first, then its rows are sent; only when
the vendor has confirmed them is the client told so. What the vendor did not confirm waits in ``vendor_pending``.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final, Literal

from attribute.ingest.model import NOT_CALLED, Delivery, Evidence, StoreError, StoreUnavailable
from attribute.ingest.stores.ledger import Accepted
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.stores.transaction import Row, Transaction, number
from attribute.ingest.stores.vendor_client import Record, RecordsClient

LEDGER_TABLE: Final = "attribute_ledger"
LEDGER_KEY: Final = ("device_id", "epoch", "seq", "sub", "fix")
VOID_TABLE: Final = "attribute_plan_void"
VOID_KEY: Final = ("plan_id",)
CHUNK: Final = 500

RECORD_NAMES: Final = (
    "user_id", "device_id", "source", "model", "slot",
    "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens", "total_tokens",
    "epoch", "seq", "sub", "fix", "plan_id",
)  # fmt: skip
_RECORDS: Final = """
SELECT l.ledger_id, d.user_id, l.device_id, l.source, l.model, l.slot,
       l.t_in, l.t_cached, l.t_out, l.t_reason, l.t_total, l.epoch, l.seq, l.sub, l.fix, l.plan_id
"""
OWN: Final = (
    _RECORDS
    + """
  FROM ledger l JOIN vendor_pending p ON p.ledger_id = l.ledger_id JOIN device d ON d.device_id = l.device_id
 WHERE l.device_id = :device_id AND l.epoch = :epoch AND l.seq = :seq ORDER BY l.ledger_id
"""
)
OLDEST: Final = (
    _RECORDS
    + """
  FROM vendor_pending p JOIN ledger l ON l.ledger_id = p.ledger_id JOIN device d ON d.device_id = l.device_id
 WHERE p.ledger_id > :after ORDER BY p.ledger_id LIMIT :row_limit
"""
)
VOIDS: Final = "SELECT plan_id FROM plan_void ORDER BY plan_id"
REGISTER: Final = """
INSERT INTO vendor_pending SELECT ledger_id FROM ledger
 WHERE ledger_id > (SELECT last_ledger_id FROM vendor_seen)
"""
SEEN: Final = """
UPDATE vendor_seen SET last_ledger_id = (SELECT coalesce(max(ledger_id), 0) FROM ledger)
 WHERE last_ledger_id < (SELECT coalesce(max(ledger_id), 0) FROM ledger)
"""


class VendorStore(SqliteStore):
    """
    An SQLite store whose ledger a records vendor must confirm.

    Args:
        path: the local ledger.
        client: how the vendor is reached; closed with the store.
        busy_s, serving, create, migrate: as for `SqliteStore`.
    """

    kind: ClassVar[Literal["sqlite", "postgres", "vendor"]] = "vendor"

    def __init__(
        self,
        path: Path,
        client: RecordsClient,
        *,
        busy_s: float = 5.0,
        serving: bool = True,
        create: bool = True,
        migrate: bool = False,
    ) -> None:
        self._client = client
        self._confirmed: dict[int, int | None] = {}
        super().__init__(path, busy_s=busy_s, serving=serving, create=create, migrate=migrate)

    def close(self) -> None:
        """Let go of the vendor, and of the file."""
        self._client.close()
        super().close()

    def commit(self, delivery: Delivery) -> Accepted:
        """The local transaction; the vendor is no part of it, and a local failure says nothing about the vendor."""
        try:
            with self.writing() as tx:
                accepted = self.accept_in(tx, delivery)
                noted = self._note(tx)
        except StoreError as failure:
            failure.upstream = NOT_CALLED
            raise
        self._forget(noted)
        return accepted

    def confirm(self, delivery: Delivery, accepted: Accepted, started: float) -> Evidence:  # noqa: ARG002 - the embedded stores time themselves
        """Send what the vendor has not confirmed of this delivery, and some of what waits from before."""
        with self.reading() as tx:
            own = self._unconfirmed(
                tx.rows(OWN, device_id=delivery.device.device_id, epoch=accepted.epoch, seq=accepted.seq)
            )
            if not own:
                return NOT_CALLED
            ids = {row[0] for row in own}
            older = self._unconfirmed(tx.rows(OLDEST, after=0, row_limit=CHUNK))
        rows = [*own, *(row for row in older if row[0] not in ids)][: max(CHUNK, len(own))]
        return self._send(rows)

    def flush(self) -> int:
        """
        Send everything that waits, plan voids included, and say how many ledger rows that were.

        Raises:
            StoreUnavailable: the vendor did not confirm; what it did confirm stays confirmed.
        """
        sent, after = 0, 0
        with self.writing() as tx:
            noted = self._note(tx)
            voids: list[Record] = [{"plan_id": int(row[0])} for row in tx.rows(VOIDS)]
        self._forget(noted)
        for start in range(0, len(voids), CHUNK):
            self._must(VOID_TABLE, voids[start : start + CHUNK], VOID_KEY)
        while True:
            with self.reading() as tx:
                found = tx.rows(OLDEST, after=after, row_limit=CHUNK)
            if not found:
                break
            after = found[-1][0]
            rows = self._unconfirmed(found)
            if rows:
                self._send(rows)
                sent += len(rows)
        with self.writing() as tx:
            noted = self._note(tx)
        self._forget(noted)
        return sent

    def after_plan(self) -> int:
        """Bring the vendor up to date with what a plan wrote."""
        return self.flush()

    def pending(self, tx: Transaction) -> int:
        """Ledger rows that wait."""
        return number(tx, "SELECT count(*) FROM vendor_pending") - len(self._confirmed)

    def _note(self, tx: Transaction) -> set[int]:
        """
        Write down which rows wait: new ones do, confirmed ones do not any more. A crash repeats a send, no more.

        A row whose plan was voided after it was sent, maybe by another process, goes on waiting, to be sent with that.
        """
        with self._keys_lock:
            noted = dict(self._confirmed)
        voided = {row[0] for row in tx.rows(VOIDS)} if any(noted.values()) else set()
        for ledger_id, plan_id in noted.items():
            if plan_id not in voided:
                tx.run("DELETE FROM vendor_pending WHERE ledger_id = :ledger_id", ledger_id=ledger_id)
        tx.run(REGISTER)
        tx.run(SEEN)
        return set(noted)

    def _forget(self, noted: set[int]) -> None:
        with self._keys_lock:
            for ledger_id in noted:
                self._confirmed.pop(ledger_id, None)

    def _unconfirmed(self, rows: list[Row]) -> list[Row]:
        return [row for row in rows if row[0] not in self._confirmed]

    def _send(self, rows: list[Row]) -> Evidence:
        """Rows are confirmed together with what makes them void; until both are, all of them wait."""
        records = [dict(zip(RECORD_NAMES, row[1:], strict=True)) for row in rows]
        voided = self._voided_of(rows)
        told = NOT_CALLED
        if voided:
            told = self._must(VOID_TABLE, [{"plan_id": plan_id} for plan_id in voided], VOID_KEY)
        evidence = self._must(LEDGER_TABLE, records, LEDGER_KEY)
        with self._keys_lock:
            self._confirmed |= {row[0]: None if row[-1] in voided else row[-1] for row in rows}
        return Evidence(evidence.status, told.latency_ms + evidence.latency_ms, told.calls + evidence.calls)

    def _voided_of(self, rows: list[Row]) -> list[int]:
        plans = {row[-1] for row in rows} - {None}
        if not plans:
            return []
        with self.reading() as tx:
            return [int(row[0]) for row in tx.rows(VOIDS) if row[0] in plans]

    def _must(self, table: str, records: list[Record], key: tuple[str, ...]) -> Evidence:
        answer = self._client.upsert(table, records, on_conflict=key)
        evidence = Evidence(answer.status, answer.latency_ms)
        if not answer.confirmed:
            raise StoreUnavailable("the vendor did not confirm", evidence)
        return evidence
