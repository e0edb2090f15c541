"""A log that is written to elsewhere than at its end, or read by a failing disk, while it is analysed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from attribute.engines.analysis import AnalysisOptions
from attribute.engines.local import analyse
from attribute.logs.raw import PlainFile
from attribute.logs.unread import Reading, Unread
from attribute.rules.catalogue import builtin
from tests.cache.test_cache import log_of

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
    count = 0

    def cut_off(self: Unread) -> Reading:
        nonlocal count
        with lock:
            count += 1
            if count == nth:
                os.truncate(log, kept_bytes)
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


def _broken(*_: object) -> bytes:
    raise OSError(5, "Input/output error")
