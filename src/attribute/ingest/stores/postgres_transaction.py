"""One transaction of PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final, Literal
from uuid import uuid4

import psycopg

from attribute.ingest.model import SLOTS_PER_DAY
from attribute.ingest.stores import postgres_statements as own
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.transaction import Row, Value

_NAMED: Final = re.compile(r"(?<![:\w]):([a-z_0-9]+)")
_COPY: Final = {"batch": "COPY batch FROM STDIN (FORMAT BINARY)", "touched": "COPY touched FROM STDIN (FORMAT BINARY)"}
_CLEAR: Final = {"batch": "DELETE FROM batch", "touched": "DELETE FROM touched"}
_TYPES: Final = {
    "batch": ("int8", "text", "text", "text", "text", *(["int8"] * 10)),
    "touched": ("text", "int8", "text", "text"),
}


@cache
def _translated(statement: str) -> str:
    return _NAMED.sub(r"%(\1)s", statement.replace("%", "%%"))


def _array(numbers: Iterable[int]) -> str:
    """Text for a cast: as a list its type would depend on the greatest number, and a statement is planned per type."""
    return "{" + ",".join(map(str, numbers)) + "}"


class PostgresTransaction:
    """
    `attribute.ingest.stores.transaction.Transaction` on a connection whose transaction is open.

    Args:
        connection: with an open transaction.
        pipeline: that of the connection where it is in pipeline mode; answers are then awaited where they are needed.
    """

    def __init__(self, connection: psycopg.Connection[Row], pipeline: psycopg.Pipeline | None = None) -> None:
        self._connection = connection
        self._pipeline = pipeline

    def rows(self, statement: str, /, **values: Value) -> list[Row]:
        """Run a query."""
        return self._connection.execute(_translated(statement), values).fetchall()

    def stream(self, statement: str, /, **values: Value) -> Iterator[Row]:
        """Run a query through a server-side cursor."""
        with self._connection.cursor(name=f"stream_{uuid4().hex}") as cursor:
            cursor.itersize = 5000
            cursor.execute(_translated(statement), values)
            yield from cursor

    def run(self, statement: str, /, **values: Value) -> int:
        """Run a change."""
        done = self._connection.execute(_translated(statement), values)
        if self._pipeline is not None:
            self._pipeline.sync()
        return done.rowcount

    def put(self, statement: str, /, **values: Value) -> None:
        """Send a change; in pipeline mode without waiting for what it comes to."""
        self._connection.execute(_translated(statement), values)

    def script(self, text: str) -> None:
        """Run the statements of a migration as they stand in its file."""
        self._connection.execute(text)

    def fill(self, table: Literal["batch", "touched"], rows: Sequence[Row]) -> None:
        """Replace what a staging table holds."""
        self._connection.execute(_CLEAR[table])
        if rows:
            with self._connection.cursor() as cursor, cursor.copy(_COPY[table]) as copy:
                copy.set_types(_TYPES[table])
                for row in rows:
                    copy.write_row(row)

    def append_at_once(self, rows: Sequence[Row], /, **delivery: Value) -> tuple[int, int]:
        """Three statements in one go, whose rows travel as arrays: staging tables would cost more than the writing."""
        user_id = rows[0][1] if rows else ""
        texts = {"source": [row[3] for row in rows], "model": [row[4] for row in rows]}
        numbers = {name: _array(row[place] for row in rows) for place, name in enumerate(own.NUMBERS, start=5)}
        values = {**delivery, **texts, **numbers, "user_id": user_id}
        appended = self._connection.execute(_translated(own.APPEND), values)
        if rows:
            groups = sorted({(row[5] // SLOTS_PER_DAY, row[3], row[4]) for row in rows})
            days, sources, models = map(list, zip(*groups, strict=True))
            touched = {"user_id": user_id, "days": _array(days), "sources": sources, "models": models}
            self._connection.execute(_translated(own.TOUCHED + sql.LOCK_GROUPS), touched)
            self._connection.execute(_translated(own.RECOMPUTE_TOUCHED), touched)
        delivery_id, late = appended.fetchall()[0]
        return int(delivery_id), int(late)

    def lock_key(self, name: str) -> bool:
        """Take a lock on a name unless somebody has it."""
        return bool(self.rows("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 42))", name=name)[0][0])

    def lock_device(self, device_id: str) -> None:
        """Writers of one device take turns."""
        self.put("SELECT 1 FROM device WHERE device_id = :device_id FOR UPDATE", device_id=device_id)

    def lock_groups(self) -> None:
        """Writers that touch one group take turns; groups are locked in one order, so nobody waits in a circle."""
        self.put(sql.LOCK_GROUPS)
