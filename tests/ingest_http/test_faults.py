"""The service over a real file whose surroundings go wrong: a lock, a full disk, a clock that jumps, lost replies."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from attribute.demo.score import verdicts_of
from attribute.ingest.refusals import Code
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.visits import Settings
from attribute.ingest.wire import hour_start_of, slot_of
from tests.ingest_http.world import INGEST, World, bucket, head, said


def test_lock_held_by_another_program_is_503_and_nothing_is_written(world: World) -> None:
    """The client is told to come back, the record says that the database was busy, and then it works."""
    token = world.token()
    with closing(sqlite3.connect(world.store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = world.ingest([bucket()], token=token)
        other.execute("ROLLBACK")
    assert (answer.status, answer.code, world.store.stats().last_delivery_id) == (503, Code.STORE_BUSY, 0)
    assert world.records()[-1]["upstream_status"] == 503
    assert world.ingest([bucket()], token=token).status == 200


def test_lock_held_by_a_plan_of_ours_blames_nobody(world: World, tmp_path: Path) -> None:
    """The database was not asked for the write, so the record has no status of it, and the verdict is UNKNOWN."""
    token = world.token()
    operator = SqliteStore(world.store.path, serving=False)
    with closing(operator), operator.planning():
        answer = world.ingest([bucket()], token=token)
    record = world.records()[-1]
    assert (answer.status, answer.code, world.store.stats().last_delivery_id) == (503, Code.STORE_BUSY, 0)
    assert (record["upstream_status"], record["upstream"], record["upstream_calls"]) == (None, "sqlite", 2)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "m1.jsonl").write_bytes(world.log.getvalue())
    assert verdicts_of(tmp_path / "logs")[0] == {record["request_id"]: ("UNKNOWN", "upstream-status-missing")}
    assert world.ingest([bucket()], token=token).status == 200


def test_full_disk_is_503_with_evidence_507_and_is_over_when_there_is_room(world: World) -> None:
    """No room is not our bug, nothing is torn, and reads go on."""
    token = world.token()
    rows = [bucket(hour_start_of((slot_of("2026-03-01T00:00:00Z") or 0) + number)) for number in range(400)]
    (pages,) = world.store._writer.execute("PRAGMA page_count").fetchone()
    world.store._writer.execute(f"PRAGMA max_page_count = {pages}")
    answer = world.ingest(rows, token=token)
    assert (answer.status, answer.code, world.records()[-1]["upstream_status"]) == (503, Code.STORE_FULL, 507)
    assert world.facts(token) == {}
    world.store._writer.execute("PRAGMA max_page_count = 1000000")
    assert said(world.ingest(rows, token=token))["inserted"] == 400


@pytest.mark.parametrize("jump_days", [-1, 1, 365 * 12, 365 * 74])
def test_clock_that_jumps_moves_the_window_and_never_the_order(worlds: Callable[..., World], jump_days: int) -> None:
    """What was said later holds, whatever the clock said when."""
    world = worlds(settings=Settings(window_past_days=36_500))
    token = world.token()
    assert world.ingest([bucket(total=1)], token=token).status == 200
    world.hand.forward(seconds=jump_days * 86_400)
    assert world.ingest([bucket("2026-03-08T00:00:00Z", total=5)], token=token).status == 200
    second = world.ingest([bucket(total=2)], token=token)
    assert second.status == (400 if jump_days < 0 else 200)
    world.hand.forward(seconds=-jump_days * 86_400)
    assert world.ingest([bucket(total=3)], token=token).status == 200
    facts = world.facts(token)
    assert facts["codex", "gpt-5", "2026-03-10T12:00:00.000Z"] == "3"


@pytest.mark.parametrize("seed", range(5))
def test_lost_replies_and_blind_repeats_leave_the_last_statement_of_every_bucket(world: World, seed: int) -> None:
    """An uploader that repeats whatever was not confirmed drains its queue, however many replies are lost."""
    chance = random.Random(seed)
    token, base = world.token(), slot_of("2026-02-01T00:00:00Z") or 0
    queue = [bucket(hour_start_of(base + chance.randrange(200)), total=chance.randrange(10**6)) for _ in range(600)]
    offset = 0
    while offset < len(queue):
        batch = queue[offset : offset + 30]
        assert world.ingest(batch, token=token).status == 200
        if chance.random() >= 0.2:  # else the reply is lost and the same batch is sent again
            offset += 30
    last = {("codex", "gpt-5", str(row["hour_start"])): str(row["total_tokens"]) for row in queue}
    assert world.facts(token) == last
    assert world.read("usage-summary", "from=2026-02-01&to=2026-02-10", token=token)["totals"]["total_tokens"] == str(
        sum(map(int, last.values()))
    )


def test_store_that_is_closed_under_the_service_is_never_success(world: World) -> None:
    """During an orderly end too: no 2xx for what is not durable."""
    token = world.token()
    visit = world.service.admit(head("POST", INGEST, token=token, headers={"content-type": "application/json"}))
    world.store.close()
    answer = world.service.finish(visit, json.dumps([bucket()]).encode())  # type: ignore[arg-type]  # it was admitted
    assert answer.status >= 500
    assert world.service.guard.taken == 0
