"""A rotated log that was copied or compressed is recognised by its bytes, and by nothing less."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attribute.cache import hashing
from attribute.cache.contents import Beginning, Listed, Text, seal
from attribute.cache.store import Store
from attribute.engines import keeper as keepers
from attribute.engines.local import analyse
from tests.cache.test_cache import (
    IDS,
    assert_same,
    bytes_decoded,
    cache_in,
    log_of,
    options_for,
    row_line,
    told,
)
from tests.cluster.logs import COMPRESSIONS
from tests.drawn import examples
from tests.engines.test_local_property import BROKEN, JUNK, line
from tests.rules.records import rows

ENDINGS = tuple(ending for ending in COMPRESSIONS if ending)
CHUNK = 20_000


def rotated(path: Path, ending: str, text: bytes | None = None) -> Path:
    """Do what logrotate does: rename, compress (or copy) into a new file, delete."""
    old = path.with_name("a-0.jsonl")
    path.rename(old)
    packed = path.with_name(f"a-1.jsonl{ending}")
    packed.write_bytes(COMPRESSIONS[ending](old.read_bytes() if text is None else text))
    old.unlink()
    return packed


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A log of several chunks."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.jsonl").write_bytes(log_of(0, 500))
    return tmp_path


@pytest.mark.parametrize("ending", ENDINGS)
def test_rotated_and_compressed_log_is_not_decoded_again(
    logs: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the lines that came between the last look and the rotation are decoded; afterwards none."""
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    analyse(options_for(logs, cache, chunk_bytes=CHUNK))
    with path.open("ab") as file:
        file.write(log_of(500, 7) + b'{"request_id":\n{"cut')
    rotated(path, ending)
    path.write_bytes(log_of(900, 3))
    new = len(log_of(500, 7)) + len(b'{"request_id":\n{"cut') + len(log_of(900, 3))
    assert bytes_decoded(logs, cache, monkeypatch, chunk_bytes=CHUNK) == new
    assert bytes_decoded(logs, cache, monkeypatch, chunk_bytes=CHUNK) == 0
    assert_same(logs, cache, chunk_bytes=CHUNK)


@pytest.mark.parametrize("ending", ENDINGS)
def test_compressed_log_that_did_not_change_is_not_expanded_again(
    logs: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look at a finished file reads nothing of it, under its name or another one."""
    cache = cache_in(logs)
    packed = rotated(logs / "logs" / "a.jsonl", ending)
    assert bytes_decoded(logs, cache, monkeypatch) == len(log_of(0, 500))
    assert bytes_decoded(logs, cache, monkeypatch) == 0
    packed.rename(packed.with_name(f"a-2.jsonl{ending}"))
    monkeypatch.setattr("attribute.logs.chunks.expand", None)
    assert bytes_decoded(logs, cache, monkeypatch) == 0


def test_copied_log_is_not_decoded_again(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is copied and then truncated goes on in another inode; both are what they are."""
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    analyse(options_for(logs, cache, chunk_bytes=CHUNK))
    path.with_name("a.1.jsonl").write_bytes(path.read_bytes())
    path.write_bytes(log_of(900, 3))
    assert bytes_decoded(logs, cache, monkeypatch, chunk_bytes=CHUNK) == len(log_of(900, 3))
    assert_same(logs, cache, chunk_bytes=CHUNK)


def one_byte_else(text: bytes) -> bytes:
    return text.replace(b'"r321"', b'"x321"')


def shorter(text: bytes) -> bytes:
    return text[: text.index(b'"r400"') - 40]


def other_after_first_line(text: bytes) -> bytes:
    return text[: text.index(b"\n") + 1] + log_of(600, 100)


def same_length(text: bytes) -> bytes:
    first, _, rest = text.partition(b"\n")
    return first + b"\n" + rest[::-1]


@pytest.mark.parametrize("lie", [one_byte_else, shorter, other_after_first_line, same_length])
@pytest.mark.parametrize("ending", ["", *ENDINGS])
@pytest.mark.parametrize("chunk_bytes", [CHUNK, 1 << 24])
def test_other_text_with_the_same_first_line_is_read(
    logs: Path, lie: Callable[[bytes], bytes], ending: str, chunk_bytes: int
) -> None:
    """A file is believed to be the rotated log as far as its bytes prove it, and not by how it begins."""
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    analyse(options_for(logs, cache, chunk_bytes=chunk_bytes))
    rotated(path, ending, lie(path.read_bytes()))
    assert_same(logs, cache, chunk_bytes=chunk_bytes)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kept_share", [0.02, 0.3, 0.7, 0.98])
def test_truncated_compressed_log_says_so(logs: Path, ending: str, kept_share: float) -> None:
    """What could be had of it counts and the fault is named, as without the cache; none of it is kept."""
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    analyse(options_for(logs, cache, chunk_bytes=CHUNK))
    packed = rotated(path, ending)
    content = packed.read_bytes()
    packed.write_bytes(content[: max(20, int(len(content) * kept_share))])
    before = len(cache.store.entries())
    assert_same(logs, cache, chunk_bytes=CHUNK)
    assert len(cache.store.entries()) == before
    assert analyse(options_for(logs, cache)).account.incomplete_files


@pytest.mark.parametrize("spoilt_byte", [30, 500, -30])
def test_damaged_compressed_log_says_so(logs: Path, spoilt_byte: int) -> None:
    """Damage in the middle, too."""
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    analyse(options_for(logs, cache, chunk_bytes=CHUNK))
    packed = rotated(path, ".gz")
    content = bytearray(packed.read_bytes())
    content[spoilt_byte] ^= 0xFF
    packed.write_bytes(content)
    assert_same(logs, cache, chunk_bytes=CHUNK)


def test_files_with_the_same_first_line_are_told_apart(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A banner begins every log of a service; each rotated log is held against all of them."""
    banner = b"service started, version 7\n"
    texts = {f"{number}.jsonl": banner + log_of(1000 * number, 100 + number) for number in range(6)}
    folder = logs / "logs"
    (folder / "a.jsonl").unlink()
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    cache = cache_in(logs)
    assert bytes_decoded(logs, cache, monkeypatch) == sum(map(len, texts.values()))
    for name, text in texts.items():
        (folder / f"{name}.gz").write_bytes(COMPRESSIONS[".gz"](text))
        (folder / name).unlink()
    assert bytes_decoded(logs, cache, monkeypatch) == 0
    assert_same(logs, cache)


def test_bomb_that_begins_like_a_known_log_is_stopped(logs: Path) -> None:
    """Expanding to recognise is held to the same limits as expanding to read."""
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    path.write_bytes(log_of(0, 1) + b"0" * 8_000_000 + b"\n" + log_of(1, 5))
    analyse(options_for(logs, cache, chunk_bytes=CHUNK))
    path.write_bytes(log_of(0, 1) + b'{"request_id": "r"}\n' * 100_000)
    analyse(options_for(logs, cache, chunk_bytes=CHUNK))
    rotated(path, ".gz")
    assert_same(logs, cache, chunk_bytes=CHUNK)
    (note,) = analyse(options_for(logs, cache, chunk_bytes=CHUNK)).account.incomplete_files
    assert note.reason.startswith("expands too much")


def test_line_that_is_too_long_keeps_a_log_from_being_recognised(logs: Path) -> None:
    """A line that was dropped was not sealed: the log is read again, and the answer is the same."""
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    path.write_bytes(log_of(0, 50) + b"{" + b"x" * 70_000 + b"\n" + log_of(50, 50))
    analyse(options_for(logs, cache))
    rotated(path, ".gz")
    assert_same(logs, cache)


def test_ranges_of_a_large_log_are_recognised_one_by_one(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a later range differs, the ranges before it are not decoded again."""
    monkeypatch.setattr(keepers, "SEGMENT_BYTES", 30_000)
    monkeypatch.setattr("attribute.engines.kept.GROWS_BELOW", 1)
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    text = path.read_bytes()
    analyse(options_for(logs, cache, chunk_bytes=CHUNK))
    rotated(path, ".gz", text.replace(b'"r450"', b'"x450"'))
    decoded = bytes_decoded(logs, cache, monkeypatch, chunk_bytes=CHUNK)
    assert 0 < decoded < len(text) / 2
    assert_same(logs, cache, chunk_bytes=CHUNK)


@pytest.mark.parametrize("ending", ["", *ENDINGS])
def test_log_is_recognised_as_far_as_it_was_sealed(logs: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is behind the text that is sealed of a log is decoded again in its copy, and was kept of itself."""
    monkeypatch.setattr(keepers, "SEGMENT_BYTES", 30_000)
    monkeypatch.setattr(keepers, "SEALED_BYTES", 60_000)
    monkeypatch.setattr("attribute.engines.kept.GROWS_BELOW", 1)
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    text = path.read_bytes()
    assert bytes_decoded(logs, cache, monkeypatch, chunk_bytes=CHUNK) == len(text) > 90_000
    assert bytes_decoded(logs, cache, monkeypatch, chunk_bytes=CHUNK) == 0
    rotated(path, ending)
    behind = bytes_decoded(logs, cache, monkeypatch, chunk_bytes=CHUNK)
    first = text.index(b"\n", 30_000 - 1) + 1
    second = text.index(b"\n", first + 30_000 - 1) + 1
    assert behind == len(text) - second
    assert_same(logs, cache, chunk_bytes=CHUNK)


def test_quiet_records_of_a_failed_request_are_found_in_the_compressed_log(logs: Path) -> None:
    """What is fetched again to join a request is fetched from where it lies now."""
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    reports = b"".join(row_line(number, stage="upstream", status=200) for number in range(0, 500, 10))
    path.write_bytes(reports + path.read_bytes())
    analyse(options_for(logs, cache, chunk_bytes=CHUNK))
    with path.open("ab") as file:
        file.write(row_line(33, status=500, upstream_status=200) + row_line(700, stage="upstream"))
    rotated(path, ".zst")
    path.write_bytes(row_line(700, status=502, upstream_status=503))
    assert_same(logs, cache, chunk_bytes=CHUNK)


def test_rejected_lines_are_named_by_the_present_name(logs: Path) -> None:
    """A place is where the line lies now."""
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    path.write_bytes(log_of(0, 100) + b'{"request_id":\n' + log_of(100, 100))
    analyse(options_for(logs, cache, chunk_bytes=CHUNK))
    with path.open("ab") as file:
        file.write(log_of(200, 4) + b'{"request_id":\n')
    packed = rotated(path, ".xz")
    for _ in range(2):
        rejects = analyse(options_for(logs, cache, chunk_bytes=CHUNK)).account.sample_rejects
        assert [(reject.file, reject.line) for reject in rejects] == [(str(packed), 101), (str(packed), 206)]


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    pieces=st.lists(st.lists(rows(request_ids=IDS), max_size=8), min_size=1, max_size=3),
    junk=st.lists(st.sampled_from(JUNK + BROKEN), max_size=6),
    spread=st.randoms(use_true_random=False),
    ending=st.sampled_from(("", *ENDINGS)),
    chunk_bytes=st.sampled_from((90, 700, 1 << 24)),
    lie=st.booleans(),
)
def test_log_that_grows_and_is_rotated_gives_the_answer_of_one_that_is_read_anew(  # noqa: PLR0917 - hypothesis hands them over by name
    pieces: list[list[dict[str, Any]]],
    junk: list[str],
    spread: random.Random,
    ending: str,
    chunk_bytes: int,
    lie: bool,
) -> None:
    """However a log grew before it was rotated, and whatever was put in its place: the cache changes nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "logs").mkdir()
        path = folder / "logs" / "a.jsonl"
        for piece in pieces:
            texts = [line(row) for row in piece] + junk
            spread.shuffle(texts)
            with path.open("a", encoding="utf-8") as file:
                file.write(
                    "".join(one + "\n" for one in texts)[: -spread.randrange(1, 9) if spread.randrange(2) else None]
                )
            assert_same(folder, cache_in(folder), chunk_bytes=chunk_bytes)
        text = bytearray(path.read_bytes())
        if lie and text:
            text[spread.randrange(len(text))] ^= 1
        rotated(path, ending, bytes(text))
        path.write_text("".join(line(row) + "\n" for row in pieces[0]), encoding="utf-8")
        assert_same(folder, cache_in(folder), chunk_bytes=chunk_bytes)


@pytest.mark.parametrize("has_blake3", [True, False])
def test_texts_are_sealed_alike_whatever_their_blocks(has_blake3: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the quick hash or the one that is everywhere; a seal of the other kind fits nothing."""
    if not has_blake3:
        monkeypatch.setattr(hashing, "_blake3", None)
    whole = bytes(range(256)) * 9
    first, second = seal(whole[:1000]), seal(whole[1000:])
    for size in (1, 7, 999, 1000, 5000):
        text = Text(iter([whole[at : at + size] for at in range(0, len(whole), size)]))
        assert text.head(1500) == whole[:1500]
        assert text.passes(first)
        assert text.head(3) == whole[1000:1003]
        assert text.passes(second)
        assert list(text.rest()) == []
        assert not text.passes(second)
    assert not Text(iter([whole])).passes((1000, "md5:" + first[1].partition(":")[2]))


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"[1]", b"[[1,2]]", b'[["a",-1,"b"],["a",99999999999999,"b"]]', b"\xff"]
)
def test_list_of_beginnings_of_another_form_lists_nothing(payload: bytes, tmp_path: Path) -> None:
    """A hash that fits is no promise about what is inside."""
    store = Store(folder=tmp_path)
    store.put("key", payload)
    beginning = Beginning(store, "key")
    assert beginning.listed() == []
    for number in range(12):
        beginning.add(Listed(identity=str(number), first=(number + 1, "x")))
    beginning.add(Listed(identity="7", first=(99, "y")))
    assert [each.identity for each in beginning.listed()] == ["7", "11", "10", "9", "8", "6", "5", "4"]


def test_log_that_is_forged_in_the_cache_is_read(logs: Path) -> None:
    """An entry of a file says nothing of another one whose text is not the sealed one."""
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    analyse(options_for(logs, cache))
    rotated(path, ".gz")
    for entry in cache.store.entries():
        (logs / "cache" / entry.name).write_bytes(os.urandom(100))
    without = told(analyse(options_for(logs)))
    assert told(analyse(options_for(logs, cache))) == without
