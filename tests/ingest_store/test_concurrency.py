"""Many writers at once, hot keys included: one winner per key, nothing lost, nobody refused for being in a crowd."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attribute.ingest.model import Bucket, IdempotencyConflict, WriteOutcome
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.verify import verify
from tests.ingest_store.helpers import (
    FIRST_SLOT,
    NOW_US,
    Oracle,
    bucket,
    client,
    facts_of,
    rollups_of,
    sqlite_store,
    total_of,
)


def storm(store: RelationalStore, *, threads: int, batches: int, seed: int) -> None:
    """Threads of four devices of two users write a handful of keys; the result is what the reference says."""
    senders = [client(store, f"user-{n % 2}") for n in range(4)]
    oracle, heard = Oracle(), threading.Lock()

    def work(number: int) -> None:
        chance = random.Random(seed + number)
        for _ in range(batches):
            sender = chance.choice(senders)
            said = [
                Bucket("codex", f"m{n}", FIRST_SLOT + chance.randrange(3), *[chance.randrange(10**9)] * 5)
                for n in range(chance.randrange(1, 5))
            ]
            place = store.next_ticket(sender.device)
            with heard:
                oracle.heard(sender.device, said, place.epoch, place.seq)
            sender.send(said, place=place)

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, number) for number in range(threads)]:
            done.result()
    assert facts_of(store, "user-0", "user-1") == oracle.facts()
    assert rollups_of(store, "user-0", "user-1") == oracle.rollups()
    found = verify(store)
    assert (found.findings, found.deliveries, found.ledger_rows) == ((), threads * batches, len(oracle.said))


def test_writers_on_hot_keys_agree_with_the_reference(database_store: RelationalStore) -> None:
    """The greatest order wins every key, whoever commits when."""
    storm(database_store, threads=16, batches=12, seed=1)


def test_writers_on_one_key_leave_one_winner(database_store: RelationalStore) -> None:
    """64 requests for one key: each is recorded, the last in line holds."""
    sender = client(database_store)
    sent = [sender.delivery([bucket(n)]) for n in range(64)]
    random.Random(3).shuffle(sent)
    with ThreadPoolExecutor(64) as pool:
        outcomes = list(pool.map(database_store.write, sent))
    assert sum(outcome.inserted for outcome in outcomes) == 64
    assert total_of(database_store) == 63
    assert verify(database_store).findings == ()


def test_one_idempotency_key_sent_at_once_is_applied_once(database_store: RelationalStore) -> None:
    """Whoever is not the first is replayed, or told that the first is in flight."""
    sender = client(database_store)
    sent = [sender.delivery([bucket(5)], key="k", body=b"a") for _ in range(32)]

    def send(number: int) -> WriteOutcome | bool:
        try:
            return database_store.write(sent[number])
        except IdempotencyConflict as conflict:
            return conflict.in_flight

    with ThreadPoolExecutor(32) as pool:
        outcomes = list(pool.map(send, range(32)))
    assert False not in outcomes
    applied = [outcome for outcome in outcomes if isinstance(outcome, WriteOutcome) and not outcome.replayed]
    assert len(applied) == 1
    assert database_store.stats().last_ledger_id == 1


def test_pings_at_once_are_recorded_once(database_store: RelationalStore) -> None:
    """A conditional update has one winner."""
    sender = client(database_store)
    with ThreadPoolExecutor(16) as pool:
        found = list(
            pool.map(lambda n: database_store.ping(sender.device, at_us=NOW_US + n, min_interval_us=10**9), range(16))
        )
    assert sum(ping.updated for ping in found) == 1
    assert len({ping.last_sync_at_us for ping in found}) == 1


def test_readers_see_rollups_that_fit_their_facts_while_others_write(tmp_path: Path) -> None:
    """One snapshot never shows half a delivery."""
    with sqlite_store(tmp_path) as store:
        sender = client(store)
        sender.send([bucket(0), bucket(0, slot=1)])
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                sender.send([bucket(number), bucket(number, slot=1)])

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            try:
                for _ in range(200):
                    with store.snapshot() as reads:
                        slots = [row.counts.total for row in reads.slots("user-1", 0, 2**22)]
                        days = [row.counts.total for row in reads.daily("user-1", 0, 2**20)]
                    assert slots[0] == slots[1]
                    assert days == [sum(slots)]
            finally:
                stop.set()
            writing.result()
