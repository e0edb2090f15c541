"""Sources to chunks of whole lines, in bounded memory. What a line means is not decided here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from attribute.logs.compression import SNIFF_BYTES, Limits, expand, sniff, unsupported
from attribute.logs.cutting import CHUNK_BYTES, Chunk, whole_lines
from attribute.logs.raw import Fault, Meter, PlainFile, Problem, StandardInput
from attribute.logs.sources import Source
from attribute.logs.storage import RemoteFile, is_url, open_remote
from attribute.logs.unread import Reading, Unread, read_part

__all__ = [
    "CHUNK_BYTES",
    "Chunk",
    "ChunkReader",
    "Limits",
    "Problem",
    "Reading",
    "SourceOutcome",
    "Unread",
    "first_text",
    "is_plain",
    "line_start",
    "plain_blocks",
    "read_part",
    "read_through",
    "stamp_of",
    "whole_lines",
]

_SCAN_BYTES: Final = 256 * 1024

_Raw = PlainFile | RemoteFile | StandardInput


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOutcome:
    """
    How reading one source ended.

    Attributes:
        bytes_read: bytes of the source itself that were read, compressed as they are.
        text_bytes: bytes of text in its lines, the dropped ones included.
        lines: how many lines it has, the dropped ones included; 0 where lines are not counted.
        problem: what kept it from being read in full, or nothing.
        detail: more on the problem, for people; printable.
        sha256: of the bytes read, in hexadecimal, where a fingerprint was asked for.
    """

    bytes_read: int
    text_bytes: int
    lines: int
    problem: Problem | None = None
    detail: str | None = None
    sha256: str | None = None


class ChunkReader:
    """
    Read one source as chunks of whole lines.

    The lines are the same whatever the size of the chunks. A file is read up to the size that it has when it is
    opened. Memory stays within a few chunks, however long a line is. Iterating again reads again; standard input
    too, from what was kept of it.

    Args:
        source: what to read. What cannot be opened yields no chunk and says so in the outcome.
        chunk_bytes: a chunk holds about as many bytes, and at least one line.
        limits: what the source may cost.
        fingerprint: whether to hash the source's bytes.
        start: with *end*, the half-open range of bytes to read, of a plain file only: the lines whose first byte
            lies in it. Ranges that partition a file give each line once.
        end: see *start*; None is the file's end.
        first_line: number of the first line; 0 saves the counting of lines, half a second a gigabyte.
        in_text: whether *start* and *end* are offsets in the text of a compressed source, at which lines start: its
            text is expanded from its first byte on all the same. Of a plain file the two are one.
        through: what the text of a compressed source goes through before it is cut into lines, all of it or a rest.
        opens: opens a file of this machine by its path; raises Fault. Without it, what lies there now is opened.
    """

    def __init__(
        self,
        source: Source,
        *,
        chunk_bytes: int = CHUNK_BYTES,
        limits: Limits | None = None,
        fingerprint: bool = False,
        start: int = 0,
        end: int | None = None,
        first_line: int = 1,
        in_text: bool = False,
        through: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None,
        opens: Callable[[str], PlainFile] | None = None,
    ) -> None:
        if chunk_bytes < 1 or start < 0 or first_line < 0:
            raise ValueError(
                f"chunk_bytes {chunk_bytes} is under 1, or start {start} or first_line {first_line} under 0"
            )
        self._source = source
        self._chunk_bytes = chunk_bytes
        self._limits = limits or Limits()
        self._fingerprint = fingerprint
        self._range = (start, end)
        self._first_line = first_line
        self._in_text = in_text
        self._through = through
        self._opens = opens
        self._raw: _Raw | None = None
        self._meter: Meter | None = None
        self._text_bytes = 0
        self._fault: Fault | None = None
        self._outcome: SourceOutcome | None = None

    @property
    def outcome(self) -> SourceOutcome:
        """How reading ended; there only once iteration has ended."""
        if self._outcome is None:
            raise RuntimeError("the source is not read to its end yet")
        return self._outcome

    @property
    def problem(self) -> Problem | None:
        """What kept it from being read so far, or nothing."""
        return None if self._fault is None else self._fault.problem

    @property
    def bytes_read(self) -> int:
        """How far reading has come, in bytes of the source itself: for progress."""
        return 0 if self._meter is None else self._meter.bytes_read

    def __iter__(self) -> Iterator[Chunk]:
        """Hand out the lines in order; raises ValueError where a range of a compressed source was asked for."""
        line, number = self._first_line, 0
        try:
            for part in self.parts():
                reading = read_part(part)
                for chunk in reading.chunks:
                    yield replace(chunk, first_line=line, number=number)
                    line += chunk.lines if line else 0
                    number += 1
                if reading.fault is not None:
                    self.stop(reading)
                    break
            self.finish(lines=line - self._first_line)
        finally:
            self.close()

    def parts(self) -> Iterator[Chunk | Unread]:
        """
        Hand out what iterating comes to in parts, which whoever takes them may read side by side.

        Chunks have no numbers here, and neither have their lines. In the end call `finish`, or `close` where the rest
        is not wanted; where a part could not be read, `stop` before that, and take no more.
        """
        self._meter = self._fault = self._outcome = None
        self._text_bytes = 0
        try:
            self._raw = raw = _open(self._source, self._opens)
            yield from self._parts(raw)
        except Fault as fault:
            self._fault = fault

    def stop(self, reading: Reading) -> None:
        """Count the source as read up to where *reading* a part of it broke off."""
        assert self._meter is not None
        self._fault, self._meter.position, self._text_bytes = reading.fault, reading.end, reading.text_bytes

    def finish(self, *, lines: int = 0) -> SourceOutcome:
        """Look whether the source is what it was, close it, and say how reading ended; *lines*: how many there are."""
        try:
            if self._raw is not None and self._fault is None:
                self._raw.verify()
                self._notice_replacement(self._raw)
        except Fault as fault:
            self._fault = fault
        finally:
            self.close()
        self._outcome = self._ended(lines)
        return self._outcome

    def close(self) -> None:
        """Give back what is open: no part is read any more."""
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()

    def _ended(self, lines: int) -> SourceOutcome:
        fault, meter = self._fault, self._meter
        return SourceOutcome(
            bytes_read=self.bytes_read,
            text_bytes=self._text_bytes,
            lines=lines,
            problem=None if fault is None else fault.problem,
            detail=None if fault is None else fault.detail,
            sha256=None if meter is None else meter.sha256,
        )

    def _parts(self, raw: _Raw) -> Iterator[Chunk | Unread]:
        head = raw.read_at(0, SNIFF_BYTES)
        if (name := unsupported(head)) is not None:
            raise Fault(Problem.UNSUPPORTED, name)
        compression = sniff(head)
        start, end = self._range
        has_range = compression is None or self._in_text
        if (start, end) != (0, None) and (not has_range or isinstance(raw, StandardInput)):
            raise ValueError("a range can be read of a plain file only")
        if compression is not None:
            self._meter = Meter(raw, fingerprint=self._fingerprint)
            text = expand(self._meter, compression, self._limits)
            return self._cut(_span(text if self._through is None else self._through(text), start, end))
        if isinstance(raw, StandardInput):
            self._meter = Meter(raw, fingerprint=self._fingerprint)
            return self._cut(_stream_blocks(self._meter, self._chunk_bytes))
        if max(start, end or 0) > raw.size_bytes and raw.size_bytes < self._source.size_bytes:
            raise Fault(Problem.SHRANK)  # what lies there now is not what the range was cut from
        first = _line_start(raw, start)
        self._meter = Meter(raw, start=first, fingerprint=self._fingerprint)
        last = raw.size_bytes if end is None else _line_start(raw, end)
        if isinstance(raw, PlainFile) and not self._fingerprint:
            return self._file_parts(raw, self._meter, first, last)
        return self._cut(self._file_blocks(raw, self._meter, first, last))

    def _cut(self, blocks: Iterable[bytes]) -> Iterator[Chunk]:
        """Cut text that was read into chunks."""
        return whole_lines(
            self._heard(blocks),
            chunk_bytes=self._chunk_bytes,
            line_bytes=self._limits.line_bytes,
            first_line=min(self._first_line, 1),
        )

    def _heard(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Hand on *blocks*; a fault ends them, and is kept for the outcome."""
        try:
            for block in blocks:
                self._text_bytes += len(block)
                yield block
        except Fault as fault:
            self._fault = fault

    def _file_parts(self, raw: PlainFile, meter: Meter, at: int, end: int) -> Iterator[Chunk | Unread]:
        """Hand out what need not be read to know where its lines begin and end, and read the rest."""
        while at < end and self._fault is None:
            stop = None if self._hole(raw, at, end) else self._line_end(raw, at, end)
            if stop is None:
                yield from self._cut(_up_to_a_line_end(self._file_blocks(raw, meter, at, end)))
                at = meter.position
                continue
            part = Unread(
                raw=raw,
                start=at,
                end=stop,
                chunk_bytes=self._chunk_bytes,
                line_bytes=self._limits.line_bytes,
                text_before=self._text_bytes,
                counted=self._first_line > 0,
            )
            self._text_bytes += stop - at
            at = meter.position = stop
            yield part

    def _file_blocks(self, raw: PlainFile | RemoteFile, meter: Meter, at: int, end: int) -> Iterator[bytes]:
        """Yield blocks that end where a line ends, if lines are no longer than they may be: none is copied later."""
        line_bytes = self._limits.line_bytes
        while at < end:
            if hole := self._hole(raw, at, end):
                self._text_bytes += hole - line_bytes - 1
                at = meter.position = at + hole
                yield bytes(line_bytes + 1)  # a hole is part of one line that is too long, however large it is
                continue
            stop = min(at + self._chunk_bytes, end)
            if stop < end:
                stop = self._line_end(raw, at, end) or stop
            block = meter.read_at(at, stop - at)
            if not block:
                raise Fault(Problem.SHRANK)
            at += len(block)
            yield block

    def _hole(self, raw: PlainFile | RemoteFile, at: int, end: int) -> int:
        """Return how long a hole lies at an offset; 0 where it is shorter than a line may be."""
        if self._fingerprint:
            return 0
        hole = min(raw.data_at(at), end) - at
        return hole if hole > self._limits.line_bytes else 0

    def _line_end(self, raw: PlainFile | RemoteFile, at: int, end: int) -> int | None:
        """Return the end of the last line of a chunk from *at* on; None where it cannot be found at the chunk's end."""
        stop = min(at + self._chunk_bytes, end)
        if stop - at <= self._limits.line_bytes and stop == end:
            return None  # to be read at once
        probe_at = max(at, stop - self._limits.line_bytes - 1)
        newline = raw.read_at(probe_at, stop - probe_at).rfind(b"\n")
        found = probe_at + newline + 1
        return None if newline < 0 or (stop == end and found < end) else found

    def _notice_replacement(self, raw: _Raw) -> None:
        known = (self._source.device, self._source.inode)
        if isinstance(raw, PlainFile) and self._source.path is not None and known not in {(0, 0), raw.identity}:
            raise Fault(Problem.REPLACED)


def is_plain(source: Source) -> bool:
    """Whether ranges of *source* may be read: it is not compressed, as far as can be seen from here."""
    if source.path is None:
        return False
    try:
        raw = _open(source)
    except Fault:
        return False
    try:
        head = raw.read_at(0, SNIFF_BYTES)
    except Fault:
        return False
    finally:
        raw.close()
    return sniff(head) is None and unsupported(head) is None


def first_text(path: str, count: int) -> bytes:
    """Return the first *count* bytes of the text of a file, fewer where it has fewer or where they cannot be had."""
    text = b""
    try:
        raw = PlainFile.open(path)
        try:
            compression = sniff(raw.read_at(0, SNIFF_BYTES))
            if compression is None:
                return raw.read_at(0, count)
            for block in expand(raw, compression, Limits()):
                text += block[: count - len(text)]
                if len(text) == count:
                    break
        finally:
            raw.close()
    except Fault:
        return text
    return text


def stamp_of(path: str) -> str:
    """Return the stamp of the file that lies at *path* now, see `Source`; empty where it cannot be read."""
    try:
        raw = PlainFile.open(path)
    except Fault:
        return ""
    try:
        return raw.stamp
    finally:
        raw.close()


def line_start(path: str, offset: int, opens: Callable[[str], PlainFile]) -> int | None:
    """
    Return the first offset, at or after *offset*, where a line of a plain file starts, its size if there is none.

    None where it cannot be read; *opens* is as for `ChunkReader`.
    """
    try:
        raw = opens(path)
        try:
            return _line_start(raw, offset)
        finally:
            raw.close()
    except Fault:
        return None


def plain_blocks(path: str) -> Iterator[bytes]:
    """Yield the bytes of a file in blocks, as far as they can be had."""
    try:
        raw = PlainFile.open(path)
        try:
            at = 0
            while block := raw.read_at(at, _SCAN_BYTES):
                at += len(block)
                yield block
        finally:
            raw.close()
    except Fault:
        return


def read_through(source: Source) -> SourceOutcome:
    """Read all of a file as it lies there, for its hash; of its lines nothing is said."""
    problem: Fault | None = None
    meter: Meter | None = None
    try:
        raw = _open(source)
        meter = Meter(raw, fingerprint=True)
        try:
            while meter.read_at(meter.position, CHUNK_BYTES):
                pass
        finally:
            raw.close()
    except Fault as fault:
        problem = fault
    return SourceOutcome(
        bytes_read=0 if meter is None else meter.bytes_read,
        text_bytes=0,
        lines=0,
        problem=None if problem is None else problem.problem,
        detail=None if problem is None else problem.detail,
        sha256=None if meter is None else meter.sha256,
    )


def _open(source: Source, opens: Callable[[str], PlainFile] | None = None) -> _Raw:
    if source.path is not None and is_url(source.path):
        return open_remote(source)
    if source.path is not None:
        opened = PlainFile.open(source.path) if opens is None else opens(source.path)
        if source.stamp and not opened.bears(source.stamp):
            opened.close()
            raise Fault(Problem.REPLACED)
        return opened
    assert source.stream is not None
    return source.stream.open()


def _up_to_a_line_end(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        yield block
        if block.endswith(b"\n"):
            return


def _stream_blocks(meter: Meter, chunk_bytes: int) -> Iterator[bytes]:
    at = 0
    while block := meter.read_at(at, min(chunk_bytes, _SCAN_BYTES)):
        at += len(block)
        yield block


def _span(blocks: Iterator[bytes], start: int, end: int | None) -> Iterator[bytes]:
    """Yield what lies from *start* on and before *end*; where there is no end, all blocks are asked for."""
    at = 0
    for block in blocks:
        after = at + len(block)
        if after > start:
            yield block[max(0, start - at) : None if end is None else end - at]
        if end is not None and after >= end:
            return
        at = after


def _line_start(raw: PlainFile | RemoteFile, offset: int) -> int:
    """Return the first offset, at or after *offset*, at which a line starts; the size if there is none."""
    if offset <= 0:
        return 0
    at = offset - 1
    while block := raw.read_at(at := raw.data_at(at), _SCAN_BYTES):  # in a hole, no line starts
        newline = block.find(b"\n")
        if newline >= 0:
            return at + newline + 1
        at += len(block)
    return raw.size_bytes
