"""From JSON text to an object, with the checks that a JSON parser does not make."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from attribute.m1.decode import RejectReason

__all__ = ["MAX_DEPTH", "parse_object", "repeats_key"]

MAX_DEPTH: Final = 32
"""Arrays and objects may be nested so deep."""

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\(?:.|\Z))*+(?:"|\Z)', re.DOTALL)
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_MINUS_ZERO: Final = re.compile(rb"-0[ \t\r\n,}\]]")
_LEAST_INTEGER: Final = -(2**63)
_INTEGER_BOUND: Final = 2**64


def parse_object(text: bytes) -> dict[str, object] | RejectReason:
    """
    Parse JSON text that begins with `{` and holds nothing but one object.

    Of a repeated key the last value counts (`repeats_key` tells). Integers that do not fit 64 bits come as floats, and
    so does `-0`.

    Returns:
        The object; or why there is none: `TOO_DEEP` (checked before parsing), `ENCODING` for text that is not UTF-8 or
        holds half of a surrogate pair, `JSON` for everything else. Never raises because of what *text* holds.
    """
    if _is_too_deep(text):
        return RejectReason.TOO_DEEP
    try:
        parsed: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _why_not(text)
    if b"-0" in text and _MINUS_ZERO.search(text) is not None:
        parsed = json.loads(text, parse_int=_integer)
    return parsed if isinstance(parsed, dict) else RejectReason.JSON


def _is_too_deep(text: bytes) -> bool:
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for byte in _STRING.sub(b"", text).translate(None, _NO_BRACKETS):
        depth += 1 if byte in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _integer(digits: str) -> int | float:
    value = int(digits)
    if digits == "-0" or not _LEAST_INTEGER <= value < _INTEGER_BOUND:
        return float(digits)
    return value


def _why_not(text: bytes) -> RejectReason:
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        return RejectReason.ENCODING
    if b"\\u" not in text:
        return RejectReason.JSON
    try:  # this parser takes all that the other does, and halves of surrogate pairs and infinities too
        parsed = json.loads(decoded, parse_int=_integer)
        json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return RejectReason.ENCODING
    except ValueError:
        pass
    return RejectReason.JSON


class _Repeating(dict[str, object]):
    """An object in whose text a key comes twice."""


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    obj = dict(pairs)
    return obj if len(obj) == len(pairs) else _Repeating(obj)


def repeats_key(text: bytes, top: Mapping[str, object], path: Sequence[str]) -> bool:
    """
    Tell whether a key comes twice in an object of the text, however it is spelled.

    Args:
        text: JSON text that `parse_object` takes.
        top: what it gave.
        path: keys from there to the object concerned; the objects on the way are looked at too.
    """
    if not path and text.count(b",") == len(top) - 1:  # one comma fewer than distinct keys: none can be there twice
        return False
    if orjson.dumps(top) == text.rstrip(b" \t\r\n"):  # each key once, and nothing else
        return False
    node: object = json.loads(text, object_pairs_hook=_members, parse_int=len, parse_float=len)
    for key in path:
        if isinstance(node, _Repeating):
            return True
        assert isinstance(node, dict)
        node = node[key]
    return isinstance(node, _Repeating)
