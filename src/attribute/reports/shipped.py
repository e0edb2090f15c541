"""Files that are shipped beside the writers."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["gate_schema_text", "result_schema_text"]


def result_schema_text() -> str:
    """Return the JSON Schema of `-o json`, as published."""
    return _text("result.schema.json")


def gate_schema_text() -> str:
    """Return the JSON Schema of `attribute gate -o json`, as published."""
    return _text("gate.schema.json")


def _text(name: str) -> str:
    return files("attribute.reports").joinpath(name).read_text(encoding="utf-8")
