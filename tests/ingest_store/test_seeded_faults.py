"""Each fault that was put in on purpose is caught by the check named for it; without the fault that check passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from attribute.ingest import model
from attribute.ingest.model import Bucket, Delivery
from attribute.ingest.stores import ledger, postgres
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.ledger import Accepted
from attribute.ingest.stores.postgres import PostgresStore
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.stores.transaction import Transaction
from tests.ingest_store import checks
from tests.ingest_store.checks import Caught
from tests.ingest_store.helpers import PATIENT_S
from tests.ingest_store.postgres import database

ORDER = "WHERE (excluded.epoch, excluded.seq, excluded.sub, excluded.fix) > (fact.epoch, fact.seq, fact.sub, fact.fix)"


class IdempotencyRowApart(SqliteStore):
    """Seeded fault 8: remembers the key in a transaction of its own, before the data."""

    def commit(self, delivery: Delivery) -> Accepted:
        with self.writing() as tx:
            known = self._remember(tx, delivery)
        if known is not None:
            return known
        with self.writing() as tx:
            return ledger.accept(tx, _without_key(delivery))

    def _remember(self, tx: Transaction, delivery: Delivery) -> Accepted | None:
        tx.run("CREATE TABLE IF NOT EXISTS remembered (key TEXT PRIMARY KEY)")
        fresh = tx.run("INSERT INTO remembered VALUES (:key) ON CONFLICT DO NOTHING", key=delivery.idempotency_key)
        return None if fresh else Accepted(1, len(delivery.buckets), 0, 0, replayed=True, epoch=1, seq=1)


def _without_key(delivery: Delivery) -> Delivery:
    return Delivery(
        request_id=delivery.request_id,
        device=delivery.device,
        buckets=delivery.buckets,
        place=delivery.place,
        body_sha256=delivery.body_sha256,
        received_at_us=delivery.received_at_us,
    )


@contextmanager
def no_fault(patch: pytest.MonkeyPatch) -> Iterator[type[SqliteStore]]:
    yield SqliteStore


@contextmanager
def fault_1_no_order(patch: pytest.MonkeyPatch) -> Iterator[type[SqliteStore]]:
    assert ORDER in sql.UPSERT_FACTS
    patch.setattr(sql, "UPSERT_FACTS", sql.UPSERT_FACTS.replace(ORDER, ""))
    yield SqliteStore


@contextmanager
def fault_2_not_strictly_greater(patch: pytest.MonkeyPatch) -> Iterator[type[SqliteStore]]:
    patch.setattr(sql, "UPSERT_FACTS", sql.UPSERT_FACTS.replace(ORDER, ORDER.replace(" > ", " >= ")))
    yield SqliteStore


@contextmanager
def fault_3_rollup_by_addition(patch: pytest.MonkeyPatch) -> Iterator[type[SqliteStore]]:
    added = sql.RECOMPUTE_GROUPS.replace(
        "t_total = excluded.t_total", "t_total = rollup_day.t_total + excluded.t_total"
    )
    assert added != sql.RECOMPUTE_GROUPS
    patch.setattr(sql, "RECOMPUTE_GROUPS", added)
    yield SqliteStore


@contextmanager
def fault_8_key_in_another_transaction(patch: pytest.MonkeyPatch) -> Iterator[type[SqliteStore]]:
    yield IdempotencyRowApart


@contextmanager
def fault_9_joined_keys(patch: pytest.MonkeyPatch) -> Iterator[type[SqliteStore]]:
    patch.setattr(Bucket, "key", property(lambda said: f"{said.slot}::{said.source}::{said.model}"))
    assert model.Bucket is Bucket
    yield SqliteStore


Check = Callable[[RelationalStore], None]
CAUGHT_BY: list[tuple[object, Check]] = [
    (fault_1_no_order, checks.older_request_never_overwrites),
    (fault_2_not_strictly_greater, checks.equal_order_never_rewrites),
    (fault_3_rollup_by_addition, checks.rollups_equal_facts_after_repeats),
    (fault_8_key_in_another_transaction, checks.cut_anywhere_then_retried_is_applied_once),
    (fault_9_joined_keys, checks.names_with_separators_stay_apart),
]


def _named(pairs: list[tuple[object, Check]]) -> list[object]:
    return [pytest.param(fault, check, id=getattr(fault, "__name__", "")) for fault, check in pairs]


@pytest.mark.parametrize(("fault", "check"), _named(CAUGHT_BY))
def test_seeded_fault_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., object], check: Check
) -> None:
    """A suite that lets one live is no suite."""
    with fault(monkeypatch) as kind:  # type: ignore[attr-defined]  # a context manager
        store = kind(tmp_path / "usage.db")
        try:
            with pytest.raises(Caught):
                check(store)
        finally:
            store.close()


@pytest.mark.parametrize("check", [check for _, check in CAUGHT_BY])
def test_check_without_a_fault_passes(database_store: RelationalStore, check: Check) -> None:
    """The checks cry only when there is something."""
    check(database_store)


# --- faults that need several writers: PostgreSQL ---------------------------------------------------------------------


def fault_4_no_group_lock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql, "LOCK_GROUPS", "SELECT 1")


def fault_5_unsorted_groups(patch: pytest.MonkeyPatch) -> None:
    order = "ORDER BY g.gen_id, t.user_id, t.day, t.source, t.model"
    assert order in sql.LOCK_GROUPS
    patch.setattr(sql, "LOCK_GROUPS", sql.LOCK_GROUPS.replace(order, "ORDER BY random()"))


def fault_13_no_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(postgres, "FENCE_SHARED", "SELECT 1")


PgCheck = Callable[[RelationalStore, str], None]
CAUGHT_ON_POSTGRES: list[tuple[Callable[[pytest.MonkeyPatch], None], PgCheck]] = [
    (fault_4_no_group_lock, checks.two_devices_of_one_user_lose_no_rollup),
    (fault_5_unsorted_groups, checks.hot_groups_never_deadlock),
    (fault_13_no_fence, checks.rebuild_under_a_writer_misses_nothing),
]


@pytest.mark.parametrize(("fault", "check"), CAUGHT_ON_POSTGRES)
def test_seeded_fault_between_writers_is_caught(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None], check: PgCheck
) -> None:
    """Locks are there for a reason, and each reason has its check."""
    with database(postgres_dsn) as dsn:
        store = PostgresStore(dsn, wait_s=PATIENT_S, lock_s=PATIENT_S)
        try:
            with monkeypatch.context() as patch:
                fault(patch)
                with pytest.raises(Caught):
                    check(store, dsn)
        finally:
            store.close()


@pytest.mark.parametrize("check", [check for _, check in CAUGHT_ON_POSTGRES])
def test_check_between_writers_without_a_fault_passes(postgres_dsn: str, check: PgCheck) -> None:
    """With the locks in place nothing is lost and nobody waits in a circle."""
    with database(postgres_dsn) as dsn:
        store = PostgresStore(dsn, wait_s=PATIENT_S, lock_s=PATIENT_S)
        try:
            check(store, dsn)
        finally:
            store.close()
