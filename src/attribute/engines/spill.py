"""Frames that outgrow memory: kept as they come, written to a temporary folder past a budget."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl


class Scratch:
    """A temporary folder that is made when the first file is wanted and lives as long as this object."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._deletion: Callable[[], object] | None = None
        self._count = 0

    def write(self, frames: Sequence[pl.DataFrame]) -> Path:
        """Return where the rows of *frames* lie now."""
        path = self._next_path()
        with path.open("wb") as file:  # given a path, polars fills small pages, which take as long again to be freed
            pl.concat(frames).write_ipc(file, compression="uncompressed")
        return path

    def discard(self) -> None:
        """Delete all files, beside what goes on: to free their pages takes a while."""
        if self._deletion is not None:
            threading.Thread(target=self._deletion, name="delete what was spilled").start()
        self._folder = self._deletion = None

    def _next_path(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="attribute-"))
            # Starts no thread: it may run wherever memory is tidied up, also while `threading` holds a lock of its own.
            self._deletion = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._count += 1
        return self._folder / f"{self._count:06d}.arrow"


class Spill:
    """
    An append-only heap of frames of one schema, with bounded memory.

    Args:
        schema: of every frame.
        budget_bytes: how much may stay in memory; the rest goes to a temporary folder that lives as long as the heap.
    """

    def __init__(self, schema: pl.Schema, *, budget_bytes: int) -> None:
        self.schema = schema
        self.rows = 0
        self.bytes = 0
        self._budget_bytes = budget_bytes
        self._in_memory: list[pl.DataFrame] = []
        self._in_memory_bytes = 0
        self._files: list[Path] = []
        self._scratch = Scratch()

    def add(self, frame: pl.DataFrame) -> None:
        """Append *frame*."""
        if frame.is_empty():
            return
        size = int(frame.estimated_size())
        self.rows += frame.height
        self.bytes += size
        self._in_memory.append(frame)
        self._in_memory_bytes += size
        if self._in_memory_bytes > self._budget_bytes:
            self._write()

    def _write(self) -> None:
        self._files.append(self._scratch.write(self._in_memory))
        self._in_memory = []
        self._in_memory_bytes = 0

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield everything, in the order it came, a bounded piece at a time."""
        for path in self._files:
            yield pl.scan_ipc(path).collect()
        yield from self._in_memory

    def lazy(self) -> pl.LazyFrame:
        """Return everything as one lazy frame; valid as long as this object lives."""
        parts = [pl.scan_ipc(path) for path in self._files]
        parts += [frame.lazy() for frame in self._in_memory]
        return pl.concat(parts) if parts else pl.LazyFrame(schema=self.schema)
