"""
A process that writes deliveries until it is killed, or kills itself at a named point.

`python -m tests.ingest_store.crashing DATABASE DEVICE TOKEN_ID POINT AT FIRST KIND`: deliveries number FIRST and up;
each that was confirmed is told on standard output as one line, after it was confirmed. At delivery number AT the
process kills itself at POINT. KIND names the store: the real one, or one with a seeded fault.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from attribute.ingest.model import Bucket, Delivery, Device, WriteOutcome
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.ledger import Accepted, accept
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.stores.transaction import Row, Transaction, Value
from tests.ingest_store.helpers import FIRST_SLOT, NOW_US

POINTS: Final = (
    "before-begin", "after-delivery", "after-ledger", "after-facts", "before-commit", "after-commit", "never"
)  # fmt: skip
_AFTER: Final = {
    "after-delivery": sql.INSERT_DELIVERY,
    "after-ledger": sql.INSERT_LEDGER,
    "after-facts": sql.UPSERT_FACTS,
    "before-commit": sql.TOUCH_TOKEN,
}
KEYS: Final = 7


def buckets_of(number: int) -> tuple[Bucket, ...]:
    """What delivery *number* says: a few keys that many deliveries share, so that later ones replace earlier ones."""
    return tuple(
        Bucket("codex", f"m{(number + n) % KEYS}", FIRST_SLOT + (number * n) % KEYS, *[number * 10 + n] * 5)
        for n in range(5)
        if n == 0 or (number + n) % KEYS != number % KEYS
    )


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingTransaction:
    """Dies after one statement."""

    def __init__(self, tx: Transaction, last: str) -> None:
        self._tx, self._last = tx, last

    def rows(self, statement: str, /, **values: Value) -> list[Row]:
        found = self._tx.rows(statement, **values)
        if statement == self._last:
            die()
        return found

    def stream(self, statement: str, /, **values: Value) -> Iterator[Row]:
        return self._tx.stream(statement, **values)

    def run(self, statement: str, /, **values: Value) -> int:
        changed = self._tx.run(statement, **values)
        if statement == self._last:
            die()
        return changed

    def put(self, statement: str, /, **values: Value) -> None:
        self._tx.put(statement, **values)
        if statement == self._last:
            die()

    def append_at_once(self, rows: Sequence[Row], /, **delivery: Value) -> tuple[int, int] | None:
        return self._tx.append_at_once(rows, **delivery)

    def fill(self, table: Literal["batch", "touched"], rows: Sequence[Row]) -> None:
        self._tx.fill(table, rows)

    def lock_key(self, name: str) -> bool:
        return self._tx.lock_key(name)

    def lock_device(self, device_id: str) -> None:
        self._tx.lock_device(device_id)

    def lock_groups(self) -> None:
        self._tx.lock_groups()


class DyingStore(SqliteStore):
    """The real store, but for where it dies."""

    point = "never"

    @contextmanager
    def writing(self) -> Iterator[Any]:
        if self.point == "before-begin":
            die()
        with super().writing() as tx:
            yield DyingTransaction(tx, _AFTER[self.point]) if self.point in _AFTER else tx

    def write(self, delivery: Delivery) -> WriteOutcome:
        outcome = super().write(delivery)
        if self.point == "after-commit":
            die()
        return outcome


class AckBeforeCommit(DyingStore):
    """Seeded fault 6: confirms, and commits when the next delivery comes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._waiting: list[Delivery] = []
        self._guard = threading.Lock()

    def commit(self, delivery: Delivery) -> Accepted:
        with self._guard:
            waiting, self._waiting = self._waiting, [delivery]
        for earlier in waiting:
            with self.writing() as tx:
                accept(tx, earlier)
        return Accepted(1, len(delivery.buckets), 0, 0, replayed=False, epoch=1, seq=1)


KINDS: Final = {"real": DyingStore, "ack-before-commit": AckBeforeCommit}


def main(arguments: Sequence[str]) -> None:
    path, device_id, token_id, point, at, first, kind = arguments
    store = KINDS[kind](Path(path))
    device = Device(user_id="user-1", device_id=device_id, token_id=int(token_id))
    number = int(first)
    while True:
        store.point = point if number == int(at) else "never"
        store.write(
            Delivery(
                request_id=f"{os.getpid()}-{number}",
                device=device,
                buckets=buckets_of(number),
                place=store.next_ticket(device),
                body_sha256=sha256(str(number).encode()).digest(),
                received_at_us=NOW_US + number,
            )
        )
        os.write(1, f"{number}\n".encode())
        number += 1


if __name__ == "__main__":
    main(sys.argv[1:])
