"""Hashes of requests: the same wherever an id was read, and found among many."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribute.logs import hashes
from attribute.logs.chunks import Chunk
from attribute.logs.hashes import HASHED_BY, HashSet, hash_of
from attribute.logs.lines import decode_chunk
from attribute.logs.scanning import SCAN, CalmTerms
from attribute.slots import SLOT

SIZES = (1, 7, 8, 9, 12, 13, 15, 16, 17, 31, 32, 33, 64, 128)


def hashed(texts: list[str]) -> list[int]:
    """Return the hashes of some ids."""
    frame = pl.DataFrame({"request_id": texts}, schema={"request_id": pl.String})
    return frame.select(hash_of(pl.col("request_id"))).to_series().to_list()


@pytest.mark.skipif(SCAN is None, reason="there is no compiled scanner here")
def test_scanner_hashes_an_id_as_it_is_hashed_later() -> None:
    """A quiet record that the scanner counted and a loud one that was read otherwise find each other."""
    ids = [letter * size for size in SIZES for letter in "ab-"] + [f"{n}-{n * n}" for n in range(400)]
    row = {"function": "f", "stage": "response", "status": 200, "latency_ms": 5, "error_code": None,
           "upstream_status": 200, "upstream_latency_ms": 1}  # fmt: skip
    data = b"".join(json.dumps({"request_id": one, **row}).encode() + b"\n" for one in ids)
    calm = CalmTerms(below_ms=1000.0, latency_slot=SLOT)
    decoded = decode_chunk(Chunk(data=data, number=0, first_line=1, lines=len(ids)), calm=calm)
    assert decoded.calm is not None
    assert decoded.calm.records["hash"].to_list() == hashed(ids)
    assert len(set(hashed(ids))) == len(ids)


@given(st.lists(st.text(min_size=0, max_size=40), max_size=30), st.integers(1, 5))
def test_hash_is_of_the_text_alone(texts: list[str], cuts: int) -> None:
    """Not of its place, its neighbours, or how the column lies in memory."""
    frame = pl.DataFrame({"request_id": texts}, schema={"request_id": pl.String})
    parts = pl.concat([frame.slice(start, 3) for start in range(0, len(texts), 3)] or [frame])
    mixed = parts.filter(pl.int_range(pl.len()) % cuts == 0)
    one_by_one = [hashed([text])[0] for text in mixed["request_id"]]
    assert mixed.select(hash_of(pl.col("request_id"))).to_series().to_list() == one_by_one
    assert mixed.lazy().select(hash_of(pl.col("request_id"))).collect(engine="streaming").to_series().to_list() == (
        one_by_one
    )


def test_hashes_stay_what_they_are() -> None:
    """They lie in caches and come from other machines: another way to hash has another name."""
    if HASHED_BY != "scanner 1":
        pytest.skip(f"hashed by {HASHED_BY}")
    assert hashed(["a", "0123456789abcdef", "0123456789abcdefg"]) == [
        17269874773439123074, 2171580898590814916, 15146907663291539665,
    ]  # fmt: skip


numbers = st.lists(st.one_of(st.integers(0, 50), st.integers(0, 2**64 - 1)), max_size=60)


@given(numbers, numbers, st.booleans())
def test_set_finds_what_a_set_finds(wanted: list[int], others: list[int], by_polars: bool) -> None:
    """With the filter and without it, whatever stands in how many chunks."""
    with pytest.MonkeyPatch.context() as patch:
        if by_polars:
            patch.setattr(hashes, "_filter_of", None)
        found = HashSet(pl.Series(wanted, dtype=pl.UInt64))
        column = pl.DataFrame({"hash": others}, schema={"hash": pl.UInt64})
        halves = pl.concat([column.head(7), column.slice(7)])
        rows = found.rows_of(halves).sort("row").rows()
    assert rows == [(other, row) for row, other in enumerate(others) if other in set(wanted)]


def test_set_of_many_lets_nothing_through_that_is_not_in_it() -> None:
    """Past what a filter can tell apart, hashes are compared."""
    some = pl.int_range(100_000, eager=True).hash(1)
    others = pl.concat([pl.int_range(300_000, eager=True).hash(2), some.head(500)]).alias("hash").to_frame()
    found = HashSet(some).rows_of(others)
    assert sorted(found["row"]) == list(range(300_000, 300_500))
