"""
Frames and a head of plain values as bytes, and back: what the cache keeps and what a worker answers.

A mark, then parts with their lengths before them: the head as JSON, and each frame as an Arrow IPC stream, or nothing
where it has no rows. Whoever reads says which columns each frame must have. Nothing but `PackingError` comes of bytes
that are something else; that they are the bytes that were written is for others to tell.
"""

from __future__ import annotations

import io
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import orjson
import polars as pl

from attribute.engines.partial import Tally
from attribute.slots import EPOCH

__all__ = [
    "UNREADABLE",
    "PackingError",
    "head_of",
    "instant_document",
    "instant_from",
    "pack",
    "pack_frame",
    "tally_document",
    "tally_from",
    "unpack",
    "unpack_frame",
]


class PackingError(ValueError):
    """Bytes that are of another form."""


UNREADABLE: Final = (PackingError, ValueError, KeyError, TypeError, OverflowError)
"""What reading the head of bytes of another form may raise."""

_MARK: Final = b"M1R1"
_LENGTH: Final = struct.Struct("<Q")
_MICROSECOND: Final = timedelta(microseconds=1)
_INSTANTS: Final = ("first_at", "last_at")
_COUNTED: Final = ("rejected_by_reason", "unknown_fields")


def pack(head: Mapping[str, object], frames: Sequence[pl.DataFrame], *, small: bool = False) -> bytes:
    """Return all of it as bytes; *small*: as few of them as may be, for a network, else what is read soonest."""
    parts = [orjson.dumps(head), *(_bytes_of(frame, small=small) for frame in frames)]
    return _MARK + b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def head_of(start: memoryview) -> dict[str, Any] | None:
    """Return the head, given the first bytes of what was packed; None where it is longer, or none."""
    at = len(_MARK) + _LENGTH.size
    if len(start) < at or bytes(start[: len(_MARK)]) != _MARK:
        return None
    (size,) = _LENGTH.unpack_from(start, len(_MARK))
    try:
        document = orjson.loads(start[at:][:size])
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def unpack(
    data: memoryview | bytes, schemas: Sequence[pl.Schema], *, what: str = "an entry"
) -> tuple[dict[str, Any], list[pl.DataFrame]]:
    """
    Return head and frames.

    Args:
        data: what was packed.
        schemas: the columns of each frame.
        what: what to call it in a message.

    Raises:
        PackingError: *data* does not hold them, of these schemas, and nothing else.
    """
    head, *parts = _parts(memoryview(data), count=1 + len(schemas), what=what)
    try:
        document = orjson.loads(head)
    except ValueError as error:
        raise PackingError(f"the head of {what} does not read: {error}") from error
    if not isinstance(document, dict):
        raise PackingError(f"the head of {what} is no object")
    return document, [_frame_of(part, schema) for part, schema in zip(parts, schemas, strict=True)]


def pack_frame(frame: pl.DataFrame) -> memoryview:
    """Return one frame as bytes that are read soonest: an Arrow IPC file."""
    sink = io.BytesIO()
    frame.rechunk().write_ipc(sink, compression=_squeezed(frame))
    return sink.getbuffer()


def unpack_frame(data: bytes, schema: pl.Schema) -> pl.DataFrame:
    """
    Return the frame that `pack_frame` made *data* of.

    Raises:
        PackingError: *data* holds none of this schema.
    """
    return _read(pl.read_ipc, data, schema)


def tally_document(tally: Tally) -> dict[str, Any]:
    """Return *tally* in plain values."""
    document = {each.name: getattr(tally, each.name) for each in fields(tally)}
    for name in _INSTANTS:
        document[name] = None if document[name] is None else instant_document(document[name])
    return document


def tally_from(document: Mapping[str, Any]) -> Tally:
    """Return the tally of plain values; raises one of `UNREADABLE` where they are others."""
    instants = {name: None if (at := document[name]) is None else instant_from(at) for name in _INSTANTS}
    return Tally(**{**document, **instants, **{name: Counter(document[name]) for name in _COUNTED}})


def instant_document(at: datetime) -> int:
    """Return a time as microseconds since the epoch."""
    return (at - EPOCH) // _MICROSECOND


def instant_from(document: int) -> datetime:
    """Return the time that `instant_document` made a number of."""
    return EPOCH + document * _MICROSECOND


def _bytes_of(frame: pl.DataFrame, *, small: bool) -> bytes:
    if frame.is_empty():
        return b""
    sink = io.BytesIO()
    frame.write_ipc_stream(sink, compression="zstd" if small else _squeezed(frame))
    return sink.getvalue()


def _squeezed(frame: pl.DataFrame) -> Literal["lz4", "uncompressed"]:
    """Names come again and again: squeezed they are written and read sooner. Hashes are not squeezed for that."""
    return "lz4" if pl.String in frame.schema.values() else "uncompressed"


def _frame_of(data: memoryview, schema: pl.Schema) -> pl.DataFrame:
    return _read(pl.read_ipc_stream, bytes(data), schema) if data else schema.to_frame()


def _read(reader: Callable[[bytes], pl.DataFrame], data: bytes, schema: pl.Schema) -> pl.DataFrame:
    try:
        frame = reader(data)
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        OSError,
    ) as error:  # some spoilt bytes make it panic
        raise PackingError(f"a frame does not read as Arrow IPC: {error}") from error
    if frame.schema != schema:
        raise PackingError(f"a frame has the columns {frame.schema}, expected {schema}")
    return frame


def _parts(data: memoryview, *, count: int, what: str) -> list[memoryview]:
    if bytes(data[: len(_MARK)]) != _MARK:
        raise PackingError(f"not {what}")
    parts: list[memoryview] = []
    at = len(_MARK)
    while at < len(data) and len(parts) < count:
        start = at + _LENGTH.size
        size = _LENGTH.unpack_from(data, at)[0] if start <= len(data) else 0
        at = start + size
        parts.append(data[start:at])
    if at != len(data) or len(parts) != count:
        raise PackingError(f"{what} is cut off")
    return parts
