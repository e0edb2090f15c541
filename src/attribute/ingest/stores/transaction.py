"""One transaction of either database, as the shared statements see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol

from attribute.ingest.stores import statements as sql

Value = str | int | bytes | None
Row = tuple[Any, ...]


class Transaction(Protocol):
    """All or nothing. Ends with the block that opened it: committed when the block ends well, undone otherwise."""

    def rows(self, statement: str, /, **values: Value) -> list[Row]:
        """Run a query."""
        ...

    def stream(self, statement: str, /, **values: Value) -> Iterator[Row]:
        """Run a query whose answer may be large; rows come as they are read."""
        ...

    def run(self, statement: str, /, **values: Value) -> int:
        """Run a change and say how many rows it changed."""
        ...

    def put(self, statement: str, /, **values: Value) -> None:
        """Run a change of which nobody asks anything; a failure may show as late as the end of the transaction."""
        ...

    def fill(self, table: Literal["batch", "touched"], rows: Sequence[Row]) -> None:
        """Replace what a staging table holds."""
        ...

    def append_at_once(self, rows: Sequence[Row], /, **delivery: Value) -> tuple[int, int] | None:
        """
        Write one device's delivery, its ledger rows, the facts they decide and the rollups of the touched groups.

        Args:
            rows: as for the staging table ``batch``, sorted by order.
            delivery: the columns of its row, but for ``delivery_id`` and ``late``.

        Returns:
            The delivery's id and how many rows a newer assertion outranks already; None, and nothing was done, where
            this database is better served by one statement after the other.
        """
        ...

    def lock_key(self, name: str) -> bool:
        """Take a lock on a name until the end of the transaction; False if somebody else holds it now."""
        ...

    def lock_device(self, device_id: str) -> None:
        """Let nobody else write for this device until the end of the transaction."""
        ...

    def lock_groups(self) -> None:
        """Let nobody else recompute the touched groups until the end of the transaction."""
        ...


def one(tx: Transaction, statement: str, /, **values: Value) -> Row | None:
    """The only row, or nothing."""
    found = tx.rows(statement, **values)
    return found[0] if found else None


def number(tx: Transaction, statement: str, /, **values: Value) -> int:
    """The only number of a query that answers with one row."""
    return int(tx.rows(statement, **values)[0][0])


def recompute_touched(tx: Transaction) -> None:
    """Recompute the daily rollups of every group that the staged batch touches, in each generation that is kept up."""
    tx.fill("touched", ())
    tx.run(sql.TOUCH_GROUPS)
    tx.lock_groups()
    tx.run(sql.RECOMPUTE_GROUPS)
