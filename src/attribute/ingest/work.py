"""What each function does once its caller is known: one method each, from a visit and a body to a reply."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from attribute.ingest import metrics, query, strict_json, usage, wire
from attribute.ingest.credentials import TOKEN, derived_token, hash_of, new_secret
from attribute.ingest.headers import idempotency_key, is_request_id, require_json, sequence
from attribute.ingest.messages import Function
from attribute.ingest.metrics import Fate, Gauges, Metrics
from attribute.ingest.model import (
    Bucket,
    Delivery,
    Device,
    Evidence,
    Redeemed,
    Stats,
    StoreError,
    Ticket,
    WriteOutcome,
)
from attribute.ingest.openapi import document
from attribute.ingest.readiness import LastDelivery
from attribute.ingest.refusals import Code, Refused
from attribute.ingest.stores.interface import Store
from attribute.ingest.upstream import MeasuredReads
from attribute.ingest.visits import Clock, Settings, Visit

_MAX_DEVICE_NAME_CHARS: Final = 128
_MAX_PLATFORM_CHARS: Final = 32
_US_PER_MINUTE: Final = 60_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a function answers with success."""

    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = field(default=())
    code: Code | None = None


def to_json(value: object) -> bytes:
    """Write an answer's body: compact, ASCII."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


class Work:
    """
    The functions of the service over one store.

    Args:
        store: where everything is kept.
        settings: the operator's choices.
        clock: the time.
        key: this installation's secret for redeeming link codes, at least 32 bytes.
        counters: what `/metrics` shows.
        gauges: what the process says of itself.
        writes_to: what confirms a delivery, where that is not the store itself.
    """

    def __init__(
        self,
        store: Store,
        *,
        settings: Settings,
        clock: Clock,
        key: bytes,
        counters: Metrics,
        gauges: Callable[[], Gauges],
        writes_to: str | None = None,
    ) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock
        self.metrics = counters
        self._key = key
        self._gauges = gauges
        self._writes_to = writes_to
        self.last_delivery = LastDelivery(clock.monotonic, at_vendor=writes_to is not None)
        self._workers: Mapping[Function, Callable[[Visit, bytes], Reply]] = {
            Function.INGEST: self._ingest,
            Function.SYNC_PING: self._sync_ping,
            Function.EPOCH: self._epoch,
            Function.DEVICE_TOKEN_ISSUE: self._device_token_issue,
            Function.LINK_CODE_EXCHANGE: self._link_code_exchange,
            Function.HEALTHZ: self._healthz,
            Function.READYZ: self._readyz,
            Function.METRICS: self._metrics_text,
            Function.OPENAPI: self._openapi,
            **dict.fromkeys(query.PARAMETERS, self._usage),
        }

    def do(self, visit: Visit, body: bytes) -> Reply:
        """
        Answer an admitted visit.

        Raises:
            Refused: an answer other than success.
            Refusal, StoreError: what the store said.
        """
        return self._workers[visit.route.function](visit, body)

    # --- writes -------------------------------------------------------------------------------------------------------

    def _ingest(self, visit: Visit, body: bytes) -> Reply:
        require_json(visit.head)
        device = _device(visit)
        key = idempotency_key(visit.head)
        place = sequence(visit.head) or self._ticket(visit, device)
        buckets = wire.read_delivery(
            body,
            window=wire.window_at(
                self.clock.now(), past_days=self.settings.window_past_days, ahead_s=self.settings.window_ahead_s
            ),
        )
        delivery = Delivery(
            request_id=visit.request_id,
            device=device,
            buckets=buckets,
            place=place,
            body_sha256=hashlib.sha256(body).digest(),
            received_at_us=self.clock.now_us(),
            idempotency_key=key,
        )
        outcome = visit.upstream.call(
            lambda: self.last_delivery.watch(lambda: self.store.write(delivery)), _evidence_of, name=self._writes_to
        )
        self._count(outcome, buckets)
        if outcome.replayed:
            # The numbers are those of the first time; whoever holds records against deliveries must not look for one.
            return Reply(body=_ingested(outcome), headers=(("Idempotent-Replayed", "true"),), code=Code.REPLAYED)
        return Reply(body=_ingested(outcome))

    def _ticket(self, visit: Visit, device: Device) -> Ticket:
        return visit.upstream.call(lambda: self.store.next_ticket(device))

    def _count(self, outcome: WriteOutcome, buckets: tuple[Bucket, ...]) -> None:
        if outcome.replayed:
            return
        self.metrics.buckets(Fate.INSERTED, outcome.inserted)
        self.metrics.buckets(Fate.SKIPPED, outcome.skipped)
        self.metrics.buckets(Fate.LATE, outcome.late)
        self.metrics.buckets(Fate.INCONSISTENT, sum(map(_is_inconsistent, buckets)))

    def _sync_ping(self, visit: Visit, _body: bytes) -> Reply:
        device = _device(visit)
        at_us, interval_us = self.clock.now_us(), usage.PING_INTERVAL_MINUTES * _US_PER_MINUTE
        ping = visit.upstream.call(lambda: self.store.ping(device, at_us=at_us, min_interval_us=interval_us))
        return Reply(
            body=to_json(
                {
                    "success": True,
                    "updated": ping.updated,
                    "last_sync_at": usage.instant(ping.last_sync_at_us),
                    "min_interval_minutes": usage.PING_INTERVAL_MINUTES,
                }
            )
        )

    def _epoch(self, visit: Visit, _body: bytes) -> Reply:
        device = _device(visit)
        return Reply(body=to_json({"epoch": visit.upstream.call(lambda: self.store.issue_epoch(device))}))

    # --- enrolment ----------------------------------------------------------------------------------------------------

    def _device_token_issue(self, visit: Visit, body: bytes) -> Reply:
        require_json(visit.head)
        given = _members(body, frozenset({"device_name", "platform"}))
        # Without a key nobody can say that it is the same request again: not even who read our log.
        request_id = hash_of(idempotency_key(visit.head) or new_secret()).hex()
        assert visit.link_code is not None
        token, redeemed = self._redeem(visit, visit.link_code, request_id, given)
        created_at = usage.instant(redeemed.created_at_us)
        return Reply(body=to_json({"device_id": redeemed.device_id, "token": token, "created_at": created_at}))

    def _link_code_exchange(self, visit: Visit, body: bytes) -> Reply:
        require_json(visit.head)
        given = _members(body, frozenset({"link_code", "request_id", "device_name", "platform"}))
        code, request_id = given.get("link_code"), given.get("request_id")
        if not isinstance(code, str) or TOKEN.fullmatch(code) is None:
            raise Refused(Code.INVALID_LINK_CODE, place="link_code")
        if not isinstance(request_id, str) or not is_request_id(request_id):
            raise Refused(Code.INVALID_REQUEST_ID, place="request_id")
        token, redeemed = self._redeem(visit, code, request_id, given)
        return Reply(body=to_json({"token": token, "device_id": redeemed.device_id, "user_id": redeemed.user_id}))

    def _redeem(self, visit: Visit, code: str, request_id: str, given: dict[str, object]) -> tuple[str, Redeemed]:
        token = derived_token(self._key, link_code=code, request_id=request_id)
        name = _label(given.get("device_name"), _MAX_DEVICE_NAME_CHARS, "device_name")
        platform = _label(given.get("platform"), _MAX_PLATFORM_CHARS, "platform")
        redeemed = visit.upstream.call(
            lambda: self.store.redeem_link_code(
                sha256=hash_of(code),
                request_id=request_id,
                token_sha256=hash_of(token),
                name=name,
                platform=platform,
                at_us=self.clock.now_us(),
            )
        )
        return token, redeemed

    # --- reads --------------------------------------------------------------------------------------------------------

    def _usage(self, visit: Visit, _body: bytes) -> Reply:
        function, device = visit.route.function, _device(visit)
        asked = query.read_query(
            function, visit.head.query, now=self.clock.now(), max_days=self.settings.usage_max_days
        )
        started_at = self.clock.monotonic()

        with ExitStack() as stack:
            reads = visit.upstream.call(lambda: stack.enter_context(self.store.snapshot()))
            found = usage.answer(function, asked, MeasuredReads(reads, visit.upstream), device.user_id)
        if asked.debug:
            query_ms = round((self.clock.monotonic() - started_at) * 1000)
            found["debug"] = {"request_id": visit.request_id, "status": 200, "query_ms": query_ms}
        return Reply(body=to_json(found))

    # --- for the operator ---------------------------------------------------------------------------------------------

    def _healthz(self, _visit: Visit, _body: bytes) -> Reply:
        return Reply(body=to_json({"status": "ok"}))

    def _readyz(self, visit: Visit, _body: bytes) -> Reply:
        if self.last_delivery.failed_just_now:
            # Whoever failed then is not asked now, so the record claims nothing of anybody.
            raise Refused(Code.NOT_READY, retry_after_s=self.settings.retry_after_s)
        visit.upstream.call(self.store.check)
        return Reply(body=to_json({"status": "ready"}))

    def _metrics_text(self, visit: Visit, _body: bytes) -> Reply:
        stats: Stats | None
        try:
            stats = visit.upstream.call(self.store.stats)
        except StoreError:
            stats = None
        text = self.metrics.text(self._gauges(), stats)
        return Reply(body=text.encode("ascii"), content_type=metrics.CONTENT_TYPE)

    def _openapi(self, _visit: Visit, _body: bytes) -> Reply:
        return Reply(body=to_json(document()))


def _ingested(outcome: WriteOutcome) -> bytes:
    return to_json({"success": True, "inserted": outcome.inserted, "skipped": outcome.skipped})


def _evidence_of(outcome: WriteOutcome) -> Evidence:
    return outcome.upstream


def _device(visit: Visit) -> Device:
    assert visit.device is not None, "admitted without a device"
    return visit.device


def _is_inconsistent(bucket: Bucket) -> bool:
    return bucket.cached_input > bucket.input or bucket.total < bucket.output


def _members(body: bytes, known: frozenset[str]) -> dict[str, object]:
    try:
        value = strict_json.parse(body)
    except strict_json.JsonRefusedError:
        raise Refused(Code.INVALID_JSON) from None
    if not isinstance(value, dict):
        raise Refused(Code.INVALID_JSON)
    for position, name in enumerate(value):
        if name not in known:
            raise Refused(Code.UNKNOWN_FIELD, place=f"#{position}")
    return value


def _label(value: object, max_chars: int, place: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > max_chars or not value.isprintable():
        raise Refused(Code.INVALID_DEVICE, place=place)
    return value
