"""JSON as the service reads it: one meaning per text, or none."""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

MAX_DEPTH: Final = 32
"""Arrays and objects inside each other. The deepest body that means something has four."""

_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)
_AS_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_MAX_DIGITS: Final = 20


class JsonRefusedError(ValueError):
    """The text is not JSON, or is JSON that two readers could understand differently. Says nothing of the text."""


class NotAnInteger:
    """
    A number that no count can be: a fraction, an exponent, minus zero, or more digits than any bound here has.

    It is kept apart from the numbers, so that `1.0` or `2e2` never passes for an integer, and never printed.
    """

    __slots__ = ()


_NOT_AN_INTEGER: Final = NotAnInteger()


def parse(body: bytes) -> object:
    """
    Read one JSON text.

    Args:
        body: UTF-8 without a byte order mark, of a size that the caller has already bounded.

    Returns:
        Dictionaries, lists, strings, integers, booleans and None. Every other number is a `NotAnInteger`.

    Raises:
        JsonRefusedError: not UTF-8, not JSON, `NaN` or `Infinity`, a key that occurs twice in one object, or more
            than `MAX_DEPTH` levels.
    """
    if not _depth_is_bounded(body):
        raise JsonRefusedError
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError):
        raise JsonRefusedError from None


def _depth_is_bounded(body: bytes) -> bool:
    # Without escapes, every second piece between quotes is outside the strings. Each round removes one level of what
    # is left; which bracket closes which is the parser's business.
    text = _ESCAPE.sub(b"", body) if b"\\" in body else body
    brackets = b"".join(text.split(b'"')[::2]).translate(_AS_ONE_KIND, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return not brackets


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonRefusedError
    return found


def _integer(digits: str) -> int | NotAnInteger:
    if len(digits) > _MAX_DIGITS or digits == "-0":
        return _NOT_AN_INTEGER
    return int(digits)


def _fraction(_: str) -> NotAnInteger:
    return _NOT_AN_INTEGER


def _constant(_: str) -> NoReturn:
    raise JsonRefusedError
