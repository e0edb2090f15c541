"""
A disk that forgets: what was not synchronised before the power went may be there, or not, sector by sector.

SQLite runs over a file layer that passes everything on to real files and remembers what each file held when it was last
synchronised, and every write since. `Disk.after_power_cut` then makes the files that a machine might find when it comes
back: the synchronised content, plus any half of the sectors written later.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, cast

import apsw

from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.stores.sqlite_transaction import SqliteTransaction

SECTOR = 512
_NAMES = count(1)


class Disk:
    """What is certain of each file, and what is not yet."""

    def __init__(self) -> None:
        self.synced: dict[str, bytes] = {}
        self.since: dict[str, list[tuple[int, bytes] | int]] = {}
        self._armed: tuple[int, Callable[[], None]] | None = None

    def arm(self, calls: int, cut: Callable[[], None]) -> None:
        """Cut the power at one of the next writes or synchronisations."""
        self._armed = (calls, cut)

    def disarm(self) -> bool:
        """Whether the power was still to be cut; it will not be."""
        armed, self._armed = self._armed, None
        return armed is not None

    def _tick(self) -> None:
        if self._armed is None:
            return
        calls, cut = self._armed
        self._armed = (calls - 1, cut)
        if calls == 0:
            self._armed = None
            cut()

    def wrote(self, name: str, offset: int, data: bytes) -> None:
        self._tick()
        for start in range(0, len(data), SECTOR):
            self.since.setdefault(name, []).append((offset + start, data[start : start + SECTOR]))

    def cut_short(self, name: str, size: int) -> None:
        self.since.setdefault(name, []).append(size)

    def synchronised(self, name: str) -> None:
        self._tick()
        self.synced[name] = bytes(self._replayed(name, lambda: True))
        self.since[name] = []

    def _replayed(self, name: str, kept: Any) -> bytearray:  # noqa: ANN401 - a function that says yes or no
        content = bytearray(self.synced.get(name, b""))
        for change in self.since.get(name, []):
            if not kept():
                continue
            if isinstance(change, int):
                del content[change:]
                continue
            offset, data = change
            content.extend(b"\0" * (offset + len(data) - len(content)))
            content[offset : offset + len(data)] = data
        return content

    def after_power_cut(self, folder: Path, chance: random.Random) -> None:
        """Write the files that are found afterwards."""
        folder.mkdir()
        for name in {*self.synced, *self.since}:
            path = folder / Path(name).name
            path.write_bytes(self._replayed(name, lambda: chance.random() < 0.5))
            path.chmod(0o600)


class ForgetfulFiles(apsw.VFS):
    """The file layer of one disk."""

    def __init__(self, name: str, disk: Disk) -> None:
        self.disk = disk
        self._own_name = name
        super().__init__(name, base="")

    def xOpen(self, name: Any, flags: Any) -> ForgetfulFile:  # noqa: ANN401, N802 - the interface's own spelling
        return ForgetfulFile(name, flags, self.disk)

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802 - the interface's own spelling
        self.disk.synced.pop(name, None)
        self.disk.since.pop(name, None)
        super().xDelete(name, syncdir)


class ForgetfulFile(apsw.VFSFile):
    """One open file."""

    def __init__(self, name: Any, flags: Any, disk: Disk) -> None:  # noqa: ANN401 - the interface's own types
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: ANN401, N802 - the interface's own spelling
        self._disk.wrote(self._path, offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - the interface's own spelling
        self._disk.cut_short(self._path, newsize)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - the interface's own spelling
        self._disk.synchronised(self._path)
        super().xSync(flags)


class Answer:
    """A finished statement, as the standard library's cursor would show it."""

    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int) -> None:
        self._rows, self.rowcount = rows, rowcount

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows[0] if self._rows else None

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)


class Adapter:
    """The calls that the store makes of a connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Any = None) -> Answer:  # noqa: ANN401 - as the driver takes them
        before = self._connection.total_changes()
        rows = list(self._connection.cursor().execute(statement, values))
        return Answer(rows, self._connection.total_changes() - before)

    def executemany(self, statement: str, rows: Any) -> None:  # noqa: ANN401 - as the driver takes them
        self._connection.cursor().executemany(statement, rows)

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_transaction)

    def close(self) -> None:
        self._connection.close()


class ForgetfulStore(SqliteStore):
    """The real store, statements and pragmas and all, on a disk that forgets."""

    disk: Disk
    vfs: str
    synchronous = "FULL"

    def connect(self, *, mode: str = "rw") -> Any:  # noqa: ANN401 - an adapter in place of a connection
        assert mode == "rw"
        opened = apsw.Connection(str(self.path), vfs=self.vfs, flags=apsw.SQLITE_OPEN_READWRITE)
        # Without shared memory, which such a file layer does not offer, a log needs one connection to hold the file.
        opened.execute("PRAGMA locking_mode = EXCLUSIVE")
        return Adapter(opened)

    @contextmanager
    def reading(self) -> Iterator[SqliteTransaction]:
        yield SqliteTransaction(self._writer)

    def set_up(self) -> None:
        """Checkpoint often, so that the power also goes in the middle of one; and seeded fault 7, where asked for."""
        self._writer.execute("PRAGMA wal_autocheckpoint = 60")
        self._writer.execute(f"PRAGMA synchronous = {self.synchronous}")


@contextmanager
def forgetful_store(path: Path, *, synchronous: str = "FULL") -> Iterator[tuple[ForgetfulStore, Disk]]:
    """A store on a disk of its own."""
    disk = Disk()
    name = f"forgetful-{next(_NAMES)}"
    files = ForgetfulFiles(name, disk)
    kind = cast("type[ForgetfulStore]", type("OneStore", (ForgetfulStore,), {"vfs": name, "synchronous": synchronous}))
    store = kind(path)
    store.set_up()
    try:
        yield store, disk
    finally:
        store.close()
        files.unregister()
