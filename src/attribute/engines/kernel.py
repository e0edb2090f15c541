"""
The work of one task on a cluster: a pure function of a split to bytes.

Decoding, verdict limits, rollup and what is kept of loud records are the code of the local engine: an engine for a
cluster only carries tasks out and replies back, so its answer cannot differ.
"""

from __future__ import annotations

import pickle
import platform
import zlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from typing import Final

import orjson
import polars as pl

from attribute import __version__
from attribute.engines.alone import Alone, taken_alone
from attribute.engines.analysis import Window, calm_terms
from attribute.engines.partial import QUIET, Partial, digest, total
from attribute.engines.splits import Split
from attribute.engines.wire import REJECTS, Reply, pack
from attribute.frames import RECORDS
from attribute.logs.chunks import Chunk, ChunkReader, SourceOutcome, read_through
from attribute.logs.exact import cap_names
from attribute.logs.hashes import HASHED_BY, hash_of
from attribute.logs.lines import decode_chunk
from attribute.logs.raw_scan import CalmTerms
from attribute.rollup import merge
from attribute.rules.catalogue import Catalogue
from attribute.rules.compile import CompiledRules, compile_rules
from attribute.rules.thresholds import Thresholds

__all__ = ["Common", "Task", "common_bytes", "run", "task_bytes", "versions"]

_HASH: Final = pl.Schema({"hash": pl.UInt64()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """
    What all tasks of one job share.

    Attributes:
        catalogue: the rules, compiled where they are used.
        thresholds: the limits that they use.
        window: what counts.
        latency_slot: how wide the slots of the latencies are.
        strict: whether an unknown field makes a reject.
        fingerprint: whether to hash the bytes.
        chunk_bytes: how much is decoded at once.
        rejects: how many rejected lines of a split are told; None: all.
        request_id: the one request to look for, where this is a search.
    """

    catalogue: Catalogue
    thresholds: Thresholds
    window: Window
    latency_slot: timedelta
    strict: bool
    fingerprint: bool
    chunk_bytes: int
    rejects: int | None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """
    One split, and what is wanted of it.

    Attributes:
        split: what to read.
        hashes: of the requests whose records are wanted again; None: the split's partial is wanted.
    """

    split: Split
    hashes: tuple[int, ...] | None = None


def versions() -> dict[str, str]:
    """Return what must be the same at both ends: or hashes differ."""
    python = platform.python_version().rsplit(".", 1)[0]
    return {"attribute": __version__, "polars": pl.__version__, "python": python, "hashes": HASHED_BY}


def common_bytes(common: Common) -> bytes:
    """Return what all tasks share as bytes; the versions stand in front, to be compared before anything else."""
    return orjson.dumps(versions()) + b"\n" + zlib.compress(pickle.dumps(common))


def task_bytes(task: Task) -> bytes:
    """Return a task as bytes."""
    return b"%d\n" % task.split.number + zlib.compress(pickle.dumps(task))


def run(common: bytes, task: bytes) -> bytes:
    """
    Do one task.

    Args:
        common: as `common_bytes` made it.
        task: as `task_bytes` made it.

    Returns:
        A `Reply`. It depends on nothing but the arguments and the bytes of the split, so that a task may be done twice.
    """
    number, _, parcel = task.partition(b"\n")
    said, _, body = common.partition(b"\n")
    theirs, ours = orjson.loads(said), versions()
    if theirs != ours:
        differing = [
            f"{name} {ours[name]} (asked by {theirs.get(name)})" for name in ours if theirs.get(name) != ours[name]
        ]
        return pack(_reply(int(number), refusal=f"a worker runs {', '.join(differing)}"))
    asked, compiled = _understood(body)
    wanted: Task = pickle.loads(zlib.decompress(parcel))  # noqa: S301 - made by the driver, which may run anything here
    return pack(_Kernel(asked, compiled, wanted.split).reply(wanted.hashes))


@lru_cache(maxsize=2)
def _understood(body: bytes) -> tuple[Common, CompiledRules]:
    """Read what all tasks of a run have in common, and compile its rules, once a run and not once a task."""
    asked: Common = pickle.loads(zlib.decompress(body))  # noqa: S301 - the same
    return asked, compile_rules(asked.catalogue, asked.thresholds)


def _reply(
    number: int,
    *,
    refusal: str | None = None,
    partial: Partial | None = None,
    alone: Alone | None = None,
    rejects: pl.DataFrame | None = None,
    outcome: SourceOutcome | None = None,
    records: pl.DataFrame | None = None,
) -> Reply:
    return Reply(
        number=number,
        refusal=refusal,
        partial=partial,
        alone=alone,
        rejects=REJECTS.to_frame() if rejects is None else rejects,
        outcome=outcome,
        records=RECORDS.to_frame() if records is None else records,
    )


@dataclass(slots=True)
class _Kernel:
    """One split being read."""

    common: Common
    compiled: CompiledRules
    split: Split
    partials: list[Partial] = field(default_factory=list)
    rejects: list[tuple[int, str, str]] = field(default_factory=list)
    lines: int = 0

    def reply(self, hashes: tuple[int, ...] | None) -> Reply:
        """Do what is wanted of the split."""
        reader = ChunkReader(
            self.split.source,
            chunk_bytes=self.common.chunk_bytes,
            fingerprint=self.common.fingerprint and self.split.is_whole,
            start=self.split.start,
            end=self.split.end,
            first_line=0,
        )
        number = self.split.number
        if self.split.only_hash:
            return _reply(number, outcome=read_through(self.split.source))
        if hashes is not None:
            wanted = pl.DataFrame({"hash": hashes}, schema=_HASH)
            records = self._records(reader, hash_of(pl.col("request_id")).is_in(wanted["hash"].implode()))
            return _reply(number, records=records, outcome=reader.outcome)
        if self.common.request_id is not None:
            records = self._records(reader, pl.col("request_id") == self.common.request_id)
            return _reply(number, records=records, outcome=reader.outcome)
        common = self.common
        calm = calm_terms(thresholds=common.thresholds, window=common.window, latency_slot=common.latency_slot)
        for chunk in reader:
            self._digest(chunk, calm)
        whole = self._whole()
        return _reply(
            number, partial=whole, alone=self._alone(whole.loud), rejects=self._told(), outcome=reader.outcome
        )

    def _records(self, reader: ChunkReader, wanted: pl.Expr) -> pl.DataFrame:
        """Return the records of the split that are wanted, in order of line."""
        decoded = (decode_chunk(chunk, strict=self.common.strict) for chunk in reader)
        return pl.concat([RECORDS.to_frame(), *(each.records.filter(wanted) for each in decoded)])

    def _digest(self, chunk: Chunk, calm: CalmTerms) -> None:
        common = self.common
        decoded = decode_chunk(chunk, strict=common.strict, calm=calm)
        partial = digest(decoded, compiled=self.compiled, window=common.window, latency_slot=common.latency_slot)
        ended, unended = ((merge(rollups),) for rollups in (partial.ended, partial.unended))
        self.partials.append(replace(partial, ended=ended, unended=unended))
        limit = self.common.rejects
        for reject in decoded.rejects:
            if limit is not None and len(self.rejects) >= limit:
                break
            self.rejects.append((self.lines + reject.line, str(reject.reason), reject.detail))
        self.lines += decoded.lines

    def _whole(self) -> Partial:
        """Return what the chunks come to together."""
        tally = total(partial.tally for partial in self.partials)
        quiet = pl.concat([QUIET.to_frame(), *(partial.quiet for partial in self.partials)])
        return Partial(
            tally=replace(tally, unknown_fields=cap_names(tally.unknown_fields)),
            ended=(merge(rollup for partial in self.partials for rollup in partial.ended),),
            unended=(merge(rollup for partial in self.partials for rollup in partial.unended),),
            ending_functions=frozenset[str]().union(*(partial.ending_functions for partial in self.partials)),
            loud=pl.concat([RECORDS.to_frame(), *(partial.loud for partial in self.partials)]),
            quiet=quiet.unique().sort("hash", "ending"),  # sorted it packs to two thirds
        )

    def _alone(self, loud: pl.DataFrame) -> Alone:
        """Return what the loud records come to, each taken for a request."""
        common = self.common
        alone = taken_alone(loud, self.compiled, window=common.window, latency_slot=common.latency_slot)
        return replace(alone, counted=merge([alone.counted]))

    def _told(self) -> pl.DataFrame:
        return pl.DataFrame(self.rejects, schema=REJECTS, orient="row")
