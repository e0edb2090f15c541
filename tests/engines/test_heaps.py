"""The heaps of what was read: loud records and hashes of quiet ones, wherever they lie."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribute.engines.alone import KEYS
from attribute.engines.loud import LoudRecords, span_of
from attribute.engines.partial import QUIET
from attribute.engines.quiet import QuietHashes
from attribute.frames import RECORDS
from attribute.logs.hashes import hash_of
from tests.rules.records import EPOCH, record


@given(
    pieces=st.lists(st.lists(st.integers(0, 30), max_size=6), max_size=8),
    wanted=st.sets(st.integers(0, 30)),
    budget_bytes=st.sampled_from((0, 40, 1 << 20)),
    threads=st.integers(1, 3),
    later=st.integers(1, 4),
)
def test_quiet_hashes_are_found_with_their_piece(
    pieces: list[list[int]], wanted: set[int], budget_bytes: int, threads: int, later: int
) -> None:
    """In memory, on disk or in the cache, one piece at a time or several: every row that is wanted, and its piece."""
    heap = QuietHashes(budget_bytes=budget_bytes, threads=threads)
    for piece, numbers in enumerate(pieces):
        frame = pl.DataFrame({"hash": numbers, "ending": [n % 2 == 0 for n in numbers]}, schema=QUIET)
        if piece % later == 0:
            # as a range of two pieces that was kept, of which the first has no quiet record
            heap.add_later(lambda frame=frame: frame, [(100 + piece, 0), (piece, frame.height)])  # type: ignore[misc]  # mypy knows no type of a lambda with a default
        else:
            heap.add(frame, [(piece, frame.height)])
    met = heap.met(pl.Series(sorted(wanted), dtype=pl.UInt64)).sort("piece", "hash", "ending").rows()
    assert met == sorted(
        ((n, n % 2 == 0, piece) for piece, numbers in enumerate(pieces) for n in numbers if n in wanted),
        key=lambda row: (row[2], row[0], row[1]),
    )
    assert heap.rows == sum(map(len, pieces))


def loud(first: int, count: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return failures, one a minute, and their keys."""
    rows = [
        record(request_id=f"r{n}", status=500, at=None if n % 7 == 0 else EPOCH + timedelta(minutes=n))
        for n in range(first, first + count)
    ]
    frame = pl.DataFrame(rows, schema=RECORDS)
    keys = frame.select(hash_of(pl.col("request_id")).alias("hash"), pl.lit(value=True).alias("ended"))
    return frame, pl.DataFrame(keys, schema=KEYS)


@pytest.mark.parametrize("budget_bytes", [0, 1 << 20])
def test_loud_records_are_loaded_only_where_they_may_be_wanted(budget_bytes: int) -> None:
    """By time and by hash; and once."""
    heap = LoudRecords(budget_bytes=budget_bytes)
    loaded: list[int] = []
    for first in (0, 100, 200):
        frame, keys = loud(first, 50)

        def load(first: int = first, frame: pl.DataFrame = frame) -> pl.DataFrame:
            loaded.append(first)
            return frame

        heap.add_later(keys, span_of(frame), load)
    heap.add(*loud(300, 50))
    assert heap.keys().height == 200
    some = heap.lazy(EPOCH + timedelta(minutes=120), EPOCH + timedelta(minutes=130)).collect()
    assert loaded == [100]
    assert {f"r{n}" for n in range(120, 130) if n % 7} <= set(some["request_id"])
    wanted = loud(210, 1)[1]["hash"]
    assert [row for frame in heap.of(wanted) for row in frame["request_id"]] == ["r210"]
    assert loaded == [100, 200]
    assert heap.lazy().collect().height == 200
    assert loaded == [100, 200, 0]
