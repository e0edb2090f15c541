"""Send the traffic of every act, and remember which request belonged to which."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from attribute.demo.injection import FaultyStore, Injection, faulty_clock
from attribute.demo.scenario import ACTS, DEADLINE_MS, Act, Traffic
from attribute.ingest import server, vendor, wire
from attribute.ingest.credentials import hash_of, new_secret
from attribute.ingest.faults import Schedule
from attribute.ingest.messages import REQUEST_ID_HEADER
from attribute.ingest.service import Service
from attribute.ingest.stores.vendor_client import RecordsClient
from attribute.m1.request_log import RequestLogger

LOG_NAME: Final = "ingest.m1.jsonl"
_SENDERS: Final = 8
_BUCKETS: Final = 12
_PATH: Final = "/functions/vibescore-ingest"
_CLIENT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request that was sent: in which act, and by which id the log knows it."""

    act: Act
    request_id: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the acts are played on."""

    url: str
    token: str
    schedule: Schedule
    injection: Injection


def play(
    logs: Path, data: Path, *, acts: tuple[Act, ...] = ACTS, on_act: Callable[[Act], None] = lambda _: None
) -> list[Sent]:
    """
    Start a vendor and a service, play the acts, and stop both.

    Args:
        logs: folder that the M1 log goes to.
        data: folder that the service's database goes to.
        acts: what is played, in order.
        on_act: told before each.

    Returns:
        Every request that was sent, in the order of the acts.
    """
    sent: list[Sent] = []
    with (
        stage(logs, data) as on,
        httpx.Client(base_url=on.url, timeout=_CLIENT_S, trust_env=False) as client,
        ThreadPoolExecutor(_SENDERS) as senders,
    ):
        for act in acts:
            on_act(act)
            on.schedule.replace(act.vendor)
            on.injection.arm(act)
            sent += senders.map(partial(_send, client, on.token, act), range(act.requests))
    return sent


@contextmanager
def stage(logs: Path, data: Path) -> Iterator[Stage]:
    """Run a vendor and a service on free loopback ports for as long as the block lasts."""
    schedule, injection = Schedule(), Injection()
    clock = faulty_clock(server.SYSTEM_CLOCK, injection)
    with ExitStack() as stack:
        records = vendor.Records()
        stack.callback(records.close)
        vendor_url = stack.enter_context(vendor.running(vendor.Vendor(records, schedule)))
        log = stack.enter_context(RequestLogger(logs / LOG_NAME))
        client = RecordsClient(vendor_url, key=None, deadline_s=DEADLINE_MS / 1000)
        store = FaultyStore(path=data / "ingest.db", client=client, injection=injection)
        stack.callback(store.close)
        token = new_secret()
        store.issue_token(
            user_id="demo", name="demo", platform="demo", sha256=hash_of(token), at_us=server.SYSTEM_CLOCK.now_us()
        )
        service = Service(
            store,
            log=log,
            clock=clock,
            key=secrets.token_bytes(server.KEY_BYTES),
            upstream_name="sqlite",
            writes_to="records-vendor",
        )
        url = stack.enter_context(server.running(service))
        yield Stage(url=url, token=token, schedule=schedule, injection=injection)


def _send(client: httpx.Client, token: str, act: Act, number: int) -> Sent:
    headers = {"Content-Type": "application/json"}
    if act.traffic is not Traffic.NO_TOKEN:
        headers["Authorization"] = f"Bearer {new_secret() if act.traffic is Traffic.WRONG_TOKEN else token}"
    body = b'{"hourly": [' if act.traffic is Traffic.MALFORMED else _delivery(number)
    answer = client.post(_PATH, content=body, headers=headers)
    return Sent(act=act, request_id=answer.headers[REQUEST_ID_HEADER], status=answer.status_code)


def _delivery(number: int) -> bytes:
    last = wire.window_at(server.SYSTEM_CLOCK.now()).last_slot
    buckets = [
        {
            "hour_start": wire.hour_start_of(last - 1 - index),
            "source": "codex",
            "model": f"demo-{number % 3}",
            **dict.fromkeys(wire.COUNT_NAMES, number + index),
        }
        for index in range(_BUCKETS)
    ]
    return json.dumps({"hourly": buckets}).encode()
