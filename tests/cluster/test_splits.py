"""The kernel and the gathering, without any engine: replies in any order, doubled, lost, and of any cut."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attribute.engines import cluster, find, kernel, local
from attribute.engines.analysis import Window
from attribute.engines.cluster import ClusterError
from attribute.engines.remote import Kernel, work
from attribute.engines.splits import plan
from attribute.engines.wire import WireError, unpack
from attribute.logs.cutting import Chunk
from attribute.logs.lines import Decoded, decode_chunk
from attribute.logs.raw import Problem
from attribute.logs.scanning import SCAN
from attribute.logs.sources import discover
from tests.cache.test_cache import log_of
from tests.cluster.logs import EPOCH, lines, write
from tests.cluster.parity import FIXTURES, assert_parity, assert_same, options
from tests.drawn import examples
from tests.engines.test_local_property import BROKEN, COMPRESSIONS, IDS, JUNK, line
from tests.rules.records import EPOCH as EPOCH_OF_ROWS
from tests.rules.records import rows


class Shuffled:
    """Does tasks here, hands replies over in any order, and some of them twice."""

    def __init__(self, seed: int = 0, *, kernel: Kernel = work, lose: int | None = None) -> None:
        self.chance = random.Random(seed)
        self.kernel = kernel
        self.lose = lose

    def run(self, common: bytes, tasks: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        """See `cluster.Runner`."""
        again = [task for task in tasks if self.chance.random() < 0.3]
        for number, payload in self.chance.sample([*tasks, *again], len(tasks) + len(again)):
            if number != self.lose:
                yield number, self.kernel(common, payload)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in FIXTURES.glob("*/logs")))
def test_splits_every_fixture_equals_local(name: str) -> None:
    """Whatever the fixtures hold, splits of any size come to the local engine's answer, fingerprint included."""
    assert_parity(Shuffled(), FIXTURES / name / "logs", split_bytes=50_000, fingerprint=True)


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    records=st.lists(rows(request_ids=IDS), max_size=20),
    junk=st.lists(st.sampled_from(JUNK + BROKEN), max_size=6),
    spread=st.randoms(use_true_random=False),
    files=st.integers(1, 3),
    split_bytes=st.sampled_from((30, 90, 700, 1 << 20)),
    chunk_bytes=st.sampled_from((90, 300, 1 << 24)),
    memory_bytes=st.sampled_from((1500, 1 << 28)),
    window=st.tuples(st.none() | st.integers(0, 3), st.none() | st.integers(0, 4)),
    functions=st.sampled_from(((), ("pay-*",))),
    strict=st.booleans(),
    ended=st.booleans(),
)
def test_splits_any_cut_in_any_order_equals_local(
    *,
    records: list[dict[str, Any]],
    junk: list[str],
    spread: random.Random,
    files: int,
    split_bytes: int,
    chunk_bytes: int,
    memory_bytes: int,
    window: tuple[int | None, int | None],
    functions: tuple[str, ...],
    strict: bool,
    ended: bool,
) -> None:
    """The answer depends neither on where splits end nor on the order, or repetition, of their replies."""
    since_at, until_at = (None if second is None else EPOCH_OF_ROWS + timedelta(seconds=second) for second in window)
    texts = [line(row) for row in records] + junk
    spread.shuffle(texts)
    texts = texts[: {30: 3, 90: 9}.get(split_bytes)]  # a task every few bytes is slow
    with tempfile.TemporaryDirectory() as name:
        for number in range(files):
            text = "\n".join(texts[number::files]) + "\n" * ended
            pack = COMPRESSIONS[spread.randrange(4) if number else 0]
            (Path(name) / f"{spread.randrange(100)}-{number}.log").write_bytes(pack(text.encode()))
        assert_parity(
            Shuffled(spread.randrange(1000)),
            name,
            split_bytes=split_bytes,
            chunk_bytes=chunk_bytes,
            memory_bytes=memory_bytes,
            window=Window(since_at=since_at, until_at=until_at),
            functions=functions,
            strict=strict,
            fingerprint=True,
        )


def test_splits_between_any_two_bytes_equal_local(tmp_path: Path) -> None:
    """A record, dirt, an empty line and the beginning of a line, each byte a split of its own; and so each seventh."""
    short = {"request_id": "a", "function": "f", "stage": "f", "status": 500, "latency_ms": 1}
    (tmp_path / "a.log").write_text(json.dumps(short) + '\n{"request_id"\n\n' + json.dumps(short)[:20])
    for split_bytes in (1, 7):
        assert_parity(Shuffled(), tmp_path, split_bytes=split_bytes, chunk_bytes=1)


@pytest.mark.parametrize("seed", range(3))
def test_splits_generated_logs_equal_local(tmp_path: Path, seed: int) -> None:
    """Broken lines, half a line, half a file, envelopes of every compression, drift and duplicates: one answer."""
    write(tmp_path, seed, 1000)
    window = Window(since_at=EPOCH + timedelta(minutes=7), until_at=EPOCH + timedelta(minutes=90))
    assert_parity(Shuffled(seed), tmp_path)
    assert_parity(Shuffled(seed), tmp_path, window=window, functions=("pay-*", "caf*"), fingerprint=True)
    assert_parity(Shuffled(seed), tmp_path, strict=True, exclude=("deep",))


def test_calm_records_counted_by_the_scanner_equal_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker leaves calm records to the scanner as the local engine does, in a window, per function, when strict."""
    counted: list[bool] = []

    def watched(chunk: Chunk, **how: Any) -> Decoded:  # noqa: ANN401 - handed on as it is
        decoded = decode_chunk(chunk, **how)
        counted.append(decoded.calm is not None and decoded.calm.records.height > 0)
        return decoded

    monkeypatch.setattr(kernel, "decode_chunk", watched)
    (tmp_path / "a.log").write_text("\n".join(lines(7, 3000)))
    window = Window(since_at=EPOCH + timedelta(minutes=7), until_at=EPOCH + timedelta(minutes=90))
    for changes in ({}, {"window": window}, {"strict": True}, {"latency_slot": timedelta(days=1)}):
        assert_parity(Shuffled(), tmp_path, split_bytes=300_000, **changes)
    assert any(counted) == (SCAN is not None)


def test_split_bytes_are_cut_only_where_a_file_is_plain_and_big(tmp_path: Path) -> None:
    """A compressed file is one split, however large; ranges partition a plain one, and its hash is one more task."""
    write(tmp_path, 1)
    splits = plan(discover([str(tmp_path)]).sources, split_bytes=10_000, fingerprint=True)
    assert {split.source.name.rsplit(".", 1)[1] for split in splits if not split.is_whole} == {"log"}
    ranges = [split for split in splits if split.source.name.endswith("0.log") and not split.only_hash]
    assert len(ranges) > 2
    assert [split.end for split in ranges] == [*(split.start for split in ranges[1:]), None]
    assert all(split.size_bytes <= 10_000 for split in ranges)
    assert [split.number for split in splits] == list(range(len(splits)))


def test_explained_request_has_its_records_in_order_from_every_split(tmp_path: Path) -> None:
    """A search on a cluster finds what a search here finds, in the same order."""
    write(tmp_path, 5)
    for request_id in ("r1", "r77", "none"):
        asked = options(tmp_path)
        there = cluster.records_of(request_id, asked, Shuffled(), split_bytes=9_000)
        assert there.equals(find.records_of(request_id, asked))


def test_lost_split_is_an_error_and_never_a_smaller_answer(tmp_path: Path) -> None:
    """An engine that loses a task gives no answer at all; the message says which bytes of which file."""
    (tmp_path / "a.log").write_text("\n".join(lines(1, 200)))
    with pytest.raises(ClusterError, match=r"without the counts of bytes 9,000 to 18,000 of .*a\.log`") as raised:
        cluster.analyse(options(tmp_path), Shuffled(lose=1), split_bytes=9_000)
    assert raised.value.exit_code == 4


def _of_other_version(common: bytes, task: bytes) -> bytes:
    _, _, body = common.partition(b"\n")
    return work(b'{"attribute":"0.0.1","polars":"1.0"}\n' + body, task)


def _of_other_split(common: bytes, task: bytes) -> bytes:
    return work(common, b"7\n" + task.partition(b"\n")[2]).replace(b'"number":0', b'"number":7')


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (_of_other_version, r"a worker runs attribute .* \(asked by 0\.0\.1\), polars"),
        (_of_other_split, "split 7 came as 0"),
        (lambda common, task: work(common, task)[:-9], "a reply is cut off"),
        (lambda common, task: b"what?", "not a reply"),
    ],
)
def test_wrong_reply_is_refused(tmp_path: Path, wrong: Kernel, message: str) -> None:
    """A worker of another version, or a reply that is not one, ends the run with words for it."""
    (tmp_path / "a.log").write_text("\n".join(lines(1, 20)))
    with pytest.raises(ClusterError, match=message):
        cluster.analyse(options(tmp_path), Shuffled(kernel=wrong))


@settings(max_examples=50)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_bytes_that_are_no_reply_raise_one_error(noise: bytes, at: int) -> None:
    """Nothing that comes over the wire crashes the driver in a way of its own."""
    for data in (noise, b"M1R1" + noise, b"M1R1" + b"\x01" * at):
        with pytest.raises(WireError):
            unpack(data)


def test_file_that_a_worker_does_not_see_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path of this machine alone is no file that vanished: the answer would lack it."""
    (tmp_path / "a.log").write_text("\n".join(lines(1, 20)))

    def elsewhere(common: bytes, task: bytes) -> bytes:
        with monkeypatch.context() as there:
            there.setattr("attribute.logs.chunks.PlainFile.open", _vanished)
            return work(common, task)

    with pytest.raises(ClusterError, match=r"a\.log` is on this machine, and a worker does not see it"):
        cluster.analyse(options(tmp_path), Shuffled(kernel=elsewhere))


def _renamed(log: Path) -> None:
    log.rename(log.with_suffix(".1"))


def _emptied(log: Path) -> None:
    os.truncate(log, 0)


@pytest.mark.parametrize("count", [0, 300, 9000])
@pytest.mark.parametrize("change", [_renamed, _emptied])
def test_file_that_is_rotated_between_two_splits_is_listed_and_its_successor_not_counted(
    count: int, change: Callable[[Path], None], tmp_path: Path
) -> None:
    """Never is half of one log counted with half of another, nor half of one taken for all of it."""
    log = tmp_path / "logs" / "a.log"
    log.parent.mkdir()
    text = log_of(0, 2000)
    log.write_bytes(text)

    class Rotating(Shuffled):
        def run(self, common: bytes, tasks: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
            for place, (number, payload) in enumerate(tasks):
                if place == 2:
                    change(log)
                    with log.open("ab") as file:
                        file.write(log_of(90_000, count))
                yield number, self.kernel(common, payload)

    account = cluster.analyse(options(log.parent), Rotating(), split_bytes=50_000).account
    assert account.lines == text[: text.index(b"\n", 100_000)].count(b"\n") + 1
    assert [note.reason for note in account.incomplete_files] == ["replaced before it was read"]


def test_file_that_was_cut_off_before_a_split_of_it_is_read_is_listed(tmp_path: Path) -> None:
    """One that begins as it did, and ends before the split begins, has no lines of it: that is no empty split."""
    log = tmp_path / "a.log"
    log.write_bytes(log_of(0, 2000))

    class CuttingOff(Shuffled):
        def run(self, common: bytes, tasks: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
            os.truncate(log, 120_000)
            return super().run(common, tasks)

    account = cluster.analyse(options(log), CuttingOff(), split_bytes=50_000).account
    assert [note.reason for note in account.incomplete_files] == ["shrank while it was read"]
    assert account.lines == account.records == log.read_bytes()[:100_000].count(b"\n") + 1


def _vanished(path: str) -> object:
    from attribute.logs.raw import Fault

    raise Fault(Problem.VANISHED, path)


def test_standard_input_is_refused_by_a_cluster() -> None:
    """A stream is on one machine."""
    with pytest.raises(ClusterError, match="standard input"):
        cluster.analyse(options("-"), Shuffled())


def test_paths_relative_to_here_are_found_by_workers_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers have another current folder: they are told whole paths, and the answer names them as typed."""
    (tmp_path / "a.log").write_text("\n".join(lines(1, 200)))
    monkeypatch.chdir(tmp_path)

    def elsewhere(common: bytes, task: bytes) -> bytes:
        with monkeypatch.context() as there:
            there.chdir("/")
            return work(common, task)

    mine = local.analyse(options("a.log"))
    assert_same(cluster.analyse(options("a.log"), Shuffled(kernel=elsewhere)), mine)


def test_tasks_are_pure(tmp_path: Path) -> None:
    """The same task gives the same bytes: a retry changes nothing."""
    write(tmp_path, 9, count=300)
    asked = options(tmp_path)
    common = kernel.common_bytes(
        kernel.Common(
            catalogue=asked.catalogue, thresholds=asked.thresholds, window=asked.window,
            latency_slot=asked.latency_slot, strict=False, fingerprint=True, chunk_bytes=1000, rejects=None,
        )
    )  # fmt: skip
    for split in plan(discover(asked.paths).sources, split_bytes=5000):
        task = kernel.task_bytes(kernel.Task(split=split))
        first, second = unpack(work(common, task)), unpack(work(common, task))
        assert first.partial is not None
        assert second.partial is not None
        assert replace(first, partial=None, rejects=first.records).outcome == second.outcome
        assert first.partial.loud.equals(second.partial.loud)
        assert first.partial.quiet.equals(second.partial.quiet)
        assert first.partial.ended == second.partial.ended
