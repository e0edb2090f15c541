"""A chunk of lines to records, rejects and counts: fast where that can be proved right, exact for the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from attribute.logs.chunks import Chunk
from attribute.logs.exact import ExactDecoder, RejectedLine, cap_names
from attribute.m1.decode import RejectReason

__all__ = ["Decoded", "RejectedLine", "decode_chunk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """
    What the lines of a chunk held. Always `lines == records.height + len(rejects) + not_m1 + blank`.

    Attributes:
        records: one row per record, in line order; schema `RECORDS`.
        record_lines: the number of the line of each record (Int64). Where the chunk's lines are not numbered, these
            and the rejects' numbers count from 1 in the chunk.
        lines: how many lines.
        blank: how many held nothing but white space.
        not_m1: how many are not M1.
        rejects: the lines that claim to be M1 and are not, in order.
        unknown_fields: how many records have each key that is no M1 field. The names come from the log: escape them.
            They are cut to 64 characters, and of more than 1,000 the first in alphabetical order are kept.
        newer_versions: how many records were written by a newer version of the schema.
    """

    records: pl.DataFrame
    record_lines: pl.Series
    lines: int
    blank: int
    not_m1: int
    rejects: tuple[RejectedLine, ...]
    unknown_fields: Counter[str]
    newer_versions: int


def decode_chunk(chunk: Chunk, *, strict: bool = False) -> Decoded:
    """
    Decode the lines of a chunk. Never raises because of what they hold.

    Args:
        chunk: whole lines.
        strict: whether a key that is no M1 field makes its line a reject.

    Returns:
        The same as if each line had been decoded alone: it depends neither on its neighbours nor on where chunks end.
    """
    if chunk.too_long:
        reject = RejectedLine(max(chunk.first_line, 1), RejectReason.TOO_LONG, "")
        return _decoded(ExactDecoder(strict=strict, rejects=[reject]))
    exact = ExactDecoder(strict=strict)
    decode_exactly(chunk, exact)
    return _decoded(exact)


def decode_exactly(chunk: Chunk, exact: ExactDecoder) -> None:
    """Decode every line of the chunk one by one."""
    lines = chunk.data.split(b"\n")
    tail = lines.pop()
    first = max(chunk.first_line, 1)
    exact.decode_lines(enumerate(lines, first))
    if tail:
        exact.decode_line(first + len(lines), tail, cut_off=chunk.cut_off_tail)


def _decoded(exact: ExactDecoder) -> Decoded:
    records = exact.records()
    return Decoded(
        records=records,
        record_lines=pl.Series(exact.row_lines, dtype=pl.Int64),
        lines=records.height + len(exact.rejects) + exact.not_m1 + exact.blank,
        blank=exact.blank,
        not_m1=exact.not_m1,
        rejects=tuple(exact.rejects),
        unknown_fields=cap_names(exact.unknown_fields),
        newer_versions=exact.newer_versions,
    )
