"""
What was gathered from a range of a file, as bytes for the cache and back.

It holds what was read before any rule was asked: counts of calm requests, the failing and slow records, hashes of the
others. Other rules give other verdicts from the same entry; another limit of what is slow, or another window, does not.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Final

import polars as pl

from attribute.cache.code import code_mark
from attribute.cache.identity import Snapshot
from attribute.cache.store import Store
from attribute.engines.analysis import AnalysisOptions
from attribute.engines.packing import UNREADABLE, pack, unpack
from attribute.engines.partial import QUIET, Tally
from attribute.frames import COUNTS, LATENCY, RECORDS
from attribute.rollup import Rollup, merge
from attribute.slots import EPOCH

__all__ = ["GROWS_BELOW", "PLACED", "SAMPLE_REJECTS", "Keeper", "Kept", "context_of"]

PLACED: Final = pl.Schema({**QUIET, "piece": pl.UInt32()})
"""Quiet records with the number of the piece (chunk or split) they lie in."""

SAMPLE_REJECTS: Final = 20
"""So many rejected lines are shown as examples."""

GROWS_BELOW: Final = 64 * 2**20
"""A range of fewer bytes is kept anew together with what follows it, so that entries do not become many."""

SEGMENT_BYTES: Final = 2**30
"""A file is kept in ranges of about so many bytes, so that no entry grows with the file."""

_FORMAT: Final = "2"
_INSTANTS: Final = ("first_at", "last_at")
_FRAMES: Final = (COUNTS, LATENCY, COUNTS, LATENCY, RECORDS, PLACED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """
    What a range of a file comes to.

    Attributes:
        start: the range's first byte ...
        end: ... and the first after it.
        ending: hash of its last bytes.
        tally: where its lines went.
        ended: as in `Partial`, added up.
        unended: the same.
        ending_functions: the same.
        loud: the same (`RECORDS`).
        quiet: `PLACED`, by numbers into *places*.
        places: first byte, end and number of each chunk, as a reader of that range counts them.
        rejects: line in the range, reason and detail of the first rejected lines.
    """

    start: int
    end: int
    ending: str
    tally: Tally
    ended: Rollup
    unended: Rollup
    ending_functions: frozenset[str]
    loud: pl.DataFrame
    quiet: pl.DataFrame
    places: tuple[tuple[int, int | None, int], ...]
    rejects: tuple[tuple[int, str, str | None], ...]

    def followed_by(self, other: Kept) -> Kept:
        """Return one range of this one and the one behind it."""
        piece = (pl.col("piece") + len(self.places)).cast(pl.UInt32)
        behind = ((self.tally.lines + line, reason, detail) for line, reason, detail in other.rejects)
        return Kept(
            start=self.start,
            end=other.end,
            ending=other.ending,
            tally=self.tally + other.tally,
            ended=merge([self.ended, other.ended]),
            unended=merge([self.unended, other.unended]),
            ending_functions=self.ending_functions | other.ending_functions,
            loud=pl.concat([self.loud, other.loud]),
            quiet=pl.concat([self.quiet, other.quiet.with_columns(piece)]),
            places=(*self.places, *other.places),
            rejects=(*self.rejects, *behind)[:SAMPLE_REJECTS],
        )

    def packed(self) -> bytes:
        """Return all of it as bytes."""
        tally = {each.name: getattr(self.tally, each.name) for each in fields(Tally)}
        for name in _INSTANTS:
            tally[name] = None if tally[name] is None else (tally[name] - EPOCH) // timedelta(microseconds=1)
        head = {
            "start": self.start,
            "end": self.end,
            "ending": self.ending,
            "tally": tally,
            "ending_functions": sorted(self.ending_functions),
            "places": self.places,
            "rejects": self.rejects,
        }
        frames = (
            self.ended.counts, self.ended.latency, self.unended.counts, self.unended.latency, self.loud, self.quiet,
        )  # fmt: skip
        return pack(head, frames)

    @classmethod
    def unpacked(cls, data: memoryview) -> Kept | None:
        """Return what *data* holds, or None where it is of another form."""
        try:
            document, frames = unpack(data, _FRAMES)
            return cls(
                start=document["start"],
                end=document["end"],
                ending=document["ending"],
                tally=_tally(document["tally"]),
                ended=Rollup(frames[0], frames[1]),
                unended=Rollup(frames[2], frames[3]),
                ending_functions=frozenset(document["ending_functions"]),
                loud=frames[4],
                quiet=frames[5],
                places=tuple((start, end, number) for start, end, number in document["places"]),
                rejects=tuple((line, reason, detail) for line, reason, detail in document["rejects"]),
            )
        except UNREADABLE:
            return None


def _tally(document: dict[str, Any]) -> Tally:
    values: dict[str, Any] = {
        name: Counter(value) if isinstance(value, dict) else value for name, value in document.items()
    }
    for name in _INSTANTS:
        values[name] = None if document[name] is None else EPOCH + timedelta(microseconds=document[name])
    return Tally(**values)


class Keeper:
    """
    The ranges of one file that are kept, and those to be.

    Args:
        snapshot: the file.
        store: where they are kept.
        options: what is read of it, and how.
    """

    def __init__(self, snapshot: Snapshot, store: Store, options: AnalysisOptions) -> None:
        self._snapshot = snapshot
        self._store = store
        self._context = context_of(options)

    @classmethod
    def of(cls, path: str | None, size_bytes: int | None, options: AnalysisOptions) -> Keeper | None:
        """Return the keeper of a file; None where nothing is to be kept of it."""
        cache = options.cache
        if cache is None or path is None or options.on_reject is not None or options.fingerprint:
            return None  # the hash of all bytes, and every rejected line, take reading all of it
        if size_bytes is None or size_bytes < cache.least_bytes:
            return None
        snapshot = Snapshot.of(path)
        return None if snapshot is None else cls(snapshot, cache.store, options)

    def kept(self) -> Iterator[Kept]:
        """Yield what was kept, range after range from the file's start, as far as the file still is what was read."""
        start = 0
        while start < self._snapshot.lines_end:
            payload = self._store.get(self._key(start))
            found = None if payload is None else Kept.unpacked(payload)
            if found is None or found.start != start or not start < found.end <= self._snapshot.lines_end:
                return
            if found.ending != self._snapshot.ending(start, found.end):
                return
            yield found
            start = found.end

    def ranges(self, start: int) -> Sequence[tuple[int, int | None]]:
        """Return the ranges to read and keep from *start* on; the end is None for all of a compressed file."""
        end = self._snapshot.lines_end
        if not self._snapshot.is_plain:
            return [(0, None)] if start == 0 else []
        cuts = [*range(start, end, SEGMENT_BYTES), end]
        return list(itertools.pairwise(cuts))

    @property
    def end(self) -> int:
        """Where what can be kept ends."""
        return self._snapshot.lines_end

    def known(self, end: int) -> tuple[str, str] | None:
        """Return what the file is, and what it is up to *end*; None where that cannot be told."""
        return self._snapshot.known(end)

    @property
    def is_plain(self) -> bool:
        """Whether ranges of the file can be read."""
        return self._snapshot.is_plain

    def ending(self, start: int, end: int) -> str | None:
        """Return the hash that a range is recognised by."""
        return self._snapshot.ending(start, end)

    def keep(self, kept: Kept) -> None:
        """Keep a range."""
        self._store.put(self._key(kept.start), kept.packed())

    def _key(self, start: int) -> str:
        text = "\n".join((_FORMAT, self._snapshot.identity, self._context, str(start)))
        return hashlib.sha256(text.encode()).hexdigest()


def context_of(options: AnalysisOptions) -> str:
    """Say all that what is gathered depends on, but for the file: not the rules, which are asked afterwards."""
    slow = {name: limits.slow_ms for name, limits in sorted(options.thresholds.by_function.items())}
    window = options.window
    return repr((
        code_mark(), pl.__version__, options.thresholds.default.slow_ms, slow, window.since_at, window.until_at,
        options.strict, options.latency_slot, options.chunk_bytes,
    ))  # fmt: skip
