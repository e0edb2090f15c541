"""A records vendor on loopback, and a store that stands before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attribute.ingest.faults import Schedule
from attribute.ingest.stores.vendor import VendorStore
from attribute.ingest.stores.vendor_client import RecordsClient
from attribute.ingest.vendor import Records, Vendor, running


@contextmanager
def vendor_store(folder: Path, *, deadline_s: float = 5.0) -> Iterator[tuple[VendorStore, Vendor]]:
    """A store whose vendor is a real server on loopback."""
    with ExitStack() as stack:
        records = Records()
        stack.callback(records.close)
        vendor = Vendor(records, Schedule())
        url = stack.enter_context(running(vendor))
        store = VendorStore(folder / "usage.db", RecordsClient(url, key="key", deadline_s=deadline_s))
        stack.callback(store.close)
        yield store, vendor
