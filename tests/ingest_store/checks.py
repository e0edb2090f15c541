"""
Named checks, each of which a seeded fault must fail.

A check says what it found with `Caught`; anything else that goes wrong in it is a broken check.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any, Literal

import psycopg

from attribute.ingest.model import Evidence, StoreError, StoreUnavailable
from attribute.ingest.plans.apply import apply
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.make import plan_rebuild
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.ledger import accept
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.transaction import Row, Transaction, Value
from attribute.ingest.verify import verify
from tests.ingest_store.helpers import NOW_US, bucket, client, facts_of, total_of


class Caught(AssertionError):  # noqa: N818 - says what happened to a fault
    """A promise is broken."""


def expect(seen: object, promised: object, what: str) -> None:
    if seen != promised:
        raise Caught(f"{what}: {seen!r}, promised {promised!r}")


def older_request_never_overwrites(store: RelationalStore) -> None:
    """A request that stalls past a newer one changes nothing."""
    sender = client(store)
    stalled = sender.delivery([bucket(1)])
    sender.send([bucket(2)])
    store.write(stalled)
    expect(total_of(store), 2, "total after a late commit")


def equal_order_never_rewrites(store: RelationalStore) -> None:
    """Only a greater order changes a fact: the same order again does not, whatever it says."""
    sender = client(store)
    sender.send([bucket(1)])
    ((key, (_, order)),) = facts_of(store, "user-1").items()
    with store.planning() as tx:
        tx.fill("batch", [(None, "user-1", sender.device.device_id, *bucket(9), *order)])
        expect(tx.run(sql.UPSERT_FACTS), 0, "facts rewritten by an equal order")
    expect(facts_of(store, "user-1")[key][0], bucket(1).counts, "fact")


def rollups_equal_facts_after_repeats(store: RelationalStore) -> None:
    """Repeating a bucket adds nothing to a rollup."""
    sender = client(store)
    for total in (5, 5, 3, 8):
        sender.send([bucket(total), bucket(total, slot=1)])
    expect(verify(store).findings, (), "findings")
    expect(total_of(store), 16, "total")


def names_with_separators_stay_apart(store: RelationalStore) -> None:
    """Two names that look alike when joined are two buckets."""
    try:
        client(store).send([bucket(1, source="a::b", model="c"), bucket(2, source="a", model="b::c")])
    except ValueError as error:
        raise Caught("two keys were taken for one") from error
    expect(len(facts_of(store, "user-1")), 2, "facts")


class FailingTransaction:
    """Fails at its n-th call, before doing it."""

    def __init__(self, tx: Transaction, countdown: list[int]) -> None:
        self._tx, self._countdown = tx, countdown

    def _tick(self) -> None:
        self._countdown[0] -= 1
        if self._countdown[0] == 0:
            raise StoreUnavailable("cut", Evidence(500, 0.0))

    def rows(self, statement: str, /, **values: Value) -> list[Row]:
        self._tick()
        return self._tx.rows(statement, **values)

    def stream(self, statement: str, /, **values: Value) -> Iterator[Row]:
        self._tick()
        return self._tx.stream(statement, **values)

    def run(self, statement: str, /, **values: Value) -> int:
        self._tick()
        return self._tx.run(statement, **values)

    def put(self, statement: str, /, **values: Value) -> None:
        self._tick()
        self._tx.put(statement, **values)

    def append_at_once(self, rows: Sequence[Row], /, **delivery: Value) -> tuple[int, int] | None:
        self._tick()
        return self._tx.append_at_once(rows, **delivery)

    def fill(self, table: Literal["batch", "touched"], rows: Sequence[Row]) -> None:
        self._tick()
        self._tx.fill(table, rows)

    def lock_key(self, name: str) -> bool:
        self._tick()
        return self._tx.lock_key(name)

    def lock_device(self, device_id: str) -> None:
        self._tick()
        self._tx.lock_device(device_id)

    def lock_groups(self) -> None:
        self._tick()
        self._tx.lock_groups()


@contextmanager
def failing(store: RelationalStore, at: int) -> Iterator[list[int]]:
    """Let the *at*-th call of the store's writing transactions fail; the value counts down to 0."""
    countdown = [at]
    real = store.writing

    @contextmanager
    def writing() -> Iterator[Any]:
        with real() as tx:
            yield FailingTransaction(tx, countdown)

    store.writing = writing  # type: ignore[method-assign]  # a fault is put in on purpose
    try:
        yield countdown
    finally:
        store.writing = real  # type: ignore[method-assign]  # and taken out


def cut_anywhere_then_retried_is_applied_once(store: RelationalStore) -> None:
    """A delivery that is cut off at any statement leaves nothing, not even its key: the retry is applied."""
    sender = client(store)
    for at in range(1, 100):
        total, key = 1000 + at, f"key-{at}"
        sent = sender.delivery([bucket(total), bucket(total, slot=1)], key=key, body=b"%d" % at)
        with failing(store, at) as countdown, suppress(StoreError):
            store.write(sent)
        if countdown[0] > 0:
            return
        sender.send(sent.buckets, key=key, body=b"%d" % at)
        expect(total_of(store), 2 * total, f"total after a cut at statement {at} and a retry")
        expect(verify(store).findings, (), f"findings after a cut at statement {at}")
    raise AssertionError("the transaction has more statements than were tried")


# --- PostgreSQL: interleavings ----------------------------------------------------------------------------------------


def until_blocked(dsn: str) -> None:
    """Return when some session of the database waits for a lock."""
    with psycopg.connect(dsn, autocommit=True) as watcher:
        while not watcher.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone():
            watcher.execute("SELECT pg_sleep(0.005)")


def two_devices_of_one_user_lose_no_rollup(store: RelationalStore, dsn: str) -> None:
    """Two devices that write into one group at once both count."""
    first, second = client(store), client(store)
    with ThreadPoolExecutor(1) as other:
        with store.writing() as tx:
            accept(tx, first.delivery([bucket(10)]))
            later = other.submit(second.send, [bucket(20)])
            until_blocked(dsn)
        later.result(timeout=120)
    expect(total_of(store), 30, "total of two devices")


def hot_groups_never_deadlock(store: RelationalStore, dsn: str) -> None:
    """Writers that touch the same groups wait in one line, not in a circle."""
    senders = [client(store) for _ in range(6)]

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(12):
            slots = chance.sample(range(40), 12)
            senders[number].send([bucket(chance.randrange(100), slot=48 * slot) for slot in slots])

    with ThreadPoolExecutor(len(senders)) as pool:
        done = wait([pool.submit(work, number) for number in range(len(senders))])
    with psycopg.connect(dsn, autocommit=True) as watcher:
        watcher.execute("SELECT pg_stat_force_next_flush()")
        found = watcher.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    expect(found, (0,), "deadlocks")
    expect([future.exception() for future in done.done if future.exception()], [], "errors")
    expect(verify(store).findings, (), "findings")


def rebuild_under_a_writer_misses_nothing(store: RelationalStore, dsn: str) -> None:
    """A writer that began before the new generation is in it after the switch."""
    first, second = client(store), client(store)
    second.send([bucket(1)])
    plan = plan_rebuild(store, reason="r", now_us=NOW_US)
    waiting = threading.Event()

    def rebuild() -> None:
        waiting.set()
        apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)

    with ThreadPoolExecutor(1) as other:
        with store.writing() as tx:
            accept(tx, first.delivery([bucket(10), bucket(5, slot=200)]))
            later = other.submit(rebuild)
            waiting.wait()
            blocked_or_done(dsn, later.done)
        try:
            later.result(timeout=120)
        except PlanError as error:
            raise Caught("the switch was refused") from error
    expect(verify(store).findings, (), "findings")
    expect(total_of(store), 16, "total")


def blocked_or_done(dsn: str, done: Callable[[], bool]) -> None:
    with psycopg.connect(dsn, autocommit=True) as watcher:
        while (
            not done()
            and not watcher.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
        ):
            watcher.execute("SELECT pg_sleep(0.005)")
