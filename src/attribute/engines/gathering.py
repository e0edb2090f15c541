"""
What is gathered while logs are read, wherever that happens, and the way from there to the answer.

Whoever reads adds to a `Gathering` and can fetch the records of a piece again; nothing here knows of files, threads or
workers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import polars as pl

from attribute.cache.digests import together
from attribute.engines.alone import Alone
from attribute.engines.analysis import Analysis, AnalysisOptions, FileNote, InputAccount, RejectedAt
from attribute.engines.loud import LoudRecords
from attribute.engines.partial import Tally
from attribute.engines.quiet import QuietHashes
from attribute.engines.settle import Gathered, Verdicts, of_matching_functions, settle
from attribute.engines.settled import Shelf
from attribute.logs.chunks import SourceOutcome
from attribute.logs.exact import cap_names
from attribute.logs.sources import Skipped, Source
from attribute.rollup import Rollup, merge
from attribute.rules.compile import CompiledRules

__all__ = ["Counted", "Gathering", "conclude"]

ROWS_AT_ONCE = 200_000
UNKNOWN_NAMES = 50


def conclude(gathering: Gathering, passed_over: Sequence[Skipped]) -> Analysis:
    """Come from what was gathered to the answer."""
    options = gathering.options
    shelf = gathering.shelf()
    settled = None if shelf is None else shelf.get()
    if settled is None:
        settled = settle(
            gathering.gathered(),
            gathering.compiled,
            window=options.window,
            memory_bytes=options.memory_bytes,
            latency_slot=options.latency_slot,
        )
        if shelf is not None:
            shelf.keep(settled)
    skipped = tuple(FileNote(file=note.name, reason=note.reason) for note in passed_over)
    rollup = of_matching_functions(settled.rollup, options.functions)
    return Analysis(
        account=gathering.account(duplicates=settled.duplicates, skipped=skipped),
        rollup=rollup,
        rows=Verdicts(
            loud=gathering.loud,
            settled=settled,
            compiled=gathering.compiled,
            window=options.window,
            functions=options.functions,
        ),
        names=tuple(source.name for source in gathering.sources),
        known=gathering.all_known(),
        others=tuple(settled.rollup.counts["function"].unique().sort()) if rollup.counts.is_empty() else (),
    )


class Counted:
    """Rollups to be added up, merged now and then so that their memory stays within a few times that of the sum."""

    def __init__(self) -> None:
        self.rollups: list[Rollup] = []
        self._rows = 0
        self._merge_at = ROWS_AT_ONCE

    def add(self, rollups: Iterable[Rollup]) -> None:
        """Take some more."""
        for rollup in rollups:
            if rollup.counts.height:
                self.rollups.append(rollup)
                self._rows += rollup.counts.height + rollup.latency.height
        if self._rows > self._merge_at:
            before, self.rollups = self._rows, [merge(self.rollups)]
            self._rows = self.rollups[0].counts.height + self.rollups[0].latency.height
            pays = 2 * self._rows < before  # else there are as many keys as rows: merging holds them twice, for nothing
            self._merge_at = max(ROWS_AT_ONCE, (2 if pays else 4) * self._rows)


@dataclass(slots=True, kw_only=True)
class Gathering(ABC):
    """
    All that was found so far.

    Attributes:
        options: what to read, and how to judge it.
        compiled: the rules.
        sources: what is read.
        tally: where the lines went.
        ended: rollups of quiet ending records.
        unended: rollups of quiet records that end nothing.
        ending_functions: functions that wrote an ending record.
        alone: rollups of loud records, each taken for a request ...
        flags: ... and how many of those carry which flag.
        loud: the loud records.
        quiet: hashes of the others.
        outcomes: how reading each source ended.
        sample_rejects: the first rejected lines.
    """

    options: AnalysisOptions
    compiled: CompiledRules
    sources: Sequence[Source]
    tally: Tally = field(default_factory=Tally.zero)
    ended: Counted = field(default_factory=Counted)
    unended: Counted = field(default_factory=Counted)
    ending_functions: set[str] = field(default_factory=set)
    alone: Counted = field(default_factory=Counted)
    flags: Counter[str] = field(default_factory=Counter)
    loud: LoudRecords = field(init=False)
    quiet: QuietHashes = field(init=False)
    outcomes: list[SourceOutcome] = field(default_factory=list)
    sample_rejects: list[RejectedAt] = field(default_factory=list)

    def __post_init__(self) -> None:
        budget_bytes = self.options.memory_bytes // 16
        self.loud = LoudRecords(budget_bytes=budget_bytes)
        self.quiet = QuietHashes(budget_bytes=budget_bytes, threads=self.options.threads)

    def count(self, tally: Tally, ending_functions: frozenset[str]) -> None:
        """Take where the lines of some input went; both as in `Partial`."""
        self.tally += tally
        self.ending_functions |= ending_functions

    def add_quiet(self, ended: Iterable[Rollup], unended: Iterable[Rollup]) -> None:
        """Take what quiet records come to; both as in `Partial`."""
        self.ended.add(ended)
        self.unended.add(unended)

    def judge(self, alone: Alone) -> None:
        """Take what loud records come to, each taken for a request."""
        self.alone.add([alone.counted])
        self.flags.update(alone.flags)

    def gathered(self) -> Gathered:
        """Return all that decides the answer."""
        return Gathered(
            loud=self.loud,
            quiet=self.quiet,
            fetch=self.fetch,
            ended=self.ended.rollups,
            unended=self.unended.rollups,
            ending_functions=frozenset(self.ending_functions),
            alone=self.alone.rollups,
            flags=self.flags,
        )

    @abstractmethod
    def fetch(self, pieces: Sequence[int]) -> Iterator[pl.DataFrame]:
        """Yield the records of *pieces* again, or those of them that share a request with a loud one."""

    def all_known(self) -> tuple[tuple[str, str], ...] | None:
        """Say of every source what it is and what it is up to where it was read; None where one cannot be told."""
        return None

    def shelf(self) -> Shelf | None:
        """Return where the settled answer lies; None where not all that was read could be kept."""
        return None

    def account(self, *, duplicates: int, skipped: tuple[FileNote, ...]) -> InputAccount:
        """Say where every line went."""
        tally = self.tally
        names = sorted(cap_names(tally.unknown_fields).items(), key=lambda item: (-item[1], item[0]))
        reasons = sorted(tally.rejected_by_reason.items())
        return InputAccount(
            files=len(self.sources),
            bytes=sum(outcome.bytes_read for outcome in self.outcomes),
            fingerprint=together(each.sha256 or "" for each in self.outcomes) if self.options.fingerprint else None,
            lines=tally.lines,
            records=tally.records,
            rejected=tally.rejected,
            not_m1=tally.not_m1,
            blank=tally.blank,
            rejected_by_reason=MappingProxyType(dict(reasons)),
            duplicates=duplicates,
            outside_window=tally.outside_window,
            untimed=tally.untimed,
            unknown_fields=MappingProxyType(dict(names[:UNKNOWN_NAMES])),
            unknown_field_names=len(names),
            newer_versions=tally.newer_versions,
            first_at=tally.first_at,
            last_at=tally.last_at,
            skipped_files=skipped,
            incomplete_files=tuple(
                FileNote(file=source.name, reason=_problem(outcome))
                for source, outcome in zip(self.sources, self.outcomes, strict=True)
                if outcome.problem is not None
            ),
            sample_rejects=tuple(self.sample_rejects),
        )


def _problem(outcome: SourceOutcome) -> str:
    """Say what kept a source from being read in full."""
    return f"{outcome.problem}: {outcome.detail}" if outcome.detail else str(outcome.problem)
