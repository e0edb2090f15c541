"""`-o slack`: a message of blocks, as a webhook takes it: the answer, what it rests on, what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson

from attribute.reports.document import Block, Chart, Document, Kind, Table
from attribute.reports.escape import cells, fit, json_bytes, visible
from attribute.reports.incident_view import incident_document
from attribute.reports.markdown import unicode_bar
from attribute.reports.model import Result
from attribute.reports.writers import Style

__all__ = ["MAX_BLOCKS", "MAX_CHARACTERS", "render", "write"]

MAX_BLOCKS: Final = 12
MAX_CHARACTERS: Final = 8_000
"""Of all texts together; Slack refuses messages of somewhat more than 13,000."""

_HEADER, _SECTION, _FIELD, _FIELDS = 150, 3_000, 400, 10
_COLUMNS, _ROWS, _TABLES = 64, 6, 4


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
        fields = [_plain(f"{label}: {value}", _FIELD) for label, value in shown]
        blocks.append({"type": "section", "fields": fields})
    tables = [table for section in document.sections if section.brief for table in _tables(section.blocks)]
    room = MAX_CHARACTERS - _size(blocks) - 1_500
    shown_tables = 0
    for table in tables:
        text = _code(table)
        if shown_tables == _TABLES or len(text) > room:
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
        if isinstance(table, Table) and not table.folded and len(table.columns) > 2:  # facts stand in the fields
            yield table


def _plain(text: str, limit: int) -> dict[str, object]:
    return {"type": "plain_text", "text": fit(visible(text), limit), "emoji": False}


def _escaped(shown: str) -> str:
    """Return visible text for a block of code: the three characters Slack reads, and the one that ends the block."""
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")


def _code(table: Table) -> str:
    """Return a table in columns of equal width, at most `_COLUMNS` wide."""
    rows = [[column.title for column in table.columns]]
    rows += [[_cell(cell) for cell in row] for row in table.rows[:_ROWS]]
    widths = [max(cells(row[n]) for row in rows) for n in range(len(table.columns))]
    while sum(widths) + 2 * (len(widths) - 1) > _COLUMNS and max(widths) > 4:
        widest = max(range(len(widths)), key=lambda n: widths[n])
        widths[widest] -= 1
    lines = []
    for row in rows:
        parts = []
        for column, text, width in zip(table.columns, row, widths, strict=True):
            shown = fit(text, width)
            pad = " " * (width - cells(shown))
            parts.append(pad + shown if column.kind is Kind.NUMBER else shown + pad)
        lines.append("  ".join(parts).rstrip())
    more = table.omitted + max(len(table.rows) - _ROWS, 0)
    tail = f"\n({more} more)" if more else ""
    caption = fit(visible(table.caption), _COLUMNS)
    body = "\n".join((caption, *lines)) + tail
    return f"```\n{_escaped(body)}\n```"


def _cell(cell: str | float | None) -> str:
    if cell is None:
        return "-"
    return unicode_bar(cell, 8) if isinstance(cell, float) else visible(cell)


def _size(blocks: list[dict[str, object]]) -> int:
    return len(orjson.dumps(blocks).decode())
