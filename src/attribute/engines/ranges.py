"""What is gathered of one range of a file, what is kept of it, and the way there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

import polars as pl

from attribute.engines.alone import Alone
from attribute.engines.keeper import Keeper
from attribute.engines.kept import Kept, Part
from attribute.engines.loud import span_of
from attribute.engines.partial import Partial, total
from attribute.frames import RECORDS
from attribute.logs.chunks import SourceOutcome
from attribute.rollup import merge

__all__ = ["Keeping", "Range", "kept_of"]


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


class Take(Protocol):
    """Is told of a range what was kept of it."""

    def __call__(self, area: Range, kept: Kept | None, *, is_grown: bool) -> None:
        """
        Take it.

        Args:
            area: the range.
            kept: what was kept; None where nothing was.
            is_grown: whether that is what was kept before, and the range behind it.
        """
        ...


class Keeping:
    """
    Ranges of one file on their way into the cache, each while the next one is read.

    Args:
        pool: the threads.
        keeper: of the file.
        rules: what the loud records were judged by.
        last: what was kept of the file so far: the last range, which may grow.
        take: told of every range, in order, by whoever adds the next one.
    """

    def __init__(self, pool: ThreadPoolExecutor, keeper: Keeper, *, rules: str, last: Kept | None, take: Take) -> None:
        self._pool = pool
        self._keeper = keeper
        self._rules = rules
        self._last = last
        self._hand_on = take
        self._under_way: tuple[Range, Future[tuple[Kept | None, bool]]] | None = None

    def add(self, area: Range, outcome: SourceOutcome) -> None:
        """Have a range kept that was read."""
        self.finish()
        self._under_way = (area, self._pool.submit(self._keep, area, outcome))

    def finish(self) -> None:
        """Wait until all are kept."""
        if self._under_way is not None:
            area, future = self._under_way
            self._under_way = None
            kept, is_grown = future.result()
            self._hand_on(area, kept, is_grown=is_grown)

    def _keep(self, area: Range, outcome: SourceOutcome) -> tuple[Kept | None, bool]:
        last, new = self._last, kept_of(area, self._keeper, self._rules, outcome)
        if new is None:
            return None, False
        grown = last.followed_by(new) if last is not None and last.grows and last.end == new.start else None
        ending = None if grown is None else self._keeper.ending(grown.start, grown.end)
        grown = None if grown is None or ending is None else replace(grown, ending=ending)
        self._last = self._keeper.keep(grown or new)
        return self._last, grown is not None


def kept_of(area: Range, keeper: Keeper, rules: str, outcome: SourceOutcome) -> Kept | None:
    """Return what a range came to, judged by *rules*, to be kept; None where it was not read as a whole."""
    parts = [partial for _, _, partial in area.parts or []]
    end = keeper.end if area.end is None else area.end
    start = area.start if keeper.is_plain else 0
    ending = keeper.ending(start, end)
    if not parts or ending is None or outcome.problem is not None:
        return None
    pieces = tuple(partial.piece for partial in parts if partial.piece is not None)
    is_sealed = all(length for length, _ in pieces)  # of a line that is too long there is no text to seal
    loud = pl.concat([RECORDS.to_frame(), *(records for records, _ in area.judged)])
    return Kept(
        start=start,
        end=end,
        ending=ending,
        read_bytes=outcome.bytes_read,
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
