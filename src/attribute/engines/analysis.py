"""What an engine is asked and what it answers, the same on one machine and on a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from attribute.cache.store import Store
from attribute.logs.cutting import CHUNK_BYTES
from attribute.logs.raw_scan import CalmTerms
from attribute.rules.catalogue import Catalogue
from attribute.rules.thresholds import Thresholds
from attribute.slots import EPOCH, SLOT

if TYPE_CHECKING:  # what is asked, and whether the answer is known, is said without loading polars
    import polars as pl

    from attribute.rollup import Rollup

MEMORY_BYTES = 256 * 2**20
THREADS = max(3, min(4, os.cpu_count() or 1))
"""One more than two cores, for they wait for each other now and then; each has a chunk of its own in memory."""


SAMPLE_REJECTS = 20
"""So many rejected lines are shown as examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """
    A stretch of time, half-open: *since* is in, *until* is out. Either end may be open.

    Untimed requests lie in no window but the one that is open at both ends.
    """

    since_at: datetime | None = None
    until_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether everything lies in it, untimed requests included."""
        return self.since_at is None and self.until_at is None

    @property
    def comes_again(self) -> bool:
        """Whether another run may have it: one that is told by how long ago it is has another one each time."""
        return not any(at.second or at.microsecond for at in (self.since_at, self.until_at) if at is not None)

    def in_whole_minutes(self) -> Window:
        """Return it from the minute on that it begins in, and up to the one that it ends in."""
        since, until = (
            None if at is None else at.replace(second=0, microsecond=0) for at in (self.since_at, self.until_at)
        )
        return Window(since_at=since, until_at=until)

    def holds(self, at: pl.Expr) -> pl.Expr:
        """Return whether *at* lies in the window: never null, true for all where the window is open."""
        import polars as pl  # noqa: PLC0415 - see above

        if self.is_open:
            return pl.lit(value=True)
        inside = at.is_not_null()
        if self.since_at is not None:
            inside &= (at >= self.since_at).fill_null(value=False)
        if self.until_at is not None:
            inside &= (at < self.until_at).fill_null(value=False)
        return inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the reading has come. *total_bytes* is 0 where it cannot be known (standard input)."""

    read_bytes: int
    total_bytes: int
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedAt:
    """A rejected line with its place."""

    file: str
    line: int
    reason: str
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """
    Where what was read is kept, and of which files.

    Attributes:
        store: the entries.
        least_bytes: smaller files are read faster than looked up.
    """

    store: Store
    least_bytes: int = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisOptions:
    """
    All that decides an answer, and two ears for what happens on the way.

    Attributes:
        paths: files, folders, globs or `-`.
        exclude: globs of names to leave out.
        window: requests outside it are counted and otherwise left out.
        functions: globs; only requests of functions that match one of them are analysed. None: all.
        catalogue: the rules.
        thresholds: the limits that the rules use.
        strict: whether an unknown field makes a reject.
        fingerprint: whether to hash the input's content.
        chunk_bytes: how much is decoded at once. Never changes the answer.
        threads: how many chunks are decoded side by side. Never changes the answer.
        memory_bytes: about how much to hold of what must be kept; the rest goes to a temporary folder. Never changes
            the answer.
        latency_slot: how wide the slots of the latencies are, a multiple of ten minutes. Wide ones cost less; quantiles
            over whole slots are the same.
        cache: where what was read of a file is kept; None: nowhere. Never changes the answer.
        on_reject: called with every rejected line, in order of file and line.
        on_progress: called after every chunk.
    """

    paths: tuple[str, ...]
    catalogue: Catalogue
    thresholds: Thresholds = field(default_factory=Thresholds)
    exclude: tuple[str, ...] = ()
    window: Window = field(default_factory=Window)
    functions: tuple[str, ...] = ()
    strict: bool = False
    fingerprint: bool = False
    chunk_bytes: int = CHUNK_BYTES
    threads: int = THREADS
    memory_bytes: int = MEMORY_BYTES
    latency_slot: timedelta = SLOT
    cache: Cache | None = None
    on_reject: Callable[[RejectedAt], None] | None = None
    on_progress: Callable[[Progress], None] | None = None

    def calm_terms(self) -> CalmTerms:
        """Return how calm records may be counted before any rule is asked."""
        return calm_terms(thresholds=self.thresholds, window=self.window, latency_slot=self.latency_slot)


def calm_terms(*, thresholds: Thresholds, window: Window, latency_slot: timedelta) -> CalmTerms:
    """Return how calm records may be counted before any rule is asked, on whatever machine."""
    limits = (thresholds.default, *thresholds.by_function.values())
    terms = CalmTerms(
        below_ms=min(each.slow_ms for each in limits), untimed_too=window.is_open, latency_slot=latency_slot
    )
    since, until = (
        None if at is None else (at - EPOCH) // timedelta(microseconds=1) for at in (window.since_at, window.until_at)
    )
    since_us, until_us = (terms.since_us if since is None else since, terms.until_us if until is None else until)
    return replace(terms, since_us=since_us, until_us=until_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNote:
    """A file that was passed over, or that was read only in part, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAccount:
    """
    Where every line went: `lines = records + rejected + not_m1 + blank`.

    Attributes:
        files: how many files were read.
        bytes: how many bytes of them, as they lie on the disk.
        fingerprint: SHA-256 over the contents of the files, whatever their names and order; None where not asked.
        duplicates: records of incident requests that repeat another one in every field.
        outside_window: records whose own time lies outside the window.
        untimed: records without a time.
        unknown_fields: how many records had which field that M1 does not know; at most 50 names, the most frequent.
        unknown_field_names: how many distinct names there were.
        newer_versions: records of a higher schema version.
        first_at: the earliest time of a record inside the window.
        last_at: the latest one.
        skipped_files: what was passed over.
        incomplete_files: what was read only in part.
        sample_rejects: the first rejected lines.
    """

    files: int = 0
    bytes: int = 0
    fingerprint: str | None = None
    lines: int = 0
    records: int = 0
    rejected: int = 0
    not_m1: int = 0
    blank: int = 0
    rejected_by_reason: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    duplicates: int = 0
    outside_window: int = 0
    untimed: int = 0
    unknown_fields: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    unknown_field_names: int = 0
    newer_versions: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    skipped_files: tuple[FileNote, ...] = ()
    incomplete_files: tuple[FileNote, ...] = ()
    sample_rejects: tuple[RejectedAt, ...] = ()


class Rows(Protocol):
    """The verdicts of an analysis, one per incident request, made when they are asked for."""

    def between(self, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
        """
        Return the verdicts (`VERDICTS`) in order of time (untimed last), then `request_id`.

        Args:
            since: verdicts before it are left out, and those without a time.
            until: the same, for those at it or later.

        Returns:
            A frame that is valid as long as this object lives.
        """
        ...

    def flags(self) -> dict[str, int]:
        """Return how many of the verdicts carry which flag, by name of flag."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """
    The answer of an engine.

    Attributes:
        account: where every line went.
        rollup: counts per minute and key of all requests, healthy ones included.
        rows: its single verdicts.
        names: of every file, in order, its name.
        known: of every file, in order, what it is and what it is up to where it was read; None where that is not known.
        others: functions with requests in the window, where none of them is of the functions that were asked for.
    """

    account: InputAccount
    rollup: Rollup
    rows: Rows
    names: tuple[str, ...] = ()
    known: tuple[tuple[str, str], ...] | None = None
    others: tuple[str, ...] = ()

    @property
    def verdicts(self) -> pl.LazyFrame:
        """One row per incident request, see `Rows.between`; valid as long as the analysis lives."""
        return self.rows.between(None, None)
