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
        cut_off_tail: the last line of *data* (or the dropped line) has no newline.
    """

    data: bytes
    first_line: int = 1
    lines: int = 0
    number: int = 0
    too_long: bool = False
    cut_off_tail: bool = False


@dataclass(frozen=True, slots=True)
class _Run:
    """Whole lines within a block: they are copied once, into a chunk, or not at all."""

    block: bytes
    start: int
    stop: int
    is_cut_off: bool = False


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
    chunks = _gather(_mend(_slices(blocks, chunk_bytes), line_bytes), chunk_bytes, line_bytes, counted=first_line > 0)
    for number, chunk in enumerate(chunks):
        yield replace(chunk, first_line=first_line, number=number)
        first_line += chunk.lines if first_line else 0


def _slices(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for block in blocks:
        if len(block) <= size:
            yield block
        else:
            for at in range(0, len(block), size):
                yield block[at : at + size]


def _mend(blocks: Iterable[bytes], line_bytes: int) -> Iterator[_Run | Chunk]:
    """Mend lines that the border of blocks cut apart: all but the last one may still be too long, or known to be."""
    carried: list[bytes] = []
    carried_bytes = 0
    dropping = False
    for block in blocks:
        start, cut = 0, block.rfind(b"\n") + 1
        if cut and (carried or dropping):
            start = block.find(b"\n") + 1
            line = b"".join((*carried, memoryview(block)[:start]))
            yield _TOO_LONG if dropping else _Run(line, 0, len(line))
            carried, carried_bytes, dropping = [], 0, False
        if start < cut:
            yield _Run(block, start, cut)
        if not dropping and cut < len(block):
            carried.append(block[cut:])
            carried_bytes += len(block) - cut
        if carried_bytes > line_bytes:
            carried, carried_bytes, dropping = [], 0, True
    if dropping:
        yield replace(_TOO_LONG, cut_off_tail=True)
    elif carried:
        line = b"".join(carried)
        yield _Run(line, 0, len(line), is_cut_off=True)


def _gather(runs: Iterable[_Run | Chunk], chunk_bytes: int, line_bytes: int, *, counted: bool) -> Iterator[Chunk]:
    """Take out lines that are too long, and join what is smaller than a chunk should be."""
    parts: list[bytes | memoryview] = []
    size = 0
    tail = False
    for run in runs:
        for part in [run] if isinstance(run, Chunk) else _without_long_lines(run, line_bytes):
            if parts and (isinstance(part, Chunk) or size + len(part) > chunk_bytes):
                yield _joined(parts, counted=counted)
                parts, size = [], 0
            if isinstance(part, Chunk):
                yield part
                continue
            parts.append(part)
            size += len(part)
        tail = isinstance(run, _Run) and run.is_cut_off
    if parts:
        yield _joined(parts, counted=counted, cut_off_tail=tail)


def _joined(parts: list[bytes | memoryview], *, counted: bool, cut_off_tail: bool = False) -> Chunk:
    only = parts[0] if len(parts) == 1 else None
    data = only if isinstance(only, bytes) else b"".join(parts)
    lines = data.count(b"\n") + cut_off_tail if counted else 0
    return Chunk(data=data, lines=lines, cut_off_tail=cut_off_tail)


def _without_long_lines(run: _Run, line_bytes: int) -> Iterator[bytes | memoryview | Chunk]:
    """Yield a run without its lines of more than *line_bytes*, and a chunk for each of those. One look per 64 KiB."""
    block, start, stop = run.block, run.start, run.stop
    line_at = start
    while stop - line_at > line_bytes + 1:
        newline = block.rfind(b"\n", line_at, line_at + line_bytes + 1)
        if newline >= 0:
            line_at = newline + 1
            continue
        if start < line_at:
            yield memoryview(block)[start:line_at]
        yield _TOO_LONG
        start = line_at = block.index(b"\n", line_at + line_bytes + 1, stop) + 1
    if (start, stop) == (0, len(block)):
        yield block
    elif start < stop:
        yield memoryview(block)[start:stop]
