"""Where a store lives: it can be closed there, opened again, and what others hold of it can be looked at."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from attribute.ingest.faults import Schedule
from attribute.ingest.model import Counts
from attribute.ingest.stores.postgres import PostgresStore
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.stores.vendor import VendorStore
from attribute.ingest.stores.vendor_client import RecordsClient
from attribute.ingest.vendor import Records, Vendor, running
from tests.ingest_store.helpers import PATIENT_S
from tests.ingest_store.postgres import database
from tests.ingest_store.vendors import facts_over_there

Facts = dict[tuple[str, int, str, str, str], Counts]


class Home(Protocol):
    """A place that lasts until its exit stack is closed."""

    def open(self) -> RelationalStore:
        """The store, new at first and then as it was left."""
        ...

    def look(self, facts: Facts) -> None:
        """Compare what somebody else holds of the store with the facts that it must have."""
        ...


def _folder(ends: ExitStack) -> Path:
    return Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="attribute-life-")))


class SqliteHome:
    """A file."""

    def __init__(self, ends: ExitStack) -> None:
        self._path = _folder(ends) / "usage.db"

    def open(self) -> RelationalStore:
        return SqliteStore(self._path, busy_s=PATIENT_S)

    def look(self, facts: Facts) -> None:
        """Nobody else holds anything."""


class PostgresHome:
    """A database of its own."""

    def __init__(self, ends: ExitStack, dsn: str) -> None:
        self._dsn = ends.enter_context(database(dsn))

    def open(self) -> RelationalStore:
        return PostgresStore(self._dsn, wait_s=PATIENT_S, lock_s=PATIENT_S)

    def look(self, facts: Facts) -> None:
        """Nobody else holds anything."""


class VendorHome:
    """A file, and a vendor on loopback that outlives every restart of the store."""

    def __init__(self, ends: ExitStack) -> None:
        self._path = _folder(ends) / "usage.db"
        records = Records()
        ends.callback(records.close)
        self._vendor = Vendor(records, Schedule())
        self._url = ends.enter_context(running(self._vendor))

    def open(self) -> RelationalStore:
        return VendorStore(self._path, RecordsClient(self._url, key="key", deadline_s=PATIENT_S))

    def look(self, facts: Facts) -> None:
        """What was confirmed is at the vendor, and gives the same facts."""
        assert facts_over_there(self._vendor) == facts
