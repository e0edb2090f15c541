"""The pipeline on one machine: files in, analysis out, with bounded memory."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType

import polars as pl

from attribute.engines.analysis import Analysis, AnalysisOptions, FileNote, InputAccount, Progress, RejectedAt
from attribute.engines.partial import Partial, Tally, calm_terms, digest
from attribute.engines.settle import PLACED, matches, of_matching_functions, settle
from attribute.engines.spill import Spill
from attribute.frames import RECORDS
from attribute.logs.chunks import Chunk, ChunkReader, SourceOutcome
from attribute.logs.lines import Decoded, decode_chunk
from attribute.logs.scanning import CalmTerms
from attribute.logs.sources import Source, discover
from attribute.rollup import Rollup, merge
from attribute.rules.compile import CompiledRules, compile_rules

ROWS_AT_ONCE = 1_000_000
SAMPLE_REJECTS = 20
UNKNOWN_NAMES = 50


def analyse(options: AnalysisOptions) -> Analysis:
    """
    Read logs and give every incident request its verdict.

    Args:
        options: what to read, and how to judge it.

    Returns:
        The analysis; see `Analysis`. The same options over the same lines give the same analysis, whatever the chunk
        size, the number of threads, the names, order and compression of the files.

    Raises:
        AttributionError: a path does not exist, or the rules do not compile.
    """
    compiled = compile_rules(options.catalogue, options.thresholds)
    discovery = discover(options.paths, exclude=options.exclude)
    gathering = _Gathering(options=options, compiled=compiled, sources=discovery.sources)
    gathering.read()
    settled = settle(
        loud=gathering.loud,
        quiet=gathering.quiet,
        fetch=gathering.fetch,
        ended=gathering.ended.rollups,
        unended=gathering.unended.rollups,
        ending_functions=frozenset(gathering.ending_functions),
        compiled=compiled,
        window=options.window,
        memory_bytes=options.memory_bytes,
        latency_slot=options.latency_slot,
    )
    skipped = tuple(FileNote(file=note.name, reason=note.reason) for note in discovery.skipped)
    account = gathering.account(duplicates=settled.duplicates, skipped=skipped)
    verdicts = settled.verdicts.lazy()
    if options.functions:
        names = settled.rollup.counts["function"].unique()
        verdicts = verdicts.filter(
            pl.col("function").is_in([name for name in names if matches(name, options.functions)])
        )
    return Analysis(
        account=account,
        rollup=of_matching_functions(settled.rollup, options.functions),
        verdicts=verdicts.sort("at", "request_id", nulls_last=True),
        keep_alive=settled.verdicts,
    )


class _Counted:
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
            self.rollups = [merge(self.rollups)]
            self._rows = self.rollups[0].counts.height + self.rollups[0].latency.height
            self._merge_at = max(ROWS_AT_ONCE, 2 * self._rows)


@dataclass(slots=True, kw_only=True)
class _Gathering:
    """All that is gathered while the sources are read, and the way back to a chunk already read."""

    options: AnalysisOptions
    compiled: CompiledRules
    sources: Sequence[Source]
    calm: CalmTerms = field(init=False)
    tally: Tally = field(default_factory=Tally.zero)
    ended: _Counted = field(default_factory=_Counted)
    unended: _Counted = field(default_factory=_Counted)
    ending_functions: set[str] = field(default_factory=set)
    loud: Spill = field(init=False)
    quiet: Spill = field(init=False)
    places: list[tuple[int, int]] = field(default_factory=list)
    outcomes: list[SourceOutcome] = field(default_factory=list)
    sample_rejects: list[RejectedAt] = field(default_factory=list)

    def __post_init__(self) -> None:
        options = self.options
        self.calm = calm_terms(self.compiled, window=options.window, latency_slot=options.latency_slot)
        self.loud = Spill(RECORDS, budget_bytes=self.options.memory_bytes // 2)
        self.quiet = Spill(PLACED, budget_bytes=self.options.memory_bytes // 4)

    def read(self) -> None:
        """Read all sources once."""
        total_bytes = sum(source.size_bytes or 0 for source in self.sources)
        with ThreadPoolExecutor(self.options.threads) as pool:
            for index, source in enumerate(self.sources):
                lines_before = self.tally.lines
                before = sum(outcome.bytes_read for outcome in self.outcomes)
                reader = self._reader(source)
                for chunk, decoded, partial in _side_by_side(pool, self.options.threads, reader, self._digest):
                    self._take(index, chunk, decoded, partial, lines_before)
                    if self.options.on_progress is not None:
                        done = before + reader.bytes_read
                        self.options.on_progress(
                            Progress(read_bytes=done, total_bytes=total_bytes, lines=self.tally.lines)
                        )
                self.outcomes.append(reader.outcome)

    def _reader(self, source: Source) -> ChunkReader:
        # lines are counted once they are decoded, which costs nothing
        return ChunkReader(
            source, chunk_bytes=self.options.chunk_bytes, fingerprint=self.options.fingerprint, first_line=0
        )

    def _digest(self, chunk: Chunk) -> tuple[Decoded, Partial]:
        options = self.options
        decoded = decode_chunk(chunk, strict=options.strict, calm=self.calm)
        return decoded, digest(
            decoded, compiled=self.compiled, window=options.window, latency_slot=options.latency_slot
        )

    def _take(self, index: int, chunk: Chunk, decoded: Decoded, partial: Partial, lines_before: int) -> None:
        piece = len(self.places)
        self.places.append((index, chunk.number))
        self._hear_rejects(self.sources[index].name, decoded, self.tally.lines - lines_before)
        self.tally += partial.tally
        self.ending_functions |= partial.ending_functions
        self.loud.add(partial.loud)
        self.quiet.add(partial.quiet.with_columns(pl.lit(piece, pl.UInt32).alias("piece")))
        self.ended.add(partial.ended)
        self.unended.add(partial.unended)

    def _hear_rejects(self, file: str, decoded: Decoded, lines_before: int) -> None:
        room = SAMPLE_REJECTS - len(self.sample_rejects)
        if self.options.on_reject is None and room <= 0:
            return
        for reject in decoded.rejects:
            place = RejectedAt(
                file=file, line=lines_before + reject.line, reason=str(reject.reason), detail=reject.detail
            )
            if len(self.sample_rejects) < SAMPLE_REJECTS:
                self.sample_rejects.append(place)
            if self.options.on_reject is not None:
                self.options.on_reject(place)

    def fetch(self, pieces: Sequence[int]) -> Iterator[pl.DataFrame]:
        """Yield the records of *pieces* again."""
        wanted: dict[int, set[int]] = {}
        for piece in pieces:
            index, number = self.places[piece]
            wanted.setdefault(index, set()).add(number)
        for index, numbers in sorted(wanted.items()):
            for chunk in ChunkReader(self.sources[index], chunk_bytes=self.options.chunk_bytes):
                if chunk.number in numbers:
                    yield decode_chunk(chunk, strict=self.options.strict).records
                if chunk.number >= max(numbers):
                    break

    def account(self, *, duplicates: int, skipped: tuple[FileNote, ...]) -> InputAccount:
        """Say where every line went."""
        tally = self.tally
        names = sorted(tally.unknown_fields.items(), key=lambda item: (-item[1], item[0]))
        reasons = sorted(tally.rejected_by_reason.items())
        return InputAccount(
            files=len(self.sources),
            bytes=sum(outcome.bytes_read for outcome in self.outcomes),
            fingerprint=_fingerprint(self.outcomes) if self.options.fingerprint else None,
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


def _side_by_side(
    pool: ThreadPoolExecutor, threads: int, reader: ChunkReader, work: Callable[[Chunk], tuple[Decoded, Partial]]
) -> Iterator[tuple[Chunk, Decoded, Partial]]:
    """Decode chunks in threads, a few at a time, and yield them in order."""
    waiting: deque[tuple[Chunk, Future[tuple[Decoded, Partial]]]] = deque()
    for chunk in reader:
        waiting.append((chunk, pool.submit(work, chunk)))
        if len(waiting) > threads:
            done, future = waiting.popleft()
            yield done, *future.result()
    while waiting:
        done, future = waiting.popleft()
        yield done, *future.result()


def _problem(outcome: SourceOutcome) -> str:
    """Say what kept a source from being read in full."""
    return f"{outcome.problem}: {outcome.detail}" if outcome.detail else str(outcome.problem)


def _fingerprint(outcomes: Sequence[SourceOutcome]) -> str:
    """Hash the hashes of the files, sorted, so that names and order do not matter."""
    digests = sorted(outcome.sha256 or "" for outcome in outcomes)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
