"""The part of a mail that is plain text: what its HTML says, in lines of at most 76 characters, without columns."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Final

from attribute.reports.document import (
    ADVISED,
    Block,
    Bullets,
    Cell,
    Chart,
    Column,
    Commands,
    Document,
    Human,
    Kind,
    Paragraph,
    Section,
    Table,
    bare,
)
from attribute.reports.escape import visible
from attribute.reports.wording import plural

__all__ = ["text_part"]

WIDTH: Final = 76
_TOGETHER: Final = re.compile(r"(?<=\d) (?=%)| (?=-)")
"""Spaces at which no line breaks: a dash that begins a line is one of ours."""

_NO_BREAK: Final = "\x1f"
"""No text has it: `visible` writes it out."""


def text_part(document: Document, *, limit: int, left_out: str) -> str:
    """
    Return *document*'s brief sections as plain text.

    Args:
        document: what to say.
        limit: so many rows of a table, or lines of a list, are shown.
        left_out: what the short form has not.
    """
    lines = [*_wrapped(document.title), *(line for each in document.subtitle for line in _wrapped(each)), ""]
    lines += [*_wrapped(f"{document.answer}: {document.sentence}"), ""]
    lines += [
        line
        for label, value in document.facts
        for line in _item(f"{label}: {bare(value) if label in ADVISED else value}")
    ]
    if document.next_commands:
        lines += ["", "Next:", *(f"    {visible(command)}" for command in document.next_commands)]
    for section in document.sections:
        if section.brief:
            lines += ["", *_section(section, limit)]
    lines += ["", *_wrapped(f"This mail is the short form. The full report also has: {left_out}.")]
    lines += _wrapped(document.footer)
    return "\n".join(lines) + "\n"


def _section(section: Section, limit: int) -> Iterator[str]:
    title = visible(section.title)
    yield title
    yield "-" * len(title)
    for block in section.blocks:
        yield from _block(block, limit)


def _block(block: Block, limit: int) -> Iterator[str]:
    match block:
        case Paragraph():
            yield from _wrapped(block.text)
        case Table():
            yield from _table(block, limit)
        case Chart():
            yield from _table(block.table, limit)
        case Bullets():
            for line in block.lines[:limit]:
                yield from _item(line)
        case Commands():
            yield from (f"    {visible(line)}" for line in block.lines)
        case Human():
            if block.written:
                yield from _item(f"{block.heading}:") if block.heading else ()
                for line in block.written[:limit]:
                    yield from _item(line)


def _table(table: Table, limit: int) -> Iterator[str]:
    if table.folded:
        return
    yield from _wrapped(f"{table.caption}:")
    for row in table.rows[:limit]:
        yield from _item(_row(table.columns, row))
    omitted = table.omitted + max(len(table.rows) - limit, 0)
    if omitted:
        yield from _item(f"{plural(omitted, 'more row')} in the full report")


def _row(columns: tuple[Column, ...], row: tuple[Cell, ...]) -> str:
    """Return `first: column value; column value`, or `first: value` where there is but one."""
    told = [
        (column.title, bare(_cell(cell)) if column.kind is Kind.ADVICE else _cell(cell))
        for column, cell in zip(columns[1:], row[1:], strict=True)
        if cell is not None and column.kind is not Kind.BAR
    ]
    values = told[0][1] if len(columns) == 2 and told else "; ".join(f"{title} {value}" for title, value in told)
    return f"{_cell(row[0])}: {values or '-'}"


def _cell(cell: Cell) -> str:
    if cell is None:
        return "-"
    return (cell.removesuffix(".html") if cell.strip() else "(empty)") if isinstance(cell, str) else f"{cell:.2f}"


def _item(text: str) -> list[str]:
    return _wrapped(text, first="- ", rest="  ")


def _wrapped(text: str, *, first: str = "", rest: str = "") -> list[str]:
    """Return lines that break at spaces."""
    lines = textwrap.wrap(
        _TOGETHER.sub(_NO_BREAK, visible(text)),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_NO_BREAK, " ") for line in lines]
