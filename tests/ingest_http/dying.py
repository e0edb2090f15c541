"""
The service as a process that kills itself around its log and its reply.

`python -m tests.ingest_http.dying STORE LOG POINT AT`. At the delivery number AT (from 1) it dies at POINT:
`before-log` (committed, no record), `after-log` (recorded, no reply) or `mid-reply` (the reply's head is out alone).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from attribute.ingest import server
from attribute.ingest.server import Listener
from attribute.ingest.service import Service
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.m1.request_log import RequestLogger

POINTS = ("before-log", "after-log", "mid-reply")


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit("still alive")


class DyingLogger(RequestLogger):
    """Counts successful deliveries, and dies around the record of one of them."""

    def __init__(self, path: Path, point: str, at: int) -> None:
        super().__init__(path)
        self._point, self._left = point, at

    def write(self, values: dict[str, object]) -> None:
        self._left -= values["function"] == "ingest" and values["status"] == 200
        if self._left == 0 and self._point == "before-log":
            die()
        super().write(values)
        if self._left == 0 and self._point == "after-log":
            die()
        if self._left == 0 and self._point == "mid-reply":
            Response.__call__ = _half  # type: ignore[method-assign, assignment]  # this process is about to end


async def _half(self: Response, _scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
    await asyncio.sleep(0.1)  # the head is on its way to the peer
    die()


def main(store_path: str, log_path: str, point: str, at: str) -> None:
    """Serve until it dies."""
    store = SqliteStore(Path(store_path))
    log = DyingLogger(Path(log_path), point, int(at))

    def made(stop: Callable[[], None]) -> Service:
        return Service(store, log=log, clock=server.SYSTEM_CLOCK, key=b"k" * 32, upstream_name="sqlite", on_broken=stop)

    server.serve(made, Listener())


if __name__ == "__main__":
    main(*sys.argv[1:])
