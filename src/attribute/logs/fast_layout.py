"""
The layout of a machine-written line: which keys in which order, with which white space.

A line that is one flat object is cut at its commas into pieces. If every piece is `"key":value` with the key and the
white space that the layout says and a value of a narrow grammar (no escapes, no commas), then the line is JSON and
each piece is one member of it: nothing else can be meant. `Column.pattern` is that grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from attribute.m1.fields import FIELDS, REQUIRED_NAMES, Field, Kind

__all__ = ["Column", "Layout", "Reading", "learn"]

_TEXT: Final = r'"[^"\\\x00-\x1f]*"'
_PATTERNS: Final[dict[Kind, str]] = {
    Kind.TEXT: _TEXT,
    Kind.STATUS: r"[1-5][0-9]{2}",
    Kind.UPSTREAM_STATUS: rf"(?:0|[1-9][0-9]{{0,15}}|{_TEXT})",
    Kind.MILLISECONDS: r"(?:0|[1-9][0-9]{0,9})(?:\.[0-9]{1,17})?",
    Kind.COUNT: r"(?:0|[1-9][0-9]{0,6})",
    Kind.VERSION: r"[1-9][0-9]{0,9}",
    Kind.INSTANT: r"[1-9][0-9]{0,14}",
}
_SCALAR: Final = rf"(?:null|true|false|-?(?:0|[1-9][0-9]{{0,14}})(?:\.[0-9]{{1,15}})?|{_TEXT})"
_MEMBER: Final = re.compile(
    r'(?P<before>[ \t]*"(?P<key>[^"\\\x00-\x1f]+)"[ \t]*:[ \t]*)'
    r'(?P<value>"[^"\\\x00-\x1f]*"|[-+.0-9eE]+|true|false|null)(?P<after>[ \t]*)'
)
_PREFIX: Final = re.compile(r"[0-9TZ:.+-]{20,40} [^|{\x00]*")
_MAX_MEMBERS: Final = 64
_SAMPLED: Final = 24


class Reading(StrEnum):
    """How the pieces of a column are looked at."""

    DISTINCT = "distinct"  # few different ones: each different one once
    EACH = "each"  # mostly different ones: one by one
    TIME = "time"  # RFC 3339: up to the second, and the rest, each different one once


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """
    One member of the object.

    Attributes:
        key: its key.
        field: the M1 field, or None where it is none.
        before: the piece's text before the value.
        after: the piece's text after the value.
        reading: how its pieces are looked at.
    """

    key: str
    field: Field | None
    before: str
    after: str
    reading: Reading = Reading.DISTINCT

    @property
    def pattern(self) -> str:
        """What a piece must match to be this member, for polars' regular expressions; bounds are not in it."""
        if self.field is None:
            value = _SCALAR
        elif self.field.nullable:
            value = f"(?:null|{_PATTERNS[self.field.kind]})"
        else:
            value = _PATTERNS[self.field.kind]
        return f"^{pl.escape_regex(self.before)}{value}{pl.escape_regex(self.after)}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """
    The columns of a line.

    Attributes:
        columns: in the line's order; all required fields are among them, and none is there twice.
        prefixed: whether a time and a space stand before the object, and maybe more text without `{` and `|`.
    """

    columns: tuple[Column, ...]
    prefixed: bool = False

    @property
    def named_columns(self) -> tuple[tuple[str, Column], ...]:
        """The columns, each under a name that is made of its place."""
        return tuple((f"piece_{at}", column) for at, column in enumerate(self.columns))

    @property
    def shape(self) -> tuple[bool, tuple[tuple[str, str, str], ...]]:
        """Keys and white space; how the columns are read is not part of it."""
        return self.prefixed, tuple((column.key, column.before, column.after) for column in self.columns)

    def fitting(self, lines: Sequence[bytes]) -> list[int]:
        """Give the places of the lines that have as many pieces as the layout, and are UTF-8."""
        commas = len(self.columns) - 1
        places = [
            at for at, line in enumerate(lines) if line.count(b",") == commas and (line.isascii() or _is_utf_8(line))
        ]
        return [at for at in places if lines[at].count(b"{") == 1] if self.prefixed else places

    @property
    def unknown_names(self) -> tuple[str, ...]:
        """The keys that are no M1 fields."""
        return tuple(column.key for column in self.columns if column.field is None)


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


_FIELD_OF: Final = {field.name: field for field in FIELDS}


def learn(lines: Sequence[bytes], *, known: Iterable[Layout] = ()) -> Layout | None:
    """
    Learn the layout of the first line that has one.

    Args:
        lines: some lines, without newlines. The others like it decide how its columns are best read.
        known: layouts that are known already.

    Returns:
        The layout, or None where no line is a flat object with the fields that a record must have.
    """
    shapes = {layout.shape for layout in known}
    for at, line in enumerate(lines):
        prefixed = not line.startswith(b"{")
        pieces = _pieces(line)
        shape = None if pieces is None else (prefixed, _shape(pieces))
        if pieces is None or shape is None or shape in shapes:
            continue
        samples = [pieces]
        for other in lines[at + 1 : at + _SAMPLED]:
            cut = _pieces(other)
            if cut is not None and _shape(cut) == shape[1]:
                samples.append(cut)
        values = zip(*([value for _, value, *_ in sample] for sample in samples), strict=True)
        columns = tuple(_column(piece, list(seen)) for piece, seen in zip(pieces, values, strict=True))
        return Layout(columns=columns, prefixed=prefixed)
    return None


_Piece = tuple[str, str, str, str]


def _shape(pieces: list[_Piece]) -> tuple[tuple[str, str, str], ...]:
    return tuple((key, before, after) for key, _, before, after in pieces)


def _pieces(line: bytes) -> list[_Piece] | None:
    """Cut a line into key, value, text before and text after; None where it is no line that a layout can describe."""
    try:
        text = line.rstrip(b"\r").decode()
    except UnicodeDecodeError:
        return None
    prefix, brace, text = text.partition("{")
    if not brace or (prefix and _PREFIX.fullmatch(prefix) is None):
        return None
    text = "{" + text
    pieces: list[_Piece] = []
    at, lead = 1, "{"
    while len(pieces) < _MAX_MEMBERS:
        match = _MEMBER.match(text, at)
        if match is None:
            return None
        at = match.end()
        before, key, value, after = match.group("before", "key", "value", "after")
        last = text[at:].rstrip(" \t") == "}"
        pieces.append((key, value, lead + before, after + text[at:] if last else after))
        if last:
            keys = {piece[0] for piece in pieces}
            return pieces if len(keys) == len(pieces) and keys.issuperset(REQUIRED_NAMES) else None
        if text[at : at + 1] != ",":
            return None
        at, lead = at + 1, ""
    return None


def _column(piece: _Piece, seen: list[str]) -> Column:
    key, value, before, after = piece
    field = _FIELD_OF.get(key)
    reading = Reading.DISTINCT
    if key == "request_id":
        reading = Reading.EACH
    elif field is not None and field.kind is Kind.INSTANT:
        reading = Reading.TIME if value.startswith('"') else Reading.EACH
    elif field is not None and field.kind is Kind.MILLISECONDS:
        long = sum("." in value or len(value) > 6 for value in seen)
        reading = Reading.EACH if 2 * long > len(seen) else Reading.DISTINCT
    elif len(seen) >= 16 and 2 * len(set(seen)) > len(seen):
        reading = Reading.EACH
    return Column(key=key, field=field, before=before, after=after, reading=reading)
