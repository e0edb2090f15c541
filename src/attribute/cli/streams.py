"""The three streams that a process is born with, or without."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator

__all__ = [
    "ReaderLeft",
    "forget_stdout",
    "open_missing_streams",
    "reader_may_leave",
    "settle_stdout",
    "stdin_is_fed",
    "telling_who_left",
]


class ReaderLeft(Exception):  # noqa: N818 -- it is no error that whoever reads a pipe has read enough
    """Whoever read stdout closed the pipe. Not an `OSError`: click ends a run with 1 where it sees that of a pipe."""


@contextlib.contextmanager
def telling_who_left() -> Iterator[None]:
    """Turn what a closed pipe raises into a `ReaderLeft`."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderLeft from error


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """Go on behind this where the reader of stdout leaves: what was found, and the exit code, do not depend on it."""
    try:
        yield
    except BrokenPipeError:
        forget_stdout()


def stdin_is_fed() -> bool:
    """Whether stdin is a pipe, a socket or a file: something that somebody fed to us on purpose."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # closed, or replaced by something that is no file
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def open_missing_streams() -> None:
    """
    Give a process that was started without stdout or stderr (`>&-`) something in their place.

    What goes to the stdout that is not there fails when it is written, as it must; words on stderr are lost.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def forget_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush finds no closed pipe and no full disk."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def settle_stdout() -> None:
    """Flush stdout after an error; where that fails too, forget it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        forget_stdout()
