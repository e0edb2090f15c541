"""
What a file is, whatever it is called: its device and inode, and how it begins.

A log that is renamed stays the same file. One that was truncated, or whose inode was given to another, begins or goes
on differently: `Snapshot.ending` tells the bytes before the place up to which it was read. One that was copied, or
compressed, is another file with the same first line: whether it has the same content is for `attribute.cache.contents`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import Final, Self

from attribute.logs.chunks import first_text
from attribute.logs.compression import SNIFF_BYTES, sniff, unsupported

__all__ = ["Snapshot"]

_HEAD_BYTES: Final = 4096
_TAIL_BYTES: Final = 2**20
"""By its last bytes a range is recognised: what is no longer, by all of them."""

_BACK_BYTES: Final = 2**20
_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    A regular file as it lies there now.

    Attributes:
        path: where.
        inode: its device and inode.
        identity: what it is: device, inode and how it begins, and for a compressed one its size and time too.
        size_bytes: how large.
        is_plain: whether it only ever grows: it is not compressed.
        lines_end: where its last whole line ends; its size, for a compressed one.
    """

    path: str
    inode: tuple[int, int]
    identity: str
    size_bytes: int
    is_plain: bool
    lines_end: int

    @classmethod
    def of(cls, path: str) -> Self | None:
        """Look at a file; None where it cannot be told from others, or cannot be looked at."""
        try:
            descriptor = os.open(path, _FLAGS)
        except (OSError, ValueError):
            return None
        try:
            return cls._of_open(path, descriptor)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    @classmethod
    def _of_open(cls, path: str, descriptor: int) -> Self | None:
        found = os.fstat(descriptor)
        head = os.pread(descriptor, _HEAD_BYTES, 0) if stat.S_ISREG(found.st_mode) else b""
        start = head[:SNIFF_BYTES]
        if not head or unsupported(start) is not None:
            return None
        is_plain = sniff(start) is None
        first_line = _first_line(head)
        if is_plain and first_line == head and len(head) < _HEAD_BYTES:
            return None  # how it begins is not written yet
        parts: list[object] = [found.st_dev, found.st_ino, first_line if is_plain else head]
        if not is_plain:
            parts += [found.st_size, found.st_mtime_ns]
        lines_end = _lines_end(descriptor, found.st_size) if is_plain else found.st_size
        if lines_end is None:
            return None
        return cls(
            path=path,
            inode=(found.st_dev, found.st_ino),
            identity=hashlib.sha256(repr(parts).encode()).hexdigest(),
            size_bytes=found.st_size,
            is_plain=is_plain,
            lines_end=lines_end,
        )

    @property
    def beginning(self) -> str:
        """Hash of the first line of the file's text, which a copy of it has too, compressed or not."""
        return hashlib.sha256(_first_line(first_text(self.path, _HEAD_BYTES))).hexdigest()

    def known(self, end: int) -> tuple[str, str] | None:
        """Return what the file is, and what it is up to *end*; None where that cannot be told."""
        ending = self.ending(0, end)
        return None if ending is None else (self.identity, f"{end} {ending}")

    def ending(self, start: int, end: int) -> str | None:
        """Return a hash of the last bytes from *start* on and before *end*; None where it has fewer."""
        at = max(start, end - _TAIL_BYTES)
        try:
            descriptor = os.open(self.path, _FLAGS)
            try:
                tail = os.pread(descriptor, end - at, at)
            finally:
                os.close(descriptor)
        except OSError:
            return None
        return hashlib.sha256(tail).hexdigest() if len(tail) == end - at else None


def _first_line(head: bytes) -> bytes:
    return head.partition(b"\n")[0]


def _lines_end(descriptor: int, size: int) -> int | None:
    """Return the offset behind the last newline of the last MiB."""
    at = max(0, size - _BACK_BYTES)
    newline = os.pread(descriptor, size - at, at).rfind(b"\n")
    return None if newline < 0 else at + newline + 1
