"""The M1 record as a JSON Schema and as a table, both made from `FIELDS`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, TypeAlias

from attribute.m1.encode import expectation
from attribute.m1.fields import CURRENT_VERSION, FIELDS, REQUIRED_NAMES, TIMEOUT, Field, Kind

__all__ = ["field_table_markdown", "json_schema", "schema_text"]

_Schema: TypeAlias = dict[str, object]


def _text(field: Field) -> list[_Schema]:
    return [{"type": "string", "minLength": field.minimum, "maxLength": field.maximum}]


def _integer(field: Field) -> list[_Schema]:
    return [{"type": "integer", "minimum": field.minimum, "maximum": field.maximum}]


def _upstream_status(field: Field) -> list[_Schema]:
    return [*_integer(field), {"const": TIMEOUT}]


def _number(field: Field) -> list[_Schema]:
    return [{"type": "number", "minimum": field.minimum, "maximum": field.maximum}]


def _instant(_field: Field) -> list[_Schema]:
    return [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0}]


_SHAPES_OF_KIND: Final[dict[Kind, Callable[[Field], list[_Schema]]]] = {
    Kind.TEXT: _text,
    Kind.STATUS: _integer,
    Kind.UPSTREAM_STATUS: _upstream_status,
    Kind.MILLISECONDS: _number,
    Kind.COUNT: _integer,
    Kind.INSTANT: _instant,
    Kind.VERSION: _integer,
}


def _property(field: Field) -> _Schema:
    shapes = _SHAPES_OF_KIND[field.kind](field)
    if field.nullable:
        shapes = [*shapes, {"type": "null"}]
    notes: _Schema = {"description": field.meaning}
    if field.unit is not None:
        notes["x-unit"] = field.unit
    if field.otel is not None:
        notes["x-opentelemetry"] = field.otel
    return {**notes, **shapes[0]} if len(shapes) == 1 else {**notes, "anyOf": shapes}


def json_schema() -> dict[str, object]:
    """
    Describe what a writer may write, as a JSON Schema (draft 2020-12).

    Further keys are allowed: they are ignored, and counted as drift. Two things a JSON Schema cannot say: integers are
    written as integers (`200`, not `200.0`), and readers keep an `upstream_status` that is no status as evidence of
    nothing. `format` is an annotation; a checker that asserts it also finds a `ts` that is no time.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:m1-attribute:record:{CURRENT_VERSION}",
        "title": "M1 record",
        "description": "One line of an M1 log: what one function knows of one request.",
        "type": "object",
        "properties": {field.name: _property(field) for field in FIELDS},
        "required": list(REQUIRED_NAMES),
        "additionalProperties": True,
    }


def schema_text() -> str:
    """Give the schema as the text of the file that is shipped beside this module, `m1.schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=True) + "\n"


def field_table_markdown() -> str:
    """Give the table of fields for the docs, in Markdown, with a newline at its end."""
    lines = ["| field | must be there | holds | meaning | OpenTelemetry |", "| --- | --- | --- | --- | --- |"]
    for field in FIELDS:
        unit = "" if field.unit is None else f" ({field.unit})"
        otel = "" if field.otel is None else f"`{field.otel}`"
        there = "yes" if field.required else "no"
        lines.append(f"| `{field.name}` | {there} | {expectation(field)}{unit} | {field.meaning} | {otel} |")
    return "\n".join(lines) + "\n"
