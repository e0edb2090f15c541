"""Which files may be opened: looked at byte by byte before SQLite is allowed near them."""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attribute.ingest.stores.errors import StoreNotOpenedError

APPLICATION_ID = 0x41545452
_MAGIC = b"SQLite format 3\0"
_POLL_S = 0.002
PATIENCE_S: Final = 5 * _POLL_S
"""Whoever leaves a `FileLock` alone for so long lets those take it who wait for it."""
MOUNTS: Final = Path("/proc/self/mountinfo")
_FAR: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.glusterfs"}
)


def exists(path: Path) -> bool:
    """
    Whether there is a database of ours; False where there is nothing yet (or an empty file, or one without tables).

    Raises:
        StoreNotOpenedError: whatever is there is not ours, not whole, or not safe. It was not touched.
    """
    _refuse_far_away(path)
    try:
        info = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreNotOpenedError.no_folder(str(path)) from error
    if stat.S_ISLNK(info.st_mode):
        raise StoreNotOpenedError.symbolic_link(str(path))
    if not stat.S_ISREG(info.st_mode):
        raise StoreNotOpenedError.not_a_file(str(path))
    if info.st_mode & 0o022:
        raise StoreNotOpenedError.writable_by_others(str(path), stat.S_IMODE(info.st_mode))
    if info.st_size == 0:
        return False
    return _ours(path, info.st_size)


def _refuse_far_away(path: Path) -> None:
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return  # another system, which does not say
    folder, found = path.absolute().parent.resolve(), (Path("/"), "")
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4]))
        if folder.is_relative_to(point) and len(point.parts) >= len(found[0].parts):
            found = point, after.split(" ")[0]
    if found[1] in _FAR:
        raise StoreNotOpenedError.far_away(str(path), found[1])


def _ours(path: Path, size: int) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(108)
    except OSError as error:
        raise StoreNotOpenedError.cannot_be_read(str(path), error.strerror or "no reason given") from error
    if len(head) < 100 or not head.startswith(_MAGIC):
        raise StoreNotOpenedError.not_sqlite(str(path))
    page_bytes = int.from_bytes(head[16:18], "big")
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    page_count = int.from_bytes(head[28:32], "big")
    application_id = int.from_bytes(head[68:72], "big")
    empty = page_count <= 1 and int.from_bytes(head[103:105], "big") == 0
    wal = path.with_name(path.name + "-wal")
    unfinished = wal.exists() and wal.stat().st_size > 0
    if application_id == 0 and empty:
        return unfinished  # what there is, is in the log still; if nothing is, nobody got as far as a first table
    if application_id != APPLICATION_ID:
        raise StoreNotOpenedError.foreign(str(path), application_id)
    # A checkpoint that was cut short may have written the new length before the pages; the log mends that.
    if size < page_bytes * page_count and not unfinished:
        raise StoreNotOpenedError.truncated(str(path), size, page_bytes * page_count)
    return True


def identity(path: Path) -> tuple[int, int] | None:
    """Which file lies at a path, whatever its name was before; None where there is none, or none can be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def create(path: Path) -> None:
    """Make an empty file that only we may read, unless there is one."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreNotOpenedError.no_folder(str(path)) from error


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """
    Write a new file under another name and give it its own only when it is whole and on the disk.

    Only one process may do so for one path. What one that was killed left behind is written anew.

    Raises:
        StoreNotOpenedError: there is something under its own name, or its folder is missing or closed to us.
    """
    if os.path.lexists(path):
        raise StoreNotOpenedError.backup_exists(str(path))
    part = path.with_name(path.name + ".part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreNotOpenedError.no_folder(str(path)) from error
    try:
        yield part
        _sync(part)
        _give_name(part, path)
        _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _give_name(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError as error:
        raise StoreNotOpenedError.backup_exists(str(path)) from error
    except OSError:  # a file system without hard links
        part.rename(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileLock:
    """
    A lock between processes, held on a file beside the database.

    Every transaction that writes, and so every checkpoint, happens under it: two processes of ours never write or
    checkpoint at the same moment, which is the situation of SQLite's WAL-reset bug (fixed in 3.51.3).
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreNotOpenedError.cannot_be_locked(str(path), error.strerror or "no reason given") from error

    def try_hold(self) -> bool:
        """Take the lock if nobody has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give it back."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    @contextmanager
    def held(self, deadline: float) -> Iterator[bool]:
        """Hold the lock for a block; False where it could not be had before *deadline* (`time.monotonic`)."""
        got = self.try_hold()
        while not got and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            got = self.try_hold()
        try:
            yield got
        finally:
            if got:
                self.release()

    def close(self) -> None:
        """Let go of the file; idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
