"""The power goes: with full synchronisation nothing confirmed is lost, and without it the test notices."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from attribute.ingest.stores.errors import StoreNotOpenedError
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.verify import verify
from tests.ingest_store.checks import Caught, expect
from tests.ingest_store.helpers import bucket, client
from tests.ingest_store.powercut import forgetful_store


def cut_power(folder: Path, *, cuts: int, seed: int, synchronous: str = "FULL") -> int:
    """
    Write, cut the power at some moments, and look at what is left; how many confirmed deliveries were looked for.

    Raises:
        Caught: a confirmed delivery is missing, or a promise is broken.
    """
    chance = random.Random(seed)
    looked_for = 0
    (folder / "live").mkdir(parents=True)
    with forgetful_store(folder / "live" / "usage.db", synchronous=synchronous) as (store, disk):
        sender = client(store)
        confirmed: list[str] = []

        def send() -> None:
            slots = chance.sample(range(99), chance.randrange(1, 60))
            sent = sender.delivery([bucket(chance.randrange(1000), slot=slot) for slot in slots])
            store.write(sent)
            confirmed.append(sent.request_id)

        for cut in range(cuts):
            found, known = folder / f"cut-{cut}", len(confirmed)

            def power_goes(found: Path = found) -> None:
                disk.after_power_cut(found, chance)

            disk.arm(chance.randrange(60), power_goes)
            while True:
                send()
                if found.exists():
                    break
                known = len(confirmed)
            _look(found / "usage.db", confirmed[:known])
            looked_for += known
            shutil.rmtree(found)
            power_goes()  # and once between two deliveries
            _look(found / "usage.db", confirmed)
            shutil.rmtree(found)
    return looked_for


def _look(path: Path, confirmed: list[str]) -> None:
    try:
        store = SqliteStore(path)
    except StoreNotOpenedError as error:
        raise Caught("the file does not open") from error
    try:
        expect(verify(store).findings, (), "findings after a power cut")
        with store.reading() as tx:
            there = {name for (name,) in tx.rows("SELECT request_id FROM delivery")}
        expect(sorted(set(confirmed) - there), [], "confirmed deliveries that are gone")
    finally:
        store.close()


def test_power_cut_loses_nothing_confirmed(tmp_path: Path) -> None:
    """Every confirmed delivery is on the disk for good, and what is found always opens and proves itself."""
    assert cut_power(tmp_path, cuts=40, seed=1) > 500


def test_seeded_fault_7_synchronous_normal_is_caught(tmp_path: Path) -> None:
    """The negative control: a store that synchronises only now and then loses what it confirmed."""
    with pytest.raises(Caught, match="confirmed deliveries that are gone"):
        cut_power(tmp_path, cuts=40, seed=1, synchronous="NORMAL")
