"""Sources to chunks of whole lines, in bounded memory. What a line means is not decided here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from attribute.logs.compression import Limits, Problem
from attribute.logs.sources import Source

__all__ = ["CHUNK_BYTES", "Chunk", "ChunkReader", "Limits", "Problem", "SourceOutcome"]

CHUNK_BYTES: Final = 16 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """
    Some whole lines of one source.

    Attributes:
        data: the lines, each ended by 0x0A but for the source's last, if that lacks it. Empty where *too_long*.
        first_line: number of the first line, from 1.
        lines: how many lines; always 1 where *too_long*.
        number: number of the chunk in its source, from 0.
        too_long: the chunk stands for one line over the limit, which was dropped.
        ends_file: no chunk of this source follows.
        cut_off_tail: the last line of *data* (or the dropped line) has no newline.
    """

    data: bytes
    first_line: int = 1
    lines: int = 0
    number: int = 0
    too_long: bool = False
    ends_file: bool = False
    cut_off_tail: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOutcome:
    """
    How reading one source ended.

    Attributes:
        bytes_read: bytes of the source itself that were read, compressed as they are.
        text_bytes: bytes of text in its lines, the dropped ones included.
        lines: how many lines it has, the dropped ones included.
        problem: what kept it from being read in full, or nothing.
        detail: more on the problem, for people; printable.
        sha256: of the source's bytes, where asked for.
    """

    bytes_read: int
    text_bytes: int
    lines: int
    problem: Problem | None = None
    detail: str | None = None
    sha256: str | None = None


class ChunkReader:
    """
    Read one source as chunks of whole lines; iterate once.

    Args:
        source: what to read.
        chunk_bytes: a chunk holds about as many bytes, and at least one line.
        limits: what the source may cost.
    """

    def __init__(self, source: Source, *, chunk_bytes: int = CHUNK_BYTES, limits: Limits | None = None) -> None:
        self._source = source
        self._chunk_bytes = chunk_bytes
        self._limits = limits or Limits()
        self._outcome: SourceOutcome | None = None

    @property
    def outcome(self) -> SourceOutcome:
        """How reading ended; there only once iteration has ended."""
        if self._outcome is None:
            raise RuntimeError("the source is not read to its end yet")
        return self._outcome

    def __iter__(self) -> Iterator[Chunk]:
        """Hand out the source's lines in order."""
        with open(self._source.path or 0, "rb") as file:  # noqa: PTH123 - replaced soon by the real opening
            data = file.read()
        lines = data.count(b"\n") + (bool(data) and not data.endswith(b"\n"))
        if data:
            yield Chunk(data=data, lines=lines, ends_file=True, cut_off_tail=not data.endswith(b"\n"))
        self._outcome = SourceOutcome(bytes_read=len(data), text_bytes=len(data), lines=lines)
