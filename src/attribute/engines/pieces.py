"""Where each piece of the input lies, and the way back to its records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import polars as pl

from attribute.engines.kept import ALL_CHUNKS
from attribute.logs.chunks import Chunk

__all__ = ["Piece", "Pieces"]


class Piece(NamedTuple):
    """
    A chunk of a range of a source, or all chunks of a range.

    Attributes:
        source: the number of the source.
        start: the first byte of the range.
        end: the first one after it; None: the end of the source.
        chunk: the number of the chunk in the range, or `ALL_CHUNKS`.
    """

    source: int
    start: int
    end: int | None
    chunk: int


Reader = Callable[[int, int, int | None], Iterable[Chunk]]
"""Given the number of a source, start and end of a range, yields its chunks."""


class Pieces:
    """All pieces, numbered as they are added."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []

    def __len__(self) -> int:
        return len(self._pieces)

    def add(self, piece: Piece) -> int:
        """Return the number of another piece."""
        self._pieces.append(piece)
        return len(self._pieces) - 1

    def records(
        self, numbers: Sequence[int], *, reader: Reader, decode: Callable[[Chunk], pl.DataFrame]
    ) -> Iterator[pl.DataFrame]:
        """
        Read pieces again.

        Args:
            numbers: of the pieces.
            reader: opens them.
            decode: returns the records of a chunk.

        Yields:
            Their records.
        """
        wanted: dict[tuple[int, int, int | None], set[int]] = {}
        stretches: dict[int, tuple[int, int | None]] = {}
        for source, start, end, chunk in map(self._pieces.__getitem__, numbers):
            if chunk == ALL_CHUNKS:  # of all of these in one text, one stretch: it is expanded once
                first, last = stretches.get(source, (start, end))
                stretches[source] = (min(first, start), None if last is None or end is None else max(last, end))
            else:
                wanted.setdefault((source, start, end), set()).add(chunk)
        for source, (first, last) in stretches.items():
            yield from map(decode, reader(source, first, last))
        for (source, start, end), chunks in sorted(wanted.items(), key=lambda item: item[0][:2]):
            for found in reader(source, start, end):
                if found.number in chunks:
                    yield decode(found)
                if found.number >= max(chunks):
                    break
