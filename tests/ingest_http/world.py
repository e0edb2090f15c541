"""A service over a real SQLite file, with a clock that stands still, driven by values."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from attribute.ingest.credentials import hash_of, new_secret
from attribute.ingest.messages import Answer, Head
from attribute.ingest.model import Device
from attribute.ingest.service import Service
from attribute.ingest.stores.interface import Store
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.visits import Clock, Settings
from attribute.ingest.wire import COUNT_NAMES
from attribute.m1.request_log import RequestLogger

NOW = datetime(2026, 3, 10, 12, 10, tzinfo=UTC)
KEY = b"k" * 32
INGEST = "/functions/vibescore-ingest"


@dataclass
class Hand:
    """The hand that moves the clock."""

    now_us: int = int(NOW.timestamp()) * 1_000_000
    elapsed_s: float = 0.0

    def clock(self) -> Clock:
        return Clock(now_us=lambda: self.now_us, monotonic=lambda: self.elapsed_s)

    def forward(self, *, seconds: float) -> None:
        self.now_us += round(seconds * 1_000_000)
        self.elapsed_s += seconds


@dataclass
class World:
    """Everything around one service."""

    service: Service
    store: SqliteStore
    log: io.BytesIO
    hand: Hand
    crashes: list[str] = field(default_factory=list)
    broken: list[bool] = field(default_factory=list)

    def token(self, user_id: str = "user-1") -> str:
        return self.enrol(user_id)[0]

    def enrol(self, user_id: str = "user-1") -> tuple[str, Device]:
        token = new_secret()
        device = self.store.issue_token(
            user_id=user_id, name="laptop", platform="linux", sha256=hash_of(token), at_us=self.hand.now_us
        )
        return token, device

    def link_code(self, user_id: str = "user-1", *, minutes: int = 10) -> str:
        code = new_secret()
        expires_at_us = self.hand.now_us + minutes * 60_000_000
        self.store.issue_link_code(user_id=user_id, sha256=hash_of(code), expires_at_us=expires_at_us)
        return code

    def post(
        self, path: str, body: object = b"", *, token: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", **(headers or {})}
        return self.service.handle(head("POST", path, token=token, headers=given), raw)

    def ingest(self, body: object, *, token: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.post(INGEST, body, token=token, headers=headers)

    def get(self, name: str, query: str = "", *, token: str | None = None) -> Answer:
        path = name if name.startswith("/") else f"/functions/vibeusage-{name}"
        return self.service.handle(head("GET", path, token=token, query=query))

    def read(self, name: str, query: str = "", *, token: str) -> dict[str, Any]:
        answer = self.get(name, query, token=token)
        assert answer.status == 200, answer.body
        return said(answer)

    def facts(self, token: str, query: str = "from=2024-01-05&to=2026-03-11") -> dict[tuple[str, str, str], str]:
        rows = self.read("usage-buckets", query, token=token)["data"]
        return {(row["source"], row["model"], row["hour_start"]): row["total_tokens"] for row in rows}

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


def make_world(
    path: Path,
    *,
    settings: Settings | None = None,
    wrapped: Callable[[SqliteStore], object] | None = None,
    busy_s: float = 0.05,
) -> World:
    store = SqliteStore(path / "ingest.db", busy_s=busy_s)
    log, hand = io.BytesIO(), Hand()
    crashes: list[str] = []
    broken: list[bool] = []
    service = Service(
        cast("Store", store if wrapped is None else wrapped(store)),
        log=RequestLogger(log, clock=lambda: NOW),
        clock=hand.clock(),
        key=KEY,
        settings=settings or Settings(),
        upstream_name="sqlite",
        on_crash=crashes.append,
        on_broken=lambda: broken.append(True),
    )
    return World(service=service, store=store, log=log, hand=hand, crashes=crashes, broken=broken)


def head(
    method: str, path: str, *, token: str | None = None, query: str = "", headers: Mapping[str, str] | None = None
) -> Head:
    given = {**(headers or {}), **({} if token is None else {"authorization": f"Bearer {token}"})}
    return Head(method=method, path=path, query=query, headers=tuple(given.items()))


def bucket(hour_start: object = "2026-03-10T12:00:00.000Z", total: object = 1, **changed: object) -> dict[str, object]:
    counts = dict.fromkeys(COUNT_NAMES, 0) | {"total_tokens": total}
    return {"source": "codex", "model": "gpt-5", "hour_start": hour_start, **counts, **changed}


def said(answer: Answer) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(answer.body))
