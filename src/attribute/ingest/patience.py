"""Standard output and standard error, whose reader may stop reading: what it does not take never holds a request up."""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress
from typing import Final

PATIENCE_S: Final = 0.25


class PatientWriter:
    """
    A binary stream over a descriptor that somebody else reads from: a pipe, a socket, a terminal.

    A line is written where there is room for it. Where there is none, the writer waits once; until something was taken
    again, it does not wait for any further line.

    Args:
        descriptor: open for writing; it is used as it is, and never closed.
        patience_s: how long the first line waits.
    """

    def __init__(self, descriptor: int, *, patience_s: float = PATIENCE_S) -> None:
        self._descriptor = descriptor
        self._patience_ms = patience_s * 1000
        self._stalled = False
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def write(self, data: bytes, /) -> int:
        """
        Write at most 4 KiB in one piece; a pipe that has room at all has room for that.

        Raises:
            BlockingIOError: nobody takes it.
            OSError: the other end is gone, or the disk is full.
        """
        with self._lock:
            self._stalled = not self._poll.poll(0 if self._stalled else self._patience_ms)
            if self._stalled:
                raise BlockingIOError("the reader does not read")
            return os.write(self._descriptor, data)

    def write_or_lose(self, text: str) -> None:
        """Write a line if it is taken."""
        with suppress(OSError):
            self.write(text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""
