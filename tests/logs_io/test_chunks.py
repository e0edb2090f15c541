"""Chunks of whole lines: the same lines whatever the pieces, and bounded memory whatever the lines."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import itertools
import os
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.logs.chunks import Chunk, ChunkReader, Limits, Problem, first_text, plain_blocks, whole_lines
from attribute.logs.raw import PlainFile
from attribute.logs.sources import Source, discover

SMALL = Limits(line_bytes=8)
TEXTS = st.lists(st.sampled_from([b"\n", b"a", b"bb", b"\r", b"12345678", b"123456789", b"\0", b"\xff" * 20])).map(
    b"".join
)


def expected_lines(text: bytes, limit: int) -> list[bytes | None]:
    """The plain way: split, and drop what is too long."""
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line if len(line) <= limit else None for line in lines]


def lines_of(chunks: list[Chunk]) -> list[bytes | None]:
    """The lines of chunks, None for each that was dropped; checks what every chunk promises on the way."""
    lines: list[bytes | None] = []
    for number, chunk in enumerate(chunks):
        last = number == len(chunks) - 1
        assert (chunk.number, chunk.first_line) == (number, len(lines) + 1)
        if chunk.too_long:
            assert (chunk.data, chunk.lines) == (b"", 1)
            lines.append(None)
            continue
        assert chunk.data.endswith(b"\n") is not chunk.cut_off_tail
        assert last or not chunk.cut_off_tail
        mine = chunk.data.removesuffix(b"\n").split(b"\n")
        assert chunk.lines == len(mine)
        lines += mine
    return lines


def reader_of(path: Path, data: bytes, **options: object) -> ChunkReader:
    path.write_bytes(data)
    return ChunkReader(Source.of(path), **options)  # type: ignore[arg-type]  # handed through as they are


# --- lines


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 200)), chunk_bytes=st.integers(1, 60))
def test_lines_are_the_same_whatever_the_pieces(text: bytes, cuts: list[int], chunk_bytes: int) -> None:
    """The lines of a text depend on nothing but the text: not on how it comes, not on the size of the chunks."""
    places = [0, *sorted(cut for cut in cuts if cut <= len(text)), len(text)]
    blocks = [text[start:end] for start, end in itertools.pairwise(places)]
    chunks = list(whole_lines(blocks, chunk_bytes=chunk_bytes, line_bytes=8))
    assert lines_of(chunks) == expected_lines(text, 8)
    assert any(chunk.cut_off_tail for chunk in chunks) == (bool(text) and not text.endswith(b"\n"))


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, chunk_bytes=st.integers(1, 60))
def test_lines_of_a_file_are_the_same_whatever_the_size_of_chunks(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, chunk_bytes: int
) -> None:
    """The same of a real file, plain and compressed, and the account of it is exact."""
    folder = tmp_path_factory.getbasetemp()
    for name, data in (("plain", text), ("gz", gzip.compress(text))):
        reader = reader_of(folder / name, data, chunk_bytes=chunk_bytes, limits=SMALL)
        chunks = list(reader)
        assert lines_of(chunks) == expected_lines(text, 8)
        outcome = reader.outcome
        assert (outcome.lines, outcome.text_bytes, outcome.bytes_read) == (
            len(expected_lines(text, 8)),
            len(text),
            len(data),
        )
        assert outcome.problem is None


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 250), max_size=5), chunk_bytes=st.integers(1, 60))
def test_ranges_that_partition_a_file_give_each_line_once(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, cuts: list[int], chunk_bytes: int
) -> None:
    """A line belongs to the range that its first byte lies in, wherever the file is cut."""
    path = tmp_path_factory.getbasetemp() / "ranges"
    path.write_bytes(text)
    places: list[int | None] = [0, *sorted(cuts), None]
    lines: list[bytes | None] = []
    bytes_read = 0
    for start, end in itertools.pairwise(places):
        reader = ChunkReader(Source.of(path), chunk_bytes=chunk_bytes, limits=SMALL, start=start or 0, end=end)
        lines += lines_of(list(reader))
        bytes_read += reader.outcome.bytes_read
    assert (lines, bytes_read) == (expected_lines(text, 8), len(text))


def test_range_numbers_its_lines_from_the_number_given(tmp_path: Path) -> None:
    """Whoever knows how many lines came before can say so."""
    reader = reader_of(tmp_path / "x", b"a\nb\nc\nd\n", start=3, end=5, first_line=3)
    assert list(reader) == [Chunk(data=b"c\n", first_line=3, lines=1)]


def test_start_of_a_line_is_not_looked_for_in_a_hole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that goes on where a truncated log ended leaves gigabytes of nothing: no range reads through them."""
    with (tmp_path / "x").open("wb") as file:
        file.write(b"first\n")
        file.seek(2**32)
        file.write(b"\nsecond\nthird\n")
    read = 0
    read_at = PlainFile.read_at

    def counted(self: PlainFile, offset: int, count: int) -> bytes:
        nonlocal read
        block = read_at(self, offset, count)
        read += len(block)
        return block

    monkeypatch.setattr(PlainFile, "read_at", counted)
    cuts = [0, *range(2**28, 2**32, 2**28), None]
    lines = [
        line
        for start, end in itertools.pairwise(cuts)
        for chunk in ChunkReader(Source.of(tmp_path / "x"), start=start or 0, end=end, first_line=0)
        for line in ([None] if chunk.too_long else chunk.data.splitlines())
    ]
    assert lines == [b"first", None, b"second", b"third"]
    assert read < 2**25


def test_range_of_a_compressed_file_is_refused(tmp_path: Path) -> None:
    """A bug of the caller: there is no place in a compressed text to begin at."""
    with pytest.raises(ValueError, match="plain file only"):
        list(reader_of(tmp_path / "x", gzip.compress(b"a\n"), start=1))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_range_of_a_text_is_the_same_whether_its_file_is_compressed(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    """Ranges in text that begin where lines begin give each line once."""
    text = b"".join(b"line %d\n" % number for number in range(90_000)) + b"cut"
    path = tmp_path / "x"
    packed = pack(text)
    path.write_bytes(packed)
    cuts = [0, *(text.index(b"line %d\n" % number) for number in (1, 50_000, 89_999)), None]
    found = [
        b"".join(chunk.data for chunk in ChunkReader(Source.of(path), start=start or 0, end=end, in_text=True))
        for start, end in itertools.pairwise(cuts)
    ]
    assert found == [text[start:end] for start, end in itertools.pairwise(cuts)]
    assert first_text(str(path), 300_000) == text[:300_000]
    assert first_text(str(path), len(text) + 1) == text
    assert b"".join(plain_blocks(str(path))) == packed
    assert first_text(str(tmp_path / "none"), 5) == b"".join(plain_blocks(str(tmp_path / "none"))) == b""


@pytest.mark.parametrize(
    "separator", [b"\r", b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e", b"\xc2\x85", b"\xe2\x80\xa8"]
)
def test_nothing_but_a_newline_ends_a_line(tmp_path: Path, separator: bytes) -> None:
    """L14: other separators belong to the line; a carriage return is left to the decoder."""
    data = b'{"a":"x' + separator + b'y"}\r\n'
    assert [chunk.lines for chunk in reader_of(tmp_path / "x", data * 2)] == [2]


@pytest.mark.parametrize("head", [b"\0" * 1000, b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"])
def test_bytes_at_the_head_are_handed_on_as_they_are(tmp_path: Path, head: bytes) -> None:
    """L12, L13: NULs and marks of encodings are the decoder's to judge."""
    (chunk,) = reader_of(tmp_path / "x", head + b"{}\n")
    assert chunk.data == head + b"{}\n"


@pytest.mark.parametrize("tail", [b'{"request_id":"a"}', b'{"reque'])
def test_last_line_without_newline_is_marked(tmp_path: Path, tail: bytes) -> None:
    """L15: the decoder is told that the last line may be cut off; whole or half is not decided here."""
    (chunk,) = reader_of(tmp_path / "x", b"{}\n" + tail)
    assert (chunk.data, chunk.lines, chunk.cut_off_tail) == (b"{}\n" + tail, 2, True)


def test_empty_file_has_no_chunk(tmp_path: Path) -> None:
    """No bytes, no lines, no problem."""
    reader = reader_of(tmp_path / "x", b"", fingerprint=True)
    assert (list(reader), reader.outcome.lines, reader.outcome.problem) == ([], 0, None)
    assert reader.outcome.sha256 == hashlib.sha256(b"").hexdigest()


def test_ten_million_empty_lines_are_counted(tmp_path: Path) -> None:
    """L17: empty lines are lines, and cheap."""
    reader = reader_of(tmp_path / "x", b"\n" * 10_000_000, chunk_bytes=4_000_000)
    assert [chunk.lines for chunk in reader] == [4_000_000, 4_000_000, 2_000_000]
    assert reader.outcome.lines == 10_000_000


@pytest.mark.parametrize("length", [64 * 1024, 64 * 1024 + 1])
@pytest.mark.parametrize("chunk_bytes", [1000, 65_536, 65_537, 1_000_000])
def test_line_is_too_long_above_64_kib_and_not_at_it(tmp_path: Path, length: int, chunk_bytes: int) -> None:
    """The limit is exact: the newline is not counted, and the neighbours are intact."""
    data = b"before\n" + b"x" * length + b"\nafter\n"
    lines = lines_of(list(reader_of(tmp_path / "x", data, chunk_bytes=chunk_bytes)))
    assert lines == [b"before", b"x" * length if length == 64 * 1024 else None, b"after"]


def test_lines_need_not_be_counted(tmp_path: Path) -> None:
    """Whoever counts lines while decoding them saves the counting here."""
    reader = reader_of(tmp_path / "x", b"a\n" * 10 + b"x" * 20 + b"\nb\n", first_line=0, limits=SMALL)
    chunks = list(reader)
    assert [(chunk.first_line, chunk.lines, chunk.too_long) for chunk in chunks] == [
        (0, 0, False),
        (0, 1, True),
        (0, 0, False),
    ]
    assert reader.outcome.lines == 0


# --- memory


def peak_of(work: Callable[[], None]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_line_of_100_mb_costs_one_line_and_little_memory(tmp_path: Path) -> None:
    """L16: a line longer than memory should allow is dropped as it goes by; its neighbours are read."""
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.write(b"before\n")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\nafter\n")
    lines: list[bytes | None] = []

    def work() -> None:
        lines.extend(lines_of(list(ChunkReader(Source.of(path), chunk_bytes=1_000_000))))

    assert peak_of(work) < 8_000_000
    assert lines == [b"before", None, b"after"]


@pytest.mark.parametrize("size", [10 * 1024**3, 1024**4])
def test_sparse_file_is_read_without_reading_its_holes(tmp_path: Path, size: int) -> None:
    """L16, F14: ten gigabytes or a terabyte of nothing is one line too long, told from the map of the file."""
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.write(b"before\n")
        file.seek(size)
        file.write(b"\nafter\n")
    reader = ChunkReader(Source.of(path))
    lines: list[bytes | None] = []
    assert peak_of(lambda: lines.extend(lines_of(list(reader)))) < 64 * 1024**2
    assert lines == [b"before", None, b"after"]
    assert (reader.outcome.text_bytes, reader.outcome.bytes_read) == (size + 7, size + 7)
    assert reader.outcome.problem is None


def test_hole_at_the_end_is_the_last_line(tmp_path: Path) -> None:
    """A file that was made longer than what was written ends in one line of NULs."""
    path = tmp_path / "x"
    path.write_bytes(b"before\n")
    os.truncate(path, 10**9)
    assert lines_of(list(ChunkReader(Source.of(path)))) == [b"before", None]


def test_memory_stays_within_a_few_chunks(tmp_path: Path) -> None:
    """However large the file, a few chunks are held."""
    path = tmp_path / "x"
    path.write_bytes(b"x" * 199 + b"\n" + (b"y" * 199 + b"\n") * 200_000)
    read = 0

    def work() -> None:
        nonlocal read
        for chunk in ChunkReader(Source.of(path), chunk_bytes=1024**2):
            read += len(chunk.data)

    assert peak_of(work) < 5 * 1024**2
    assert read == 200 * 200_001


# --- files that change


def test_file_that_grows_is_read_to_its_size_at_opening(tmp_path: Path) -> None:
    """F10: a writer that is faster than the reader does not keep it for ever."""
    reader = reader_of(tmp_path / "x", b"line\n" * 1000, chunk_bytes=100)
    lines = 0
    with (tmp_path / "x").open("ab") as writer:
        for chunk in reader:
            lines += chunk.lines
            writer.write(b"more\n" * 100)
            writer.flush()
    assert (lines, reader.outcome.problem) == (1000, None)


def test_file_that_shrinks_is_reported_and_its_read_lines_kept(tmp_path: Path) -> None:
    """F11: what was read before the cut counts, and the outcome says that there was more."""
    reader = reader_of(tmp_path / "x", b"line\n" * 1000, chunk_bytes=100)
    lines = []
    for chunk in reader:
        lines += chunk.data.splitlines()
        os.truncate(tmp_path / "x", 1502)
    assert (lines, reader.outcome.problem) == ([b"line"] * 300 + [b"li"], Problem.SHRANK)


@pytest.mark.parametrize("new_lines", [1000, 2000])
def test_file_that_is_rewritten_is_reported(tmp_path: Path, new_lines: int) -> None:
    """F11: other bytes at the head are another file's, as long as the old one or longer."""
    reader = reader_of(tmp_path / "x", b"line\n" * 1000, chunk_bytes=100)
    chunks = iter(reader)
    next(chunks)
    with (tmp_path / "x").open("r+b") as file:
        file.truncate(0)
        file.write(b"over\n" * new_lines)
    assert (sum(chunk.lines for chunk in chunks), reader.outcome.problem) == (980, Problem.REWRITTEN)


def test_file_that_is_renamed_and_deleted_while_read_is_read_to_its_end(tmp_path: Path) -> None:
    """F12: what is open stays open: rotation by renaming, and deletion, lose nothing."""
    reader = reader_of(tmp_path / "x", b"line\n" * 1000, chunk_bytes=100)
    chunks = iter(reader)
    lines = next(chunks).lines
    (tmp_path / "x").rename(tmp_path / "x.1")
    (tmp_path / "x").write_bytes(b"new\n")
    (tmp_path / "x.1").unlink()
    assert (lines + sum(chunk.lines for chunk in chunks), reader.outcome.problem) == (1000, None)


def test_abandoned_reading_has_no_outcome_and_leaves_nothing_open(tmp_path: Path) -> None:
    """Who stops early gets no account, and no descriptor stays behind."""
    before = len(list(Path("/dev/fd").iterdir()))
    reader = reader_of(tmp_path / "x", b"line\n" * 1000, chunk_bytes=100)
    chunks = iter(reader)
    next(chunks)
    assert 0 < reader.bytes_read < 5000
    chunks.close()  # type: ignore[attr-defined]  # it is a generator
    del chunks
    assert len(list(Path("/dev/fd").iterdir())) == before
    with pytest.raises(RuntimeError, match="not read to its end"):
        _ = reader.outcome


@pytest.mark.parametrize("options", [{"chunk_bytes": 0}, {"start": -1}, {"first_line": -1}])
def test_options_out_of_bounds_are_a_bug_of_the_caller(tmp_path: Path, options: dict[str, int]) -> None:
    """They cannot come from the command line."""
    with pytest.raises(ValueError, match="under"):
        reader_of(tmp_path / "x", b"", **options)


# --- fingerprints


@pytest.mark.parametrize("chunk_bytes", [7, 100, 10**6])
@pytest.mark.parametrize("data", [b"line\n" * 1000, gzip.compress(b"line\n" * 1000) * 3 + bytes(10)])
def test_fingerprint_is_the_hash_of_the_bytes_on_the_disk(tmp_path: Path, data: bytes, chunk_bytes: int) -> None:
    """Each byte is hashed once, whatever was looked at twice."""
    reader = reader_of(tmp_path / "x", data, chunk_bytes=chunk_bytes, fingerprint=True)
    assert sum(chunk.lines for chunk in reader) == 1000 * (3 if data[:1] == b"\x1f" else 1)
    assert reader.outcome.sha256 == hashlib.sha256(data).hexdigest()


# --- standard input


def feed(data: bytes) -> int:
    """A pipe that somebody writes to, bit by bit."""
    read_end, write_end = os.pipe()

    def write() -> None:
        for at in range(0, len(data), 50_000):
            piece = data[at : at + 50_000]
            while piece:
                piece = piece[os.write(write_end, piece) :]
        os.close(write_end)

    threading.Thread(target=write, daemon=True).start()
    return read_end


TEXT = b"".join(b'{"request_id":"%d"}\n' % number for number in range(20_000))


@pytest.mark.parametrize("data", [TEXT, gzip.compress(TEXT)])
def test_standard_input_can_be_read_twice(data: bytes) -> None:
    """A stream is read as it comes, and again from what was kept: the same lines, the same account."""
    descriptor = feed(data)
    (source,) = discover(["-", "/dev/stdin", "-"], stdin=descriptor).sources
    assert (source.path, source.name) == (None, "stdin")
    outcomes = []
    for chunk_bytes in (1000, 10**6):
        reader = ChunkReader(source, chunk_bytes=chunk_bytes, fingerprint=True)
        assert b"".join(chunk.data for chunk in reader) == TEXT
        outcomes.append(reader.outcome)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].sha256 == hashlib.sha256(data).hexdigest()
    os.close(descriptor)


def test_standard_input_that_was_given_up_is_read_from_its_beginning() -> None:
    """The second reader gets the beginning from what was kept, and the rest from the stream."""
    descriptor = feed(TEXT)
    source = Source.standard_input(descriptor)
    assert next(iter(ChunkReader(source, chunk_bytes=1000))).first_line == 1
    assert b"".join(chunk.data for chunk in ChunkReader(source)) == TEXT
    os.close(descriptor)


def test_standard_input_from_a_file_is_read_where_it_lies(tmp_path: Path) -> None:
    """`attribute - < a.log` copies nothing, starts where the shell left off, and can be read twice."""
    path = tmp_path / "x"
    path.write_bytes(b"head\n" + TEXT)
    descriptor = os.open(path, os.O_RDONLY)
    os.lseek(descriptor, 5, os.SEEK_SET)
    source = Source.standard_input(descriptor)
    for _ in range(2):
        assert b"".join(chunk.data for chunk in ChunkReader(source)) == TEXT
    os.close(descriptor)


def test_standard_input_that_does_not_block_is_waited_for() -> None:
    """Some parents leave the stream non-blocking: then nothing to read yet is not the end."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    source = Source.standard_input(read_end)

    def write() -> None:
        os.write(write_end, b"a\nb")
        os.close(write_end)

    writer = threading.Timer(0.05, write)
    writer.start()
    assert [chunk.data for chunk in ChunkReader(source)] == [b"a\nb"]
    writer.join()
    os.close(read_end)


def test_standard_input_that_ends_at_once_is_empty() -> None:
    """Nothing came: no chunk, no problem."""
    descriptor = feed(b"")
    reader = ChunkReader(Source.standard_input(descriptor))
    assert (list(reader), reader.outcome.problem) == ([], None)
    os.close(descriptor)


# --- errors of the system


def test_read_error_in_the_middle_keeps_what_was_read() -> None:
    """F15: the connection that breaks leaves its lines, and the outcome says what the system said."""
    ours, theirs = socket.socketpair()
    ours.send(b"unread by them")
    theirs.send(b"one\ntwo\nthr")
    theirs.close()  # with bytes unread: our side gets ECONNRESET after the last of theirs
    reader = ChunkReader(Source.standard_input(ours.fileno()))
    chunks = list(reader)
    ours.close()
    assert [chunk.data for chunk in chunks] == [b"one\ntwo\nthr"]
    assert (reader.outcome.problem, reader.outcome.detail) == (Problem.READ_ERROR, "Connection reset by peer")


def test_stream_that_cannot_be_read_yields_nothing() -> None:
    """F15: the wrong end of a pipe."""
    read_end, write_end = os.pipe()
    reader = ChunkReader(Source.standard_input(write_end))
    assert (list(reader), reader.outcome.problem) == ([], Problem.READ_ERROR)
    os.close(read_end)
    os.close(write_end)


def test_closed_standard_input_yields_nothing() -> None:
    """`attribute - <&-`: there is no stream."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    os.close(write_end)
    reader = ChunkReader(Source.standard_input(read_end))
    assert (list(reader), reader.outcome.problem) == ([], Problem.READ_ERROR)


FULL_DISK = """
import os, resource
from attribute.logs.chunks import ChunkReader
from attribute.logs.sources import Source
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
reader = ChunkReader(Source.standard_input())
lines = sum(chunk.lines for chunk in reader)
print(lines, reader.outcome.problem, "|", reader.outcome.detail)
"""


def test_disk_that_is_full_keeps_what_fitted() -> None:
    """F15: where standard input cannot be kept, what could be kept is read and the rest reported."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK], input=b"line\n" * 100_000, capture_output=True, check=True)
    assert done.stdout == b"20000 read error | cannot keep standard input: File too large\n"
    assert done.stderr == b""
