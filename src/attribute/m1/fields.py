"""
The M1 record, declared once.

The frame schema (`attribute.frames`), the JSON Schema (`attribute.m1.schema`), the table in the docs, the strict
encoder and the lenient decoder are all made from `FIELDS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TIMEOUT = "timeout"
"""What `upstream_status` says of a call that ran into our own time limit."""

UPSTREAM_TIMEOUT = 0
"""Inside the toolkit `upstream_status` is one small integer: a status (100 to 599), or this for `"timeout"` ..."""

UPSTREAM_INVALID = -1
"""... or this for an integer out of bounds or a text that is no status (`upstream-status-invalid`). None: not seen."""

MAX_MS = 10**9
"""The longest latency; a limit over it would never be reached."""

MAX_LINE_BYTES = 4096
"""One record is one write of at most this many bytes, newline included."""

ENDING_STAGES = ("response", "exception")
"""Stages that end a request; any other stage reports on the way."""

CURRENT_VERSION = 1


class Kind(StrEnum):
    """What a field may hold."""

    TEXT = "text"
    STATUS = "status"
    UPSTREAM_STATUS = "upstream-status"
    MILLISECONDS = "milliseconds"
    COUNT = "count"
    INSTANT = "instant"
    VERSION = "version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """
    One field of the M1 record.

    Attributes:
        name: its key, from the log line to the report.
        kind: what it holds.
        minimum: the least value, or the least length in characters of a text.
        maximum: the greatest value, or the greatest length in characters of a text.
        required: whether the key must be there.
        nullable: whether the value may be null.
        unit: the unit of a number, or nothing.
        otel: the nearest name in OpenTelemetry's semantic conventions, or nothing.
        meaning: one line.
    """

    name: str
    kind: Kind
    minimum: int = 0
    maximum: int = 0
    required: bool = True
    nullable: bool = False
    unit: str | None = None
    otel: str | None = None
    meaning: str


FIELDS: tuple[Field, ...] = (
    Field(name="request_id", kind=Kind.TEXT, minimum=1, maximum=128, meaning="One request."),
    Field(name="function", kind=Kind.TEXT, minimum=1, maximum=128, otel="faas.name", meaning="Who wrote the record."),
    Field(
        name="stage",
        kind=Kind.TEXT,
        minimum=1,
        maximum=64,
        meaning="`response` and `exception` end a request; anything else reports on the way.",
    ),
    Field(
        name="status",
        kind=Kind.STATUS,
        minimum=100,
        maximum=599,
        nullable=True,
        otel="http.response.status_code",
        meaning="What the function answered.",
    ),
    Field(
        name="latency_ms",
        kind=Kind.MILLISECONDS,
        maximum=MAX_MS,
        unit="ms",
        otel="http.server.request.duration",
        meaning="From the request's arrival to the record.",
    ),
    Field(
        name="error_code",
        kind=Kind.TEXT,
        maximum=128,
        nullable=True,
        otel="error.type",
        meaning="Low-cardinality code of the error.",
    ),
    Field(
        name="upstream_status",
        kind=Kind.UPSTREAM_STATUS,
        minimum=100,
        maximum=599,
        nullable=True,
        otel="http.response.status_code",
        meaning='What the upstream answered, `"timeout"`, or null: not seen.',
    ),
    Field(
        name="upstream_latency_ms",
        kind=Kind.MILLISECONDS,
        maximum=MAX_MS,
        nullable=True,
        unit="ms",
        otel="http.client.request.duration",
        meaning="Time spent waiting for the upstream, summed over all calls.",
    ),
    Field(
        name="ts",
        kind=Kind.INSTANT,
        required=False,
        nullable=True,
        meaning="When the record was written: RFC 3339 with a zone, or epoch in s or ms.",
    ),
    Field(
        name="upstream",
        kind=Kind.TEXT,
        maximum=64,
        required=False,
        nullable=True,
        otel="peer.service",
        meaning="Which vendor, where there are several.",
    ),
    Field(
        name="upstream_calls",
        kind=Kind.COUNT,
        maximum=10**6,
        required=False,
        nullable=True,
        meaning="How many calls `upstream_latency_ms` sums over.",
    ),
    Field(
        name="v",
        kind=Kind.VERSION,
        minimum=1,
        maximum=2**31 - 1,
        required=False,
        nullable=True,
        meaning="Schema version; a higher one than 1 is read, with a warning.",
    ),
)

FIELD_NAMES = tuple(field.name for field in FIELDS)
REQUIRED_NAMES = tuple(field.name for field in FIELDS if field.required)
CLAIMING_NAMES = ("request_id", "function", "status")
"""An object with these three keys claims to be an M1 record; one without is not M1."""
