"""Which files are read: paths, folders, globs and `-` to a sorted list of sources."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum


class SkipReason(StrEnum):
    """Why a path that was named or found is not read."""

    HIDDEN = "hidden"
    NOT_REGULAR = "not a regular file"
    LINK_TO_FOLDER = "link to a folder"
    LINK_OUTSIDE = "link out of the folder"
    DANGLING_LINK = "dangling link"
    LINK_LOOP = "link loop"
    DUPLICATE = "same file as another"
    NO_PERMISSION = "no permission"
    VANISHED = "vanished"
    TOO_DEEP = "path too long"
    READ_ERROR = "read error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    One file to read, or standard input.

    Attributes:
        path: what to open; None for standard input. May hold surrogate escapes: never print it.
        name: what to print; every character is printable, whatever bytes the path has.
        size_bytes: size when it was found; 0 for standard input.
        device: device and inode tell one file from another; both 0 where unknown.
        inode: see *device*.
    """

    path: str | None
    name: str
    size_bytes: int = 0
    device: int = 0
    inode: int = 0

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Source:
        """Make the source of one file that is there; raises OSError where it is not."""
        text = os.fspath(path)
        found = os.stat(text)
        return cls(path=text, name=text, size_bytes=found.st_size, device=found.st_dev, inode=found.st_ino)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """One path that is not read, by its printable name, and why."""

    name: str
    reason: SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """
    What there is to read.

    Attributes:
        sources: sorted by path, each file once; standard input comes last.
        skipped: sorted by name.
        other_names: how many files in folders have a name that is no log's.
        excluded: how many files and folders an exclusion kept out.
    """

    sources: tuple[Source, ...]
    skipped: tuple[Skipped, ...] = ()
    other_names: int = 0
    excluded: int = 0
