"""The cache: the answer with it is the answer without it, whatever happened to the files or to the cache."""

from __future__ import annotations

import gzip
import json
import os
import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attribute.cache.identity import Snapshot
from attribute.cache.store import Store
from attribute.engines import gathering, local
from attribute.engines import keeper as keepers
from attribute.engines import kept as kepts
from attribute.engines.analysis import Analysis, AnalysisOptions, Cache, Window
from attribute.engines.local import analyse
from attribute.logs.lines import decode_chunk
from attribute.rules.catalogue import builtin, parse
from attribute.rules.thresholds import Limits, Thresholds
from tests.drawn import examples
from tests.engines.test_local_property import BROKEN, JUNK, line
from tests.rules.records import EPOCH, rows

IDS = tuple(f"r{number}" for number in range(6))


def row_line(number: int, **changes: object) -> bytes:
    row = {
        "request_id": f"r{number}", "function": "quote", "stage": "response", "status": 200, "latency_ms": number % 900,
        "error_code": None, "upstream_status": 200, "upstream_latency_ms": 5, "ts": 1_794_830_400_000 + 1000 * number,
    }  # fmt: skip
    return json.dumps(row | changes).encode() + b"\n"


def log_of(first: int, count: int) -> bytes:
    """Return lines of which every tenth is the vendor's failure."""
    return b"".join(
        row_line(number, **({"status": 502, "upstream_status": 503} if number % 10 == 0 else {}))
        for number in range(first, first + count)
    )


def cache_in(folder: Path) -> Cache:
    return Cache(store=Store(folder=folder / "cache"), least_bytes=0)


def options_for(folder: Path, cache: Cache | None = None, **changes: Any) -> AnalysisOptions:  # noqa: ANN401 - any option
    return AnalysisOptions(paths=(str(folder / "logs"),), catalogue=builtin(), cache=cache, **changes)


def told(analysis: Analysis) -> tuple[object, ...]:
    return (
        analysis.account,
        analysis.rollup.counts.rows(),
        analysis.rollup.latency.rows(),
        analysis.verdicts.collect().rows(),
    )


def assert_same(folder: Path, cache: Cache, **changes: Any) -> None:  # noqa: ANN401 - any option
    """Ask twice with the cache (which may fill it) and once without."""
    without = told(analyse(options_for(folder, **changes)))
    assert told(analyse(options_for(folder, cache, **changes))) == without
    assert told(analyse(options_for(folder, cache, **changes))) == without


def bytes_decoded(folder: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> int:  # noqa: ANN401 - any option
    """Return how many bytes of lines a run decodes."""
    decoded = decode_chunk
    seen: list[int] = []

    def counting(chunk: Any, **more: Any) -> Any:  # noqa: ANN401 - handed on as it is
        seen.append(len(chunk.data))
        return decoded(chunk, **more)

    with monkeypatch.context() as patch:
        patch.setattr(local, "decode_chunk", counting)
        analyse(options_for(folder, cache, **changes))
    return sum(seen)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.jsonl").write_bytes(log_of(0, 500))
    return tmp_path


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    pieces=st.lists(st.lists(rows(request_ids=IDS), max_size=8), min_size=1, max_size=4),
    junk=st.lists(st.sampled_from(JUNK + BROKEN), max_size=6),
    spread=st.randoms(use_true_random=False),
    cut=st.booleans(),
    chunk_bytes=st.sampled_from((90, 700, 1 << 24)),
    since=st.none() | st.integers(-1, 1),
)
def test_log_that_grows_gives_the_answer_of_one_that_is_read_anew(  # noqa: PLR0917 - hypothesis hands them over by name
    pieces: list[list[dict[str, Any]]],
    junk: list[str],
    spread: random.Random,
    cut: bool,
    chunk_bytes: int,
    since: int | None,
) -> None:
    """However a log grew, wherever the records of a request lie: what is kept and what is read add up exactly."""
    window = Window(since_at=None if since is None else EPOCH + timedelta(minutes=since))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "logs").mkdir()
        for piece in pieces:
            texts = [line(row) for row in piece] + junk
            spread.shuffle(texts)
            text = "".join(one + "\n" for one in texts)
            with (folder / "logs" / f"{spread.randrange(2)}.log").open("a", encoding="utf-8") as file:
                file.write(text[: -spread.randrange(9) - 1] if cut and text else text)
            assert_same(folder, cache_in(folder), chunk_bytes=chunk_bytes, window=window)


def test_second_run_reads_only_what_is_new(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the same command again pays for what came since."""
    cache = cache_in(logs)
    whole = bytes_decoded(logs, cache, monkeypatch)
    assert bytes_decoded(logs, cache, monkeypatch) == 0
    with (logs / "logs" / "a.jsonl").open("ab") as file:
        file.write(log_of(500, 5))
    assert bytes_decoded(logs, cache, monkeypatch) == len(log_of(500, 5))
    assert whole == len(log_of(0, 500))
    assert_same(logs, cache)


def test_every_run_over_a_log_that_grows_again_and_again_reads_only_what_is_new(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it grew by a little, and with no more entries than there were."""
    monkeypatch.setattr(kepts, "_INLINE_BYTES", 0)
    cache = cache_in(logs)
    analyse(options_for(logs, cache))
    entries = len(cache.store.entries())
    for number in range(5):
        new = log_of(500 + 9 * number, 9)
        with (logs / "logs" / "a.jsonl").open("ab") as file:
            file.write(new)
        assert bytes_decoded(logs, cache, monkeypatch) == len(new)
        assert bytes_decoded(logs, cache, monkeypatch) == 0
        assert len(cache.store.entries()) == entries
    assert_same(logs, cache)


def test_entries_of_a_log_that_was_replaced_do_not_stay(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies where the new ones go is taken away, its parts too."""
    monkeypatch.setattr(kepts, "_INLINE_BYTES", 0)
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    analyse(options_for(logs, cache))
    entries = len(cache.store.entries())
    for number in range(4):
        path.write_bytes(log_of(0, 1) + log_of(1000 * number + 1000, 500))
        assert_same(logs, cache)
    assert len(cache.store.entries()) == entries


@pytest.mark.parametrize("since", [EPOCH.replace(second=1), EPOCH.replace(microsecond=1)])
def test_window_that_no_other_run_will_have_leaves_nothing_in_the_cache(logs: Path, since: datetime) -> None:
    """`--since 1h` is another instant at every run: what is kept of it would never be found again."""
    for window in (Window(since_at=since), Window(until_at=since)):
        assert_same(logs, cache_in(logs), window=window)
    assert cache_in(logs).store.entries() == []
    assert_same(logs, cache_in(logs), window=Window(since_at=EPOCH.replace(minute=1)))
    assert cache_in(logs).store.entries()


def test_line_over_the_border_of_two_ranges_is_looked_at_to_its_end(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes behind the border belong to the range that it begins in."""
    monkeypatch.setattr(keepers, "SEGMENT_BYTES", 30_000)
    monkeypatch.setattr(kepts, "GROWS_BELOW", 0)
    cache, path = cache_in(logs), logs / "logs" / "a.jsonl"
    text = path.read_bytes()
    assert text[30_000 - 60 : 30_000 + 60].count(b"\n") < 2
    for cut in (29_950, 30_000, 30_001, 30_040, 30_063, 30_064, 30_200):
        path.write_bytes(text)
        analyse(options_for(logs, cache))
        os.truncate(path, cut)
        with path.open("ab") as file:
            file.write(b"\n" + log_of(2000, 100))
        assert_same(logs, cache)


def test_other_rules_are_asked_without_reading_again(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept was gathered before any rule was asked."""
    quota = row_line(1000, status=503, upstream_status=429, upstream="search", error_code="quota_day")
    (logs / "logs" / "a.jsonl").write_bytes(log_of(1, 9) + quota)
    cache = cache_in(logs)
    before = analyse(options_for(logs, cache)).verdicts.collect()
    assert before["class"].to_list() == ["UNKNOWN"]
    catalogue = parse((Path(__file__).parent / "acme.toml").read_text(encoding="utf-8"), name="acme.toml")
    rules_changed = replace(options_for(logs, cache), catalogue=catalogue)
    assert bytes_decoded(logs, cache, monkeypatch) == 0
    assert told(analyse(rules_changed)) == told(analyse(replace(rules_changed, cache=None)))
    assert analyse(rules_changed).verdicts.collect()["rule"].to_list() == ["ACME-1"]


def test_another_limit_of_what_is_slow_reads_anew(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts as slow decides what is kept."""
    cache = cache_in(logs)
    analyse(options_for(logs, cache))
    slower = Thresholds(default=Limits(slow_ms=100.0))
    assert bytes_decoded(logs, cache, monkeypatch, thresholds=slower) == len(log_of(0, 500))
    assert_same(logs, cache, thresholds=slower)


def renamed(path: Path) -> None:
    path.rename(path.with_name("b.jsonl"))


def truncated(path: Path) -> None:
    os.truncate(path, 3000)


def written_over(path: Path) -> None:
    path.write_bytes(log_of(7, 600))


def changed_in_its_last_lines(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"r499"', b'"s499"') + log_of(500, 3))


def compressed(path: Path) -> None:
    path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def deleted(path: Path) -> None:
    path.unlink()
    path.with_name("c.jsonl").write_bytes(log_of(3, 10))


@pytest.mark.parametrize(
    "change",
    [renamed, truncated, written_over, changed_in_its_last_lines, compressed, emptied, deleted],
    ids=lambda change: change.__name__,
)
def test_file_that_changed_is_told_from_one_that_grew(logs: Path, change: Callable[[Path], None]) -> None:
    """Rotation in all its forms never counts a line twice, and never one that is not there."""
    cache = cache_in(logs)
    assert_same(logs, cache)
    change(logs / "logs" / "a.jsonl")
    assert_same(logs, cache)


def test_change_far_before_the_end_of_a_small_log_is_noticed(logs: Path) -> None:
    """Of what is under a mebibyte every byte is compared: another log may lie where the first one lay."""
    path, cache = logs / "logs" / "a.jsonl", cache_in(logs)
    path.write_bytes(log_of(0, 4000))
    assert_same(logs, cache)
    with path.open("r+b") as file:
        file.seek(len(log_of(0, 15)))
        file.write(row_line(15, status=500))
    assert_same(logs, cache)


def test_file_that_is_renamed_is_not_read_again(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is what it is, not what it is called."""
    cache = cache_in(logs)
    analyse(options_for(logs, cache))
    renamed(logs / "logs" / "a.jsonl")
    assert bytes_decoded(logs, cache, monkeypatch) == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[:100],
        lambda content: content[:-5] + b"\0" + content[-4:],
        lambda content: b"something else",
        lambda content: b"attribute cache 1\n" + b"\0" * 32,
    ],
)
def test_damaged_entry_is_ignored_and_made_anew(logs: Path, damage: Callable[[bytes], bytes]) -> None:
    """Whatever lies in the folder of the cache, the answer is right."""
    cache = cache_in(logs)
    analyse(options_for(logs, cache))
    entries = {path: path.read_bytes() for path in (logs / "cache").iterdir()}
    assert len(entries) == 3  # the range, the answer, and the list of files that begin so
    for path, sound in entries.items():
        path.write_bytes(damage(sound))
        assert_same(logs, cache)
        assert path.read_bytes() == sound


def test_sound_bytes_that_are_no_entry_of_ours_are_ignored(logs: Path) -> None:
    """A hash that fits is no promise about what is inside."""
    cache = cache_in(logs)
    analyse(options_for(logs, cache))
    for entry in list((logs / "cache").iterdir()):
        for payload in (b"", b"{}", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 40):
            cache.store.put(entry.name.removesuffix(".kept"), payload)
            assert_same(logs, cache)


def test_cache_that_cannot_be_written_costs_time_and_nothing_else(logs: Path) -> None:
    """A full disk, or a file where the folder should be, fails no run."""
    (logs / "cache").write_bytes(b"in the way")
    assert_same(logs, cache_in(logs))


def test_store_lets_the_entry_go_that_was_not_used_for_longest(tmp_path: Path) -> None:
    """The folder never grows past its bound."""
    store = Store(folder=tmp_path / "cache", most_bytes=1000)
    for at, key in enumerate("abc"):
        store.put(key, bytes(250))
        os.utime(tmp_path / "cache" / f"{key}.kept", (at, at))
    assert bytes(store.get("a") or b"") == bytes(250)
    store.put("d", bytes(250))
    assert [store.get(key) is not None for key in "abcd"] == [True, False, True, True]
    store.put("huge", bytes(1000))
    assert store.get("huge") is None
    assert store.clear() == 3
    assert store.entries() == []


def test_many_small_additions_are_kept_in_one_entry(logs: Path) -> None:
    """Entries do not become many with every run."""
    cache = cache_in(logs)
    for number in range(5):
        with (logs / "logs" / "a.jsonl").open("ab") as file:
            file.write(log_of(1000 * number + 1000, 20))
        assert_same(logs, cache)
    assert len(cache.store.entries()) == 3  # the range, the answer, and the list of files that begin so


def test_answer_over_nothing_new_is_not_settled_again(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all is known, no request is put together again; with other limits or rules it is."""
    cache = cache_in(logs)
    first = told(analyse(options_for(logs, cache)))

    def unwanted(*_: object, **__: object) -> None:
        raise RuntimeError("settled again")

    other = Thresholds(default=Limits(upstream_low_share=0.1))
    monkeypatch.setattr(gathering, "settle", unwanted)
    assert told(analyse(options_for(logs, cache))) == first
    with pytest.raises(RuntimeError, match="settled again"):
        analyse(options_for(logs, cache, thresholds=other))
    with (logs / "logs" / "a.jsonl").open("ab") as file:
        file.write(log_of(500, 1))
    with pytest.raises(RuntimeError, match="settled again"):
        analyse(options_for(logs, cache))


def test_rejected_lines_keep_their_places_over_runs(logs: Path) -> None:
    """The first rejected lines are named by file and line, whichever run read them."""
    cache = cache_in(logs)
    path = logs / "logs" / "a.jsonl"
    for _ in range(3):
        with path.open("ab") as file:
            file.write(b'{"request_id":\n' * 4 + log_of(0, 3))
        assert_same(logs, cache)
    places = [(reject.file, reject.line) for reject in analyse(options_for(logs, cache)).account.sample_rejects]
    assert places == [(str(path), 501 + 7 * run + at) for run in range(3) for at in range(4)]


@pytest.mark.parametrize("content", [b"", b"no newline yet", b"\n"])
def test_file_without_a_whole_line_is_kept_nowhere(tmp_path: Path, content: bytes) -> None:
    """What is not written yet cannot be recognised later."""
    path = tmp_path / "a.log"
    path.write_bytes(content)
    seen = Snapshot.of(str(path))
    assert seen is None or content == b"\n"
