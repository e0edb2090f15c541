"""Compressed input: what a file is compressed with, by its first bytes, and how far its text can be had."""

from __future__ import annotations

import bz2
import contextlib
import importlib
import lzma
import sys
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from attribute.logs.raw import Fault, Problem, Readable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

isal_zlib: Any = None
with contextlib.suppress(ImportError):  # there is none for this machine: zlib does the same in three times the time
    isal_zlib = importlib.import_module("isal.isal_zlib")

__all__ = ["SNIFF_BYTES", "Compression", "Limits", "expand", "sniff", "unsupported"]

SNIFF_BYTES: Final = 16
_FIRST_PIECE_BYTES: Final = 1024
_PIECE_BYTES: Final = 256 * 1024
_STEP_BYTES: Final = 1024 * 1024
_PADDING_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What one source may cost.

    Attributes:
        line_bytes: a line of more bytes than this, newline not counted, is dropped and counted as too long.
        ratio: text may be at most this many times as large as what it was expanded from ...
        ratio_from_bytes: ... once there is more text than this.
        text_bytes: a compressed source is read up to this much text.
        window_bytes: memory that a decompressor may ask for to look back; for zstd rounded down to a power of two.
    """

    line_bytes: int = 64 * 1024
    ratio: int = 200
    ratio_from_bytes: int = 1024 * 1024
    text_bytes: int = 2 * 1024**3
    window_bytes: int = 128 * 1024**2


class Compression(StrEnum):
    """What this reader can expand."""

    GZIP = "gzip"
    ZSTD = "zstd"
    BZIP2 = "bzip2"
    XZ = "xz"


_BZIP2_BLOCKS: Final = (bytes.fromhex("314159265359"), bytes.fromhex("177245385090"))

_UNSUPPORTED: Final = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x1f\x9d": "compress",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"LZIP": "lzip",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
}


def sniff(head: bytes) -> Compression | None:
    r"""
    Tell the compression of a file from its first `SNIFF_BYTES` bytes; None for anything else.

    >>> sniff(b"\x1f\x8b\x08"), sniff(b'{"request_id"')
    (<Compression.GZIP: 'gzip'>, None)
    """
    if head.startswith(b"\x1f\x8b"):
        return Compression.GZIP
    if head.startswith(b"\x28\xb5\x2f\xfd") or _is_skippable(head):
        return Compression.ZSTD
    if head.startswith(b"\xfd7zXZ\x00"):
        return Compression.XZ
    if head[:3] == b"BZh" and head[3:4] in tuple(b"%d" % level for level in range(1, 10)) and len(head) >= 10:
        return Compression.BZIP2 if head[4:10] in _BZIP2_BLOCKS else None
    return None


def _is_skippable(head: bytes) -> bool:
    return len(head) >= 4 and head[0] & 0xF0 == 0x50 and head[1:4] == b"\x2a\x4d\x18"


def unsupported(head: bytes) -> str | None:
    """Name the compression that a file's first bytes speak of, where it is one this reader cannot expand."""
    return next((name for magic, name in _UNSUPPORTED.items() if head.startswith(magic)), None)


class _Decoder(Protocol):
    """One member (gzip), frame (zstd) or stream (bzip2, xz)."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipDecoder:
    """
    zlib's object in the shape of the other three. It checks the sum and the length at the end itself.

    Args:
        quick: whether another implementation may do it, the same for sound input; what is unsound is zlib's to tell.
    """

    def __init__(self, *, quick: bool) -> None:
        library = isal_zlib if quick and isal_zlib is not None else zlib
        self._inner = library.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def needs_input(self) -> bool:
        return not self._full and not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        text: bytes = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._full = len(text) == max_length
        return text


_ERRORS: Final[tuple[type[Exception], ...]] = (
    *(zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, EOFError),
    *(() if isal_zlib is None else (isal_zlib.error,)),
)
_WORDS: Final = (
    ("check", Problem.CHECKSUM),  # zlib: incorrect data check, incorrect length check; zstd: doesn't match checksum
    ("memory", Problem.WINDOW),  # zstd: Frame requires too much memory for decoding; xz: Memory usage limit exceeded
    ("ictionary", Problem.DICTIONARY),  # zstd: Dictionary mismatch
)


def _problem(error: Exception) -> Problem:
    text = str(error)
    return next((problem for word, problem in _WORDS if word in text.replace("Memory", "memory")), Problem.CORRUPT)


def _decoder(kind: Compression, limits: Limits, *, quick: bool) -> _Decoder:
    match kind:
        case Compression.GZIP:
            return _GzipDecoder(quick=quick)
        case Compression.BZIP2:
            return bz2.BZ2Decompressor()
        case Compression.XZ:
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=limits.window_bytes)
        case Compression.ZSTD:
            window_log = limits.window_bytes.bit_length() - 1
            return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: window_log})


class _Expander:
    """The text of one source, member by member, in steps that depend on nothing but its bytes."""

    def __init__(self, raw: Readable, kind: Compression, limits: Limits) -> None:
        self._raw = raw
        self._kind = kind
        self._limits = limits
        self._text_bytes = 0

    def pieces(self) -> Iterator[bytes]:
        offset = 0
        while True:
            offset = yield from self._member(offset)
            offset, head = self._after_padding(offset)
            if not head:
                return
            if sniff(head) is not self._kind:
                raise Fault(Problem.ENDS_EARLY if self._begins(head) else Problem.TRAILING_GARBAGE)

    def _begins(self, head: bytes) -> bool:
        """Whether the file ends amid the first bytes of one more member."""
        magic = {
            Compression.GZIP: b"\x1f\x8b",
            Compression.ZSTD: b"\x28\xb5\x2f\xfd",
            Compression.BZIP2: b"BZh",
            Compression.XZ: b"\xfd7zXZ\x00",
        }[self._kind]
        return len(head) < SNIFF_BYTES and (magic.startswith(head) or head.startswith(magic))

    def _after_padding(self, offset: int) -> tuple[int, bytes]:
        """Step over the zeros that may follow a member, and look at what comes next."""
        while True:
            head = self._raw.read_at(offset, SNIFF_BYTES)
            if not head or head[0]:
                return offset, head
            block = self._raw.read_at(offset, _PADDING_BYTES)
            offset += len(block) - len(block.lstrip(b"\0"))

    def _member(self, start: int) -> Generator[bytes, None, int]:
        """Yield one member's text and return the offset after it."""
        decoder = _decoder(self._kind, self._limits, quick=self._has_known_flags(start))
        piece_at = fed = start
        size = _FIRST_PIECE_BYTES  # small at first: a file may be a million empty members
        text_before = self._text_bytes
        while not decoder.eof:
            piece = b""
            if decoder.needs_input:
                piece = self._raw.read_at(fed, size)
                if not piece:
                    raise Fault(Problem.ENDS_EARLY)
                piece_at, fed = fed, fed + len(piece)
                size = min(2 * size, _PIECE_BYTES)
            try:
                text = decoder.decompress(piece, _STEP_BYTES)
            except _ERRORS as error:
                found = yield from self._rescue(start, piece_at, fed, self._text_bytes - text_before)
                raise Fault(_problem(found or error), str(found or error)) from None
            if text:
                yield from self._admit(text, consumed=fed)
        return fed - len(decoder.unused_data)

    def _has_known_flags(self, start: int) -> bool:
        """Whether a gzip member sets no reserved flag: zlib refuses those, and others read on."""
        return self._raw.read_at(start, 4)[3:] < b"\x20"

    def _rescue(self, start: int, piece_at: int, end: int, had_bytes: int) -> Generator[bytes, None, Exception | None]:
        """
        Yield the text before a fault and return the error that says what it is.

        A decoder that meets a fault keeps back what it had already made in that call. So the member is expanded once
        more, the piece with the fault byte by byte, and what was had before is dropped.
        """
        decoder = _decoder(self._kind, self._limits, quick=False)
        offset = start
        while offset < end and not decoder.eof:
            piece = self._raw.read_at(offset, min(_PIECE_BYTES, piece_at - offset) if offset < piece_at else 1)
            if not piece:
                return None
            offset += len(piece)
            while piece or not (decoder.needs_input or decoder.eof):
                try:
                    text = decoder.decompress(piece, _STEP_BYTES)
                except _ERRORS as error:
                    return error
                piece = b""
                dropped = min(had_bytes, len(text))
                had_bytes -= dropped
                if len(text) > dropped:
                    yield from self._admit(text[dropped:], consumed=offset)
        return None

    def _admit(self, text: bytes, *, consumed: int) -> Iterator[bytes]:
        """Pass *text* on as far as the limits allow."""
        limits = self._limits
        if self._text_bytes == 0 and sniff(text[:SNIFF_BYTES]) is not None:
            raise Fault(Problem.NESTED)
        self._text_bytes += len(text)
        excess = self._text_bytes - limits.text_bytes
        if excess > 0:
            yield text[: len(text) - excess]
            raise Fault(Problem.TOO_LARGE, f"stopped after {limits.text_bytes:,} bytes of text")
        yield text
        if self._text_bytes > limits.ratio_from_bytes and self._text_bytes > limits.ratio * consumed:
            raise Fault(Problem.RATIO, f"more than {limits.ratio}:1, stopped after {self._text_bytes:,} bytes of text")


def expand(raw: Readable, kind: Compression, limits: Limits) -> Iterator[bytes]:
    """
    Yield the text of a compressed source, in pieces of at most 1 MiB.

    Members, frames and streams that follow each other count as one text; zeros after the last one are padding.

    Raises:
        Fault: after the last piece that could be had, where the source is cut off, corrupt, followed by garbage,
            compressed twice, or over a limit.
    """
    return _Expander(raw, kind, limits).pieces()
