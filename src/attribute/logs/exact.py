"""
Lines to records one by one: the path that defines what a line means.

The fast path answers only where it can prove that this one would answer the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import polars as pl

from attribute.frames import RECORDS
from attribute.logs.envelopes import find_m1, object_start, prefix_time
from attribute.logs.parsing import parse_object
from attribute.m1.decode import Record, Reject, RejectReason, claims_newer_version, decode, unknown_names
from attribute.m1.fields import FIELD_NAMES

__all__ = ["MAX_UNKNOWN_NAMES", "ExactDecoder", "RejectedLine", "cap_names", "short_name", "utf16"]

MAX_UNKNOWN_NAMES: Final = 1_000
"""So many names of unknown keys are kept with their counts: the first in alphabetical order."""

_LONGEST_NAME: Final = 64
_KNOWN: Final = frozenset(FIELD_NAMES)

_AT: Final = Record._fields.index("at_us")
_SCHEMA: Final = {
    ("at_us" if name == "at" else name): (pl.Int64() if name == "at" else kind) for name, kind in RECORDS.items()
}
_BOM: Final = b"\xef\xbb\xbf"
_UTF_16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")


class RejectedLine(NamedTuple):
    """
    A line that claims to be M1 and is not.

    Attributes:
        line: its number in the source, from 1.
        reason: why.
        detail: the field concerned, or nothing. It may come from the log: escape it.
    """

    line: int
    reason: RejectReason
    detail: str


def short_name(name: str) -> str:
    """Cut the name of a key to the length at which it is kept."""
    return name[:_LONGEST_NAME]


def cap_names(counts: Counter[str]) -> Counter[str]:
    """
    Keep the counts of the `MAX_UNKNOWN_NAMES` first names.

    A name that was dropped once can never come back with too small a count, so the answer does not depend on when, how
    often or in which order this is done.
    """
    if len(counts) <= MAX_UNKNOWN_NAMES:
        return counts
    return Counter({name: counts[name] for name in sorted(counts)[:MAX_UNKNOWN_NAMES]})


def utf16(line: bytes) -> bool:
    """
    Tell whether a line with NUL bytes in it looks like a piece of UTF-16 text.

    It does where it begins with a byte order mark, or where at least half of the bytes on one side of the pairs are
    NUL and none on the other side.
    """
    if line.startswith(_UTF_16_BOMS):
        return True
    even, odd = line[0::2], line[1::2]
    nul_even, nul_odd = even.count(0), odd.count(0)
    return bool(even and odd) and (
        (nul_odd == 0 and 2 * nul_even >= len(even)) or (nul_even == 0 and 2 * nul_odd >= len(odd))
    )


@dataclass(slots=True)
class ExactDecoder:
    """
    Decodes lines one by one and keeps count.

    Attributes:
        strict: whether a key that is no M1 field makes a reject.
        rows: the records.
        row_lines: the number of the line of each.
        rejects: the lines that claim to be M1 and are not.
        not_m1: how many lines are not M1.
        blank: how many lines are blank.
        unknown_fields: how many records have each key that is no M1 field.
        newer_versions: how many records a newer version of the schema wrote.
    """

    strict: bool = False
    rows: list[Record] = field(default_factory=list)
    row_lines: list[int] = field(default_factory=list)
    rejects: list[RejectedLine] = field(default_factory=list)
    not_m1: int = 0
    blank: int = 0
    unknown_fields: Counter[str] = field(default_factory=Counter)
    newer_versions: int = 0

    def decode_lines(self, lines: Iterable[tuple[int, bytes]]) -> None:
        """Decode whole lines, given by number and bytes without the newline."""
        for number, line in lines:
            self.decode_line(number, line)

    def decode_line(self, number: int, line: bytes, *, cut_off: bool = False) -> None:
        """
        Decode one line; never raises because of what it holds.

        Args:
            number: its number in the source.
            line: its bytes without the newline.
            cut_off: whether it is the source's last and has no newline.
        """
        if b"\0" in line:  # damage, whatever else it holds
            self._reject(number, RejectReason.ENCODING if utf16(line) else RejectReason.NUL)
            return
        line = line.removeprefix(_BOM)  # of the file, or of one that was appended to it
        start = object_start(line)
        if start < 0:
            if line.isspace() or not line:
                self.blank += 1
            elif line.startswith(_UTF_16_BOMS):
                self._reject(number, RejectReason.ENCODING)
            else:
                self.not_m1 += 1
            return
        text = line[start:] if start else line
        obj = parse_object(text)
        if isinstance(obj, RejectReason):
            cut = cut_off and (obj is RejectReason.JSON or (obj is RejectReason.ENCODING and _ends_within(text)))
            self._reject(number, RejectReason.CUT_OFF if cut else obj)
            return
        found = find_m1(obj, text, at_us=prefix_time(line[:start]) if start else None)
        if found is None:
            self.not_m1 += 1
        elif isinstance(found, RejectReason):
            self._reject(number, found)
        elif found.repeats_key():
            self._reject(number, RejectReason.DUPLICATE_KEY)
        else:
            self._keep(number, found.obj, found.at_us)

    def _keep(self, number: int, obj: Mapping[str, object], at_us: int | None) -> None:
        record = decode(obj, strict=self.strict)
        assert record is not None, "the search gives only what claims to be M1"
        if isinstance(record, Reject):
            self._reject(number, record.reason, record.detail)
            return
        if record[_AT] is None and at_us is not None:
            record = record._replace(at_us=at_us)
        self.rows.append(record)
        self.row_lines.append(number)
        if not obj.keys() <= _KNOWN:
            self.unknown_fields.update(map(short_name, unknown_names(obj)))
            if len(self.unknown_fields) > 2 * MAX_UNKNOWN_NAMES:
                self.unknown_fields = cap_names(self.unknown_fields)
        self.newer_versions += claims_newer_version(obj)

    def _reject(self, number: int, reason: RejectReason, detail: str = "") -> None:
        self.rejects.append(RejectedLine(number, reason, detail))

    def records(self) -> pl.DataFrame:
        """Give the records so far, in the schema `RECORDS`, in the order they came."""
        frame = pl.DataFrame(self.rows, schema=_SCHEMA, orient="row")
        return frame.select(
            pl.col("at_us").cast(pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("at")
            if name == "at"
            else name
            for name in RECORDS
        )


def _ends_within(text: bytes) -> bool:
    """Tell whether the text is UTF-8 but for a last character that is cut off."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return False
