"""Valid and invalid values of each field, made from the table of fields."""

from __future__ import annotations

import string
from typing import Any, TypeAlias

from hypothesis import strategies as st

from attribute.m1.fields import FIELDS, Field, Kind

Anything: TypeAlias = Any
"""A value of whatever type: what the subject is handed on purpose."""

VALID: dict[str, Any] = {
    "request_id": "r-1",
    "function": "ingest",
    "stage": "response",
    "status": 502,
    "latency_ms": 41.5,
    "error_code": "DB_DOWN",
    "upstream_status": 503,
    "upstream_latency_ms": 40,
    "ts": "2026-11-16T00:00:00.123Z",
    "upstream": "billing",
    "upstream_calls": 2,
    "v": 1,
}
FIELD_OF = {field.name: field for field in FIELDS}

TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _texts(field: Field) -> st.SearchStrategy[Any]:
    plain = st.text(string.printable, min_size=field.minimum, max_size=field.maximum)
    wide = st.text(st.characters(codec="utf-8"), min_size=field.minimum, max_size=min(field.maximum, 20))
    return plain | wide


def valid_values(field: Field) -> st.SearchStrategy[Any]:
    integers = st.integers(field.minimum, field.maximum)
    match field.kind:
        case Kind.TEXT:
            values = _texts(field)
        case Kind.UPSTREAM_STATUS:
            values = integers | st.just("timeout")
        case Kind.MILLISECONDS:
            values = integers | st.floats(field.minimum, field.maximum)
        case Kind.INSTANT:
            values = st.integers(0, 4 * 10**12) | st.datetimes().filter(lambda at: at.year >= 1970).map(
                lambda at: at.isoformat() + "Z"
            )
        case _:
            values = integers
    return values | st.none() if field.nullable else values


def valid_fields() -> st.SearchStrategy[dict[str, Any]]:
    required = {field.name: valid_values(field) for field in FIELDS if field.required}
    optional = {field.name: valid_values(field) for field in FIELDS if not field.required}
    return st.fixed_dictionaries(required, optional=optional)
