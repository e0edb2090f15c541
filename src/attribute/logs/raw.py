"""The bytes of a file or of standard input, by offset, as they stood when reading began."""

from __future__ import annotations

import errno
import hashlib
import os
import select
import stat
import tempfile
import weakref
from enum import StrEnum
from typing import Final, Protocol

_OPEN_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_HEAD_BYTES: Final = 4096
_STDIN_READ_BYTES: Final = 1024 * 1024


class Problem(StrEnum):
    """Why a source was not read in full, or not at all. What came before the problem was read and counts."""

    ENDS_EARLY = "ends early"
    CORRUPT = "corrupt"
    CHECKSUM = "checksum does not match"
    TRAILING_GARBAGE = "trailing garbage"
    RATIO = "expands too much"
    TOO_LARGE = "expands to too much text"
    WINDOW = "needs too much memory to expand"
    DICTIONARY = "needs a dictionary"
    NESTED = "compressed twice"
    UNSUPPORTED = "unsupported compression"
    SHRANK = "shrank while it was read"
    REWRITTEN = "rewritten while it was read"
    REPLACED = "replaced before it was read"
    READ_ERROR = "read error"
    NO_PERMISSION = "no permission"
    VANISHED = "vanished"
    NOT_REGULAR = "not a regular file"


class Fault(Exception):  # noqa: N818 - no mistake of anybody's: dirty input, caught by the reader and counted
    """What ends the reading of one source before its end. Never leaves `attribute.logs`."""

    def __init__(self, problem: Problem, detail: str | None = None) -> None:
        super().__init__(problem, detail)
        self.problem = problem
        self.detail = detail

    @classmethod
    def of(cls, error: OSError) -> Fault:
        """Word an error of the operating system."""
        if isinstance(error, PermissionError):
            return cls(Problem.NO_PERMISSION)
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return cls(Problem.VANISHED)
        return cls(Problem.READ_ERROR, os.strerror(error.errno) if error.errno else None)


class Readable(Protocol):
    """Bytes by offset."""

    def read_at(self, offset: int, count: int) -> bytes:
        """Return *count* bytes from *offset* on, fewer only at the end, none past it; raises Fault."""
        ...


class PlainFile:
    """
    A regular file as large as it was when it was opened.

    Args:
        descriptor: an open file; closed by `close`.
        base: offset in the file of what is offset 0 here.

    Attributes:
        is_regular: whether it is a file at all; of what is none, nothing is read.
        size_bytes: how large it was.
        identity: its device and inode.
        head: how it began.
    """

    def __init__(self, descriptor: int, *, base: int = 0) -> None:
        self._descriptor = descriptor
        self._base = base
        found = os.fstat(descriptor)
        self.is_regular = stat.S_ISREG(found.st_mode)
        self.size_bytes = max(0, found.st_size - base) if self.is_regular else 0
        self.identity = (found.st_dev, found.st_ino)
        self.head = os.pread(descriptor, min(_HEAD_BYTES, self.size_bytes), base) if self.is_regular else b""

    @classmethod
    def open(cls, path: str) -> PlainFile:
        """Open without ever waiting, whatever *path* turns out to be; raises Fault."""
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - the path may hold any bytes
                raise Fault(Problem.NOT_REGULAR)  # not even opened: opening a FIFO or a device is felt at its other end
            descriptor = os.open(path, _OPEN_FLAGS)
        except OSError as error:
            raise Fault.of(error) from None
        try:
            opened = cls(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise Fault.of(error) from None
        if not opened.is_regular:
            opened.close()
            raise Fault(Problem.NOT_REGULAR)
        return opened

    def again(self) -> PlainFile:
        """Return the same file, whatever it is called by now and as large as it is; raises Fault."""
        try:
            return PlainFile(os.dup(self._descriptor), base=self._base)
        except OSError as error:
            raise Fault.of(error) from None

    def read_at(self, offset: int, count: int) -> bytes:
        """See `Readable`. Nothing past the size at opening is ever returned."""
        count = min(count, self.size_bytes - offset)
        if count <= 0:
            return b""
        block = b""
        while len(block) < count:
            try:
                more = os.pread(self._descriptor, count - len(block), self._base + offset + len(block))
            except OSError as error:
                if block:
                    break  # what was had first: the next call meets the error again
                raise Fault.of(error) from None
            if not more:
                break
            block = block + more if block else more
        return block

    def data_at(self, offset: int) -> int:
        """Return where, at or after *offset*, the file next holds bytes on the disk; a hole holds zeros only."""
        try:
            found = os.lseek(self._descriptor, self._base + offset, os.SEEK_DATA) - self._base
        except OSError as error:
            return self.size_bytes if error.errno == errno.ENXIO else offset
        return min(found, self.size_bytes)

    def verify(self) -> None:
        """Raise Fault where the file is not any more what was opened; one that only grew is."""
        try:
            if os.fstat(self._descriptor).st_size - self._base < self.size_bytes:
                raise Fault(Problem.SHRANK)
            if os.pread(self._descriptor, len(self.head), self._base) != self.head:
                raise Fault(Problem.REWRITTEN)
        except OSError as error:
            raise Fault.of(error) from None

    @property
    def stamp(self) -> str:
        """What tells it, wherever it is read from, from another file that has its name later: how it begins."""
        return f"{len(self.head)} {hashlib.sha256(self.head).hexdigest()}"

    def bears(self, stamp: str) -> bool:
        """Return whether it begins as the file of *stamp* did, which may have grown since."""
        length, _, digest = stamp.partition(" ")
        return hashlib.sha256(self.head[: int(length)]).hexdigest() == digest

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


class StandardInput:
    """
    A stream that can be read again: what was read is kept in an unnamed temporary file.

    A stream that is a regular file (``attribute - < a.log``) is read where it lies.

    Args:
        descriptor: the stream; stays open.
    """

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._base: int | None = None
        self._spool: int | None = None
        self._kept_bytes = 0
        self._ended = False
        self._fault: Fault | None = None

    def open(self) -> PlainFile | StandardInput:
        """Return what to read the stream's bytes from; raises Fault."""
        try:
            if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                if self._base is None:  # once: looking for holes moves the offset
                    self._base = os.lseek(self._descriptor, 0, os.SEEK_CUR)
                return PlainFile(os.dup(self._descriptor), base=self._base)
            if self._spool is None:
                with tempfile.TemporaryFile(buffering=0) as spool:
                    self._spool = os.dup(spool.fileno())
                weakref.finalize(self, os.close, self._spool)
        except OSError as error:
            raise Fault.of(error) from None
        return self

    def read_at(self, offset: int, count: int) -> bytes:
        """See `Readable`. A fault of the stream is raised once all that came before it was handed out."""
        while self._kept_bytes < offset + count and not self._ended:
            self._keep_more()
        if self._fault is not None and offset >= self._kept_bytes:
            raise self._fault
        try:
            assert self._spool is not None
            return os.pread(self._spool, max(0, min(count, self._kept_bytes - offset)), offset)
        except OSError as error:
            raise Fault.of(error) from None

    def _keep_more(self) -> None:
        assert self._spool is not None
        try:
            block = os.read(self._descriptor, _STDIN_READ_BYTES)
        except BlockingIOError:  # whoever started us left the stream non-blocking
            select.select([self._descriptor], [], [])
            return
        except OSError as error:
            self._end(Fault.of(error))
            return
        if not block:
            self._end(None)
        try:
            while block:
                written = os.pwrite(self._spool, block, self._kept_bytes)
                self._kept_bytes += written
                block = block[written:]
        except OSError as error:
            detail = f"cannot keep standard input: {os.strerror(error.errno or 0)}"
            self._end(Fault(Problem.READ_ERROR, detail))

    def _end(self, fault: Fault | None) -> None:
        self._ended = True
        self._fault = fault

    def verify(self) -> None:
        """Do nothing: a stream cannot change behind our back."""

    def close(self) -> None:
        """Keep what was read, for the next reader."""


class Meter:
    """
    Another's bytes, with an account of how far they were read.

    Args:
        inner: where the bytes come from.
        start: the first offset that will be read.
        fingerprint: whether to hash what is read.
    """

    def __init__(self, inner: Readable, *, start: int = 0, fingerprint: bool = False) -> None:
        self._inner = inner
        self._start = start
        self.position = start
        self._hash = hashlib.sha256() if fingerprint else None

    def read_at(self, offset: int, count: int) -> bytes:
        """See `Readable`. Offsets may go back, but never skip bytes."""
        block = self._inner.read_at(offset, count)
        end = offset + len(block)
        if end > self.position:
            if self._hash is not None:
                self._hash.update(memoryview(block)[self.position - offset :])
            self.position = end
        return block

    @property
    def bytes_read(self) -> int:
        """How many bytes were read, each counted once."""
        return self.position - self._start

    @property
    def sha256(self) -> str | None:
        """Hash of those bytes, in hexadecimal."""
        return None if self._hash is None else self._hash.hexdigest()
