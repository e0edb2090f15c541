"""One M1 record for each HTTP request of an ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, TypeAlias

from attribute.m1.request_log import CANCELLED, ActiveRequest, RequestLogger

__all__ = ["CLIENT_DISCONNECTED", "INCOMPLETE_RESPONSE", "NO_RESPONSE", "M1Middleware"]

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

CLIENT_DISCONNECTED: Final = "CLIENT_DISCONNECTED"
"""The error code where the client went away before it had its answer. Without a status where none was sent."""

NO_RESPONSE: Final = "NO_RESPONSE"
"""The error code where the application returned and had not answered, to a client that was still there."""

INCOMPLETE_RESPONSE: Final = "INCOMPLETE_RESPONSE"
"""The error code where the application returned in the middle of its answer, to a client that was still there."""

_CHUNKS: Final = ("http.response.body", "http.response.zerocopysend")


class M1Middleware:
    """
    Wraps an ASGI application and logs each HTTP request; websockets and the lifespan pass untouched.

    The status is the one that is sent. `latency_ms` ends when the server took the last chunk of the answer, so work
    that goes on behind it does not count. Inside, `current_request()` gives the request, for `upstream`, `error_code`
    and `note`.

    A client that goes away, or a cancellation, leaves the status that was sent, or none, with the error code
    `CLIENT_DISCONNECTED` or `CANCELLED`. Any other exception that passes through before the answer is complete makes
    an `exception` record. Behind a complete answer it is not the request's, unless the answer was a 5xx: then it is
    what that answer was about (the record of a 5xx waits for the application's return, with the clock stopped).

    Args:
        app: the application.
        logger: where the records go.
        function: names the function from the scope: one of few names, never the path.
        log_before_answer: whether the record is written before the answer's first byte is sent, and `latency_ms` ends
            there. What then breaks the answer off adds an `exception` record, which outranks the first.
        request_id_header: the header of the answer that carries the request's id, in place of any of that name; None
            for none. The id is always made here: a client's is never trusted.
    """

    def __init__(
        self,
        app: Application,
        logger: RequestLogger,
        *,
        function: Callable[[Scope], str],
        log_before_answer: bool = False,
        request_id_header: str | None = "x-request-id",
    ) -> None:
        self._app = app
        self._logger = logger
        self._function = function
        self._log_before_answer = log_before_answer
        self._header = None if request_id_header is None else request_id_header.lower().encode("latin-1")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as the ASGI specification says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._logger.request(self._function(scope)) as request:
            answer = _Answer(request, receive, send, header=self._header, early=self._log_before_answer)
            try:
                await self._app(scope, answer.receive, answer.send)
            except BaseException as error:
                answer.broke_off(error)
                raise
            answer.returned()


class _Answer:
    """What is known of one answer while it passes through."""

    def __init__(
        self, request: ActiveRequest, receive: Receive, send: Send, *, header: bytes | None, early: bool
    ) -> None:
        self._request = request
        self._receive = receive
        self._send = send
        self._header = header
        self._early = early
        self._status: int | None = None
        self._trailers = False
        self._complete = False
        self._client_gone = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._client_gone = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = self._started(message)
        try:
            await self._send(message)
        except OSError:  # so the specification lets a server say that the client is gone
            self._client_gone = True
            raise
        if self._is_last(message):
            self._completed()

    def _started(self, message: Message) -> Message:
        self._status = self._request.status = message["status"]
        self._trailers = bool(message.get("trailers", False))
        if self._header is not None:
            headers: Iterable[tuple[bytes, bytes]] = message.get("headers", ())
            kept = [(name, value) for name, value in headers if name.lower() != self._header]
            message = {
                **message,
                "headers": [*kept, (self._header, self._request.request_id.encode("latin-1", "replace"))],
            }
        if self._early:
            self._request.end()
        return message

    def _is_last(self, message: Message) -> bool:
        kind = message["type"]
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        if self._trailers:
            return False
        return kind == "http.response.pathsend" or (kind in _CHUNKS and not message.get("more_body", False))

    def _completed(self) -> None:
        self._complete = True
        self._request.stop_clock()
        if self._status is not None and self._status < 500:
            self._request.end()
            self._request.close()
        elif self._early:
            self._request.close()

    def broke_off(self, error: BaseException) -> None:
        if self._complete:
            if isinstance(error, Exception):
                self._request.fail(error)
            else:
                self._request.end()
            self._request.close()
        elif self._client_gone or not isinstance(error, Exception):
            self._left()

    def returned(self) -> None:
        if self._complete:
            self._request.end()
        elif self._client_gone:
            self._left()
        else:
            self._request.error_code = NO_RESPONSE if self._status is None else INCOMPLETE_RESPONSE
            self._request.status = 500
            self._request.end("exception")

    def _left(self) -> None:
        self._request.status = self._status
        self._request.error_code = CLIENT_DISCONNECTED if self._client_gone else CANCELLED
        self._request.end("exception" if self._status is None else "response")
        self._request.close()
