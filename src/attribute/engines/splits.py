"""A list of sources, cut into splits: what one task of a cluster reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from attribute.logs.chunks import is_plain
from attribute.logs.sources import Source

__all__ = ["SPLIT_BYTES", "Split", "plan"]

SPLIT_BYTES: Final = 64 * 2**20
"""A plain file of more bytes than this is read in ranges of at most so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """
    A whole file, or a range of a big plain one.

    Attributes:
        number: its place among all splits: files in order, ranges of a file in order.
        file: which source it is of.
        source: that source; it is opened again where the split is read.
        start: with *end*, the half-open range of bytes; the lines whose first byte lies in it.
        end: see *start*; None is the file's end.
        only_hash: whether no line is read: the file's bytes are hashed, because its lines are read in ranges.
    """

    number: int
    file: int
    source: Source
    start: int = 0
    end: int | None = None
    only_hash: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its file."""
        return self.start == 0 and self.end is None

    @property
    def size_bytes(self) -> int:
        """How many bytes it is, about."""
        return (self.source.size_bytes if self.end is None else self.end) - self.start

    @property
    def place(self) -> str:
        """What to call it in a message."""
        if self.is_whole:
            return f"`{self.source.name}`"
        end = self.source.size_bytes if self.end is None else self.end
        return f"bytes {self.start:,} to {end:,} of `{self.source.name}`"


def plan(sources: Sequence[Source], *, split_bytes: int = SPLIT_BYTES, fingerprint: bool = False) -> tuple[Split, ...]:
    """
    Cut *sources* into splits.

    Args:
        sources: files that the workers can open.
        split_bytes: no range is larger.
        fingerprint: whether each file's bytes are to be hashed: of a file in ranges that is a split of its own.

    Returns:
        One split for each compressed or small file, ranges that partition each big plain one.
    """
    splits: list[Split] = []
    for file, source in enumerate(sources):
        if source.size_bytes <= split_bytes or not is_plain(source):
            splits.append(Split(number=len(splits), file=file, source=source))
            continue
        starts = range(0, source.size_bytes, split_bytes)
        for start in starts:
            end = start + split_bytes
            last = end >= source.size_bytes
            splits.append(Split(number=len(splits), file=file, source=source, start=start, end=None if last else end))
        if fingerprint:
            splits.append(Split(number=len(splits), file=file, source=source, only_hash=True))
    return tuple(splits)
