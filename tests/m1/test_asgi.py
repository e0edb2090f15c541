from __future__ import annotations

import asyncio
import gc
from typing import Any, TypeAlias

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from attribute.m1 import M1Middleware, current_request
from attribute.m1.asgi import Application, Message, Receive, Scope, Send
from tests.m1.conftest import Log, Time

Anything: TypeAlias = Any

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
BODY: Message = {"type": "http.response.body", "body": b"ok"}
MORE: Message = {"type": "http.response.body", "body": b"o", "more_body": True}
DISCONNECT: Message = {"type": "http.disconnect"}
REQUEST: Message = {"type": "http.request", "body": b"", "more_body": False}


class Server:
    """The server's side of one connection, in memory."""

    def __init__(self, *messages: Message, send_fails_at: int | None = None) -> None:
        self.messages = list(messages)
        self.sent: list[Message] = []
        self.seen: list[int] = []
        self.log: Log | None = None
        self._fails_at = send_fails_at

    async def receive(self) -> Message:
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        if self.log is not None:
            self.seen.append(len(self.log.records))
        if self._fails_at == len(self.sent):
            raise OSError("the client is gone")
        self.sent.append(message)


def serve(app: Application, log: Log, server: Server | None = None, **options: Anything) -> Server:
    server = server or Server(REQUEST)
    server.log = log
    options = {"function": lambda scope: "ingest", **options}
    wrapped = M1Middleware(app, log.logger, **options)
    scope = {"type": "http", "method": "GET", "path": "/secret/path", "headers": [], "query_string": b"token=1"}
    asyncio.run(wrapped(scope, server.receive, server.send))
    return server


def outcome(record: dict[str, Any]) -> tuple[object, object, object]:
    return record["stage"], record["status"], record["error_code"]


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(BODY)


@pytest.mark.parametrize("early", [False, True])
def test_answer_passes_with_its_id_and_one_record(log: Log, early: bool) -> None:
    """The answer is the application's, but for the header with the id under which it is logged; no path is logged."""
    server = serve(answering, log, log_before_answer=early)
    assert server.sent == [
        {**START, "headers": [(b"content-type", b"text/plain"), (b"x-request-id", b"id-1")]},
        BODY,
    ]
    assert outcome(log.record) == ("response", 200, None)
    assert (log.record["request_id"], log.record["function"]) == ("id-1", "ingest")
    assert b"secret" not in log.stream.getvalue()


def test_record_comes_behind_the_answers_last_chunk(log: Log) -> None:
    """By default the answer waits for nothing."""
    assert serve(answering, log).seen == [0, 0]


def test_record_comes_before_the_answers_first_byte_where_asked(log: Log) -> None:
    """With `log_before_answer` nobody has an answer that is not in the log."""
    assert serve(answering, log, log_before_answer=True).seen == [1, 1]


def test_function_is_named_from_the_scope(log: Log) -> None:
    """The caller decides which few names there are."""
    serve(answering, log, function=lambda scope: f"{scope['method']} ingest")
    assert log.record["function"] == "GET ingest"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("X-Request-Id", [(b"x-request-id", b"id-1")]),
        ("x-trace", [(b"X-REQUEST-ID", b"theirs"), (b"x-trace", b"id-1")]),
        (None, [(b"X-REQUEST-ID", b"theirs")]),
    ],
)
def test_id_header_replaces_its_namesakes_or_stays_away(log: Log, header: str | None, expected: list[object]) -> None:
    """An answer has one such header, and it carries the id that is in the log."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-REQUEST-ID", b"theirs")]})
        await send(BODY)

    assert serve(app, log, request_id_header=header).sent[0]["headers"] == expected


@pytest.mark.parametrize(("early", "latency"), [(False, 60), (True, 10)])
def test_latency_ends_at_the_last_chunk_or_at_the_first_byte(log: Log, time: Time, early: bool, latency: int) -> None:
    """Work behind the answer does not count as the request's."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        time.advance(10)
        await send(START)
        time.advance(20)
        await send(MORE)
        time.advance(30)
        await send(BODY)
        time.advance(1000)

    serve(app, log, log_before_answer=early)
    assert log.record["latency_ms"] == latency


def test_inside_the_application_the_request_is_current(log: Log, time: Time) -> None:
    """The application adds its evidence without being handed anything."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = current_request()
        assert request is not None
        with request.upstream("db") as call:
            time.advance(5)
            call.status = 503
        request.error_code = "DB_DOWN"
        await send({**START, "status": 502})
        await send(BODY)

    serve(app, log, log_before_answer=True)
    assert outcome(log.record) == ("response", 502, "DB_DOWN")
    assert (log.record["upstream_status"], log.record["upstream_latency_ms"]) == (503, 5)


@pytest.mark.parametrize("early", [False, True])
def test_exception_before_the_answer_is_recorded_and_passes_on(log: Log, early: bool) -> None:
    """The server still learns of the exception."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        serve(app, log, log_before_answer=early)
    assert outcome(log.record) == ("exception", 500, "UNHANDLED_EXCEPTION")


@pytest.mark.parametrize(
    ("early", "expected"),
    [
        (False, [("exception", 500, "UNHANDLED_EXCEPTION")]),
        (True, [("response", 200, None), ("exception", 500, "UNHANDLED_EXCEPTION")]),
    ],
)
def test_exception_in_the_middle_of_an_answer_is_recorded(log: Log, early: bool, expected: list[object]) -> None:
    """An answer that broke off is a failure, also where its record was already out."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(MORE)
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        serve(app, log, log_before_answer=early)
    assert [outcome(record) for record in log.records] == expected


@pytest.mark.parametrize("early", [False, True])
def test_exception_behind_a_good_answer_is_not_the_requests(log: Log, early: bool) -> None:
    """A failure of work behind the answer does not turn the answer into a failure."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answering(scope, receive, send)
        raise KeyError("background")

    with pytest.raises(KeyError, match="background"):
        serve(app, log, log_before_answer=early)
    assert outcome(log.record) == ("response", 200, None)


@pytest.mark.parametrize(
    ("early", "expected"),
    [(False, ("exception", 503, "UNHANDLED_EXCEPTION")), (True, ("response", 503, None))],
)
def test_exception_behind_a_5xx_is_what_the_answer_was_about(
    log: Log, time: Time, early: bool, expected: object
) -> None:
    """Frameworks answer 5xx and raise on: that is one failure, one record, with the answer's own latency."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "status": 503})
        await send(BODY)
        time.advance(500)
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        serve(app, log, log_before_answer=early)
    assert outcome(log.record) == expected
    assert log.record["latency_ms"] == 0


def test_5xx_without_an_exception_is_a_response(log: Log) -> None:
    """A failure that was answered on purpose ends the request as an answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "status": 503})
        await send(BODY)

    serve(app, log)
    assert outcome(log.record) == ("response", 503, None)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [([], ("exception", 500, "NO_RESPONSE")), ([START, MORE], ("exception", 500, "INCOMPLETE_RESPONSE"))],
)
def test_application_that_returns_without_a_whole_answer_failed(
    log: Log, messages: list[Message], expected: object
) -> None:
    """Silence is not success."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    serve(app, log)
    assert outcome(log.record) == expected


@pytest.mark.parametrize(
    ("messages", "expected"),
    [([], ("exception", None, "CLIENT_DISCONNECTED")), ([START, MORE], ("response", 200, "CLIENT_DISCONNECTED"))],
)
@pytest.mark.parametrize("raises", [False, True])
def test_client_that_goes_away_is_no_failure_of_the_application(
    log: Log, messages: list[Message], expected: object, raises: bool
) -> None:
    """What was sent stands; where nothing was, nothing is claimed."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        assert await receive() == DISCONNECT
        if raises:
            raise ConnectionResetError

    if raises:
        with pytest.raises(ConnectionResetError):
            serve(app, log, Server(DISCONNECT))
    else:
        serve(app, log, Server(DISCONNECT))
    assert outcome(log.record) == expected


@pytest.mark.parametrize("early", [False, True])
def test_send_that_fails_means_that_the_client_is_gone(log: Log, early: bool) -> None:
    """A server says by an OSError of `send` that nobody listens any more."""
    with pytest.raises(OSError, match="client is gone"):
        serve(answering, log, Server(REQUEST, send_fails_at=1), log_before_answer=early)
    assert log.record["stage"] == "response"
    assert log.record["status"] == 200
    assert log.record["error_code"] == (None if early else "CLIENT_DISCONNECTED")


@pytest.mark.parametrize(
    ("messages", "expected"),
    [([], ("exception", None, "CANCELLED")), ([START, MORE], ("response", 200, "CANCELLED"))],
)
def test_cancellation_claims_no_status_that_was_not_sent(log: Log, messages: list[Message], expected: object) -> None:
    """A server that cancels its application gets no invented 500."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        serve(app, log)
    assert outcome(log.record) == expected


def test_cancellation_behind_a_5xx_leaves_the_answer(log: Log) -> None:
    """The answer was complete; what was cancelled is not the request's."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "status": 503})
        await send(BODY)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        serve(app, log)
    assert outcome(log.record) == ("response", 503, None)


@pytest.mark.parametrize(
    "messages",
    [
        [{**START, "trailers": True}, BODY, {"type": "http.response.trailers", "headers": [], "more_trailers": False}],
        [START, {"type": "http.response.pathsend", "path": "file"}],
        [START, {"type": "http.response.zerocopysend", "file": 3, "more_body": True}, BODY],
    ],
    ids=["trailers", "pathsend", "zerocopysend"],
)
def test_extensions_complete_an_answer_too(log: Log, messages: list[Message]) -> None:
    """Trailers, and files that the server sends itself, are whole answers; the record follows the last message."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            assert log.records == []
            await send(message)
        assert len(log.records) == 1

    serve(app, log)
    assert outcome(log.record) == ("response", 200, None)


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_other_connections_pass_untouched(log: Log, kind: str) -> None:
    """Only HTTP requests are requests."""
    seen: list[object] = []

    async def app(*arguments: object) -> None:
        seen.extend(arguments)
        assert current_request() is None

    async def receive() -> Message:
        return DISCONNECT

    async def send(message: object) -> None:
        raise AssertionError(message)

    scope = {"type": kind}
    asyncio.run(M1Middleware(app, log.logger, function=lambda scope: "x")(scope, receive, send))
    assert seen == [scope, receive, send]
    assert log.records == []


def test_log_that_fails_changes_no_answer(log: Log) -> None:
    """A log that cannot be written costs the record only."""
    log.logger.close()
    server = serve(answering, log)
    assert [message["type"] for message in server.sent] == ["http.response.start", "http.response.body"]
    assert log.logger.dropped == 1


def test_starlette_application_is_logged_with_its_evidence(log: Log, time: Time) -> None:
    """A real framework around real handlers: answers, a crash, and work behind the answer."""

    def later() -> None:
        time.advance(900)

    async def good(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok", background=BackgroundTask(later))

    async def bad(request: Request) -> PlainTextResponse:
        raise KeyError("ours")

    app = Starlette(routes=[Route("/good", good), Route("/bad", bad)])
    wrapped = M1Middleware(app, log.logger, function=lambda scope: scope["path"].strip("/"))

    def get(path: str) -> Server:
        server = Server(REQUEST)
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
        asyncio.run(wrapped(scope, server.receive, server.send))
        return server

    assert get("/good").sent[0]["status"] == 200
    with pytest.raises(KeyError, match="ours"):
        get("/bad")
    gc.collect()
    assert [(record["function"], *outcome(record), record["latency_ms"]) for record in log.records] == [
        ("good", "response", 200, None, 0),
        ("bad", "exception", 500, "UNHANDLED_EXCEPTION", 0),
    ]
