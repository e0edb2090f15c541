"""The pipeline on one machine: files in, analysis out, with bounded memory."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import polars as pl

from attribute.cache.contents import Text, seal
from attribute.cache.digests import together
from attribute.engines.analysis import Analysis, AnalysisOptions, FileNote, InputAccount, Progress, RejectedAt
from attribute.engines.head_start import HeadStart, Scannable
from attribute.engines.keeper import Keeper
from attribute.engines.kept import ALL_CHUNKS, GROWS_BELOW, PLACED, SAMPLE_REJECTS, Kept
from attribute.engines.partial import Partial, Tally, digest, total
from attribute.engines.settle import Settled, matches, of_matching_functions, settle
from attribute.engines.settled import Shelf
from attribute.engines.spill import Spill
from attribute.frames import RECORDS
from attribute.logs.chunks import Chunk, ChunkReader, SourceOutcome
from attribute.logs.exact import cap_names
from attribute.logs.lines import Decoded, decode_chunk
from attribute.logs.raw_scan import CalmTerms, keeping_memory
from attribute.logs.scanning import SCAN, Scanned, assembled
from attribute.logs.sources import Skipped, Source, discover
from attribute.rollup import Rollup, merge
from attribute.rules.compile import CompiledRules, compile_rules

ROWS_AT_ONCE = 1_000_000
UNKNOWN_NAMES = 50


def analyse(options: AnalysisOptions, ahead: HeadStart | None = None) -> Analysis:
    """
    Read logs and give every incident request its verdict.

    Args:
        options: what to read, and how to judge it.
        ahead: what was begun of it already.

    Returns:
        The analysis; see `Analysis`. The same options over the same lines give the same analysis, whatever the chunk
        size, the number of threads, the names, order and compression of the files.

    Raises:
        AttributionError: a path does not exist, or the rules do not compile.
    """
    compiled = compile_rules(options.catalogue, options.thresholds)
    discovery = discover(options.paths, exclude=options.exclude) if ahead is None else ahead.discovery
    gathering = Gathering(options=options, compiled=compiled, sources=discovery.sources, ahead=ahead)
    gathering.read()
    return conclude(gathering, discovery.skipped)


def conclude(gathering: Gathering, passed_over: Sequence[Skipped]) -> Analysis:
    """Come from what was gathered to the answer, wherever it was gathered."""
    options = gathering.options
    shelf = gathering.shelf()
    settled = None if shelf is None else shelf.get()
    if settled is None:
        settled = _settle(gathering)
        if shelf is not None:
            shelf.keep(settled)
    skipped = tuple(FileNote(file=note.name, reason=note.reason) for note in passed_over)
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
        known=gathering.all_known(),
        keep_alive=settled.verdicts,
    )


def _settle(gathering: Gathering) -> Settled:
    options = gathering.options
    return settle(
        loud=gathering.loud,
        quiet=gathering.quiet,
        fetch=gathering.fetch,
        ended=gathering.ended.rollups,
        unended=gathering.unended.rollups,
        ending_functions=frozenset(gathering.ending_functions),
        compiled=gathering.compiled,
        window=options.window,
        memory_bytes=options.memory_bytes,
        latency_slot=options.latency_slot,
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
            self.rollups = [merge(self.rollups)]
            self._rows = self.rollups[0].counts.height + self.rollups[0].latency.height
            self._merge_at = max(ROWS_AT_ONCE, 2 * self._rows)


@dataclass(slots=True, kw_only=True)
class _Range:
    """
    A range of one file, while it is read.

    Attributes:
        start: its first byte.
        end: the first after it; None: the file's end.
        lines_before: how many lines of the file come before.
        lines_of_others: how many lines were taken that are not of this file.
        parts: what its chunks come to, where that is kept.
        through: what the text goes through before it is cut into lines.
        is_sealed: whether to seal the text, so that a copy is recognised.
    """

    start: int
    end: int | None
    lines_before: int
    parts: list[tuple[int, Partial]] | None
    through: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None
    is_sealed: bool = False
    lines_of_others: int = 0
    rejects: list[tuple[int, str, str | None]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Gathering:
    """All that is gathered while the sources are read, and the way back to a chunk already read."""

    options: AnalysisOptions
    compiled: CompiledRules
    sources: Sequence[Source]
    ahead: HeadStart | None = None
    calm: CalmTerms = field(init=False)
    tally: Tally = field(default_factory=Tally.zero)
    ended: Counted = field(default_factory=Counted)
    unended: Counted = field(default_factory=Counted)
    ending_functions: set[str] = field(default_factory=set)
    loud: Spill = field(init=False)
    quiet: Spill = field(init=False)
    places: list[tuple[int, int, int | None, int]] = field(default_factory=list)
    outcomes: list[SourceOutcome] = field(default_factory=list)
    sample_rejects: list[RejectedAt] = field(default_factory=list)
    known: list[tuple[str, str] | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        options = self.options
        self.calm = options.calm_terms()
        self.loud = Spill(RECORDS, budget_bytes=self.options.memory_bytes // 2)
        self.quiet = Spill(PLACED, budget_bytes=self.options.memory_bytes // 4)

    def read(self) -> None:
        """Read all sources once, or take what was kept of them and read the rest."""
        with keeping_memory(), ThreadPoolExecutor(self.options.threads) as pool:
            for index, source in enumerate(self.sources):
                keeper = Keeper.of(source.path, source.size_bytes, self.options)
                if keeper is None:
                    self.known.append(None)
                    self.outcomes.append(
                        self._read_range(pool, index, _Range(start=0, end=None, lines_before=0, parts=None))
                    )
                else:
                    self.outcomes.append(self._read_kept(pool, index, keeper))

    def all_known(self) -> tuple[tuple[str, str], ...] | None:
        """Say of every source what it is and what it is up to where it was read; None where one cannot be told."""
        known = tuple(each for each in self.known if each is not None)
        return known if known and len(known) == len(self.sources) else None

    def shelf(self) -> Shelf | None:
        """Return where the settled answer lies; None where not all that was read could be kept."""
        known = self.all_known()
        if self.options.cache is None or known is None:
            return None
        return Shelf(self.options.cache.store, known, self.options)

    def _read_kept(self, pool: ThreadPoolExecutor, index: int, keeper: Keeper) -> SourceOutcome:
        """Take what was kept of a source, read and keep the rest of its whole lines, and read what is behind them."""
        start = lines = 0
        first: Kept | None = None
        last: Kept | None = None
        outcomes: list[SourceOutcome] = []
        for last in keeper.kept():
            self._take_kept(index, last, lines)
            start, lines = last.end, lines + last.tally.lines
            first = first or last
        if start:
            outcomes.append(SourceOutcome(bytes_read=start, text_bytes=start, lines=0))
        elif not keeper.is_plain and keeper.is_like_others:
            return self._read_recognised(pool, index, keeper)
        for begin, end in keeper.ranges(start):
            before = self.tally.lines
            area = _Range(start=begin, end=end, lines_before=lines, parts=[], is_sealed=keeper.is_plain)
            outcomes.append(self._read_range(pool, index, area))
            lines += self.tally.lines - before
            new = _kept_of(area, keeper) if outcomes[-1].problem is None else None
            if new is not None:
                grows = last is not None and last.end == new.start and last.end - last.start < GROWS_BELOW
                last = last.followed_by(new) if grows and last is not None else new
                first = last if last.start == 0 else first
                keeper.keep(last)
        if first is not None and first.pieces:
            keeper.list_as(first.pieces[0])
        whole = not any(outcome.problem for outcome in outcomes)
        if keeper.is_plain and whole:
            area = _Range(start=keeper.end, end=None, lines_before=lines, parts=None)
            outcomes.append(self._read_range(pool, index, area))
            whole = outcomes[-1].bytes_read == 0 and outcomes[-1].problem is None
        self.known.append(keeper.known(keeper.end) if whole else None)
        return SourceOutcome(
            bytes_read=sum(outcome.bytes_read for outcome in outcomes),
            text_bytes=sum(outcome.text_bytes for outcome in outcomes),
            lines=0,
            problem=next((outcome.problem for outcome in outcomes if outcome.problem is not None), None),
            detail=next((outcome.detail for outcome in outcomes if outcome.problem is not None), None),
        )

    def _read_recognised(self, pool: ThreadPoolExecutor, index: int, keeper: Keeper) -> SourceOutcome:
        """Expand a compressed source, take what was kept of its text, decode the rest, and keep all of it."""
        taken: list[Kept] = []
        area = _Range(start=0, end=None, lines_before=0, parts=[])
        is_read = False

        def take(found: Kept) -> None:
            taken.append(found.in_text(area.start))
            self._take_kept(index, taken[-1], area.lines_before)
            area.start, area.lines_before = area.start + found.text_bytes, area.lines_before + found.tally.lines

        def through(blocks: Iterator[bytes]) -> Iterator[bytes]:
            nonlocal is_read
            text = Text(blocks)
            if keeper.recognise(text, take):
                is_read = True
                yield from text.rest()

        area.through = through
        outcome = self._read_range(pool, index, area)
        if not is_read:  # some more was passed over, which turned out to be another text, or to be damaged
            area = _Range(start=area.start, end=None, lines_before=area.lines_before, parts=[])
            outcome = self._read_range(pool, index, area)
        new = _kept_of(area, keeper) if outcome.problem is None else None
        parts = taken if new is None else [*taken, new]
        ending = keeper.ending(0, keeper.end)
        if outcome.problem is None and parts and ending is not None:
            kept = functools.reduce(Kept.followed_by, parts)
            keeper.keep(replace(kept, start=0, end=keeper.end, ending=ending, pieces=()))
        self.known.append(keeper.known(keeper.end) if outcome.problem is None else None)
        return outcome

    def _read_range(self, pool: ThreadPoolExecutor, index: int, area: _Range) -> SourceOutcome:
        total_bytes = sum(source.size_bytes or 0 for source in self.sources)
        before = sum(outcome.bytes_read for outcome in self.outcomes) + area.start
        reader, chunks = self._chunks(index, area)
        area.lines_of_others = self.tally.lines - area.lines_before
        digest_one = functools.partial(self._digest, is_sealed=area.is_sealed)
        for chunk, decoded, partial in _side_by_side(pool, self.options.threads, chunks, digest_one):
            self._take(index, area, chunk, decoded, partial)
            if self.options.on_progress is not None:
                done = before + reader.bytes_read
                self.options.on_progress(Progress(read_bytes=done, total_bytes=total_bytes, lines=self.tally.lines))
        return reader.outcome

    def _chunks(self, index: int, area: _Range) -> tuple[ChunkReader, Iterable[Scannable]]:
        """Return what reads a range, and its chunks, those that were scanned ahead first."""
        ahead, self.ahead = self.ahead, None
        is_wanted = index == 0 and area.through is None
        if ahead is not None and is_wanted and ahead.area == (area.start, area.end):
            return ahead.reader, ahead.chunks()
        if ahead is not None:
            ahead.give_up()
        reader = self._reader(self.sources[index], area.start, area.end, area.through)
        return reader, ((chunk, None) for chunk in reader)

    def _reader(
        self,
        source: Source,
        start: int,
        end: int | None,
        through: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None,
    ) -> ChunkReader:
        # lines are counted once they are decoded, which costs nothing
        options = self.options
        return ChunkReader(
            source,
            chunk_bytes=options.chunk_bytes,
            fingerprint=options.fingerprint,
            start=start,
            end=end,
            first_line=0,
            in_text=True,
            through=through,
        )

    def _digest(self, scannable: Scannable, *, is_sealed: bool = False) -> tuple[Decoded, Partial]:
        options = self.options
        chunk, found = scannable
        scan = SCAN if found is None else functools.partial(_scanned_ahead, found)
        decoded = decode_chunk(chunk, strict=options.strict, calm=self.calm, scan=scan)
        partial = digest(decoded, compiled=self.compiled, window=options.window, latency_slot=options.latency_slot)
        return decoded, replace(partial, piece=seal(chunk.data)) if is_sealed else partial

    def _take(self, index: int, area: _Range, chunk: Chunk, decoded: Decoded, partial: Partial) -> None:
        piece = len(self.places)
        number = chunk.number if area.through is None else ALL_CHUNKS  # a plain reader may cut what is left otherwise
        self.places.append((index, area.start, area.end, number))
        line = self.tally.lines - area.lines_of_others
        self._hear_rejects(self.sources[index].name, decoded, line)
        if area.parts is not None:
            area.parts.append((number, partial))
            room = SAMPLE_REJECTS - len(area.rejects)
            area.rejects += [
                (line - area.lines_before + reject.line, str(reject.reason), reject.detail)
                for reject in decoded.rejects[:room]
            ]
        self.tally += partial.tally
        self.ending_functions |= partial.ending_functions
        self.loud.add(partial.loud)
        self.quiet.add(partial.quiet.with_columns(pl.lit(piece, pl.UInt32).alias("piece")))
        self.ended.add(partial.ended)
        self.unended.add(partial.unended)

    def _take_kept(self, index: int, kept: Kept, lines_before: int) -> None:
        piece = len(self.places)
        self.places += [(index, *place) for place in kept.places]
        for line, reason, detail in kept.rejects[: SAMPLE_REJECTS - len(self.sample_rejects)]:
            name = self.sources[index].name
            self.sample_rejects.append(RejectedAt(file=name, line=lines_before + line, reason=reason, detail=detail))
        self.tally += kept.tally
        self.ending_functions |= kept.ending_functions
        self.loud.add(kept.loud)
        self.quiet.add(kept.quiet.with_columns((pl.col("piece") + piece).cast(pl.UInt32)))
        self.ended.add([kept.ended])
        self.unended.add([kept.unended])

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
        wanted: dict[tuple[int, int, int | None], set[int]] = {}
        stretches: dict[int, tuple[int, int | None]] = {}
        for piece in pieces:
            index, start, end, number = self.places[piece]
            if number == ALL_CHUNKS:  # of all of these in one text, one stretch: it is expanded once
                first, last = stretches.get(index, (start, end))
                stretches[index] = (min(first, start), None if last is None or end is None else max(last, end))
            else:
                wanted.setdefault((index, start, end), set()).add(number)
        for index, (first, last) in stretches.items():
            for chunk in self._reader(self.sources[index], first, last):
                yield decode_chunk(chunk, strict=self.options.strict).records
        for (index, start, end), numbers in sorted(wanted.items(), key=lambda item: item[0][:2]):
            for chunk in self._reader(self.sources[index], start, end):
                if chunk.number in numbers:
                    yield decode_chunk(chunk, strict=self.options.strict).records
                if chunk.number >= max(numbers):
                    break

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


def _side_by_side(
    pool: ThreadPoolExecutor,
    threads: int,
    chunks: Iterable[Scannable],
    work: Callable[[Scannable], tuple[Decoded, Partial]],
) -> Iterator[tuple[Chunk, Decoded, Partial]]:
    """Decode chunks in threads, a few at a time, and yield them in order."""
    waiting: deque[tuple[Chunk, Future[tuple[Decoded, Partial]]]] = deque()
    for scannable in chunks:
        waiting.append((scannable[0], pool.submit(work, scannable)))
        if len(waiting) > threads:
            done, future = waiting.popleft()
            yield done, *future.result()
    while waiting:
        done, future = waiting.popleft()
        yield done, *future.result()


def _scanned_ahead(found: Mapping[str, Any], data: bytes, *, strict: bool, calm: CalmTerms | None) -> Scanned:  # noqa: ARG001 - it was scanned as it would be now
    return assembled(found, counted=calm is not None)


def _kept_of(area: _Range, keeper: Keeper) -> Kept | None:
    """Return what a range came to, to be kept."""
    parts = [partial for _, partial in area.parts or []]
    end = keeper.end if area.end is None else area.end
    start = area.start if keeper.is_plain else 0
    ending = keeper.ending(start, end)
    if not parts or ending is None:
        return None
    pieces = tuple(partial.piece for partial in parts if partial.piece is not None)
    is_sealed = all(length for length, _ in pieces)  # of a line that is too long there is no text to seal
    return Kept(
        start=start,
        end=end,
        ending=ending,
        tally=total(partial.tally for partial in parts),
        ended=merge(rollup for partial in parts for rollup in partial.ended),
        unended=merge(rollup for partial in parts for rollup in partial.unended),
        ending_functions=frozenset[str]().union(*(partial.ending_functions for partial in parts)),
        loud=pl.concat([partial.loud for partial in parts]),
        quiet=pl.concat(
            [partial.quiet.with_columns(pl.lit(piece, pl.UInt32).alias("piece")) for piece, partial in enumerate(parts)]
        ),
        places=tuple((area.start, area.end, number) for number, _ in area.parts or []),
        pieces=pieces if is_sealed else (),
        rejects=tuple(area.rejects),
    )


def _problem(outcome: SourceOutcome) -> str:
    """Say what kept a source from being read in full."""
    return f"{outcome.problem}: {outcome.detail}" if outcome.detail else str(outcome.problem)
