"""
One encoder per medium for text that came from a log, a file name or a configuration.

Every writer passes such text through exactly one of these functions. They all start from `visible`, which leaves
nothing that a terminal, an editor or a reader's eye could take for something else; what a medium then gives a meaning
to (`<`, `|`, `=`, `::`) is taken away on top. None of them can fail, and none of them returns a line break.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

__all__ = [
    "cells",
    "csv_cell",
    "fit",
    "github_data",
    "github_property",
    "json_bytes",
    "markdown_cell",
    "terminal",
    "tsv_cell",
    "visible",
    "xml_text",
]

MAX_MARKS: Final = 3
"""So many combining marks in a row are shown; real scripts need no more, and a flood of them overpaints the screen."""

MAX_CHARACTERS: Final = 4096
"""No single value is shown longer than this, in any medium. A longer one ends in how much was left out."""

_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Drawn as nothing although their category says letter, mark or symbol."""

_FORMULA_STARTS: Final = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_SKIPPED_BY_SPREADSHEETS: Final = " '\"\u00a0\u3000"


def visible(text: str, *, ascii_only: bool = False) -> str:
    r"""
    Return *text* with every character that is not plainly visible written as `\u{hex}`.

    That is: control, format (bidirectional, zero-width, tag), surrogate, private and unassigned characters, line and
    paragraph separators, spaces other than the plain one, characters that draw nothing, a combining mark with nothing
    to combine with, and marks beyond `MAX_MARKS` in a row.

    Args:
        text: anything, lone surrogates included.
        ascii_only: write every character outside ASCII that way.

    >>> print(visible("quote\x1b[2J"))
    quote\u{1b}[2J
    """
    if len(text) > MAX_CHARACTERS:
        text = f"{text[:MAX_CHARACTERS]}(+{len(text) - MAX_CHARACTERS:,} characters)"
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = MAX_MARKS  # a mark at the very start would sit on whatever we print before it
    for character in text:
        category = unicodedata.category(character)
        if category[0] == "M":
            marks += 1
            hidden = marks > MAX_MARKS
        else:
            marks = 0
            hidden = not character.isprintable()
        if hidden or _INVISIBLE.match(character) or (ascii_only and not character.isascii()):
            marks = MAX_MARKS if category[0] == "M" else marks
            shown.append(f"\\u{{{ord(character):x}}}")
        else:
            shown.append(character)
    return "".join(shown)


def terminal(text: str, *, ascii_only: bool = False, limit: int | None = None) -> str:
    """
    Return *text* for a terminal, whether or not one is there: no byte of it moves a cursor or paints a colour.

    Args:
        text: anything.
        ascii_only: for a terminal that shows ASCII only.
        limit: the greatest width in columns; a longer text ends in `...` (or one ellipsis character).
    """
    shown = visible(text, ascii_only=ascii_only)
    return shown if limit is None else fit(shown, limit, ascii_only=ascii_only)


def cells(text: str) -> int:
    """Return how many terminal columns *text* takes; it must have passed `visible` before."""
    if text.isascii():
        return len(text)
    return sum(_cells_of(character) for character in text)


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def fit(text: str, width: int, *, ascii_only: bool = False) -> str:
    """Return *text*, cut to at most *width* columns with a mark that it was cut."""
    if cells(text) <= width:
        return text
    mark = "..." if ascii_only else "\u2026"
    room = width - cells(mark)
    if room <= 0:
        return mark[:width]
    kept: list[str] = []
    for character in text:
        room -= _cells_of(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + mark


def tsv_cell(text: str) -> str:
    r"""
    Return *text* as one field of tab-separated output: whole, on one line, and readable back.

    Tab, line feed, carriage return and the backslash become `\t`, `\n`, `\r` and `\\`; the rest of what is not
    visible becomes `\u{hex}`.
    """
    short = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}
    return "".join(short.get(piece) or visible(piece) for piece in re.split(r"([\t\n\r\\])", text) if piece)


def csv_cell(text: str) -> str:
    """
    Return *text* for a quoted CSV field that no spreadsheet takes for a formula.

    Where the first character that a spreadsheet looks at is `=`, `+`, `-`, `@` or one of their full-width forms, an
    apostrophe is set in front. Quoting is the CSV writer's. Numbers are not text: they do not pass through here.
    """
    shown = visible(text)
    return f"'{shown}" if shown.lstrip(_SKIPPED_BY_SPREADSHEETS).startswith(_FORMULA_STARTS) else shown


def xml_text(text: str) -> str:
    """Return *text* for XML 1.0, as text or inside a quoted attribute; characters XML forbids are written out."""
    return html.escape(visible(text), quote=True)


def markdown_cell(text: str) -> str:
    """
    Return *text* as one code span that stays within one table cell: no markup, mention, link or new column.

    The fence is longer than any run of backticks inside, and a pipe is escaped as tables want it. A pipe after a
    backslash, which table parsers read in different ways, is written out.
    """
    shown = re.sub(r"(?<=\\)\|", r"\\u{7c}", visible(text)).replace("|", "\\|")
    if not shown.strip():
        return "(empty)" if not shown else f"({len(shown)} spaces)"
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def github_data(text: str) -> str:
    """Return *text* as the message of a GitHub workflow command."""
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: str) -> str:
    """Return *text* as a property value of a GitHub workflow command."""
    return github_data(text).replace(":", "%3A").replace(",", "%2C")


_RAW_IN_JSON: Final = re.compile(r"[^\x00-\x7e]")


def json_bytes(document: bytes) -> bytes:
    r"""
    Return the JSON text *document* with invisible characters written as `\uXXXX`.

    The value stays the same; JSON allows such characters raw beyond U+001F, but a terminal acts on them (C1 controls,
    bidirectional marks) and some readers split lines at U+2028.
    """
    if document.isascii() and b"\x7f" not in document:
        return document
    return _RAW_IN_JSON.sub(_json_escape, document.decode()).encode()


def _json_escape(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable() and not _INVISIBLE.match(character):
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
