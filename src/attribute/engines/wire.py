"""What a worker says of one task, on its way to the driver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import polars as pl

from attribute.engines import packing
from attribute.engines.alone import KEYS, Alone
from attribute.engines.packing import UNREADABLE, PackingError, tally_document, tally_from
from attribute.engines.partial import QUIET, Partial
from attribute.frames import COUNTS, LATENCY, RECORDS
from attribute.logs.chunks import Problem, SourceOutcome
from attribute.rollup import Rollup

__all__ = ["REJECTS", "Reply", "WireError", "pack", "unpack"]

REJECTS: Final = pl.Schema({"line": pl.Int64(), "reason": pl.String(), "detail": pl.String()})
"""One row per rejected line, `line` counted from 1 in the split."""

_FRAMES: Final[Mapping[str, pl.Schema]] = {
    "ended counts": COUNTS,
    "ended latency": LATENCY,
    "unended counts": COUNTS,
    "unended latency": LATENCY,
    "alone counts": COUNTS,
    "alone latency": LATENCY,
    "keys": KEYS,
    "loud": RECORDS,
    "quiet": QUIET,
    "rejects": REJECTS,
    "records": RECORDS,
}


class WireError(ValueError):
    """Bytes that are no reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """
    What a worker says of one task.

    Attributes:
        number: of the split.
        refusal: why the task was not done, where it was not: the two ends are of different versions.
        partial: what the split comes to ...
        alone: ... and its loud records, each taken for a request.
        rejects: its rejected lines (`REJECTS`), or the first of them.
        outcome: how reading it ended.
        records: the records that were asked for (`RECORDS`), in order of line.
    """

    number: int
    refusal: str | None = None
    partial: Partial | None = None
    alone: Alone | None = None
    rejects: pl.DataFrame
    outcome: SourceOutcome | None = None
    records: pl.DataFrame


def pack(reply: Reply) -> bytes:
    """Return *reply* as bytes."""
    partial = reply.partial
    head = {
        "number": reply.number,
        "refusal": reply.refusal,
        "tally": None if partial is None else tally_document(partial.tally),
        "ending_functions": [] if partial is None else sorted(partial.ending_functions),
        "flags": None if reply.alone is None else reply.alone.flags,
        "outcome": None if reply.outcome is None else _outcome_document(reply.outcome),
    }
    frames: dict[str, pl.DataFrame] = {"rejects": reply.rejects, "records": reply.records}
    if partial is not None:
        for name, rollups in (("ended", partial.ended), ("unended", partial.unended)):
            (rollup,) = rollups
            frames |= {f"{name} counts": rollup.counts, f"{name} latency": rollup.latency}
        frames |= {"loud": partial.loud, "quiet": partial.quiet}
    if reply.alone is not None:
        counted = reply.alone.counted
        frames |= {"alone counts": counted.counts, "alone latency": counted.latency, "keys": reply.alone.keys}
    return packing.pack(head, [frames.get(name, schema.to_frame()) for name, schema in _FRAMES.items()], small=True)


def unpack(data: bytes) -> Reply:
    """
    Return the reply that *data* is.

    Raises:
        WireError: it is none, or a part of one.
    """
    try:
        document, unpacked = packing.unpack(data, list(_FRAMES.values()), what="a reply")
    except PackingError as error:
        raise WireError(str(error)) from error
    frames = dict(zip(_FRAMES, unpacked, strict=True))
    try:
        outcome = document["outcome"]
        return Reply(
            number=document["number"],
            refusal=document["refusal"],
            partial=None if document["tally"] is None else _partial(document, frames),
            alone=None if document["flags"] is None else _alone(document, frames),
            rejects=frames["rejects"],
            outcome=None if outcome is None else _outcome(outcome),
            records=frames["records"],
        )
    except UNREADABLE as error:
        raise WireError(f"the head of a reply does not read: {error!r}") from error


def _partial(document: Mapping[str, Any], frames: Mapping[str, pl.DataFrame]) -> Partial:
    return Partial(
        tally=tally_from(document["tally"]),
        ended=(Rollup(frames["ended counts"], frames["ended latency"]),),
        unended=(Rollup(frames["unended counts"], frames["unended latency"]),),
        ending_functions=frozenset(document["ending_functions"]),
        loud=frames["loud"],
        quiet=frames["quiet"],
    )


def _alone(document: Mapping[str, Any], frames: Mapping[str, pl.DataFrame]) -> Alone:
    counted = Rollup(frames["alone counts"], frames["alone latency"])
    return Alone(keys=frames["keys"], counted=counted, flags=Counter(document["flags"]))


def _outcome_document(outcome: SourceOutcome) -> dict[str, Any]:
    return {each.name: getattr(outcome, each.name) for each in fields(outcome)}


def _outcome(document: Mapping[str, Any]) -> SourceOutcome:
    problem = document["problem"]
    return SourceOutcome(**{**document, "problem": None if problem is None else Problem(problem)})
