"""Attacks that take a whole service to judge: what is sent is answered, stored or refused as the attack lists say."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from attribute.ingest.calendar import local_start
from attribute.ingest.refusals import Code
from attribute.ingest.verify import verify
from attribute.ingest.visits import Settings, Visit
from attribute.ingest.wire import hour_start_of
from tests.ingest_http.world import INGEST, World, bucket, head, said

HOSTILE_NAMES = ("'; drop table ledger;--", '" or 1=1', "%", "_", "\\", "$1", "?", "{0}", ":source", "a::b", "a|b")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_name_full_of_sql_is_a_name_and_nothing_else(world: World, name: str) -> None:
    """Stored letter by letter, found by exactly that filter, and by no wildcard."""
    token = world.token()
    assert said(world.ingest([bucket(source=name, model=name, total=3), bucket(total=4)], token=token))["inserted"] == 2
    assert set(world.facts(token)) == {
        (name, name, "2026-03-10T12:00:00.000Z"),
        ("codex", "gpt-5", "2026-03-10T12:00:00.000Z"),
    }
    for only in ("source", "model"):
        totals = world.read("usage-summary", urlencode({only: name}), token=token)["totals"]
        assert totals["total_tokens"] == "3"
    code, request_id = world.link_code("user-2"), name.replace(" ", "")
    asked = {"link_code": code, "request_id": request_id, "device_name": name, "platform": "linux"}
    assert world.post("/functions/vibeusage-link-code-exchange", asked).status == 200
    assert [row.device_name for row in world.store.tokens()] == ["laptop", name]
    assert verify(world.store).findings == ()


@pytest.mark.parametrize(
    ("count", "status", "said_of_it"),
    [
        (0, 200, {"success": True, "inserted": 0, "skipped": 0}),
        (1, 200, {"success": True, "inserted": 1, "skipped": 0}),
        (500, 200, {"success": True, "inserted": 500, "skipped": 0}),
        (501, 413, {"error": "Too many buckets (max 500)", "code": "TOO_MANY_BUCKETS"}),
    ],
)
def test_delivery_of_so_many_buckets_is_answered_so(
    world: World, count: int, status: int, said_of_it: dict[str, object]
) -> None:
    """None is a delivery too, five hundred are the most, and one more writes nothing."""
    answer = world.ingest([bucket(model=f"m{number}") for number in range(count)], token=world.token())
    assert (answer.status, said(answer)) == (status, said_of_it)
    assert world.store.stats().last_ledger_id == (count if status == 200 else 0)


def test_delivery_of_501_equal_buckets_is_too_large_all_the_same(world: World) -> None:
    """The cap counts what was sent, not what is left of it."""
    assert world.ingest([bucket()] * 501, token=world.token()).status == 413


def test_repeats_in_one_delivery_are_one_row_of_the_ledger(world: World) -> None:
    """Exact, another case, another spelling of the time, another value: the last holds, and is counted once."""
    token = world.token()
    rows = [
        bucket(total=1),
        bucket(total=1),
        bucket(total=2, source="CODEX", model=" GPT-5 "),
        bucket("2026-03-10T12:00:00+00:00", total=3),
    ]
    assert said(world.ingest(rows, token=token)) == {"success": True, "inserted": 1, "skipped": 0}
    assert world.store.stats().last_ledger_id == 1
    assert list(world.facts(token).values()) == ["3"]


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        (zone, day)
        for zone, days in {
            "America/New_York": ("2024-03-10", "2024-11-03"),
            "Europe/London": ("2024-03-31", "2024-10-27"),
            "Africa/Cairo": ("2024-04-26", "2024-10-31"),
            "Australia/Lord_Howe": ("2024-04-07", "2024-10-06"),
            "Asia/Kathmandu": ("2024-03-31", "2024-10-27"),
        }.items()
        for day in days
    ],
)
def test_half_hours_around_a_transition_are_stored_as_sent_and_read_by_local_day(
    world: World, zone: str, day: str
) -> None:
    """Fifty-six half hours around midnights of a day on which clocks change: each its own slot, and no token lost."""
    token, info = world.token(), ZoneInfo(zone)
    midnight = int(datetime.fromisoformat(day).replace(tzinfo=info).timestamp()) // 1800
    slots = range(midnight - 4, midnight + 52)
    texts = [datetime.fromtimestamp(slot * 1800, UTC).strftime("%Y-%m-%dT%H:%M:00Z") for slot in slots]
    sent = [bucket(text, total=1 << (number % 32)) for number, text in enumerate(texts)]
    assert said(world.ingest(sent, token=token))["inserted"] == 56
    first, last = (datetime.fromisoformat(day) + timedelta(days=days) for days in (-2, 2))
    rows = world.read("usage-buckets", f"from={first:%Y-%m-%d}&to={last:%Y-%m-%d}", token=token)["data"]
    assert [row["hour_start"] for row in rows] == [hour_start_of(slot) for slot in slots]
    query = f"from={first:%Y-%m-%d}&to={last:%Y-%m-%d}&tz={zone}"
    expected: dict[str, int] = {}
    for number, slot in enumerate(slots):
        local = local_start(slot, info).date().isoformat()
        expected[local] = expected.get(local, 0) + (1 << (number % 32))
    daily = world.read("usage-daily", query, token=token)["data"]
    assert {row["day"]: int(row["total_tokens"]) for row in daily if row["total_tokens"] != "0"} == expected


# --- the same thing at the same time ----------------------------------------------------------------------------------


@contextmanager
def database_held(world: World) -> Iterator[Callable[[], None]]:
    """Another program's write lock, and the function that lets it go."""
    with closing(sqlite3.connect(world.store.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")

        def let_go() -> None:
            other.execute("ROLLBACK")

        yield let_go


def next_write_of(world: World) -> threading.Event:
    """What is set when the store is next asked to write."""
    entered, real_write = threading.Event(), world.store.write

    def write(delivery: object) -> object:
        entered.set()
        return real_write(delivery)  # type: ignore[arg-type]  # what the service handed over

    world.store.write = write  # type: ignore[method-assign, assignment]  # the real one, announced
    return entered


def test_idempotency_key_whose_first_request_is_under_way_is_409(worlds: Callable[..., World]) -> None:
    """The second one is told to come later, the first one is written once, and then the answer is replayed."""
    world = worlds(busy_s=60.0)
    token, key = world.token(), {"idempotency-key": "k"}
    entered = next_write_of(world)
    with ThreadPoolExecutor(1) as other, database_held(world) as let_go:
        first = other.submit(world.ingest, [bucket(total=3)], token=token, headers=key)
        assert entered.wait(timeout=60)
        second = world.ingest([bucket(total=3)], token=token, headers=key)
        while second.status == 503:  # the first one is inside, and has not noted its key yet
            second = world.ingest([bucket(total=3)], token=token, headers=key)
        third = world.ingest([bucket(total=4)], token=token, headers=key)
        let_go()
    assert first.result().status == 200
    for answer in (second, third):
        assert (answer.status, said(answer)) == (
            409,
            {"error": "A request with this Idempotency-Key is in progress", "code": "KEY_IN_FLIGHT"},
        )
    replayed = world.ingest([bucket(total=3)], token=token, headers=key)
    assert (replayed.status, replayed.body, replayed.code) == (200, first.result().body, Code.REPLAYED)
    assert world.store.stats().last_delivery_id == 1


def test_64_writers_of_one_bucket_leave_the_one_of_the_greatest_order(worlds: Callable[..., World]) -> None:
    """Whoever wins, ledger, fact and rollup agree on it."""
    world = worlds(settings=Settings(max_in_flight=64), busy_s=60.0)
    token = world.token()
    with ThreadPoolExecutor(64) as writers:
        answers = list(writers.map(lambda total: world.ingest([bucket(total=total)], token=token), range(64)))
    assert [answer.status for answer in answers] == [200] * 64
    with closing(sqlite3.connect(world.store.path)) as file:
        (winner,) = file.execute("SELECT t_total FROM ledger ORDER BY epoch DESC, seq DESC LIMIT 1").fetchone()
    assert list(world.facts(token).values()) == [str(winner)]
    assert world.read("usage-summary", token=token)["totals"]["total_tokens"] == str(winner)
    assert (world.store.stats().last_ledger_id, verify(world.store).findings) == (64, ())


@pytest.mark.parametrize("ahead", [-2, -1, 1, 2, 1000])
def test_epoch_that_is_not_the_current_one_is_409_and_told(world: World, ahead: int) -> None:
    """Stale, never issued or of the future: nothing is written, and the client learns which one to ask with."""
    token = world.token()
    epoch = said(world.post("/functions/vibeusage-epoch", token=token))["epoch"]
    answer = world.ingest([bucket()], token=token, headers={"attribute-sequence": f"{epoch + ahead}.1"})
    assert (answer.status, answer.code, said(answer)["epoch"]) == (409, Code.STALE_EPOCH, epoch)
    assert world.store.stats().last_delivery_id == 0


def test_sequence_that_jumps_as_far_as_it_can_loses_nothing(world: World) -> None:
    """The greatest sequence there is outranks all others, and those that come after it are kept all the same."""
    token = world.token()
    epoch = said(world.post("/functions/vibeusage-epoch", token=token))["epoch"]
    for total, sequence in ((1, 1), (2, 2**53 - 1), (3, 7)):
        answer = world.ingest([bucket(total=total)], token=token, headers={"attribute-sequence": f"{epoch}.{sequence}"})
        assert (answer.status, said(answer)["inserted"]) == (200, 1)
    assert (list(world.facts(token).values()), world.store.stats().last_ledger_id) == (["2"], 3)
    assert verify(world.store).findings == ()


def test_sequence_without_an_epoch_issued_is_409(world: World) -> None:
    """A client cannot make itself an epoch."""
    answer = world.ingest([bucket()], token=world.token(), headers={"attribute-sequence": "2.1"})
    assert (answer.status, answer.code) == (409, Code.STALE_EPOCH)


# --- the database's surroundings --------------------------------------------------------------------------------------


def test_lock_that_is_let_go_in_time_costs_a_wait_and_no_refusal(worlds: Callable[..., World]) -> None:
    """A backup that is done within the wait is not noticed by the client."""
    world = worlds(busy_s=60.0)
    token = world.token()
    with ThreadPoolExecutor(1) as other, database_held(world) as let_go:
        entered = next_write_of(world)
        waiting = other.submit(world.ingest, [bucket()], token=token)
        assert entered.wait(timeout=60)
        let_go()
        assert waiting.result().status == 200


def test_reader_that_never_ends_pins_the_log_shows_in_the_gauge_and_stops_nobody(world: World) -> None:
    """What SQLite cannot checkpoint grows where an alarm can see it, and shrinks when the reader is gone."""
    token = world.token()
    rows = [bucket(model=f"m{number}") for number in range(500)]
    with closing(sqlite3.connect(world.store.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM ledger").fetchone()
        sizes = []
        for total in range(4):
            assert world.ingest([{**row, "total_tokens": total} for row in rows], token=token).status == 200
            sizes.append(_wal_bytes(world))
        reader.execute("ROLLBACK")
    assert sizes == sorted(set(sizes))
    assert verify(world.store).findings == ()


def test_checkpoint_by_another_program_while_deliveries_come_in_loses_nothing(worlds: Callable[..., World]) -> None:
    """An operator's `PRAGMA wal_checkpoint` may make a delivery wait, and nothing else."""
    world = worlds(busy_s=60.0)
    token, done = world.token(), threading.Event()

    def checkpoint() -> None:
        with closing(sqlite3.connect(world.store.path, isolation_level=None, timeout=60)) as other:
            while not done.is_set():
                other.execute("PRAGMA wal_checkpoint(PASSIVE)")

    operator = threading.Thread(target=checkpoint)
    operator.start()
    try:
        answers = [world.ingest([bucket(model=f"m{number}")], token=token).status for number in range(100)]
    finally:
        done.set()
        operator.join()
    assert answers == [200] * 100
    assert (len(world.facts(token)), verify(world.store).findings) == (100, ())


def _wal_bytes(world: World) -> int:
    text = world.get("/metrics").body.decode()
    return int(text.rpartition("attribute_ingest_wal_bytes ")[2].split("\n")[0])


def test_guard_gives_every_place_back_whatever_ended_a_request(worlds: Callable[..., World]) -> None:
    """Good, malformed, too large, abandoned, of a revoked device, replayed, stale: none of them keeps one."""
    world = worlds(settings=Settings(max_in_flight=2))
    token, gone = world.token(), world.enrol()
    kinds: list[tuple[str, dict[str, str], bytes | None]] = [
        (token, {}, json.dumps([bucket()]).encode()),
        (token, {}, b"{"),
        (token, {}, b"[" * 100),
        (token, {"content-type": "text/plain"}, b""),
        (token, {"content-length": "9999999"}, b""),
        (token, {"idempotency-key": "k"}, b"[]"),
        (token, {"attribute-sequence": "8.1"}, b"[]"),
        (token, {}, None),
        (gone[0], {}, b"[]"),
    ]
    for number in range(1_800):
        shown, more, body = kinds[number % len(kinds)]
        asked = head("POST", INGEST, token=shown, headers={"content-type": "application/json", **more})
        visit = world.service.admit(asked)
        if isinstance(visit, Visit) and body is not None:
            world.store.revoke_device(gone[1].device_id, 1)
            world.service.finish(visit, body)
        elif isinstance(visit, Visit):
            world.service.abandon(visit, Code.INCOMPLETE_BODY)
    assert world.service.guard.taken == 0
