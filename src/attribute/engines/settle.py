"""
From the partials of all pieces to exact verdicts and one rollup.

A request's records may lie anywhere. The loud ones are all at hand; of the quiet ones only hashes. This is where the
two meet: which quiet records belong to a request with a loud record is found by hash, those records are fetched again
by whoever can read them, and from then on only equal `request_id`s count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase

import polars as pl

from attribute.engines.analysis import MEMORY_BYTES, Window
from attribute.engines.partial import hash_of, is_ending
from attribute.engines.spill import Spill
from attribute.frames import RECORDS, VERDICTS
from attribute.requests import consolidate, count_duplicates
from attribute.rollup import Rollup, count_healthy, count_some_verdicts, merge
from attribute.rules.compile import CompiledRules
from attribute.slots import SLOT
from attribute.verdicts import classify

Fetch = Callable[[Sequence[int]], Iterator[pl.DataFrame]]
"""Reads pieces again and yields all their records (`RECORDS`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """
    Attributes:
        rollup: of all requests in the window.
        verdicts: one row per incident request in the window, in no order yet.
        duplicates: records of those requests that repeat another one in every field.
    """

    rollup: Rollup
    verdicts: Spill
    duplicates: int


def settle(
    *,
    loud: Spill,
    quiet: Spill,
    fetch: Fetch,
    ended: Sequence[Rollup],
    unended: Sequence[Rollup],
    ending_functions: frozenset[str],
    compiled: CompiledRules,
    window: Window,
    memory_bytes: int = MEMORY_BYTES,
    latency_slot: timedelta = SLOT,
) -> Settled:
    """
    Give every incident request its verdict and correct the counts of healthy requests by them.

    Args:
        loud: all failing or slow records (`RECORDS`).
        quiet: hashes of all others (`PLACED`).
        fetch: reads pieces again.
        ended: rollups of quiet ending records.
        unended: rollups of quiet records that end nothing.
        ending_functions: functions that wrote an ending record anywhere.
        compiled: the rules.
        window: where the deciding record must lie.
        memory_bytes: about how much may be held at once.
        latency_slot: how wide the slots of the latencies are in the rollups given, and in the one returned.

    Returns:
        Verdicts, rollup and number of duplicates. They do not depend on how the input was cut into pieces.
    """
    keys, pieces = _keys_and_pieces(loud, quiet)
    extra = Spill(RECORDS, budget_bytes=memory_bytes // 4)
    if pieces:
        wanted = _ids(loud, keys)
        for records in fetch(pieces):
            mine = records.filter(~compiled.incident).join(wanted, on="request_id", how="semi")
            extra.add(mine.select(list(RECORDS)))
    verdicts = Spill(VERDICTS, budget_bytes=memory_bytes // 4)
    counted: list[Rollup] = []
    taken: list[Rollup] = []
    duplicates = 0
    shares = max(1, math.ceil(2 * loud.bytes / memory_bytes))
    for number in range(shares):
        mine = _share_of(loud, number, shares)
        mine = (mine if keys is None else mine.join(keys, on="hash", how="semi")).drop("hash")
        lent = _share_of(extra, number, shares).drop("hash")
        share = _settle_share(mine, lent, compiled=compiled, window=window, latency_slot=latency_slot)
        verdicts.add(share.incident)
        counted.append(share.counted)
        taken += [share.taken_ended, _of_functions(share.taken_unended, lambda name: name not in ending_functions)]
        duplicates += share.duplicates
    loose = [_of_functions(rollup, lambda name: name not in ending_functions) for rollup in unended]
    rollup = merge([*ended, *loose, *counted], less=taken)
    return Settled(rollup=rollup, verdicts=verdicts, duplicates=duplicates)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """
    What a share of all requests comes to.

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
    if incident.height < records.height:  # else each is a request of its own, and an incident one
        records = records.join(incident.select("request_id"), on="request_id", how="semi")
    return _Share(
        incident=incident,
        counted=count_some_verdicts(incident, slot=latency_slot),
        taken_ended=count_healthy(taken.filter(is_ending()), compiled.absorbed, slot=latency_slot),
        taken_unended=count_healthy(taken.filter(~is_ending()), compiled.absorbed, slot=latency_slot),
        duplicates=count_duplicates(records, incident),
    )


def _keys_and_pieces(loud: Spill, quiet: Spill) -> tuple[pl.DataFrame | None, list[int]]:
    """
    Return the hashes of the requests to consolidate (None: all), and the pieces in which quiet records of theirs lie.

    A request whose loud records all report on the way, and that has a quiet ending record, is decided by that record
    and healthy: it is left out here and counted by its ending record like any other.
    """
    keys = (
        loud.lazy()
        .select(hash_of(pl.col("request_id")).alias("hash"), is_ending().alias("ended"))
        .group_by("hash")
        .agg(pl.col("ended").any())
        .collect()
    )
    if keys.is_empty() or quiet.rows == 0:
        return None, []
    met = quiet.lazy().join(keys.lazy(), on="hash", how="semi").collect(engine="streaming")
    if met.is_empty():
        return None, []
    decided_quietly = met.filter("ending").join(keys.filter(~pl.col("ended")), on="hash", how="semi")
    keys = keys.join(decided_quietly, on="hash", how="anti").select("hash")
    return keys, sorted(met.join(keys, on="hash", how="semi")["piece"].unique())


def _ids(loud: Spill, keys: pl.DataFrame | None) -> pl.DataFrame:
    """Return the `request_id`s to consolidate."""
    ids = loud.lazy().select("request_id").unique()
    if keys is not None:
        ids = ids.with_columns(hash_of(pl.col("request_id")).alias("hash")).join(keys.lazy(), on="hash", how="semi")
    return ids.select("request_id").collect()


def _share_of(heap: Spill, number: int, shares: int) -> pl.DataFrame:
    """Return the records of one share of all requests, with their `hash`."""
    hashed = heap.lazy().with_columns(hash_of(pl.col("request_id")).alias("hash"))
    return (hashed if shares == 1 else hashed.filter(pl.col("hash") % shares == number)).collect()


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
