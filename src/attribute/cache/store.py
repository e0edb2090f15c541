"""
A folder of entries that anybody may delete at any time.

An entry appears whole or not at all, says by a hash whether it is still what was written, and is thrown away when it is
not, or when the folder grows too large. Nothing here ever fails a run.

What is kept of logs may be personal: entries are readable by their owner alone, and a folder that others own or may
write to is neither believed nor written to.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from attribute.cache.hashing import new_hash

__all__ = ["MOST_BYTES", "Entry", "Store", "Swept", "default_folder"]

MOST_BYTES: Final = 4 * 2**30
"""So large may all entries together grow; those that were not used for longest go first."""

_MAGIC: Final = f"attribute cache 3 {new_hash().name}\n".encode()
_LENGTH_BYTES: Final = 8
_START_BYTES: Final = len(_MAGIC) + _LENGTH_BYTES + 32
"""An entry begins with its format, how many bytes it holds, and their hash."""

_SUFFIX: Final = ".kept"
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def default_folder() -> Path | None:
    """
    Return where entries are kept by default: `$XDG_CACHE_HOME/attribute`, else `~/.cache/attribute`.

    None where there is no home: a user without one, or one that is no absolute path.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "attribute"
    home = os.path.expanduser("~")  # noqa: PTH111 - pathlib raises where there is none
    has_home = home.startswith("/") and os.environ.get("HOME") != ""
    return Path(home) / ".cache" / "attribute" if has_home else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One kept file: its name, its size, and when it was used last (seconds since the epoch)."""

    name: str
    size_bytes: int
    used_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """
    What became of all entries.

    Attributes:
        removed: how many were deleted.
        left: how many are still there, as far as that can be told.
        reason: why not all could be deleted; None where they were.
    """

    removed: int
    left: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """
    Entries by key.

    Attributes:
        folder: where they lie; made when the first one is kept.
        most_bytes: how large they may grow together.
    """

    folder: Path
    most_bytes: int = MOST_BYTES

    def peek(self, key: str, count: int) -> memoryview | None:
        """Return the first *count* bytes of what was kept under *key*, sound or not; None where nothing is there."""
        with self._opened(key) as file:
            if file is None or _digest_of(file) is None:
                return None
            return memoryview(file.read(count))

    def has(self, key: str) -> bool:
        """
        Return whether something lies under *key*, sound or not, and take it for used.

        Whoever asks counts on it, even if its content is not wanted in the end: what is used together stays together.
        """
        with self._opened(key) as file:
            if file is None or _digest_of(file) is None:
                return False
            _touch(file)
            return True

    def get(self, key: str, digest: str | None = None) -> bytes | None:
        """
        Return what was kept under *key*, or None where nothing sound is there; of another length, it is not even read.

        Args:
            key: of the entry.
            digest: what its hash must be, in hexadecimal, where that is known.
        """
        with self._opened(key) as file:
            if file is None:
                return None
            said_digest = _digest_of(file)
            if said_digest is not None and digest in {None, said_digest.hex()}:
                payload = file.read()
                if new_hash(payload).digest() == said_digest:
                    _touch(file)
                    return payload
        with contextlib.suppress(OSError):
            self._path(key).unlink()
        return None

    def put(self, key: str, payload: bytes | memoryview, digest: bytes | None = None) -> None:
        """
        Keep *payload* under *key*, in place of what was there; do without where the disk does not let us.

        Args:
            key: of the entry.
            payload: what it is to hold.
            digest: the hash of that, where it is known.
        """
        length = memoryview(payload).nbytes
        size_bytes = _START_BYTES + length
        if size_bytes > self.most_bytes:
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_ours():
                return
            self._make_room(size_bytes)
            descriptor, name = tempfile.mkstemp(dir=self.folder, prefix=".", suffix=_SUFFIX)
        except OSError:
            return
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_MAGIC + length.to_bytes(_LENGTH_BYTES) + (digest or new_hash(payload).digest()))
                file.write(payload)
            Path(name).replace(self._path(key))
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()

    def remove(self, key: str) -> None:
        """Delete what lies under *key*, if anything does."""
        if self._is_ours():
            with contextlib.suppress(OSError):
                self._path(key).unlink()

    def entries(self) -> list[Entry]:
        """Return what is kept, the one that was not used for longest first."""
        found = []
        for path in self._files():
            with contextlib.suppress(OSError):
                status = path.lstat()
                found.append(Entry(name=path.name, size_bytes=status.st_size, used_s=status.st_mtime))
        return sorted(found, key=lambda entry: (entry.used_s, entry.name))

    def clear(self) -> int:
        """Delete all entries and return how many there were."""
        return self.sweep().removed

    def sweep(self) -> Swept:
        """Delete all entries and return what became of them."""
        removed, left, reason = 0, 0, None
        try:
            os.scandir(self.folder).close()
        except (FileNotFoundError, NotADirectoryError):
            return Swept(removed=0, left=0, reason=None)
        except OSError as error:
            reason = error.strerror or str(error)
        for path in self._files():
            try:
                path.unlink()
                removed += 1
            except FileNotFoundError:  # somebody else was faster
                continue
            except OSError as error:
                left, reason = left + 1, error.strerror or str(error)
        return Swept(removed=removed, left=left, reason=reason)

    def _make_room(self, coming_bytes: int) -> None:
        entries = self.entries()
        total = sum(entry.size_bytes for entry in entries) + coming_bytes
        for entry in entries:
            if total <= self.most_bytes:
                return
            with contextlib.suppress(OSError):
                (self.folder / entry.name).unlink()
            total -= entry.size_bytes

    def _files(self) -> Iterator[Path]:
        """Yield our files, half-written ones of runs that died included, and no others."""
        with contextlib.suppress(OSError), os.scandir(self.folder) as found:
            yield from [Path(each.path) for each in found if each.name.endswith(_SUFFIX) and _is_removable(each)]

    def why_unused(self) -> str | None:
        """Say why nothing is kept in the folder; None where nothing speaks against it, or where there is none yet."""
        try:
            found = self.folder.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return error.strerror or str(error)
        if found.st_uid != os.geteuid():
            return "it is another user's"
        return f"others may write to it (mode {found.st_mode & 0o777:04o})" if found.st_mode & _OTHERS_WRITE else None

    def _is_ours(self) -> bool:
        """Whether the folder is there, and nobody else may put anything into it."""
        return self.why_unused() is None and os.path.isdir(self.folder)  # noqa: PTH112 - which never raises

    @contextlib.contextmanager
    def _opened(self, key: str) -> Iterator[io.FileIO | None]:
        """Open an entry, if it is a file of ours and no larger than all may be; without ever waiting for it."""
        try:
            descriptor = os.open(self._path(key), _FLAGS) if self._is_ours() else None
        except OSError:
            descriptor = None
        if descriptor is None:
            yield None
            return
        try:
            found = os.fstat(descriptor)
            is_entry = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
            is_entry = is_entry and found.st_size <= self.most_bytes
            yield io.FileIO(descriptor, closefd=False) if is_entry else None
        finally:
            os.close(descriptor)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"


def _digest_of(file: io.FileIO) -> bytes | None:
    """Return the hash that an entry says its content has, which comes next; None where its length is not as it says."""
    start = file.read(_START_BYTES)
    length, digest = start[len(_MAGIC) : len(_MAGIC) + _LENGTH_BYTES], start[len(_MAGIC) + _LENGTH_BYTES :]
    is_whole = len(start) == _START_BYTES and start.startswith(_MAGIC)
    fits = is_whole and os.fstat(file.fileno()).st_size == _START_BYTES + int.from_bytes(length)
    return digest if fits else None


def _touch(file: io.FileIO) -> None:
    """Take an entry for used just now."""
    with contextlib.suppress(OSError):
        os.utime(file.fileno())


def _is_removable(found: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link in the place of one: that is never followed."""
    return found.is_symlink() or found.is_file(follow_symlinks=False)
