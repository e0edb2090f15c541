"""Which files are opened, how, and what is refused untouched."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from attribute.ingest.model import NOT_CALLED, Delivery, StoreBroken, StoreBusy, StoreError, StoreFull, StoreUnavailable
from attribute.ingest.plans.apply import apply
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.make import plan_schema
from attribute.ingest.plans.rollback import rollback
from attribute.ingest.stores import migrations
from attribute.ingest.stores.errors import StoreNotOpenedError
from attribute.ingest.stores.interface import StoreOptions
from attribute.ingest.stores.ledger import accept
from attribute.ingest.stores.migrations import Migration
from attribute.ingest.stores.opening import open_store
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.sqlite import READERS, SqliteStore
from attribute.ingest.verify import verify
from tests.ingest_store.helpers import NOW_US, Client, bucket, client, sqlite_store, total_of


def made(path: Path) -> Path:
    """A closed store with one delivery."""
    store = SqliteStore(path)
    client(store).send([bucket(5)])
    store.close()
    return path


def foreign(path: Path) -> None:
    other = sqlite3.connect(path)
    other.executescript("PRAGMA application_id = 7; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
    other.close()
    path.chmod(0o600)


def nameless(path: Path) -> None:
    other = sqlite3.connect(path)
    other.executescript("CREATE TABLE t (x)")
    other.close()
    path.chmod(0o600)


def newer(path: Path) -> None:
    made(path)
    other = sqlite3.connect(path)
    other.executescript("PRAGMA user_version = 999")
    other.close()


def other_steps(path: Path) -> None:
    made(path)
    other = sqlite3.connect(path)
    other.execute("UPDATE migration SET sha256 = 'x' WHERE number = 1")
    other.commit()
    other.close()


def truncated(path: Path) -> None:
    os.truncate(made(path), 8192)


def header_only(path: Path) -> None:
    path.write_bytes(made(path.with_name("other.db")).read_bytes()[:100])
    path.chmod(0o600)


def text(path: Path) -> None:
    path.write_text("not a database, but somebody's only copy")
    path.chmod(0o600)


def link(path: Path) -> None:
    path.symlink_to(made(path.with_name("target.db")))


def open_to_all(path: Path) -> None:
    made(path).chmod(0o666)


def fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


REFUSED: list[tuple[Callable[[Path], None], str]] = [
    (foreign, "belongs to another program"),
    (nameless, "belongs to another program"),
    (newer, "has schema version 999, this release knows 1"),
    (other_steps, "migration 1 was applied with another text"),
    (truncated, "has 8192 bytes, its header says"),
    (header_only, "its header says"),
    (text, "is not an SQLite database"),
    (link, "is a symbolic link"),
    (open_to_all, "has mode 0666, expected 0600"),
    (fifo, "is not a regular file"),
    (Path.mkdir, "is not a regular file"),
]


@pytest.mark.parametrize(("make", "sentence"), REFUSED)
def test_file_that_is_not_ours_is_refused_untouched(
    tmp_path: Path, make: Callable[[Path], None], sentence: str
) -> None:
    """A refusal says why in one line, and leaves not a byte different."""
    path = tmp_path / "usage.db"
    make(path)
    target = path.resolve()
    before = sha256(target.read_bytes()).hexdigest() if target.is_file() else None
    with pytest.raises(StoreNotOpenedError) as refused:
        SqliteStore(path)
    assert sentence in refused.value.message
    if target.is_file():
        assert sha256(target.read_bytes()).hexdigest() == before
    assert not path.with_name("usage.db-wal").exists() or path.with_name("usage.db-wal").stat().st_size == 0


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs"])
def test_file_system_of_another_machine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Over a network locks and shared memory are promises of somebody else: no file is made there, and none opened."""
    mounts = tmp_path / "mounts"
    told = str(tmp_path).replace(" ", "\\040")
    mounts.write_text(
        "22 27 0:21 / / rw,relatime - ext4 /dev/root rw\n"
        f"23 22 0:22 / {told} rw,relatime shared:1 - {kind} far:/away rw\n"
        f"24 23 0:23 / {told}/near rw,relatime - ext4 /dev/disk rw\n"
    )
    monkeypatch.setattr("attribute.ingest.stores.sqlite_file.MOUNTS", mounts)
    with pytest.raises(StoreNotOpenedError, match=f"lies on a file system of kind `{kind}`"):
        SqliteStore(tmp_path / "usage.db")
    assert list(tmp_path.iterdir()) == [mounts]
    (tmp_path / "near").mkdir()
    SqliteStore(tmp_path / "near" / "usage.db").close()


def test_file_without_its_log_is_whole_as_of_its_last_checkpoint(tmp_path: Path) -> None:
    """A log that was left behind cannot be missed; what is left is never torn."""
    (tmp_path / "copy").mkdir()
    with sqlite_store(tmp_path) as store:
        sender = client(store)
        sender.send([bucket(5)])
    with sqlite_store(tmp_path) as store:
        Client(store, sender.device).send([bucket(7)])
        shutil.copy(tmp_path / "usage.db", tmp_path / "copy" / "usage.db")
    with sqlite_store(tmp_path / "copy") as copy:
        assert (total_of(copy), verify(copy).findings) == (5, ())


def test_damaged_pages_are_reported_not_crashed_on(tmp_path: Path) -> None:
    """A whole header over broken pages is a damaged database."""
    path = made(tmp_path / "usage.db")
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 8000)
    with pytest.raises(StoreNotOpenedError, match="is damaged"):
        SqliteStore(path)


def test_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    """Where the file cannot be, the sentence says so."""
    with pytest.raises(StoreNotOpenedError, match="the folder is missing"):
        SqliteStore(tmp_path / "nowhere" / "usage.db")


@pytest.mark.parametrize("size", [0, None])
def test_new_file_is_private_and_set_up_for_durability(tmp_path: Path, size: int | None) -> None:
    """Mode 0600, write-ahead log, full synchronisation, strict tables; an empty file counts as none."""
    path = tmp_path / "usage.db"
    if size == 0:
        path.touch(0o600)
    with sqlite_store(tmp_path) as store:
        assert isinstance(store, SqliteStore)
        names = (
            "journal_mode",
            "synchronous",
            "foreign_keys",
            "trusted_schema",
            "recursive_triggers",
            "application_id",
        )
        found = {name: store._writer.execute(f"PRAGMA {name}").fetchone()[0] for name in names}
        loose = store._writer.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
                                      "AND NOT strict AND name NOT LIKE 'sqlite%'").fetchall()  # fmt: skip
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "recursive_triggers": 1,
        "application_id": 0x41545452,
    }
    assert loose == [("migration",)]
    assert path.stat().st_mode & 0o777 == 0o600


def test_file_is_served_by_one_process(tmp_path: Path) -> None:
    """Tickets come from one place; tools beside it may open the file, and deliveries go on."""
    with sqlite_store(tmp_path) as store:
        sender = client(store)
        with pytest.raises(StoreNotOpenedError, match="is served by another process"):
            SqliteStore(tmp_path / "usage.db")
        beside = SqliteStore(tmp_path / "usage.db", serving=False)
        client(beside, "user-2")
        sender.send([bucket(1)])
        assert total_of(beside) == 1
        with pytest.raises(ValueError, match="only a serving store"):
            beside.next_ticket(sender.device)
        beside.close()


def test_file_whose_content_is_in_the_log_alone_is_opened(tmp_path: Path) -> None:
    """A process that died before its first checkpoint left everything in the write-ahead log."""
    with sqlite_store(tmp_path) as store:
        client(store).send([bucket(5)])
        (tmp_path / "copy").mkdir()
        for name in ("usage.db", "usage.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / "copy" / name)
    assert (tmp_path / "copy" / "usage.db").stat().st_size <= 4096
    with sqlite_store(tmp_path / "copy") as copy:
        assert total_of(copy) == 5


def test_tickets_go_on_after_a_restart(tmp_path: Path) -> None:
    """A delivery after a restart outranks every one before it."""
    with sqlite_store(tmp_path) as store:
        device = client(store)
        for total in (1, 2, 3):
            device.send([bucket(total)])
    with sqlite_store(tmp_path) as store:
        type(device)(store, device.device).send([bucket(4)])
        assert total_of(store) == 4


def test_file_missing_where_one_must_be_is_said(tmp_path: Path) -> None:
    """A proof about nothing is no proof."""
    with pytest.raises(StoreNotOpenedError, match="there is no database"):
        open_store(StoreOptions(url=str(tmp_path / "usage.db")), create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (StoreOptions(url="mysql://x"), "mysql: is no kind of store"),
        (StoreOptions(url="postgresql://x", vendor_url="http://v"), "needs an SQLite file"),
        *(
            (StoreOptions(url="usage.db", vendor_url=address), "the vendor's URL is no address")
            for address in (
                "",
                "x",
                "x:80",
                "ftp://x",
                "http://",
                "http://x:99999",
                "http://[::1",
                "http://x/?a=b",
                "http://x/#a",
            )
        ),
    ],
)
def test_address_of_no_store_is_said(options: StoreOptions, sentence: str) -> None:
    """Not every address is a store."""
    with pytest.raises(StoreNotOpenedError, match=sentence):
        open_store(options)


# --- append-only ------------------------------------------------------------------------------------------------------

DATABASE_ERRORS = (sqlite3.Error, psycopg.Error)
CHANGES = [
    "UPDATE ledger SET t_total = 0",
    "DELETE FROM ledger",
    "UPDATE delivery SET inserted = 0",
    "DELETE FROM delivery",
    "UPDATE rule SET w_in = 0",
    "DELETE FROM rule",
    "DELETE FROM seal",
    "UPDATE seal SET last_delivery_id = 9",
]


@pytest.mark.parametrize("change", CHANGES)
def test_history_cannot_be_changed(database_store: RelationalStore, change: str) -> None:
    """The database itself refuses; no code of ours has to remember."""
    client(database_store).send([bucket(5)])
    database_store.seal()
    digest = database_store.digest()
    with pytest.raises(DATABASE_ERRORS, match="append-only"), database_store.planning() as tx:
        tx.run(change)
    assert database_store.digest() == digest


@pytest.mark.parametrize("table", ["ledger", "delivery", "rule", "seal"])
def test_history_cannot_be_replaced(tmp_path: Path, table: str) -> None:
    """`INSERT OR REPLACE` deletes first, and recursive triggers see it."""
    with sqlite_store(tmp_path) as store:
        client(store).send([bucket(5)])
        store.seal()
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), store.planning() as tx:
            tx.run(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


# --- faults of the disk and of others ---------------------------------------------------------------------------------


def test_full_disk_is_a_refusal_and_leaves_nothing_torn(tmp_path: Path) -> None:
    """Every delivery either is there whole or is not, and writing goes on when there is room again."""
    with sqlite_store(tmp_path) as store:
        assert isinstance(store, SqliteStore)
        sender = client(store)
        sender.send([bucket(1)])
        pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
        store._writer.execute(f"PRAGMA max_page_count = {pages + 6}")
        refused = 0
        for number in range(30):
            try:
                sender.send([bucket(number, slot=n, model=f"m{number}") for n in range(20)])
            except StoreFull as full:
                refused += 1
                seen = full.upstream.status
        assert (refused > 20, seen) == (True, 507)
        assert verify(store).findings == ()
        store._writer.execute("PRAGMA max_page_count = 1000000")
        sender.send([bucket(2)])
        assert verify(store).findings == ()


def test_readers_that_could_not_be_opened_are_no_readers(tmp_path: Path) -> None:
    """However often it failed while the file was away, as many read at one time as before once it is back."""
    path = made(tmp_path / "usage.db")
    store = SqliteStore(path, busy_s=0.0)
    with store.reading():
        path.rename(tmp_path / "away.db")
        for _ in range(READERS):
            with pytest.raises(StoreUnavailable), store.reading():
                pass
        (tmp_path / "away.db").rename(path)
        with store.reading() as tx:
            assert tx.rows("SELECT 1") == [(1,)]
    store.close()


@pytest.mark.parametrize("instead", [None, "another file", "the copy"])
def test_delivery_into_a_file_that_was_moved_away_is_not_confirmed(tmp_path: Path, instead: str | None) -> None:
    """What lies under the name now is what the next start opens: nothing is confirmed that is not in there."""
    with sqlite_store(tmp_path) as store:
        assert isinstance(store, SqliteStore)
        sender = client(store)
        sender.send([bucket(1)])
        store.path.rename(tmp_path / "away.db")
        if instead is not None:
            shutil.copyfile(tmp_path / "away.db", store.path)
        for attempt in (lambda: sender.send([bucket(2)]), store.check):
            with pytest.raises(StoreBroken):
                attempt()
        assert total_of(store) == 1


def test_lock_held_by_somebody_else_is_waited_for_and_then_busy(tmp_path: Path) -> None:
    """A foreign lock costs the wait and an answer that says busy; afterwards all is as before."""
    store = SqliteStore(tmp_path / "usage.db", busy_s=0.2)
    try:
        sender = client(store)
        delivery = sender.delivery([bucket(1)])
        other = sqlite3.connect(tmp_path / "usage.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy) as busy:
            store.write(delivery)
        assert busy.value.upstream.status == 503
        assert busy.value.upstream.latency_ms >= 150
        with pytest.raises(StoreBusy):
            store.check()
        other.execute("ROLLBACK")
        other.close()
        store.write(delivery)
        assert total_of(store) == 1
    finally:
        store.close()


@pytest.mark.parametrize("holder", ["another thread", "another process"])
def test_lock_of_our_own_is_waited_for_and_says_nothing_of_the_database(tmp_path: Path, holder: str) -> None:
    """While a plan or another writer of ours is at work, the database is not asked: no status, no time, no call."""
    store = SqliteStore(tmp_path / "usage.db", busy_s=0.05)
    other = store if holder == "another thread" else SqliteStore(tmp_path / "usage.db", serving=False)
    try:
        delivery = client(store).delivery([bucket(1)])
        with other.planning(), pytest.raises(StoreBusy) as busy:
            store.write(delivery)
        assert busy.value.upstream == NOT_CALLED
        store.write(delivery)
        assert total_of(store) == 1
    finally:
        store.close()
        other.close()


FAILURES = [
    (sqlite3.SQLITE_BUSY, StoreBusy, 503, True),
    (sqlite3.SQLITE_LOCKED, StoreBusy, 503, True),
    (sqlite3.SQLITE_FULL, StoreFull, 507, True),
    (sqlite3.SQLITE_IOERR_WRITE, StoreUnavailable, 500, True),
    (sqlite3.SQLITE_IOERR_READ, StoreUnavailable, 500, True),
    (sqlite3.SQLITE_READONLY, StoreUnavailable, 500, True),
    (sqlite3.SQLITE_CANTOPEN, StoreUnavailable, 500, True),
    (sqlite3.SQLITE_NOMEM, StoreUnavailable, 500, True),
    (sqlite3.SQLITE_IOERR_FSYNC, StoreBroken, 500, False),
    (sqlite3.SQLITE_IOERR_DIR_FSYNC, StoreBroken, 500, False),
    (sqlite3.SQLITE_CORRUPT, StoreBroken, 500, False),
]


@pytest.mark.parametrize(("code", "kind", "status", "goes_on"), FAILURES)
def test_failure_of_the_file_has_its_name_and_leaves_nothing(
    tmp_path: Path, code: int, kind: type[StoreError], status: int, goes_on: bool
) -> None:
    """After a failed synchronisation or found damage nobody knows what is on the disk: no more writes."""

    error = sqlite3.OperationalError("failed")
    error.sqlite_errorcode = code

    def fail(store: RelationalStore, sent: Delivery) -> None:
        with store.writing() as tx:
            accept(tx, sent)
            raise error

    with sqlite_store(tmp_path) as store:
        sender = client(store)
        sender.send([bucket(1)])
        sent = sender.delivery([bucket(2)])
        with pytest.raises(kind) as failed:
            fail(store, sent)
        assert failed.value.upstream.status == status
        assert total_of(store) == 1
        if goes_on:
            store.write(sent)
        else:
            with pytest.raises(StoreBroken):
                store.write(sent)


# --- schema steps -----------------------------------------------------------------------------------------------------

SECOND = """CREATE TABLE extra (x INTEGER NOT NULL) STRICT;
CREATE INDEX extra_x ON extra (x);
INSERT INTO extra VALUES (1);
"""


def steps(*texts: str) -> tuple[Migration, ...]:
    first = migrations.shipped("sqlite")
    return first + tuple(
        Migration(number=len(first) + 1 + n, name="more", text=said, sha256=sha256(said.encode()).hexdigest())
        for n, said in enumerate(texts)
    )


def test_database_behind_its_release_is_migrated_by_a_plan_alone(tmp_path: Path) -> None:
    """Opening changes no schema; the plan does, once, and notes it in the same transaction."""
    path = made(tmp_path / "usage.db")
    with pytest.raises(StoreNotOpenedError, match="has schema version 1, this release needs 2"):
        SqliteStore(path, steps=steps(SECOND))
    store = SqliteStore(path, steps=steps(SECOND), migrate=True)
    plan = plan_schema(store, reason="r", now_us=NOW_US)
    assert plan.scope == {"from_version": 1, "steps": 1}
    apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
    assert (store.schema_version(), store.missing_steps()) == (2, ())
    assert verify(store).holds
    with pytest.raises(PlanError, match="schema steps only go forward"):
        rollback(store, 1, now_us=NOW_US)
    with store.planning() as tx:
        tx.run("UPDATE plan SET state = 'applying'")  # cut off between the step and the note that the plan is applied
    with pytest.raises(PlanError, match="schema steps only go forward"):
        rollback(store, 1, now_us=NOW_US)
    store.close()
    with pytest.raises(StoreNotOpenedError, match="has schema version 2, this release knows 1"):
        SqliteStore(path)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_migration_that_fails_at_any_statement_leaves_the_old_schema(tmp_path: Path, cut: int) -> None:
    """Old or new, never between."""
    path = made(tmp_path / "usage.db")
    before = schema_of(path)
    lines = SECOND.splitlines(keepends=True)
    broken = "".join([*lines[:cut], "INSERT INTO nowhere VALUES (1);\n", *lines[cut:]])
    store = SqliteStore(path, steps=steps(broken), migrate=True)
    plan = plan_schema(store, reason="r", now_us=NOW_US)
    with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
        apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
    store.close()
    assert schema_of(path) == before


def schema_of(path: Path) -> list[tuple[object, ...]]:
    other = sqlite3.connect(path)
    found = other.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
    found += other.execute("PRAGMA user_version").fetchall()
    other.close()
    return found


def test_shipped_steps_count_up_and_exist_for_both_databases() -> None:
    """Step n of one database is step n of the other."""
    one, other = migrations.shipped("sqlite"), migrations.shipped("postgres")
    assert [step.number for step in one] == list(range(1, len(one) + 1))
    assert [(step.number, step.name) for step in one] == [(step.number, step.name) for step in other]
