"""
What a log line may be wrapped in: text before the object, and JSON log lines that carry it.

Nothing here decides whether a record is sound; it finds the object and the time that the wrapping adds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from attribute.logs.parsing import parse_object, repeats_key
from attribute.m1.decode import RejectReason, parse_instant_us
from attribute.m1.fields import CLAIMING_NAMES

__all__ = ["MAX_ENVELOPES", "PAYLOAD_KEYS", "TIME_KEYS", "Found", "find_m1", "is_m1", "object_start", "prefix_time"]

PAYLOAD_KEYS: Final = ("log", "message", "msg", "event_message", "body")
"""Keys under which an envelope holds the record, as text or object. The first of them that holds one counts."""

TIME_KEYS: Final = ("time", "timestamp", "@timestamp", "ts")
"""Keys under which an envelope says its time. The first of them that can be read counts."""

MAX_ENVELOPES: Final = 3
"""So many JSON envelopes may lie around a record."""

_CLAIM: Final = frozenset(CLAIMING_NAMES)

_OPENING: Final = re.compile(rb'\{[ \t\r\n]*+(?:["}]|\Z)')
_LEADING_TIME: Final = re.compile(
    rb"[ \t]*+(?:[^|{ \t]++[ \t]*+\|[ \t]*+|\[[^\]{]*+\][ \t]*+)?\[?"  # `web_1  | ` of compose, `[pod/web]` of kubectl
    rb"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]++)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2}))"
    rb"(?![0-9A-Za-z])"
)


@dataclass(frozen=True, slots=True)
class Found:
    """
    An object that claims to be an M1 record, and what it lay in.

    Attributes:
        obj: the object.
        texts: the JSON texts on the way to it, outermost first: each text, its object, and the keys from there to the
            next text or, in the last one, to `obj`.
        at_us: the time that the innermost wrapping with a readable one says, in microseconds since the epoch, or None.
    """

    obj: Mapping[str, object]
    texts: tuple[tuple[bytes, Mapping[str, object], tuple[str, ...]], ...]
    at_us: int | None

    def repeats_key(self) -> bool:
        """Tell whether the object, or one that it lies in, has a key twice."""
        return any(repeats_key(text, top, path) for text, top, path in self.texts)


def is_m1(obj: Mapping[str, object]) -> bool:
    """Tell whether the object claims to be an M1 record."""
    return obj.keys() >= _CLAIM


def object_start(text: bytes) -> int:
    """
    Give the place of the `{` that opens an object in a line or in an envelope's text, or -1.

    A `{` opens one where it is the first thing in the text, or is followed by a key, by `}` or by the end.

    >>> object_start(b'2026-11-16T00:00:00Z fn{12}: {"a": 1}'), object_start(b"hello {name}"), object_start(b"{name}")
    (29, -1, 0)
    """
    first = text.find(b"{")
    if first <= 0 or not text[:first].strip():
        return first
    match = _OPENING.search(text, first)
    return -1 if match is None else match.start()


def prefix_time(prefix: bytes) -> int | None:
    """
    Read the time with which the text before an object begins: microseconds since the epoch, or None.

    >>> prefix_time(b"2026-11-16T00:00:00.25Z stdout F "), prefix_time(b"at 2026-11-16T00:00:00Z ")
    (1794787200250000, None)
    """
    match = _LEADING_TIME.match(prefix)
    if match is None:
        return None
    try:
        return parse_instant_us(match[1].decode("ascii"))
    except ValueError:
        return None


def _envelope_time(envelope: Mapping[str, object]) -> int | None:
    for key in TIME_KEYS:
        if key in envelope:
            try:
                return parse_instant_us(envelope[key])
            except ValueError:
                continue
    return None


def find_m1(obj: Mapping[str, object], text: bytes, *, at_us: int | None = None) -> Found | RejectReason | None:
    """
    Find the M1 record in a parsed object, through up to `MAX_ENVELOPES` envelopes.

    Args:
        obj: an object parsed from *text*.
        text: its JSON text.
        at_us: the time that the text before it says.

    Returns:
        What was found; or, where the text in an envelope opens an object that names `"request_id"` and does not parse,
        why it does not; or None: not M1.
    """
    if is_m1(obj):
        return Found(obj, ((text, obj, ()),), at_us)
    return _in_object(obj, (), _Way((), text, obj, at_us, 0))


class _Way(NamedTuple):
    """How a search came to a text: the texts before, the text with its object, its time, the envelopes so far."""

    before: tuple[tuple[bytes, Mapping[str, object], tuple[str, ...]], ...]
    text: bytes
    top: Mapping[str, object]
    at_us: int | None
    level: int


def _in_object(obj: Mapping[str, object], path: tuple[str, ...], way: _Way) -> Found | RejectReason | None:
    if is_m1(obj):
        return Found(obj, (*way.before, (way.text, way.top, path)), way.at_us)
    if way.level == MAX_ENVELOPES:
        return None
    payloads = [(key, obj[key]) for key in PAYLOAD_KEYS if isinstance(obj.get(key), (str, dict))]
    if not payloads:
        return None
    own_us = _envelope_time(obj)
    inner = way._replace(at_us=way.at_us if own_us is None else own_us, level=way.level + 1)
    for key, payload in payloads:
        found = (
            _in_object(payload, (*path, key), inner)
            if isinstance(payload, dict)
            else _in_text(str(payload), (*path, key), inner)
        )
        if found is not None:
            return found
    return None


def _in_text(payload: str, path: tuple[str, ...], way: _Way) -> Found | RejectReason | None:
    line = payload.encode()
    start = object_start(line)
    if start < 0:
        return None
    text = line[start:]
    obj = parse_object(text)
    if isinstance(obj, RejectReason):
        return obj if b'"request_id"' in text else None
    own_us = prefix_time(line[:start])
    before = (*way.before, (way.text, way.top, path))
    return _in_object(obj, (), _Way(before, text, obj, way.at_us if own_us is None else own_us, way.level))
