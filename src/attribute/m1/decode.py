"""From a parsed JSON value to an M1 record, or to the reason why it is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, NoReturn, TypeAlias

from attribute.m1.fields import (
    CLAIMING_NAMES,
    CURRENT_VERSION,
    FIELD_NAMES,
    FIELDS,
    TIMEOUT,
    UPSTREAM_INVALID,
    UPSTREAM_TIMEOUT,
    Field,
    Kind,
)

__all__ = [
    "MAX_INSTANT_US",
    "READERS",
    "BrokenFieldError",
    "Record",
    "Reject",
    "RejectReason",
    "claims_newer_version",
    "decode",
    "parse_instant_us",
    "unknown_names",
]


class RejectReason(StrEnum):
    """Why a line that claims to be M1 is not. A closed list; the first reason that applies is the one that is given."""

    JSON = "json"
    CUT_OFF = "cut-off"
    TOO_LONG = "too-long"
    TOO_DEEP = "too-deep"
    ENCODING = "encoding"
    NUL = "nul"
    DUPLICATE_KEY = "duplicate-key"
    MISSING_FIELD = "missing-field"
    TYPE = "type"
    RANGE = "range"
    TIME = "time"
    UNKNOWN_FIELD = "unknown-field"


class Record(NamedTuple):
    """
    One M1 record, in the order of the columns of `records`.

    `upstream_status` is a status, `UPSTREAM_TIMEOUT`, `UPSTREAM_INVALID` or None (not seen). `at_us` is `ts` in
    microseconds since 1970-01-01 UTC, or None.
    """

    request_id: str
    function: str
    stage: str
    status: int | None
    latency_ms: float
    error_code: str | None
    upstream_status: int | None
    upstream_latency_ms: float | None
    at_us: int | None
    upstream: str | None
    upstream_calls: int | None


class Reject(NamedTuple):
    """
    Why an object that claims to be an M1 record is none.

    `detail` is the name of the field concerned. For `unknown-field` that name comes from the log: escape it.
    """

    reason: RejectReason
    detail: str


MAX_INSTANT_US: Final = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z, the last instant that is read; the first is 1970-01-01T00:00:00Z."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_BELOW: Final = 10**11
"""An epoch number under this is in seconds (to the year 5138), any other in milliseconds (from 1973 on)."""
_LONGEST_NAME: Final = 128
_BEYOND_64_BITS: Final = 2.0**63

_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]++)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


def parse_instant_us(value: object) -> int:
    """
    Read an instant: `ts`, or the time in an envelope.

    Args:
        value: RFC 3339 text with a zone (`T`, `t` or one space between date and time; `Z`, `z` or an offset; a
            fraction of any length, cut to microseconds; no leap second), or a number since the epoch, in seconds
            where it is under 10^11 and else in milliseconds, rounded to the nearest microsecond. No digits as text.

    Returns:
        Microseconds since 1970-01-01T00:00:00Z, from 0 to `MAX_INSTANT_US`.

    Raises:
        ValueError: anything else.

    Source:
        RFC 3339, section 5.6.

    >>> parse_instant_us("2026-11-16T01:00:00.25+01:00") == parse_instant_us(1794787200.25)
    True
    """
    if isinstance(value, str):
        if _RFC_3339.fullmatch(value) is None:
            raise ValueError("not an RFC 3339 time with a zone")
        if value[-1] == "z":  # the standard library knows only the capital
            value = value[:-1] + "Z"
        since = datetime.fromisoformat(value) - _EPOCH
        instant = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        instant = _epoch_us(value)
    else:
        raise ValueError("neither a text nor a number")  # noqa: TRY004 - callers are promised one kind of error
    if not 0 <= instant <= MAX_INSTANT_US:
        raise ValueError("outside the years 1970 to 9999")
    return instant


def _epoch_us(value: float) -> int:
    if not 0 <= value <= MAX_INSTANT_US:  # also what is no number at all
        raise ValueError("outside the years 1970 to 9999")
    scale = 1_000_000 if value < _SECONDS_BELOW else 1_000
    if isinstance(value, int):
        return value * scale
    numerator, denominator = value.as_integer_ratio()  # exact: no second rounding of what JSON already rounded
    return (2 * numerator * scale + denominator) // (2 * denominator)


class BrokenFieldError(Exception):
    """A value breaks its field's type or bound, for this reason. Never leaves `decode` and `encode`."""

    def __init__(self, reason: RejectReason) -> None:
        self.reason = reason


def _broken(reason: RejectReason) -> NoReturn:
    raise BrokenFieldError(reason)


Reader: TypeAlias = Callable[[object], object]


def _text_reader(field: Field) -> Reader:
    low, high = field.minimum, field.maximum

    def read(value: object) -> str:
        if not isinstance(value, str):
            _broken(RejectReason.TYPE)
        if not low <= len(value) <= high:
            _broken(RejectReason.RANGE)
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:  # half of a surrogate pair
                _broken(RejectReason.ENCODING)
        return value

    return read


def _integer_reader(field: Field) -> Reader:
    low, high = field.minimum, field.maximum

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            _broken(RejectReason.TYPE)
        if not low <= value <= high:
            _broken(RejectReason.RANGE)
        return value

    return read


def _is_beyond_64_bits(value: object) -> bool:
    """Say whether a number is an integer that a JSON parser gives as a float, for it does not fit 64 bits."""
    return isinstance(value, float) and abs(value) >= _BEYOND_64_BITS


def _upstream_status_reader(field: Field) -> Reader:
    low, high = field.minimum, field.maximum

    def read(value: object) -> int:
        if isinstance(value, str):
            return UPSTREAM_TIMEOUT if value == TIMEOUT else UPSTREAM_INVALID
        if _is_beyond_64_bits(value):
            return UPSTREAM_INVALID
        if not isinstance(value, int) or isinstance(value, bool):
            _broken(RejectReason.TYPE)
        return value if low <= value <= high else UPSTREAM_INVALID

    return read


def _milliseconds_reader(field: Field) -> Reader:
    low, high = field.minimum, field.maximum

    def read(value: object) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            _broken(RejectReason.TYPE)
        if not low <= value <= high:
            _broken(RejectReason.RANGE)
        return float(value) + 0.0  # -0.0 and 0 are one value

    return read


def _instant_reader(_field: Field) -> Reader:
    def read(value: object) -> int:
        try:
            return parse_instant_us(value)
        except ValueError:
            _broken(RejectReason.TIME)

    return read


_READER_OF_KIND: Final[dict[Kind, Callable[[Field], Reader]]] = {
    Kind.TEXT: _text_reader,
    Kind.STATUS: _integer_reader,
    Kind.UPSTREAM_STATUS: _upstream_status_reader,
    Kind.MILLISECONDS: _milliseconds_reader,
    Kind.COUNT: _integer_reader,
    Kind.INSTANT: _instant_reader,
    Kind.VERSION: _integer_reader,
}
READERS: Final[dict[str, Reader]] = {field.name: _READER_OF_KIND[field.kind](field) for field in FIELDS}
"""Reads the value, not null, of one field, or raises `BrokenFieldError`. Shared with the strict encoder."""

_STEPS: Final = tuple((field.name, field.required, field.nullable, READERS[field.name]) for field in FIELDS)
_VERSION_AT: Final = FIELD_NAMES.index("v")
_KNOWN: Final = frozenset(FIELD_NAMES)
_CLAIM: Final = frozenset(CLAIMING_NAMES)
_ABSENT: Final = object()


def decode(obj: object, *, strict: bool = False) -> Record | Reject | None:
    """
    Turn a parsed JSON value into a record.

    Args:
        obj: what a JSON parser made of a line, or of the object inside its envelope. What the parser alone can see
            (duplicate keys, depth, encoding, length) is the caller's to check.
        strict: whether a key that is no M1 field makes a reject.

    Returns:
        The record; or a `Reject` with the first field, in the order of `FIELDS`, that breaks its type or bound; or
        None for what is not M1: no object, or one without the keys `request_id`, `function` and `status`. Optional
        fields that are null count as absent. Never raises because of what *obj* holds.
    """
    if type(obj) is not dict and not isinstance(obj, Mapping):
        return None
    fields: Mapping[str, object] = obj
    if not fields.keys() >= _CLAIM:
        return None
    values: list[object] = []
    for name, required, nullable, read in _STEPS:
        value = fields.get(name, _ABSENT)
        if value is _ABSENT:
            if required:
                return Reject(RejectReason.MISSING_FIELD, name)
            values.append(None)
        elif value is None and nullable:
            values.append(None)
        else:
            try:
                values.append(read(value))
            except BrokenFieldError as broken:
                return Reject(broken.reason, name)
    if strict:
        for name in unknown_names(fields):
            return Reject(RejectReason.UNKNOWN_FIELD, name)
    del values[_VERSION_AT]
    return Record._make(values)


def unknown_names(obj: Mapping[str, object]) -> Iterator[str]:
    """
    Give the object's keys that are no M1 fields, in its order, cut to 128 characters: schema drift.

    The names come from the log: escape them. Halves of surrogate pairs in them are replaced.
    """
    for key in obj:
        if key not in _KNOWN:
            yield str(key)[:_LONGEST_NAME].encode("utf-8", "replace").decode()


def claims_newer_version(obj: Mapping[str, object]) -> bool:
    """Tell whether a decoded object was written by a newer version of the schema than this one."""
    version = obj.get("v")
    return isinstance(version, int) and version > CURRENT_VERSION
