"""Chunks that are scanned ahead: the answer is the one without, and nothing of it is lost or told twice."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attribute.cache.store import Store
from attribute.engines import head_start as ahead
from attribute.engines.analysis import AnalysisOptions, Cache
from attribute.engines.head_start import HeadStart, head_start
from attribute.engines.local import analyse
from attribute.logs.raw_scan import HAS_SCANNER
from attribute.rules.catalogue import builtin
from tests.cache.test_cache import log_of, told

pytestmark = pytest.mark.skipif(not HAS_SCANNER, reason="the scanner is not compiled here, nothing is scanned ahead")


@pytest.fixture(autouse=True)
def from_the_first_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_LEAST_BYTES", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def options_for(folder: Path, **changes: Any) -> AnalysisOptions:  # noqa: ANN401 - any option
    return AnalysisOptions(**{"paths": (str(folder),), "catalogue": builtin(), "chunk_bytes": 100_000, **changes})


def begun(options: AnalysisOptions) -> HeadStart:
    found = head_start(options)
    assert found is not None
    return found


def lines() -> bytes:
    """Sound lines, broken ones, one that is too long, and one that is cut off."""
    return log_of(0, 2000) + b"{broken\n" * 50 + b"x" * 70_000 + b"\n" + log_of(2000, 1500) + b'{"request_id": "cut'


@pytest.mark.parametrize("chunk_bytes", [10_000, 60_000, 10**7])
@pytest.mark.parametrize("strict", [False, True])
def test_answer_is_the_same(chunk_bytes: int, strict: bool, tmp_path: Path) -> None:
    """Few chunks or many, more than are scanned ahead or fewer, with dirt in them, in the first file of two."""
    (tmp_path / "a.log").write_bytes(lines())
    (tmp_path / "b.log").write_bytes(log_of(7000, 500))
    options = options_for(tmp_path, chunk_bytes=chunk_bytes, strict=strict)
    assert told(analyse(options, begun(options))) == told(analyse(options))


def test_compressed_file_that_ends_early_is_told_so(tmp_path: Path) -> None:
    """What ends the reading of a file is known to whoever reads it, not to who began."""
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(lines())[:-2000])
    options = options_for(tmp_path)
    analysis = analyse(options, begun(options))
    assert told(analysis) == told(analyse(options))
    assert len(analysis.account.incomplete_files) == 1


def test_fingerprint_is_the_same(tmp_path: Path) -> None:
    """Bytes are hashed once, whoever reads them."""
    (tmp_path / "a.log").write_bytes(lines())
    options = options_for(tmp_path, fingerprint=True)
    assert analyse(options, begun(options)).account.fingerprint == analyse(options).account.fingerprint is not None


def test_file_that_is_kept_is_not_begun(tmp_path: Path) -> None:
    """With a cache the first run begins early, and the second has nothing to begin with."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(log_of(0, 5000))
    options = options_for(tmp_path / "logs", cache=Cache(store=Store(folder=tmp_path / "cache"), least_bytes=0))
    first = told(analyse(options, begun(options)))
    assert head_start(options) is None
    assert told(analyse(options)) == first


def test_file_that_grew_meanwhile_is_read_anew(tmp_path: Path) -> None:
    """Where another range is to be read than was begun, what was scanned is dropped, and nothing is counted twice."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "a.log"
    log.write_bytes(log_of(0, 5000))
    options = options_for(tmp_path / "logs", cache=Cache(store=Store(folder=tmp_path / "cache"), least_bytes=0))
    started = begun(options)
    with log.open("ab") as file:
        file.write(log_of(5000, 1000))
    assert analyse(options, started).account.records == 6000


@pytest.mark.parametrize(
    "prepare",
    [
        lambda folder, patch: (folder / "a.log").unlink(),
        lambda _, patch: patch.setattr("os.cpu_count", lambda: 1),
        lambda _, patch: patch.setattr(ahead, "HAS_SCANNER", False),
        lambda _, patch: patch.setattr(ahead, "_LEAST_BYTES", 10**9),
    ],
)
def test_nothing_is_begun_where_it_does_not_pay(
    prepare: Callable[[Path, pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file, no second core, no scanner, or too little."""
    (tmp_path / "a.log").write_bytes(log_of(0, 10))
    prepare(tmp_path, monkeypatch)
    assert head_start(options_for(tmp_path)) is None


def test_error_ahead_is_raised_where_the_chunk_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the thread ends the run as it would have in the main one."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    (tmp_path / "a.log").write_bytes(log_of(0, 5000))
    monkeypatch.setattr(ahead, "raw_scan", fails)
    options = options_for(tmp_path)
    with pytest.raises(RuntimeError, match="a bug"):
        analyse(options, begun(options))


def test_giving_up_ends_the_thread(tmp_path: Path) -> None:
    """Nothing goes on in the background."""
    (tmp_path / "a.log").write_bytes(lines() * 5)
    begun(options_for(tmp_path)).give_up()
    assert not [thread for thread in threading.enumerate() if thread.name == "head start"]
