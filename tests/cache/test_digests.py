"""The fingerprint beside the cache: the one an engine takes, and never that of a file as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from attribute.cache import digests
from attribute.cache.digests import Fingerprint, fingerprint
from attribute.cache.store import Store
from attribute.engines.analysis import AnalysisOptions
from attribute.engines.local import analyse
from attribute.logs.sources import Source, discover
from attribute.rules.catalogue import builtin

LINES = b'{"request_id": "r"}\n' * 1000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in which files of any size are worth an entry."""
    monkeypatch.setattr(digests, "_LEAST_BYTES", 1)
    return Store(folder=tmp_path / "cache")


def taken(folder: Path, store: Store) -> Fingerprint | None:
    return fingerprint(discover([str(folder)]).sources, store=store, threads=2)


def by_engine(folder: Path) -> Fingerprint:
    account = analyse(AnalysisOptions(paths=(str(folder),), catalogue=builtin(), fingerprint=True)).account
    assert account.fingerprint is not None
    return Fingerprint(sha256=account.fingerprint, bytes=account.bytes)


def logs_in(folder: Path) -> Path:
    logs = folder / "logs"
    logs.mkdir()
    (logs / "a.log").write_bytes(LINES)
    (logs / "b.log").write_bytes(LINES[::-1] + b"no newline at the end")
    (logs / "empty.log").touch()
    return logs


def test_fingerprint_first_time_and_from_kept_hashes_is_the_engines(tmp_path: Path, store: Store) -> None:
    """One definition: whoever reads everything and whoever looks the hashes up say the same."""
    logs = logs_in(tmp_path)
    expected = by_engine(logs)
    assert [taken(logs, store), taken(logs, store)] == [expected, expected]
    assert len(store.entries()) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes() + b"more\n"),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"r", b"s", 500)),
        lambda path: path.unlink(),
    ],
    ids=["grown", "cut", "rewritten", "gone"],
)
def test_fingerprint_changed_file_is_hashed_again(tmp_path: Path, store: Store, change: object) -> None:
    """A kept hash stands for the file as it was, and for no other."""
    logs = logs_in(tmp_path)
    assert taken(logs, store) == by_engine(logs)
    path = logs / "a.log"
    before = path.stat().st_mtime_ns
    assert callable(change)
    change(path)
    if path.exists():
        os.utime(path, ns=(before + 1, before + 1))
    assert taken(logs, store) == by_engine(logs)


def test_fingerprint_unchanged_file_is_not_read_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was hashed once is looked up."""
    logs = logs_in(tmp_path)
    first = taken(logs, store)
    (logs / "empty.log").unlink()
    second = taken(logs, store)
    monkeypatch.setattr(digests, "_hash", lambda path, size_bytes: "read again")
    assert taken(logs, store) == second != first


def test_fingerprint_file_that_is_shorter_than_it_was_found_is_not_told(tmp_path: Path, store: Store) -> None:
    """A hash of fewer bytes than were read would be that of another input."""
    path = tmp_path / "a.log"
    path.write_bytes(LINES)
    source = Source.of(path)
    path.write_bytes(LINES[:100])
    assert fingerprint([source], store=store, threads=1) is None
    assert fingerprint([], store=store, threads=1) is None
    assert fingerprint([Source.standard_input()], store=store, threads=1) is None


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"state": 1}', b"\xff"])
def test_fingerprint_foreign_entry_is_ignored(payload: bytes, tmp_path: Path, store: Store) -> None:
    """A hash that fits is no promise about what is inside."""
    logs = logs_in(tmp_path)
    expected = taken(logs, store)
    for entry in store.entries():
        store.put(entry.name.removesuffix(".kept"), payload)
    assert taken(logs, store) == expected
