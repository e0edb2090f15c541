from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attribute.m1 import Record, Reject, RejectReason, decode, parse_instant_us
from attribute.m1.decode import MAX_INSTANT_US, claims_newer_version, unknown_names
from attribute.m1.fields import (
    FIELD_NAMES,
    FIELDS,
    REQUIRED_NAMES,
    UPSTREAM_INVALID,
    UPSTREAM_TIMEOUT,
    Field,
    Kind,
)
from tests.m1.values import JSON, VALID, Anything, valid_fields

AT_US = 1_794_787_200_123_000


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in VALID.items() if name not in names}


def test_complete_record_is_read_into_the_columns() -> None:
    """Every field of a line arrives in its column; `ts` arrives as microseconds, `v` has done its duty."""
    assert decode(VALID) == Record("r-1", "ingest", "response", 502, 41.5, "DB_DOWN", 503, 40.0, AT_US, "billing", 2)


def test_record_columns_are_the_fields_of_the_table() -> None:
    """A record has the fields of the table, in its order, but for the version."""
    expected = tuple("at_us" if name == "ts" else name for name in FIELD_NAMES if name != "v")
    assert Record._fields == expected


def test_record_with_only_the_required_fields_is_read() -> None:
    """Optional fields may be left out."""
    got = decode(without("ts", "upstream", "upstream_calls", "v"))
    assert got == Record("r-1", "ingest", "response", 502, 41.5, "DB_DOWN", 503, 40.0, None, None, None)


@pytest.mark.parametrize("field", [field for field in FIELDS if field.nullable], ids=lambda field: field.name)
def test_null_where_it_is_allowed_is_not_seen(field: Field) -> None:
    """Null is read as "not seen", never as zero or as an empty text."""
    got = decode(VALID | {field.name: None})
    assert isinstance(got, Record)
    if field.name != "v":
        assert getattr(got, "at_us" if field.name == "ts" else field.name) is None


@pytest.mark.parametrize("field", [field for field in FIELDS if not field.nullable], ids=lambda field: field.name)
def test_null_where_it_is_not_allowed_is_a_type_reject(field: Field) -> None:
    """The four fields that are always known may not be null."""
    assert decode(VALID | {field.name: None}) == Reject(RejectReason.TYPE, field.name)


@pytest.mark.parametrize("name", ["request_id", "function", "status"])
def test_object_without_a_claiming_key_is_not_m1(name: str) -> None:
    """An object that lacks one of the three keys does not claim to be M1: it is skipped, whatever else it holds."""
    assert decode(without(name) | {"latency_ms": "no number"}) is None


@pytest.mark.parametrize("name", ["stage", "latency_ms", "error_code", "upstream_status", "upstream_latency_ms"])
def test_claiming_object_without_a_required_key_is_a_reject(name: str) -> None:
    """An object that claims to be M1 must have all eight keys."""
    assert decode(without(name)) == Reject(RejectReason.MISSING_FIELD, name)
    assert name in REQUIRED_NAMES


def _edges() -> list[Any]:
    cases = []
    for field in FIELDS:
        if field.kind is Kind.INSTANT:
            continue
        for value, inside in (
            (field.minimum - 1, False),
            (field.minimum, True),
            (field.maximum, True),
            (field.maximum + 1, False),
        ):
            if field.kind is Kind.TEXT and value < 0:
                continue
            shown = "\N{ROCKET}" * value if field.kind is Kind.TEXT else value
            cases.append(pytest.param(field, shown, inside, id=f"{field.name}-{value}"))
    return cases


@pytest.mark.parametrize(("field", "value", "inside"), _edges())
def test_value_at_a_bound_is_in_and_beyond_it_is_out(field: Field, value: Anything, inside: bool) -> None:
    """Bounds are included, lengths count characters, and one step further is a range reject."""
    got = decode(VALID | {field.name: value})
    if field.kind is Kind.UPSTREAM_STATUS:
        assert isinstance(got, Record)
        assert got.upstream_status == (value if inside else UPSTREAM_INVALID)
    elif inside:
        assert isinstance(got, Record)
        assert field.name == "v" or getattr(got, field.name) == value
    else:
        assert got == Reject(RejectReason.RANGE, field.name)


_WRONG_OF_KIND: dict[Kind, tuple[Any, ...]] = {
    Kind.TEXT: (1, 1.5, True, [], ["a"], {}),
    Kind.STATUS: ("200", 200.0, 2e2, -0.0, True, [], {}),
    Kind.UPSTREAM_STATUS: (200.0, 503.5, True, False, [], [503], {}),
    Kind.MILLISECONDS: ("12", True, False, [], {}),
    Kind.COUNT: ("1", 1.0, True, [], {}),
    Kind.INSTANT: ("yesterday", "", True, [], {}),
    Kind.VERSION: ("1", 1.0, True, [], {}),
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(field, value, id=f"{field.name}-{value!r}")
        for field in FIELDS
        for value in _WRONG_OF_KIND[field.kind]
    ],
)
def test_value_of_another_type_is_a_reject(field: Field, value: Anything) -> None:
    """A text is no number, a number with a point is no integer, and true is not 1."""
    reason = RejectReason.TIME if field.kind is Kind.INSTANT else RejectReason.TYPE
    assert decode(VALID | {field.name: value}) == Reject(reason, field.name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("timeout", UPSTREAM_TIMEOUT),
        ("Timeout", UPSTREAM_INVALID),
        ("503", UPSTREAM_INVALID),
        ("", UPSTREAM_INVALID),
        ("\ud800", UPSTREAM_INVALID),
        (0, UPSTREAM_INVALID),
        (-1, UPSTREAM_INVALID),
        (10**40, UPSTREAM_INVALID),
    ],
)
def test_upstream_status_that_is_no_status_is_kept_as_that(value: object, expected: int) -> None:
    """A failure does not vanish because its evidence is odd; and no odd value passes for a timeout or "not seen"."""
    got = decode(VALID | {"upstream_status": value})
    assert isinstance(got, Record)
    assert got.upstream_status == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -1e-9, 10**400])
def test_latency_beyond_all_bounds_is_a_range_reject(value: float) -> None:
    """Infinity and what is no number are outside every bound."""
    assert decode(VALID | {"latency_ms": value}) == Reject(RejectReason.RANGE, "latency_ms")


def test_negative_zero_latency_is_zero() -> None:
    """Two spellings of one number make one record."""
    got = decode(VALID | {"latency_ms": -0.0})
    assert isinstance(got, Record)
    assert str(got.latency_ms) == "0.0"


@pytest.mark.parametrize("name", ["request_id", "function", "stage", "error_code", "upstream"])
def test_half_of_a_surrogate_pair_is_an_encoding_reject(name: str) -> None:
    """Text that no UTF-8 output can hold stops at the door."""
    assert decode(VALID | {name: "a\udc00"}) == Reject(RejectReason.ENCODING, name)


def test_first_broken_field_in_the_order_of_the_table_is_named() -> None:
    """Of several faults the answer is always the same one."""
    line = dict(reversed((VALID | {"v": 0, "stage": 5, "latency_ms": -1}).items()))
    assert decode(line) == Reject(RejectReason.TYPE, "stage")


def test_unknown_field_is_ignored_unless_strict() -> None:
    """Adding a field is additive; a strict reader finds the drift."""
    line = VALID | {"query_label": "select *"}
    assert decode(line) == decode(VALID)
    assert decode(line, strict=True) == Reject(RejectReason.UNKNOWN_FIELD, "query_label")
    assert decode(VALID, strict=True) == decode(VALID)


def test_unknown_names_are_short_and_printable_as_utf8() -> None:
    """A hostile key costs no more than 128 characters, and no output chokes on it."""
    assert list(unknown_names(VALID | {"x" * 1000: 1, "\ud800y": 2})) == ["x" * 128, "?y"]


@pytest.mark.parametrize(("version", "newer"), [(1, False), (2, True), (None, False)])
def test_newer_version_is_read_and_recognised(version: int | None, newer: bool) -> None:
    """A record of a later schema is read all the same, and can be warned about."""
    line = VALID | {"v": version}
    assert decode(line) == decode(VALID)
    assert claims_newer_version(line) is newer


@settings(max_examples=150)
@given(JSON)
def test_any_json_value_decodes_without_an_exception(value: Anything) -> None:
    """Nothing that a JSON parser can return makes the decoder raise."""
    assert decode(value) is None


@settings(max_examples=300)
@given(valid_fields(), st.dictionaries(st.sampled_from([*FIELD_NAMES, "other"]), JSON, max_size=3), st.booleans())
def test_any_claiming_object_is_a_record_or_a_reject(
    fields: dict[str, Any], spoilt: dict[str, Any], strict: bool
) -> None:
    """Whatever a claiming object holds, it is counted once: as a record, or as a reject that names a field."""
    got = decode(fields | spoilt, strict=strict)
    assert isinstance(got, Record) or (isinstance(got, Reject) and got.detail in {*FIELD_NAMES, "other"})
    if not spoilt:
        assert isinstance(got, Record)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("2026-11-16T00:00:00.123Z", AT_US),
        ("2026-11-16t00:00:00.123z", AT_US),
        ("2026-11-16 00:00:00.123Z", AT_US),
        ("2026-11-16T05:45:00.123+05:45", AT_US),
        ("2026-11-15T23:00:00.123-01:00", AT_US),
        ("2026-11-16T00:00:00.1230009999Z", AT_US),
        ("2026-11-16T00:00:00." + "9" * 5000 + "Z", AT_US - 123_000 + 999_999),
        ("1969-12-31T23:30:00-01:00", 1_800_000_000),
        ("9999-12-31T23:59:59.999999Z", MAX_INSTANT_US),
        ("2024-02-29T12:00:00Z", 1_709_208_000_000_000),
        (0, 0),
        (-0.0, 0),
        (1_794_787_200, AT_US - 123_000),
        (1_794_787_200.123, AT_US),
        (1_794_787_200_123, AT_US),
        (1_794_787_200_123.25, AT_US + 250),
        (99_999_999_999, 99_999_999_999_000_000),
        (100_000_000_000, 100_000_000_000_000),
        (253_402_300_799_999, 253_402_300_799_999_000),
    ],
)
def test_instant_is_read_to_the_microsecond(value: object, expected: int) -> None:
    """One instant has one number, however it is spelled."""
    assert parse_instant_us(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-11-16",
        "2026-11-16T00:00:00",
        "2026-11-16T00:00Z",
        "2026-11-16T00:00:60Z",
        "2026-11-16T23:59:60Z",
        "2026-11-16T24:00:00Z",
        "2026-11-31T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2026-11-16T00:00:00,5Z",
        "2026-11-16T00:00:00.Z",
        "2026-11-16T00:00:00+0100",
        "2026-11-16T00:00:00+01",
        "2026-11-16T00:00:00+24:00",
        "2026-11-16T00:00:00+01:60",
        "2026-11-16T00:00:00+01:00:30",
        "2026-11-16T00:00:00 Z",
        "2026-11-16  00:00:00Z",
        " 2026-11-16T00:00:00Z",
        "2026-11-16T00:00:00Z\n",
        "20261116T000000Z",
        "2026-W47-1T00:00:00Z",
        "\u0662\u0660\u0662\u0666-11-16T00:00:00Z",
        "1794787200",
        "1794787200123",
        -1,
        -1e-9,
        float("nan"),
        float("inf"),
        253_402_300_800_000,
        10**400,
        1e300,
        True,
        None,
        b"2026-11-16T00:00:00Z",
        [],
    ],
)
def test_what_is_no_instant_is_refused(value: object) -> None:
    """No zone, no leap second, no digits as text, no year outside 1970 to 9999: nothing is guessed."""
    with pytest.raises(ValueError, match=r"RFC 3339|text|1970|range|month"):
        parse_instant_us(value)


WALL_TIMES = st.datetimes(
    datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis takes bounds without a zone
    datetime(9998, 12, 31),  # noqa: DTZ001 - the same
)


@settings(max_examples=200)
@given(
    WALL_TIMES,
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.text("0123456789", max_size=12),
    st.sampled_from("Tt "),
)
def test_instant_as_text_agrees_with_plain_arithmetic(at: datetime, offset: int, digits: str, between: str) -> None:
    """Days, seconds and the cut fraction, added up by hand, give the same number."""
    local = at.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=offset)))
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    text = local.strftime(f"{local.year:04}-%m-%d{between}%H:%M:%S") + (f".{digits}" if digits else "") + zone
    whole = (at.toordinal() - 719_163) * 86_400 + at.hour * 3600 + at.minute * 60 + at.second - offset * 60
    assert parse_instant_us(text) == whole * 1_000_000 + int((digits + "000000")[:6])


@settings(max_examples=200)
@given(st.floats(0, 253_402_300_799_998))
@example(0.0000005)
@example(1_794_787_200.1234567)
def test_instant_as_a_number_is_the_nearest_microsecond(value: float) -> None:
    """The number's exact value is rounded once, to the nearest microsecond."""
    scale = 10**6 if value < 10**11 else 10**3
    assert abs(parse_instant_us(value) - Fraction(value) * scale) <= Fraction(1, 2)


@given(st.integers(0, MAX_INSTANT_US // 1000))
def test_instant_in_milliseconds_survives_every_spelling(milliseconds: int) -> None:
    """Epoch milliseconds and RFC 3339 name the same instant."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if milliseconds >= 10**11:
        assert parse_instant_us(milliseconds) == parse_instant_us(text)
    assert parse_instant_us(text) == milliseconds * 1000
