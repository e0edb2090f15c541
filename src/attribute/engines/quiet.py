"""
The hashes of all quiet records, with the piece of input that each lies in.

There are as many as there are requests, so they are held as eight bytes each, written to a temporary folder past a
budget, or left in the cache, and only ever looked through.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import polars as pl

from attribute.engines.partial import QUIET
from attribute.engines.spill import Scratch
from attribute.logs.hashes import HashSet
from attribute.logs.raw_scan import keeping_memory

__all__ = ["MET", "QuietHashes"]

MET: Final = pl.Schema({**QUIET, "piece": pl.UInt32()})
"""Quiet records with the number of the piece (chunk or split) they lie in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """
    Some rows, wherever they are.

    Attributes:
        places: number of each piece, and how many of the rows are of it, in the order of the rows.
        load: returns the rows (`QUIET`).
    """

    places: Sequence[tuple[int, int]]
    load: Callable[[], pl.DataFrame]


class QuietHashes:
    """
    A heap of `QUIET` rows.

    Args:
        budget_bytes: how much may stay in memory.
        threads: how many blocks are looked through side by side.
    """

    def __init__(self, *, budget_bytes: int, threads: int) -> None:
        self.rows = 0
        self._budget_bytes = budget_bytes
        self._threads = threads
        self._blocks: list[_Block] = []
        self._waiting: list[pl.DataFrame] = []
        self._waiting_places: list[tuple[int, int]] = []
        self._waiting_bytes = 0
        self._scratch = Scratch()

    def add(self, frame: pl.DataFrame, places: Sequence[tuple[int, int]]) -> None:
        """Append rows; *places* says how many of them, one after the other, lie in which piece."""
        if frame.is_empty():
            return
        self.rows += frame.height
        self._waiting.append(frame)
        self._waiting_places += places
        self._waiting_bytes += int(frame.estimated_size())
        if self._waiting_bytes > self._budget_bytes:
            self._write()

    def add_later(self, load: Callable[[], pl.DataFrame], places: Sequence[tuple[int, int]]) -> None:
        """Append rows that are loaded every time they are looked through."""
        self.rows += sum(rows for _, rows in places)
        self._blocks.append(_Block(places=places, load=load))

    def met(self, hashes: pl.Series) -> pl.DataFrame:
        """Return the rows (`MET`) whose hash is one of *hashes*, in any order."""
        blocks = [*self._blocks, self._in_memory()] if self._waiting else self._blocks
        if not blocks or hashes.is_empty():
            return MET.to_frame()
        wanted = HashSet(hashes)
        if len(blocks) == 1:
            return _met_in(blocks[0], wanted)
        with keeping_memory(), ThreadPoolExecutor(self._threads) as pool:
            found = pool.map(lambda block: _met_in(block, wanted), blocks)
            return pl.concat([MET.to_frame(), *found])

    def forget(self) -> None:
        """Let all rows go: there is nothing left to look for."""
        self._blocks, self._waiting = [], []
        self._scratch.discard()

    def _in_memory(self) -> _Block:
        frames = list(self._waiting)
        return _Block(places=tuple(self._waiting_places), load=lambda: pl.concat(frames))

    def _write(self) -> None:
        path = self._scratch.write(self._waiting)
        places = tuple(self._waiting_places)
        self._blocks.append(_Block(places=places, load=lambda: pl.read_ipc(path)))
        self._waiting, self._waiting_places, self._waiting_bytes = [], [], 0


def _met_in(block: _Block, wanted: HashSet) -> pl.DataFrame:
    found = wanted.rows_of(block.load())
    if found.is_empty():
        return MET.to_frame()
    ends = pl.Series(list(itertools.accumulate(rows for _, rows in block.places)), dtype=pl.UInt32)
    pieces = pl.Series([piece for piece, _ in block.places], dtype=pl.UInt32)
    piece = pieces[ends.search_sorted(found["row"], side="right")].rename("piece")
    return found.drop("row").with_columns(piece).select(list(MET))
