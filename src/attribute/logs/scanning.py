"""
Many lines to records at once, by a compiled scanner where the installation has one.

The scanner vouches for a line only where it can prove what the line says, that it holds no record or why it is
rejected, and hands all others back. It is optional: where it could not be compiled, `SCAN` is None and the layouts of
`attribute.logs.fast_layout` do its work, slower.

A *calm* record has a status under 400 and was answered sooner than anything counts as slow: it is of no incident, by
itself. Who only counts records may leave that to the scanner, which then hands out hashes of their ids, and counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import polars as pl

from attribute.coded import Batch, Coded
from attribute.frames import COUNTS, LATENCY, RECORDS
from attribute.logs.raw_scan import HAS_SCANNER, CalmTerms, Columns, raw_scan

__all__ = ["SCAN", "CalmRecords", "CalmTerms", "Scan", "Scanned", "assembled"]

_CODED: Final = ("function", "stage", "error_code", "upstream", "status", "upstream_status")
_MEASURES: Final = pl.Series(["own", "total", "upstream"])


@dataclass(frozen=True, slots=True, kw_only=True)
class CalmRecords:
    """
    Calm records, counted.

    Attributes:
        records: `hash` of the id (see `attribute.logs.hashes`) and `ending` (whether it ends its request) of each.
        counts: the columns of `COUNTS` that a record itself has, one row per key.
        latency: the columns of `LATENCY` and `ending`, one row per key.
        ending_functions: functions that wrote an ending one.
        untimed: how many have no time.
        outside: how many have a time at which they do not count.
        first_us: the earliest time of one that counts, or None.
        last_us: the latest.
    """

    records: pl.DataFrame
    counts: pl.DataFrame
    latency: pl.DataFrame
    ending_functions: frozenset[str]
    untimed: int
    outside: int
    first_us: int | None
    last_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """
    What the scanner made of some lines.

    Attributes:
        records: columns `RECORDS`; one row per line that it vouches for and did not count, in order.
        lines: the place of each row's line, from 0 (UInt32).
        calm: the calm records, where they were to be counted.
        blank: how many lines hold nothing but white space.
        not_m1: how many lines are not M1; there may be more among those that are left.
        refusals: by reason and field concerned (or nothing), the places of lines that are rejected, each list in order;
            there may be more among those that are left.
        left: place, start and end (without the newline) of every line that it does not vouch for, in order.
        unknown_fields: how many of the records have each key that is no M1 field; ASCII, not cut yet.
        newer_versions: how many of the records a newer version of the schema wrote.
    """

    records: Batch
    lines: pl.Series
    calm: CalmRecords | None
    blank: int
    not_m1: int
    refusals: dict[tuple[str, str], list[int]]
    left: list[tuple[int, int, int]]
    unknown_fields: dict[str, int]
    newer_versions: int


class Scan(Protocol):
    """Reads whole lines."""

    def __call__(self, data: bytes, *, strict: bool, calm: CalmTerms | None) -> Scanned | None:
        """
        Read *data*.

        Args:
            data: whole lines, each ended by a newline.
            strict: whether a key that is no M1 field spoils a line.
            calm: how to count calm records; None: they are records like all others.

        Returns:
            What was made of it; None where it is too much at once.
        """
        ...


def assembled(found: Mapping[str, Any], *, counted: bool) -> Scanned:
    """Make frames of what `raw_scan` *found*, once; *counted*: whether calm records were to be counted."""
    columns = pl.DataFrame(Columns(found["records"]))
    values = {name: pl.Series(name, found["values"][name], dtype=RECORDS[name]) for name in _CODED}
    coded = {name: Coded(columns[name], values[name]) for name in _CODED}
    return Scanned(
        records=Batch({name: coded.get(name, columns[name]) for name in RECORDS}),
        lines=columns["line"],
        calm=_calm_records(found["calm"], values) if counted else None,
        blank=found["blank"],
        not_m1=found["not_m1"],
        refusals=found["refusals"],
        left=found["left"],
        unknown_fields=found["unknown_fields"],
        newer_versions=found["newer_versions"],
    )


def _calm_records(found: Mapping[str, Any], values: Mapping[str, pl.Series]) -> CalmRecords:
    meant = {**values, "measure": _MEASURES}  # by columns: frames ask far more of so few rows
    records, counts, latency = (pl.DataFrame(Columns(found[name])) for name in ("records", "counts", "latencies"))
    timed = found["first_us"] <= found["last_us"]
    return CalmRecords(
        records=pl.DataFrame([records["hash"], records["ending"].cast(pl.Boolean)]),
        counts=pl.DataFrame([_meant(counts, name, meant) for name in COUNTS if name in counts.columns]),
        latency=pl.DataFrame([latency["ending"].cast(pl.Boolean), *(_meant(latency, name, meant) for name in LATENCY)]),
        ending_functions=frozenset(found["ending_functions"]),
        untimed=found["untimed"],
        outside=found["outside"],
        first_us=found["first_us"] if timed else None,
        last_us=found["last_us"] if timed else None,
    )


def _meant(frame: pl.DataFrame, name: str, values: Mapping[str, pl.Series]) -> pl.Series:
    """Return a column, with what its numbers stand for where they stand for something."""
    return values[name][frame[name]].alias(name) if name in values else frame[name]


def _scan(data: bytes, *, strict: bool, calm: CalmTerms | None) -> Scanned | None:
    found = raw_scan(data, strict=strict, calm=calm)
    return None if found is None else assembled(found, counted=calm is not None)


SCAN: Final[Scan | None] = _scan if HAS_SCANNER else None
"""The compiled scanner, where there is one."""
