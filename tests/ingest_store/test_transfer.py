"""Proof and transfer: a store that was tampered with is found out, and a history said again gives the same digest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from attribute.ingest.model import ClientSequence
from attribute.ingest.plans.apply import apply
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.input import InputRow
from attribute.ingest.plans.make import plan_backfill, plan_correct
from attribute.ingest.plans.rollback import rollback
from attribute.ingest.reconcile import reconcile
from attribute.ingest.stores.dump import HISTORY
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.transfer import export, replay
from attribute.ingest.verify import verify
from tests.ingest_store.helpers import NOW_US, Client, bucket, client, facts_of, postgres_store, sqlite_store, total_of

PAGE = Path(__file__).parents[2] / "docs" / "ingest-data-model.md"


def lived_in(store: RelationalStore) -> Client:
    """A store with a bit of everything: retries, sequences, late ones, plans applied and undone, seals."""
    first, second = client(store), client(store, "user-2")
    stalled = first.delivery([bucket(1), bucket(2, slot=50)])
    first.send([bucket(10), bucket(20, slot=1)], key="k", body=b"a")
    store.write(stalled)
    epoch = store.issue_epoch(second.device)
    second.send([bucket(5), bucket(6, slot=1)], place=ClientSequence(epoch, 4))
    second.send([bucket(5), bucket(6, slot=1)], place=ClientSequence(epoch, 4))
    store.seal()
    for plan in (
        plan_backfill(store, [row(first, 100, slot=7), row(first, 200, slot=8)], reason="r", now_us=NOW_US),
        plan_correct(store, [row(first, 11, slot=0)], reason="r", now_us=NOW_US),
    ):
        apply(store, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US)
    rollback(store, 1, now_us=NOW_US)
    store.revoke_device(second.device.device_id, NOW_US)
    first.send([bucket(21, slot=1)])
    store.seal()
    return first


def row(sender: Client, total: int, *, slot: int) -> InputRow:
    said = bucket(total, slot=slot)
    return InputRow("rows", 1, sender.device.device_id, said.source, said.model, said.slot, said.counts)


def test_history_replayed_into_an_empty_store_has_the_same_digest(store: RelationalStore, tmp_path: Path) -> None:
    """From any store into SQLite: facts, rollups, ledger, plans and seals come out alike."""
    sender = lived_in(store)
    lines = list(export(store))
    (tmp_path / "new").mkdir()
    with sqlite_store(tmp_path / "new") as new:
        assert replay(new, lines) == store.digest()
        assert verify(new).findings == ()
        assert list(export(new)) == lines
        assert facts_of(new, "user-1", "user-2") == facts_of(store, "user-1", "user-2")
        assert client(new).send([bucket(1)]).inserted == 1
        assert new.next_ticket(sender.device).seq > store.next_ticket(sender.device).seq - 2


def test_page_of_the_data_shows_the_form_of_an_export(tmp_path: Path) -> None:
    """Where a damaged line is told of, its reader is sent to this page: every table, its columns and its order."""
    form = PAGE.read_text(encoding="utf-8").split("### The form of an export\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|(.*)\|$", form, re.MULTILINE)
    told = {table: [re.findall(r"`(\w+)`", words) for words in (columns, by)] for table, columns, by in rows}
    selected = re.compile(r"SELECT (.+?) FROM \w+(?: ORDER BY (.+))?$", re.DOTALL)
    found = {table: selected.fullmatch(statement) for table, statement in HISTORY.items()}
    assert list(told.items()) == [
        (table, [re.split(r",\s+", each.strip()) if each else [] for each in match.groups()])
        for table, match in found.items()
        if match is not None
    ]
    assert told.keys() == HISTORY.keys()
    with sqlite_store(tmp_path) as store:
        lived_in(store)
        first, *lines, last = [json.loads(text) for text in export(store)]
    assert f"`{json.dumps(first, separators=(',', ':'))}`" in form
    assert last.keys() == {"digest"}
    (shown,) = re.findall(r"```json\n(.+)\n```", form)
    assert {len(line) for line in lines if line[0] == "ledger"} == {len(json.loads(shown))}


def test_history_replayed_into_postgres_goes_on_counting(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_dsn: str
) -> None:
    """Numbers, tickets and plans go on after the greatest."""
    with sqlite_store(tmp_path) as old, postgres_store(postgres_dsn) as new:
        sender = lived_in(old)
        assert replay(new, export(old)) == old.digest()
        outcome = client(new, "user-9").send([bucket(1)])
        assert outcome.delivery_id == old.stats().last_delivery_id + 1
        assert new.next_ticket(sender.device).seq >= old.next_ticket(sender.device).seq - 1
        plan = plan_backfill(new, [row(sender, 1, slot=99)], reason="r", now_us=NOW_US)
        assert apply(new, plan.to_bytes(), approve=plan.sha256, now_us=NOW_US).plan_id == 3
        assert verify(new).findings == ()


def without_first(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


def without_last(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


def without_a_ledger_row(lines: list[bytes]) -> list[bytes]:
    place = next(n for n, line in enumerate(lines) if line.startswith(b'["ledger"'))
    return lines[:place] + lines[place + 1 :]


def with_a_changed_count(lines: list[bytes]) -> list[bytes]:
    place = next(n for n, line in enumerate(lines) if line.startswith(b'["ledger"'))
    value = json.loads(lines[place])
    value[7] += 1
    return [*lines[:place], json.dumps(value).encode(), *lines[place + 1 :]]


def with_a_strange_table(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b'["token",1,2,3]', *lines[1:]]


def with_a_short_row(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b'["device","d"]', *lines[1:]]


def with_a_wrong_type(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b'["device",{},"u","n","p",1,null,null,null,1,0]', *lines[1:]]


def with_a_huge_number(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b'["device","d","u","n","p",9223372036854775808,null,null,null,1,0]', *lines[1:]]


def said_twice(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], *lines[1:]]


def with_half_a_line(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4][:9]]


@pytest.mark.parametrize(
    "spoil",
    [
        without_last,
        without_a_ledger_row,
        with_a_changed_count,
        with_a_strange_table,
        with_a_short_row,
        with_a_wrong_type,
        with_a_huge_number,
        said_twice,
        with_half_a_line,
        without_first,
    ],
)
def test_history_that_is_damaged_is_refused_whole(tmp_path: Path, spoil: Callable[[list[bytes]], list[bytes]]) -> None:
    """A replay that does not come out right leaves the store empty."""
    check_refused(tmp_path, spoil)


@pytest.mark.parametrize("spoil", [with_a_changed_count, with_a_huge_number, said_twice])
def test_history_that_is_damaged_is_refused_by_postgres_too(
    tmp_path: Path, postgres_dsn: str, spoil: Callable[[list[bytes]], list[bytes]]
) -> None:
    """The other database words its refusals differently; ours are the same."""
    with postgres_store(postgres_dsn) as new:
        check_refused(tmp_path, spoil, new)


def check_refused(
    folder: Path, spoil: Callable[[list[bytes]], list[bytes]], into: RelationalStore | None = None
) -> None:
    (folder / "old").mkdir()
    (folder / "new").mkdir()
    with sqlite_store(folder / "old") as old, sqlite_store(folder / "new") as made:
        new = into or made
        lived_in(old)
        lines = spoil(list(export(old)))
        empty = new.digest()
        with pytest.raises(PlanError):
            replay(new, lines)
        assert new.digest() == empty


def test_history_into_a_store_that_is_in_use_is_refused(database_store: RelationalStore) -> None:
    """A replay is no merge."""
    sender = client(database_store)
    sender.send([bucket(1)])
    with pytest.raises(PlanError, match="the store is not empty"):
        replay(database_store, list(export(database_store)))


# --- verify -----------------------------------------------------------------------------------------------------------

TAMPERED = [
    ("UPDATE fact SET t_total = t_total + 1 WHERE slot % 2 = 0", "I1: facts equal the ledger's answer"),
    ("DELETE FROM fact WHERE user_id = 'user-2'", "I1: facts equal the ledger's answer"),
    ("UPDATE rollup_day SET t_in = t_in + 1", "I2: rollups equal the facts"),
    ("DELETE FROM rollup_day", "I2: rollups equal the facts"),
    ("INSERT INTO rollup_day VALUES (1, 'x', 1, 's', 'm', 0, 0, 0, 0, 0)", "I2: rollups equal the facts"),
]
FORCED = [
    ("UPDATE ledger SET t_in = t_in + 1 WHERE ledger_id = 1", "I4: contents are as delivered"),
    ("UPDATE ledger SET plan_id = 1 WHERE ledger_id = 1", "I4: contents are as delivered"),
    ("UPDATE delivery SET body_sha256 = zeroblob(32) WHERE delivery_id = 1", "I4: contents are as delivered"),
    ("UPDATE delivery SET idempotency_key = 'z' WHERE delivery_id = 1", "I4: contents are as delivered"),
    ("UPDATE delivery SET request_id = 'z' WHERE delivery_id = 1", "I4: contents are as delivered"),
    ("UPDATE delivery SET received_at_us = 0 WHERE delivery_id = 1", "I4: contents are as delivered"),
    ("UPDATE delivery SET skipped = 7 WHERE delivery_id = 1", "I4: contents are as delivered"),
    ("UPDATE delivery SET seq = seq + 90 WHERE delivery_id = 5", "I4: contents are as delivered"),
    ("UPDATE delivery SET plan_id = NULL WHERE plan_id = 2", "I4: contents are as delivered"),
    ("UPDATE device SET user_id = 'user-1'", "I4: contents are as delivered"),
    ("DELETE FROM ledger WHERE ledger_id = 1", "I3: deliveries count their rows"),
    ("INSERT INTO archived VALUES (1, 1, 1)", "I3: what is archived is what retention plans removed"),
    ("INSERT INTO archived VALUES (1, 99, 1)", "I3: what is archived is what retention plans removed"),
    ("UPDATE delivery SET content_sha256 = body_sha256 WHERE delivery_id = 1", "I4: seals are as set"),
    ("DELETE FROM delivery WHERE delivery_id = 3", "I4: seals are as set"),
    ("UPDATE seal SET sha256 = zeroblob(32) WHERE seal_id = 1", "I4: seals are as set"),
]


@pytest.mark.parametrize(("change", "promise"), TAMPERED)
def test_derived_rows_tampered_with_are_found_out(database_store: RelationalStore, change: str, promise: str) -> None:
    """Facts and rollups answer to the ledger."""
    lived_in(database_store)
    assert verify(database_store).findings == ()
    with database_store.planning() as tx:
        tx.run(change)
    assert promise in [finding.promise for finding in verify(database_store).findings]


@pytest.mark.parametrize(("change", "promise"), FORCED)
def test_history_tampered_with_by_force_is_found_out(tmp_path: Path, change: str, promise: str) -> None:
    """Whoever drops the triggers first still meets the hashes."""
    with sqlite_store(tmp_path) as store:
        lived_in(store)
        force(store, change)
        assert promise in [finding.promise for finding in verify(store).findings]


@pytest.mark.parametrize("sealed", [True, False])
def test_delivery_given_to_somebody_else_is_found_out_however_tidily(tmp_path: Path, sealed: bool) -> None:
    """Facts and rollups that follow the forged history do not help: who said it is part of what was said."""
    with sqlite_store(tmp_path) as store:
        alice, bob = client(store, "alice"), client(store, "bob")
        bob.send([bucket(10)])
        if sealed:
            store.seal()
        alice_id, bob_id = alice.device.device_id, bob.device.device_id
        force(
            store,
            f"UPDATE ledger SET device_id = '{alice_id}' WHERE device_id = '{bob_id}'",
            f"UPDATE delivery SET device_id = '{alice_id}' WHERE device_id = '{bob_id}'",
            f"UPDATE fact SET device_id = '{alice_id}', user_id = 'alice'",
            "UPDATE rollup_day SET user_id = 'alice'",
        )
        assert [(found.promise, found.examples) for found in verify(store).findings] == [
            ("I4: contents are as delivered", ("delivery 1",))
        ]


def test_last_deliveries_removed_before_a_seal_are_found_by_their_records_alone(tmp_path: Path) -> None:
    """The store itself does not remember them, as the docs say; the log does."""
    with sqlite_store(tmp_path) as store:
        client(store).send([bucket(10)], request_id="told")
        force(store, *(f"DELETE FROM {table}" for table in ("fact", "rollup_day", "ledger", "delivery")))
        assert verify(store).findings == ()
        assert reconcile(store, [line("told", 200)]).first_lied == ("told",)


def force(store: RelationalStore, *changes: str) -> None:
    """Do what the triggers are there to refuse."""
    assert isinstance(store, SqliteStore)
    for (name,) in store._writer.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        store._writer.execute(f"DROP TRIGGER {name}")
    store._writer.execute("PRAGMA foreign_keys = OFF")
    for change in changes:
        store._writer.execute(change)


# --- reconcile --------------------------------------------------------------------------------------------------------


def line(request_id: str, status: int, *, function: str = "vibeusage-ingest", stage: str = "response") -> bytes:
    return json.dumps(
        {
            "request_id": request_id, "function": function, "stage": stage, "status": status, "latency_ms": 3,
            "error_code": None, "upstream_status": 200, "upstream_latency_ms": 1,
        }
    ).encode()  # fmt: skip


def test_reconcile_tells_lost_records_from_lies(database_store: RelationalStore) -> None:
    """A delivery without a record lost its log; a success without a delivery is the one thing that must not be."""
    sender = client(database_store)
    for name in ("told", "lost", "in-doubt"):
        sender.send([bucket(1)], request_id=name)
    lines: Iterable[bytes] = [
        line("told", 200),
        line("in-doubt", 503),
        line("liar", 200),
        line("refused", 400),
        line("read", 200, function="vibeusage-usage-daily"),
        line("preflight", 204),
        line("told", 500, stage="slow_query"),
        b"noise",
        b"",
        b"[" * 100_000,
    ]
    found = reconcile(database_store, lines)
    assert (found.records, found.confirmed, found.lied, found.log_lost, found.not_told) == (4, 2, 1, 1, 1)
    assert (found.first_lied, found.first_lost) == (("liar",), ("lost",))


def test_export_in_the_middle_of_a_plan_is_refused(database_store: RelationalStore) -> None:
    """Half a plan is no history."""
    sender = client(database_store)
    plan = plan_backfill(database_store, [row(sender, 1, slot=1)], reason="r", now_us=NOW_US)
    with database_store.planning() as tx:
        tx.run(
            "INSERT INTO plan (sha256, kind, document, state, chunk_count, started_at_us)"
            " VALUES (:sha256, 'backfill', :document, 'applying', 1, 0)",
            sha256=plan.sha256,
            document=plan.to_bytes().decode(),
        )

    def read() -> Iterator[bytes]:
        yield from export(database_store)

    with pytest.raises(PlanError, match="is being applied"):
        next(read())
    assert total_of(database_store) == 0
