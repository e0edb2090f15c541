"""
The long forms of the tests of the service's HTTP side: `python -m tests.ingest_http.campaign`.

Timing of refusals (20,000 each of four kinds), slow peers (500 sockets beside 20 good clients), and strangers' traffic
(5,000 requests of 20 users). Takes some minutes; prints one line per part and ends with 1 if any missed its bar.
"""

from __future__ import annotations

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
from urllib.parse import urlsplit

import httpx

from attribute.ingest import server
from attribute.ingest.server import Listener
from tests.ingest_http.world import INGEST, World, bucket, head, make_world

SAMPLES = 20_000
SLOW_PEERS = 500
GOOD_CLIENTS = 20
GOOD_SECONDS = 20
STRANGERS = 5_000


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


def main() -> int:
    parts: tuple[Callable[[World], tuple[bool, str]], ...] = (timing, slow_peers, strangers)
    good = True
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            world = make_world(Path(folder))
            passed, line = part(world)
            world.store.close()
        good &= passed
        print(f"{'ok    ' if passed else 'MISSED'} {part.__name__}: {line}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
