"""The default store: one SQLite file, one writer at a time, durable at every commit."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, LifoQueue
from typing import ClassVar, Final, Literal
from uuid import uuid4

from attribute.ingest.model import (
    NOT_CALLED,
    Device,
    DeviceRevoked,
    Evidence,
    StoreBroken,
    StoreBusy,
    Ticket,
)
from attribute.ingest.stores import access, migrations, sqlite_file
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.elapsed import ms_since
from attribute.ingest.stores.errors import StoreNotOpenedError
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.sqlite_transaction import SqliteTransaction, failure_of
from attribute.ingest.stores.transaction import Transaction

PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA recursive_triggers = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32768",
)
"""FULL makes every commit durable; recursive triggers keep ``INSERT OR REPLACE`` from slipping past append-only."""

VOIDED_WAIT: Final = """
INSERT INTO vendor_pending
SELECT l.ledger_id FROM batch b CROSS JOIN ledger l
 WHERE l.ledger_id = b.ledger_id AND l.plan_id = :plan_id
   AND l.ledger_id <= (SELECT last_ledger_id FROM vendor_seen)
ON CONFLICT DO NOTHING
"""
"""Later rows begin to wait by themselves when the vendor's store next writes; without a vendor that is all of them."""
SAFE_VERSION: Final = (3, 51, 3)
READERS: Final = 8


def version_warning() -> str | None:
    """A sentence for the operator where the linked SQLite has a known bug that our locks keep away from."""
    if sqlite3.sqlite_version_info >= SAFE_VERSION:
        return None
    return (
        f"SQLite {sqlite3.sqlite_version} is older than 3.51.3: do not let other programs write to or checkpoint the "
        "database file while the service runs"
    )


class SqliteStore(RelationalStore):
    """
    A store in one file.

    Args:
        path: the file; made with mode 0600 if there is none.
        busy_s: how long a write waits for its turn.
        serving: whether this process hands out tickets; only one process per file may.
        create: whether a missing file is made.
        migrate: whether missing schema steps are tolerated, because a plan is about to apply them.
        steps: the schema's steps.

    Raises:
        StoreNotOpenedError: the file is not ours, newer, damaged, unsafe, closed to us, or served by another process.
        StoreError: the database did not answer, or was locked for too long.
    """

    kind: ClassVar[Literal["sqlite", "postgres", "vendor"]] = "sqlite"
    rejections = (sqlite3.IntegrityError, OverflowError)

    def __init__(
        self,
        path: Path,
        *,
        busy_s: float = 5.0,
        serving: bool = True,
        create: bool = True,
        migrate: bool = False,
        steps: tuple[migrations.Migration, ...] | None = None,
    ) -> None:
        super().__init__()
        self.path = path
        self.steps = migrations.shipped("sqlite") if steps is None else steps
        self._busy_s = busy_s
        self._turn = threading.Lock()
        self._broken = False
        self._version = 0
        self._closed = False
        self._readers: LifoQueue[sqlite3.Connection] = LifoQueue()
        self._readers_made = 0
        if not sqlite_file.exists(path):
            if not create:
                raise StoreNotOpenedError.not_there(str(path))
            sqlite_file.create(path)
        self._process_lock = sqlite_file.FileLock(path.with_name(path.name + "-lock"))
        self._serve_lock = sqlite_file.FileLock(path.with_name(path.name + "-serve")) if serving else None
        if self._serve_lock is not None and not self._serve_lock.try_hold():
            self._serve_lock.close()
            self._process_lock.close()
            raise StoreNotOpenedError.already_served(str(path))
        self._writer = self.connect()
        self._identity = sqlite_file.identity(path)
        try:
            self._prepare(tolerate_missing=migrate)
            with self.reading() as tx:
                self._last_ticket = int(tx.rows("SELECT coalesce(max(last_ticket), 0) FROM device")[0][0])
        except StoreBusy:
            self._busy_s = 0.0  # it was waited for already; nothing is open yet that a checkpoint could be of
            self.close()
            raise
        except BaseException:
            self.close()
            raise

    # --- opening ------------------------------------------------------------------------------------------------------

    def connect(self, *, mode: Literal["rw", "ro"] = "rw") -> sqlite3.Connection:
        """A connection that can write, or one that cannot."""
        started = time.perf_counter()
        with self._failures(started):
            return sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=self._busy_s,
                isolation_level=None,
                check_same_thread=False,
            )

    def _prepare(self, *, tolerate_missing: bool) -> None:
        with self._process_lock.held(time.monotonic() + self._busy_s) as got:
            if not got:
                raise StoreBusy("another process of ours is writing", NOT_CALLED)
            try:
                # Asked of SQLite, because what was written last may be in the log alone; and asked under the lock,
                # because two processes may make one file.
                fresh = self._writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
                if not fresh:
                    self._refuse_foreign()
                    self._refuse_newer()
                for pragma in PRAGMAS:
                    self._writer.execute(pragma)
                if fresh:
                    self._writer.execute("BEGIN IMMEDIATE")
                    self._apply_steps(self.steps, at_us=0)
                    self._writer.execute("INSERT INTO lineage VALUES (1, ?)", (str(uuid4()),))
                    self._writer.execute(f"PRAGMA application_id = {sqlite_file.APPLICATION_ID}")
                    self._writer.execute("COMMIT")
                    self._version = len(self.steps)
                for table in sql.STAGING:
                    self._writer.execute(table)
                if self.missing_steps() and not tolerate_missing:
                    raise StoreNotOpenedError.behind(str(self.path), self.schema_version(), len(self.steps))
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                    raise StoreNotOpenedError.damaged(str(self.path)) from error
                failure = failure_of(error, 0.0)
                if failure is None:
                    raise
                raise failure from error

    def _refuse_foreign(self) -> None:
        application_id = int(self._writer.execute("PRAGMA application_id").fetchone()[0])
        if application_id != sqlite_file.APPLICATION_ID:
            raise StoreNotOpenedError.foreign(str(self.path), application_id)

    def _refuse_newer(self) -> None:
        self._version = version = self._user_version()
        if version > len(self.steps):
            raise StoreNotOpenedError.newer(str(self.path), version, len(self.steps))

    def schema_version(self) -> int:
        """The number of the last migration."""
        return self._version

    def _user_version(self) -> int:
        return int(self._writer.execute("PRAGMA user_version").fetchone()[0])

    def missing_steps(self) -> tuple[migrations.Migration, ...]:
        """Schema steps that are not applied yet."""
        try:
            return migrations.missing(self.steps, dict(self._writer.execute(migrations.APPLIED).fetchall()))
        except migrations.ChangedMigration as changed:
            raise StoreNotOpenedError.changed_migration(str(self.path), changed.number) from changed

    def migrate_in(self, tx: Transaction, *, at_us: int) -> None:  # noqa: ARG002 - the writer's transaction is the only one
        """Apply the missing schema steps; for `attribute ingest apply` alone."""
        self._apply_steps(self.missing_steps(), at_us=at_us)

    def migrated(self) -> None:
        """Take note of the schema version."""
        with self._turn:
            self._version = self._user_version()

    def _apply_steps(self, steps: tuple[migrations.Migration, ...], *, at_us: int) -> None:
        self._writer.execute(migrations.MIGRATION_TABLE)
        for step in steps:
            for statement in _split(step.text):
                self._writer.execute(statement)
            self._writer.execute(
                migrations.RECORD, {"number": step.number, "name": step.name, "sha256": step.sha256, "at_us": at_us}
            )
            self._writer.execute(f"PRAGMA user_version = {step.number:d}")

    def close(self) -> None:
        """Let go of every connection and lock."""
        if self._closed:
            return
        self._closed = True
        with self._turn:
            while not self._readers.empty():
                self._readers.get_nowait().close()
            with self._process_lock.held(time.monotonic() + self._busy_s):
                self._writer.close()
            self._process_lock.close()
            if self._serve_lock is not None:
                self._serve_lock.close()

    # --- transactions -------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[SqliteTransaction]:
        """The writer's transaction: durable when the block has ended well."""
        started = time.perf_counter()
        deadline = time.monotonic() + self._busy_s
        if self._broken:
            raise StoreBroken("stopped after an I/O error", Evidence(500, 0.0))
        if not self._turn.acquire(timeout=self._busy_s):
            raise StoreBusy("another thread of ours is writing", NOT_CALLED)
        try:
            with self._failures(started), self._process_lock.held(deadline) as got:
                if not got:
                    raise StoreBusy("another process of ours is writing", NOT_CALLED)
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield SqliteTransaction(self._writer)
                    self._refuse_moved(started)
                    self._writer.execute("COMMIT")
                except BaseException:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                    raise
        finally:
            self._turn.release()

    def _refuse_moved(self, started: float) -> None:
        """What is committed into a file that nobody will open again is not durable: SQLite itself does not look."""
        if sqlite_file.identity(self.path) != self._identity:
            self._broken = True
            raise StoreBroken("the database file was moved away or replaced", Evidence(500, ms_since(started)))

    @contextmanager
    def planning(self) -> Iterator[SqliteTransaction]:
        """With one writer at a time, no other writer is ever under way."""
        with self.writing() as tx:
            yield tx

    @contextmanager
    def applying(self) -> Iterator[bool]:
        """A lock of the operating system on a file beside the database: it does not outlive its process."""
        lock = sqlite_file.FileLock(self.path.with_name(self.path.name + "-plan"))
        try:
            yield lock.try_hold()
        finally:
            lock.close()

    def make_way(self) -> None:
        """Writers of other processes look for the lock every now and then: leave it alone for as long as they need."""
        time.sleep(sqlite_file.PATIENCE_S)

    @contextmanager
    def reading(self) -> Iterator[SqliteTransaction]:
        """A snapshot on a connection that cannot write."""
        started = time.perf_counter()
        with self._failures(started):
            connection = self._reader()
            try:
                connection.execute("BEGIN")
                yield SqliteTransaction(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._readers.put(connection)

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._readers.get_nowait()
        except Empty:
            with self._keys_lock:
                may_make = self._readers_made < READERS
                self._readers_made += may_make
        if may_make:
            try:
                return self.connect(mode="ro")
            except BaseException:
                with self._keys_lock:
                    self._readers_made -= 1
                raise
        try:
            return self._readers.get(timeout=self._busy_s)
        except Empty:
            raise StoreBusy("all readers are at work", NOT_CALLED) from None

    @contextmanager
    def _failures(self, started: float) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            failure = failure_of(error, ms_since(started))
            if failure is None:
                raise
            self._broken = self._broken or isinstance(failure, StoreBroken)
            raise failure from error

    # --- the rest -----------------------------------------------------------------------------------------------------

    def next_ticket(self, device: Device) -> Ticket:
        """A place in line, from a counter of the one serving process."""
        if self._serve_lock is None:
            raise ValueError("only a serving store hands out tickets")
        with self.reading() as tx:
            found = tx.rows(access.TICKET_EPOCH, device_id=device.device_id)
        if not found:
            raise DeviceRevoked
        with self._keys_lock:
            self._last_ticket += 1
            return Ticket(int(found[0][0]), self._last_ticket)

    def voided(self, tx: Transaction, plan_id: int) -> None:
        """Rows that a vendor has, or is to get, wait for it once more: with them it hears that their plan is void."""
        tx.run(VOIDED_WAIT, plan_id=plan_id)

    def wal_bytes(self) -> int:
        """Size of the write-ahead log."""
        wal = self.path.with_name(self.path.name + "-wal")
        return wal.stat().st_size if wal.exists() else 0

    def renumber(self, tx: Transaction) -> None:
        """SQLite goes on after the greatest number by itself; tickets are counted here."""
        last = int(tx.rows("SELECT coalesce(max(last_ticket), 0) FROM device")[0][0])
        with self._keys_lock:
            self._last_ticket = max(self._last_ticket, last)

    def damage(self) -> list[str]:
        """What SQLite's own checks find wrong."""
        with self.reading() as tx:
            found = [str(row[0]) for row in tx.rows("PRAGMA integrity_check(20)")]
            strays = [f"a row of {row[0]} refers to nothing" for row in tx.rows("PRAGMA foreign_key_check")]
        return [*(text for text in found if text != "ok"), *strays[:20]]

    def backup(self, target: Path) -> bool:
        """
        Write a whole, checked copy of the database to a file that is not there yet.

        Raises:
            StoreNotOpenedError: there is such a file, or the copy is damaged.
        """
        with sqlite_file.whole(target) as part:
            with (
                self._turn,
                self._process_lock.held(time.monotonic() + self._busy_s),
                self._failures(time.perf_counter()),
            ):
                self._writer.execute("VACUUM INTO ?", (str(part),))
            copy = sqlite3.connect(part)
            try:
                if copy.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                    raise StoreNotOpenedError.damaged(str(target))
            finally:
                copy.close()
        return True


def _split(text: str) -> Iterator[str]:
    gathered = ""
    for piece in text.splitlines(keepends=True):
        gathered += piece
        if sqlite3.complete_statement(gathered):
            yield gathered
            gathered = ""
    if gathered.strip():
        yield gathered
