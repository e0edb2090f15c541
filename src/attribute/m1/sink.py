"""Where the lines of the request logger go: one write each, and a failure costs no more than the line."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Final, Protocol, Self, TypeAlias

from attribute.m1.errors import AttributionError

__all__ = ["Sink", "SinkError", "Stream", "open_sink"]


class BinaryStream(Protocol):
    """A binary file object, open for writing."""

    def write(self, data: bytes, /) -> int | None:
        """Write *data*; return how much of it was written, None for nothing."""

    def flush(self) -> object:
        """Hand over what is buffered."""


class TextStream(Protocol):
    """A text file object, open for writing. Told from a binary one by its `encoding`."""

    @property
    def encoding(self) -> str | None:
        """How it encodes."""

    def write(self, data: str, /) -> int | None:
        """Write *data*; return how many characters of it were written."""

    def flush(self) -> object:
        """Hand over what is buffered."""


Stream: TypeAlias = BinaryStream | TextStream


class SinkError(AttributionError):
    """The log cannot be written to where it should go."""

    @classmethod
    def cannot_open(cls, path: Path, error: OSError) -> Self:
        """Say which file cannot be opened, and why."""
        return cls(
            f"{str(path)!r} cannot be opened for the M1 log: {error.strerror or error}",
            hint="name a file in a folder that this process may write to",
        )


_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_OWNER_ONLY: Final = 0o600


class _File:
    """
    A file that is only appended to, by its descriptor.

    `reopen` swaps the file under the descriptor in one step, so that it needs no lock and may be called by a handler
    of a signal in the middle of a write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, _FLAGS, _OWNER_ONLY)
        except OSError as error:
            raise SinkError.cannot_open(path, error) from error

    def write(self, line: bytes) -> int:
        return os.write(self._descriptor, line)

    def reopen(self) -> bool:
        if self._descriptor < 0:
            return False
        try:
            fresh = os.open(self._path, _FLAGS, _OWNER_ONLY)
        except OSError:
            return False
        try:
            os.dup2(fresh, self._descriptor, inheritable=False)
        finally:
            os.close(fresh)
        return True

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):  # what a network file system could not keep is not the program's to mend
                os.close(descriptor)


class _Stream:
    """Somebody else's file object. It is flushed after each line and never closed."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, line: bytes) -> int:
        stream = self._stream
        # a `TextStream` has an encoding; the type checker cannot tell the two by an attribute
        written = stream.write(line.decode("ascii") if hasattr(stream, "encoding") else line)  # type: ignore[arg-type]  # see above
        stream.flush()
        return written or 0

    def reopen(self) -> bool:
        return True

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class Sink:
    """
    Takes whole lines, from any thread.

    A line that cannot be written (a full disk, a closed pipe, a closed stream) is dropped and counted. Where only the
    start of a line got out, the next line begins with a newline, so that one bad line does not cost another.
    """

    def __init__(self, target: _File | _Stream) -> None:
        self._target = target
        self._lock = RLock()
        self._dropped = 0
        self._torn = False
        self._closed = False

    @property
    def dropped(self) -> int:
        """How many lines were not written, or not whole."""
        return self._dropped

    def write(self, line: bytes) -> None:
        """Write one line, newline included, in one write. Never raises for what the file or the stream does."""
        with self._lock:
            if self._closed:
                self._dropped += 1
                return
            data = b"\n" + line if self._torn else line
            try:
                written = self._target.write(data)
            except (OSError, ValueError):  # ValueError: the stream was closed
                self._dropped += 1
                return
            if written == len(data):
                self._torn = False
                return
            self._dropped += 1
            self._torn = self._torn or written > 0

    def reopen(self) -> bool:
        """
        Open the file at the path again, after it was moved away, and say whether that worked.

        Where it does not, lines go on into the old file. Nothing to do for a stream. Safe in a handler of a signal.
        """
        return self._target.reopen()

    def close(self) -> None:
        """Close the file, or flush the stream. Lines that come later are dropped and counted."""
        with self._lock:
            self._closed = True
            self._target.close()


def open_sink(target: str | os.PathLike[str] | Stream) -> Sink:
    """
    Make a sink of a path (appended to, created for its owner alone) or of a stream that is open for writing.

    Raises:
        SinkError: the file cannot be opened.
    """
    if isinstance(target, (str, os.PathLike)):
        return Sink(_File(Path(target)))
    return Sink(_Stream(target))
