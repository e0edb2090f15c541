"""Whole files -> all the numbers of the answer, in plain Python: decompress, tell every line, consolidate, judge."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.reference.lines import tell
from tests.reference.pipeline import analyse, summary
from tests.reference.requests import COLUMNS, Row

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LINE_BYTES = 64 * 1024
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_of(content: bytes) -> bytes:
    """Return the text of a file, whatever compressed it."""
    for magic, decompress in (
        (b"\x1f\x8b", gzip.decompress),
        (b"\x28\xb5\x2f\xfd", zstd.decompress),
        (b"BZh", bz2.decompress),
        (b"\xfd7zXZ\x00", lzma.decompress),
    ):
        if content.startswith(magic):
            return decompress(content)
    return content


def expected(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the accounting, the classes and the reasons that *files* (name -> content) come to."""
    records: list[Row] = []
    rejected: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for content in files.values():
        for number, line in enumerate(text_of(content).split(b"\n"), 1):
            counts["lines"] += 1
            if len(line) > LINE_BYTES:
                rejected["too-long"] += 1
                continue
            told = tell(line + b"\n", first_line=number)
            records += [row_of(values) for _, values in told.records]
            rejected.update(reason for _, reason, _ in told.rejects)
            unknown.update(told.unknown_fields)
            counts["not_m1"] += told.not_m1
            counts["blank"] += told.blank
        _last_line(text_of(content), counts, rejected, records)
    return {
        "input": {
            "files": len(files),
            "lines": counts["lines"],
            "records": len(records),
            "rejected": sum(rejected.values()),
            "not_m1": counts["not_m1"],
            "blank": counts["blank"],
            "rejected_by_reason": dict(sorted(rejected.items())),
            "unknown_fields": dict(unknown),
            "untimed": sum(row["at"] is None for row in records),
        },
        **summary(analyse(records)),
    }


def _last_line(text: bytes, counts: Counter[str], rejected: Counter[str], records: list[Row]) -> None:
    """Look at the last line again: a text that ends in a newline has no line after it, and one that does not is cut."""
    last = text.rpartition(b"\n")[2]
    if not last:
        counts["lines"] -= 1
        counts["blank"] -= 1
        return
    as_line, as_tail = tell(last + b"\n"), tell(last)
    rejected.subtract(reason for _, reason, _ in as_line.rejects)
    rejected.update(reason for _, reason, _ in as_tail.rejects)
    for reason in [reason for reason, count in rejected.items() if count == 0]:
        del rejected[reason]
    assert len(as_line.records) == len(as_tail.records)
    assert not as_tail.records or records


def row_of(values: tuple[object, ...]) -> Row:
    """Return the record as a dict; its time as an instant."""
    row = dict(zip(COLUMNS, values, strict=True))
    at_us = row["at"]
    row["at"] = None if at_us is None else EPOCH + timedelta(microseconds=int(str(at_us)))
    return row
