"""
A folder of entries that anybody may delete at any time.

An entry appears whole or not at all, says by a hash whether it is still what was written, and is thrown away when it is
not, or when the folder grows too large. Nothing here ever fails a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["MOST_BYTES", "Entry", "Store", "default_folder"]

MOST_BYTES: Final = 4 * 2**30
"""So large may all entries together grow; those that were not used for longest go first."""

_MAGIC: Final = b"attribute cache 1\n"
_START_BYTES: Final = len(_MAGIC) + 32
_SUFFIX: Final = ".kept"


def default_folder() -> Path:
    """Return where entries are kept by default: `$XDG_CACHE_HOME/attribute`, else `~/.cache/attribute`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "attribute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One kept file: its name, its size, and when it was used last (seconds since the epoch)."""

    name: str
    size_bytes: int
    used_s: float


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
        try:
            with self._path(key).open("rb", buffering=0) as file:
                return memoryview(file.read(_START_BYTES + count))[_START_BYTES:]
        except OSError:
            return None

    def get(self, key: str) -> memoryview | None:
        """Return what was kept under *key*, or None where nothing sound is there."""
        path = self._path(key)
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        payload = memoryview(content)[_START_BYTES:]
        if content[:_START_BYTES] != _MAGIC + hashlib.sha256(payload).digest():
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return payload

    def put(self, key: str, payload: bytes) -> None:
        """Keep *payload* under *key*, in place of what was there; do without where the disk does not let us."""
        size_bytes = _START_BYTES + len(payload)
        if size_bytes > self.most_bytes:
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(size_bytes)
            descriptor, name = tempfile.mkstemp(dir=self.folder, prefix=".", suffix=_SUFFIX)
        except OSError:
            return
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_MAGIC + hashlib.sha256(payload).digest())
                file.write(payload)
            Path(name).replace(self._path(key))
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()

    def entries(self) -> list[Entry]:
        """Return what is kept, the one that was not used for longest first."""
        found = []
        for path in self._files():
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append(Entry(name=path.name, size_bytes=status.st_size, used_s=status.st_mtime))
        return sorted(found, key=lambda entry: (entry.used_s, entry.name))

    def clear(self) -> int:
        """Delete all entries and return how many there were."""
        removed = 0
        for path in self._files():
            with contextlib.suppress(OSError):
                path.unlink()
                removed += 1
        return removed

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
        with contextlib.suppress(OSError):
            yield from [path for path in self.folder.iterdir() if path.suffix == _SUFFIX and path.is_file()]

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"
