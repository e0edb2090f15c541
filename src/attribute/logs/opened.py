"""
The files of a run, held open: a second look is at the bytes of the first, whatever became of their names.

A log may be renamed, deleted or replaced between two looks. Where a file cannot be held open for the second one, for
there are too many, it is opened again, and refused where it is another file by then.
"""

from __future__ import annotations

import contextlib
from typing import Final

from attribute.logs.raw import Fault, PlainFile, Problem

__all__ = ["OpenedFiles"]

_MOST: Final = 100
"""So many files are held open at once; a process may have a few hundred."""


class OpenedFiles:
    """Plain and compressed files of this machine, by path."""

    def __init__(self) -> None:
        self._held: dict[str, PlainFile] = {}
        self._seen: dict[str, tuple[tuple[int, int], int]] = {}

    def open(self, path: str) -> PlainFile:
        """Return the file at *path*, or the one that lay there when this was asked first; raises Fault."""
        opened = self._at(path)
        self._seen[path] = (opened.identity, opened.size_bytes)
        if path not in self._held and len(self._held) < _MOST:
            with contextlib.suppress(Fault):  # it can be read, and will be opened again
                self._held[path] = opened.again()
        return opened

    def reopen(self, path: str) -> PlainFile:
        """Return the file that `open` returned last for *path*, as large as it was then; raises Fault."""
        opened = self._at(path)
        identity, size_bytes = self._seen.get(path, (opened.identity, opened.size_bytes))  # or all is known of it
        if opened.identity != identity or opened.size_bytes < size_bytes:
            opened.close()
            raise Fault(Problem.REPLACED if opened.identity != identity else Problem.SHRANK)
        opened.size_bytes = size_bytes
        return opened

    def _at(self, path: str) -> PlainFile:
        held = self._held.get(path)
        return PlainFile.open(path) if held is None else held.again()

    def close(self) -> None:
        """Let all of them go; what is wanted again then is opened by its path."""
        while self._held:
            self._held.popitem()[1].close()
