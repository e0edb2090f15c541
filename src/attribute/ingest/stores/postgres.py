"""The store over PostgreSQL: many writers, kept apart by locks that are always taken in one order."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Final, Literal
from uuid import uuid4

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from attribute.ingest.model import (
    NOT_CALLED,
    CommitInDoubt,
    Delivery,
    Device,
    DeviceRevoked,
    Evidence,
    StoreBroken,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnavailable,
    Ticket,
)
from attribute.ingest.stores import migrations
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.elapsed import ms_since
from attribute.ingest.stores.errors import StoreNotOpenedError
from attribute.ingest.stores.ledger import Accepted
from attribute.ingest.stores.postgres_transaction import PostgresTransaction
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.transaction import Row, Transaction, one

logging.getLogger("psycopg").addHandler(logging.NullHandler())
"""The driver warns with what the server said, which may quote a row; without a handler that goes to standard error."""

FENCE_SHARED: Final = "SELECT pg_advisory_xact_lock_shared(1096045650, 1)"
FENCE_ALONE: Final = "SELECT pg_advisory_xact_lock(1096045650, 1)"
"""Writers hold the fence together, a plan's step holds it alone: between two steps every writer sees the last one."""

APPLYING: Final = "SELECT pg_try_advisory_lock(1096045650, 2)"
APPLIED: Final = "SELECT pg_advisory_unlock(1096045650, 2)"


def _options(lock_s: float) -> str:
    """Settings of every session: a statement may take 5 s beside its wait for a lock, a pause of ours 7 s."""
    lock_ms = round(lock_s * 1000)
    limits = {"lock": lock_ms, "statement": lock_ms + 5000, "idle_in_transaction_session": lock_ms + 7000}
    return " ".join(["-c jit=off", *(f"-c {name}_timeout={limit_ms}" for name, limit_ms in limits.items())])


BY_INDEX: Final = """
SELECT set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)
"""
"""A delivery is at most 500 rows against tables of any size. A plan is made once a connection, maybe over tables that
are still empty, and must do for those they become."""

PLAN_TIMEOUTS: Final = ("SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0")
STAGING: Final = tuple(
    table.replace("TEXT NOT NULL", 'TEXT COLLATE "C" NOT NULL').rstrip() + " ON COMMIT DELETE ROWS"
    for table in sql.STAGING
)
"""Made where a plan's step needs them and not with the connection: a server that only reads lets nobody make one."""

NEXT_TICKET: Final = """
SELECT (epoch / 2) * 2 + 1, nextval('ticket') FROM device WHERE device_id = :device_id
"""
RENUMBER: Final = (
    "SELECT setval(pg_get_serial_sequence('plan', 'plan_id'), greatest(1, (SELECT max(plan_id) FROM plan)))",
    "SELECT setval(pg_get_serial_sequence('delivery', 'delivery_id'), coalesce(max(delivery_id), 1)) FROM delivery",
    "SELECT setval(pg_get_serial_sequence('ledger', 'ledger_id'), greatest(1, (SELECT max(ledger_id) FROM ledger)))",
    "SELECT setval('ticket', greatest(1, (SELECT max(last_ticket) FROM device)))",
)
MAX_ATTEMPTS: Final = 3
LATE_BY_OTHERS: Final = (pg.DeadlockDetected, pg.SerializationFailure)
_MEANING: Final[tuple[tuple[tuple[type[psycopg.Error], ...], type[StoreError], str, int | Literal["timeout"]], ...]] = (
    ((pg.DiskFull,), StoreFull, "disk full", 507),
    ((pg.QueryCanceled, pg.LockNotAvailable), StoreBusy, "waited too long", "timeout"),
    ((*LATE_BY_OTHERS, pg.TooManyConnections), StoreBusy, "in the way of others", 503),
    ((pg.ReadOnlySqlTransaction,), StoreUnavailable, "the server takes no writes", 503),
    ((pg.IdleInTransactionSessionTimeout,), StoreUnavailable, "we paused too long, nothing written", 503),
    ((pg.DataCorrupted, pg.IndexCorrupted, pg.IoError), StoreBroken, "the database reports damage", 500),
)


class PostgresStore(RelationalStore):
    """
    A store in a PostgreSQL database.

    Args:
        url: a connection string; the role needs the rights of ``attribute_app``, or of the owner for plans.
        connections: the most that are open at once.
        wait_s: how long a request waits for a free connection, and connecting for the server.
        lock_s: how long a statement waits for a lock that somebody else holds.
        migrate: whether missing schema steps are tolerated, because a plan is about to apply them.
        steps: the schema's steps.

    Raises:
        StoreNotOpenedError: not reachable, newer, or set up so that a confirmed commit may be lost.
        StoreBusy: a plan is at work for longer than we wait.
    """

    kind: ClassVar[Literal["sqlite", "postgres", "vendor"]] = "postgres"
    rejections = (psycopg.IntegrityError, psycopg.DataError)

    def __init__(
        self,
        url: str,
        *,
        connections: int = 8,
        wait_s: float = 5.0,
        lock_s: float = 3.0,
        create: bool = True,
        migrate: bool = False,
        steps: tuple[migrations.Migration, ...] | None = None,
    ) -> None:
        super().__init__()
        self.url = url
        self._session: dict[str, Any] = {"options": _options(lock_s), "connect_timeout": max(1, int(wait_s))}
        self.steps = migrations.shipped("postgres") if steps is None else steps
        self._where = _address(url)
        self._version = 0
        self._lent = 0
        self._pool = ConnectionPool(
            url,
            min_size=1,
            max_size=connections,
            timeout=wait_s,
            kwargs=self._session,
            check=ConnectionPool.check_connection,
            open=False,
        )
        try:
            self._prepare(create=create, tolerate_missing=migrate)
        except pg.LockNotAvailable as error:
            raise StoreBusy("a plan of ours, or a writer before it, holds the fence", NOT_CALLED) from error
        except (psycopg.OperationalError, pg.InsufficientPrivilege) as error:
            raise StoreNotOpenedError.unreachable(self._where) from error
        self._pool.open()

    def _prepare(self, *, create: bool, tolerate_missing: bool) -> None:
        with psycopg.connect(self.url, **self._session) as connection:
            tx = PostgresTransaction(connection)
            durable = tx.rows("SELECT current_setting('synchronous_commit')")[0][0]
            if durable == "off":
                raise StoreNotOpenedError.not_durable(self._where, "synchronous_commit", durable)
            connection.execute(FENCE_ALONE)
            if tx.rows("SELECT to_regclass('migration')")[0][0] is None:
                if not create:
                    raise StoreNotOpenedError.not_there(self._where)
                self._apply_steps(tx, self.steps, at_us=0)
                tx.run("INSERT INTO lineage VALUES (1, :uuid)", uuid=str(uuid4()))
            self._version = int(tx.rows("SELECT max(number) FROM migration")[0][0])
            if self._version > len(self.steps):
                raise StoreNotOpenedError.newer(self._where, self._version, len(self.steps))
            if self._missing(tx) and not tolerate_missing:
                raise StoreNotOpenedError.behind(self._where, self._version, len(self.steps))

    def schema_version(self) -> int:
        """The number of the last migration."""
        return self._version

    def missing_steps(self) -> tuple[migrations.Migration, ...]:
        """Schema steps that are not applied yet."""
        with self.reading() as tx:
            return self._missing(tx)

    def _missing(self, tx: Transaction) -> tuple[migrations.Migration, ...]:
        try:
            return migrations.missing(self.steps, {int(row[0]): row[1] for row in tx.rows(migrations.APPLIED)})
        except migrations.ChangedMigration as changed:
            raise StoreNotOpenedError.changed_migration(self._where, changed.number) from changed

    def migrate_in(self, tx: Transaction, *, at_us: int) -> None:
        """Apply the missing schema steps; for `attribute ingest apply` alone."""
        assert isinstance(tx, PostgresTransaction)
        self._apply_steps(tx, self._missing(tx), at_us=at_us)

    def migrated(self) -> None:
        """Take note of the schema version."""
        with self.reading() as tx:
            self._version = int(tx.rows("SELECT max(number) FROM migration")[0][0])

    def renumber(self, tx: Transaction) -> None:
        """Set the sequences to go on after the greatest number."""
        for statement in RENUMBER:
            tx.rows(statement)

    def backup(self, target: Path) -> bool:  # noqa: ARG002 - a server's backups are its operator's
        """No copy is made here: `pg_dump` or the server's archive is the operator's duty."""
        return False

    def damage(self) -> list[str]:
        """PostgreSQL has no check of its own that a client may run."""
        return []

    @staticmethod
    def _apply_steps(tx: PostgresTransaction, steps: tuple[migrations.Migration, ...], *, at_us: int) -> None:
        tx.run(migrations.MIGRATION_TABLE)
        for step in steps:
            tx.script(step.text)
            tx.run(migrations.RECORD, number=step.number, name=step.name, sha256=step.sha256, at_us=at_us)

    def close(self) -> None:
        """Let go of every connection."""
        self._pool.close()

    # --- transactions -------------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[PostgresTransaction]:
        """A transaction beside other writers, behind the fence; what is sent is waited for where it is asked about."""
        with self._transaction(BY_INDEX, FENCE_SHARED, pipelined=True) as tx:
            yield tx

    @contextmanager
    def planning(self) -> Iterator[PostgresTransaction]:
        """A transaction with the fence to itself."""
        with self._transaction(*PLAN_TIMEOUTS, FENCE_ALONE, *STAGING) as tx:
            yield tx

    @contextmanager
    def applying(self) -> Iterator[bool]:
        """A lock of a session of its own: the server lets go of it when the session ends, and so with its process."""
        started = time.perf_counter()
        try:
            connection = psycopg.connect(self.url, autocommit=True, **self._session)
        except psycopg.OperationalError as error:
            raise StoreUnavailable("the database is away", Evidence(503, ms_since(started))) from error
        with closing(connection):
            alone = bool(connection.execute(APPLYING).fetchall()[0][0])
            try:
                yield alone
            finally:
                if alone:  # said aloud, because a server takes note of a closed session only some time later
                    with suppress(psycopg.OperationalError):
                        connection.execute(APPLIED)

    @contextmanager
    def reading(self) -> Iterator[PostgresTransaction]:
        """A read-only snapshot."""
        with self._transaction("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY") as tx:
            yield tx

    @contextmanager
    def asking(self) -> Iterator[PostgresTransaction]:
        """Each query is a transaction of its own: one trip to the server."""
        with self._connection() as connection:
            connection.autocommit = True
            try:
                yield PostgresTransaction(connection)
            finally:
                if not connection.closed:
                    connection.autocommit = False

    @contextmanager
    def _transaction(self, *first: str, pipelined: bool = False) -> Iterator[PostgresTransaction]:
        started = time.perf_counter()
        with self._connection() as connection:
            begun: list[psycopg.Cursor[Row]] = []
            try:
                with connection.pipeline() as pipeline:
                    for statement in first:
                        begun.append(connection.execute(statement))  # noqa: PERF401 - kept, though a later one may fail
                    if pipelined:
                        yield PostgresTransaction(connection, pipeline)
            except pg.LockNotAvailable as error:
                if len(begun) == len(first) and all(cursor.pgresult is not None for cursor in begun):
                    raise  # past the fence: whose lock that is, nobody knows
                raise StoreBusy("a plan of ours, or a writer before it, holds the fence", NOT_CALLED) from error
            if not pipelined:
                yield PostgresTransaction(connection)
            try:
                self.commit_connection(connection)
            except psycopg.Error as error:
                failure = _failure(error, ms_since(started), committing=True)
                if failure is None:
                    raise
                raise failure from error

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Row]]:
        started = time.perf_counter()
        try:
            with self._pool.connection() as connection, self._lending():
                yield connection
        except PoolTimeout as error:
            if self._lent == self._pool.max_size:
                raise StoreBusy("all connections are at work", NOT_CALLED) from error
            raise StoreUnavailable("no connection to be had", Evidence("timeout", ms_since(started))) from error
        except psycopg.Error as error:
            failure = _failure(error, ms_since(started))
            if failure is None:
                raise
            raise failure from error

    @contextmanager
    def _lending(self) -> Iterator[None]:
        with self._keys_lock:
            self._lent += 1
        try:
            yield
        finally:
            with self._keys_lock:
                self._lent -= 1

    def commit_connection(self, connection: psycopg.Connection[Row]) -> None:
        """Commit; the moment after which the outcome is in doubt if the connection breaks."""
        connection.commit()

    def commit(self, delivery: Delivery) -> Accepted:
        """The delivery's transaction; tried again where the database asks for it, read back where it is in doubt."""
        for attempt in range(MAX_ATTEMPTS):
            try:
                return super().commit(delivery)
            except CommitInDoubt as doubt:
                return self._read_back(delivery, doubt)
            except StoreBusy as busy:
                if not isinstance(busy.__cause__, LATE_BY_OTHERS) or attempt + 1 == MAX_ATTEMPTS:
                    raise
        raise AssertionError("the last attempt either returns or raises")

    def _read_back(self, delivery: Delivery, doubt: CommitInDoubt) -> Accepted:
        try:
            with psycopg.connect(self.url, **self._session) as connection:
                found = one(PostgresTransaction(connection), sql.DELIVERY_BY_REQUEST, request_id=delivery.request_id)
        except psycopg.Error:
            raise doubt from None
        if found is None:
            raise StoreUnavailable("connection lost, nothing written", doubt.upstream) from doubt
        place = delivery.place
        return Accepted(found[0], found[1], found[2], found[3], replayed=False, epoch=place.epoch, seq=place.seq)

    def next_ticket(self, device: Device) -> Ticket:
        """A place in line, from a sequence that all serving processes share."""
        with self.asking() as tx:
            found = tx.rows(NEXT_TICKET, device_id=device.device_id)
        if not found:
            raise DeviceRevoked
        return Ticket(int(found[0][0]), int(found[0][1]))


def _failure(error: psycopg.Error, latency_ms: float, *, committing: bool = False) -> StoreError | None:
    """What a failure of the database means; None where it is a mistake of ours."""
    for kinds, failure, message, status in _MEANING:
        if isinstance(error, kinds):
            return failure(message, Evidence(status, latency_ms))
    if isinstance(error, psycopg.OperationalError | pg.InsufficientResources):
        if committing:
            return CommitInDoubt("connection lost while committing", Evidence(503, latency_ms))
        return StoreUnavailable("the database is away", Evidence(503, latency_ms))
    return None


def _address(url: str) -> str:
    """Host, port and database of a connection string, without the password."""
    parts = conninfo_to_dict(url)
    port = f":{parts['port']}" if "port" in parts else ""
    return f"postgresql://{parts.get('host', 'localhost')}{port}/{parts.get('dbname', '')}"
