"""Compressed input: what a file is compressed with, by its first bytes, and how far its text can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Problem(StrEnum):
    """Why a source was not read in full, or not at all. What came before the problem was read and counts."""

    ENDS_EARLY = "ends early"
    CORRUPT = "corrupt"
    CHECKSUM = "checksum does not match"
    TRAILING_GARBAGE = "trailing garbage"
    RATIO = "expands too much"
    TOO_LARGE = "expands to too much text"
    WINDOW = "needs too much memory to expand"
    DICTIONARY = "needs a dictionary"
    NESTED = "compressed twice"
    UNSUPPORTED = "unsupported compression"
    SHRANK = "shrank while it was read"
    REWRITTEN = "rewritten while it was read"
    REPLACED = "replaced before it was read"
    READ_ERROR = "read error"
    NO_PERMISSION = "no permission"
    VANISHED = "vanished"
    NOT_REGULAR = "not a regular file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What one source may cost.

    Attributes:
        line_bytes: a line of more bytes than this, newline not counted, is dropped and counted as too long.
        ratio: text may be at most this many times as large as what it was expanded from ...
        ratio_from_bytes: ... once there is more text than this.
        text_bytes: a compressed source is read up to this much text.
        window_bytes: memory that a decompressor may ask for to look back; rounded down to a power of two for zstd.
    """

    line_bytes: int = 64 * 1024
    ratio: int = 200
    ratio_from_bytes: int = 1024 * 1024
    text_bytes: int = 2 * 1024**3
    window_bytes: int = 128 * 1024**2
