"""
The service without sockets: a request's head is admitted, its body is answered, and one M1 record is written.

The order of decisions: path, method, credentials, concurrency, declared size; then the body. Whoever has no valid
token never holds one of the places in flight, and never has a body read.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Final

from attribute.ingest.crashes import place_of
from attribute.ingest.credentials import bearer_of, hash_of
from attribute.ingest.messages import CORS, REQUEST_ID_HEADER, Access, Answer, Function, Head
from attribute.ingest.metrics import Gauges, Metrics
from attribute.ingest.model import Refusal, StoreBroken, StoreError
from attribute.ingest.refusals import Code, Refused, code_of_failure, refused_by_store
from attribute.ingest.stores.interface import Store
from attribute.ingest.upstream import Upstream
from attribute.ingest.visits import Clock, Settings, Visit
from attribute.ingest.wire import MAX_BODY_BYTES
from attribute.ingest.work import Reply, Work, to_json
from attribute.m1.request_log import RequestLogger

_JSON: Final = (("Content-Type", "application/json"),)
_DIGITS: Final = frozenset("0123456789")


def _ignore() -> None:
    pass


def _new_request_id() -> str:
    return str(uuid.uuid4())


class Guard:
    """Counts the authenticated requests in flight and lets no more in than *places*."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many are inside."""
        return self._taken

    def enter(self) -> bool:
        """Take a place, if there is one."""
        with self._lock:
            if self._taken >= self._places:
                return False
            self._taken += 1
            return True

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self._taken -= 1


class Service:
    """
    Everything between a request and its answer.

    Args:
        store: where everything is kept.
        log: where the M1 records go: exactly one per request, after the commit and before the answer.
        clock: the time.
        key: this installation's secret for redeeming link codes, at least 32 bytes.
        settings: the operator's choices.
        upstream_name: what the M1 records call the store.
        writes_to: what they call the one that confirms a delivery, where that is not the store itself.
        new_request_id: makes the id of a request.
        on_crash: told where a bug of ours ended a request: module, line and kind, never a value.
        on_broken: told that the store must not be written to any more.
    """

    def __init__(
        self,
        store: Store,
        *,
        log: RequestLogger,
        clock: Clock,
        key: bytes,
        settings: Settings | None = None,
        upstream_name: str = "database",
        writes_to: str | None = None,
        new_request_id: Callable[[], str] = _new_request_id,
        on_crash: Callable[[str], None] = lambda _: None,
        on_broken: Callable[[], None] = _ignore,
    ) -> None:
        self.settings = settings or Settings()
        self.metrics = Metrics()
        self.guard = Guard(self.settings.max_in_flight)
        self.clock = clock
        self._store = store
        self._log = log
        self._log_opened_anew = True
        self._upstream_name = upstream_name
        self._new_request_id = new_request_id
        self._on_crash = on_crash
        self._on_broken = on_broken
        self.work = Work(
            store,
            settings=self.settings,
            clock=clock,
            key=key,
            counters=self.metrics,
            writes_to=writes_to,
            gauges=lambda: Gauges(
                in_flight=self.guard.taken,
                records_lost=self._log.dropped,
                last_delivery_confirmed=self.work.last_delivery.was_confirmed,
                log_opened_anew=self._log_opened_anew,
            ),
        )

    def reopen_log(self) -> bool:
        """Open the log anew after it was rotated away, and say whether that worked; so does `/metrics` from then on."""
        self._log_opened_anew = self._log.reopen()
        return self._log_opened_anew

    def handle(self, head: Head, body: bytes = b"") -> Answer:
        """Answer a request that is there completely."""
        visit = self.admit(head)
        return visit if isinstance(visit, Answer) else self.finish(visit, body)

    def admit(self, head: Head, *, arrived_at: float | None = None) -> Visit | Answer:
        """
        Decide what can be decided without the body.

        Args:
            head: the request before its body.
            arrived_at: monotonic seconds of the head's arrival; now, where it is not said.

        Returns:
            A visit, which `finish` or `abandon` must end, or the answer, which has its record already.
        """
        visit = Visit(
            head=head,
            route=head.route,
            request_id=self._new_request_id(),
            arrived_at=self.clock.monotonic() if arrived_at is None else arrived_at,
            upstream=Upstream(self.clock.monotonic, self._upstream_name),
        )
        answer = self._answered(visit, lambda: self._admitted(visit))
        if answer is not None:
            return self._end(visit, answer)
        visit.admitted_at = self.clock.monotonic()
        return visit

    def finish(self, visit: Visit, body: bytes, *, received_at: float | None = None) -> Answer:
        """
        Answer an admitted visit whose body has been read completely.

        Args:
            visit: from `admit`.
            body: all of it.
            received_at: monotonic seconds of its last byte; the time until then was the client's.
        """
        if received_at is not None:
            visit.waited_s = max(received_at - visit.admitted_at, 0.0)
        answer = self._answered(visit, lambda: self._done(visit, body))
        assert answer is not None, "work always ends in an answer"
        return self._end(visit, answer)

    def abandon(self, visit: Visit, code: Code) -> Answer:
        """End an admitted visit whose body did not arrive."""
        visit.waited_s = max(self.clock.monotonic() - visit.admitted_at, 0.0)
        return self._end(visit, self._refusal(visit, Refused(code)))

    # --- deciding -----------------------------------------------------------------------------------------------------

    def _admitted(self, visit: Visit) -> Answer | None:
        head, route = visit.head, visit.route
        if route.function is Function.NO_ROUTE:
            raise Refused(Code.NOT_FOUND)
        if head.method == "OPTIONS":
            return Answer(status=204, headers=self._headers(visit))
        if head.method != route.method:
            raise Refused(Code.METHOD_NOT_ALLOWED)
        self._authenticate(visit)
        if visit.device is not None:
            visit.in_guard = self.guard.enter()
            if not visit.in_guard:
                raise Refused(Code.TOO_MANY_REQUESTS, retry_after_s=self.settings.retry_after_s)
        _judge_length(head)
        return None

    def _authenticate(self, visit: Visit) -> None:
        if visit.route.access is Access.ANYONE:
            return
        token = bearer_of(visit.head)
        if visit.route.access is Access.LINK_CODE:
            sha256, at_us = hash_of(token), self.clock.now_us()
            if not visit.upstream.call(lambda: self._store.knows_link_code(sha256, at_us=at_us)):
                raise Refused(Code.INVALID_LINK_CODE)
            visit.link_code = token
            return
        visit.device = visit.upstream.call(lambda: self._store.find_token(hash_of(token)))
        if visit.device is None:
            raise Refused(Code.UNAUTHORIZED)

    def _done(self, visit: Visit, body: bytes) -> Answer:
        if len(body) > MAX_BODY_BYTES:
            raise Refused(Code.BODY_TOO_LARGE)
        reply: Reply = self.work.do(visit, body)
        headers = (("Content-Type", reply.content_type), *reply.headers, *self._headers(visit))
        return Answer(status=200, headers=headers, body=reply.body, code=reply.code)

    def _answered(self, visit: Visit, decide: Callable[[], Answer | None]) -> Answer | None:
        try:
            return decide()
        except Refused as refused:
            return self._refusal(visit, refused)
        except Refusal as refusal:
            return self._refusal(visit, refused_by_store(refusal))
        except StoreError as error:
            if isinstance(error, StoreBroken):
                self._on_broken()
            return self._refusal(visit, Refused(code_of_failure(error), retry_after_s=self.settings.retry_after_s))
        except Exception as bug:  # noqa: BLE001 -- the process's outermost frame: a bug ends one request, not all of them
            self._on_crash(place_of(bug))
            return self._refusal(visit, Refused(Code.UNHANDLED_EXCEPTION), crashed=True)

    # --- answering ----------------------------------------------------------------------------------------------------

    def _headers(self, visit: Visit) -> tuple[tuple[str, str], ...]:
        return (*CORS, ("Cache-Control", "no-store"), (REQUEST_ID_HEADER, visit.request_id))

    def _refusal(self, visit: Visit, refused: Refused, *, crashed: bool = False) -> Answer:
        headers: tuple[tuple[str, str], ...] = _JSON
        if refused.retry_after_s is not None:
            headers += (("Retry-After", str(max(refused.retry_after_s, 1))),)
        if refused.code is Code.METHOD_NOT_ALLOWED:
            headers += (("Allow", f"{visit.route.method}, OPTIONS"),)
        if refused.status == 401:
            headers += (("WWW-Authenticate", "Bearer"),)
        return Answer(
            status=refused.status,
            headers=(*headers, *self._headers(visit)),
            body=to_json(refused.body()),
            code=refused.code,
            crashed=crashed,
        )

    def _end(self, visit: Visit, answer: Answer) -> Answer:
        """Give the place in flight back, write the one record, count; nothing of it changes the answer."""
        if visit.in_guard:
            visit.in_guard = False
            self.guard.leave()
        latency_ms = max((self.clock.monotonic() - visit.arrived_at - visit.waited_s) * 1000, 0.0)
        seen = visit.upstream.seen
        self._log.write(
            {
                "request_id": visit.request_id,
                "function": visit.route.function.value,
                "stage": "exception" if answer.crashed else "response",
                "status": answer.status,
                "latency_ms": round(latency_ms, 3),
                "error_code": None if answer.code is None else answer.code.value,
                "upstream_status": None if seen is None else seen.evidence.status,
                "upstream_latency_ms": None if seen is None else round(min(seen.evidence.latency_ms, latency_ms), 3),
                "upstream": None if seen is None else seen.name,
                "upstream_calls": 0 if seen is None else seen.evidence.calls,
            }
        )
        self.metrics.answered(visit.route.function, answer, latency_ms)
        return answer


def _judge_length(head: Head) -> None:
    if head.values("transfer-encoding"):
        raise Refused(Code.AMBIGUOUS_FRAMING)
    declared = head.values("content-length")
    if not declared:
        return
    if len(declared) != 1 or not declared[0] or not set(declared[0]) <= _DIGITS:
        raise Refused(Code.AMBIGUOUS_FRAMING)
    if len(declared[0]) > len(str(MAX_BODY_BYTES)) or int(declared[0]) > MAX_BODY_BYTES:
        raise Refused(Code.BODY_TOO_LARGE)
