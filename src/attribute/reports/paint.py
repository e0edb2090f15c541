"""Drawing on a character grid: bars, sparks, columns and colour, in UTF-8 or in ASCII."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from attribute.reports.escape import cells, fit, terminal
from attribute.reports.writers import Style

__all__ = ["Paint"]

_BLOCKS: Final = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589\u2588"
_LEVELS: Final = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_ASCII_LEVELS: Final = ".:-=+*#@"
_ASCII_OF: Final = {"\u00b7": "-", "\u2500": "-", "\u2026": "..."}
_CODES: Final = {
    "bold": "1",
    "vendor": "34",
    "application": "38;5;166",
    "application-bottleneck": "35",
    "UNKNOWN": "90",
    "mixed": "33",
    "no-problem": "32",
    "cannot-judge": "33",
    "warning": "33",
    "dim": "2",
}


class Paint:
    """
    Draws within one style.

    Args:
        style: how the screen may look.
    """

    def __init__(self, style: Style) -> None:
        self.style = style
        self.width = style.width

    def text(self, value: str, width: int | None = None) -> str:
        """Return text from a log or a user, safe to print and at most *width* columns wide."""
        return terminal(value, ascii_only=self.style.ascii_only, limit=width)

    def own(self, value: str) -> str:
        """Return our own words, with what ASCII lacks replaced."""
        if not self.style.ascii_only:
            return value
        return "".join(_ASCII_OF.get(character, character) for character in value)

    def color(self, value: str, name: str) -> str:
        """Colour *value*, where colours are wanted. Widths are to be set before."""
        return f"\x1b[{_CODES[name]}m{value}\x1b[0m" if self.style.color and name in _CODES else value

    def rule(self) -> str:
        """Return a line across."""
        return self.own("\u2500") * self.width

    def left(self, value: str, width: int) -> str:
        """Return *value* cut and filled to exactly *width* columns, flush left."""
        shown = fit(value, width, ascii_only=self.style.ascii_only)
        return shown + " " * (width - cells(shown))

    def bar(self, share: float, width: int) -> str:
        """Return a bar for a share of *width* columns; whatever is over zero shows."""
        if self.style.ascii_only:
            filled = round(share * width)
            return "#" * filled if filled else "-" * (share > 0)
        eighths = max(round(share * width * 8), 1 if share > 0 else 0)
        return _BLOCKS[8] * (eighths // 8) + (_BLOCKS[eighths % 8] if eighths % 8 else "")

    def spark(self, counts: Sequence[int | None], top: int) -> str:
        """Return one character per count, scaled to *top*; a gap (None) is a blank, and no zero looks like a one."""
        levels = _ASCII_LEVELS if self.style.ascii_only else _LEVELS
        return "".join(" " if number is None else levels[_level(number, top, len(levels))] for number in counts)

    def wrap(self, value: str, *, lead: str = "") -> list[str]:
        """
        Break safe text into lines at spaces; a word wider than a line is broken where the line ends.

        Args:
            value: text that passed `text`.
            lead: what the first line begins with; the others are indented as far.
        """
        indent = len(lead)
        room = max(self.width - indent, 1)
        lines: list[str] = []
        line, used = "", 0
        for word in re.split(" (?!%)", value):  # a number and its percent sign stay together
            for piece in self._pieces(word, room):
                wide = cells(piece)
                if line and used + 1 + wide > room:
                    lines.append(line)
                    line, used = "", 0
                line, used = (f"{line} {piece}", used + 1 + wide) if line else (piece, wide)
        lines.append(line)
        return [lead + lines[0], *(" " * indent + rest for rest in lines[1:])]

    @staticmethod
    def _pieces(word: str, width: int) -> Iterable[str]:
        room = max(width, 1)
        if cells(word) <= room:
            return (word,)
        pieces, piece, used = [], "", 0
        for character in word:
            wide = cells(character)
            if piece and used + wide > room:
                pieces.append(piece)
                piece, used = "", 0
            piece += character
            used += wide
        return [*pieces, piece]


def _level(number: int, top: int, levels: int) -> int:
    if number <= 0 or top <= 0:
        return 0
    return min(levels - 1, max(1, -(-number * (levels - 1) // top)))
