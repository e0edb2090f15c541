"""Frames and a head of plain values as bytes, and back: what the cache keeps."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
import polars as pl

__all__ = ["UNREADABLE", "pack", "unpack"]

UNREADABLE: Final = (ValueError, KeyError, TypeError, OSError, struct.error, pl.exceptions.PolarsError)
"""What reading bytes of another form may raise."""

_LENGTH: Final = struct.Struct("<Q")


def pack(head: Mapping[str, object], frames: Sequence[pl.DataFrame]) -> bytes:
    """Return all of it as bytes."""
    parts = [orjson.dumps(head), *map(_bytes_of, frames)]
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def unpack(data: bytes, schemas: Sequence[pl.Schema]) -> tuple[dict[str, Any], list[pl.DataFrame]]:
    """Return head and frames; raises one of `UNREADABLE` where *data* does not hold them, of these schemas."""
    head, *parts = _parts(data)
    document = orjson.loads(head)
    return document, [_frame_of(part, schema) for part, schema in zip(parts, schemas, strict=True)]


def _bytes_of(frame: pl.DataFrame) -> bytes:
    sink = io.BytesIO()
    frame.write_ipc_stream(sink, compression="uncompressed")
    return sink.getvalue()


def _frame_of(data: bytes, schema: pl.Schema) -> pl.DataFrame:
    frame = pl.read_ipc_stream(io.BytesIO(data))
    if frame.schema != schema:
        raise ValueError("a frame of other columns")
    return frame


def _parts(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        yield data[at : at + size]
        at += size
