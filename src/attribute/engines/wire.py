"""What goes over the wire between a driver and its workers: frames as Arrow IPC, the rest as JSON."""

from __future__ import annotations

import io
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import polars as pl

from attribute.engines.partial import QUIET, Partial, Tally
from attribute.frames import COUNTS, LATENCY, RECORDS
from attribute.logs.chunks import Problem, SourceOutcome
from attribute.rollup import Rollup

__all__ = ["REJECTS", "Reply", "WireError", "frame_of", "pack", "packed_frame", "unpack"]

REJECTS: Final = pl.Schema({"line": pl.Int64(), "reason": pl.String(), "detail": pl.String()})
"""One row per rejected line, `line` counted from 1 in the split."""

_MAGIC: Final = b"M1R1"
_LENGTH: Final = struct.Struct("<Q")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INSTANTS: Final = ("first_at", "last_at")
_FRAMES: Final[tuple[tuple[str, pl.Schema], ...]] = (
    ("ended counts", COUNTS),
    ("ended latency", LATENCY),
    ("unended counts", COUNTS),
    ("unended latency", LATENCY),
    ("loud", RECORDS),
    ("quiet", QUIET),
    ("rejects", REJECTS),
    ("records", RECORDS),
)


class WireError(ValueError):
    """Bytes that are no reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """
    What a worker says of one task.

    Attributes:
        number: of the split.
        refusal: why the task was not done, where it was not: the two ends are of different versions.
        partial: what the split comes to.
        rejects: its rejected lines (`REJECTS`), or the first of them.
        outcome: how reading it ended.
        records: the records that were asked for (`RECORDS`), in order of line.
    """

    number: int
    refusal: str | None = None
    partial: Partial | None = None
    rejects: pl.DataFrame
    outcome: SourceOutcome | None = None
    records: pl.DataFrame


def packed_frame(frame: pl.DataFrame) -> bytes:
    """Return *frame* as an Arrow IPC stream; nothing where it has no rows."""
    if frame.is_empty():
        return b""
    sink = io.BytesIO()
    frame.write_ipc_stream(sink, compression="zstd")
    return sink.getvalue()


def frame_of(data: bytes, schema: pl.Schema) -> pl.DataFrame:
    """Return the frame of *data*; raises WireError where it is none of *schema*."""
    if not data:
        return schema.to_frame()
    try:
        frame = pl.read_ipc_stream(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise WireError(f"not an Arrow IPC stream: {error}") from error
    if frame.schema != schema:
        raise WireError(f"a frame has the columns {frame.schema}, expected {schema}")
    return frame


def pack(reply: Reply) -> bytes:
    """Return *reply* as bytes."""
    partial = reply.partial
    head = {
        "number": reply.number,
        "refusal": reply.refusal,
        "tally": None if partial is None else _tally_document(partial.tally),
        "ending_functions": [] if partial is None else sorted(partial.ending_functions),
        "outcome": None if reply.outcome is None else _outcome_document(reply.outcome),
    }
    frames: dict[str, pl.DataFrame] = {"rejects": reply.rejects, "records": reply.records}
    if partial is not None:
        for name, rollups in (("ended", partial.ended), ("unended", partial.unended)):
            (rollup,) = rollups
            frames |= {f"{name} counts": rollup.counts, f"{name} latency": rollup.latency}
        frames |= {"loud": partial.loud, "quiet": partial.quiet}
    parts = [orjson.dumps(head), *(packed_frame(frames.get(name, schema.to_frame())) for name, schema in _FRAMES)]
    return _MAGIC + b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def unpack(data: bytes) -> Reply:
    """
    Return the reply that *data* is.

    Raises:
        WireError: it is none, or a part of one.
    """
    head, *parts = _parts(data)
    try:
        document = orjson.loads(head)
        frames = {name: frame_of(part, schema) for (name, schema), part in zip(_FRAMES, parts, strict=True)}
        tally, outcome = document["tally"], document["outcome"]
        partial = None if tally is None else _partial(frames, _tally(tally), document["ending_functions"])
        return Reply(
            number=document["number"],
            refusal=document["refusal"],
            partial=partial,
            rejects=frames["rejects"],
            outcome=None if outcome is None else _outcome(outcome),
            records=frames["records"],
        )
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise WireError(f"the head of a reply does not read: {error!r}") from error


def _parts(data: bytes) -> Sequence[bytes]:
    if not data.startswith(_MAGIC):
        raise WireError("not a reply")
    parts: list[bytes] = []
    at = len(_MAGIC)
    while at < len(data):
        start = at + _LENGTH.size
        if start > len(data):
            raise WireError("a reply is cut off")
        (size,) = _LENGTH.unpack_from(data, at)
        at = start + size
        if at > len(data):
            raise WireError("a reply is cut off")
        parts.append(data[start:at])
    if len(parts) != 1 + len(_FRAMES):
        raise WireError("a reply is cut off")
    return parts


def _partial(frames: Mapping[str, pl.DataFrame], tally: Tally, ending_functions: Sequence[str]) -> Partial:
    return Partial(
        tally=tally,
        ended=(Rollup(frames["ended counts"], frames["ended latency"]),),
        unended=(Rollup(frames["unended counts"], frames["unended latency"]),),
        ending_functions=frozenset(ending_functions),
        loud=frames["loud"],
        quiet=frames["quiet"],
    )


def _tally_document(tally: Tally) -> dict[str, Any]:
    document = {field.name: getattr(tally, field.name) for field in fields(tally)}
    for name in _INSTANTS:
        at = document[name]
        document[name] = None if at is None else (at - _EPOCH) // _MICROSECOND
    return {name: dict(value) if isinstance(value, Counter) else value for name, value in document.items()}


def _tally(document: Mapping[str, Any]) -> Tally:
    values = dict(document)
    for name in _INSTANTS:
        values[name] = None if values[name] is None else _EPOCH + values[name] * _MICROSECOND
    counted: dict[str, Any] = {
        name: Counter(value) if isinstance(value, dict) else value for name, value in values.items()
    }
    return Tally(**counted)


def _outcome_document(outcome: SourceOutcome) -> dict[str, Any]:
    return {field.name: getattr(outcome, field.name) for field in fields(outcome)}


def _outcome(document: Mapping[str, Any]) -> SourceOutcome:
    problem = document["problem"]
    return SourceOutcome(**{**document, "problem": None if problem is None else Problem(problem)})
