"""
What was gathered from a range of a file, as bytes for the cache and back.

It holds what was read before any rule was asked: counts of calm requests, the failing and slow records, hashes of the
others. Other rules give other verdicts from the same entry; another limit of what is slow, or another window, does not.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from attribute.cache.contents import Seal
from attribute.engines.packing import UNREADABLE, pack, tally_document, tally_from, unpack
from attribute.engines.partial import QUIET, Tally
from attribute.frames import COUNTS, LATENCY, RECORDS
from attribute.rollup import Rollup, merge

__all__ = ["ALL_CHUNKS", "GROWS_BELOW", "PLACED", "SAMPLE_REJECTS", "Kept"]

PLACED: Final = pl.Schema({**QUIET, "piece": pl.UInt32()})
"""Quiet records with the number of the piece (chunk or split) they lie in."""

SAMPLE_REJECTS: Final = 20
"""So many rejected lines are shown as examples."""

ALL_CHUNKS: Final = -1
"""In a place, in the stead of a chunk's number: all of the range."""

GROWS_BELOW: Final = 64 * 2**20
"""A range of fewer bytes is kept anew together with what follows it, so that entries do not become many."""

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
        places: first byte, end and number of each chunk, as a reader of that range counts them: a range of a plain
            file, or of the text of a compressed one.
        pieces: seals of the range's text, in order and without a gap; none where copies are not to be recognised.
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
    pieces: tuple[Seal, ...]
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
            pieces=(*self.pieces, *other.pieces) if self.pieces and other.pieces else (),
            rejects=(*self.rejects, *behind)[:SAMPLE_REJECTS],
        )

    def in_text(self, start: int) -> Kept:
        """Return it for a compressed file, in whose text it begins at *start*: no chunk has its number there."""
        ends = itertools.accumulate((length for length, _ in self.pieces), initial=start)
        return replace(
            self, places=tuple((first, end, ALL_CHUNKS) for first, end in itertools.pairwise(ends)), pieces=()
        )

    @property
    def text_bytes(self) -> int:
        """How many bytes of text were sealed."""
        return sum(length for length, _ in self.pieces)

    def packed(self) -> bytes:
        """Return all of it as bytes."""
        head = {
            "start": self.start,
            "end": self.end,
            "ending": self.ending,
            "tally": tally_document(self.tally),
            "ending_functions": sorted(self.ending_functions),
            "places": self.places,
            "pieces": self.pieces,
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
                start=int(document["start"]),
                end=int(document["end"]),
                ending=str(document["ending"]),
                tally=tally_from(document["tally"]),
                ended=Rollup(frames[0], frames[1]),
                unended=Rollup(frames[2], frames[3]),
                ending_functions=frozenset(document["ending_functions"]),
                loud=frames[4],
                quiet=frames[5],
                places=tuple((start, end, number) for start, end, number in document["places"]),
                pieces=tuple((int(length), str(digest)) for length, digest in document["pieces"]),
                rejects=tuple((line, reason, detail) for line, reason, detail in document["rejects"]),
            )
        except UNREADABLE:
            return None
