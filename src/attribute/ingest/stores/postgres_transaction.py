"""One transaction of PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, Literal
from uuid import uuid4

import psycopg

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


class PostgresTransaction:
    """`attribute.ingest.stores.transaction.Transaction` on a connection whose transaction is open."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

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
        return self._connection.execute(_translated(statement), values).rowcount

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

    def lock_key(self, name: str) -> bool:
        """Take a lock on a name unless somebody has it."""
        return bool(self.rows("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 42))", name=name)[0][0])

    def lock_device(self, device_id: str) -> None:
        """Writers of one device take turns."""
        self.rows("SELECT 1 FROM device WHERE device_id = :device_id FOR UPDATE", device_id=device_id)

    def lock_groups(self) -> None:
        """Writers that touch one group take turns; groups are locked in one order, so nobody waits in a circle."""
        self.run(sql.LOCK_GROUPS)
