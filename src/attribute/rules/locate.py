"""On which line of a TOML text something stands: the parser of the standard library does not say."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = re.compile(r"\s*\[(\[?)\s*([^\]\[]+?)\s*\]")
_QUOTES = re.compile(r'"""|\'\'\'')


@dataclass(frozen=True, slots=True)
class Block:
    """
    The lines of one table: from its header (or the top of the text) to the next one.

    Attributes:
        name: what the header says, `""` for the top of the text.
        first: number of its first line, from 1.
        lines: its lines.
    """

    name: str
    first: int
    lines: tuple[str, ...]

    def line_of(self, key: str, value: object = None) -> int:
        """
        Return the number of the line that says *key*, and of *value* at or after it.

        The first line of the block where the text does not say it (in so many characters).
        """
        key_at = self._find(re.compile(rf"""(?<![\w.-])["']?{re.escape(key)}["']?\s*(=|\]|\.)"""), 0)
        if key_at is None:
            return self.first
        if value is None:
            return self.first + key_at
        text = re.escape(str(value))
        quoted = rf"""["']{text}["']""" if isinstance(value, str) else rf"(?<![\w-]){text}(?![\w-])"
        value_at = self._find(re.compile(quoted), key_at)
        return self.first + (key_at if value_at is None else value_at)

    def _find(self, wanted: re.Pattern[str], start: int) -> int | None:
        for offset in range(start, len(self.lines)):
            if wanted.search(self.lines[offset]):
                return offset
        return None


def blocks(text: str) -> tuple[Block, ...]:
    """Split *text* at its table headers; a header inside a multi-line string is none."""
    found: list[Block] = []
    name, first, lines = "", 1, list[str]()
    open_quotes: str | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        header = _HEADER.match(line) if open_quotes is None else None
        if header is not None:
            found.append(Block(name, first, tuple(lines)))
            name, first, lines = re.sub(r"[\s\"']", "", header[2]), number, []
        lines.append(line)
        for quotes in _QUOTES.findall(line):
            if open_quotes is None:
                open_quotes = quotes
            elif open_quotes == quotes:
                open_quotes = None
    found.append(Block(name, first, tuple(lines)))
    return tuple(found)


def entries(text: str, name: str) -> tuple[Block, ...]:
    """Return one block per `[[name]]` of *text*, each with the lines of its own sub-tables, in order."""
    found: list[Block] = []
    for block in blocks(text):
        if block.name == name:
            found.append(block)
        elif found and block.name.startswith(f"{name}.") and _follows(found[-1], block):
            last = found[-1]
            found[-1] = Block(name, last.first, last.lines + block.lines)
    return tuple(found)


def _follows(last: Block, block: Block) -> bool:
    return last.first + len(last.lines) == block.first
