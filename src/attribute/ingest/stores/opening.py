"""Which store an address means."""

from __future__ import annotations

from pathlib import Path

from attribute.ingest.stores.errors import StoreNotOpenedError
from attribute.ingest.stores.interface import StoreOptions
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.stores.vendor import VendorStore
from attribute.ingest.stores.vendor_client import RecordsClient, is_address

POSTGRES_SCHEMES = ("postgresql://", "postgres://")


def open_store(
    options: StoreOptions, *, serving: bool = False, create: bool = True, migrate: bool = False
) -> RelationalStore:
    """
    Open the store at an address, or make it.

    Args:
        options: which store.
        serving: this process takes deliveries; one process per SQLite file may.
        create: whether a store is made where there is none.
        migrate: tolerate missing schema steps, because a plan is about to apply them.

    Raises:
        StoreNotOpenedError: not ours, newer, behind, damaged, unsafe, unreachable, or served by another process.
    """
    url = options.url
    if url.startswith(POSTGRES_SCHEMES):
        if options.vendor_url is not None:
            raise StoreNotOpenedError.vendor_needs_sqlite()
        from attribute.ingest.stores.postgres import PostgresStore  # noqa: PLC0415 - psycopg only where it is used

        return PostgresStore(url, wait_s=options.busy_s, create=create, migrate=migrate)
    if "://" in url:
        raise StoreNotOpenedError.unknown_address(url)
    path = Path(url.removeprefix("sqlite:"))
    if options.vendor_url is not None and not is_address(options.vendor_url):
        raise StoreNotOpenedError.no_vendor_address()
    if options.vendor_url is None:
        return SqliteStore(path, busy_s=options.busy_s, serving=serving, create=create, migrate=migrate)
    client = RecordsClient(options.vendor_url, key=options.vendor_key, deadline_s=options.vendor_deadline_s)
    try:
        return VendorStore(path, client, busy_s=options.busy_s, serving=serving, create=create, migrate=migrate)
    except BaseException:
        client.close()
        raise
