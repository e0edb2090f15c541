"""One transaction of SQLite, and what its errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from attribute.ingest.model import Evidence, StoreBroken, StoreBusy, StoreError, StoreFull, StoreUnavailable
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.transaction import Row, Value

_FSYNC_FAILED: Final = (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)
_AWAY: Final = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM)
_PUT: Final = {
    "batch": f"INSERT INTO temp.batch VALUES ({', '.join('?' * sql.BATCH_COLUMNS)})",  # noqa: S608 - question marks only
    "touched": "INSERT INTO temp.touched VALUES (?, ?, ?, ?)",
}
_CLEAR: Final = {"batch": "DELETE FROM temp.batch", "touched": "DELETE FROM temp.touched"}


class SqliteTransaction:
    """`attribute.ingest.stores.transaction.Transaction` on a connection whose transaction is open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, /, **values: Value) -> list[Row]:
        """Run a query."""
        return self._connection.execute(statement, values).fetchall()

    def stream(self, statement: str, /, **values: Value) -> Iterator[Row]:
        """Run a query row by row."""
        return iter(self._connection.execute(statement, values))

    def run(self, statement: str, /, **values: Value) -> int:
        """Run a change."""
        return self._connection.execute(statement, values).rowcount

    def put(self, statement: str, /, **values: Value) -> None:
        """Run a change."""
        self._connection.execute(statement, values)

    def append_at_once(self, rows: Sequence[Row], /, **delivery: Value) -> None:
        """A statement costs a function call here: nothing is gained by fewer."""

    def fill(self, table: Literal["batch", "touched"], rows: Sequence[Row]) -> None:
        """Replace what a staging table holds."""
        self._connection.execute(_CLEAR[table])
        if rows:
            self._connection.executemany(_PUT[table], rows)

    def lock_key(self, name: str) -> bool:  # noqa: ARG002 - the store keeps the keys in flight itself
        """There is one writer at a time."""
        return True

    def lock_device(self, device_id: str) -> None:
        """There is one writer at a time."""

    def lock_groups(self) -> None:
        """There is one writer at a time."""


def failure_of(error: sqlite3.Error, latency_ms: float) -> StoreError | None:
    """What an error of the file means; None where it is a mistake of ours."""
    code = getattr(error, "sqlite_errorcode", 0)
    kind = code & 0xFF
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy("locked", Evidence(503, latency_ms))
    if kind == sqlite3.SQLITE_FULL:
        return StoreFull("disk full", Evidence(507, latency_ms))
    if code in _FSYNC_FAILED or kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreBroken("the database file can no longer be trusted", Evidence(500, latency_ms))
    if kind in _AWAY:
        return StoreUnavailable("the database file cannot be read or written", Evidence(500, latency_ms))
    return None
