"""What is PostgreSQL's own: roles, timeouts, a commit in doubt, and a server that is killed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Event

import psycopg
import pytest

from attribute.ingest.model import NOT_CALLED, CommitInDoubt, Delivery, StoreBusy, StoreError, StoreUnavailable
from attribute.ingest.plans.apply import apply
from attribute.ingest.plans.make import plan_schema
from attribute.ingest.plans.rollback import rollback
from attribute.ingest.stores import migrations, postgres
from attribute.ingest.stores.errors import StoreNotOpenedError
from attribute.ingest.stores.interface import StoreOptions
from attribute.ingest.stores.ledger import Accepted
from attribute.ingest.stores.migrations import Migration
from attribute.ingest.stores.opening import open_store
from attribute.ingest.stores.postgres import PostgresStore
from attribute.ingest.stores.transaction import Transaction
from attribute.ingest.verify import verify
from tests.ingest_store.helpers import NOW_US, Client, bucket, client, total_of
from tests.ingest_store.postgres import DSN_VARIABLE, database, server


@pytest.fixture
def own_dsn(postgres_dsn: str) -> Iterator[str]:
    """A database of this test's own."""
    with database(postgres_dsn) as dsn:
        yield dsn


@contextmanager
def opened(dsn: str, *, wait_s: float = 60.0, lock_s: float = 60.0) -> Iterator[PostgresStore]:
    store = PostgresStore(dsn, wait_s=wait_s, lock_s=lock_s)
    try:
        yield store
    finally:
        store.close()


# --- roles ------------------------------------------------------------------------------------------------------------

FORBIDDEN = [
    "UPDATE ledger SET t_total = 0",
    "DELETE FROM ledger",
    "TRUNCATE ledger",
    "DELETE FROM delivery",
    "DELETE FROM fact",
    "DELETE FROM rollup_day",
    "UPDATE active_rule SET version = 2",
    "INSERT INTO rule VALUES (2, '', 1, 1, 1, 1, 1)",
    "INSERT INTO gen (state, created_at_us) VALUES ('building', 0)",
    "INSERT INTO plan (sha256, kind, document, state, chunk_count, started_at_us) VALUES ('x','x','x','applying',1,1)",
    "INSERT INTO plan_void VALUES (1, 1)",
    "ALTER TABLE ledger DISABLE TRIGGER ALL",
    "DROP TABLE ledger",
    "DELETE FROM token",
    "CREATE TABLE public.mine (x int)",
]


def test_serving_role_writes_deliveries_and_can_rewrite_nothing(own_dsn: str) -> None:
    """The service's own password opens no way to history, rules, plans or schema."""
    with psycopg.connect(own_dsn, autocommit=True) as admin:
        for role in ("attribute_owner", "attribute_app"):
            with suppress(psycopg.errors.DuplicateObject):
                admin.execute(f"CREATE ROLE {role} LOGIN")
        admin.execute("GRANT ALL ON SCHEMA public TO attribute_owner")
    with opened(psycopg.conninfo.make_conninfo(own_dsn, user="attribute_owner")):
        pass
    serving = psycopg.conninfo.make_conninfo(own_dsn, user="attribute_app")
    with opened(serving) as store:
        sender = client(store)
        sender.send([bucket(5)], key="k")
        sender.send([bucket(6)])
        store.issue_epoch(sender.device)
        store.ping(sender.device, at_us=NOW_US, min_interval_us=1)
        store.revoke_device(sender.device.device_id, NOW_US)
        store.seal()
        assert verify(store).findings == ()
        for statement in FORBIDDEN:
            with psycopg.connect(serving) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_table_truncated_by_its_owner_is_refused(own_dsn: str) -> None:
    """Owners meet the triggers."""
    with opened(own_dsn), psycopg.connect(own_dsn) as connection:
        for table in ("ledger", "delivery, ledger, archived, vendor_pending", "seal", "rule"):
            with pytest.raises(psycopg.errors.RaiseException, match="append-only"), connection.transaction():
                connection.execute(f"TRUNCATE {table} CASCADE")


# --- opening ----------------------------------------------------------------------------------------------------------


def test_server_that_is_not_there_is_a_sentence() -> None:
    """No password, no traceback."""
    with pytest.raises(StoreNotOpenedError, match="postgresql:///nowhere/x: cannot be reached") as refused:
        PostgresStore("host=/nowhere dbname=x password=secret", wait_s=1.0)
    assert "secret" not in str(refused.value)


def test_database_that_may_lose_commits_is_refused(own_dsn: str) -> None:
    """An answer of success is a promise that `synchronous_commit=off` breaks."""
    with psycopg.connect(own_dsn, autocommit=True) as admin:
        name = psycopg.conninfo.conninfo_to_dict(own_dsn)["dbname"]
        admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with pytest.raises(StoreNotOpenedError, match="synchronous_commit is `off`"):
        PostgresStore(own_dsn)


def test_database_newer_than_this_release_is_refused(own_dsn: str) -> None:
    """As for a file."""
    with opened(own_dsn), psycopg.connect(own_dsn) as connection:
        connection.execute("INSERT INTO migration VALUES (999, 'x', 'x', 0)")
    with pytest.raises(StoreNotOpenedError, match="has schema version 999, this release knows 1"):
        PostgresStore(own_dsn)


def test_address_of_postgres_opens_postgres(own_dsn: str) -> None:
    """The scheme decides."""
    parts = psycopg.conninfo.conninfo_to_dict(own_dsn)
    url = f"postgresql:///{parts['dbname']}?host={parts['host']}&user={parts.get('user', 'postgres')}"
    store = open_store(StoreOptions(url=url), serving=True)
    assert store.stats().kind == "postgres"
    store.close()


def test_database_behind_its_release_is_migrated_by_a_plan_alone(own_dsn: str) -> None:
    """As for a file: a step that fails leaves nothing, one that works is noted with it."""
    with opened(own_dsn):
        pass
    first = migrations.shipped("postgres")
    text = "CREATE TABLE extra (x int); INSERT INTO extra VALUES (1);"
    for more, works in (("INSERT INTO nowhere VALUES (1);", False), ("", True)):
        step = Migration(number=len(first) + 1, name="more", text=text + more, sha256="x" * 64)
        with pytest.raises(StoreNotOpenedError, match="has schema version 1, this release needs 2"):
            PostgresStore(own_dsn, steps=(*first, step))
        store = PostgresStore(own_dsn, steps=(*first, step), migrate=True)
        plan = plan_schema(store, reason=f"works: {works}", now_us=NOW_US)
        if works:
            apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
            assert (store.schema_version(), store.missing_steps()) == (2, ())
        else:
            with pytest.raises(psycopg.errors.UndefinedTable):
                apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
            rollback(store, 1, now_us=NOW_US)
            assert store.schema_version() == 1
        store.close()


# --- a commit in doubt ------------------------------------------------------------------------------------------------


class CutAtCommit(PostgresStore):
    """Loses the connection before or after the server has committed."""

    after = True
    also_gone = False

    def commit_connection(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        if self.after:
            connection.commit()
        connection.close()
        if self.also_gone:
            self.url = "host=/nowhere dbname=x"
        raise psycopg.OperationalError("connection lost")


@contextmanager
def cut(dsn: str, *, after: bool, also_gone: bool = False) -> Iterator[tuple[CutAtCommit, PostgresStore]]:
    with opened(dsn) as plain:
        store = CutAtCommit(dsn, wait_s=60.0)
        store.after, store.also_gone = after, also_gone
        try:
            yield store, plain
        finally:
            store.close()


def test_commit_in_doubt_that_was_made_is_confirmed(own_dsn: str) -> None:
    """Reading back finds the delivery: the answer is the one it would have been."""
    with cut(own_dsn, after=True) as (store, plain):
        delivery = client(plain).delivery([bucket(5), bucket(6, slot=1)])
        outcome = store.write(delivery)
        assert (outcome.inserted, outcome.skipped, outcome.replayed) == (2, 0, False)
        assert total_of(plain) == 11


def test_commit_in_doubt_that_was_not_made_is_no_success(own_dsn: str) -> None:
    """Reading back finds nothing: the client is told to try again, and may."""
    with cut(own_dsn, after=False) as (store, plain):
        delivery = client(plain).delivery([bucket(5)])
        with pytest.raises(StoreUnavailable, match="nothing written"):
            store.write(delivery)
        plain.write(delivery)
        assert total_of(plain) == 5


def test_commit_in_doubt_that_cannot_be_read_back_is_never_guessed(own_dsn: str) -> None:
    """Unknown is not success, though it was written."""
    with cut(own_dsn, after=True, also_gone=True) as (store, plain):
        with pytest.raises(CommitInDoubt) as doubt:
            store.write(client(plain).delivery([bucket(5)]))
        assert doubt.value.upstream.status == 503
        assert total_of(plain) == 5


# --- trouble ----------------------------------------------------------------------------------------------------------


def test_lock_held_too_long_is_a_timeout_of_ours(own_dsn: str) -> None:
    """A write waits so long and no longer, and says that time ran out."""
    with opened(own_dsn, lock_s=0.1) as store, psycopg.connect(own_dsn) as other:
        delivery = client(store).delivery([bucket(5)])
        other.execute("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreError) as busy:
            store.write(delivery)
        assert busy.value.timed_out
        other.rollback()
        store.write(delivery)
        assert total_of(store) == 5


def test_fence_held_by_a_plan_of_ours_is_busy_and_says_nothing_of_the_server(own_dsn: str) -> None:
    """A step of a plan that takes long is our own doing: no time limit of the server's, no blame."""
    with opened(own_dsn, lock_s=0.1) as store, opened(own_dsn) as operator:
        delivery = client(store).delivery([bucket(5)])
        with operator.planning(), pytest.raises(StoreBusy) as busy:
            store.write(delivery)
        assert busy.value.upstream == NOT_CALLED
        store.write(delivery)
        assert total_of(store) == 5


def test_sessions_ended_by_the_server_cost_no_delivery(own_dsn: str) -> None:
    """A pool of dead connections is noticed before it is used."""
    with opened(own_dsn) as store:
        sender = client(store)
        for total in range(1, 4):
            end_sessions(own_dsn)
            sender.send([bucket(total)])
        assert total_of(store) == 3


def end_sessions(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_server_that_takes_no_writes_is_no_success(own_dsn: str) -> None:
    """A failover to a replica that is not promoted yet: clients are told to come again, and reads go on."""
    with opened(own_dsn) as store:
        delivery = client(store).delivery([bucket(5)])
        name = psycopg.conninfo.conninfo_to_dict(own_dsn)["dbname"]
        for setting in ("on", "off"):
            with psycopg.connect(own_dsn, autocommit=True) as admin:
                admin.execute("SET default_transaction_read_only = off")
                admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {setting}")
            end_sessions(own_dsn)
            if setting == "on":
                with pytest.raises(StoreUnavailable) as away:
                    store.write(delivery)
                assert away.value.upstream.status == 503
                with pytest.raises(StoreUnavailable):
                    store.next_ticket(delivery.device)
                assert total_of(store) == 0
        store.write(delivery)
        assert total_of(store) == 5


def test_pool_whose_connections_are_all_at_work_is_busy_and_says_nothing_of_the_server(own_dsn: str) -> None:
    """Whoever finds no connection waits so long and no longer, and has asked the server for nothing."""
    store = PostgresStore(own_dsn, connections=1, wait_s=1.0)
    try:
        delivery = client(store).delivery([bucket(5)])
        with store.writing(), pytest.raises(StoreBusy) as busy:
            store.write(delivery)
        assert busy.value.upstream == NOT_CALLED
        store.write(delivery)
        assert total_of(store) == 5
    finally:
        store.close()


def test_statement_that_takes_too_long_is_a_timeout_of_ours(own_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends it, the client is told to come again, and nothing is written."""
    with opened(own_dsn) as store:
        delivery = client(store).delivery([bucket(5)])
        with monkeypatch.context() as patch:
            patch.setattr(postgres, "BY_INDEX", "SELECT set_config('statement_timeout', '50', true)")
            patch.setattr(postgres, "FENCE_SHARED", "SELECT pg_sleep(600)")
            with pytest.raises(StoreBusy) as busy:
                store.write(delivery)
        assert busy.value.timed_out
        store.write(delivery)
        assert total_of(store) == 5


class Paused(PostgresStore):
    """Is held up between its last statement and its commit until the server has had enough."""

    paused = True

    def accept_in(self, tx: Transaction, delivery: Delivery) -> Accepted:
        accepted = super().accept_in(tx, delivery)
        if self.paused:
            tx.run("SELECT set_config('idle_in_transaction_session_timeout', '1', true)")
            with psycopg.connect(self.url, autocommit=True) as watcher:
                while watcher.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
                ).fetchone():
                    watcher.execute("SELECT pg_sleep(0.005)")
        return accepted


def test_process_that_pauses_inside_a_transaction_is_no_success(own_dsn: str) -> None:
    """A process that was starved for longer than the server waits has written nothing, and says so."""
    store = Paused(own_dsn, wait_s=60.0, lock_s=60.0)
    try:
        delivery = client(store).delivery([bucket(5)])
        with pytest.raises(StoreUnavailable) as away:
            store.write(delivery)
        assert away.value.upstream.status == 503
        store.paused = False
        store.write(delivery)
        assert total_of(store) == 5
    finally:
        store.close()


class InTheWay(PostgresStore):
    """Its next transactions end as the server ends one of two that wait for each other, after all is written."""

    state, times = "40P01", 0

    def accept_in(self, tx: Transaction, delivery: Delivery) -> Accepted:
        accepted = super().accept_in(tx, delivery)
        if self.times:
            self.times -= 1
            tx.put(f"DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '{self.state}'; END $$")
        return accepted


@pytest.mark.parametrize("state", ["40P01", "40001"])
def test_transaction_in_the_way_of_others_is_tried_again_and_not_for_ever(own_dsn: str, state: str) -> None:
    """Deadlocks and failed serialisations are the database asking for another try: twice it gets one."""
    store = InTheWay(own_dsn, wait_s=60.0)
    store.state = state
    try:
        sender = client(store)
        store.times = 2
        sender.send([bucket(5)])
        store.times = 3
        with pytest.raises(StoreBusy) as busy:
            sender.send([bucket(6)])
        assert (busy.value.upstream.status, store.times) == (503, 0)
        assert (store.stats().last_delivery_id > 0, total_of(store)) == (True, 5)
        assert verify(store).findings == ()
    finally:
        store.close()


GONE = ""
"""What is told in place of a request id when a sender sends no more."""


def send_until_killed(sender: Client, confirmed: SimpleQueue[str], killed: Event) -> None:
    """Send one delivery after the other; on a slow machine one may be refused before, which confirms nothing."""
    for count in itertools.count():
        name = f"{sender.device.device_id}-{count}"
        try:
            sender.send([bucket(count), bucket(count, slot=1)], request_id=name)
        except StoreError:
            if killed.is_set():
                return
        else:
            confirmed.put(name)


def kill_the_server(rounds: int) -> int:
    """SIGKILL postmaster and children under load; how many deliveries were confirmed, all of which are there."""
    confirmed: set[str] = set()
    with server() as running:
        running.stop()
        running.start(durable=True)
        for _ in range(rounds):
            store = PostgresStore(running.dsn(), wait_s=2.0)
            senders = [client(store) for _ in range(4)]
            told, killed = SimpleQueue[str](), Event()

            with ThreadPoolExecutor(4) as pool:
                done = [pool.submit(send_until_killed, sender, told, killed) for sender in senders]
                for each in done:
                    each.add_done_callback(lambda _: told.put(GONE))  # noqa: B023 - told before the next round begins
                try:
                    for _ in range(40):
                        name = told.get()
                        assert name != GONE, "a sender gave up before the server was killed"
                        confirmed.add(name)
                finally:
                    killed.set()
                    running.kill()
                for each in done:
                    each.result()
            while not told.empty():
                confirmed.add(told.get())
            confirmed.discard(GONE)
            store.close()
            running.start(durable=True)
            with opened(running.dsn()) as again, again.reading() as tx:
                found = {name for (name,) in tx.rows("SELECT request_id FROM delivery")}
                assert confirmed <= found
                assert verify(again).findings == ()
    return len(confirmed)


@pytest.mark.skipif(DSN_VARIABLE in os.environ, reason="the server given is not ours to kill")
def test_server_killed_under_load_keeps_every_confirmed_delivery() -> None:
    """The database's durability is used, not assumed."""
    assert kill_the_server(1) >= 40
