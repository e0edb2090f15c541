"""Frames as bytes and back: one form for the cache and for the wire."""

from __future__ import annotations

import contextlib

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribute.engines.packing import PackingError, head_of, pack, pack_frame, unpack, unpack_frame
from attribute.engines.partial import QUIET
from attribute.frames import COUNTS, RECORDS

HEAD = {"a": [1, None, "x"], "b": {"c": 2.5}}
SCHEMAS = (QUIET, RECORDS, COUNTS)


def frames() -> list[pl.DataFrame]:
    quiet = pl.DataFrame({"hash": [1, 2**64 - 1], "ending": [True, False]}, schema=QUIET)
    return [quiet, RECORDS.to_frame(), COUNTS.to_frame()]


@pytest.mark.parametrize("small", [False, True])
def test_what_was_packed_comes_back(small: bool) -> None:
    """Small or quick, it reads the same, and the head can be had of the first bytes alone."""
    data = pack(HEAD, frames(), small=small)
    head, found = unpack(memoryview(data), SCHEMAS)
    assert head == HEAD
    assert all(left.equals(right) for left, right in zip(found, frames(), strict=True))
    assert head_of(memoryview(data)[:100]) == HEAD
    assert head_of(memoryview(data)[:20]) is None


@given(st.integers(0, 2000), st.integers(0, 7), st.binary(max_size=30))
def test_bytes_of_another_form_raise_one_error(at: int, bit: int, noise: bytes) -> None:
    """Cut off, gone on, spoilt, or noise: no crash, no endless memory, whatever a length says."""
    data = pack(HEAD, frames())
    for other in (data[: at % len(data)], data + noise + b"x", noise, b"M1R1" + b"\xff" * 8 + noise):
        with pytest.raises(PackingError):
            unpack(other, SCHEMAS)
        head_of(memoryview(other))
    spoilt = bytearray(data)
    spoilt[at % len(data)] ^= 1 << bit
    with contextlib.suppress(PackingError):
        unpack(bytes(spoilt), SCHEMAS)


def test_no_spoilt_bit_raises_anything_else() -> None:
    """Every bit of a small one: some of them make the reader of Arrow panic, which no `except Exception` stops."""
    data = pack(HEAD, frames())
    for place in range(8 * len(data)):
        spoilt = bytearray(data)
        spoilt[place // 8] ^= 1 << place % 8
        with contextlib.suppress(PackingError):
            unpack(bytes(spoilt), SCHEMAS)


def test_frame_by_itself_comes_back_or_is_refused() -> None:
    """As the cache keeps large parts: whole, cut off, of other columns."""
    quiet = frames()[0]
    data = bytes(pack_frame(quiet))
    assert unpack_frame(data, QUIET).equals(quiet)
    for other in (data[: len(data) // 2], b"", b"ARROW1 noise"):
        with pytest.raises(PackingError, match="does not read"):
            unpack_frame(other, QUIET)
    with pytest.raises(PackingError, match="has the columns"):
        unpack_frame(data, RECORDS)


def test_frames_of_other_columns_are_refused() -> None:
    """A frame is what was asked for, or nothing."""
    with pytest.raises(PackingError, match="has the columns"):
        unpack(pack(HEAD, frames()), (RECORDS, RECORDS, COUNTS))
    with pytest.raises(PackingError, match="cut off"):
        unpack(pack(HEAD, frames()), (QUIET, RECORDS))
