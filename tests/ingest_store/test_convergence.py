"""Any order, any repetition and any cut of the same assertions give the same facts and rollups."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attribute.ingest.model import Bucket, ClientSequence, Ticket
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.verify import verify
from tests.ingest_store.helpers import (
    FIRST_SLOT,
    Client,
    Oracle,
    client,
    facts_of,
    postgres_store,
    rollups_of,
    sqlite_store,
)

# A thread of the pool of connections draws when to renew one while hypothesis looks whether a strategy does.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
SOURCES = ("codex", "claude", "a::b")
MODELS = ("gpt-5", "b::c", "o3")
COUNTS = st.integers(0, 3) | st.integers(0, 10**12)
BUCKETS = st.builds(
    Bucket,
    st.sampled_from(SOURCES),
    st.sampled_from(MODELS),
    st.integers(FIRST_SLOT, FIRST_SLOT + 100),
    COUNTS,
    COUNTS,
    COUNTS,
    COUNTS,
    COUNTS,
)
BATCHES = st.lists(BUCKETS, min_size=1, max_size=5, unique_by=lambda said: said.key)
HISTORIES = st.lists(st.tuples(st.integers(0, 1), BATCHES), min_size=1, max_size=8)
"""Who said what, in the order in which it was said."""

RELAXED = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelationalStore]:
    """One store for all examples; each example has users of its own."""
    if request.param == "sqlite":
        with sqlite_store(tmp_path_factory.mktemp("store")) as made:
            yield made
    else:
        with postgres_store(request.getfixturevalue("postgres_dsn")) as made:
            yield made


def check_history(store: RelationalStore, history: list[tuple[int, list[Bucket]]], seed: int) -> None:
    """Say a history with sequences: shuffled, repeated, and with batches cut short first."""
    chance = random.Random(seed)
    user = f"user-{client(store).device.device_id}"
    senders = [client(store, user), client(store, user)]
    epochs = [store.issue_epoch(sender.device) for sender in senders]
    oracle = Oracle()
    sends: list[tuple[int, int, list[Bucket]]] = []
    for seq, (who, batch) in enumerate(history):
        oracle.heard(senders[who].device, batch, epochs[who], seq)
        sends.append((who, seq, batch))
        for _ in range(chance.randrange(3)):
            sends.append((who, seq, batch[: chance.randrange(len(batch) + 1)]))
    chance.shuffle(sends)
    for who, seq, batch in sends:
        senders[who].send(batch, place=ClientSequence(epochs[who], seq))
    assert facts_of(store, user) == oracle.facts()
    assert rollups_of(store, user) == oracle.rollups()


def check_tickets(store: RelationalStore, history: list[tuple[int, list[Bucket]]], seed: int) -> None:
    """Say a history with tickets taken in order and committed in any: late requests change nothing that is newer."""
    chance = random.Random(seed)
    user = f"user-{client(store).device.device_id}"
    senders = [client(store, user), client(store, user)]
    oracle = Oracle()
    sends: list[tuple[Client, Ticket, list[Bucket]]] = []
    for who, batch in history:
        cut = chance.randrange(len(batch))
        for part in (batch[:cut], batch[cut:]):
            ticket = store.next_ticket(senders[who].device)
            oracle.heard(senders[who].device, part, ticket.epoch, ticket.seq)
            sends.append((senders[who], ticket, part))
    chance.shuffle(sends)
    for sender, ticket, part in sends:
        sender.send(part, place=ticket)
    assert facts_of(store, user) == oracle.facts()
    assert rollups_of(store, user) == oracle.rollups()


@settings(RELAXED, max_examples=30)
@given(history=HISTORIES, seed=st.integers(0, 2**32))
def test_sequenced_history_shuffled_repeated_and_cut_converges(
    shared_store: RelationalStore, history: list[tuple[int, list[Bucket]]], seed: int
) -> None:
    """Facts are the greatest orders, whatever way they came."""
    check_history(shared_store, history, seed)


@settings(RELAXED, max_examples=30)
@given(history=HISTORIES, seed=st.integers(0, 2**32))
def test_plain_history_committed_in_any_order_converges(
    shared_store: RelationalStore, history: list[tuple[int, list[Bucket]]], seed: int
) -> None:
    """Facts follow the order of receipt, not that of commit."""
    check_tickets(shared_store, history, seed)


def test_store_after_all_histories_proves_itself(tmp_path: Path) -> None:
    """After many users' shuffled histories every invariant holds."""
    chance = random.Random(7)
    with sqlite_store(tmp_path) as store:
        for seed in range(15):
            history = [
                (
                    chance.randrange(2),
                    [
                        Bucket("codex", f"m{n}", FIRST_SLOT + chance.randrange(60), *[chance.randrange(10**6)] * 5)
                        for n in range(1 + chance.randrange(4))
                    ],
                )
                for _ in range(6)
            ]
            check_history(store, history, seed)
            check_tickets(store, history, seed)
        store.seal()
        found = verify(store)
    assert found.findings == ()
    assert (found.seals, found.unsealed) == (1, 0)
