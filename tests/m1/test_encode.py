from __future__ import annotations

import json
from typing import Any, NotRequired, get_origin, get_type_hints
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.m1 import AttributionError, Record, RecordError, decode, encode
from attribute.m1.encode import RecordFields
from attribute.m1.fields import FIELD_NAMES, FIELDS, MAX_LINE_BYTES, REQUIRED_NAMES, Field, Kind
from attribute.m1.fit import fit_line
from tests.m1.values import FIELD_OF, JSON, VALID, Anything, valid_fields

WIDE = "\N{ROCKET}"


def test_record_is_one_line_of_ascii_json_in_the_order_of_the_table() -> None:
    """The line is the same bytes for the same values, and its keys stand in the order of the table."""
    assert encode(**{**dict(reversed(VALID.items())), "error_code": "\N{SNOWMAN}\n"}) == (
        b'{"request_id":"r-1","function":"ingest","stage":"response","status":502,"latency_ms":41.5,'
        b'"error_code":"\\u2603\\n","upstream_status":503,"upstream_latency_ms":40,"ts":"2026-11-16T00:00:00.123Z",'
        b'"upstream":"billing","upstream_calls":2,"v":1}\n'
    )


def test_parameters_are_the_fields_of_the_table() -> None:
    """What a type checker lets a caller give is what the table of fields declares."""
    assert tuple(RecordFields.__annotations__) == FIELD_NAMES
    hints = get_type_hints(RecordFields, include_extras=True)
    assert [name for name, hint in hints.items() if get_origin(hint) is not NotRequired] == list(REQUIRED_NAMES)


def test_optional_field_that_is_none_is_left_out_and_the_version_is_added() -> None:
    """A line holds what is known, and says by which version of the schema."""
    given_fields = {name: VALID[name] for name in REQUIRED_NAMES} | {"error_code": None, "ts": None, "upstream": None}
    assert json.loads(encode(**given_fields)) == {
        **{name: VALID[name] for name in REQUIRED_NAMES},
        "error_code": None,
        "v": 1,
    }


@settings(max_examples=300)
@given(valid_fields())
def test_every_valid_record_survives_encoding_and_decoding(fields: dict[str, Any]) -> None:
    """What is written is what is read; and it is one line of ASCII of at most 4 KiB."""
    line = encode(**fields)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    assert len(line) <= MAX_LINE_BYTES
    got = decode(json.loads(line), strict=True)
    assert isinstance(got, Record)
    assert got == decode(fields)


def _broken() -> list[Any]:
    cases = []
    for field in FIELDS:
        if field.kind is Kind.TEXT:
            values: list[Any] = ["x" * (field.maximum + 1), 5, *([""] if field.minimum else [])]
        elif field.kind is Kind.INSTANT:
            values = ["2026-11-16", -1, True]
        else:
            values = [field.minimum - 1, field.maximum + 1, "other", True]
        values += [] if field.nullable else [None]
        cases += [pytest.param(field, value, id=f"{field.name}-{str(value)[:12]}") for value in values]
    return cases


@pytest.mark.parametrize(("field", "value"), _broken())
def test_value_outside_the_contract_is_refused_by_name_and_bound(field: Field, value: Anything) -> None:
    """A caller who breaks the contract learns which field, and what it takes."""
    with pytest.raises(RecordError) as caught:
        encode(**(VALID | {field.name: value}))
    assert f"`{field.name}`" in caught.value.message
    if field.kind is not Kind.INSTANT:
        assert str(field.maximum) in caught.value.message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (VALID | {"latency_ms": -1}, "`latency_ms` is -1; it takes a number from 0 to 1000000000"),
        (
            VALID | {"upstream_status": "503 from https://secret"},
            '`upstream_status` is a text of 23 characters; it takes an integer from 100 to 599, "timeout" or null',
        ),
        (VALID | {"stage": None}, "`stage` is null; it takes a text of 1 to 64 characters"),
        (VALID | {"status": [1]}, "`status` is of the type list; it takes an integer from 100 to 599 or null"),
        (
            VALID | {"error_code": "\ud800"},
            "`error_code` holds half of a surrogate pair; it takes whole characters",
        ),
        ({}, "`request_id` is not given, and every M1 record has it"),
        (
            {name: value for name, value in VALID.items() if name != "status"},
            "`status` is not given, and every M1 record has it\n  hint: give it as None",
        ),
        (
            VALID | {"payload": "x"},
            f"`payload` is not an M1 field\n  hint: the fields are {', '.join(FIELD_NAMES)}",
        ),
        (
            VALID | dict.fromkeys(("request_id", "function", "error_code"), WIDE * 128),
            (
                "the record takes 4831 bytes as ASCII JSON; one line holds at most 4096\n"
                "  hint: every character outside ASCII takes 6 or 12 bytes: shorten the texts"
            ),
        ),
    ],
)
def test_refusal_reads_as_one_sentence_without_the_text(fields: dict[str, Any], message: str) -> None:
    """The sentence names the field, what it was given and what it takes; a text is never quoted."""
    with pytest.raises(RecordError) as caught:
        encode(**fields)
    assert str(caught.value) == message
    assert isinstance(caught.value, AttributionError)
    assert isinstance(caught.value, ValueError)


class Opaque:
    """Its text would be a secret."""

    def __str__(self) -> str:
        raise AssertionError("nobody asks a stranger for its text")

    __repr__ = __str__


def test_logger_line_from_odd_values_keeps_the_contract() -> None:
    """What a program holds by mistake is normalised field by field, and never asked for its text."""
    line = fit_line(
        {
            "request_id": UUID(int=7),
            "function": "",
            "stage": 12,
            "status": "500",
            "latency_ms": float("nan"),
            "error_code": Opaque(),
            "upstream_status": 999,
            "upstream_latency_ms": float("inf"),
            "ts": "today",
            "upstream": "\ud800" * 100,
            "upstream_calls": 1.5,
            "v": 1,
            "payload": "secret",
        }
    )
    assert json.loads(line) == {
        "request_id": "00000000-0000-0000-0000-000000000007",
        "function": "unknown",
        "stage": "12",
        "status": None,
        "latency_ms": 0,
        "error_code": "Opaque",
        "upstream_status": None,
        "upstream_latency_ms": 1_000_000_000,
        "upstream": "?" * 64,
        "upstream_calls": 1,
        "v": 1,
    }


def test_logger_line_that_would_be_too_long_gives_up_characters_not_the_record() -> None:
    """Where everything is as wide as it can be, the id is the last to lose its characters."""
    texts = {name: WIDE * FIELD_OF[name].maximum for name in ("function", "stage", "error_code", "upstream")}
    line = fit_line(VALID | texts | {"request_id": WIDE * 128})
    read = json.loads(line)
    assert len(line) <= MAX_LINE_BYTES
    assert read["error_code"] == "?" * 128
    assert read["upstream"] == "?" * 64
    assert read["request_id"] == WIDE * 128


def test_logger_line_gives_up_the_ids_characters_where_nothing_else_is_left() -> None:
    """Control characters take 6 bytes each and cannot give way; the id then does, and the line is whole."""
    texts = {name: "\x01" * FIELD_OF[name].maximum for name in ("function", "stage", "error_code", "upstream")}
    long_values = texts | {"ts": f"2026-11-16T00:00:00.{'1' * 43}Z", "latency_ms": 123456789.12345678}
    line = fit_line(VALID | long_values | {"request_id": WIDE * 128})
    assert len(line) <= MAX_LINE_BYTES
    assert json.loads(line) == VALID | long_values | {"request_id": "?" * 128}


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from([*FIELD_NAMES, "other"]),
        JSON | st.text(st.characters(min_codepoint=0), min_size=100, max_size=140) | st.builds(Opaque),
        max_size=12,
    )
)
def test_logger_line_of_any_content_is_a_record(values: dict[str, Any]) -> None:
    """Content never makes the logger raise, and what it writes always reads as a record."""
    line = fit_line(values)
    assert len(line) <= MAX_LINE_BYTES
    assert isinstance(decode(json.loads(line), strict=True), Record)


@settings(max_examples=150)
@given(valid_fields())
def test_logger_line_of_valid_values_changes_nothing(fields: dict[str, Any]) -> None:
    """What keeps the contract is written as it is."""
    assert decode(json.loads(fit_line(fields))) == decode(fields)
