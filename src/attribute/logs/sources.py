"""Which files are read: paths, folders, globs and `-` to a sorted list of sources."""

from __future__ import annotations

import difflib
import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from attribute.logs.names import is_excluded, is_log, is_pattern, listed, matches, shown
from attribute.logs.raw import StandardInput
from attribute.logs.remote_search import search
from attribute.logs.storage import Entry, is_url, local_path
from attribute.m1.errors import AttributionError

__all__ = ["STANDARD_INPUT", "Discovery", "SkipReason", "Skipped", "Source", "SourceError", "discover", "near_paths"]

STANDARD_INPUT: Final = ("-", "/dev/stdin")
"""Paths that mean standard input."""

_RESULT: Final = b'{\n  "schema": "attribute.'
"""How our own JSON begins: no log does, for a record is one line."""
_EFFECTIVE: Final = os.access in os.supports_effective_ids


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
    OWN_RESULT = "a result of attribute"


class SourceError(AttributionError):
    """A path on the command line that leads nowhere."""

    @classmethod
    def missing(cls, path: str) -> SourceError:
        """Word a path that is not there, with the nearest names that are."""
        near = near_paths(path)
        if near:
            return cls(f"`{shown(path)}` does not exist", hint=f"did you mean {' or '.join(near)}?")
        return cls(
            f"`{shown(path)}` does not exist", hint="name a file, a folder, a glob pattern, or `-` for standard input"
        )

    @classmethod
    def unmatched(cls, pattern: str) -> SourceError:
        """Word a pattern that selects nothing."""
        return cls(
            f"`{shown(pattern)}` matches no file",
            hint="patterns know `*`, `?`, `[abc]` and `**` for any depth of folders",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    One file to read, or standard input.

    Attributes:
        path: what to open, a path or a URL of a store; None for standard input. May hold surrogate escapes: never
            print it.
        name: what to print; every character is printable, whatever bytes the path has.
        size_bytes: size when it was found; 0 for standard input.
        device: device and inode tell one file from another; both 0 where unknown.
        inode: see *device*.
        stamp: what tells it from one of the same name that is written later: of an object in a store, or of a file
            whose device and inode mean nothing where it is read; empty where nothing does.
        stream: standard input itself, where *path* is None.
    """

    path: str | None
    name: str
    size_bytes: int = 0
    device: int = 0
    inode: int = 0
    stamp: str = ""
    stream: StandardInput | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Source:
        """Make the source of one file that is there; raises OSError where it is not."""
        text = os.fspath(path)
        return cls._found(text, os.stat(text))  # noqa: PTH116 - the path may hold any bytes

    @classmethod
    def _found(cls, path: str, found: os.stat_result) -> Source:
        return cls(path=path, name=shown(path), size_bytes=found.st_size, device=found.st_dev, inode=found.st_ino)

    @classmethod
    def _object(cls, url: str, entry: Entry) -> Source:
        return cls(path=url, name=shown(url), size_bytes=entry.size_bytes, stamp=entry.stamp)

    @classmethod
    def standard_input(cls, descriptor: int = 0) -> Source:
        """Make the source of a stream, which is read as it comes and can be read again."""
        return cls(path=None, name="stdin", stream=StandardInput(descriptor))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Skipped:
    """
    What is not read, and why.

    Attributes:
        name: a path, printable; of files that were counted, the path on the command line that led to them.
        reason: a `SkipReason`, or how many files were left out for their names or by an exclusion.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """
    What there is to read.

    Attributes:
        sources: sorted by the bytes of their paths, each file once; standard input comes last.
        skipped: sorted by name; files of other names and exclusions have one entry per path on the command line.
        other_names: how many files in folders have a name that is no log's.
        excluded: how many files and folders an exclusion kept out.
    """

    sources: tuple[Source, ...]
    skipped: tuple[Skipped, ...] = ()
    other_names: int = 0
    excluded: int = 0


def discover(paths: Sequence[str], *, exclude: Sequence[str] = (), stdin: int = 0) -> Discovery:
    """
    Find what *paths* name.

    A file that is named, by itself or by a pattern, is read whatever it is called. A folder is searched at any depth
    for ``*.json``, ``*.jsonl``, ``*.ndjson`` and ``*.log``, plain or with ``.gz``, ``.zst``, ``.bz2`` or ``.xz``.
    What we wrote ourselves as JSON (``*.json``) is no log and is skipped, also where it is named: it is not read as
    broken records where an output lies beside logs. The order of *paths* makes no difference. A URL of a store
    (``s3://``, ``gs://``, ``abfs://``, ``hdfs://``) is taken as a path is, with the same rules; a store has no links,
    and nothing in it is opened to see what it is.

    Args:
        paths: files, folders, glob patterns, URLs, ``-`` for standard input.
        exclude: patterns of what to keep out: with a slash held against the whole path as shown, without against
            the name of each file and folder. A folder that is kept out is not searched.
        stdin: descriptor of standard input.

    Raises:
        SourceError: a path does not exist, or a pattern matches nothing.
        StorageError: the same of a URL, or its store cannot be asked.
    """
    found = _Search(exclude)
    for path in paths:
        if is_url(path):
            found.add_url(path)
        elif path not in STANDARD_INPUT:
            found.add(local_path(path))
    streams = (Source.standard_input(stdin),) if any(path in STANDARD_INPUT for path in paths) else ()
    return found.result(streams)


class _Search:
    def __init__(self, exclude: Sequence[str]) -> None:
        self._exclude = tuple(exclude)
        self._found: dict[str, os.stat_result] = {}
        self._objects: dict[str, Entry] = {}
        self._skipped: dict[str, SkipReason] = {}
        self._excluded: dict[str, str] = {}  # of each path, the one on the command line that led to it
        self._other_names: dict[str, str] = {}
        self._root = ""
        self._pseudo_devices = _pseudo_devices()

    def add(self, path: str) -> None:
        """Take in one path of the command line."""
        if _is_there(path):
            self._add_named(_tidy(path))
        elif is_pattern(path):
            found = matches(path)
            if not found:
                raise SourceError.unmatched(path)
            for match in found:
                self._add_named(_tidy(match))
        else:
            raise SourceError.missing(path)

    def add_url(self, url: str) -> None:
        """Take in one URL of the command line."""
        found = search(url, exclude=self._exclude)
        self._objects |= found.objects
        self._skipped |= dict.fromkeys(found.hidden, SkipReason.HIDDEN)
        self._excluded |= found.excluded
        self._other_names |= found.other_names

    def _add_named(self, path: str) -> None:
        self._root = path
        if is_excluded(path, self._exclude):
            self._excluded[path] = path
            return
        try:
            found = os.stat(path)  # noqa: PTH116 - the path may hold any bytes
        except OSError as error:
            self._skip(path, _reason(error, path))
            return
        if stat.S_ISDIR(found.st_mode):
            self._search(path)
        else:
            self._take(path, found)

    def _take(self, path: str, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode) or found.st_dev in self._pseudo_devices:
            self._skip(path, SkipReason.NOT_REGULAR)
        elif not os.access(path, os.R_OK, effective_ids=_EFFECTIVE):
            self._skip(path, SkipReason.NO_PERMISSION)
        elif path.lower().endswith(".json") and _begins_as_result(path):
            self._skip(path, SkipReason.OWN_RESULT)
        else:
            self._found[path] = found

    def _skip(self, path: str, reason: SkipReason) -> None:
        self._skipped[path] = reason

    def _search(self, root: str) -> None:
        """Search a folder without recursion, for a tree may be thousands of folders deep."""
        real_root = os.path.realpath(root)
        folders = [root]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    found = list(entries)
            except OSError as error:
                self._skip(folder, _reason(error, folder))
                continue
            for entry in found:
                try:
                    if self._look_at(entry, real_root):
                        folders.append(entry.path)
                except OSError as error:
                    self._skip(entry.path, _reason(error, entry.path))

    def _look_at(self, entry: os.DirEntry[str], real_root: str) -> bool:
        """Take or skip one entry of a folder; true where it is a folder to search."""
        path = _tidy(entry.path)
        if is_excluded(path, self._exclude):
            self._excluded[path] = self._root
        elif entry.name.startswith("."):
            self._skip(path, SkipReason.HIDDEN)
        elif entry.is_symlink():
            self._look_at_link(path, entry, real_root)
        elif entry.is_dir(follow_symlinks=False):
            if entry.stat(follow_symlinks=False).st_dev not in self._pseudo_devices:
                return True
            self._skip(path, SkipReason.NOT_REGULAR)
        elif entry.is_file(follow_symlinks=False) and not is_log(entry.name):
            self._other_names[path] = self._root
        else:
            self._take(path, entry.stat(follow_symlinks=False))
        return False

    def _look_at_link(self, path: str, entry: os.DirEntry[str], real_root: str) -> None:
        found = entry.stat()
        if stat.S_ISDIR(found.st_mode):
            self._skip(path, SkipReason.LINK_TO_FOLDER)
        elif stat.S_ISREG(found.st_mode) and not is_log(entry.name):
            self._other_names[path] = self._root
        elif stat.S_ISREG(found.st_mode) and os.path.commonpath((os.path.realpath(path), real_root)) != real_root:
            self._skip(path, SkipReason.LINK_OUTSIDE)
        else:
            self._take(path, found)

    def result(self, streams: tuple[Source, ...]) -> Discovery:
        """Sort, and keep each file once, under its first name."""
        sources: list[Source] = []
        seen: set[tuple[int, int]] = set()
        for path in sorted((*self._found, *self._objects), key=os.fsencode):
            if path in self._objects:
                sources.append(Source._object(path, self._objects[path]))  # noqa: SLF001 - the class lives in this module
                continue
            found = self._found[path]
            identity = (found.st_dev, found.st_ino)
            if identity in seen:
                self._skip(path, SkipReason.DUPLICATE)
                continue
            seen.add(identity)
            sources.append(Source._found(path, found))  # noqa: SLF001 - the class lives in this module
        read = self._found.keys() | self._objects.keys()
        other_names = {path: root for path, root in self._other_names.items() if path not in read}
        skipped = [
            Skipped(name=shown(path), reason=reason)
            for path, reason in self._skipped.items()
            if path not in read or reason is SkipReason.DUPLICATE  # named by itself, it is read after all
        ]
        skipped += _counted(other_names, "file not named like a log", "files not named like logs")
        skipped += _counted(self._excluded, "file or folder excluded", "files or folders excluded")
        return Discovery(
            sources=(*sources, *streams),
            skipped=tuple(sorted(skipped)),
            other_names=len(other_names),
            excluded=len(self._excluded),
        )


def _counted(roots: Mapping[str, str], one: str, many: str) -> Iterator[Skipped]:
    """Yield one entry for each path on the command line, with how many of the paths it led to."""
    for root, number in Counter(roots.values()).items():
        yield Skipped(name=shown(root), reason=f"{number:,} {one if number == 1 else many}")


def _is_there(path: str) -> bool:
    """Whether *path* leads to something, even to something that may not be looked at."""
    try:
        os.lstat(path)
    except PermissionError:
        return True
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return False
    return True


def _tidy(path: str) -> str:
    """Drop what makes two spellings of one path; `..` stays, for it may follow a link."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return "/" * path.startswith("/") + "/".join(parts) or "."


def _reason(error: OSError, path: str) -> SkipReason:
    if isinstance(error, PermissionError):
        return SkipReason.NO_PERMISSION
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return SkipReason.DANGLING_LINK if os.path.islink(path) else SkipReason.VANISHED  # noqa: PTH114 - any bytes
    if error.errno == errno.ELOOP:
        return SkipReason.LINK_LOOP
    return SkipReason.TOO_DEEP if error.errno == errno.ENAMETOOLONG else SkipReason.READ_ERROR


def _begins_as_result(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - the path may hold any bytes
            return file.read(len(_RESULT)) == _RESULT
    except OSError:  # whoever reads it will say so
        return False


def _pseudo_devices() -> frozenset[int]:
    """Return the devices whose files only look regular: what they hold is made up while it is read."""
    own = os.stat("/").st_dev  # noqa: PTH116 - beside the other look-ups
    found = set()
    for path in ("/proc", "/sys"):
        try:
            found.add(os.stat(path).st_dev)  # noqa: PTH116 - the same
        except OSError:
            continue
    return frozenset(found - {own})


def near_paths(path: str) -> list[str]:
    """Return up to three existing paths, in backticks, that *path* may be a slip of."""
    parent, name = os.path.split(_tidy(path.replace("\0", "")))
    names = sorted(entry.name for entry in listed(parent) if not entry.name.startswith("."))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    return [f"`{shown(os.path.join(parent, each))}`" for each in near]  # noqa: PTH118 - any bytes
