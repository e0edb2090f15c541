"""
The request logger: one M1 record for each request, with the writer's duties kept.

    logger = RequestLogger("/var/log/app/m1.jsonl")
    with logger.request("ingest") as request:
        with request.upstream("billing") as call:
            answer = client.post(...)
            call.status = answer.status_code
        request.status = 200
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Literal, Self

from attribute.m1.calls import Calls, UpstreamCall
from attribute.m1.fields import CURRENT_VERSION, ENDING_STAGES
from attribute.m1.fit import fit_line, fit_text
from attribute.m1.sink import Sink, Stream, open_sink

__all__ = ["CANCELLED", "UNHANDLED_EXCEPTION", "ActiveRequest", "RequestLogger", "UpstreamCall", "current_request"]

UNHANDLED_EXCEPTION: Final = "UNHANDLED_EXCEPTION"
"""The error code of a request that an exception passed through and that named none itself."""

CANCELLED: Final = "CANCELLED"
"""The error code of a request that was cancelled, or cut short by the end of the process: it answered nothing."""

_CURRENT: ContextVar[ActiveRequest | None] = ContextVar("m1_request", default=None)
_LONGEST_ID: Final = 128


def current_request() -> ActiveRequest | None:
    """Give the request that this task, or this thread, is inside of. A thread that is started begins outside."""
    return _CURRENT.get()


def _now() -> datetime:
    return datetime.now(UTC)


def _random_id() -> str:
    return os.urandom(16).hex()


class ActiveRequest:
    """
    One request on its way. `RequestLogger.request` makes it; enter it once.

    Attributes:
        request_id: the request's id, as it is logged.
        function: who answers.
        status: what is answered. A request that leaves it None is logged without a status, and that is a failure.
        error_code: low-cardinality code of the error: a constant of the program, never a message.
    """

    def __init__(self, logger: RequestLogger, function: str, request_id: str) -> None:
        self._logger = logger
        self._token: Token[ActiveRequest | None] | None = None
        self._started_at = logger.monotonic()
        self._stopped_at: float | None = None
        self._calls = Calls(logger.monotonic, logger.timeout_types)
        self._ended: set[str] = set()
        self._closed = False
        self.request_id = request_id
        self.function = function
        self.status: int | None = None
        self.error_code: str | None = None

    def upstream(self, name: str | None = None) -> UpstreamCall:
        """
        Measure a call: `with request.upstream("billing") as call: ...`.

        An exception that says timeout makes the call's status `"timeout"`; set the time limit inside the block. Any
        other leaves it as it is: None, where no answer was seen. Exceptions pass on. One that waited for a pool of
        our own is no timeout of the upstream.
        """
        return UpstreamCall(self._calls, name)

    def note(self, stage: str) -> None:
        """
        Write one more record on the way, such as `upstream` or `slow_query`, with what is known so far.

        Raises:
            ValueError: *stage* is one that ends a request.
        """
        if stage in ENDING_STAGES:
            raise ValueError(f"`{stage}` ends a request; a note is written on the way")
        self._write(stage, self.status, self.error_code)

    def end(self, stage: Literal["response", "exception"] = "response") -> None:
        """
        Write the ending record now, for instance after the commit and before the answer.

        The end of the `with` block then writes none, unless an exception passes through it: an `exception` record
        outranks the `response` record that is already out.
        """
        if self._closed or stage in self._ended or "exception" in self._ended:
            return
        self._ended.add(stage)
        self._write(stage, self.status, self.error_code)

    def fail(self, error: BaseException) -> None:
        """
        Write the ending record of a request that *error* passes through, as the end of the `with` block does.

        `status` and `error_code` are the request's own where it had set a failing status, or a code; else 500 and
        `UNHANDLED_EXCEPTION`. A cancellation, or the end of the process, answers nothing: no status, `CANCELLED`.
        """
        if self._closed:
            return
        if not isinstance(error, Exception):
            self.status, self.error_code = None, CANCELLED
        else:
            if self.status is None or self.status < 400:
                self.status = 500
            self.error_code = self.error_code or UNHANDLED_EXCEPTION
        self.end("exception")

    def stop_clock(self) -> None:
        """Take this moment as the end for `latency_ms`; the first call counts."""
        if self._stopped_at is None:
            self._stopped_at = self._logger.monotonic()

    def close(self) -> None:
        """Say that the answer is out: whatever happens from here on is not the request's, and ends nothing."""
        self._closed = True

    def _write(self, stage: str, status: int | None, error_code: str | None) -> None:
        now = self._logger.monotonic()
        count = len(self._calls.started)
        decider = self._calls.deciding()
        total = max(0.0, (now if self._stopped_at is None else self._stopped_at) - self._started_at)
        self._logger.write(
            {
                "request_id": self.request_id,
                "function": self.function,
                "stage": stage,
                "status": status,
                "latency_ms": round(total * 1000, 3),
                "error_code": error_code,
                "upstream_status": None if decider is None else decider.status,
                "upstream_latency_ms": round(self._calls.waited(now) * 1000, 3) if count else None,
                "upstream": (decider.upstream or None) if decider is not None else None,
                "upstream_calls": count,
            }
        )

    def __enter__(self) -> Self:
        self._token = _CURRENT.set(self)
        self._started_at = self._logger.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            with suppress(ValueError):  # left in another task than entered, as generators do: its copy is gone
                _CURRENT.reset(token)
        if error is None:
            self.end()
        else:
            self.fail(error)


class RequestLogger:
    """
    Writes M1 records to one place, from any thread or task.

    A line that cannot be written never changes what becomes of the request: it is dropped, and `dropped` counts it.

    Args:
        sink: a path (appended to, one write per record, created for its owner alone), or a text or binary stream that
            is open for writing, such as `sys.stdout` (flushed after each record, never closed).
        clock: the time now, aware of its zone, for `ts`.
        monotonic: seconds from any origin that never run backwards, for the latencies.
        new_id: makes the id of a request that brings none.
        timeout_types: exceptions that mean a time limit of ours ended an upstream call and whose names do not say so,
            such as `psycopg.errors.QueryCanceled`.

    Raises:
        SinkError: the file cannot be opened.
    """

    def __init__(
        self,
        sink: str | os.PathLike[str] | Stream,
        *,
        clock: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = time.perf_counter,
        new_id: Callable[[], str] = _random_id,
        timeout_types: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._sink: Sink = open_sink(sink)
        self._clock = clock
        self._new_id = new_id
        self.monotonic = monotonic
        self.timeout_types = timeout_types

    @property
    def dropped(self) -> int:
        """How many records were not written, or not whole."""
        return self._sink.dropped

    def request(self, function: str, *, request_id: str | None = None) -> ActiveRequest:
        """
        Log a request: `with logger.request("ingest") as request: ...`. Exactly one ending record is written.

        Args:
            function: who answers: one of few names, a constant of the program, never a path.
            request_id: the request's id, cut to 128 characters; a new one where it is None or empty.
        """
        return ActiveRequest(self, function, fit_text(request_id or self._new_id(), _LONGEST_ID))

    def write(self, values: dict[str, object]) -> None:
        """Write one record of *values*, by field name, as `fit_line` makes it; `ts` and `v` are the logger's own."""
        at = self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
        self._sink.write(fit_line({**values, "ts": at.replace("+00:00", "Z"), "v": CURRENT_VERSION}))

    def reopen(self) -> bool:
        """Open the file at the path again, after it was rotated away. Safe in a handler of a signal; never raises."""
        return self._sink.reopen()

    def close(self) -> None:
        """Close the file, or flush the stream. Records that come later are dropped and counted."""
        self._sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
