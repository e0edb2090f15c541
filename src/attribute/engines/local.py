"""The pipeline on one machine: files in, analysis out, with bounded memory."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final

import polars as pl

from attribute.cache.contents import Text, seal
from attribute.engines.alone import Alone, taken_alone
from attribute.engines.analysis import SAMPLE_REJECTS, Analysis, AnalysisOptions, Progress, RejectedAt
from attribute.engines.gathering import Gathering, conclude
from attribute.engines.head_start import HeadStart, Scannable
from attribute.engines.keeper import Keeper
from attribute.engines.kept import ALL_CHUNKS, Kept, Part
from attribute.engines.partial import Partial, digest, is_ending, own_copy
from attribute.engines.pieces import Piece, Pieces
from attribute.engines.ranges import Keeping, Range, kept_of
from attribute.engines.settle import ChangedError
from attribute.engines.settled import Shelf, rules_of
from attribute.engines.threads import Judging, Worked, side_by_side, taking_turns
from attribute.frames import RECORDS
from attribute.logs.chunks import Chunk, ChunkReader, SourceOutcome, read_part
from attribute.logs.hashes import hash_of
from attribute.logs.lines import Decoded, decode_chunk
from attribute.logs.opened import OpenedFiles
from attribute.logs.raw_scan import CalmTerms, give_back_memory, keeping_memory
from attribute.logs.scanning import SCAN, Scanned, assembled
from attribute.logs.sources import Source, discover
from attribute.rules.compile import compile_rules

__all__ = ["analyse"]

_CHUNKS_BETWEEN: Final = 32
"""After so many chunks idle memory is given back."""

_NO_RECORDS: Final = RECORDS.to_frame()


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
        AttributionError: a path does not exist, the rules do not compile, or what was read is gone when it is wanted
            again.
    """
    compiled = compile_rules(options.catalogue, options.thresholds)
    discovery = discover(options.paths, exclude=options.exclude) if ahead is None else ahead.discovery
    files = OpenedFiles() if ahead is None else ahead.files
    gathering = LocalGathering(options=options, compiled=compiled, sources=discovery.sources, ahead=ahead, files=files)
    with contextlib.closing(files):
        gathering.read()
        return conclude(gathering, discovery.skipped)


@dataclass(slots=True, kw_only=True)
class LocalGathering(Gathering):
    """
    The reading of files on this machine, and the way back to a chunk already read.

    Attributes:
        ahead: what was begun of it already.
        calm: how calm records are counted before any rule is asked.
        rules: under which rules and limits loud records are judged.
        pieces: where every piece lies.
        known: of every source, what it is and what it is up to where it was read, or None.
        files: where the sources are opened.
    """

    files: OpenedFiles
    ahead: HeadStart | None = None
    calm: CalmTerms = field(init=False)
    rules: str = field(init=False)
    pieces: Pieces = field(default_factory=Pieces)
    known: list[tuple[str, str] | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        Gathering.__post_init__(self)
        self.calm = self.options.calm_terms()
        self.rules = rules_of(self.options)

    def read(self) -> None:
        """Read all sources once, or take what was kept of them and read the rest."""
        with keeping_memory(), taking_turns(), ThreadPoolExecutor(self.options.threads) as pool:
            for index, source in enumerate(self.sources):
                keeper = Keeper.of(source, self.options)
                if keeper is None:
                    self.known.append(None)
                    self.outcomes.append(
                        self._read_range(pool, index, Range(start=0, end=None, lines_before=0, parts=None))
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
        for found in keeper.kept():
            whole_found = found.gathered() if found.grows else found  # its entries may go
            judged = None if whole_found is None else self._by_our_rules(whole_found, keeper)
            if judged is None:
                break
            last = judged
            self._take_kept(index, last, lines, keeper)
            outcomes.append(SourceOutcome(bytes_read=last.read_bytes, text_bytes=last.read_bytes, lines=0))
            start, lines = last.end, lines + last.tally.lines
            first = first or last
        if not start and not keeper.is_plain and keeper.is_like_others:
            return self._read_recognised(pool, index, keeper)

        def take(area: Range, kept: Kept | None, *, is_grown: bool) -> None:
            nonlocal first
            first = kept if kept is not None and kept.start == 0 else first
            if kept is None or is_grown:
                self._hold(area)
            else:
                self._leave(index, kept, area.first_piece(), keeper)

        keeping = Keeping(pool, keeper, rules=self.rules, last=last, take=take)
        for begin, end in keeper.ranges(start, self.files.open):
            before = self.tally.lines
            area = Range(start=begin, end=end, lines_before=lines, parts=[], is_sealed=keeper.seals(begin))
            outcomes.append(self._read_range(pool, index, area))
            lines += self.tally.lines - before
            keeping.add(area, outcomes[-1])
        keeping.finish()
        if first is not None and first.pieces:
            keeper.list_as(first.pieces[0])
        whole = not any(outcome.problem for outcome in outcomes)
        if keeper.is_plain and whole:
            area = Range(start=keeper.end, end=None, lines_before=lines, parts=None)
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
        area = Range(start=0, end=None, lines_before=0, parts=[])
        is_read = False

        def take(found: Kept) -> None:
            judged = self._by_our_rules(found.in_text(area.start))
            assert judged is not None, "all of it is at hand"
            taken.append(judged)
            self._take_kept(index, judged, area.lines_before)
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
            area = Range(start=area.start, end=None, lines_before=area.lines_before, parts=[])
            outcome = self._read_range(pool, index, area)
        self._hold(area)
        new = kept_of(area, keeper, self.rules, outcome)
        parts = taken if new is None else [*taken, new]
        ending = keeper.ending(0, keeper.end)
        if outcome.problem is None and parts and ending is not None:
            kept: Kept | None = parts[0]
            for part in parts[1:]:
                kept = None if kept is None else kept.followed_by(part)
            if kept is not None:
                keeper.keep(
                    replace(kept, start=0, end=keeper.end, ending=ending, read_bytes=outcome.bytes_read, pieces=())
                )
        self.known.append(keeper.known(keeper.end) if outcome.problem is None else None)
        return outcome

    def _read_range(self, pool: ThreadPoolExecutor, index: int, area: Range) -> SourceOutcome:
        before = sum(outcome.bytes_read for outcome in self.outcomes) + area.start
        reader, parts = self._parts(index, area)
        area.lines_of_others = self.tally.lines - area.lines_before
        digest_one = functools.partial(self._digest, is_sealed=area.is_sealed)

        def take(records: pl.DataFrame, alone: Alone) -> None:
            if area.parts is None:
                self._hold_loud(records, alone)
            else:
                area.judged.append((records, alone))

        judging = Judging(pool, self._judged, take, self.options.threads)
        number = 0
        try:
            with contextlib.closing(side_by_side(pool, self.options.threads, parts, digest_one)) as done:
                for worked in done:
                    for decoded, partial in worked.chunks:
                        self._take(index, area, number, decoded, partial)
                        judging.add(partial.loud)
                        number += 1
                    if len(self.pieces) % _CHUNKS_BETWEEN == 0:
                        give_back_memory()
                    self._tell_progress(before + reader.bytes_read)
                    if worked.reading.fault is not None:
                        reader.stop(worked.reading)
                        break
            judging.finish()
            return reader.finish()
        finally:
            reader.close()

    def _tell_progress(self, read_bytes: int) -> None:
        if self.options.on_progress is not None:
            total_bytes = sum(source.size_bytes or 0 for source in self.sources)
            self.options.on_progress(Progress(read_bytes=read_bytes, total_bytes=total_bytes, lines=self.tally.lines))

    def _judged(self, records: pl.DataFrame) -> tuple[pl.DataFrame, Alone]:
        """Return the records apart from the memory that they were scanned into, and what they come to."""
        records = own_copy(records.rechunk())
        return records, self._alone(records)

    def _alone(self, records: pl.DataFrame) -> Alone:
        options = self.options
        return taken_alone(records, self.compiled, window=options.window, latency_slot=options.latency_slot)

    def _parts(self, index: int, area: Range) -> tuple[ChunkReader, Iterable[Scannable]]:
        """Return what reads a range, and its parts, those that were scanned ahead first."""
        ahead, self.ahead = self.ahead, None
        is_wanted = index == 0 and area.through is None
        if ahead is not None and is_wanted and ahead.area == (area.start, area.end):
            return ahead.reader, ahead.parts()
        if ahead is not None:
            ahead.give_up()
        reader = self._reader(self.sources[index], area.start, area.end, area.through)
        return reader, ((part, None) for part in reader.parts())

    def _reader(
        self,
        source: Source,
        start: int,
        end: int | None,
        through: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None,
        *,
        is_second: bool = False,
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
            opens=self.files.reopen if is_second else self.files.open,
        )

    def _digest(self, scannable: Scannable, *, is_sealed: bool = False) -> Worked:
        part, found = scannable
        reading = read_part(part)
        chunks = [self._digest_chunk(chunk, found, is_sealed=is_sealed) for chunk in reading.chunks]
        return Worked(chunks=chunks, reading=replace(reading, chunks=[]))

    def _digest_chunk(
        self, chunk: Chunk, found: Mapping[str, Any] | None, *, is_sealed: bool
    ) -> tuple[Decoded, Partial]:
        options = self.options
        scan = SCAN if found is None else functools.partial(_scanned_ahead, found)
        decoded = decode_chunk(chunk, strict=options.strict, calm=self.calm, scan=scan)
        partial = digest(decoded, compiled=self.compiled, window=options.window, latency_slot=options.latency_slot)
        return decoded, replace(partial, piece=seal(chunk.data)) if is_sealed else partial

    def _take(self, index: int, area: Range, number: int, decoded: Decoded, partial: Partial) -> None:
        number = number if area.through is None else ALL_CHUNKS  # a plain reader may cut what is left otherwise
        piece = self.pieces.add(Piece(index, area.start, area.end, number))
        line = self.tally.lines - area.lines_of_others
        self._hear_rejects(self.sources[index].name, decoded, line)
        if area.parts is None:
            self._hold_quiet(piece, partial)
        else:  # which is counted once all of the range is read
            area.parts.append((piece, number, replace(partial, loud=_NO_RECORDS)))
            room = SAMPLE_REJECTS - len(area.rejects)
            area.rejects += [
                (line - area.lines_before + reject.line, str(reject.reason), reject.detail)
                for reject in decoded.rejects[:room]
            ]
        self.count(partial.tally, partial.ending_functions)

    def _hold(self, area: Range) -> None:
        """Count and hold what was read of a range and lies nowhere else."""
        for piece, _, partial in area.parts or []:
            self._hold_quiet(piece, partial)
        for records, alone in area.judged:
            self._hold_loud(records, alone)

    def _hold_quiet(self, piece: int, partial: Partial) -> None:
        self.add_quiet(partial.ended, partial.unended)
        self.quiet.add(partial.quiet, [(piece, partial.quiet.height)])

    def _hold_loud(self, records: pl.DataFrame, alone: Alone) -> None:
        self.judge(alone)
        self.loud.add(records, alone.keys)

    def _take_kept(self, index: int, kept: Kept, lines_before: int, keeper: Keeper | None = None) -> None:
        """Take what was kept; *keeper* is to forget it, should a part of it be gone."""
        first = len(self.pieces)
        for start, end, number, _ in kept.places:
            self.pieces.add(Piece(index, start, end, number))
        for line, reason, detail in kept.rejects[: SAMPLE_REJECTS - len(self.sample_rejects)]:
            name = self.sources[index].name
            self.sample_rejects.append(RejectedAt(file=name, line=lines_before + line, reason=reason, detail=detail))
        self.count(kept.tally, kept.ending_functions)
        self._leave(index, kept, first, keeper)

    def _leave(self, index: int, kept: Kept, first_piece: int, keeper: Keeper | None) -> None:
        """Count the records of a range, and leave in the cache what lies there of them, until they are asked for."""
        self.add_quiet([kept.ended], [kept.unended])
        self.judge(kept.alone)
        pieces = [(piece, rows) for piece, (_, _, _, rows) in enumerate(kept.places, first_piece)]
        keys, loud, quiet, start = kept.alone.keys, kept.loud.at_hand, kept.quiet.at_hand, kept.start

        def again(part: Part, wanted: Callable[[pl.DataFrame], pl.DataFrame], rows: int) -> pl.DataFrame:
            frame = part.frame()
            if frame is not None:
                return frame
            if keeper is not None:
                keeper.forget(start)
            read = [wanted(records) for records in self.fetch([piece for piece, _ in pieces])]  # in their order
            if sum(frame.height for frame in read) != rows:
                raise ChangedError.of_file(self.sources[index].name)
            return pl.concat(read)

        if loud is not None:
            self.loud.add(loud, keys)
        else:
            self.loud.add_later(keys, kept.span, functools.partial(again, kept.loud, self._loud_of, keys.height))
        if quiet is not None:
            self.quiet.add(quiet, pieces)
        else:
            rows = sum(rows for _, rows in pieces)
            self.quiet.add_later(functools.partial(again, kept.quiet, self._quiet_of, rows), pieces)

    def _loud_of(self, records: pl.DataFrame) -> pl.DataFrame:
        return records.filter(self.compiled.incident)

    def _quiet_of(self, records: pl.DataFrame) -> pl.DataFrame:
        quiet = records.filter(~self.compiled.incident)
        return quiet.select(hash_of(pl.col("request_id")).alias("hash"), is_ending().alias("ending"))

    def _by_our_rules(self, kept: Kept, keeper: Keeper | None = None) -> Kept | None:
        """
        Return what was kept with its loud records judged by our rules, and keep it so; nothing is read again.

        None where those records are gone.
        """
        if kept.rules == self.rules:
            return kept
        frame = kept.loud.frame()
        if frame is None:
            return None
        judged = replace(kept, alone=self._alone(frame), rules=self.rules)
        if keeper is not None:
            keeper.keep(judged)
        return judged

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
        """
        Yield the records of *pieces* again.

        Raises:
            ChangedError: a file ends otherwise than it did before.
        """
        opened: list[tuple[int, ChunkReader]] = []

        def reader(index: int, start: int, end: int | None) -> ChunkReader:
            opened.append((index, self._reader(self.sources[index], start, end, is_second=True)))
            return opened[-1][1]

        yield from self.pieces.records(
            pieces, reader=reader, decode=lambda chunk: decode_chunk(chunk, strict=self.options.strict).records
        )
        for index, each in opened:
            before = self.outcomes[index].problem if index < len(self.outcomes) else None
            if each.problem not in {None, before}:
                raise ChangedError.of_file(self.sources[index].name)


def _scanned_ahead(found: Mapping[str, Any], data: bytes, *, strict: bool, calm: CalmTerms | None) -> Scanned:  # noqa: ARG001 - it was scanned as it would be now
    return assembled(found, counted=calm is not None)
