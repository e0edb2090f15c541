"""A part of a file that nobody has read yet: whoever wants its lines reads it where they are wanted, in any thread."""

from __future__ import annotations

from dataclasses import dataclass, field

from attribute.logs.cutting import Chunk, whole_lines
from attribute.logs.raw import Fault, PlainFile, Problem

__all__ = ["Reading", "Unread", "read_part"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    What reading came to.

    Attributes:
        chunks: the lines; mostly one chunk.
        end: the first offset that was not read.
        text_bytes: of how many bytes of text the source is known to be, up to there.
        fault: what kept the rest from being read.
    """

    chunks: list[Chunk] = field(default_factory=list)
    end: int = 0
    text_bytes: int = 0
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """
    A part of a file that begins and ends where lines do, unless the file is being changed.

    Attributes:
        raw: the file; it has to stay open.
        start: the first byte ...
        end: ... and the first one after it.
        chunk_bytes: as for `whole_lines` ...
        line_bytes: ... and this too.
        text_before: bytes of text that the source has before it.
        counted: whether lines are to be counted.
    """

    raw: PlainFile
    start: int
    end: int
    chunk_bytes: int
    line_bytes: int
    text_before: int
    counted: bool

    def read(self) -> Reading:
        """Read it, as far as that can be done."""
        blocks: list[bytes] = []
        at, fault = self.start, None
        try:
            while at < self.end:
                block = self.raw.read_at(at, self.end - at)
                if not block:
                    raise Fault(Problem.SHRANK)  # noqa: TRY301 - as one that the file raises
                blocks.append(block)
                at += len(block)
        except Fault as met:
            fault = met
        chunks = whole_lines(
            blocks, chunk_bytes=self.chunk_bytes, line_bytes=self.line_bytes, first_line=int(self.counted)
        )
        return Reading(chunks=list(chunks), end=at, text_bytes=self.text_before + at - self.start, fault=fault)


def read_part(part: Chunk | Unread) -> Reading:
    """Return what a part comes to, whether it was read already or not."""
    return part.read() if isinstance(part, Unread) else Reading(chunks=[part])
