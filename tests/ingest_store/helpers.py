"""Clients, histories and the slow, plain reference that the stores are compared with."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from attribute.ingest.model import (
    SLOTS_PER_DAY,
    Bucket,
    ClientSequence,
    Counts,
    DayRow,
    Delivery,
    Device,
    Narrowing,
    Order,
    Ticket,
    WriteOutcome,
)
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.sqlite import SqliteStore

FIRST_SLOT = 979_200  # 2025-11-08T00:00Z
NOW_US = FIRST_SLOT * 1_800_000_000
PATIENT_S = 60.0
"""How long writers wait for their turn where nobody is to be turned away: on a slow machine a crowd takes its time."""
WITH_CANARY = Narrowing(canary=True)
_SERIAL = itertools.count(1)


def bucket(total: int, *, slot: int = 0, source: str = "codex", model: str = "gpt-5") -> Bucket:
    """A bucket whose counters all follow from its total; *slot* counts from `FIRST_SLOT`."""
    return Bucket(source, model, FIRST_SLOT + slot, total // 2, total // 4, total // 3, total // 5, total)


@dataclass(frozen=True)
class Client:
    """One device that sends."""

    store: RelationalStore
    device: Device

    def send(
        self,
        buckets: Iterable[Bucket],
        *,
        place: Ticket | ClientSequence | None = None,
        key: str | None = None,
        body: bytes = b"",
        request_id: str | None = None,
    ) -> WriteOutcome:
        return self.store.write(self.delivery(buckets, place=place, key=key, body=body, request_id=request_id))

    def delivery(
        self,
        buckets: Iterable[Bucket],
        *,
        place: Ticket | ClientSequence | None = None,
        key: str | None = None,
        body: bytes = b"",
        request_id: str | None = None,
    ) -> Delivery:
        return Delivery(
            request_id=request_id or f"request-{next(_SERIAL)}",
            device=self.device,
            buckets=tuple(buckets),
            place=place or self.store.next_ticket(self.device),
            body_sha256=sha256(body).digest(),
            received_at_us=NOW_US,
            idempotency_key=key,
        )


def client(store: RelationalStore, user_id: str = "user-1") -> Client:
    """A new device of a user."""
    token = f"token-{next(_SERIAL)}".encode()
    return Client(
        store,
        store.issue_token(
            user_id=user_id, name="laptop", platform="linux", sha256=sha256(token).digest(), at_us=NOW_US
        ),
    )


@dataclass
class Oracle:
    """Facts and rollups the slow way: remember everything, keep the greatest order of each key."""

    said: list[tuple[str, str, Bucket, Order]] = field(default_factory=list)

    def heard(self, device: Device, buckets: Sequence[Bucket], epoch: int, seq: int) -> None:
        self.said += [
            (device.user_id, device.device_id, bucket, Order(epoch, seq, sub, 0)) for sub, bucket in enumerate(buckets)
        ]

    def facts(self) -> dict[tuple[str, int, str, str, str], tuple[Counts, Order]]:
        best: dict[tuple[str, int, str, str, str], tuple[Counts, Order]] = {}
        for user, device, said, order in self.said:
            key = (user, said.slot, said.source, said.model, device)
            if key not in best or order > best[key][1]:
                best[key] = (said.counts, order)
        return best

    def rollups(self) -> dict[tuple[str, int, str, str], Counts]:
        sums: dict[tuple[str, int, str, str], Counts] = {}
        for (user, slot, source, model, _), (counts, _) in self.facts().items():
            key = (user, slot // SLOTS_PER_DAY, source, model)
            sums[key] = sums[key].plus(counts) if key in sums else counts
        return sums


def facts_of(store: RelationalStore, *users: str) -> dict[tuple[str, int, str, str, str], tuple[Counts, Order]]:
    """Every fact of some users, as the store has them."""
    with store.snapshot() as reads:
        return {
            (user, fact.key.slot, fact.key.source, fact.key.model, fact.key.device_id): (fact.counts, fact.order)
            for user in users
            for fact in reads.page(user, 0, 2**22, limit=10**6, only=WITH_CANARY)
        }


def rollups_of(store: RelationalStore, *users: str) -> dict[tuple[str, int, str, str], Counts]:
    """Every daily rollup of some users, as the store has them."""
    with store.snapshot() as reads:
        return {
            (user, row.day, row.source, row.model): row.counts
            for user in users
            for row in reads.daily(user, 0, 2**20, WITH_CANARY)
        }


def total_of(store: RelationalStore, user: str = "user-1") -> int:
    """The sum of a user's totals, read from rollups."""
    with store.snapshot() as reads:
        return sum(row.counts.total for row in reads.daily(user, 0, 2**20, WITH_CANARY))


def day_row(total: int, *, day: int = 0, source: str = "codex", model: str = "gpt-5") -> DayRow:
    """The rollup of one such `bucket`."""
    return DayRow(FIRST_SLOT // SLOTS_PER_DAY + day, source, model, bucket(total).counts)


@contextmanager
def sqlite_store(folder: Path) -> Iterator[RelationalStore]:
    store = SqliteStore(folder / "usage.db", busy_s=PATIENT_S)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def postgres_store(dsn: str) -> Iterator[RelationalStore]:
    from attribute.ingest.stores.postgres import PostgresStore
    from tests.ingest_store.postgres import database

    with database(dsn) as own:
        store = PostgresStore(own, wait_s=PATIENT_S, lock_s=PATIENT_S)
        try:
            yield store
        finally:
            store.close()
