"""Every sentence that the service answers with when it does not do what it was asked. None of them quotes a request."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from attribute.ingest.model import (
    MAX_COUNT,
    CommitInDoubt,
    IdempotencyConflict,
    LinkCodeRefused,
    Refusal,
    SequenceMismatch,
    StaleEpoch,
    StoreBusy,
    StoreError,
    StoreFull,
)


class Code(StrEnum):
    """Why a request was not done, or not done anew. It is the answer's `code` and the M1 record's `error_code`."""

    REPLAYED = "REPLAYED"

    INVALID_JSON = "INVALID_JSON"
    INVALID_PAYLOAD = "INVALID_PAYLOAD"
    INVALID_BUCKET = "INVALID_BUCKET"
    INVALID_HOUR_START = "INVALID_HOUR_START"
    OUTSIDE_WINDOW = "OUTSIDE_WINDOW"
    INVALID_COUNT = "INVALID_COUNT"
    COUNT_TOO_LARGE = "COUNT_TOO_LARGE"
    INVALID_NAME = "INVALID_NAME"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    UNKNOWN_PARAMETER = "UNKNOWN_PARAMETER"
    INVALID_PARAMETER = "INVALID_PARAMETER"
    RANGE_TOO_LARGE = "RANGE_TOO_LARGE"
    INVALID_IDEMPOTENCY_KEY = "INVALID_IDEMPOTENCY_KEY"
    INVALID_SEQUENCE = "INVALID_SEQUENCE"
    INVALID_LINK_CODE = "INVALID_LINK_CODE"
    INVALID_REQUEST_ID = "INVALID_REQUEST_ID"
    INVALID_DEVICE = "INVALID_DEVICE"
    AMBIGUOUS_FRAMING = "AMBIGUOUS_FRAMING"
    LINK_CODE_USED = "LINK_CODE_USED"
    INCOMPLETE_BODY = "INCOMPLETE_BODY"
    MISSING_TOKEN = "MISSING_TOKEN"  # noqa: S105 -- names a refusal, is no secret
    UNAUTHORIZED = "UNAUTHORIZED"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    RECEIPT_DEADLINE = "RECEIPT_DEADLINE"
    KEY_IN_FLIGHT = "KEY_IN_FLIGHT"
    STALE_EPOCH = "STALE_EPOCH"
    TOO_MANY_BUCKETS = "TOO_MANY_BUCKETS"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    KEY_REUSED = "KEY_REUSED"
    SEQUENCE_REUSED = "SEQUENCE_REUSED"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    STORE_BUSY = "STORE_BUSY"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    STORE_FULL = "STORE_FULL"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    NOT_READY = "NOT_READY"
    UNHANDLED_EXCEPTION = "UNHANDLED_EXCEPTION"


MAX_BUCKETS: Final = 500

# The uploader in use retries for ever on words such as "timeout" in a permanent error's text: no sentence has them.
_ANSWERS: Final[dict[Code, tuple[int, str]]] = {
    Code.REPLAYED: (200, ""),
    Code.INVALID_JSON: (400, "Invalid JSON"),
    Code.INVALID_PAYLOAD: (400, "Invalid payload: expected {hourly:[...]} or [...]"),
    Code.INVALID_BUCKET: (400, "Invalid half-hour bucket"),
    Code.INVALID_HOUR_START: (400, "hour_start must be an ISO timestamp at UTC half-hour boundary"),
    Code.OUTSIDE_WINDOW: (400, "hour_start is outside the accepted window"),
    Code.INVALID_COUNT: (400, "Token fields must be non-negative integers"),
    Code.COUNT_TOO_LARGE: (400, f"Token fields must be at most {MAX_COUNT}"),
    Code.INVALID_NAME: (400, "source and model must be printable text of at most 64 and 200 characters"),
    Code.UNKNOWN_FIELD: (400, "Unknown field"),
    Code.UNKNOWN_PARAMETER: (400, "Unknown or repeated query parameter"),
    Code.INVALID_PARAMETER: (400, "Invalid query parameter"),
    Code.RANGE_TOO_LARGE: (400, "Date range too large"),
    Code.INVALID_IDEMPOTENCY_KEY: (400, "Idempotency-Key must be 1 to 255 printable ASCII characters"),
    Code.INVALID_SEQUENCE: (400, "Attribute-Sequence must be <epoch>.<sequence>, once"),
    Code.INVALID_LINK_CODE: (400, "Link code is unknown or expired"),
    Code.INVALID_REQUEST_ID: (400, "request_id must be 1 to 128 printable ASCII characters"),
    Code.INVALID_DEVICE: (400, "device_name and platform must be printable text of at most 128 and 32 characters"),
    Code.AMBIGUOUS_FRAMING: (400, "The body's length must be declared once, and plainly"),
    Code.INCOMPLETE_BODY: (400, "The body ended before its declared length"),
    Code.MISSING_TOKEN: (401, "Missing bearer token"),
    Code.UNAUTHORIZED: (401, "Unauthorized"),
    Code.NOT_FOUND: (404, "Not found"),
    Code.METHOD_NOT_ALLOWED: (405, "Method not allowed"),
    Code.RECEIPT_DEADLINE: (408, "The request did not arrive within the receipt deadline"),
    Code.KEY_IN_FLIGHT: (409, "A request with this Idempotency-Key is in progress"),
    Code.LINK_CODE_USED: (409, "Link code was already used"),
    Code.STALE_EPOCH: (409, "This epoch is not the device's current one"),
    Code.TOO_MANY_BUCKETS: (413, f"Too many buckets (max {MAX_BUCKETS})"),
    Code.BODY_TOO_LARGE: (413, "Body too large (max 1048576 bytes)"),
    Code.UNSUPPORTED_MEDIA_TYPE: (415, "Content-Type must be application/json"),
    Code.KEY_REUSED: (422, "This Idempotency-Key was used with another body"),
    Code.SEQUENCE_REUSED: (422, "This sequence was used with other content"),
    Code.TOO_MANY_REQUESTS: (429, "Too many requests"),
    Code.STORE_BUSY: (503, "Service temporarily unavailable"),
    Code.STORE_UNAVAILABLE: (503, "Service temporarily unavailable"),
    Code.STORE_FULL: (503, "Service temporarily unavailable"),
    Code.OUTCOME_UNKNOWN: (503, "Service temporarily unavailable"),
    Code.NOT_READY: (503, "Service temporarily unavailable"),
    Code.UNHANDLED_EXCEPTION: (500, "Internal error"),
}


class Refused(Exception):  # noqa: N818 -- it is an answer on its way out, not a fault of ours
    """
    An answer other than success, thrown from wherever the decision fell.

    Args:
        code: which of the fixed sentences.
        place: where in the body or the query, made of our own names and of positions, never of the sender's text.
        retry_after_s: seconds for a `Retry-After` header, or nothing.
        text: a fixed sentence of this program's own that says more than the code's, such as one with a limit in it.
        extra: further members of the answer, all of the service's own making.
    """

    def __init__(
        self,
        code: Code,
        *,
        place: str | None = None,
        retry_after_s: int | None = None,
        text: str | None = None,
        extra: dict[str, object] | None = None,
    ) -> None:
        super().__init__(code.value)
        self.code = code
        self.status, sentence = _ANSWERS[code]
        self.text = sentence if text is None else text
        self.place = place
        self.retry_after_s = retry_after_s
        self.extra = extra or {}

    def body(self) -> dict[str, object]:
        """The answer's JSON object: `error`, `code`, and `path` where a place is known."""
        found: dict[str, object] = {"error": self.text, "code": self.code.value}
        if self.place is not None:
            found["path"] = self.place
        return {**found, **self.extra}


def code_of_failure(error: StoreError) -> Code:
    """Return what a client is told where the store did not confirm: always 503, because trying again may help."""
    if isinstance(error, StoreBusy):
        return Code.STORE_BUSY
    if isinstance(error, StoreFull):
        return Code.STORE_FULL
    return Code.OUTCOME_UNKNOWN if isinstance(error, CommitInDoubt) else Code.STORE_UNAVAILABLE


def refused_by_store(refusal: Refusal) -> Refused:
    """Return the answer to a request that the store declined. A token revoked meanwhile is unauthorized."""
    extra: dict[str, object] = {}
    code = Code.UNAUTHORIZED
    match refusal:
        case IdempotencyConflict():
            code = Code.KEY_IN_FLIGHT if refusal.in_flight else Code.KEY_REUSED
        case StaleEpoch():
            code, extra = Code.STALE_EPOCH, {"epoch": refusal.current}
        case SequenceMismatch():
            code = Code.SEQUENCE_REUSED
        case LinkCodeRefused():
            code = Code.LINK_CODE_USED if refusal.why == "used" else Code.INVALID_LINK_CODE
    return Refused(code, extra=extra)
