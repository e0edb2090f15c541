"""A records vendor on loopback, and a store that stands before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attribute.ingest.faults import Schedule
from attribute.ingest.model import Counts
from attribute.ingest.stores.vendor import LEDGER_TABLE, RECORD_NAMES, VOID_TABLE, VendorStore
from attribute.ingest.stores.vendor_client import RecordsClient
from attribute.ingest.vendor import Records, Vendor, running


@contextmanager
def vendor_store(folder: Path, *, deadline_s: float = 60.0) -> Iterator[tuple[VendorStore, Vendor]]:
    """A store whose vendor is a real server on loopback."""
    with ExitStack() as stack:
        records = Records()
        stack.callback(records.close)
        vendor = Vendor(records, Schedule())
        url = stack.enter_context(running(vendor))
        store = VendorStore(folder / "usage.db", RecordsClient(url, key="key", deadline_s=deadline_s), busy_s=60.0)
        stack.callback(store.close)
        yield store, vendor


def theirs(vendor: Vendor) -> list[dict[str, object]]:
    return vendor.records.select(LEDGER_TABLE, {}, 10**6, 0)


def facts_over_there(vendor: Vendor) -> dict[tuple[object, ...], Counts]:
    """Facts as anybody can compute them from the vendor's rows: the greatest order per key, voids aside."""
    voided = {row["plan_id"] for row in vendor.records.select(VOID_TABLE, {}, 10**6, 0)}
    best: dict[tuple[object, ...], tuple[tuple[int, ...], Counts]] = {}
    for row in theirs(vendor):
        values = [row.get(name) for name in RECORD_NAMES]
        user_id, device_id, source, model, slot, *numbers = values
        order = tuple(int(str(number)) for number in numbers[5:9])
        key = (user_id, slot, source, model, device_id)
        if row.get("plan_id") not in voided and (key not in best or order > best[key][0]):
            best[key] = (order, Counts(*(int(str(number)) for number in numbers[:5])))
    return {key: counts for key, (_, counts) in best.items()}
