"""Ask the decoder, and say its answer as the plain reference says it."""

from __future__ import annotations

import polars as pl

from attribute.frames import RECORDS
from attribute.logs.chunks import Chunk
from attribute.logs.lines import Decoded, decode_chunk
from tests.reference.lines import Told

EVERY_LINE_EXACT = 10**9
"""As *fast_from*: no chunk has so many lines."""


def chunk_of(data: bytes, *, first_line: int = 1) -> Chunk:
    ended = data.endswith(b"\n") or not data
    return Chunk(data=data, first_line=first_line, lines=data.count(b"\n") + (not ended), cut_off_tail=not ended)


def told_by(decoded: Decoded) -> Told:
    """Turn the answer into the reference's, checking on the way what holds of every answer."""
    assert decoded.records.schema == RECORDS
    assert decoded.lines == decoded.records.height + len(decoded.rejects) + decoded.not_m1 + decoded.blank
    numbers = decoded.batch_lines
    lines = numbers[0] if len(numbers) == 1 else pl.concat(numbers).sort()
    assert lines.dtype == pl.Int64
    rows = decoded.records.with_columns(pl.col("at").cast(pl.Int64)).rows()
    return Told(
        records=list(zip(lines.to_list(), rows, strict=True)),
        rejects=[(line, str(reason), detail) for line, reason, detail in decoded.rejects],
        not_m1=decoded.not_m1,
        blank=decoded.blank,
        unknown_fields=dict(decoded.unknown_fields),
        newer_versions=decoded.newer_versions,
    )


def fast(data: bytes, *, first_line: int = 1, strict: bool = False) -> Told:
    """Ask both fast paths: the compiled scanner, where there is one, and the layouts, which do without it."""
    chunk = chunk_of(data, first_line=first_line)
    scanned = told_by(decode_chunk(chunk, strict=strict, fast_from=1))
    assert scanned == told_by(decode_chunk(chunk, strict=strict, fast_from=1, scan=None))
    return scanned


def exact(data: bytes, *, first_line: int = 1, strict: bool = False) -> Told:
    return told_by(decode_chunk(chunk_of(data, first_line=first_line), strict=strict, fast_from=EVERY_LINE_EXACT))
