"""
Globs over names: `*` any text, `?` one character, `[abc]`, `[a-z]`, `[!a-z]` one of a set. Case counts.

The grammar is that of `fnmatch.fnmatchcase`, written for the regular expressions of polars, which differ from
Python's in what must be escaped inside a set.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

MAX_GLOB_CHARACTERS = 256
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$#&\-~\s]")


def is_literal(glob: str) -> bool:
    """Return whether *glob* matches nothing but itself."""
    return not any(character in glob for character in "*?[")


def glob_to_regex(glob: str) -> str:
    r"""
    Return a regular expression (Rust's dialect) that matches exactly what *glob* does.

    >>> glob_to_regex("pay-*")
    '(?s)^pay\\-.*$'
    """
    parts: list[str] = []
    position = 0
    while position < len(glob):
        character = glob[position]
        position += 1
        if character == "*":
            if parts[-1:] != [".*"]:
                parts.append(".*")
        elif character == "?":
            parts.append(".")
        elif character == "[" and (end := _set_end(glob, position)) is not None:
            parts.append(_set_to_regex(glob[position:end]))
            position = end + 1
        else:
            parts.append(_escape(character))
    return f"(?s)^{''.join(parts)}$"


def matches_any(column: pl.Expr, globs: tuple[str, ...]) -> pl.Expr:
    """Return whether *column* (text) matches one of *globs*; never null: a missing value matches none."""
    import polars as pl  # noqa: PLC0415 - what a glob may be is asked where no frame is at hand

    literals = [glob for glob in globs if is_literal(glob)]
    answers = [column.str.contains(glob_to_regex(glob)) for glob in globs if not is_literal(glob)]
    if literals:
        answers.append(column.is_in(literals))
    return pl.any_horizontal(answers).fill_null(value=False) if answers else pl.lit(value=False)


def _escape(character: str) -> str:
    return f"\\{character}" if _SPECIAL.match(character) and not character.isspace() else character


def _set_end(glob: str, start: int) -> int | None:
    """Return where the set that opens before *start* closes; a `]` in first place is a member, not the end."""
    at = start + 1 if glob[start : start + 1] == "!" else start
    end = glob.find("]", at + 1)
    return None if end < 0 else end


def _set_to_regex(members: str) -> str:
    negated = members.startswith("!")
    if negated:
        members = members[1:]
    parts: list[str] = []
    position = 0
    while position < len(members):
        first = members[position]
        if members[position + 1 : position + 2] == "-" and position + 2 < len(members):
            last = members[position + 2]
            if first <= last:
                parts.append(f"{_escape(first)}-{_escape(last)}")
            position += 3
        else:
            parts.append(_escape(first))
            position += 1
    if not parts:  # only empty ranges, as in [z-a]: no character is in the set
        return "." if negated else r"[^\s\S]"
    return f"[{'^' if negated else ''}{''.join(parts)}]"
