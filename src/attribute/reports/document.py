"""
A report as a page is made of: sections, tables, charts and words, in no medium yet.

The views build it, once; HTML, Markdown, e-mail and Slack each draw the same document, so that a number cannot differ
between them. Every text in here may hold names from logs, as they came: whoever draws a text escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from attribute.reports.drawing import Drawing

__all__ = [
    "ADVISED",
    "HELP",
    "SURER",
    "VERDICT",
    "Block",
    "Bullets",
    "Cell",
    "Chart",
    "Column",
    "Commands",
    "Document",
    "Human",
    "Kind",
    "Paragraph",
    "Section",
    "Table",
    "Tone",
    "bare",
    "facts",
]

VERDICT: Final = "Verdict"
"""The heading of an answer on all that a report looks at."""

HELP: Final = "What would help"
SURER: Final = "What would make it surer"
ADVISED: Final = frozenset({HELP, SURER})
"""Labels of facts that are our own words, in which backticks set names apart: `Kind.ADVICE`, as in columns."""

Cell = str | float | None
"""A text, the length of a bar (0 to 1), or nothing to say."""


class Kind(StrEnum):
    """What the cells of a column are."""

    WORDS = "words"
    NAME = "name"
    """A name or value from a log: drawn as code, never as markup."""
    NUMBER = "number"
    """A number as it is to be read, set flush right."""
    FIXED = "fixed"
    """Words that are not broken over lines: an instant with its zone, a rule, a week."""
    ADVICE = "advice"
    """Our own words, in which backticks set names apart."""
    BAR = "bar"
    """A share that is drawn as long as it is."""
    CLASS = "class"
    REPORT = "report"
    """A file beside this one whose name is ours (`ID.html`), to be linked; or an id."""


class Tone(StrEnum):
    """How a paragraph is said."""

    PLAIN = "plain"
    NOTE = "note"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    kind: Kind = Kind.WORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """
    Rows and columns.

    Attributes:
        caption: what it shows.
        columns: at least one; the first names the row.
        rows: a cell per column.
        omitted: how many rows there are beyond these.
        folded: whether a page may fold it away until asked for (paper never does).
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    omitted: int = 0
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A drawing, and the table of what it shows."""

    drawing: Drawing
    table: Table


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of plain texts."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Commands:
    """Lines for a shell."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Human:
    """
    A field of the review.

    Attributes:
        heading: its name; empty where the section's says it.
        facts: what the logs say to it; never a cause.
        hint: what belongs here, shown while nobody has written anything.
        written: the lines that people wrote; empty: a blank.
    """

    heading: str
    facts: tuple[str, ...] = ()
    hint: str = ""
    written: tuple[str, ...] = ()


Block = Table | Chart | Paragraph | Bullets | Commands | Human


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """
    A part of a report.

    Attributes:
        anchor: its name in links within the page.
        title: its heading.
        blocks: what it is made of.
        brief: whether it belongs into an e-mail too.
    """

    anchor: str
    title: str
    blocks: tuple[Block, ...]
    brief: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """
    A whole report.

    Attributes:
        title: what it is about.
        subtitle: lines below it: which time, made when and by what.
        lead: the heading of the answer.
        state: the answer in a word or two.
        class_: the class of the answer; empty where it is none of the four.
        sentence: the answer.
        facts: who, since when, how bad, how sure, as label and value.
        sections: in reading order.
        next_commands: what to run next.
        footer: the last line.
    """

    title: str
    subtitle: tuple[str, ...]
    lead: str = VERDICT
    state: str
    class_: str
    sentence: str
    facts: tuple[tuple[str, str], ...] = ()
    sections: tuple[Section, ...] = field(default=())
    next_commands: tuple[str, ...] = ()
    footer: str = ""

    @property
    def answer(self) -> str:
        """Return the answer in a line without a heading of its own: what is not the verdict on all says what it is."""
        return self.state if self.lead == VERDICT else f"{self.lead}: {self.state}"


def bare(text: str) -> str:
    """Return our own words for a medium that cannot set names apart: without the backticks."""
    return text.replace("`", "")


def facts(caption: str, rows: Sequence[tuple[str, str]], *, kind: Kind = Kind.WORDS, folded: bool = False) -> Table:
    """Return a table of labels and values."""
    return Table(caption=caption, columns=(Column("what"), Column("value", kind)), rows=tuple(rows), folded=folded)
