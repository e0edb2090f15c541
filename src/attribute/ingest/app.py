"""The service behind Starlette: what comes in becomes values, and what the service answers goes out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar, cast

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from attribute.ingest.messages import Access, Answer, Head
from attribute.ingest.refusals import Code
from attribute.ingest.service import Service
from attribute.ingest.visits import Visit
from attribute.ingest.wire import MAX_BODY_BYTES

DISCARDED_BYTES: Final = 8 * MAX_BODY_BYTES
"""A body that nobody wants is read and thrown away up to this declared size; beyond it, the peer is cut off."""

ADMISSIONS: Final = 8
FOR_ANYONE: Final = 4

Result = TypeVar("Result")


class Endpoint:
    """
    An ASGI application that answers every path.

    Looking a token up, answering the holder of one, and answering anyone have threads of their own, so that nobody
    without a token can keep a holder waiting for a thread.

    Args:
        service: what answers.
        message_s: seconds from a message's first byte to its last.
    """

    def __init__(self, service: Service, *, message_s: float) -> None:
        self._service = service
        self._message_s = message_s
        self._admissions = CapacityLimiter(ADMISSIONS)
        self._holders = CapacityLimiter(service.settings.max_in_flight)
        self._anyone = CapacityLimiter(FOR_ANYONE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        head = head_of(scope)
        began_at = cast("float", scope.get("state", {}).get("began_at", asyncio.get_running_loop().time()))
        arrived_at = self._service.clock.monotonic()
        visit = await _in_thread(self._admissions, lambda: self._service.admit(head, arrived_at=arrived_at))
        answer = visit if isinstance(visit, Answer) else await self._answer(visit, receive, began_at)
        headers = [*answer.headers, *(("Connection", "close") for _ in range(not _can_discard(head, answer)))]
        response = Response(answer.body, status_code=answer.status)
        response.raw_headers = [
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers),
            *([] if answer.status == 204 else [(b"content-length", b"%d" % len(answer.body))]),
        ]
        await response(scope, receive, send)

    async def _answer(self, visit: Visit, receive: Receive, began_at: float) -> Answer:
        body = await _read_body(receive, began_at + self._message_s)
        received_at = self._service.clock.monotonic()
        threads = self._anyone if visit.route.access is Access.ANYONE else self._holders
        if isinstance(body, Code):
            return await _in_thread(threads, lambda: self._service.abandon(visit, body))
        return await _in_thread(threads, lambda: self._service.finish(visit, body, received_at=received_at))


async def _in_thread(threads: CapacityLimiter, work: Callable[[], Result]) -> Result:
    return await to_thread.run_sync(work, limiter=threads)


async def _read_body(receive: Receive, deadline: float) -> bytes | Code:
    parts: list[bytes] = []
    size = 0
    with anyio.move_on_at(deadline):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return Code.INCOMPLETE_BODY
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > MAX_BODY_BYTES:
                return Code.BODY_TOO_LARGE
            if not message.get("more_body", False):
                return b"".join(parts)
    return Code.RECEIPT_DEADLINE


def _can_discard(head: Head, answer: Answer) -> bool:
    if answer.code is Code.RECEIPT_DEADLINE:
        return False
    declared = "".join(head.values("content-length")) or "0"
    return declared.isdigit() and len(declared) <= 18 and int(declared) <= DISCARDED_BYTES


def head_of(scope: Scope) -> Head:
    """Return a request's head as it came: nothing decoded but from bytes to characters, one to one."""
    return Head(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]),
    )


def build(
    service: Service,
    *,
    message_s: float = 10.0,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """
    Return the ASGI application.

    Args:
        service: what answers.
        message_s: seconds from a message's first byte to its last.
        lifespan: what is done before the first request and after the last, or nothing.
    """
    application = Starlette(lifespan=lifespan)
    # Not a route: no pattern matches the `*` of `OPTIONS *`, and every request is to be answered and logged by us.
    application.router.default = Endpoint(service, message_s=message_s)
    return application
