"""What the UNKNOWN requests of a spike look like: their signatures, and what that usually means."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from attribute.gate.cells import REFUSED
from attribute.gate.settings import Kind
from attribute.gate.spike import SpikeTest
from attribute.rules.words import Class

__all__ = ["Shape", "Signature", "shape_of", "signatures_of", "unknown_rows"]

_MINUTE_US = 60_000_000
MANY_FUNCTIONS = 3
_MOST = 0.6
_PART = 0.1


class Shape(StrEnum):
    """What a spike looks like."""

    LOST_EVIDENCE = "lost-evidence"
    """Healthy requests lost their evidence too: an instrumentation regression."""
    NO_ANSWER_MANY = "no-answer-many"
    """Many functions answer 5xx and saw no answer: the vendor times out or resets connections."""
    NO_ANSWER_ONE = "no-answer-one"
    """One function, or two: a failure before or during its call."""
    CLIENTS = "clients"
    """Mostly 4xx before any call: client traffic."""
    MIXED = "mixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """UNKNOWN requests that look alike, and how many there are."""

    function: str
    status: int | None
    error_code: str | None
    reason: str
    requests: int


def unknown_rows(counts: pl.DataFrame, test: SpikeTest, *, now_minute: int, known: Collection[str]) -> pl.DataFrame:
    """Return the rows of a `COUNTS` frame that a test is about; *known* are the functions of the baseline."""
    minute = pl.col("minute").to_physical() // _MINUTE_US
    kind = REFUSED if test.kind is Kind.REFUSED else ~REFUSED
    rows = counts.filter(
        (pl.col("class") == Class.UNKNOWN.value)
        & kind
        & (minute < now_minute)
        & (minute >= now_minute - 60 * test.hours)
    )
    if test.function is None:
        return rows
    if test.pooled:
        return rows.filter(~pl.col("function").is_in(list(known)))
    return rows.filter(pl.col("function") == test.function)


def signatures_of(rows: pl.DataFrame, *, most: int = 5) -> tuple[Signature, ...]:
    """Return the most frequent signatures among rows of a `COUNTS` frame."""
    keys = ["function", "status", "error_code", "reason"]
    found = (
        rows.group_by(keys)
        .agg(pl.col("requests").sum())
        .sort(["requests", *keys], descending=[True, False, False, False, False])
        .head(most)
    )
    return tuple(Signature(**row) for row in found.iter_rows(named=True))


def shape_of(rows: pl.DataFrame, *, kind: Kind, blind: Collection[str]) -> Shape:
    """
    Say what UNKNOWN requests look like.

    Args:
        rows: rows of a `COUNTS` frame.
        kind: which UNKNOWN they are.
        blind: functions whose healthy requests lost their evidence.
    """
    if kind is Kind.REFUSED:
        return Shape.CLIENTS
    total = int(rows["requests"].sum())
    by_function = rows.group_by("function").agg(pl.col("requests").sum())
    if int(by_function.filter(pl.col("function").is_in(list(blind)))["requests"].sum()) >= _MOST * total:
        return Shape.LOST_EVIDENCE
    silent = rows.filter(pl.col("upstream_status").is_null() & (pl.col("status").is_null() | (pl.col("status") >= 500)))
    if int(silent["requests"].sum()) < _MOST * total:
        return Shape.MIXED
    sizes = by_function["requests"].sort(descending=True)
    taking_part = (sizes >= _PART * total).sum()
    # Where functions are very many, each of them has little: so two must also hold most of it.
    few = taking_part < MANY_FUNCTIONS and sizes.head(2).sum() >= _MOST * total
    return Shape.NO_ANSWER_ONE if few else Shape.NO_ANSWER_MANY
