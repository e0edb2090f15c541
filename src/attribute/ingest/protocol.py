"""
HTTP/1.1 as this service receives it: with limits and absolute deadlines, and with one reading of every message or none.

uvicorn's protocol does the parsing and the answering. What it lacks is added here: a bound on the head, a deadline
that no trickle of bytes can push back, a cap on connections, and a refusal of everything by which two parsers in a row
could come to disagree about where a message ends.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from attribute.ingest.metrics import Dropped, Metrics

_SINGLE: Final = frozenset({b"content-length", b"host"})
_REFUSED: Final = frozenset({b"transfer-encoding", b"upgrade", b"trailer"})
_VERSIONS: Final = frozenset({"1.0", "1.1"})
_HOST: Final = re.compile(rb"[!-~]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What a peer may cost before it has shown a token.

    Attributes:
        connections: open at one time; for one more, the one goes that has kept us waiting longest.
        head_s: from a message's first byte, or from the connection's start, to the end of its head.
        message_s: from a message's first byte to its last.
        idle_s: between two messages of one connection.
        write_s: for a peer to take what it was answered.
        head_bytes: request line and headers.
        headers: how many.
        pipelined: messages that wait behind one that is being answered.
    """

    connections: int = 128
    head_s: float = 5.0
    message_s: float = 10.0
    idle_s: float = 15.0
    write_s: float = 10.0
    head_bytes: int = 16_384
    headers: int = 100
    pipelined: int = 16


class _Phase(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    BUSY = auto()


class RefusedMessageError(Exception):
    """A message that is not answered but refused with 400; the parser passes it on as its own error."""


class BoundedProtocol(HttpToolsProtocol):
    """
    One connection.

    Args:
        limits: what its peer may cost.
        metrics: where it is counted what was dropped.
        config, server_state, app_state, _loop: of uvicorn.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        metrics: Metrics,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._metrics = metrics
        self._phase = _Phase.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._fed_bytes = 0
        self._began_at = 0.0
        self._half_closed = False

    @property
    def is_waiting(self) -> bool:
        """Whether the peer, and not we, has to do something next."""
        return self._phase is not _Phase.BUSY and not self.transport.is_closing()

    # --- the connection -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """
        Take a connection; where there are too many, the one goes that has kept us waiting longest.

        A peer that sends its request at once gets in, however many others only hold a connection open. Those that are
        being answered stay.
        """
        super().connection_made(transport)
        self._began_at = self.loop.time()
        self._arm(self._limits.head_s)
        if len(self.connections) > self._limits.connections:
            waiting = [one for one in self.connections if isinstance(one, BoundedProtocol) and one.is_waiting]
            min(waiting, key=lambda one: one._began_at)._drop(Dropped.TOO_MANY_CONNECTIONS)  # noqa: SLF001 -- one of us

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._disarm()
        self._resume_timer()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # the base class never keeps a connection for its answers
        """Take that the peer sends no more: it still gets its answers, if all of what they answer is here."""
        self._half_closed = True
        return self._phase is _Phase.BUSY

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that does not end within its bound is refused."""
        if self.transport.is_closing():
            return
        self._fed_bytes += len(data)
        super().data_received(data)
        # The idle timer of the base class is pushed back by every byte; the one here is not.
        if self._phase in (_Phase.HEAD, _Phase.IDLE):
            if self._fed_bytes > self._limits.head_bytes:
                self._drop(Dropped.HEADERS_TOO_LARGE)
        else:
            self._fed_bytes = 0

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the sentence is ours
        """Answer what cannot be understood, unless an answer to something else is under way: then just close."""
        self._metrics.dropped(Dropped.MALFORMED)
        self._disarm()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            self.transport.abort()
            return
        body = b'{"error":"Malformed HTTP request","code":"MALFORMED"}'
        head = (
            b"HTTP/1.1 400 Bad Request\r\nserver: attribute\r\ncontent-type: application/json\r\nconnection: close\r\n"
        )
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()

    # --- the parser's callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start a message's deadlines."""
        super().on_message_begin()
        self._phase = _Phase.HEAD
        self._began_at = self.loop.time()
        self._arm(self._limits.head_s)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, if there are not too many of them."""
        if len(self.headers) >= self._limits.headers:
            raise RefusedMessageError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Judge the head, then let uvicorn begin to answer."""
        self._judge_head()
        if len(self.pipeline) >= self._limits.pipelined:
            raise RefusedMessageError
        self.scope["state"]["began_at"] = self._began_at
        self._phase = _Phase.BODY
        # The application answers 408 when the time is up; this is for the case that it is not asked.
        self._arm(self._limits.message_s + 1)
        super().on_headers_complete()

    def _judge_head(self) -> None:
        names = [name for name, _ in self.headers]
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        version = self.parser.get_http_version()
        if size > self._limits.head_bytes or version not in _VERSIONS or self.parser.get_method() == b"CONNECT":
            raise RefusedMessageError
        if b"#" in self.url:
            raise RefusedMessageError
        if not _REFUSED.isdisjoint(names) or any(names.count(name) > 1 for name in _SINGLE):
            raise RefusedMessageError
        if version == "1.1" and b"host" not in names:
            raise RefusedMessageError
        for name, value in self.headers:
            if name == b"content-length" and not (value.isdigit() and len(value) <= 18):
                raise RefusedMessageError
            if name == b"host" and _HOST.fullmatch(value) is None:
                raise RefusedMessageError

    def on_message_complete(self) -> None:
        """The message is here: from now on the time is ours."""
        super().on_message_complete()
        self._fed_bytes = 0
        self._phase = _Phase.BUSY
        self._disarm()
        if self.cycle.response_complete:
            self._idle()

    def on_response_complete(self) -> None:
        """Wait for the next message, or for the rest of this one where it was answered before it had arrived."""
        super().on_response_complete()
        if self._phase is _Phase.BUSY and self.cycle.response_complete:
            self._idle()

    def pause_writing(self) -> None:
        """The peer does not take its answer: from here on it has so much time and no more."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._limits.write_s, self._drop, Dropped.WRITE_TOO_SLOW)

    def resume_writing(self) -> None:
        """The peer takes its answer."""
        super().resume_writing()
        self._resume_timer()

    # --- deadlines ----------------------------------------------------------------------------------------------------

    def _idle(self) -> None:
        if self._half_closed:
            self.transport.close()
            return
        self._phase = _Phase.IDLE
        self._began_at = self.loop.time()
        self._arm(self._limits.idle_s)

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._expired)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _resume_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _expired(self) -> None:
        if self._phase is _Phase.IDLE and self.transport.get_write_buffer_size() == 0:
            self.transport.close()
        else:
            self._drop(Dropped.WRITE_TOO_SLOW if self._phase is _Phase.IDLE else Dropped.MESSAGE_TOO_SLOW)

    def _drop(self, why: Dropped) -> None:
        self._metrics.dropped(why)
        self._disarm()
        self._resume_timer()
        self.transport.abort()
