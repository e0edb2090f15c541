"""A text that comes in any pieces, cut into chunks of whole lines. No line is ever looked at by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from attribute.logs.compression import Limits

__all__ = ["CHUNK_BYTES", "Chunk", "whole_lines"]

CHUNK_BYTES: Final = 16 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """
    Some whole lines of one source.

    Attributes:
        data: the lines, each ended by 0x0A but for the source's last, if that lacks it. Empty where *too_long*.
        first_line: number of the first line, from 1; 0 where lines are not counted.
        lines: how many lines; always 1 where *too_long*, else 0 where lines are not counted.
        number: number of the chunk in its source, from 0.
        too_long: the chunk stands for one line over the limit, which was dropped.
        ends_file: no chunk of this reader follows.
        cut_off_tail: the last line of *data* (or the dropped line) has no newline.
    """

    data: bytes
    first_line: int = 1
    lines: int = 0
    number: int = 0
    too_long: bool = False
    ends_file: bool = False
    cut_off_tail: bool = False


_TOO_LONG: Final = Chunk(data=b"", lines=1, too_long=True)


def whole_lines(
    blocks: Iterable[bytes],
    *,
    chunk_bytes: int = CHUNK_BYTES,
    line_bytes: int = Limits().line_bytes,
    first_line: int = 1,
) -> Iterator[Chunk]:
    """
    Cut a text that comes in any pieces into chunks of whole lines.

    Args:
        blocks: the text.
        chunk_bytes: a chunk holds about as many bytes, and at least one line.
        line_bytes: a line of more bytes, newline not counted, becomes a chunk of its own without data.
        first_line: number of the first line; 0: do not count.
    """
    held: Chunk | None = None
    chunks = _gather(_mend(_slices(blocks, chunk_bytes), line_bytes), chunk_bytes, line_bytes, counted=first_line > 0)
    for number, chunk in enumerate(chunks):
        if held is not None:
            yield held
        held = replace(chunk, first_line=first_line, number=number)
        first_line += chunk.lines if first_line else 0
    if held is not None:
        yield replace(held, ends_file=True)


def _slices(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for block in blocks:
        if len(block) <= size:
            yield block
        else:
            for at in range(0, len(block), size):
                yield block[at : at + size]


def _mend(blocks: Iterable[bytes], line_bytes: int) -> Iterator[Chunk]:
    """Join what a block's border cut apart: chunks of any size whose lines may still be too long, but for the last."""
    carried: list[bytes] = []
    carried_bytes = 0
    dropping = False
    for block in blocks:
        cut = block.rfind(b"\n") + 1
        if cut:
            start = 0
            if dropping:
                yield _TOO_LONG
                start = block.find(b"\n") + 1
            body = block[start:cut] if not carried else b"".join((*carried, block[:cut]))
            if body:
                yield Chunk(data=body)
            carried, carried_bytes, dropping = [], 0, False
        if not dropping and cut < len(block):
            carried.append(block[cut:])
            carried_bytes += len(block) - cut
        if carried_bytes > line_bytes:
            carried, carried_bytes, dropping = [], 0, True
    if dropping:
        yield replace(_TOO_LONG, cut_off_tail=True)
    elif carried:
        yield Chunk(data=b"".join(carried), cut_off_tail=True)


def _gather(chunks: Iterable[Chunk], chunk_bytes: int, line_bytes: int, *, counted: bool) -> Iterator[Chunk]:
    """Take out lines that are too long, and join what is smaller than a chunk should be."""
    parts: list[bytes] = []
    size = 0
    tail = False
    for chunk in chunks:
        for data in [None] if chunk.too_long else _without_long_lines(chunk.data, line_bytes):
            if parts and (data is None or size + len(data) > chunk_bytes):
                yield _joined(parts, counted=counted)
                parts, size = [], 0
            if data is None:
                yield chunk if chunk.too_long else _TOO_LONG
            else:
                parts.append(data)
                size += len(data)
        tail = chunk.cut_off_tail and not chunk.too_long
    if parts:
        yield _joined(parts, counted=counted, cut_off_tail=tail)


def _joined(parts: list[bytes], *, counted: bool, cut_off_tail: bool = False) -> Chunk:
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    lines = data.count(b"\n") + cut_off_tail if counted else 0
    return Chunk(data=data, lines=lines, cut_off_tail=cut_off_tail)


def _without_long_lines(data: bytes, line_bytes: int) -> Iterator[bytes | None]:
    """Yield *data* without its lines of more than *line_bytes*, and None for each of those. One look per 64 KiB."""
    start = line_at = 0
    while len(data) - line_at > line_bytes + 1:
        newline = data.rfind(b"\n", line_at, line_at + line_bytes + 1)
        if newline >= 0:
            line_at = newline + 1
            continue
        if start < line_at:
            yield data[start:line_at]
        yield None
        start = line_at = data.index(b"\n", line_at + line_bytes + 1) + 1
    if start < len(data):
        yield data[start:]
