"""kill -9, at named points and at random: nothing confirmed is lost, nothing is counted twice."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from attribute.ingest.model import Device
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.verify import verify
from tests.ingest_store.checks import Caught, expect
from tests.ingest_store.crashing import POINTS, buckets_of
from tests.ingest_store.helpers import client, facts_of

ROOT = Path(__file__).parents[2]


def run_until_killed(
    path: Path, device: Device, *, point: str, at: int, first: int, kind: str, after: int
) -> list[int]:
    """Numbers of the deliveries that were confirmed; after so many of them the process is killed from outside."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ingest_store.crashing", str(path), device.device_id, str(device.token_id),
         point, str(at), str(first), kind],
        stdout=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    confirmed = []
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith(b"\n"):
            confirmed.append(int(line))
        if len(confirmed) == after:
            process.kill()
            after = -1
    process.stdout.close()
    assert process.wait() == -9
    return confirmed


def check_after_crash(path: Path, device: Device, confirmed: list[int]) -> int:
    """Everything confirmed is there as it was sent, everything there was sent; the number to go on with."""
    store = SqliteStore(path)
    try:
        expect(verify(store).findings, (), "findings after a crash")
        with store.reading() as tx:
            found: dict[int, list[tuple[object, ...]]] = {}
            for at_us, *said in tx.rows(
                "SELECT d.received_at_us - :start, l.source, l.model, l.slot, l.t_in, l.t_cached, l.t_out, l.t_reason,"
                " l.t_total FROM delivery d JOIN ledger l ON l.delivery_id = d.delivery_id ORDER BY l.ledger_id",
                start=_start(),
            ):
                found.setdefault(int(at_us), []).append(tuple(said))
        for number in confirmed:
            expect(found.get(number), [tuple(said) for said in buckets_of(number)], f"confirmed delivery {number}")
        for number, said in found.items():
            expect(said, [tuple(each) for each in buckets_of(number)], f"delivery {number}")
        expect(
            {key[1:4]: counts.total for key, (counts, _) in facts_of(store, device.user_id).items()},
            {(said.slot, said.source, said.model): said.total for n in sorted(found) for said in buckets_of(n)},
            "facts",
        )
        return max(found, default=-1) + 1
    finally:
        store.close()


def _start() -> int:
    from tests.ingest_store.helpers import NOW_US

    return NOW_US


def new_device(path: Path) -> Device:
    store = SqliteStore(path)
    try:
        return client(store).device
    finally:
        store.close()


def kill_at_random(path: Path, rounds: int, *, seed: int, kind: str = "real") -> int:
    """Kill and start again; how many deliveries were confirmed in all."""
    chance = random.Random(seed)
    device = new_device(path)
    first, confirmed = 0, []
    for _ in range(rounds):
        confirmed += run_until_killed(
            path, device, point="never", at=-1, first=first, kind=kind, after=1 + chance.randrange(12)
        )
        first = check_after_crash(path, device, confirmed)
    return len(confirmed)


@pytest.mark.parametrize("point", [point for point in POINTS if point != "never"])
def test_kill_at_a_named_point_loses_nothing_confirmed(tmp_path: Path, point: str) -> None:
    """Before the commit the delivery never was; after it, it is, whether the client heard of it or not."""
    path = tmp_path / "usage.db"
    device = new_device(path)
    confirmed = run_until_killed(path, device, point=point, at=3, first=0, kind="real", after=-1)
    assert confirmed == [0, 1, 2]
    assert check_after_crash(path, device, confirmed) == (4 if point == "after-commit" else 3)


def test_kill_at_random_loses_nothing_confirmed(tmp_path: Path) -> None:
    """A few rounds here; the campaign does hundreds."""
    assert kill_at_random(tmp_path / "usage.db", 5, seed=1) >= 5


def test_seeded_fault_6_ack_before_commit_is_caught(tmp_path: Path) -> None:
    """A store that confirms first and commits later is found out by a kill."""
    path = tmp_path / "usage.db"
    device = new_device(path)
    confirmed = run_until_killed(path, device, point="before-commit", at=3, first=0, kind="ack-before-commit", after=-1)
    assert confirmed == [0, 1, 2]
    with pytest.raises(Caught, match="confirmed delivery 2"):
        check_after_crash(path, device, confirmed)
