"""
`-o markdown`: the report for GitHub and for every other place that shows Markdown.

Charts become bars of block characters in the cells of their tables. Names from logs stand in code spans, where they
mention nobody, link nowhere and open nothing; so does any word of prose that Markdown could take for more than a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
    Tone,
)
from attribute.reports.escape import fit, markdown_cell, visible
from attribute.reports.incident_view import incident_document
from attribute.reports.model import Result
from attribute.reports.wording import plural
from attribute.reports.writers import Style

__all__ = ["BUDGET", "prose", "render", "unicode_bar", "write"]

BUDGET: Final = 60_000
"""Characters. A comment on GitHub may have 65,536."""

_BAR: Final = 12
_WORD: Final = re.compile(r"[+-]\d[\d,.]*|[^\W_]+(?:[%),.:;!?'/-]+[^\W_]+)*[%),.:;!?']*|%[),.:;]*")
_RISKY: Final = re.compile(r"www\.|://|[^\W\d_]\.[^\W\d_]|:[\w+-]*[^\W\d][\w+-]*:|\bGH-\d", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"\d+[.)]")
"""At the begin of a line it makes a list."""

_ENDED: Final = re.compile(r"(.{0,200}[^.,:;!?])([.,:;!?]+)", re.DOTALL)
"""A word and what ends its clause. Longer ones are names, not words of ours."""

_CLOSING: Final = re.compile(r"[.,:;!?)]*")
_REPORT: Final = re.compile(r"[A-Za-z0-9-]+\.html")
_ALONE: Final = {"=": "&#61;", "-": "&#45;", "+": "&#43;", "\u00b7": "\u00b7"}


def write(result: Result, style: Style) -> Iterator[bytes]:
    """Yield the report of *result*."""
    del style
    yield render(incident_document(result))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """How much is left out, to fit a budget."""

    rows: int | None = None
    folded: bool = True
    brief: bool = False
    characters: int | None = None
    said: str = ""


_CUTS: Final = (
    _Cut(),
    _Cut(folded=False, said="the tables below the charts"),
    _Cut(folded=False, rows=15, said="the tables below the charts, and rows after the 15th"),
    _Cut(folded=False, rows=5, said="the tables below the charts, and rows after the fifth"),
    _Cut(folded=False, rows=5, brief=True, said="whole sections, and rows after the fifth"),
    _Cut(folded=False, rows=5, brief=True, characters=60, said="whole sections, rows and the ends of long values"),
)


def render(document: Document, *, budget: int = BUDGET) -> bytes:
    """
    Return *document* as GitHub-flavoured Markdown of at most *budget* characters.

    What did not fit is left out in whole rows or sections, and the text says so.
    """
    text = ""
    for cut in _CUTS:
        text = "\n\n".join(_pieces(document, cut)) + "\n"
        if len(text) <= budget:
            break
    return text.encode()


def _pieces(document: Document, cut: _Cut) -> Iterator[str]:
    yield f"# {prose(document.title)}"
    yield "  \n".join(prose(line) for line in document.subtitle)
    if cut.said:
        yield f"> [!NOTE]\n> Shortened to fit: {cut.said} are left out. The HTML report has all of it."
    yield f"## {prose(document.lead)}: {prose(document.state)}"
    yield f"**{_unbroken(document.sentence, cut)}**"
    if document.facts:
        yield "\n".join(
            f"- {prose(label)}: {_advice(value) if label in ADVISED else _unbroken(value, cut)}"
            for label, value in document.facts
        )
    yield from (_command(line) for line in document.next_commands)
    for section in document.sections:
        if cut.brief and not section.brief:
            continue
        yield from _section(section, cut)
    yield "---"
    yield prose(document.footer)


def _unbroken(text: str, cut: _Cut) -> str:
    return prose(text if cut.characters is None else fit(visible(text), cut.characters * 10))


def _section(section: Section, cut: _Cut) -> Iterator[str]:
    yield f"## {prose(section.title)}"
    for block in section.blocks:
        yield from _block(block, cut)


def _block(block: Block, cut: _Cut) -> Iterator[str]:
    match block:
        case Paragraph():
            text = prose(block.text)
            yield f"> [!WARNING]\n> {text}" if block.tone is Tone.WARNING else text
        case Table():
            yield from _table(block, cut)
        case Chart():
            yield from _table(block.table, cut)
        case Bullets():
            yield "\n".join(f"- {prose(line)}" for line in block.lines)
        case Commands():
            yield from (_command(line) for line in block.lines)
        case Human():
            if block.heading:
                yield f"### {prose(block.heading)}"
            if block.facts:
                yield "\n".join(f"- {prose(line)}" for line in block.facts)
            yield from _written(block, cut)


def _written(block: Human, cut: _Cut) -> Iterator[str]:
    if not block.written:
        if block.hint:
            yield f"*{prose(block.hint)}*"
        return
    limit = len(block.written) if cut.rows is None else cut.rows
    yield "\n".join(f"> {_unbroken(line, cut)}  " for line in block.written[:limit]).rstrip()
    if len(block.written) > limit:
        yield f"{plural(len(block.written) - limit, 'more line')} left out."


def _table(table: Table, cut: _Cut) -> Iterator[str]:
    if table.folded and not cut.folded:
        return
    rows = table.rows if cut.rows is None else table.rows[: cut.rows]
    yield f"**{prose(table.caption)}**"
    lines = [
        _row(prose(column.title) for column in table.columns),
        _row("--:" if column.kind is Kind.NUMBER else ":--" for column in table.columns),
    ]
    lines += [_row(_cell(cell, column, cut) for cell, column in zip(row, table.columns, strict=True)) for row in rows]
    yield "\n".join(lines)
    omitted = table.omitted + len(table.rows) - len(rows)
    if omitted:
        yield f"{plural(omitted, 'more row')} left out."


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell, column: Column, cut: _Cut) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return unicode_bar(cell, _BAR)
    if column.kind is Kind.NAME:
        return markdown_cell(cell if cut.characters is None else fit(visible(cell), cut.characters))
    if column.kind is Kind.ADVICE:
        return _advice(cell)
    if column.kind is Kind.REPORT and _REPORT.fullmatch(cell):
        return f"[{cell.removesuffix('.html')}]({cell})"
    return prose(cell)


def _command(line: str) -> str:
    """Return a line for a shell as a block of code; a fence is longer than any run of backticks in it."""
    shown = visible(line)
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    return f"{fence}sh\n{shown}\n{fence}"


def prose(text: str) -> str:
    r"""
    Return *text* as Markdown that reads as the same text, on one line: no markup, link, mention or new cell.

    A word that could be more than a word becomes a code span.

    >>> print(prose("3 of 7 in quote, @all see www.evil.example a|b *x*"))
    3 of 7 in quote, `@all` see `www.evil.example` `a\u{7c}b` `*x*`
    """
    words = [word for word in text.split(" ") if word]
    return " ".join(_word(word, is_first=not number) for number, word in enumerate(words))


def _advice(text: str) -> str:
    """
    Return our own words, with a code span where backticks set a name apart.

    >>> print(_advice("fewer; `--rejects FILE` names each, see `x`."))
    fewer; `--rejects FILE` names each, see `x`.
    """
    made = ""
    for number, part in enumerate(text.split("`")):
        closing = _CLOSING.match(part) if made and not number % 2 else None
        end = "" if closing is None else closing[0]
        made += end
        rest = part[len(end) :]
        if rest.strip():
            shown = markdown_cell(rest) if number % 2 else prose(rest)
            made += f" {shown}" if made else shown
    return made


def _word(word: str, *, is_first: bool) -> str:
    """Return a word; what ends its clause stays outside of the code span that it may become."""
    shown = visible(word)
    bare = shown[1:] if shown.startswith("(") and len(shown) > 1 else shown
    if bare in _ALONE:
        return _ALONE[bare] if bare == shown else markdown_cell(shown)
    if _WORD.fullmatch(bare) and not _RISKY.search(bare) and not (is_first and _NUMBERED.fullmatch(bare)):
        return shown
    ended = _ENDED.fullmatch(word)
    core, end = (word, "") if ended is None else ended.groups()
    return markdown_cell(core.replace("|", "\\u{7c}")) + end


def unicode_bar(share: float, width: int) -> str:
    """
    Return a bar of block characters, *width* of them for a share of 1; something shows wherever there is something.

    >>> unicode_bar(0.5, 4), unicode_bar(0.03, 4), unicode_bar(0.0, 4)
    ('██', '▏', '')
    """
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    if share > 0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, 8)
    return "\u2588" * full + ("" if not rest else chr(0x2590 - rest))
