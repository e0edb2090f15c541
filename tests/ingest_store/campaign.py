"""
The long forms of the heavy tests.

`python -m tests.ingest_store.campaign [NAME ...] [--scale N | --night]`: without names all of them. Each prints what
was done and what it found; the process ends with 1 at the first broken promise. A night gives each its own scale.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attribute.ingest.faults import Fault, FaultKind
from attribute.ingest.model import Bucket, StoreUnavailable
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.verify import verify
from tests.ingest_store.checks import Caught
from tests.ingest_store.crashing import POINTS
from tests.ingest_store.helpers import FIRST_SLOT, bucket, client, facts_of, postgres_store, sqlite_store
from tests.ingest_store.homes import PostgresHome, SqliteHome, VendorHome
from tests.ingest_store.postgres import server
from tests.ingest_store.test_concurrency import storm
from tests.ingest_store.test_convergence import check_history, check_tickets
from tests.ingest_store.test_crashes import check_after_crash, kill_at_random, new_device, run_until_killed
from tests.ingest_store.test_life import live
from tests.ingest_store.test_postgres import kill_the_server
from tests.ingest_store.test_power_cut import cut_power
from tests.ingest_store.test_vendor import check_equal
from tests.ingest_store.vendors import vendor_store


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="attribute-campaign-") as name:
        yield Path(name)


@contextmanager
def both() -> Iterator[tuple[RelationalStore, RelationalStore]]:
    with folder() as place, sqlite_store(place) as one, server() as running, postgres_store(running.dsn()) as other:
        yield one, other


def random_history(chance: random.Random) -> list[tuple[int, list[Bucket]]]:
    def said(number: int) -> Bucket:
        counts = [chance.choice([0, 1, 10**12, chance.randrange(10**6)]) for _ in range(5)]
        return Bucket(chance.choice(["codex", "a::b"]), f"m{number}", FIRST_SLOT + chance.randrange(200), *counts)

    def batch() -> list[Bucket]:
        return [said(n) for n in range(chance.randrange(1, 6))]

    return [(chance.randrange(2), batch()) for _ in range(chance.randrange(1, 9))]


def convergence(scale: int) -> str:
    """Random histories, shuffled, repeated and cut, against the reference; on both databases."""
    chance = random.Random(scale)
    with both() as stores:
        for _ in range(400 * scale):
            for store in stores:
                history = random_history(chance)
                check_history(store, history, chance.randrange(2**32))
                check_tickets(store, history, chance.randrange(2**32))
        for store in stores:
            if verify(store).findings:
                raise Caught(verify(store).findings)
    return f"{400 * scale} histories x 2 ways x 2 databases"


def life(scale: int) -> str:
    """The stateful machine, longer, on each store."""
    with server() as running:
        for settle in (SqliteHome, lambda ends: PostgresHome(ends, running.dsn()), VendorHome):
            live(settle, lives=100 * scale, steps=50)
    return f"{100 * scale} lives of up to 50 steps on each of 3 stores"


def crowds(scale: int) -> str:
    """Threads on hot keys, on both databases."""
    with both() as stores:
        for store in stores:
            storm(store, threads=16, batches=125 * scale, seed=scale)
    return f"{2000 * scale} batches of 16 threads x 2 databases"


def kills(scale: int) -> str:
    """kill -9 of the writing process, at random and at each named point."""
    confirmed = 0
    with folder() as place:
        confirmed += kill_at_random(place / "random.db", 50 * scale, seed=scale)
        for point in POINTS[:-1]:
            path = place / f"{point}.db"
            device = new_device(path)
            heard: list[int] = []
            first = 0
            for _ in range(5 * scale):
                heard += run_until_killed(path, device, point=point, at=first + 3, first=first, kind="real", after=-1)
                first = check_after_crash(path, device, heard)
            confirmed += len(heard)
    return f"{50 * scale} random kills, {5 * scale} at each of {len(POINTS) - 1} points, {confirmed} confirmed, 0 lost"


def power(scale: int) -> str:
    """Power cuts; and without full synchronisation, how many series lose something."""
    lost = 0
    with folder() as place:
        looked = sum(cut_power(place / f"full-{n}", cuts=20, seed=n) for n in range(5 * scale))
        for n in range(5 * scale):
            try:
                cut_power(place / f"normal-{n}", cuts=20, seed=n, synchronous="NORMAL")
            except Caught:
                lost += 1
    if lost < 5 * scale:
        raise Caught("the negative control found nothing: the test is blind")
    told = f"{200 * scale} cuts with FULL, {looked} confirmed looked for, 0 lost"
    return f"{told}; NORMAL lost some in {lost} of {5 * scale}"


def server_kills(scale: int) -> str:
    """SIGKILL of a PostgreSQL server under load."""
    return f"{2 * scale} kills, {kill_the_server(2 * scale)} confirmed, 0 lost"


def vendor_faults(scale: int) -> str:
    """A vendor that fails one call in two, in every way."""
    chance = random.Random(scale)
    kinds = [
        Fault(kind=FaultKind.STATUS, status=503),
        Fault(kind=FaultKind.STATUS, status=500, after_write=True),
        Fault(kind=FaultKind.RESET),
        Fault(kind=FaultKind.RESET, after_write=True),
        Fault(kind=FaultKind.CUT),
        Fault(kind=FaultKind.HANG, after_write=True),
        Fault(kind=FaultKind.DELAY, delay_ms=200),
    ]
    failed = 0
    with folder() as place, vendor_store(place, deadline_s=0.1) as (store, vendor):
        senders = [client(store, f"user-{n}") for n in range(3)]
        last: dict[tuple[int, int], int] = {}
        for number in range(200 * scale):
            who, slot = chance.randrange(3), chance.randrange(20)
            vendor.schedule.replace([chance.choice(kinds)] if chance.random() < 0.5 else [])
            while True:
                try:
                    senders[who].send([bucket(number, slot=slot)])
                    break
                except StoreUnavailable:
                    failed += 1
                    vendor.schedule.replace([])
            last[who, slot] = number
        store.flush()
        users = [f"user-{n}" for n in range(3)]
        check_equal(store, vendor, *users)
        totals = {
            (int(key[0][5:]), key[1] - FIRST_SLOT): counts.total for key, (counts, _) in facts_of(store, *users).items()
        }
        if totals != last or verify(store).findings:
            raise Caught("facts are not the client's last statements")
    return f"{200 * scale} deliveries, {failed} failed and sent again, both sides equal"


CAMPAIGNS: dict[str, Callable[[int], str]] = {
    each.__name__.replace("_", "-"): each
    for each in (convergence, life, crowds, kills, power, server_kills, vendor_faults)
}

NIGHT: dict[str, int] = {
    "convergence": 12,
    "life": 1,
    "crowds": 25,
    "kills": 10,
    "power": 25,
    "server-kills": 10,
    "vendor-faults": 10,
}
"""The scale of each in a night."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.ingest_store.campaign")
    parser.add_argument("names", nargs="*", choices=[[], *CAMPAIGNS], default=[])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--scale", type=int, default=1)
    size.add_argument("--night", action="store_true", help="each at the size of a night")
    chosen = parser.parse_args()
    for name in chosen.names or CAMPAIGNS:
        started = time.monotonic()
        print(f"{name}: ", end="", flush=True)
        scale = NIGHT[name] if chosen.night else chosen.scale
        print(f"{CAMPAIGNS[name](scale)} ({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
