"""Frames and a head of plain values as bytes, and back: what the cache keeps."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
import polars as pl

__all__ = ["UNREADABLE", "head_of", "pack", "unpack"]

UNREADABLE: Final = (ValueError, KeyError, TypeError, OSError, struct.error, pl.exceptions.PolarsError)
"""What reading bytes of another form may raise."""

_LENGTH: Final = struct.Struct("<Q")


def pack(head: Mapping[str, object], frames: Sequence[pl.DataFrame]) -> bytes:
    """Return all of it as bytes."""
    parts = [orjson.dumps(head), *map(_bytes_of, frames)]
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def head_of(start: memoryview) -> dict[str, Any] | None:
    """Return the head, given the first bytes of what was packed; None where it is longer, or none."""
    try:
        (size,) = _LENGTH.unpack_from(start)
        document = orjson.loads(start[_LENGTH.size :][:size])
    except UNREADABLE:
        return None
    return document if isinstance(document, dict) else None


def unpack(data: memoryview, schemas: Sequence[pl.Schema]) -> tuple[dict[str, Any], list[pl.DataFrame]]:
    """Return head and frames; raises one of `UNREADABLE` where *data* does not hold them, of these schemas."""
    head, *parts = _parts(data)
    document = orjson.loads(head)
    return document, [_frame_of(part, schema) for part, schema in zip(parts, schemas, strict=True)]


def _bytes_of(frame: pl.DataFrame) -> bytes:
    # Names come again and again: squeezed they are written and read sooner. Hashes are not squeezed at all.
    squeezed = pl.String in frame.schema.values()
    sink = io.BytesIO()
    frame.write_ipc_stream(sink, compression="lz4" if squeezed else "uncompressed")
    return sink.getvalue()


def _frame_of(data: memoryview, schema: pl.Schema) -> pl.DataFrame:
    frame = pl.read_ipc_stream(bytes(data))
    if frame.schema != schema:
        raise ValueError("a frame of other columns")
    return frame


def _parts(data: memoryview) -> Iterator[memoryview]:
    at = 0
    while at < len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        yield data[at : at + size]
        at += size
