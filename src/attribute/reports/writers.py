"""
The table of output formats. A new format is one line here and one module beside this one.

A writer takes the view model and a style and yields bytes; it opens nothing and decides nothing. The table imports no
writer until it is asked for one, so that the command line can name the formats without loading polars.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from attribute.reports.model import Result

__all__ = ["WRITERS", "Style", "Writer", "WriterEntry", "writer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """
    How a screen may look. Decided once, by the command line.

    Attributes:
        width: columns.
        ascii_only: whether to draw with ASCII alone.
        color: whether to colour; colour never carries meaning alone.
        verbosity: -1 the verdict line only, 0 the screen, 1 and more: more rows.
        oneline: one line for a pager or a status bar.
    """

    width: int = 80
    ascii_only: bool = False
    color: bool = False
    verbosity: int = 0
    oneline: bool = False


class Writer(Protocol):
    """A format: the view model in, bytes out."""

    def __call__(self, result: Result, style: Style) -> Iterator[bytes]:
        """Yield the output piece by piece, ending with a line break."""


class WriterEntry(NamedTuple):
    """
    One format.

    Attributes:
        target: `module:function`.
        summary: one line for the help.
        shares_stdout: whether it may go to stdout beside another format.
        of_view: whether it shows nothing that a `View` does not hold.
        answers: whether the answer's sentence stands in it.
    """

    target: str
    summary: str
    shares_stdout: bool = False
    of_view: bool = False
    answers: bool = True


WRITERS: Final[dict[str, WriterEntry]] = {
    "text": WriterEntry("attribute.reports.terminal:write", "the screen", of_view=True),
    "plain": WriterEntry("attribute.reports.plain:write", "tab-separated, one fact a line, nothing cut", of_view=True),
    "json": WriterEntry("attribute.reports.json_result:write", "one object, `attribute schema --result`", of_view=True),
    "html": WriterEntry("attribute.reports.html:write", "the report as one page, for a browser and for paper"),
    "markdown": WriterEntry("attribute.reports.markdown:write", "the report for GitHub, at most 60,000 characters"),
    "email": WriterEntry("attribute.reports.email:write", "its short form as a mail, text and HTML, under 80 kB"),
    "slack": WriterEntry("attribute.reports.slack:write", "its short form as a message of blocks"),
    "verdicts": WriterEntry(
        "attribute.reports.verdict_lines:write", "JSON Lines, one per incident request", answers=False
    ),
    "csv": WriterEntry(
        "attribute.reports.csv_tables:write", "classes, functions and incidents", of_view=True, answers=False
    ),
}


def writer(name: str) -> Writer:
    """Return the writer of one format of the table."""
    module, _, function = WRITERS[name].target.partition(":")
    return cast("Writer", getattr(importlib.import_module(module), function))
