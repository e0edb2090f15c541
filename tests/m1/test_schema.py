from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import attribute.m1
from attribute.m1 import Record, decode, encode, json_schema
from attribute.m1.fields import FIELD_NAMES
from attribute.m1.schema import field_table_markdown, schema_text
from tests.m1.values import JSON, VALID, Anything, valid_fields

ROOT = Path(__file__).parents[2]
CHECK = Draft202012Validator(json_schema())


def test_shipped_schema_is_the_generated_one() -> None:
    """The file in the package says what the table of fields says."""
    shipped = Path(attribute.m1.__file__).with_name("m1.schema.json")
    assert shipped.read_text() == schema_text(), "write schema_text() of attribute.m1.schema to the file"


def test_schema_is_a_valid_schema() -> None:
    """The schema keeps its own rules."""
    Draft202012Validator.check_schema(json_schema())


def test_docs_table_is_the_generated_one() -> None:
    """The table in the docs says what the table of fields says."""
    assert field_table_markdown() in (ROOT / "docs" / "m1.md").read_text(), "paste field_table_markdown() into the page"


@settings(max_examples=150)
@given(valid_fields())
def test_every_encoded_record_keeps_the_schema(fields: dict[str, Any]) -> None:
    """What the encoder writes, the schema allows."""
    CHECK.validate(json.loads(encode(**fields)))


def _is_wrong_in_the_same_way(fields: dict[str, Any]) -> bool:
    got = decode(json.loads(json.dumps(fields)))
    valid = isinstance(got, Record)
    return valid is CHECK.is_valid(fields)


SAME = [name for name in FIELD_NAMES if name not in {"upstream_status", "ts"}]


def _without_whole_floats(value: object) -> bool:
    """JSON Schema takes 200.0 for an integer, surrogates for characters and NaN for a number; the decoder does not."""
    if isinstance(value, float):
        return not math.isnan(value) and not value.is_integer()
    return not (isinstance(value, str) and not value.isascii())


@settings(max_examples=200)
@given(valid_fields(), st.sampled_from(SAME), JSON.filter(_without_whole_floats))
def test_schema_and_decoder_agree_on_what_is_a_record(fields: dict[str, Any], name: str, value: Anything) -> None:
    """A record with one odd value is refused by both, or by neither."""
    assert _is_wrong_in_the_same_way(fields | {name: value})


@pytest.mark.parametrize("value", ["503", "Timeout", "", 99, 600, 503.5, True, []])
def test_schema_allows_writers_no_odd_upstream_status(value: object) -> None:
    """Readers keep an odd status as evidence of nothing; writers must not write one."""
    assert not CHECK.is_valid(VALID | {"upstream_status": value})


@pytest.mark.parametrize("name", ["request_id", "latency_ms", "upstream_status"])
def test_schema_demands_the_required_fields(name: str) -> None:
    """A required key may be null, where that is allowed, but not missing."""
    assert not CHECK.is_valid({key: value for key, value in VALID.items() if key != name})


def test_schema_allows_further_keys() -> None:
    """Adding a field is additive."""
    assert CHECK.is_valid(VALID | {"query_label": "x"})
