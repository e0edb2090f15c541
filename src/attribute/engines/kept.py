"""
What was gathered from a range of a file, as entries for the cache and back.

It holds what was read before any rule was asked: counts of calm requests, the failing and slow records, hashes of the
others. Other rules give other verdicts from the same entry; another limit of what is slow, or another window, does not.
Beside them lies what the loud records come to under the rules that were asked last.

An entry has a head, which is read in every run, and parts that are large and seldom wanted: the loud records, and the
hashes of the quiet ones, which lie in entries of their own.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from attribute.cache.contents import Seal
from attribute.engines.alone import KEYS, Alone
from attribute.engines.analysis import SAMPLE_REJECTS
from attribute.engines.loud import Span, span_of
from attribute.engines.packing import (
    UNREADABLE,
    PackingError,
    instant_document,
    instant_from,
    pack,
    pack_frame,
    tally_document,
    tally_from,
    unpack,
    unpack_frame,
)
from attribute.engines.partial import QUIET, Tally
from attribute.frames import COUNTS, LATENCY, RECORDS
from attribute.rollup import Rollup, merge

__all__ = ["ALL_CHUNKS", "Address", "Kept", "Part", "Place"]

ALL_CHUNKS: Final = -1
"""In a place, in the stead of a chunk's number: all of the range."""

GROWS_BELOW: Final = 64 * 2**20
"""A range of fewer bytes is kept anew together with what follows it, so that entries do not become many."""

_FRAMES: Final = (COUNTS, LATENCY, COUNTS, LATENCY, COUNTS, LATENCY, KEYS, RECORDS, QUIET)
_INLINE_BYTES: Final = 2**18
"""A part under this size lies in the head: one file is opened sooner than two."""

Place = tuple[int, int | None, int, int]
"""First byte, end and number of a chunk, and how many quiet records it has."""


Address = tuple[str, str]
"""The name of an entry, and the hash of what it holds."""


class Part:
    """
    A frame at hand, or one that lies in the cache until it is asked for.

    Args:
        frame: at hand.
        address: of its own entry.
        load: returns it; None where it is gone or spoilt.
    """

    def __init__(
        self,
        frame: pl.DataFrame | None = None,
        *,
        address: Address | None = None,
        load: Callable[[], pl.DataFrame | None] | None = None,
    ) -> None:
        self.at_hand = frame
        self.address = address
        self._load = load

    def frame(self) -> pl.DataFrame | None:
        """Return it, or None where it is gone or spoilt."""
        return self._load() if self.at_hand is None and self._load is not None else self.at_hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """
    What a range of a file comes to.

    Attributes:
        start: the range's first byte ...
        end: ... and the first after it.
        ending: hash of its last bytes.
        read_bytes: how many bytes of the file its lines have: a line belongs to the range that it begins in.
        tally: where its lines went.
        ended: as in `Partial`, added up.
        unended: the same.
        ending_functions: the same.
        alone: what the loud records come to, each taken for a request ...
        rules: ... under which rules and limits.
        loud: the loud records (`RECORDS`) ...
        span: ... and their times.
        quiet: hashes of the others (`QUIET`), in the order of *places*.
        places: the chunks, as a reader of that range counts them: a range of a plain file, or of the text of a
            compressed one.
        pieces: seals of the range's text, in order and without a gap; none where copies are not to be recognised.
        rejects: line in the range, reason and detail of the first rejected lines.
    """

    start: int
    end: int
    ending: str
    read_bytes: int
    tally: Tally
    ended: Rollup
    unended: Rollup
    ending_functions: frozenset[str]
    alone: Alone
    rules: str
    loud: Part
    span: Span | None
    quiet: Part
    places: tuple[Place, ...]
    pieces: tuple[Seal, ...]
    rejects: tuple[tuple[int, str, str | None], ...]

    def followed_by(self, other: Kept) -> Kept | None:
        """
        Return one range of this one and the one behind it; None where a part of one of them is gone.

        Its `ending` is that of the latter, which may be shorter than what a range as long as both is recognised by.
        """
        loud, quiet = _joined(self.loud, other.loud), _joined(self.quiet, other.quiet)
        if loud is None or quiet is None or self.rules != other.rules:
            return None
        behind = ((self.tally.lines + line, reason, detail) for line, reason, detail in other.rejects)
        return Kept(
            start=self.start,
            end=other.end,
            ending=other.ending,
            read_bytes=self.read_bytes + other.read_bytes,
            tally=self.tally + other.tally,
            ended=merge([self.ended, other.ended]),
            unended=merge([self.unended, other.unended]),
            ending_functions=self.ending_functions | other.ending_functions,
            alone=Alone.sum([self.alone, other.alone]),
            rules=self.rules,
            loud=Part(loud),
            span=span_of(loud),
            quiet=Part(quiet),
            places=(*self.places, *other.places),
            pieces=(*self.pieces, *other.pieces) if self.pieces and other.pieces else (),
            rejects=(*self.rejects, *behind)[:SAMPLE_REJECTS],
        )

    def in_text(self, start: int) -> Kept:
        """Return it for a compressed file, in whose text it begins at *start*: no chunk has its number there."""
        ends = itertools.accumulate((length for length, _ in self.pieces), initial=start)
        stretches = zip(itertools.pairwise(ends), self.places, strict=True)
        places = tuple((first, end, ALL_CHUNKS, rows) for (first, end), (_, _, _, rows) in stretches)
        return replace(self, places=places, pieces=())

    @property
    def grows(self) -> bool:
        """Whether it is kept anew together with what follows it."""
        return self.end - self.start < GROWS_BELOW

    @property
    def text_bytes(self) -> int:
        """How many bytes of text were sealed."""
        return sum(length for length, _ in self.pieces)

    @property
    def names(self) -> set[str]:
        """What the entries of its parts are called, where they have some of their own."""
        return {part.address[0] for part in (self.loud, self.quiet) if part.address is not None}

    def gathered(self) -> Kept | None:
        """Return it with all parts at hand and none in an entry; None where one is gone."""
        loud, quiet = self.loud.frame(), self.quiet.frame()
        return None if loud is None or quiet is None else replace(self, loud=Part(loud), quiet=Part(quiet))

    def outlying(self, put: Callable[[str, memoryview], Address]) -> Kept:
        """
        Return it with every part that is large in an entry of its own.

        Args:
            put: keeps an entry, given what it holds and that as bytes, and says where.
        """

        def apart(what: str, part: Part) -> Part:
            frame = part.at_hand
            if frame is None or frame.estimated_size() < _INLINE_BYTES:
                return part
            return Part(frame, address=put(what, pack_frame(frame)))

        return replace(self, loud=apart("loud", self.loud), quiet=apart("quiet", self.quiet))

    def left_in(self, get: Callable[[str, str], bytes | None]) -> Kept:
        """Return it with no part in memory that lies in an entry; *get* as for `unpacked`."""
        loud, quiet = (
            part if part.address is None else _part(part.address, schema.to_frame(), get)
            for part, schema in ((self.loud, RECORDS), (self.quiet, QUIET))
        )
        return replace(self, loud=loud, quiet=quiet)

    def packed(self) -> bytes:
        """Return its head as bytes, with those parts that have no entry of their own."""
        head = {
            "start": self.start,
            "end": self.end,
            "ending": self.ending,
            "read_bytes": self.read_bytes,
            "tally": tally_document(self.tally),
            "ending_functions": sorted(self.ending_functions),
            "flags": self.alone.flags,
            "rules": self.rules,
            "loud": self.loud.address,
            "span": None if self.span is None else [instant_document(at) for at in self.span],
            "quiet": self.quiet.address,
            "places": self.places,
            "pieces": self.pieces,
            "rejects": self.rejects,
        }
        rollups = (self.ended, self.unended, self.alone.counted)
        counts = itertools.chain.from_iterable((each.counts, each.latency) for each in rollups)
        return pack(head, (*counts, self.alone.keys, _inline(self.loud, RECORDS), _inline(self.quiet, QUIET)))

    @classmethod
    def unpacked(cls, data: bytes, get: Callable[[str, str], bytes | None]) -> Kept | None:
        """
        Return what *data* holds, or None where it is of another form.

        Args:
            data: as `packed` made it.
            get: returns what an entry of a name and a hash holds, or None.
        """
        try:
            document, frames = unpack(data, _FRAMES)
            span = document["span"]
            return cls(
                start=int(document["start"]),
                end=int(document["end"]),
                ending=str(document["ending"]),
                read_bytes=int(document["read_bytes"]),
                tally=tally_from(document["tally"]),
                ended=Rollup(frames[0], frames[1]),
                unended=Rollup(frames[2], frames[3]),
                ending_functions=frozenset(document["ending_functions"]),
                alone=Alone(keys=frames[6], counted=Rollup(frames[4], frames[5]), flags=Counter(document["flags"])),
                rules=str(document["rules"]),
                loud=_part(document["loud"], frames[7], get),
                span=None if span is None else (instant_from(span[0]), instant_from(span[1])),
                quiet=_part(document["quiet"], frames[8], get),
                places=tuple((start, end, number, rows) for start, end, number, rows in document["places"]),
                pieces=tuple((int(length), str(digest)) for length, digest in document["pieces"]),
                rejects=tuple((line, reason, detail) for line, reason, detail in document["rejects"]),
            )
        except UNREADABLE:
            return None


def _joined(one: Part, other: Part) -> pl.DataFrame | None:
    frames = [one.frame(), other.frame()]
    there = [frame for frame in frames if frame is not None]
    return pl.concat(there) if len(there) == len(frames) else None


def _inline(part: Part, schema: pl.Schema) -> pl.DataFrame:
    return schema.to_frame() if part.address is not None or part.at_hand is None else part.at_hand


def _part(said: Sequence[Any] | None, inline: pl.DataFrame, get: Callable[[str, str], bytes | None]) -> Part:
    if said is None:
        return Part(inline)
    name, digest = (str(each) for each in said)

    def load() -> pl.DataFrame | None:
        payload = get(name, digest)
        try:
            return None if payload is None else unpack_frame(payload, inline.schema)
        except PackingError:
            return None

    return Part(address=(name, digest), load=load)
