"""Parts of a file that are read where they are wanted: the lines of one that is read from end to end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.logs.chunks import Chunk, ChunkReader, Limits, Problem, Unread, read_part
from attribute.logs.sources import Source

LIMITS = Limits(line_bytes=8)
PIECES = [b"\n", b"a\n", b"12345678\n", b"123456789\n", b"x" * 90 + b"\n", b"cut"]
LINES = [b"line %02d\n" % number for number in range(40)]


def parts_of(path: Path, data: bytes, **options: object) -> tuple[ChunkReader, list[Chunk | Unread]]:
    path.write_bytes(data)
    reader = ChunkReader(Source.of(path), chunk_bytes=32, limits=LIMITS, **options)  # type: ignore[arg-type]  # as they are
    return reader, list(reader.parts())


@settings(max_examples=100, deadline=None)
@given(
    text=st.lists(st.sampled_from(PIECES)).map(b"".join),
    order=st.randoms(use_true_random=False),
)
def test_parts_read_in_any_order_hold_the_lines_in_theirs(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, order: object
) -> None:
    """Which part is read first does not matter, and what they say together is what reading from end to end says."""
    path = tmp_path_factory.getbasetemp() / "parts"
    reader, parts = parts_of(path, text)
    places = list(range(len(parts)))
    order.shuffle(places)  # type: ignore[attr-defined]  # a random.Random
    read = {place: read_part(parts[place]) for place in places}
    outcome = reader.finish()
    found = [(chunk.data, chunk.too_long) for place in range(len(parts)) for chunk in read[place].chunks]
    whole = ChunkReader(Source.of(path), chunk_bytes=32, limits=LIMITS)
    assert found == [(chunk.data, chunk.too_long) for chunk in whole]
    assert (outcome.text_bytes, outcome.bytes_read) == (len(text), len(text))
    assert outcome.problem is None


def test_most_of_a_file_is_left_unread(tmp_path: Path) -> None:
    """All but the rest at the end, which has no newline: what is found out about a part is where its last line ends."""
    reader, parts = parts_of(tmp_path / "x", b"".join(LINES) + b"cut")
    assert [isinstance(part, Unread) for part in parts] == [True] * (len(parts) - 1) + [False]
    assert len(parts) == 11
    reader.close()


def test_file_that_is_cut_off_meanwhile_counts_up_to_there(tmp_path: Path) -> None:
    """The part that breaks off says how far it came; none after it counts, and the outcome names the problem."""
    reader, parts = parts_of(tmp_path / "x", b"".join(LINES))
    os.truncate(tmp_path / "x", 75)
    readings = [part.read() for part in parts if isinstance(part, Unread)]
    assert [reading.fault is not None for reading in readings[:4]] == [False, False, True, True]
    broken = readings[2]
    assert [chunk.data for chunk in broken.chunks] == [LINES[8] + b"lin"]
    assert [chunk.cut_off_tail for chunk in broken.chunks] == [True]
    reader.stop(broken)
    outcome = reader.finish()
    assert (outcome.problem, outcome.bytes_read, outcome.text_bytes) == (Problem.SHRANK, 75, 75)


def test_what_is_hashed_is_read_in_order(tmp_path: Path) -> None:
    """A fingerprint needs every byte after the one before it."""
    reader, parts = parts_of(tmp_path / "x", b"".join(LINES), fingerprint=True)
    assert not any(isinstance(part, Unread) for part in parts)
    assert reader.finish().sha256 is not None
