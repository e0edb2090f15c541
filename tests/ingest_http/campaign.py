"""
The long forms of the tests of the service's HTTP side: `python -m tests.ingest_http.campaign`.

Timing of refusals (20,000 each of four kinds), slow peers (500 sockets beside 20 good clients), strangers' traffic
(100,000 requests of 20 users), a million records into a log that is full now and then, every transition of every zone
from 1990 to 2040, and generated questions (2,000 per operation). Names of parts as arguments run those alone. Prints
one line per part and ends with 1 if any missed its bar.
"""

from __future__ import annotations

import errno
import io
import random
import secrets
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import httpx

from attribute.ingest import server
from attribute.ingest.server import Listener
from attribute.m1.request_log import RequestLogger
from tests.ingest_http import generated, transitions
from tests.ingest_http.world import INGEST, NOW, World, bucket, head, make_world

if TYPE_CHECKING:
    from typing_extensions import Buffer

SAMPLES = 20_000
SLOW_PEERS = 500
GOOD_CLIENTS = 20
GOOD_SECONDS = 20
STRANGERS = 100_000
RECORDS = 1_000_000
QUESTIONS = 2_000
YEARS = range(1990, 2041)


def timing(world: World) -> tuple[bool, str]:
    """Unknown, revoked, revoked device: the median refusal differs by at most 50 us or 5 %."""
    revoked, first = world.enrol()
    orphan, second = world.enrol()
    world.store.revoke_token(first.token_id, 0)
    world.store.revoke_device(second.device_id, 0)
    deleted = secrets.token_hex(32)
    kinds = {"unknown": None, "revoked": revoked, "device": orphan, "deleted": deleted}
    seen: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(SAMPLES):
        for kind, token in kinds.items():
            asked = head("POST", INGEST, token=token or secrets.token_hex(32))
            began = time.perf_counter()
            answer = world.service.handle(asked, b"[]")
            seen[kind].append(time.perf_counter() - began)
            assert answer.status == 401
        world.log.seek(0)
        world.log.truncate()
    medians = {kind: statistics.median(times) * 1e6 for kind, times in seen.items()}
    spread = max(medians.values()) - min(medians.values())
    allowed = max(50.0, 0.05 * min(medians.values()))
    return spread <= allowed, f"medians {', '.join(f'{kind} {us:.0f} us' for kind, us in medians.items())}"


def slow_peers(world: World) -> tuple[bool, str]:
    """Hundreds of sockets that send a byte now and then: 99 of 100 good requests are answered within a second."""
    token = world.token()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with server.running(world.service, Listener()) as url:
        stop = threading.Event()
        peers = threading.Thread(target=_trickle, args=(url, stop))
        peers.start()
        taken: list[float] = []
        clients = [threading.Thread(target=_good, args=(url, headers, taken)) for _ in range(GOOD_CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        stop.set()
        peers.join()
    p99 = statistics.quantiles(taken, n=100)[98]
    return p99 < 1.0, f"{len(taken)} good requests, p99 {p99 * 1000:.0f} ms"


def _trickle(url: str, stop: threading.Event) -> None:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    address = (parts.hostname, parts.port)
    peers: list[socket.socket] = []
    while not stop.is_set():
        alive: list[socket.socket] = []
        for peer in peers:
            try:
                peer.sendall(b"X")
                alive.append(peer)
            except OSError:
                peer.close()
        while len(alive) < SLOW_PEERS and not stop.is_set():
            try:
                alive.append(socket.create_connection(address, timeout=1))
            except OSError:
                break
        peers = alive
        stop.wait(0.5)
    for peer in peers:
        peer.close()


def _good(url: str, headers: dict[str, str], taken: list[float]) -> None:
    until = time.perf_counter() + GOOD_SECONDS
    with httpx.Client(base_url=url, timeout=30, transport=httpx.HTTPTransport(retries=50)) as client:
        while time.perf_counter() < until:
            began = time.perf_counter()
            try:
                client.post(INGEST, headers=headers, json=[bucket()])
            except httpx.HTTPError:
                continue  # cut off by the cap on connections, and back at once
            taken.append(time.perf_counter() - began)


def strangers(world: World) -> tuple[bool, str]:
    """Twenty users, five devices each, in any order: every user reads the sum of its own."""
    chance = random.Random(11)
    users = {f"user-{number}": [world.token(f"user-{number}") for _ in range(5)] for number in range(20)}
    held: dict[str, dict[tuple[str, str], int]] = {user: {} for user in users}
    wrong = 0
    for _ in range(STRANGERS):
        user = chance.choice(list(users))
        token = chance.choice(users[user])
        if chance.random() < 0.7:
            total, model = chance.randrange(10**9), f"model-{chance.randrange(4)}"
            wrong += world.ingest([bucket(total=total, model=model)], token=token).status != 200
            held[user][token, model] = total
        else:
            found = world.read("usage-summary", token=token)["totals"]["total_tokens"]
            wrong += found != str(sum(held[user].values()))
    return wrong == 0, f"{STRANGERS} requests, {wrong} wrong"


class Leaky(io.RawIOBase):
    """A log on a disk on which every thousandth write finds no room."""

    def __init__(self) -> None:
        self.asked, self.kept = 0, 0

    def writable(self) -> bool:
        return True

    def write(self, line: Buffer, /) -> int:
        self.asked += 1
        if self.asked % 1000 == 0:
            raise OSError(errno.ENOSPC, "no room")
        self.kept += 1
        return len(bytes(line))


def many_records(world: World) -> tuple[bool, str]:
    """A million requests and a log that is full now and then: every one is answered, and has its line or is counted."""
    sink = Leaky()
    log = RequestLogger(sink, clock=lambda: NOW)
    world.service._log = log
    answered = sum(world.service.handle(head("GET", "/healthz")).status == 200 for _ in range(RECORDS))
    good = (answered, sink.kept, log.dropped) == (RECORDS, RECORDS - RECORDS // 1000, RECORDS // 1000)
    return good, f"{answered} answered, {sink.kept} lines, {log.dropped} counted as lost"


def transitions_of_zones(world: World) -> tuple[bool, str]:
    """Every transition of every zone from 1990 to 2040, read through the service and worked out by plain code."""
    names = sorted(available_timezones())
    found = transitions.check(world.store.path.parent / "zones", names, YEARS)
    return found > len(names), f"{len(names)} zones, {YEARS.start} to {YEARS.stop - 1}, {found} transitions"


def questions(world: World) -> tuple[bool, str]:
    """Generated questions to every operation, one by one and in chains that use earlier answers."""
    described = generated.described(world)
    for path in generated.PATHS:
        generated.ask(described, world, path, examples=QUESTIONS)
    generated.walk(described, world, walks=QUESTIONS // 10)
    return True, f"{len(generated.PATHS)} operations, {QUESTIONS} questions each, {QUESTIONS // 10} chains"


def main(chosen: list[str]) -> int:
    parts: tuple[Callable[[World], tuple[bool, str]], ...] = (
        timing, slow_peers, strangers, many_records, transitions_of_zones, questions
    )  # fmt: skip
    good = True
    for part in parts:
        if chosen and part.__name__ not in chosen:
            continue
        with tempfile.TemporaryDirectory() as folder:
            world = make_world(Path(folder))
            passed, line = part(world)
            world.store.close()
        good &= passed
        print(f"{'ok    ' if passed else 'MISSED'} {part.__name__}: {line}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
