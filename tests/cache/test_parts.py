"""What lies in entries of its own: left there until it is asked for, and done without where it is gone."""

from __future__ import annotations

import gzip
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attribute.engines import keeper as keepers
from attribute.engines import kept as kepts
from attribute.engines import local
from attribute.engines.local import analyse
from attribute.engines.settle import ChangedError
from attribute.rules.thresholds import Limits, Thresholds
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
from tests.drawn import examples
from tests.engines.test_local_property import line
from tests.rules.records import rows


@pytest.fixture
def apart() -> Iterator[None]:
    """Have every part in an entry of its own, and ranges that neither grow nor hold more than some kilobytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kepts, "_INLINE_BYTES", 0)
        patch.setattr(kepts, "GROWS_BELOW", 0)
        patch.setattr(keepers, "SEGMENT_BYTES", 30_000)
        yield


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A log whose incident requests have quiet records, far away from them."""
    (tmp_path / "logs").mkdir()
    lent = b"".join(row_line(number, stage="upstream", upstream_status=503) for number in range(0, 500, 10))
    (tmp_path / "logs" / "a.jsonl").write_bytes(log_of(0, 500) + lent)
    return tmp_path


def grow(logs: Path) -> None:
    """Append some lines."""
    with (logs / "logs" / "a.jsonl").open("ab") as file:
        file.write(log_of(500, 60))


def after_reading(patch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Have something happen between the reading of the files and the answer."""
    read = local.LocalGathering.read

    def reading(gathering: local.LocalGathering) -> None:
        read(gathering)
        happens()

    patch.setattr(local.LocalGathering, "read", reading)


def heads_and_parts(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the entries that say what was read, and those of their parts."""
    entries = sorted((folder / "cache").glob("*.kept"))
    heads = [path for path in entries if b"M1R1" in path.read_bytes()[:80]]
    return heads, [path for path in entries if b"ARROW1" in path.read_bytes()[:80]]


@pytest.mark.usefixtures("apart")
def test_second_run_reads_only_what_is_new(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ranges whose records lie in entries of their own nothing is read again, but for pieces of shared requests."""
    cache = cache_in(logs)
    assert_same(logs, cache)
    assert len(heads_and_parts(logs)[1]) >= 4
    new = log_of(500, 60)
    with (logs / "logs" / "a.jsonl").open("ab") as file:
        file.write(new)
    assert bytes_decoded(logs, cache, monkeypatch) >= len(new)
    assert_same(logs, cache)


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize("how", ["gone", "spoilt", "cut off", "another"])
@pytest.mark.parametrize("share", [1, 2, 3])
def test_parts_that_are_lost_are_read_again(logs: Path, how: str, share: int) -> None:
    """Some or all of them, gone or not what was written: the answer is the same, and the next run's, too."""
    cache = cache_in(logs)
    analyse(options_for(logs, cache))
    grow(logs)
    without = told(analyse(options_for(logs)))
    _, parts = heads_and_parts(logs)
    for path in parts[::share]:
        content = path.read_bytes()
        changed = {
            "spoilt": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
            "cut off": content[: len(content) // 2],
            "another": parts[-1].read_bytes(),
        }
        if how == "gone":
            path.unlink()
        else:
            path.write_bytes(changed[how])
    assert told(analyse(options_for(logs, cache))) == without
    assert told(analyse(options_for(logs, cache))) == without


@pytest.mark.usefixtures("apart")
def test_parts_that_are_lost_after_they_were_seen_are_read_again(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may empty the cache at any moment: also when this one counts on what it saw there."""
    cache = cache_in(logs)
    analyse(options_for(logs, cache))
    grow(logs)
    without = told(analyse(options_for(logs)))
    with monkeypatch.context() as patch:
        after_reading(patch, cache.store.clear)
        assert told(analyse(options_for(logs, cache))) == without
    assert_same(logs, cache)


@pytest.mark.usefixtures("apart")
def test_file_that_changes_while_its_parts_are_missed_is_an_error(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted and what can be read now do not belong together: then nothing is said about it."""
    cache = cache_in(logs)
    analyse(options_for(logs, cache))
    grow(logs)

    def replaced() -> None:
        cache.store.clear()
        (logs / "logs" / "a.jsonl").write_bytes(log_of(7000, 3))

    after_reading(monkeypatch, replaced)
    with pytest.raises(ChangedError, match="changed while it was read"):
        analyse(options_for(logs, cache))


@pytest.mark.usefixtures("apart")
def test_other_rules_and_limits_are_asked_of_the_parts(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read again for other rules; and where the records are gone, all is."""
    cache = cache_in(logs)
    analyse(options_for(logs, cache))
    other = Thresholds(default=Limits(upstream_low_share=0.1))
    whole = (logs / "logs" / "a.jsonl").stat().st_size
    assert bytes_decoded(logs, cache, monkeypatch, thresholds=other) < 2 * whole  # pieces of shared requests, once
    assert_same(logs, cache, thresholds=other)
    for path in heads_and_parts(logs)[1]:
        path.unlink()
    assert_same(logs, cache, thresholds=Thresholds(default=Limits(upstream_low_share=0.15)))


@pytest.mark.usefixtures("apart")
def test_parts_are_used_whenever_their_heads_are(logs: Path) -> None:
    """Or else what nobody asked for lately would make room first, and the whole range would be read for it."""
    cache = cache_in(logs)
    analyse(options_for(logs, cache))
    for _ in range(2):
        heads, parts = heads_and_parts(logs)
        assert parts
        for path in (*heads, *parts):
            os.utime(path, (1, 1))
        analyse(options_for(logs, cache))
        assert [path for path in (*heads, *parts) if path.stat().st_mtime == 1] == []


@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    pieces=st.lists(st.lists(rows(request_ids=IDS), max_size=8), min_size=1, max_size=4),
    spread=st.randoms(use_true_random=False),
    chunk_bytes=st.sampled_from((90, 700, 1 << 24)),
    grows_below=st.sampled_from((0, 1 << 26)),
    memory_bytes=st.sampled_from((1500, 1 << 28)),
    lost=st.integers(0, 4),
)
def test_log_that_grows_gives_the_answer_of_one_that_is_read_anew(  # noqa: PLR0917 - hypothesis hands them over by name
    pieces: list[list[dict[str, Any]]],
    spread: random.Random,
    chunk_bytes: int,
    grows_below: int,
    memory_bytes: int,
    lost: int,
) -> None:
    """Whatever lies where, and whatever of it is lost on the way."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(kepts, "_INLINE_BYTES", 0)
        patch.setattr(kepts, "GROWS_BELOW", grows_below)
        folder = Path(name)
        (folder / "logs").mkdir()
        for piece in pieces:
            with (folder / "logs" / f"{spread.randrange(2)}.log").open("a", encoding="utf-8") as file:
                file.write("".join(line(row) + "\n" for row in piece))
            assert_same(folder, cache_in(folder), chunk_bytes=chunk_bytes, memory_bytes=memory_bytes)
            parts = heads_and_parts(folder)[1]
            for path in spread.sample(parts, min(lost, len(parts))):
                path.unlink()


def test_evidence_behind_recognised_text_is_found_where_it_lies(tmp_path: Path) -> None:
    """A rotated copy goes on behind the text that is known: its own pieces are read again for a shared request."""
    logs = tmp_path / "logs"
    logs.mkdir()
    known = log_of(1, 9) + log_of(11, 9) + log_of(21, 9)
    (logs / "a.log").write_bytes(known)
    cache = cache_in(tmp_path)
    analyse(options_for(tmp_path, cache, chunk_bytes=700))
    (logs / "a.log").unlink()
    lent = row_line(100, stage="upstream", upstream_status=503)
    failed = row_line(100, status=502, upstream_status=None, upstream_latency_ms=None)
    (logs / "b.log.gz").write_bytes(gzip.compress(known + lent + log_of(31, 9) + failed))
    verdicts = analyse(options_for(tmp_path, chunk_bytes=700)).verdicts.collect()
    assert verdicts["joined_from"].to_list() == ["upstream"]
    assert_same(tmp_path, cache, chunk_bytes=700)
