"""The folder of the cache: private, bounded, and never a reason for a run to fail or to believe somebody else."""

from __future__ import annotations

import errno
import io
import os
import random
import resource
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from attribute.cache.store import Store, default_folder
from attribute.cli.cache import NOWHERE
from attribute.engines.local import analyse
from tests.cache.test_cache import assert_same, cache_in, log_of, options_for, told
from tests.cli.conftest import CommandLine

KEY = "k"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one entry."""
    made = Store(folder=tmp_path / "deep" / "cache")
    made.put(KEY, b"content")
    assert held(made) == b"content"
    return made


def path_in(store: Store, key: str = KEY) -> Path:
    return store.folder / f"{key}.kept"


def held(store: Store, key: str = KEY) -> bytes | None:
    found = store.get(key)
    return None if found is None else bytes(found)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_entries_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Whatever the user lets others read elsewhere: logs may tell of people."""
    with umask(0):
        store = Store(folder=tmp_path / "cache")
        store.put(KEY, b"content")
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path_in(store).stat().st_mode) == 0o600


def readable(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_folder_that_others_may_write_to_is_not_believed(store: Store, mode: int) -> None:
    """Others could have put an answer there; nothing is read, and nothing added."""
    store.folder.chmod(mode)
    assert store.get(KEY) is None
    assert store.peek(KEY, 3) is None
    store.put("other", b"content")
    assert [entry.name for entry in store.entries()] == ["k.kept"]
    store.folder.chmod(0o755)
    assert held(store, KEY) == b"content"


def test_folder_or_entry_of_another_user_is_not_believed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where `sudo` keeps the home of who called it: neither reads what the other keeps."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert store.get(KEY) is None
        store.put("other", b"content")
    assert len(store.entries()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_entry_of_another_user_in_our_folder_is_not_believed(store: Store) -> None:
    """The folder may have been somebody else's before."""
    os.chown(path_in(store), 12345, -1)
    assert store.get(KEY) is None
    store.put(KEY, b"ours")
    assert held(store, KEY) == b"ours"


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def linked_to_a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def sparse(path: Path) -> None:
    os.truncate(path, 2**40)


def sparse_within_bounds(path: Path) -> None:
    os.truncate(path, 2**31)


@pytest.mark.parametrize("change", [linked, linked_to_a_device, dangling, fifo, folder, sparse, sparse_within_bounds])
def test_what_is_no_file_of_ours_is_not_read(store: Store, change: Callable[[Path], None]) -> None:
    """No link is followed, nothing is waited for, and nothing endless is read."""
    change(path_in(store))
    assert store.get(KEY) is None
    assert store.peek(KEY, 3) is None
    store.put("other", b"content")
    assert held(store, "other") == b"content"


@pytest.mark.parametrize("size_bytes", [0, 20, 60, 68, 2**31])
def test_entry_of_another_length_is_thrown_away_unread(
    store: Store, size_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash of the disk may leave gigabytes of nothing: they are not loaded to find out."""
    os.truncate(path_in(store), size_bytes)
    read = io.FileIO.read

    class Careful(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 <= size < 100
            return read(self, size)

    monkeypatch.setattr("attribute.cache.store.io.FileIO", Careful)
    assert not store.has(KEY)
    assert store.peek(KEY, 3) is None
    assert store.get(KEY) is None
    assert not path_in(store).exists()


def test_entry_of_an_older_format_is_made_anew(store: Store) -> None:
    """What another version wrote is no entry, whatever it holds."""
    old = path_in(store).read_bytes().replace(b"attribute cache 3", b"attribute cache 2")
    path_in(store).write_bytes(old)
    assert store.get(KEY) is None
    store.put(KEY, b"content")
    assert held(store) == b"content"


def test_asking_whether_an_entry_is_there_is_using_it(store: Store) -> None:
    """Who asks counts on it: it makes room after what nobody asked for."""
    store = Store(folder=store.folder, most_bytes=400)
    store.put("other", bytes(100))
    for key, at in ((KEY, 1), ("other", 2)):
        os.utime(path_in(store, key), (at, at))
    assert store.has(KEY)
    assert not store.has("nothing")
    store.put("third", bytes(200))
    assert [store.has(key) for key in (KEY, "other", "third")] == [True, False, True]


def test_link_in_the_place_of_an_entry_is_replaced_and_its_target_left_alone(store: Store, tmp_path: Path) -> None:
    """Writing, making room and clearing touch what lies in the folder, and nothing that it points to."""
    target = tmp_path / "mine.txt"
    for write in (lambda: store.put(KEY, b"new"), store.clear):
        target.write_text("precious")
        path_in(store).unlink(missing_ok=True)
        path_in(store).symlink_to(target)
        write()
        assert readable(target) == "precious"
        assert not path_in(store).is_symlink()


def test_folder_that_is_a_link_is_followed(tmp_path: Path) -> None:
    """A user may keep the cache on a larger disk."""
    (tmp_path / "large").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to("large")
    store = Store(folder=tmp_path / "cache")
    store.put(KEY, b"content")
    assert held(store, KEY) == b"content"


@contextmanager
def full_disk(left_bytes: int) -> Iterator[None]:
    """Let no file grow past *left_bytes*."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_keeps_nothing_and_leaves_nothing_half_written(store: Store) -> None:
    """What does not fit is not there afterwards, and what was there stays."""
    with full_disk(1000):
        store.put(KEY, bytes(5000))
        store.put("other", bytes(5000))
    assert held(store, KEY) == b"content"
    assert [path.name for path in store.folder.iterdir()] == ["k.kept"]


@pytest.mark.parametrize("where", ["/proc/attribute", "/dev/null/attribute"])
def test_folder_that_cannot_be_made_costs_time_and_nothing_else(where: str, tmp_path: Path) -> None:
    """Nothing is kept, nothing is found, nothing fails."""
    store = Store(folder=Path(where))
    store.put(KEY, b"content")
    assert store.get(KEY) is None
    assert (store.entries(), store.clear()) == ([], 0)


@pytest.mark.parametrize("home_is", [None, "", "relative", "/dev/null"])
def test_without_a_home_nothing_is_kept(
    home_is: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A service may have no home: it gets its answer, and no folder appears where it happens to stand."""
    (tmp_path / "a.log").write_bytes(log_of(0, 8000))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    if home_is is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home_is)
    command = CommandLine(capfd)
    if home_is != "/dev/null":
        assert default_folder() is None
        assert command("cache", "show").out == f"{NOWHERE}\n"
        assert command("cache", "clear").out == "0 entries deleted\n"
    assert command("a.log", "--isolated", "--now", "2026-12-24").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]


def test_two_runs_at_once_have_the_same_answer(tmp_path: Path) -> None:
    """Whoever of them writes first, and whatever is thrown away meanwhile."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.jsonl").write_bytes(log_of(0, 300))
    cache = cache_in(tmp_path)
    without = told(analyse(options_for(tmp_path)))
    ended = threading.Event()

    def clear() -> None:
        while not ended.is_set():
            cache.store.clear()

    with ThreadPoolExecutor(4) as pool:
        clearing = pool.submit(clear)
        try:
            answers = list(pool.map(lambda _: told(analyse(options_for(tmp_path, cache))), range(9)))
        finally:
            ended.set()
        clearing.result()
    assert answers == [without] * 9
    assert_same(tmp_path, cache)


def test_many_writers_of_one_key_leave_one_sound_entry(tmp_path: Path) -> None:
    """A reader finds one of the entries that were written, whole, or none; the folder stays within its bound."""
    store = Store(folder=tmp_path / "cache", most_bytes=20_000)
    payloads = [bytes([number]) * (1000 + number) for number in range(8)]

    def write_and_read(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(60):
            key = chance.choice("abc")
            store.put(key, chance.choice(payloads))
            found = store.get(key)
            assert found is None or bytes(found) in payloads

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_and_read, range(4)))
    assert {entry.name for entry in store.entries()} <= {"a.kept", "b.kept", "c.kept"}
    assert sum(entry.size_bytes for entry in store.entries()) <= 20_000


@pytest.mark.parametrize(("stuck", "said"), [(1, "1 entry is"), (3, "3 entries are")])
def test_entries_that_cannot_be_deleted_are_told(
    stuck: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Who clears what is personal must not be told that it is gone while it is there."""
    store = Store(folder=tmp_path / "attribute")
    for key in "abc":
        store.put(key, b"content")
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.stem in "abc"[:stuck]:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(Path, "unlink", refused)
    done = CommandLine(capfd)("cache", "clear")
    assert (done.code, done.out) == (2, f"{3 - stuck} entries deleted\n")
    assert done.err == (
        f"attribute: error: {said} still in {store.folder}: Read-only file system\n"
        "  hint: make the folder writable, or have XDG_CACHE_HOME name another one\n"
    )
    assert len(store.entries()) == stuck


def test_folder_that_cannot_be_searched_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """No entries seen is not the same as no entries there."""
    store = Store(folder=tmp_path / "attribute")
    store.put(KEY, b"content")

    def refused(_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refused)
        done = CommandLine(capfd)("cache", "clear")
    assert (done.code, done.out) == (2, "0 entries deleted\n")
    assert done.err.startswith(
        f"attribute: error: {store.folder} cannot be searched for entries: Permission denied\n  hint: "
    )


def test_folder_that_others_may_write_to_is_not_used_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever wonders why no run gets faster asks what is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command = CommandLine(capfd)
    folder = tmp_path / "attribute"
    folder.mkdir()
    assert "not used" not in command("cache", "show").out
    folder.chmod(0o777)
    store = Store(folder=folder)
    store.put("a" * 64, b"payload")
    assert store.entries() == []
    assert "not used: others may write to it (mode 0777)" in command("cache", "show").out
