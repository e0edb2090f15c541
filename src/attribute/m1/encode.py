"""From values to one line of an M1 log, or to the sentence that says which value breaks the contract."""

from __future__ import annotations

import json
from typing import Final, Literal, NotRequired, Self, TypedDict, Unpack

from attribute.m1.decode import READERS, BrokenFieldError, RejectReason
from attribute.m1.errors import AttributionError
from attribute.m1.fields import (
    CURRENT_VERSION,
    FIELD_NAMES,
    FIELDS,
    MAX_LINE_BYTES,
    UPSTREAM_INVALID,
    Field,
    Kind,
)

__all__ = ["RecordError", "RecordFields", "encode", "expectation"]


class RecordFields(TypedDict):
    """What `encode` takes: the eight required fields, null or not, and the optional ones."""

    request_id: str
    function: str
    stage: str
    status: int | None
    latency_ms: float
    error_code: str | None
    upstream_status: int | Literal["timeout"] | None
    upstream_latency_ms: float | None
    ts: NotRequired[str | float | None]
    upstream: NotRequired[str | None]
    upstream_calls: NotRequired[int | None]
    v: NotRequired[int | None]


class RecordError(AttributionError, ValueError):
    """A value that a caller wants to log breaks the contract of its field."""

    @classmethod
    def missing(cls, field: Field) -> Self:
        """Say that a required field was not given."""
        hint = "give it as None" if field.nullable else None
        return cls(f"`{field.name}` is not given, and every M1 record has it", hint=hint)

    @classmethod
    def broken(cls, field: Field, value: object) -> Self:
        """Say what the field may hold and what it was given. Texts are described, never quoted."""
        return cls(f"`{field.name}` is {_described(value)}; it takes {expectation(field)}")

    @classmethod
    def half_a_character(cls, field: Field) -> Self:
        """Say that a text holds a lone surrogate, which no UTF-8 log can hold."""
        return cls(f"`{field.name}` holds half of a surrogate pair; it takes whole characters")

    @classmethod
    def unknown_field(cls, name: str) -> Self:
        """Say that there is no such field."""
        return cls(f"`{name}` is not an M1 field", hint=f"the fields are {', '.join(FIELD_NAMES)}")

    @classmethod
    def line_too_long(cls, size: int) -> Self:
        """Say that the line would not be one write."""
        return cls(
            f"the record takes {size} bytes as ASCII JSON; one line holds at most {MAX_LINE_BYTES}",
            hint="every character outside ASCII takes 6 or 12 bytes: shorten the texts",
        )


_EXPECTATION_OF_KIND: Final[dict[Kind, str]] = {
    Kind.TEXT: "a text of {low} to {high} characters",
    Kind.STATUS: "an integer from {low} to {high}",
    Kind.UPSTREAM_STATUS: 'an integer from {low} to {high}, "timeout"',
    Kind.MILLISECONDS: "a number from {low} to {high}",
    Kind.COUNT: "an integer from {low} to {high}",
    Kind.INSTANT: "an RFC 3339 time with a zone, or a number of seconds or milliseconds since 1970",
    Kind.VERSION: "an integer from {low} to {high}",
}


def expectation(field: Field) -> str:
    """Say in words what a field may hold, with its bounds."""
    words = _EXPECTATION_OF_KIND[field.kind].format(low=field.minimum, high=field.maximum)
    return f"{words} or null" if field.nullable else words


def _described(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    if isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= 64):
        return repr(value)
    return f"of the type {type(value).__name__}"


def _checked(field: Field, value: object) -> object:
    if value is None:
        if not field.nullable:
            raise RecordError.broken(field, value)
        return None
    try:
        read = READERS[field.name](value)
    except BrokenFieldError as broken:
        if broken.reason is RejectReason.ENCODING:
            raise RecordError.half_a_character(field) from None
        raise RecordError.broken(field, value) from None
    if field.kind is Kind.UPSTREAM_STATUS and read == UPSTREAM_INVALID:  # readers keep it, writers must not write it
        raise RecordError.broken(field, value)
    return value


_JSON: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def encode(**fields: Unpack[RecordFields]) -> bytes:
    r"""
    Make one line of an M1 log.

    Args:
        fields: the eight required fields, and those optional ones that are known. `v` is `CURRENT_VERSION` where it
            is not given; an optional field that is None is left out.

    Returns:
        One JSON object in the order of `FIELDS`, in ASCII, with a newline at its end: at most `MAX_LINE_BYTES`.

    Raises:
        RecordError: a field is missing, unknown, or breaks its type or bound, or the line would be too long.

    >>> encode(request_id="r1", function="ingest", stage="response", status=200, latency_ms=12.5, error_code=None,
    ...        upstream_status="timeout", upstream_latency_ms=None)[:60]
    b'{"request_id":"r1","function":"ingest","stage":"response","s'
    """
    given: dict[str, object] = {"v": CURRENT_VERSION, **fields}
    record: dict[str, object] = {}
    for field in FIELDS:
        if field.name not in given:
            if field.required:
                raise RecordError.missing(field)
            continue
        value = _checked(field, given.pop(field.name))
        if value is not None or field.required:
            record[field.name] = value
    for name in given:
        raise RecordError.unknown_field(name)
    line = _JSON.encode(record).encode("ascii") + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise RecordError.line_too_long(len(line))
    return line
