"""
Files that were read, found again where they were renamed, copied or compressed to, whatever they are called now.

For whoever looks at the same logs again and again: rotation gives names that no search takes for a log's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from attribute.logs.chunks import first_text
from attribute.logs.names import is_excluded, listed
from attribute.logs.sources import Source

__all__ = ["Followed"]

_HEAD_BYTES: Final = 4096

_Mark = tuple[int, int, str]
"""Device, inode and hash of the first line of the text: what a file is, as for what is kept of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a file was first seen: links are followed, for it is what they lead to that is rotated."""

    folder: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stranger:
    """A file that is not read."""

    path: str
    name: str
    changed_ns: int


class Followed:
    """
    The files that were read so far.

    Args:
        exclude: patterns of what is not read, as for `attribute.logs.sources.discover`.
    """

    def __init__(self, exclude: Sequence[str] = ()) -> None:
        self._exclude = tuple(exclude)
        self._known: dict[_Mark, _Place] = {}

    def elsewhere(self, sources: Iterable[Source]) -> tuple[str, ...]:
        """
        Return the paths of files that are known from an earlier call and are not among *sources*; know these as well.

        A file is looked for in the folder that it lay in: by device, inode and first line, whatever its name, or else,
        where no file with that first line is read, under a name that begins with its own, as a copy, compressed or not.
        """
        files = [source for source in sources if source.inode]
        read = {(source.device, source.inode) for source in files}
        here = {mark: path for path in (source.path or "" for source in files) if (mark := _mark(path)) is not None}
        missing = {mark: place for mark, place in self._known.items() if mark not in here}
        self._known |= {mark: _place(path) for mark, path in here.items() if mark not in self._known}
        found: dict[_Mark, str] = {}
        for folder in {place.folder for place in missing.values()}:
            strangers = {inode: each for inode, each in self._files_in(folder) if inode not in read}
            gone = {mark: place for mark, place in missing.items() if place.folder == folder}
            renamed = dict(_renamed(gone, strangers))
            lines = {line for _, _, line in (*here, *renamed)}
            copied = dict(self._copied(gone, strangers, lines))
            found |= renamed | copied
        return tuple(sorted(found.values(), key=os.fsencode))

    def _copied(
        self, gone: Mapping[_Mark, _Place], strangers: Mapping[tuple[int, int], _Stranger], lines: set[str]
    ) -> Iterator[tuple[_Mark, str]]:
        """Yield copies of files that are gone, and know them from now on; of several, the one written last."""
        newest = sorted(strangers.values(), key=lambda each: (each.changed_ns, each.name), reverse=True)
        for (_, _, line), place in gone.items():
            if line in lines:
                continue
            for each in newest:
                mark = _mark(each.path) if each.name.startswith(place.name) else None
                if mark is not None and mark[2] == line:
                    lines.add(line)
                    self._known[mark] = place
                    yield mark, each.path
                    break

    def _files_in(self, folder: str) -> Iterator[tuple[tuple[int, int], _Stranger]]:
        for entry in listed(folder):
            path = f"{folder}{entry.name}"
            if entry.name.startswith(".") or is_excluded(path, self._exclude):
                continue
            with contextlib.suppress(OSError):  # gone by now
                if entry.is_file(follow_symlinks=False):
                    found = entry.stat(follow_symlinks=False)
                    stranger = _Stranger(path=path, name=entry.name, changed_ns=found.st_mtime_ns)
                    yield (found.st_dev, found.st_ino), stranger


def _renamed(
    gone: Mapping[_Mark, _Place], strangers: Mapping[tuple[int, int], _Stranger]
) -> Iterator[tuple[_Mark, str]]:
    for mark in gone:
        each = strangers.get(mark[:2])
        if each is not None and _mark(each.path) == mark:
            yield mark, each.path


def _place(path: str) -> _Place:
    real = os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114 - the path may hold any bytes
    folder, slash, name = real.rpartition("/")
    return _Place(folder=folder + slash, name=name)


def _mark(path: str) -> _Mark | None:
    """Say what a file is; None where its first line is not written yet, or it cannot be told."""
    try:
        before = os.stat(path)  # noqa: PTH116 - the path may hold any bytes
        text = first_text(path, _HEAD_BYTES)
        after = os.stat(path)  # noqa: PTH116 - the same
    except OSError:
        return None
    line, newline, _ = text.partition(b"\n")
    is_one = (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino)
    if not is_one or not (newline or len(text) == _HEAD_BYTES):
        return None
    return after.st_dev, after.st_ino, hashlib.sha256(line).hexdigest()
