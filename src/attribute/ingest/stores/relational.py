"""What the stores have in common: everything but how a transaction is opened and how a failure is recognised."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ClassVar, Literal

from attribute.ingest.model import (
    Delivery,
    Device,
    Evidence,
    IdempotencyConflict,
    Ping,
    Redeemed,
    Stats,
    StoreError,
    Ticket,
    TokenRow,
    WriteOutcome,
    distinct_keys,
)
from attribute.ingest.stores import access, seals
from attribute.ingest.stores.dump import dump_digest
from attribute.ingest.stores.elapsed import ms_since
from attribute.ingest.stores.ledger import Accepted, accept
from attribute.ingest.stores.migrations import Migration
from attribute.ingest.stores.reads import SnapshotReads
from attribute.ingest.stores.transaction import Transaction, number, one

MAX_BUCKETS = 500


class RelationalStore(ABC):
    """A store over one database; `attribute.ingest.stores.interface.Store` says what its methods promise."""

    kind: ClassVar[Literal["sqlite", "postgres", "vendor"]]
    rejections: ClassVar[tuple[type[Exception], ...]]
    """What the database raises for a row that contradicts its tables; from a replayed file that is dirty input."""

    def __init__(self) -> None:
        self._keys_in_flight: set[tuple[str, str]] = set()
        self._keys_lock = threading.Lock()

    # --- how a transaction is opened ----------------------------------------------------------------------------------

    @abstractmethod
    def writing(self) -> AbstractContextManager[Transaction]:
        """A transaction beside other writers; commits when the block ends well."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Transaction]:
        """One read-only snapshot."""

    def asking(self) -> AbstractContextManager[Transaction]:
        """For queries that need not agree with each other, which some databases answer sooner outside a snapshot."""
        return self.reading()

    @abstractmethod
    def planning(self) -> AbstractContextManager[Transaction]:
        """A transaction with no writer under way: begun ones have ended, new ones wait."""

    @abstractmethod
    def applying(self) -> AbstractContextManager[bool]:
        """
        Be the only one who applies a plan, until the block or the process ends, however it ends.

        Whoever is not gets False, at once. Writers and rollbacks are not kept away.
        """

    @abstractmethod
    def next_ticket(self, device: Device) -> Ticket:
        """A place in line."""

    @abstractmethod
    def schema_version(self) -> int:
        """The number of the last migration."""

    @abstractmethod
    def missing_steps(self) -> tuple[Migration, ...]:
        """Schema steps that are not applied yet."""

    @abstractmethod
    def migrate_in(self, tx: Transaction, *, at_us: int) -> None:
        """Apply the missing schema steps inside a plan's transaction."""

    @abstractmethod
    def migrated(self) -> None:
        """The plan's transaction is committed: take note of the schema version."""

    @abstractmethod
    def renumber(self, tx: Transaction) -> None:
        """Rows were put in with numbers of their own: go on after the greatest."""

    @abstractmethod
    def backup(self, target: Path) -> bool:
        """Write a whole, checked copy to a new file; False where that is somebody else's duty."""

    @abstractmethod
    def damage(self) -> list[str]:
        """What the database's own integrity check finds wrong."""

    @abstractmethod
    def close(self) -> None:
        """Let go of every connection."""

    # --- deliveries ---------------------------------------------------------------------------------------------------

    def write(self, delivery: Delivery) -> WriteOutcome:
        """Write a delivery; return only when it is durable."""
        if len(delivery.buckets) > MAX_BUCKETS or not distinct_keys(delivery.buckets):
            raise ValueError("a delivery holds at most 500 buckets with distinct keys")
        started = time.perf_counter()
        with self._key_in_flight(delivery):
            accepted = self.commit(delivery)
            upstream = self.confirm(delivery, accepted, started)
        if accepted.delivery_id % seals.SEAL_EVERY == 0 and not accepted.replayed:
            self.seal_if_idle()
        return WriteOutcome(
            delivery_id=accepted.delivery_id,
            inserted=accepted.inserted,
            skipped=accepted.skipped,
            late=accepted.late,
            replayed=accepted.replayed,
            upstream=upstream,
        )

    def commit(self, delivery: Delivery) -> Accepted:
        """The delivery's transaction."""
        with self.writing() as tx:
            return self.accept_in(tx, delivery)

    def accept_in(self, tx: Transaction, delivery: Delivery) -> Accepted:
        """What happens to a delivery inside its transaction."""
        return accept(tx, delivery)

    def confirm(self, delivery: Delivery, accepted: Accepted, started: float) -> Evidence:  # noqa: ARG002 - the vendor's needs them
        """What was seen of the upstream; for an embedded store that is the database, which has just committed."""
        return Evidence(200, ms_since(started))

    def make_way(self) -> None:  # noqa: B027 - only a store whose writers do not wait in a queue has something to do
        """Between two steps of a plan: let those write who wait for their turn."""

    def voided(self, tx: Transaction, plan_id: int) -> None:  # noqa: B027 - only a store with a copy elsewhere has something to do
        """A plan is voided in this transaction: a copy elsewhere has yet to hear of it."""

    def after_plan(self) -> int:
        """
        A plan has written; a store with a copy elsewhere brings it up to date, and says how many rows it sent.

        Raises:
            StoreError: the copy did not confirm all of it; what it lacks is noted here and sent with what comes later.
        """
        return 0

    def seal_if_idle(self) -> None:
        """Seal what is not sealed; where somebody is in the way the next round does it."""
        try:
            self.seal()
        except StoreError:
            return

    def seal(self) -> int:
        """Seal every delivery that no seal covers, and say how many."""
        with self.planning() as tx:
            return seals.seal(tx)

    @contextmanager
    def _key_in_flight(self, delivery: Delivery) -> Iterator[None]:
        if delivery.idempotency_key is None:
            yield
            return
        claim = (delivery.device.device_id, delivery.idempotency_key)
        with self._keys_lock:
            if claim in self._keys_in_flight:
                raise IdempotencyConflict(in_flight=True)
            self._keys_in_flight.add(claim)
        try:
            yield
        finally:
            with self._keys_lock:
                self._keys_in_flight.discard(claim)

    # --- reads --------------------------------------------------------------------------------------------------------

    @contextmanager
    def snapshot(self) -> Iterator[SnapshotReads]:
        """A short read-only transaction."""
        with self.reading() as tx:
            yield SnapshotReads(tx)

    def digest(self) -> str:
        """Hash over what was said and what holds, the same for every store."""
        with self.reading() as tx:
            return dump_digest(tx)

    # --- who may speak ------------------------------------------------------------------------------------------------

    def find_token(self, sha256: bytes) -> Device | None:
        """Whom a token speaks for."""
        with self.asking() as tx:
            return access.find_token(tx, sha256)

    def issue_token(self, *, user_id: str, name: str, platform: str, sha256: bytes, at_us: int) -> Device:
        """Make a device with one token."""
        with self.writing() as tx:
            return access.issue_token(tx, user_id=user_id, name=name, platform=platform, sha256=sha256, at_us=at_us)

    def issue_link_code(self, *, user_id: str, sha256: bytes, expires_at_us: int) -> None:
        """Register a one-time code."""
        with self.writing() as tx:
            tx.run(access.INSERT_CODE, sha256=sha256, user_id=user_id, expires_at_us=expires_at_us)

    def redeem_link_code(
        self, *, sha256: bytes, request_id: str, token_sha256: bytes, name: str, platform: str, at_us: int
    ) -> Redeemed:
        """Turn a link code into a device and token."""
        with self.writing() as tx:
            return access.redeem(
                tx,
                sha256=sha256,
                request_id=request_id,
                token_sha256=token_sha256,
                name=name,
                platform=platform,
                at_us=at_us,
            )

    def knows_link_code(self, sha256: bytes, *, at_us: int) -> bool:
        """Whether there is such a code that has not expired."""
        with self.asking() as tx:
            return access.knows_code(tx, sha256, at_us=at_us)

    def tokens(self) -> list[TokenRow]:
        """Every token ever issued."""
        with self.reading() as tx:
            return access.tokens(tx)

    def revoke_token(self, token_id: int, at_us: int) -> bool:
        """Revoke one token."""
        with self.writing() as tx:
            return tx.run(access.REVOKE_TOKEN, token_id=token_id, at_us=at_us) > 0

    def revoke_device(self, device_id: str, at_us: int) -> bool:
        """Revoke a device with all its tokens."""
        with self.writing() as tx:
            return tx.run(access.REVOKE_DEVICE, device_id=device_id, at_us=at_us) > 0

    def ping(self, device: Device, *, at_us: int, min_interval_us: int) -> Ping:
        """Record a sync ping."""
        with self.writing() as tx:
            return access.ping(tx, device, at_us=at_us, min_interval_us=min_interval_us)

    def issue_epoch(self, device: Device) -> int:
        """A new even epoch."""
        with self.writing() as tx:
            return number(tx, access.NEXT_EPOCH, device_id=device.device_id)

    # --- gauges -------------------------------------------------------------------------------------------------------

    def stats(self) -> Stats:
        """Gauges."""
        with self.reading() as tx:
            return Stats(
                kind=self.kind,
                schema_version=self.schema_version(),
                lineage=lineage(tx),
                last_delivery_id=number(tx, "SELECT coalesce(max(delivery_id), 0) FROM delivery"),
                last_ledger_id=number(tx, "SELECT coalesce(max(ledger_id), 0) FROM ledger"),
                devices=number(tx, "SELECT count(*) FROM device"),
                active_generation=number(tx, "SELECT gen_id FROM gen WHERE state = 'active'"),
                rule_version=number(tx, "SELECT version FROM active_rule"),
                pending=self.pending(tx),
                wal_bytes=self.wal_bytes(),
            )

    def pending(self, tx: Transaction) -> int:  # noqa: ARG002 - the vendor's needs it
        """Ledger rows that wait for a vendor."""
        return 0

    def wal_bytes(self) -> int:
        """Size of a write-ahead log that we look after."""
        return 0

    def check(self) -> None:
        """Return if a write can begin now."""
        with self.writing() as tx:
            lineage(tx)


def lineage(tx: Transaction) -> str:
    """The database's own name, given when it was made; plans carry it."""
    found = one(tx, "SELECT uuid FROM lineage")
    return "" if found is None else str(found[0])
