"""The records of one request, wherever they lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final

import polars as pl

from attribute.engines.analysis import AnalysisOptions
from attribute.frames import RECORDS
from attribute.logs.chunks import Chunk, ChunkReader
from attribute.logs.lines import decode_chunk
from attribute.logs.sources import discover

__all__ = ["records_of"]

_WRITTEN_ONE_WAY: Final = re.compile(r"[A-Za-z0-9_.:-]+")
"""Characters that JSON writes as themselves, or as `\\u` escapes, and in no other way."""


def records_of(request_id: str, options: AnalysisOptions) -> pl.DataFrame:
    """
    Return all records of one request as `RECORDS`, in the order in which they were read.

    Args:
        request_id: which one.
        options: what to read; its window and functions do not count, for a request's records may lie outside of them.

    Raises:
        AttributionError: a path does not exist.
    """
    literal = request_id.encode() if _WRITTEN_ONE_WAY.fullmatch(request_id) else None

    def search(chunk: Chunk) -> pl.DataFrame:
        if literal is not None and literal not in chunk.data and b"\\u" not in chunk.data:
            return RECORDS.to_frame()
        return decode_chunk(chunk, strict=options.strict).records.filter(pl.col("request_id") == request_id)

    found = [RECORDS.to_frame()]
    chunks = _chunks(options)
    with ThreadPoolExecutor(options.threads) as pool:
        while some := list(islice(chunks, options.threads * 2)):
            found += pool.map(search, some)
    return pl.concat(found)


def _chunks(options: AnalysisOptions) -> Iterator[Chunk]:
    for source in discover(options.paths, exclude=options.exclude).sources:
        yield from ChunkReader(source, chunk_bytes=options.chunk_bytes)
