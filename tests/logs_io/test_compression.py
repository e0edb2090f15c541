"""What compressed input gives, whole and broken, and where it is stopped."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import resource
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.logs import compression
from attribute.logs.chunks import ChunkReader, Limits, Problem, SourceOutcome
from attribute.logs.compression import Compression, expand, sniff
from attribute.logs.raw import Fault
from attribute.logs.sources import Source

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def zstd_with_checksum(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


Compress = Callable[[bytes], bytes]
COMPRESS: dict[str, Compress] = {
    "gzip": gzip.compress,
    "zstd": zstd_with_checksum,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
KINDS = sorted(COMPRESS)

RANDOM = random.Random("lines of a log")
TEXT = b"".join(b'{"request_id":"%016x","latency_ms":%d}\n' % (RANDOM.getrandbits(64), n) for n in range(6000))
SPARSE_LINES = Limits(line_bytes=10**9)


def read(data: bytes, path: Path, *, limits: Limits | None = None) -> tuple[bytes, SourceOutcome]:
    file = path / "x.log"
    file.write_bytes(data)
    reader = ChunkReader(Source.of(file), limits=limits)
    return b"".join(chunk.data for chunk in reader), reader.outcome


class Held:
    """Bytes in memory, read by offset."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read_at(self, offset: int, count: int) -> bytes:
        return self.data[offset : offset + count]


def expanded(data: bytes, kind: str, limits: Limits | None = None) -> tuple[bytes, Problem | None]:
    text = b""
    try:
        for piece in expand(Held(data), Compression(kind), limits or Limits()):
            text += piece
    except Fault as fault:
        return text, fault.problem
    return text, None


@pytest.mark.parametrize("kind", KINDS)
def test_compressed_file_gives_its_text_whatever_its_name(tmp_path: Path, kind: str) -> None:
    """F9: the first bytes decide, not the extension."""
    data = COMPRESS[kind](TEXT)
    text, outcome = read(data, tmp_path)
    assert text == TEXT
    assert outcome == SourceOutcome(bytes_read=len(data), text_bytes=len(TEXT), lines=6000)


def test_plain_file_with_the_name_of_a_compressed_one_is_plain(tmp_path: Path) -> None:
    """F9: the same the other way round."""
    path = tmp_path / "x.log.gz"
    path.write_bytes(TEXT)
    assert b"".join(chunk.data for chunk in ChunkReader(Source.of(path))) == TEXT


@pytest.mark.parametrize(
    "text", [b"BZh9 is a bicycle\n", b"BZh9", b"(\xb5/", b"P*M", b"\x1f", b"\xfd7zXZ", b"ZH\n", b"PK", b""]
)
def test_text_that_begins_like_a_compression_is_plain(tmp_path: Path, text: bytes) -> None:
    """No line is lost because its first letters are somebody's magic."""
    got, outcome = read(text, tmp_path)
    assert (got, outcome.problem) == (text, None)


@pytest.mark.parametrize("kind", KINDS)
def test_members_in_a_row_are_one_text(tmp_path: Path, kind: str) -> None:
    """F6: files that were put together, or written piece by piece, are read to the end, padding included."""
    parts = [TEXT[:1000], b"", TEXT[1000:5000], TEXT[5000:]]
    data = b"".join(COMPRESS[kind](part) for part in parts) + bytes(300)
    text, outcome = read(data, tmp_path)
    assert (text, outcome.problem, outcome.bytes_read) == (TEXT, None, len(data))


def test_hundred_thousand_empty_members_are_read_in_linear_time() -> None:
    """F7: each member costs its own bytes only."""
    data = gzip.compress(b"", mtime=0) * 100_000 + gzip.compress(TEXT)
    assert expanded(data, "gzip") == (TEXT, None)


@pytest.mark.parametrize("kind", KINDS)
def test_file_that_ends_early_gives_all_lines_before_the_end(tmp_path: Path, kind: str) -> None:
    """F6: a log that is still being compressed gives what is there of it, and the outcome says that it ends early."""
    whole = COMPRESS[kind](TEXT) + COMPRESS[kind](TEXT)
    text, outcome = read(whole[: len(whole) * 3 // 4], tmp_path)
    assert outcome.problem is Problem.ENDS_EARLY
    assert (TEXT + TEXT).startswith(text)
    assert len(text) >= len(TEXT) + (
        0 if kind == "bzip2" else len(TEXT) // 3
    )  # bzip2 has blocks of 900 kB, all or nothing


def test_thousand_lines_less_the_cut_survive_a_truncated_gzip(tmp_path: Path) -> None:
    """F6: of a thousand lines cut off near the end, all whole lines before the cut are read; the last is marked."""
    lines = TEXT.splitlines(keepends=True)[:1000]
    (tmp_path / "x.log").write_bytes(gzip.compress(b"".join(lines), mtime=0)[:-600])
    chunks = list(ChunkReader(Source.of(tmp_path / "x.log")))
    text = b"".join(chunk.data for chunk in chunks)
    assert text == b"".join(lines)[: len(text)]
    assert text.count(b"\n") > 950
    assert chunks[-1].cut_off_tail


@pytest.mark.parametrize("kind", KINDS)
def test_garbage_after_the_end_is_reported_and_costs_no_line(tmp_path: Path, kind: str) -> None:
    """F6: what follows the last member is named, all before it is kept."""
    text, outcome = read(COMPRESS[kind](TEXT) + b"\0\0\0\0and more\n", tmp_path)
    assert (text, outcome.problem) == (TEXT, Problem.TRAILING_GARBAGE)


@pytest.mark.parametrize("kind", KINDS)
def test_next_member_cut_off_in_its_first_bytes_ends_early(kind: str) -> None:
    """Two bytes of a next member are a cut, not garbage."""
    data = COMPRESS[kind](TEXT)
    assert expanded(data + data[:2], kind) == (TEXT, Problem.ENDS_EARLY)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [("gzip", Problem.CHECKSUM), ("zstd", Problem.CHECKSUM), ("bzip2", Problem.CORRUPT), ("xz", Problem.CORRUPT)],
)
def test_lie_in_the_last_bytes_is_found_and_all_text_kept(tmp_path: Path, kind: str, problem: Problem) -> None:
    """F6: a wrong checksum or length at the end is told, although every line could be read."""
    data = bytearray(COMPRESS[kind](TEXT))
    data[-3 if kind != "bzip2" else -4] ^= 0x41
    text, outcome = read(bytes(data), tmp_path)
    assert (text, outcome.problem) == (TEXT, problem)


@pytest.mark.parametrize("kind", KINDS)
def test_fault_in_the_middle_keeps_everything_before_it(kind: str) -> None:
    """F6: a bad block loses no line of the members before it, nor what its own decoder had already made."""
    first, second = COMPRESS[kind](TEXT), bytearray(COMPRESS[kind](TEXT))
    second[len(second) // 2 : len(second) // 2 + 40] = bytes(40)
    text, problem = expanded(first + bytes(second), kind)
    assert problem in {Problem.CORRUPT, Problem.CHECKSUM}
    assert text.startswith(TEXT)
    if kind != "bzip2":
        assert text.startswith(TEXT + TEXT[: len(TEXT) * 2 // 5])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_cut_gives_a_beginning_of_the_text(kind: str, data: st.DataObject) -> None:
    """Wherever a file is cut, what is read is a beginning of what was written."""
    whole = COMPRESS[kind](TEXT[:3000]) + COMPRESS[kind](TEXT[3000:9000])
    cut = data.draw(st.integers(1, len(whole) - 1))
    if sniff(whole[:cut]) is None:
        return
    text, problem = expanded(whole[:cut], kind)
    assert TEXT.startswith(text)
    assert problem is (None if text == TEXT[:3000] and cut == len(COMPRESS[kind](TEXT[:3000])) else Problem.ENDS_EARLY)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_damage_is_survived(kind: str, data: st.DataObject) -> None:
    """Damage anywhere ends in a text and a problem, never in anything raised; without a problem the text is right."""
    whole = bytearray(COMPRESS[kind](TEXT[:6000]))
    for at in data.draw(st.lists(st.integers(8, len(whole) - 1), min_size=1, max_size=3)):
        whole[at] = data.draw(st.integers(0, 255))
    text, problem = expanded(bytes(whole), kind)
    assert problem is not None or text in {TEXT[:6000], b""}  # b"": a frame may say of itself that it is empty


@pytest.mark.parametrize("kind", KINDS)
def test_bomb_is_stopped_at_its_ratio_and_what_came_before_kept(tmp_path: Path, kind: str) -> None:
    """F7: 200 MB out of a few hundred kB are stopped soon after the first MiB; the outcome says why."""
    text, outcome = read(COMPRESS[kind](TEXT) + COMPRESS[kind](bytes(100_000_000)), tmp_path, limits=SPARSE_LINES)
    assert (text[: len(TEXT)], outcome.problem) == (TEXT, Problem.RATIO)
    assert outcome.text_bytes < 24 * 1024**2
    assert outcome.detail == f"more than 200:1, stopped after {outcome.text_bytes:,} bytes of text"


def test_limit_of_text_is_kept_to_the_byte(tmp_path: Path) -> None:
    """F7: a source is read up to the limit and not a byte further."""
    text, outcome = read(gzip.compress(TEXT), tmp_path, limits=Limits(text_bytes=100_000))
    assert (text, outcome.problem) == (TEXT[:100_000], Problem.TOO_LARGE)
    assert outcome.detail == "stopped after 100,000 bytes of text"


def test_high_ratio_of_little_text_is_no_bomb(tmp_path: Path) -> None:
    """Under a MiB the ratio proves nothing."""
    text, outcome = read(gzip.compress(b"a\n" * 500_000), tmp_path)
    assert (len(text), outcome.problem) == (1_000_000, None)


def test_limits_do_not_depend_on_the_size_of_chunks(tmp_path: Path) -> None:
    """Where a bomb is stopped is a matter of its bytes alone."""
    path = tmp_path / "x.log"
    path.write_bytes(gzip.compress(b"abc\n" * 5_000_000))
    outcomes = set()
    for chunk_bytes in (1000, 1_000_000, 16_000_000):
        reader = ChunkReader(Source.of(path), chunk_bytes=chunk_bytes)
        assert all(chunk.data for chunk in reader)
        outcomes.add(reader.outcome)
    assert [outcome.problem for outcome in outcomes] == [Problem.RATIO]


@pytest.mark.parametrize("inner", KINDS)
def test_text_that_is_compressed_itself_is_not_read(tmp_path: Path, inner: str) -> None:
    """F7: one layer is opened; what is compressed twice is named, and its bytes are no lines."""
    text, outcome = read(gzip.compress(COMPRESS[inner](TEXT)), tmp_path)
    assert (text, outcome.problem) == (b"", Problem.NESTED)


def test_zstd_skippable_frames_are_skipped(tmp_path: Path) -> None:
    """F8: frames that hold no text are stepped over, first, last and between."""
    skippable = b"\x5a\x2a\x4d\x18\x04\0\0\0abcd"
    data = skippable + zstd.compress(TEXT[:5000]) + skippable + zstd.compress(TEXT[5000:]) + skippable
    text, outcome = read(data, tmp_path)
    assert (text, outcome.problem) == (TEXT, None)


def test_zstd_skippable_frame_that_claims_more_than_there_is_ends_early() -> None:
    """F8: a claim of 4 GB is not believed."""
    assert expanded(b"\x5a\x2a\x4d\x18\xff\xff\xff\xffabcd", "zstd") == (b"", Problem.ENDS_EARLY)


def test_zstd_that_needs_a_dictionary_says_so(tmp_path: Path) -> None:
    """F8: without its dictionary a frame cannot be read."""
    dictionary = zstd.train_dict([TEXT[n * 100 : n * 100 + 100] for n in range(2000)], 2000)
    text, outcome = read(zstd.compress(TEXT, zstd_dict=dictionary), tmp_path)
    assert (text, outcome.problem) == (b"", Problem.DICTIONARY)


@pytest.mark.parametrize("kind", ["zstd", "xz"])
def test_window_over_the_limit_is_refused_before_it_is_allocated(tmp_path: Path, kind: str) -> None:
    """F8: a few bytes that ask for half a gigabyte do not get it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if kind == "zstd":  # a frame's head: no size, window of 512 MiB; then an empty last block
        data = b"\x28\xb5\x2f\xfd\x00" + bytes([(29 - 10) << 3]) + b"\x01\x00\x00"
    else:
        whole = bytearray(lzma.compress(TEXT, check=lzma.CHECK_NONE))
        assert whole[12:16] == b"\x02\x00\x21\x01"  # block head: its size, no flags, LZMA2, one byte of properties
        whole[16] = 34  # 512 MiB
        whole[20:24] = zlib.crc32(whole[12:20]).to_bytes(4, "little")
        data = bytes(whole)
    text, outcome = read(data, tmp_path)
    assert (text, outcome.problem) == (b"", Problem.WINDOW)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # kB


def test_largest_usual_window_is_allowed(tmp_path: Path) -> None:
    """`zstd --long` and `xz -9` are read: their windows are within the limit."""
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    assert read(compressor.compress(TEXT) + compressor.flush(), tmp_path)[0] == TEXT
    assert read(lzma.compress(TEXT, preset=9), tmp_path)[0] == TEXT


@pytest.mark.parametrize(
    ("magic", "name"),
    [(b"\x04\x22\x4d\x18", "lz4"), (b"\x1f\x9d\x90", "compress"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"LZIP\x01", "lzip")],
)
def test_unsupported_compression_is_named_and_gives_no_lines(tmp_path: Path, magic: bytes, name: str) -> None:
    """F9: what cannot be expanded is not read as if it were text."""
    text, outcome = read(magic + b"\n" * 100, tmp_path)
    assert (text, outcome.problem, outcome.detail) == (b"", Problem.UNSUPPORTED, name)


def test_zip_is_named_and_gives_no_lines(tmp_path: Path) -> None:
    """F9: a real zip file."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.log", TEXT)
    reader = ChunkReader(Source.of(tmp_path / "a.zip"))
    assert (list(reader), reader.outcome.problem, reader.outcome.detail) == ([], Problem.UNSUPPORTED, "zip")


def told(data: bytes) -> tuple[bytes, tuple[object, ...]]:
    """Return the text that could be had, and the fault in words."""
    text = b""
    try:
        for piece in expand(Held(data), Compression.GZIP, Limits()):
            text += piece
    except Fault as fault:
        return text, fault.args
    return text, ()


GZIPPED = gzip.compress(TEXT[:40_000], 6) + gzip.compress(TEXT[40_000:60_000], 9) + gzip.compress(b"", 1)
DAMAGE = st.lists(st.tuples(st.integers(0, len(GZIPPED) - 1), st.integers(0, 255)), max_size=3)


@given(damage=DAMAGE, cut=st.integers(0, len(GZIPPED)))
@settings(max_examples=300, deadline=None)
def test_quick_gzip_tells_what_zlib_tells(damage: list[tuple[int, int]], cut: int) -> None:
    """Whichever library expands it, broken gzip gives the same text and the same fault in the same words."""
    data = bytearray(GZIPPED[:cut] if cut % 3 == 0 else GZIPPED)
    for place, value in damage:
        if place < len(data):
            data[place] = value
    quick = told(bytes(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "isal_zlib", None)
        plain = told(bytes(data))
    assert quick == plain


@pytest.mark.parametrize("flags", range(256))
def test_gzip_head_of_any_flags_is_read_as_zlib_reads_it(flags: int) -> None:
    """Extra fields, names, comments, sums of the head, and flags that nobody knows."""
    data = GZIPPED[:3] + bytes([flags]) + GZIPPED[4:10] + b"\3\0abcname\0comment\0" + GZIPPED[10:]
    quick = told(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "isal_zlib", None)
        assert quick == told(data)
