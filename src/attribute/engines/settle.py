"""
From what the pieces come to, to exact verdicts and one rollup.

Every loud record was judged as if it were its request's only one (`attribute.engines.alone`). Here it is found out of
which requests there are others, loud or quiet, wherever they lie: by hash. Those requests are put together from all
their records, the quiet ones read again by whoever can, and from then on only equal `request_id`s count; what was
counted of them before is taken out of the rollup again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final, Self

import polars as pl

from attribute.counting import count_healthy, count_some_verdicts
from attribute.engines.alone import count_flags, taken_alone
from attribute.engines.analysis import MEMORY_BYTES, Window
from attribute.engines.loud import LoudRecords
from attribute.engines.partial import is_ending
from attribute.engines.quiet import QuietHashes
from attribute.engines.spill import Spill
from attribute.frames import RECORDS, VERDICTS
from attribute.logs.hashes import hash_of
from attribute.m1.errors import AttributionError
from attribute.requests import consolidate, count_duplicates, requests_of_one
from attribute.rollup import Rollup, merge
from attribute.rules.compile import CompiledRules
from attribute.slots import SLOT
from attribute.verdicts import classify, decide

__all__ = ["ChangedError", "Gathered", "Settled", "Verdicts", "matches", "of_matching_functions", "settle"]


class ChangedError(AttributionError):
    """What is read is no longer what it was a moment ago."""

    @classmethod
    def of_file(cls, file: str) -> Self:
        """Return the error of a file that was written to elsewhere than at its end while it was read."""
        return cls(f"{file} changed while it was read", hint=_AGAIN)

    @classmethod
    def of_records(cls, missing: int) -> Self:
        """Return the error of records that are gone when they are wanted again."""
        return cls(f"the logs changed while they were read: {missing:,} records are gone", hint=_AGAIN)


Fetch = Callable[[Sequence[int]], Iterator[pl.DataFrame]]
"""Reads pieces again and yields all their records (`RECORDS`)."""

_AGAIN: Final = "run it again; a log that is rotated by copying and truncating is best read once that is done"
_HASHED: Final = pl.Schema({**RECORDS, "hash": pl.UInt64()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """
    All that was found in the input.

    Attributes:
        loud: all failing or slow records.
        quiet: hashes of all others.
        fetch: reads pieces again.
        ended: rollups of quiet ending records.
        unended: rollups of quiet records that end nothing.
        ending_functions: functions that wrote an ending record anywhere.
        alone: rollups of loud records, each taken for a request.
        flags: how many of those carry which flag.
    """

    loud: LoudRecords
    quiet: QuietHashes
    fetch: Fetch
    ended: Sequence[Rollup]
    unended: Sequence[Rollup]
    ending_functions: frozenset[str]
    alone: Sequence[Rollup]
    flags: Counter[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """
    Attributes:
        rollup: of all requests in the window.
        flags: how many verdicts carry which flag.
        duplicates: records of incident requests in the window that repeat another one in every field.
        shared: hashes of the requests of which more than one record was found.
        together: verdicts of those of them that are incident requests in the window, in no order.
    """

    rollup: Rollup
    flags: Counter[str]
    duplicates: int
    shared: pl.Series
    together: Spill


def settle(
    gathered: Gathered,
    compiled: CompiledRules,
    *,
    window: Window,
    memory_bytes: int = MEMORY_BYTES,
    latency_slot: timedelta = SLOT,
) -> Settled:
    """
    Judge the requests of several records, and correct the counts by them.

    Args:
        gathered: what was found.
        compiled: the rules.
        window: where the deciding record must lie.
        memory_bytes: about how much may be held at once.
        latency_slot: how wide the slots of the latencies are in the rollups given, and in the one returned.

    Returns:
        What does not depend on how the input was cut into pieces.
    """
    spread = _spread(gathered)
    verdicts = Spill(VERDICTS, budget_bytes=memory_bytes // 4)
    counted: list[Rollup] = []
    taken: list[Rollup] = []
    flags = gathered.flags.copy()
    duplicates = 0
    ending_functions = gathered.ending_functions
    for mine, lent in _shares(gathered, spread, compiled, memory_bytes) if len(spread.shared) else ():
        alone = taken_alone(mine.select(list(RECORDS)), compiled, window=window, latency_slot=latency_slot)
        mine = mine.join(spread.decided, on="hash", how="anti").drop("hash")  # noqa: PLW2901 - the rest of it
        share = _settle_share(mine, lent, compiled=compiled, window=window, latency_slot=latency_slot)
        verdicts.add(share.incident)
        counted.append(share.counted)
        taken += [alone.counted, share.taken_ended]
        taken.append(_of_functions(share.taken_unended, lambda name: name not in ending_functions))
        flags.subtract(alone.flags)
        flags.update(count_flags(share.incident.lazy()))
        duplicates += share.duplicates
    gathered.quiet.forget()
    loose = [_of_functions(rollup, lambda name: name not in ending_functions) for rollup in gathered.unended]
    return Settled(
        rollup=merge([*gathered.ended, *loose, *gathered.alone, *counted], less=taken),
        flags=+flags,
        duplicates=duplicates,
        shared=spread.shared,
        together=verdicts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """
    One row per incident request, made when it is asked for.

    Attributes:
        loud: all loud records.
        settled: what is known of their requests.
        compiled: the rules.
        window: where the deciding record must lie.
        functions: whose requests are wanted, as globs; none: of all.
    """

    loud: LoudRecords
    settled: Settled
    compiled: CompiledRules
    window: Window
    functions: tuple[str, ...] = ()

    def between(self, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
        """Return the verdicts of a stretch of time, as `attribute.engines.analysis.Rows` says."""
        records = self.loud.lazy(since, until)
        shared = self.settled.shared
        if len(shared):
            hashed = records.with_columns(hash_of(pl.col("request_id")).alias("hash"))
            records = hashed.join(shared.to_frame("hash").lazy(), on="hash", how="anti")
        stretch = Window(since_at=since, until_at=until)
        lone = requests_of_one(records).filter(self.window.holds(pl.col("at")) & stretch.holds(pl.col("at")))
        verdicts = decide(lone, self.compiled)
        if len(shared):
            verdicts = pl.concat([verdicts, self.settled.together.lazy().filter(stretch.holds(pl.col("at")))])
        if self.functions:
            names = self.settled.rollup.counts["function"].unique()
            verdicts = verdicts.filter(
                pl.col("function").is_in([name for name in names if matches(name, self.functions)])
            )
        return verdicts.sort("at", "request_id", nulls_last=True)

    def flags(self) -> dict[str, int]:
        """Return how many of the verdicts carry which flag, by name of flag."""
        found = count_flags(self.between(None, None)) if self.functions else self.settled.flags
        return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spread:
    """
    The requests of which there is more than one record, by hash.

    Attributes:
        shared: of all of them that have a loud one.
        decided: of those that a quiet record decides (one column, `hash`).
        pieces: where quiet records of the others lie ...
        quiet: ... and the hash of each of them.
    """

    shared: pl.Series
    decided: pl.DataFrame
    pieces: list[int]
    quiet: pl.Series


def _spread(gathered: Gathered) -> _Spread:
    """
    Find the requests that have other records besides a loud one.

    A request whose loud records all report on the way, and that has a quiet ending record, is decided by that record
    and healthy: it stays counted by its ending record like any other.
    """
    keys = gathered.loud.keys()
    ordered = keys["hash"].sort()
    repeated = ordered.filter(ordered == ordered.shift(1))
    met = gathered.quiet.met(ordered)
    shared = pl.concat([repeated, met["hash"]]).unique().rename("hash")
    if shared.is_empty():
        return _Spread(shared=shared, decided=shared.to_frame(), pieces=[], quiet=shared)
    ended = keys.filter("ended")
    decided = met.filter("ending").join(ended, on="hash", how="anti").select("hash").unique()
    undecided = met.join(decided, on="hash", how="anti")
    pieces = undecided["piece"].unique().sort().to_list()
    return _Spread(shared=shared, decided=decided, pieces=pieces, quiet=undecided["hash"])


def _shares(
    gathered: Gathered, spread: _Spread, compiled: CompiledRules, memory_bytes: int
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """
    Yield the requests of several records a share at a time: their loud records with `hash`, and the quiet ones.

    Raises:
        ChangedError: quiet records that were read before are not there any more.
    """
    loud = Spill(_HASHED, budget_bytes=memory_bytes // 4)
    for records in gathered.loud.of(spread.shared):
        loud.add(records)
    extra = Spill(_HASHED, budget_bytes=memory_bytes // 4)
    if spread.pieces:
        kept = loud.lazy().join(spread.decided.lazy(), on="hash", how="anti")
        wanted = kept.select("request_id").unique().collect()
        hashes, found = spread.quiet.unique().to_frame("hash"), 0
        for records in gathered.fetch(spread.pieces):
            quiet = records.filter(~compiled.incident).select(*RECORDS, hash_of(pl.col("request_id")).alias("hash"))
            mine = quiet.join(hashes, on="hash", how="semi")
            found += mine.height
            extra.add(mine.join(wanted, on="request_id", how="semi"))
        if found < len(spread.quiet):  # without them a request would be judged by half of what it says
            raise ChangedError.of_records(len(spread.quiet) - found)
    shares = max(1, math.ceil(2 * loud.bytes / memory_bytes))
    for number in range(shares):
        share = pl.col("hash") % shares == number
        yield loud.lazy().filter(share).collect(), extra.lazy().filter(share).collect().drop("hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """
    What a share of the requests of several records comes to.

    Attributes:
        incident: the verdicts of those in the window.
        counted: their rollup, for `merge`.
        taken_ended: rollup of quiet ending records of incident requests, which were counted as healthy requests.
        taken_unended: the same of quiet records that end nothing.
        duplicates: see `Settled`.
    """

    incident: pl.DataFrame
    counted: Rollup
    taken_ended: Rollup
    taken_unended: Rollup
    duplicates: int


def _settle_share(
    mine: pl.DataFrame, lent: pl.DataFrame, *, compiled: CompiledRules, window: Window, latency_slot: timedelta
) -> _Share:
    """Settle requests that have the loud records *mine* and the quiet ones *lent*."""
    records = pl.concat([mine, lent])
    incident = classify(consolidate(records, in_order=False), compiled, in_order=False)
    taken = lent.join(incident.select("request_id"), on="request_id", how="semi")
    taken = taken.filter(window.holds(pl.col("at")))
    incident = incident if window.is_open else incident.filter(window.holds(pl.col("at")))
    records = records.join(incident.select("request_id"), on="request_id", how="semi")
    return _Share(
        incident=incident,
        counted=count_some_verdicts(incident, slot=latency_slot),
        taken_ended=count_healthy(taken.filter(is_ending()), compiled.absorbed, slot=latency_slot),
        taken_unended=count_healthy(taken.filter(~is_ending()), compiled.absorbed, slot=latency_slot),
        duplicates=count_duplicates(records, incident),
    )


def _of_functions(rollup: Rollup, wanted: Callable[[str], bool]) -> Rollup:
    """Return the part of *rollup* whose function is wanted."""
    names = [name for name in rollup.counts["function"].unique() if wanted(name)]
    keep = pl.col("function").is_in(names)
    return Rollup(rollup.counts.filter(keep), rollup.latency.filter(keep))


def of_matching_functions(rollup: Rollup, globs: Sequence[str]) -> Rollup:
    """Return the part of *rollup* whose function matches one of *globs*; all of it where there are none."""
    return rollup if not globs else _of_functions(rollup, lambda name: matches(name, globs))


def matches(function: str, globs: Sequence[str]) -> bool:
    """Return whether *function* matches one of *globs* (case-sensitive)."""
    return any(fnmatchcase(function, glob) for glob in globs)
