"""
The first chunks, scanned while polars is still being loaded: one core would stand idle meanwhile.

Nothing of the answer depends on it: what is scanned ahead is what would be scanned later.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from threading import Event, Thread
from typing import Any, Final

from attribute.engines.analysis import AnalysisOptions
from attribute.engines.keeper import Keeper
from attribute.logs.chunks import Chunk, ChunkReader, Unread, read_part
from attribute.logs.opened import OpenedFiles
from attribute.logs.raw_scan import HAS_SCANNER, raw_scan
from attribute.logs.sources import Discovery, discover
from attribute.logs.storage import is_url

__all__ = ["HeadStart", "Scannable", "head_start"]

Scannable = tuple[Chunk | Unread, Mapping[str, Any] | None]
"""A part of a source, and what `raw_scan` found in its whole lines, where it was scanned already."""

_LEAST_BYTES: Final = 2**25
"""A smaller input is read before polars would be there."""

_CHUNKS: Final = 8
"""More are not scanned by the time that polars is there, and each is held in memory."""


class HeadStart:
    """
    A thread that scans the first chunks of the first source.

    Args:
        discovery: what is read.
        options: how.
        files: where the sources are opened.
        start: the range of the first source ...
        end: ... that is read first; its end is None for the source's.
    """

    def __init__(
        self, discovery: Discovery, options: AnalysisOptions, files: OpenedFiles, *, start: int, end: int | None
    ) -> None:
        self.discovery = discovery
        self.area = (start, end)
        self.files = files
        self.reader = ChunkReader(
            discovery.sources[0],
            chunk_bytes=options.chunk_bytes,
            fingerprint=options.fingerprint,
            start=start,
            end=end,
            first_line=0,
            opens=self.files.open,
        )
        self._strict = options.strict
        self._calm = options.calm_terms()
        self._parts = self.reader.parts()
        self._scanned: deque[Scannable] = deque()
        self._enough = Event()
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, name="head start", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for part in self._parts:
                reading = read_part(part)
                if reading.fault is not None:
                    self._scanned.append((part, None))  # to be met again where the part is wanted
                    return
                for chunk in reading.chunks:
                    whole = chunk.data[: chunk.data.rfind(b"\n") + 1]
                    found = None if chunk.too_long else raw_scan(whole, strict=self._strict, calm=self._calm)
                    self._scanned.append((chunk, found))
                if self._enough.is_set() or len(self._scanned) >= _CHUNKS:
                    return
        except Exception as error:  # noqa: BLE001 - raised again where the chunk is wanted
            self._error = error

    def parts(self) -> Iterator[Scannable]:
        """Yield all parts of the range, once; those that were not scanned ahead are yielded as they are."""
        self._enough.set()
        while self._scanned or self._thread.is_alive():
            if not self._scanned:
                self._thread.join()
                continue
            yield self._scanned.popleft()
        if self._error is not None:
            raise self._error
        for part in self._parts:
            yield part, None

    def give_up(self) -> None:
        """End it: what was scanned is not wanted."""
        self._enough.set()
        self._thread.join()
        self._scanned.clear()
        self.reader.close()


def head_start(options: AnalysisOptions) -> HeadStart | None:
    """
    Begin to scan, where that pays: a large file, a second core, a scanner, and nothing kept of the file.

    Raises:
        AttributionError: a path does not exist.
    """
    if not HAS_SCANNER or (os.cpu_count() or 1) < 2:
        return None
    discovery = discover(options.paths, exclude=options.exclude)
    first = discovery.sources[0] if discovery.sources else None
    if first is None or first.path is None or is_url(first.path) or first.size_bytes < _LEAST_BYTES:
        return None
    keeper = Keeper.of(first, options)
    files = OpenedFiles()
    start, end = 0, None
    if keeper is not None:
        if keeper.has_start or keeper.is_like_others:
            return None
        start, end = next(keeper.ranges(0, files.open))
    return HeadStart(discovery, options, files, start=start, end=end)
