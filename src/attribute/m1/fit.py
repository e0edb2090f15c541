"""From whatever a program holds to a line that keeps the contract: what the request logger writes with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, cast
from uuid import UUID

from attribute.m1.decode import parse_instant_us
from attribute.m1.encode import RecordError, RecordFields, encode
from attribute.m1.fields import FIELDS, TIMEOUT, Field, Kind

__all__ = ["fit_line", "fit_text"]

_NAMELESS: Final = "unknown"
_FIRST_TO_GIVE_WAY: Final = ("error_code", "upstream", "stage", "function", "request_id")


def fit_text(value: object, longest: int) -> str:
    """
    Make a text of at most *longest* whole characters. Never raises.

    Halves of surrogate pairs become `?`. What is neither a text nor a number nor a UUID is represented by the name of
    its type: its own text might hold a payload.
    """
    if isinstance(value, str):
        text = value[:longest]
    elif isinstance(value, UUID) or (isinstance(value, int) and value.bit_length() <= 256):
        text = str(value)[:longest]
    else:
        text = type(value).__name__[:longest]
    return text.encode("utf-8", "replace").decode()


def _fit_text(field: Field, value: object) -> str:
    text = fit_text(value, field.maximum)
    return text if len(text) >= field.minimum else _NAMELESS


def _fit_integer(field: Field, value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if field.minimum <= value <= field.maximum else None


def _fit_upstream_status(field: Field, value: object) -> int | str | None:
    return TIMEOUT if isinstance(value, str) and value == TIMEOUT else _fit_integer(field, value)


def _fit_number(field: Field, value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or (isinstance(value, float) and value != value):  # noqa: PLR0124 - not a number
        return None if field.nullable else field.minimum
    return min(max(value, field.minimum), field.maximum)


def _fit_count(field: Field, value: object) -> int | None:
    number = _fit_number(field, value)
    return None if number is None else math.floor(number)


def _fit_instant(_field: Field, value: object) -> object:
    try:
        parse_instant_us(value)
    except ValueError:
        return None
    return value if not isinstance(value, str) or len(value) <= 64 else None


_FIT_OF_KIND: Final[dict[Kind, Callable[[Field, object], object]]] = {
    Kind.TEXT: _fit_text,
    Kind.STATUS: _fit_integer,
    Kind.UPSTREAM_STATUS: _fit_upstream_status,
    Kind.MILLISECONDS: _fit_number,
    Kind.COUNT: _fit_count,
    Kind.INSTANT: _fit_instant,
    Kind.VERSION: _fit_integer,
}


def fit_line(values: Mapping[str, object]) -> bytes:
    """
    Make one line of an M1 log out of whatever *values* holds. Never raises because of it.

    Args:
        values: by field name; what is not there counts as None.

    Returns:
        A line as `encode` makes it. Texts are cut to their bound, and an empty one that may not be empty reads
        `unknown`; a status that is none becomes null; a number is moved to its nearest bound; a time that is none is
        left out. Where the line would still be too long, characters outside ASCII give way to `?`, field by field,
        the request's id last.
    """
    fitted: dict[str, object] = {}
    for field in FIELDS:
        value = values.get(field.name)
        fits = value is None and field.nullable
        fitted[field.name] = None if fits else _FIT_OF_KIND[field.kind](field, value)
    for name in _FIRST_TO_GIVE_WAY:
        try:
            return encode(**cast("RecordFields", fitted))
        except RecordError:  # only its length is left to break
            text = fitted[name]
            fitted[name] = text.encode("ascii", "replace").decode() if isinstance(text, str) else None
    return encode(**cast("RecordFields", fitted))
