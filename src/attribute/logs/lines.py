"""A chunk of lines to records, rejects and counts: fast where that can be proved right, exact for the rest."""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from attribute.coded import Batch
from attribute.frames import RECORDS
from attribute.logs.chunks import Chunk
from attribute.logs.exact import ExactDecoder, RejectedLine, cap_names, short_name
from attribute.logs.scanning import SCAN, CalmRecords, CalmTerms, Scan
from attribute.m1.decode import RejectReason

if TYPE_CHECKING:
    from attribute.logs.fast import Vouched
    from attribute.logs.fast_layout import Layout

__all__ = ["FAST_FROM", "Decoded", "RejectedLine", "decode_chunk"]

FAST_FROM: Final = 200
"""Under so many lines the fast path costs more than it saves."""

MAX_LAYOUTS: Final = 8
"""So many layouts are learnt in a chunk; lines of further ones are decoded one by one."""

_WORTH_SHARE: Final = 0.1
_SAMPLED: Final = 64
_SAMPLED_BYTES: Final = 1024**2
_LOOKED_THROUGH: Final = (64 * 1024, _SAMPLED_BYTES)
"""In so many bytes at the beginning enough lines are looked for, in the fewer ones first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """
    What the lines of a chunk held. Always `lines == record_count + len(rejects) + not_m1 + blank`.

    Attributes:
        batches: the records, columns `RECORDS`, in no order.
        batch_lines: the number of the line of each record of each batch (Int64). Where the chunk's lines are not
            numbered, these and the rejects' numbers count from 1 in the chunk.
        calm: records that were counted on the spot and are in no batch, where that was asked for.
        lines: how many lines.
        blank: how many held nothing but white space.
        not_m1: how many are not M1.
        rejects: the lines that claim to be M1 and are not, in order.
        unknown_fields: how many records have each key that is no M1 field. The names come from the log: escape them.
            They are cut to 64 characters, and of more than 1,000 the first in alphabetical order are kept.
        newer_versions: how many records were written by a newer version of the schema.
        fast_records: how many of the records the fast path vouched for. It says something about speed only.
    """

    batches: tuple[Batch, ...]
    batch_lines: tuple[pl.Series, ...]
    calm: CalmRecords | None
    lines: int
    blank: int
    not_m1: int
    rejects: tuple[RejectedLine, ...]
    unknown_fields: Counter[str]
    newer_versions: int
    fast_records: int

    @property
    def record_count(self) -> int:
        """How many records, those that were counted on the spot included."""
        return sum(batch.height for batch in self.batches) + (0 if self.calm is None else self.calm.records.height)

    @property
    def records(self) -> pl.DataFrame:
        """One row per record that has one, in line order; schema `RECORDS`. Made anew at every look."""
        frames = [batch.frame(RECORDS) for batch in self.batches]
        return frames[0] if len(frames) == 1 else pl.concat(frames)[pl.concat(self.batch_lines).arg_sort()]


def decode_chunk(
    chunk: Chunk,
    *,
    strict: bool = False,
    calm: CalmTerms | None = None,
    fast_from: int = FAST_FROM,
    scan: Scan | None = SCAN,
) -> Decoded:
    """
    Decode the lines of a chunk. Never raises because of what they hold.

    Args:
        chunk: whole lines.
        strict: whether a key that is no M1 field makes its line a reject.
        calm: how calm records may be counted on the spot; without it, each record is a row.
        fast_from: fewer lines than this are decoded one by one; it changes the time taken and nothing else.
        scan: the compiled scanner, or None to do without; the same holds.

    Returns:
        The same as if each line had been decoded alone: it depends neither on its neighbours nor on where chunks end.
    """
    first = max(chunk.first_line, 1)
    exact = ExactDecoder(strict=strict)
    if chunk.too_long:
        exact.rejects.append(RejectedLine(first, RejectReason.TOO_LONG, ""))
        return _joined([], exact)
    whole = chunk.data.rfind(b"\n") + 1
    body, tail = chunk.data[:whole], chunk.data[whole:]
    run = _FastRun(body, first=first, line_count=chunk.lines - bool(tail) if chunk.lines else 0, exact=exact)
    if scan is not None and any(body.count(b"\n", 0, size) >= fast_from for size in _LOOKED_THROUGH):
        run.scan(scan, calm)
    run.decode(fast_from=fast_from)
    exact.decode_lines(run.left())
    if tail:
        exact.decode_line(first + body.count(b"\n"), tail, cut_off=chunk.cut_off_tail)
    return _joined(run.parts, exact, run.calm)


_Part = tuple[Batch, pl.Series]


class _FastRun:
    """
    Decodes lines layout by layout, for as long as that is worth it.

    Attributes:
        parts: records with the numbers of their lines.
        calm: records that were counted on the spot.
        exact: where all that is no record is counted, with unknown keys and newer versions.
    """

    def __init__(self, body: bytes, *, first: int, line_count: int, exact: ExactDecoder) -> None:
        self.parts: list[_Part] = []
        self.calm: CalmRecords | None = None
        self.exact = exact
        self._body = body
        self._first = first
        self._line_count = line_count
        self._lines: list[bytes] | None = None
        self._numbers: pl.Series | None = None

    def left(self) -> Iterator[tuple[int, bytes]]:
        """Give the lines that are not vouched for, with their numbers, in order."""
        numbers = itertools.count(self._first) if self._numbers is None else self._numbers
        return zip(numbers, self._split(), strict=False)

    def _split(self) -> list[bytes]:
        if self._lines is None:
            self._lines = self._body.split(b"\n")
            self._lines.pop()
        return self._lines

    def scan(self, scan: Scan, calm: CalmTerms | None) -> None:
        """Take what the scanner vouches for."""
        scanned = scan(self._body, strict=self.exact.strict, calm=calm)
        if scanned is None:
            return
        if scanned.records.height:
            self.parts.append((scanned.records, scanned.lines.cast(pl.Int64) + self._first))
        self.calm = scanned.calm
        self.exact.newer_versions += scanned.newer_versions
        for name, count in scanned.unknown_fields.items():
            self.exact.unknown_fields[short_name(name)] += count
        self.exact.blank += scanned.blank
        self.exact.not_m1 += scanned.not_m1
        for (reason, detail), places in scanned.refusals.items():
            why = RejectReason(reason)
            self.exact.rejects += [RejectedLine(self._first + place, why, detail) for place in places]
        self._lines = [self._body[start:end] for _, start, end in scanned.left]
        self._numbers = pl.Series([self._first + place for place, _, _ in scanned.left], dtype=pl.Int64)

    def decode(self, *, fast_from: int) -> None:
        """Take what the layouts vouch for."""
        known: list[Layout] = []
        while len(known) < MAX_LAYOUTS:
            sample = self._sample(fast_from)
            if len(sample) < fast_from:
                return
            from attribute.logs.fast_layout import learn  # noqa: PLC0415 - seldom wanted where there is a scanner

            layout = learn(sample[:_SAMPLED], known=known)
            if layout is None or (self.exact.strict and layout.unknown_names) or not self._take(layout):
                return
            known.append(layout)

    def _sample(self, at_least: int) -> list[bytes]:
        """Give lines from the beginning of the rest: more than *at_least*, if there are so many."""
        if self._lines is not None:
            return self._lines
        sample = self._body[:_SAMPLED_BYTES].split(b"\n", max(_SAMPLED, at_least))
        sample.pop()
        return sample

    def _take(self, layout: Layout) -> bool:
        """Take the lines of a layout; tells whether it is worth trying another one on the rest."""
        from attribute.logs.fast import decode_layout  # noqa: PLC0415 - as above

        fitting: list[int] | None = None
        vouched = None if self._lines is not None else decode_layout(self._body, layout)
        if vouched is None:
            lines = self._split()
            fitting = layout.fitting(lines)
            vouched = decode_layout(b"\n".join([*(lines[at] for at in fitting), b""]), layout) if fitting else None
        if vouched is None or not self._is_cut_our_way(vouched, fitting):
            return False
        if self._numbers is None:
            count = vouched.records.height if self._lines is None else len(self._lines)
            self._numbers = pl.int_range(self._first, self._first + count, dtype=pl.Int64, eager=True)
        numbers = self._numbers if fitting is None else self._numbers.gather(fitting)
        self._add(vouched, numbers, layout)
        if vouched.ok is None and fitting is None:
            self._lines, self._numbers = [], self._numbers.clear()
            return False
        ok = pl.repeat(value=True, n=numbers.len(), eager=True) if vouched.ok is None else vouched.ok
        if fitting is not None:
            ok = pl.repeat(value=False, n=self._numbers.len(), eager=True).scatter(fitting, ok)
        left = (~ok).arg_true()
        lines = self._split()
        self._lines, self._numbers = [lines[at] for at in left], self._numbers.gather(left)
        return ok.len() - left.len() >= _WORTH_SHARE * ok.len()

    def _is_cut_our_way(self, vouched: Vouched, fitting: list[int] | None) -> bool:
        """Tell whether there is a row for every line; where lines are not counted, all that are sound may be right."""
        if fitting is not None:
            return vouched.records.height == len(fitting)
        if vouched.ok is None and not self._line_count:
            return True
        return vouched.records.height == (self._line_count or len(self._split()))

    def _add(self, vouched: Vouched, numbers: pl.Series, layout: Layout) -> None:
        records, newer = vouched.records, vouched.newer
        if vouched.ok is not None:
            records, numbers = records.filter(vouched.ok), numbers.filter(vouched.ok)
            newer = None if newer is None else newer.filter(vouched.ok)
        if not records.height:
            return
        self.parts.append((records, numbers))
        for name in layout.unknown_names:
            self.exact.unknown_fields[short_name(name)] += records.height
        self.exact.newer_versions += 0 if newer is None else int(newer.sum())


_line_of: Final = operator.attrgetter("line")


def _joined(fast: list[_Part], exact: ExactDecoder, calm: CalmRecords | None = None) -> Decoded:
    parts = fast
    calm_count = 0 if calm is None else calm.records.height
    if exact.rows or not fast:
        parts = [*fast, (Batch.of(exact.records()), pl.Series(exact.row_lines, dtype=pl.Int64))]
    batches, numbers = zip(*parts, strict=True)
    return Decoded(
        batches=batches,
        batch_lines=numbers,
        calm=calm,
        lines=sum(batch.height for batch in batches) + calm_count + len(exact.rejects) + exact.not_m1 + exact.blank,
        blank=exact.blank,
        not_m1=exact.not_m1,
        rejects=tuple(sorted(exact.rejects, key=_line_of)),
        unknown_fields=cap_names(exact.unknown_fields),
        newer_versions=exact.newer_versions,
        fast_records=sum(part[0].height for part in fast) + calm_count,
    )
