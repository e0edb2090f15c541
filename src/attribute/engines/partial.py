"""
What one piece of input comes to, and how the pieces are put together.

The kernel looks at one chunk alone. A record that is *loud* (failing or slow, whatever its stage) is kept whole,
because its request may be an incident request. A *quiet* one is counted at once and only the hash of its
`request_id` is kept: if some other record of the same request turns out to be loud, the chunk is read again and the
quiet record joins its request (`attribute.engines.local`). Real logs write one record per request, so that this
happens to few chunks or none, and the answer is exact all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial, reduce
from typing import TYPE_CHECKING, Final

import polars as pl

from attribute.cache.contents import Seal
from attribute.coded import Batch, Coded
from attribute.counting import count_some_healthy, counted_healthy
from attribute.engines.analysis import Window
from attribute.frames import RECORDS
from attribute.logs.hashes import hash_of
from attribute.logs.scanning import CalmRecords
from attribute.m1.fields import ENDING_STAGES
from attribute.rollup import Rollup, empty
from attribute.slots import EPOCH, SLOT

if TYPE_CHECKING:
    from attribute.logs.lines import Decoded
    from attribute.rules.compile import CompiledRules

QUIET = pl.Schema({"hash": pl.UInt64(), "ending": pl.Boolean()})
"""One row per quiet record, in order of line."""

_NO_RECORDS: Final = RECORDS.to_frame()
_NO_QUIET: Final = QUIET.to_frame()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """
    Counts of lines and records of one piece of input; tallies of disjoint pieces add up.

    Attributes are those of `attribute.engines.analysis.InputAccount`; `unknown_fields` holds all names.
    """

    lines: int = 0
    records: int = 0
    rejected: int = 0
    not_m1: int = 0
    blank: int = 0
    outside_window: int = 0
    untimed: int = 0
    newer_versions: int = 0
    rejected_by_reason: Counter[str]
    unknown_fields: Counter[str]
    first_at: datetime | None = None
    last_at: datetime | None = None

    @classmethod
    def zero(cls) -> Tally:
        """Return the tally of nothing."""
        return cls(rejected_by_reason=Counter(), unknown_fields=Counter())

    def __add__(self, other: Tally) -> Tally:
        firsts = [at for at in (self.first_at, other.first_at) if at is not None]
        lasts = [at for at in (self.last_at, other.last_at) if at is not None]
        return Tally(
            lines=self.lines + other.lines,
            records=self.records + other.records,
            rejected=self.rejected + other.rejected,
            not_m1=self.not_m1 + other.not_m1,
            blank=self.blank + other.blank,
            outside_window=self.outside_window + other.outside_window,
            untimed=self.untimed + other.untimed,
            newer_versions=self.newer_versions + other.newer_versions,
            rejected_by_reason=self.rejected_by_reason + other.rejected_by_reason,
            unknown_fields=self.unknown_fields + other.unknown_fields,
            first_at=min(firsts, default=None),
            last_at=max(lasts, default=None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """
    What one chunk comes to.

    Attributes:
        tally: where its lines went.
        ended: rollups, to be merged, of the quiet records that end a request.
        unended: rollups of the quiet records that do not; they count for functions that never write an ending one.
        ending_functions: functions that wrote an ending record.
        loud: the failing or slow records, whole (`RECORDS`).
        quiet: hashes of the others (`QUIET`).
        piece: the chunk's text, sealed, where that is wanted.
    """

    tally: Tally
    ended: tuple[Rollup, ...]
    unended: tuple[Rollup, ...]
    ending_functions: frozenset[str]
    loud: pl.DataFrame
    quiet: pl.DataFrame
    piece: Seal | None = None


def is_ending() -> pl.Expr:
    """Return whether a record ends its request."""
    return pl.col("stage").is_in(list(ENDING_STAGES))


def tally_of(decoded: Decoded, *, window: Window) -> Tally:
    """Count what *decoded* holds."""
    return Tally(
        lines=decoded.lines,
        records=decoded.record_count,
        rejected=len(decoded.rejects),
        not_m1=decoded.not_m1,
        blank=decoded.blank,
        newer_versions=decoded.newer_versions,
        rejected_by_reason=Counter(str(reject.reason) for reject in decoded.rejects),
        unknown_fields=Counter(decoded.unknown_fields),
    ) + total([*(_times_of(batch.plain("at"), window) for batch in decoded.batches), _times_of_calm(decoded.calm)])


def _times_of_calm(calm: CalmRecords | None) -> Tally:
    if calm is None:
        return Tally.zero()
    return replace(
        Tally.zero(),
        untimed=calm.untimed,
        outside_window=calm.outside,
        first_at=None if calm.first_us is None else EPOCH + timedelta(microseconds=calm.first_us),
        last_at=None if calm.last_us is None else EPOCH + timedelta(microseconds=calm.last_us),
    )


def _times_of(at: pl.Series, window: Window) -> Tally:
    """Count what lies outside the window, and see how far the rest reaches."""
    untimed = at.null_count()
    inside = at if window.is_open else at.to_frame("at").filter(window.holds(pl.col("at"))).to_series()
    outside = 0 if window.is_open else at.len() - untimed - inside.len()
    first_at, last_at = inside.min(), inside.max()
    assert first_at is None or isinstance(first_at, datetime)
    assert last_at is None or isinstance(last_at, datetime)
    return replace(Tally.zero(), untimed=untimed, outside_window=outside, first_at=first_at, last_at=last_at)


def digest(decoded: Decoded, *, compiled: CompiledRules, window: Window, latency_slot: timedelta = SLOT) -> Partial:
    """
    Bring one decoded chunk down to what later stages need.

    Args:
        decoded: a chunk's records and counts.
        compiled: the rules.
        window: records outside it are not counted, but kept where they are loud: they may be evidence.
        latency_slot: how wide the slots of the latencies are.

    Returns:
        The partial of this chunk. It depends on nothing but the chunk's lines.
    """
    of_scanner = decoded.calm is not None  # whose texts lie in memory of their own
    parts = [
        _digest_batch(batch, compiled, window, latency_slot, keep=_as_it_is if of_scanner else own_copy)
        for batch in decoded.batches
        if batch.height
    ]
    if decoded.calm is not None:
        parts.append(_digest_calm(decoded.calm, compiled))
    return Partial(
        tally=tally_of(decoded, window=window),
        ended=tuple(part.ended for part in parts),
        unended=tuple(part.unended for part in parts if part.unended is not None),
        ending_functions=frozenset[str]().union(*(part.ending_functions for part in parts)),
        loud=_together([part.loud for part in parts], _NO_RECORDS),
        quiet=_together([part.quiet for part in parts], _NO_QUIET),
    )


def _together(frames: Sequence[pl.DataFrame], nothing: pl.DataFrame) -> pl.DataFrame:
    filled = [frame for frame in frames if frame.height]
    return filled[0] if len(filled) == 1 else pl.concat(filled) if filled else nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Digested:
    """What one batch comes to; see `Partial`."""

    ended: Rollup
    unended: Rollup | None
    ending_functions: frozenset[str]
    loud: pl.DataFrame
    quiet: pl.DataFrame


def _digest_batch(
    batch: Batch,
    compiled: CompiledRules,
    window: Window,
    slot: timedelta,
    *,
    keep: Callable[[pl.DataFrame], pl.DataFrame],
) -> _Digested:
    loud = batch.look(loud=compiled.incident)["loud"]
    if loud.all():  # as where calm records are counted already
        return _Digested(
            ended=empty(),
            unended=None,
            ending_functions=_names_at(batch.coded("function"), _endings(batch)),
            loud=keep(batch.frame(RECORDS)),
            quiet=_NO_QUIET,
        )
    quiet = batch.filter(~loud)
    seen = quiet.look(
        absorbed=compiled.absorbed.fill_null(value=False),
        hash=hash_of(pl.col("request_id")),
        inside=window.holds(pl.col("at")),
    )
    ending, inside = _endings(quiet), None if window.is_open else seen["inside"]
    ends_all = ending.all()
    count = partial(count_some_healthy, quiet, seen["absorbed"], slot=slot)
    return _Digested(
        ended=count(keep=inside if ends_all else _both(ending, inside)),
        unended=None if ends_all else count(keep=_both(~ending, inside)),
        ending_functions=_names_at(batch.coded("function"), _endings(batch)),
        loud=keep(batch.filter(loud).frame(RECORDS)),
        quiet=pl.DataFrame({"hash": seen["hash"], "ending": ending}),
    )


def _both(one: pl.Series, other: pl.Series | None) -> pl.Series:
    return one if other is None else one & other


def _names_at(column: Coded, rows: pl.Series) -> frozenset[str]:
    """Return the names that stand in some of the *rows*."""
    codes = column.codes if rows.all() else column.codes.filter(rows)
    return frozenset(column.values[codes.unique()])


def _digest_calm(calm: CalmRecords, compiled: CompiledRules) -> _Digested:
    # what was absorbed shows in the counted columns alone, for no latency of these is slow
    absorbed = compiled.absorbed.fill_null(value=False)
    latency_ms = pl.Series([0.0]).new_from_index(0, calm.counts.height)
    counts = Batch({**Batch.of(calm.counts).columns, "latency_ms": latency_ms})
    seen = counts.look(absorbed=absorbed, ending=is_ending())
    counted = partial(_calm_part, calm, seen)
    ends_all = seen["ending"].all()
    return _Digested(
        ended=counted(None if ends_all else True),
        unended=None if ends_all else counted(False),
        ending_functions=calm.ending_functions,
        loud=_NO_RECORDS,
        quiet=calm.records,
    )


def _calm_part(calm: CalmRecords, seen: pl.DataFrame, ending: bool | None) -> Rollup:
    """Count those that end a request, or those that do not, or all."""
    counts, absorbed, latency = calm.counts, seen["absorbed"], calm.latency
    if ending is not None:
        kept = seen["ending"] == ending
        counts, absorbed, latency = (
            counts.filter(kept),
            absorbed.filter(kept),
            latency.filter(pl.col("ending") == ending),
        )
    return counted_healthy(counts, absorbed, latency)


def _endings(batch: Batch) -> pl.Series:
    """Say of every record whether it ends its request."""
    stage = batch.coded("stage")
    ending = pl.Series([value in ENDING_STAGES for value in stage.values.to_list()], dtype=pl.Boolean)
    if ending.all():
        return pl.Series([True]).new_from_index(0, batch.height)
    return ending[stage.codes]


def _as_it_is(frame: pl.DataFrame) -> pl.DataFrame:
    return frame


def own_copy(frame: pl.DataFrame) -> pl.DataFrame:
    """Return *frame* with texts of its own: those that polars cuts out of a chunk keep all of the chunk in memory."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    return frame.with_columns(pl.concat_str(pl.col(name), pl.lit("")).alias(name) for name in texts)


def total(tallies: Iterable[Tally]) -> Tally:
    """Add up *tallies*."""
    return reduce(lambda left, right: left + right, tallies, Tally.zero())
