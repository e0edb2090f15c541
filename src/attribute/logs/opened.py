"""
The files of a run, held open: a second look is at the bytes of the first, whatever became of their names.

A log may be renamed, deleted or replaced between two looks, and so between two ranges of it. Where a file cannot be
held open, for there are too many, it is opened again, and refused where it is another file by then. One that was
emptied and written anew is refused in any case: what was read of it lies nowhere any more.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Final

from attribute.logs.raw import Fault, PlainFile, Problem

__all__ = ["OpenedFiles"]

_MOST: Final = 100
"""So many files are held open at once; a process may have a few hundred."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of a file when it was opened last; see `PlainFile`."""

    identity: tuple[int, int]
    size_bytes: int
    stamp: str

    def unlike(self, opened: PlainFile) -> Problem | None:
        """Say what has become of the file, unless *opened* is the same, grown or not."""
        if opened.identity != self.identity:
            return Problem.REPLACED
        if opened.size_bytes < self.size_bytes:
            return Problem.SHRANK
        return None if opened.bears(self.stamp) else Problem.REWRITTEN


class OpenedFiles:
    """Plain and compressed files of this machine, by path."""

    def __init__(self) -> None:
        self._held: dict[str, PlainFile] = {}
        self._seen: dict[str, _Seen] = {}

    def open(self, path: str) -> PlainFile:
        """Return the file at *path*, or the one that lay there when this was asked first; raises Fault."""
        opened = self._same(path)
        self._seen[path] = _Seen(opened.identity, opened.size_bytes, opened.stamp)
        if path not in self._held and len(self._held) < _MOST:
            with contextlib.suppress(Fault):  # it can be read, and will be opened again
                self._held[path] = opened.again()
        return opened

    def reopen(self, path: str) -> PlainFile:
        """Return the file that `open` returned last for *path*, as large as it was then; raises Fault."""
        opened = self._same(path)
        if path in self._seen:  # or all that was ever known of it was kept
            opened.size_bytes = self._seen[path].size_bytes
        return opened

    def _same(self, path: str) -> PlainFile:
        """Open a file, and refuse it where it is not what was seen of it."""
        held = self._held.get(path)
        opened = PlainFile.open(path) if held is None else held.again()
        seen = self._seen.get(path)
        problem = None if seen is None else seen.unlike(opened)
        if problem is not None:
            opened.close()
            raise Fault(problem)
        return opened

    def close(self) -> None:
        """Let all of them go; what is wanted again then is opened by its path."""
        while self._held:
            self._held.popitem()[1].close()
