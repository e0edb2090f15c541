"""`-o slack`: a message of blocks, as a webhook takes it: the answer, what it rests on, what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import orjson

from attribute.reports.document import ADVISED, Block, Chart, Column, Document, Kind, Table, bare
from attribute.reports.escape import cells, fit, json_bytes, visible
from attribute.reports.incident_view import incident_document
from attribute.reports.model import Result
from attribute.reports.writers import Style

__all__ = ["MAX_BLOCKS", "MAX_CHARACTERS", "render", "write"]

MAX_BLOCKS: Final = 12
MAX_CHARACTERS: Final = 8_000
"""Of all texts together; Slack refuses messages of somewhat more than 13,000."""

_HEADER, _SECTION, _FIELD, _FIELDS = 150, 3_000, 400, 10
_COLUMNS, _ROWS, _TABLES = 64, 7, 4
"""Seven rows: all requests, what went well and what did not, and the four classes."""

_CUT: Final = {Kind.NAME: 20, Kind.ADVICE: 42, Kind.WORDS: 52}
"""How much is shown of values that may be long. No other is cut: what is left of a number or an id is another one."""


def write(result: Result, style: Style) -> Iterator[bytes]:
    """Yield the message of *result*."""
    del style
    yield render(incident_document(result))


def render(document: Document) -> bytes:
    """
    Return *document* as a message of at most `MAX_BLOCKS` blocks and `MAX_CHARACTERS` characters.

    Sentences are plain text, in which nothing means anything; tables are blocks of code. What is left out is said.
    """
    blocks: list[dict[str, object]] = [
        {"type": "header", "text": _plain(document.title, _HEADER)},
        {"type": "section", "text": _plain(f"{document.answer}: {document.sentence}", _SECTION // 2)},
    ]
    if document.facts:
        shown = document.facts[:_FIELDS]
        fields = [_plain(f"{label}: {bare(value) if label in ADVISED else value}", _FIELD) for label, value in shown]
        blocks.append({"type": "section", "fields": fields})
    tables = [table for section in document.sections if section.brief for table in _tables(section.blocks)]
    room = MAX_CHARACTERS - _size(blocks) - 1_500
    shown_tables = 0
    for table in tables:
        text = _code(table, min(room, _SECTION))
        if shown_tables == _TABLES or text is None:
            break
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}})
        room -= len(text)
        shown_tables += 1
    if document.next_commands:
        lines = "\n".join(_escaped(fit(visible(line), 400)) for line in document.next_commands[:2])
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"```\n{lines}\n```", "verbatim": True}})
    left = len(document.sections) + len(tables) - shown_tables
    blocks.append(
        {
            "type": "context",
            "elements": [
                _plain(f"The short form: {left} sections and tables are in the full report. {document.footer}", 500)
            ],
        }
    )
    message = {"text": fit(visible(f"{document.answer}: {document.sentence}"), 500), "blocks": blocks}
    return json_bytes(orjson.dumps(message, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _tables(blocks: tuple[Block, ...]) -> Iterator[Table]:
    for block in blocks:
        table = block.table if isinstance(block, Chart) else block
        if isinstance(table, Table) and table.rows and not table.folded and len(table.columns) > 2:  # facts stand above
            yield table


def _plain(text: str, limit: int) -> dict[str, object]:
    return {"type": "plain_text", "text": fit(visible(text), limit), "emoji": False}


def _escaped(shown: str) -> str:
    """Return visible text for a block of code: the three characters Slack reads, and the one that ends the block."""
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")


def _code(table: Table, limit: int) -> str | None:
    """Return a table as a block of code with as many rows as fit into *limit* characters; None where none does."""
    for rows in range(min(len(table.rows), _ROWS), 0, -1):
        more = table.omitted + len(table.rows) - rows
        lines = [fit(visible(table.caption), _COLUMNS), *_lines(table, rows), *([f"({more} more)"] if more else [])]
        text = "\n".join(("```", *(_escaped(line) for line in lines), "```"))
        if len(text) <= limit:
            return text
    return None


def _lines(table: Table, limit: int) -> Iterator[str]:
    """Yield rows in columns of equal width; what does not fit side by side follows below, by the first column again."""
    places = [n for n, column in enumerate(table.columns) if column.kind is not Kind.BAR]
    rows = [[table.columns[n].title for n in places]]
    rows += [[_cell(row[n], table.columns[n]) for n in places] for row in table.rows[:limit]]
    widths = [max(cells(row[n]) for row in rows) for n in range(len(places))]
    for number, group in enumerate(_side_by_side(widths)):
        if number:
            yield ""
        for row in rows:
            parts = []
            for n in group:
                pad = " " * (widths[n] - cells(row[n]))
                parts.append(pad + row[n] if table.columns[places[n]].kind is Kind.NUMBER else row[n] + pad)
            yield "  ".join(parts).rstrip()


def _side_by_side(widths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the columns that fit into `_COLUMNS` together: the first, each time, and others while there is room."""
    group = [0]
    for n in range(1, len(widths)):
        if len(group) > 1 and sum(widths[m] + 2 for m in group) + widths[n] > _COLUMNS:
            yield group
            group = [0]
        group.append(n)
    yield group


def _cell(cell: str | float | None, column: Column) -> str:
    if cell is None:
        return "-"
    assert isinstance(cell, str), "only bars are numbers"
    shown = visible(bare(cell) if column.kind is Kind.ADVICE else cell.removesuffix(".html"))
    return fit(shown, _CUT[column.kind]) if column.kind in _CUT else shown


def _size(blocks: list[dict[str, object]]) -> int:
    return len(orjson.dumps(blocks).decode())
