"""Files that are shipped beside the writers."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["result_schema_text"]


def result_schema_text() -> str:
    """Return the JSON Schema of `-o json`, as published."""
    return files("attribute.reports").joinpath("result.schema.json").read_text(encoding="utf-8")
