"""What is gathered of one range of a file, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import polars as pl

from attribute.engines.alone import Alone
from attribute.engines.keeper import Keeper
from attribute.engines.kept import Kept, Part
from attribute.engines.loud import span_of
from attribute.engines.partial import Partial, total
from attribute.frames import RECORDS
from attribute.rollup import merge

__all__ = ["Range", "kept_of"]


@dataclass(slots=True, kw_only=True)
class Range:
    """
    A range of one file, while it is read.

    Attributes:
        start: its first byte.
        end: the first after it; None: the file's end.
        lines_before: how many lines of the file come before.
        lines_of_others: how many lines were taken that are not of this file.
        parts: what its chunks come to, where that is kept, but for the loud records; with the number of each among all
            pieces and in the range.
        judged: the loud records, and what they come to.
        through: what the text goes through before it is cut into lines.
        is_sealed: whether to seal the text, so that a copy is recognised.
    """

    start: int
    end: int | None
    lines_before: int
    parts: list[tuple[int, int, Partial]] | None
    through: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None
    is_sealed: bool = False
    lines_of_others: int = 0
    rejects: list[tuple[int, str, str | None]] = field(default_factory=list)
    judged: list[tuple[pl.DataFrame, Alone]] = field(default_factory=list)

    def first_piece(self) -> int:
        """Return the number of its first chunk among all pieces; there is one, and they lie side by side."""
        assert self.parts
        return self.parts[0][0]


def kept_of(area: Range, keeper: Keeper, rules: str, read_bytes: int) -> Kept | None:
    """Return what a range came to, judged by *rules*, to be kept."""
    parts = [partial for _, _, partial in area.parts or []]
    end = keeper.end if area.end is None else area.end
    start = area.start if keeper.is_plain else 0
    ending = keeper.ending(start, end)
    if not parts or ending is None:
        return None
    pieces = tuple(partial.piece for partial in parts if partial.piece is not None)
    is_sealed = all(length for length, _ in pieces)  # of a line that is too long there is no text to seal
    loud = pl.concat([RECORDS.to_frame(), *(records for records, _ in area.judged)])
    return Kept(
        start=start,
        end=end,
        ending=ending,
        read_bytes=read_bytes,
        tally=total(partial.tally for partial in parts),
        ended=merge(rollup for partial in parts for rollup in partial.ended),
        unended=merge(rollup for partial in parts for rollup in partial.unended),
        ending_functions=frozenset[str]().union(*(partial.ending_functions for partial in parts)),
        alone=Alone.sum(alone for _, alone in area.judged),
        rules=rules,
        loud=Part(loud),
        span=span_of(loud),
        quiet=Part(pl.concat([partial.quiet for partial in parts])),
        places=tuple((area.start, area.end, number, partial.quiet.height) for _, number, partial in area.parts or []),
        pieces=pieces if is_sealed else (),
        rejects=tuple(area.rejects),
    )
