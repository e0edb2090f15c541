"""A log that is written to elsewhere than at its end, or read by a failing disk, while it is analysed."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attribute.engines import gathering, keeper
from attribute.engines.analysis import AnalysisOptions
from attribute.engines.keeper import Keeper
from attribute.engines.local import analyse
from attribute.engines.settle import ChangedError, settle
from attribute.logs import opened
from attribute.logs.raw import PlainFile
from attribute.logs.unread import Reading, Unread
from attribute.rules.catalogue import builtin
from tests.cache.test_cache import assert_same, cache_in, log_of, options_for, row_line, told

CHUNK_BYTES = 20_000


@pytest.mark.parametrize("nth", [1, 4, 15])
def test_log_that_shrinks_counts_up_to_a_place_and_says_so(
    nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever thread meets the end first: the lines before it count once, none behind it does, and all add up."""
    log = tmp_path / "a.log"
    log.write_bytes(log_of(0, 4000))
    (tmp_path / "b.log").write_bytes(log_of(4000, 300))
    kept_bytes = (nth - 1) * CHUNK_BYTES + 5_000
    lock, read = threading.Lock(), Unread.read
    is_cut = False

    def cut_off(self: Unread) -> Reading:
        nonlocal is_cut
        with lock:  # threads read in any order: it is the part that is cut off which must not have been read yet
            if not is_cut and self.start <= kept_bytes < self.end:
                os.truncate(log, kept_bytes)
                is_cut = True
        return read(self)

    monkeypatch.setattr(Unread, "read", cut_off)
    analysis = analyse(AnalysisOptions(paths=(str(tmp_path),), catalogue=builtin(), chunk_bytes=CHUNK_BYTES))
    account = analysis.account
    assert [note.reason for note in account.incomplete_files] == ["shrank while it was read"]
    assert account.lines == account.records + account.rejected + account.not_m1 + account.blank
    assert account.bytes == kept_bytes + (tmp_path / "b.log").stat().st_size
    assert account.lines == log.read_bytes().count(b"\n") + 1 + 300  # the last one has no newline any more
    assert int(analysis.rollup.counts["requests"].sum()) == account.records


def test_error_of_the_disk_in_the_middle_costs_what_comes_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads are ahead of whoever tells the error: what they read behind it counts for nothing."""
    text = log_of(0, 4000)
    (tmp_path / "a.log").write_bytes(text)
    read_at = PlainFile.read_at

    def failing(self: PlainFile, offset: int, count: int) -> bytes:
        if count > CHUNK_BYTES // 2 and offset <= 100_000 < offset + count:
            monkeypatch.setattr(os, "pread", _broken)
            try:
                return read_at(self, offset, count)
            finally:
                monkeypatch.undo()
                monkeypatch.setattr(PlainFile, "read_at", failing)
        return read_at(self, offset, count)

    monkeypatch.setattr(PlainFile, "read_at", failing)
    analysis = analyse(AnalysisOptions(paths=(str(tmp_path),), catalogue=builtin(), chunk_bytes=CHUNK_BYTES, threads=1))
    account = analysis.account
    assert [note.reason for note in account.incomplete_files] == ["read error: Input/output error"]
    assert 100_000 - 2 * CHUNK_BYTES < account.bytes <= 100_000
    assert account.lines == text[: account.bytes].count(b"\n")


def renamed(log: Path) -> None:
    log.rename(log.with_name("a-1.log"))
    log.write_bytes(log_of(9000, 3))


def deleted(log: Path) -> None:
    log.unlink()


def truncated(log: Path) -> None:
    os.truncate(log, 0)


def replaced_in_place(log: Path) -> None:
    text = log.read_bytes()
    log.write_bytes(b" " * (len(text) - 1) + b"\n")


def joined_log() -> bytes:
    """Return a log whose failures are known by their quiet records alone."""
    lent = b"".join(row_line(n, stage="upstream", upstream_status=503) for n in range(0, 500, 10))
    lack = {"status": 502, "upstream_status": None, "upstream_latency_ms": None}
    return log_of(1000, 300) + lent + b"".join(row_line(n, **lack) for n in range(0, 500, 10))


def changing(monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
    """Have a change come between the first look at the logs and the second one."""

    def changed(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - handed on as they are
        change()
        return settle(*args, **more)

    monkeypatch.setattr(gathering, "settle", changed)


@pytest.mark.parametrize(("kept", "is_packed"), [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("change", [renamed, deleted])
@pytest.mark.parametrize("held", [0, 100])
def test_log_that_is_renamed_between_two_looks_is_read_again_all_the_same(  # noqa: PLR0917 - pytest hands them over by name
    kept: bool,
    is_packed: bool,
    change: Callable[[Path], None],
    held: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By what was opened, not by its name; where too many are open for that, the run says so and blames nobody."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "a.log"
    log.write_bytes(gzip.compress(joined_log()) if is_packed else joined_log())
    cache = cache_in(tmp_path) if kept else None
    expected = told(analyse(options_for(tmp_path)))
    with monkeypatch.context() as patch:
        patch.setattr(opened, "_MOST", held)
        changing(patch, lambda: change(log))
        if held:
            assert told(analyse(options_for(tmp_path, cache))) == expected
        else:
            with pytest.raises(ChangedError, match="changed while"):
                analyse(options_for(tmp_path, cache))
    if cache is not None:
        assert_same(tmp_path, cache)


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("change", [truncated, replaced_in_place])
def test_records_that_are_gone_at_the_second_look_are_missed(
    kept: bool, change: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of what a request says is no verdict, and nothing of it is kept for the next run."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "a.log"
    log.write_bytes(joined_log())
    cache = cache_in(tmp_path) if kept else None
    with monkeypatch.context() as patch:
        changing(patch, lambda: change(log))
        with pytest.raises(ChangedError, match="changed while"):
            analyse(options_for(tmp_path, cache))
    if cache is not None:
        log.write_bytes(joined_log())
        assert_same(tmp_path, cache)


def written_anew(count: int) -> Callable[[Path], None]:
    """Return what empties a log, as rotation by copying does, and writes other lines into it."""

    def write(log: Path) -> None:
        os.truncate(log, 0)
        with log.open("ab") as file:
            file.write(log_of(90_000, count))

    return write


def changing_between_ranges(monkeypatch: pytest.MonkeyPatch, nth: int, change: Callable[[], None]) -> list[int]:
    """Have logs kept in small ranges, and a change come before the *nth* is read; return where each begins."""
    ranges, begins = Keeper.ranges, list[int]()

    def changed(self: Keeper, start: int, opens: Callable[[str], PlainFile]) -> Iterator[tuple[int, int | None]]:
        for number, area in enumerate(ranges(self, start, opens)):
            assert number < 100, "ranges of a log that do not end"
            begins.append(area[0])
            if number == nth:
                change()
            yield area

    monkeypatch.setattr(keeper, "SEGMENT_BYTES", 50_000)
    monkeypatch.setattr(Keeper, "ranges", changed)
    return begins


@pytest.mark.parametrize("nth", [0, 1, 3])
@pytest.mark.parametrize("change", [renamed, deleted])
def test_log_that_is_renamed_between_two_ranges_is_read_to_its_end(
    nth: int, change: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranges are cut and read from the file that was opened, whatever lies at its path by then."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "a.log"
    log.write_bytes(log_of(0, 2000))
    cache = cache_in(tmp_path)
    expected = told(analyse(options_for(tmp_path)))
    with monkeypatch.context() as patch:
        begins = changing_between_ranges(patch, nth, lambda: change(log))
        assert told(analyse(options_for(tmp_path, cache))) == expected
        assert begins == sorted(set(begins))
        assert len(begins) > 4
    log.parent.joinpath("b.log").write_bytes(log_of(2000, 30))
    assert_same(tmp_path, cache)


@pytest.mark.parametrize("nth", [0, 1, 3])
@pytest.mark.parametrize("change", [truncated, written_anew(30), written_anew(9000)])
def test_log_that_is_emptied_between_two_ranges_counts_up_to_there_and_says_so(
    nth: int, change: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written behind it is of another log, however long: never are halves of two counted together."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "a.log"
    text = log_of(0, 2000)
    log.write_bytes(text)
    cache = cache_in(tmp_path)
    with monkeypatch.context() as patch:
        begins = changing_between_ranges(patch, nth, lambda: change(log))
        account = analyse(options_for(tmp_path, cache)).account
    assert account.lines == text[: begins[nth]].count(b"\n")
    reason = "shrank while it was read" if log.stat().st_size < len(text) else "rewritten while it was read"
    assert [note.reason for note in account.incomplete_files] == [reason]
    log.parent.joinpath("b.log").write_bytes(log_of(2000, 30))
    assert_same(tmp_path, cache)


def _broken(*_: object) -> bytes:
    raise OSError(5, "Input/output error")
