"""
A view as bytes and back, so that an answer that is known already is told without making it again.

Only plain values are kept, as JSON, and read back by the types of the fields of the view model: whatever else lies in
the bytes is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

import orjson

from attribute import __version__
from attribute.reports.asked import Asked, Rules
from attribute.reports.model import View
from attribute.reports.next_commands import next_commands

__all__ = ["UNREADABLE", "packed", "unpacked"]

UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError)
"""What reading bytes of another form may raise."""

_OF_QUESTION: Final = frozenset(
    {"generated_at", "zone", "typed", "tool_version", "rules", "window", "goals", "next_commands"}
)
"""What a view repeats of the question, or makes of it, is not kept with the answer."""


def packed(view: View) -> bytes:
    """Return the answer as bytes; raises TypeError where a text is no Unicode."""
    names = [each.name for each in fields(View) if each.name not in _OF_QUESTION]
    return orjson.dumps({name: getattr(view, name) for name in names}, default=_plain)


def unpacked(data: bytes, asked: Asked, rules: Rules) -> View:
    """Return the view that *data* holds, as the answer to what is *asked*; raises one of `UNREADABLE`."""
    document = orjson.loads(data)
    kinds = _kinds(View)
    answer: dict[str, Any] = {
        each.name: _read(kinds[each.name], document[each.name]) for each in fields(View) if each.name in document
    }
    return View(
        generated_at=asked.now,
        zone=asked.zone,
        typed=asked.typed,
        tool_version=__version__,
        rules=rules,
        window=asked.window,
        goals=asked.goals,
        next_commands=next_commands(answer["verdict"], answer["incidents"], asked),
        **answer,
    )


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no plain value")


@cache
def _kinds(owner: type) -> dict[str, object]:
    # the name that the view model imports for the type checker alone
    return get_type_hints(owner, localns={"Tally": tuple})


def _read(kind: object, value: object) -> object:
    """Return *value* as a *kind*."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        plain = [each for each in inner if each is not NoneType]
        read = value if value is None or len(plain) > 1 else _read(plain[0], value)
    elif origin is tuple and isinstance(value, list):
        read = tuple(_read(inner[0], each) for each in value)
    elif origin is Mapping and isinstance(value, dict):
        read = {name: _read(inner[1], each) for name, each in value.items()}
    elif kind is tuple:
        read = _tuples(value)
    elif isinstance(kind, type):
        read = _of_class(kind, value)
    else:
        raise TypeError(f"{value!r} where {kind} was expected")
    return read


def _of_class(kind: type, value: object) -> object:
    if is_dataclass(kind) and isinstance(value, dict):
        kinds = _kinds(kind)
        return kind(**{each.name: _read(kinds[each.name], value[each.name]) for each in fields(kind)})
    if isinstance(value, str) and issubclass(kind, datetime):
        return datetime.fromisoformat(value)
    if issubclass(kind, Enum):
        return kind(value)
    if not isinstance(value, kind) and not (kind is float and isinstance(value, int)):
        raise TypeError(f"{type(value).__name__} where {kind.__name__} was expected")
    return value


def _tuples(value: object) -> object:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
