"""The records vendor: a copy that is confirmed before the client is, whatever goes wrong over there."""

from __future__ import annotations

import gzip
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from attribute.ingest.faults import Fault, FaultKind
from attribute.ingest.model import Bucket, ClientSequence, StoreUnavailable
from attribute.ingest.plans.apply import apply
from attribute.ingest.plans.document import Plan
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.input import InputRow
from attribute.ingest.plans.make import plan_backfill
from attribute.ingest.plans.rollback import rollback
from attribute.ingest.stores import vendor_client
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.stores.vendor import LEDGER_TABLE, RECORD_NAMES, VendorStore
from attribute.ingest.stores.vendor_client import RecordsClient
from attribute.ingest.transfer import export, replay
from attribute.ingest.vendor import Vendor
from attribute.ingest.verify import verify
from tests.ingest_store.helpers import NOW_US, Client, bucket, client, facts_of, sqlite_store, total_of
from tests.ingest_store.vendors import facts_over_there, theirs, vendor_store

Pair = tuple[VendorStore, Vendor]
LONG_MS = 30_000


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A store and its vendor; the deadline is long, because only the test that lets it pass is to meet it."""
    with vendor_store(tmp_path) as made:
        yield made


def check_equal(store: VendorStore, vendor: Vendor, *users: str) -> None:
    assert facts_over_there(vendor) == {key: counts for key, (counts, _) in facts_of(store, *users).items()}


def test_delivery_is_at_the_vendor_before_it_is_confirmed(pair: Pair) -> None:
    """One call per delivery, with every new ledger row, and its answer is the evidence."""
    store, vendor = pair
    outcome = client(store).send([bucket(1), bucket(2, slot=1)])
    assert (outcome.upstream.status, outcome.upstream.calls, vendor.schedule.calls) == (201, 1, 1)
    assert outcome.upstream.latency_ms > 0
    check_equal(store, vendor, "user-1")
    assert store.stats().pending == 0


def test_delivery_of_nothing_calls_nobody(pair: Pair) -> None:
    """Where there is nothing to send there is no evidence either."""
    store, vendor = pair
    outcome = client(store).send([])
    assert (outcome.upstream.status, outcome.upstream.calls, vendor.schedule.calls) == (None, 0, 0)


FAULTS = [
    (Fault(kind=FaultKind.STATUS, status=503), 503),
    (Fault(kind=FaultKind.STATUS, status=500), 500),
    (Fault(kind=FaultKind.STATUS, status=404), 404),
    (Fault(kind=FaultKind.STATUS, status=302), 302),
    (Fault(kind=FaultKind.STATUS, status=200), None),
    (Fault(kind=FaultKind.RATE_LIMIT), 429),
    (Fault(kind=FaultKind.RESET), None),
    (Fault(kind=FaultKind.CUT), None),
    (Fault(kind=FaultKind.HANG), "timeout"),
    (Fault(kind=FaultKind.DELAY, delay_ms=LONG_MS), "timeout"),
    (Fault(kind=FaultKind.STATUS, status=503, after_write=True), 503),
    (Fault(kind=FaultKind.RESET, after_write=True), None),
    (Fault(kind=FaultKind.HANG, after_write=True), "timeout"),
]


@pytest.mark.parametrize(("fault", "status"), FAULTS)
def test_vendor_that_fails_is_no_success_and_its_answer_is_kept(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, fault: Fault, status: int | str | None
) -> None:
    """The client is told to come again; when it does, both sides agree and nothing is counted twice."""
    store, vendor = pair
    vendor.schedule.replace([fault])
    sender = client(store)
    if status == "timeout":
        monkeypatch.setattr(store._client, "_deadline_s", 0.3)
    with pytest.raises(StoreUnavailable) as failed:
        sender.send([bucket(1), bucket(2, slot=1)])
    monkeypatch.undo()
    assert failed.value.upstream.status == status
    assert failed.value.timed_out == (status == "timeout")
    assert failed.value.upstream.latency_ms < LONG_MS
    vendor.schedule.replace([])
    sender.send([bucket(1), bucket(2, slot=1)])
    assert total_of(store) == 3
    check_equal(store, vendor, "user-1")
    assert store.stats().pending == 0
    assert verify(store).findings == ()


def test_replay_of_a_key_is_confirmed_only_when_the_vendor_has_it(pair: Pair) -> None:
    """The first attempt failed over there: the same key again sends again, and fails again while that fails."""
    store, vendor = pair
    sender = client(store)
    vendor.schedule.replace([Fault(kind=FaultKind.STATUS, status=503, last=2)])
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            sender.send([bucket(1)], key="k", body=b"a")
    outcome = sender.send([bucket(1)], key="k", body=b"a")
    assert (outcome.replayed, outcome.inserted, outcome.upstream.status) == (True, 1, 201)
    check_equal(store, vendor, "user-1")


def test_sequence_repeated_is_confirmed_only_when_the_vendor_has_it(pair: Pair) -> None:
    """The same for a client sequence."""
    store, vendor = pair
    sender = client(store)
    place = ClientSequence(store.issue_epoch(sender.device), 1)
    vendor.schedule.replace([Fault(kind=FaultKind.RESET, last=2)])
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            sender.send([bucket(1)], place=place)
    outcome = sender.send([bucket(1)], place=place)
    assert (outcome.inserted, outcome.skipped, outcome.upstream.status) == (0, 1, 201)
    check_equal(store, vendor, "user-1")


def test_calls_that_land_late_and_in_any_order_change_nothing(pair: Pair) -> None:
    """A call that timed out may still be carried out after a newer one: rows never change, so facts do not either."""
    store, vendor = pair
    sender = client(store)
    for total in range(1, 6):
        sender.send([bucket(total), bucket(total, slot=total)])
    rows = theirs(vendor)
    for row in reversed(rows):
        vendor.records.upsert(LEDGER_TABLE, ("device_id", "epoch", "seq", "sub", "fix"), [row])
    assert len(theirs(vendor)) == len(rows)
    check_equal(store, vendor, "user-1")


def test_restart_with_unconfirmed_rows_sends_them_again(tmp_path: Path) -> None:
    """What waits is written down; a restart forgets none of it."""
    with vendor_store(tmp_path) as (store, vendor):
        vendor.schedule.replace([Fault(kind=FaultKind.STATUS, status=503)])
        sender = client(store)
        with pytest.raises(StoreUnavailable):
            sender.send([bucket(n, slot=n) for n in range(30)])
        assert store.stats().pending == 30
    with vendor_store(tmp_path) as (store, vendor):
        assert store.stats().pending == 30
        assert store.flush() == 30
        assert store.stats().pending == 0
        check_equal(store, vendor, "user-1")


def test_file_that_had_no_vendor_before_is_sent_whole(tmp_path: Path) -> None:
    """A vendor that comes later gets the whole ledger."""
    alone = SqliteStore(tmp_path / "usage.db")
    for total in range(4):
        client(alone, f"user-{total}").send([bucket(n, slot=n) for n in range(400)])
    alone.close()
    with vendor_store(tmp_path) as (store, vendor):
        assert store.flush() == 1600
        check_equal(store, vendor, *(f"user-{n}" for n in range(4)))


def test_plan_applied_and_undone_is_applied_and_undone_over_there(pair: Pair) -> None:
    """Plans write ledger rows and voids; both are sent."""
    store, vendor = pair
    sender = client(store)
    sender.send([bucket(1)])
    said = bucket(7, slot=3)
    row = InputRow("rows", 1, sender.device.device_id, said.source, said.model, said.slot, said.counts)
    plan = plan_backfill(store, [row], reason="r", now_us=NOW_US)
    done = apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
    assert total_of(store) == 8
    check_equal(store, vendor, "user-1")
    rollback(store, done.plan_id, now_us=NOW_US)
    assert total_of(store) == 1
    check_equal(store, vendor, "user-1")


def one_more(store: VendorStore, sender: Client, total: int = 7) -> Plan:
    said = bucket(total, slot=3)
    row = InputRow("rows", 1, sender.device.device_id, said.source, said.model, said.slot, said.counts)
    return plan_backfill(store, [row], reason="r", now_us=NOW_US)


FAILING = [Fault(kind=FaultKind.STATUS, status=500, last=10)]


def test_apply_that_the_vendor_did_not_confirm_is_made_good_by_the_same_command(pair: Pair) -> None:
    """The plan is applied here; what is said of it is true, and again sends the rest; a third time it is used up."""
    store, vendor = pair
    sender = client(store)
    sender.send([bucket(1)])
    plan = one_more(store, sender)
    vendor.schedule.replace(FAILING)
    with pytest.raises(PlanError) as failed:
        apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
    assert str(failed.value) == (
        "plan 1 is applied here, but the vendor did not confirm\n"
        "  hint: the same command again sends what is missing; so do later deliveries"
    )
    assert (total_of(store), store.stats().pending) == (8, 1)
    vendor.schedule.replace([])
    done = apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
    assert (done.plan_id, done.resumed_at, store.stats().pending) == (1, 1, 0)
    check_equal(store, vendor, "user-1")
    with pytest.raises(PlanError, match="plan 1 is applied already"):
        apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)


@pytest.mark.parametrize("by", ["rollback", "delivery"])
def test_rollback_that_the_vendor_did_not_confirm_is_made_good(pair: Pair, by: str) -> None:
    """By the same command again, or by the next delivery: the vendor hears of the void in the end."""
    store, vendor = pair
    sender = client(store)
    sender.send([bucket(1)])
    plan = one_more(store, sender)
    apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
    vendor.schedule.replace(FAILING)
    with pytest.raises(PlanError, match="plan 1 is rolled back here, but the vendor did not confirm"):
        rollback(store, 1, now_us=NOW_US)
    assert (total_of(store), store.stats().pending) == (1, 1)
    with pytest.raises(PlanError, match="plan 1 is rolled back here, but the vendor did not confirm"):
        rollback(store, 1, now_us=NOW_US)
    vendor.schedule.replace([])
    if by == "rollback":
        assert rollback(store, 1, now_us=NOW_US).repeated
    else:
        assert sender.send([bucket(2, slot=1)]).upstream.calls == 2
    check_equal(store, vendor, "user-1")
    assert store.stats().pending == 0


def test_rollback_without_the_vendor_reaches_it_with_the_next_delivery(tmp_path: Path) -> None:
    """The command need not know of the vendor that the service sends to."""
    with vendor_store(tmp_path) as (store, vendor):
        sender = client(store)
        plan = one_more(store, sender)
        apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
        alone = SqliteStore(tmp_path / "usage.db", serving=False, busy_s=60.0)
        rollback(alone, 1, now_us=NOW_US)
        alone.close()
        assert facts_over_there(vendor)
        sender.send([bucket(2)])
        check_equal(store, vendor, "user-1")
        sender.send([bucket(3)])
        assert store.stats().pending == 0


def test_void_that_comes_after_its_rows_were_sent_and_before_that_was_noted_is_not_lost(tmp_path: Path) -> None:
    """The serving process had just sent the plan's rows when another process voided it."""
    with vendor_store(tmp_path) as (store, vendor):
        sender = client(store)
        sender.send([])
        alone = SqliteStore(tmp_path / "usage.db", serving=False, busy_s=60.0)
        plan = one_more(store, sender)
        apply(alone, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
        sender.send([bucket(2)])
        assert len(facts_over_there(vendor)) == 2
        rollback(alone, 1, now_us=NOW_US)
        alone.close()
        sender.send([bucket(3)])
        sender.send([bucket(4)])
        check_equal(store, vendor, "user-1")


def test_replay_that_the_vendor_did_not_confirm_is_sent_with_later_deliveries(pair: Pair, tmp_path: Path) -> None:
    """The history is here; said again it would be refused, so nobody is told to try again."""
    store, vendor = pair
    (tmp_path / "old").mkdir()
    with sqlite_store(tmp_path / "old") as old:
        client(old).send([bucket(5)])
        history = list(export(old))
    vendor.schedule.replace(FAILING)
    with pytest.raises(PlanError, match="the history is replayed here, but the vendor did not confirm"):
        replay(store, history)
    vendor.schedule.replace([])
    client(store).send([bucket(1, slot=1)])
    assert total_of(store) == 6
    check_equal(store, vendor, "user-1")


def test_names_from_clients_reach_the_vendor_as_values_only(pair: Pair) -> None:
    """Keys of what is sent are ours; names are values of a JSON body, never part of an address."""
    store, vendor = pair
    client(store).send([Bucket("a&b=c", "../..?x#y", 1, 1, 1, 1, 1, 1)])
    (row,) = theirs(vendor)
    assert (row["source"], row["model"], set(row) | {"plan_id"}) == ("a&b=c", "../..?x#y", set(RECORD_NAMES))
    assert json.dumps(row)


@contextmanager
def answering(head: bytes, body: bytes) -> Iterator[str]:
    """A server on loopback that gives one answer to whatever it is asked."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            self.rfile.read(length)
            self.wfile.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "encoding", "body", "expected"),
    [
        (201, "gzip", gzip.compress(b"[{}]", mtime=0), (False, None)),
        (201, "GZIP", b"[{}]", (False, None)),
        (503, "gzip", b"no gzip", (False, 503)),
        (201, "identity", b"[{}]", (True, 201)),
    ],
)
def test_answer_that_the_vendor_encoded_is_not_decoded(
    status: int, encoding: str, body: bytes, expected: tuple[bool, int | None]
) -> None:
    """We ask for none and take none: a few kilobytes could hold gigabytes, and hold up everybody else's call."""
    head = f"HTTP/1.1 {status} X\r\ncontent-encoding: {encoding}\r\n".encode()
    with answering(head, body) as url, closing(RecordsClient(url, key=None, deadline_s=60.0)) as vendor:
        assert vendor.upsert("t", [{"a": 1}], on_conflict=("a",))[:2] == expected


def test_call_that_could_not_end_in_time_ended_by_our_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that waits behind something else is no bug of ours to its caller: it was not confirmed."""
    free = threading.Event()
    with answering(b"HTTP/1.1 201 X\r\n", b"[{}]") as url, closing(
        RecordsClient(url, key=None, deadline_s=0.0)
    ) as vendor, monkeypatch.context() as patch:  # fmt: skip
        patch.setattr(vendor_client, "_MARGIN_S", 0.0)
        vendor._loop.call_soon_threadsafe(free.wait)
        assert vendor.upsert("t", [{"a": 1}], on_conflict=("a",))[:2] == (False, "timeout")
        free.set()
