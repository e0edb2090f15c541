"""How far the reading has come: one line on stderr, on a terminal only, and only when it takes over a second."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from attribute.engines.analysis import Progress

__all__ = ["ProgressLine", "progress_line"]

QUIET_SECONDS: Final = 1.0
REDRAW_SECONDS: Final = 0.2
ERASE: Final = "\r\x1b[K"


class ProgressLine:
    """
    Draws the line.

    Args:
        stream: a terminal.
        started_s: when the work began, by a clock that only grows.
    """

    def __init__(self, stream: TextIO, started_s: float) -> None:
        self._stream = stream
        self._started_s = started_s
        self._drawn_s = started_s
        self.drawn = False

    def update(self, progress: Progress, now_s: float) -> None:
        """Draw, unless it is too early or was just drawn."""
        if now_s - self._started_s < QUIET_SECONDS or (self.drawn and now_s - self._drawn_s < REDRAW_SECONDS):
            return
        self._drawn_s, self.drawn = now_s, True
        self._write(ERASE + describe(progress, now_s - self._started_s))

    def erase(self) -> None:
        """Leave no trace."""
        if self.drawn:
            self._write(ERASE)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody is left to look
            self._stream.write(text)
            self._stream.flush()


def describe(progress: Progress, elapsed_s: float) -> str:
    """Return the line: share done, lines, lines a second, and seconds left where the end is known."""
    speed = progress.lines / elapsed_s
    parts = [f"{progress.lines:,} lines", f"{speed:,.0f}/s"]
    if progress.total_bytes:
        done = min(progress.read_bytes / progress.total_bytes, 1.0)
        filled = int(done * 20)
        parts.insert(0, f"reading [{'#' * filled}{'.' * (20 - filled)}] {done:.0%}")
        if done > 0:
            parts.append(f"{elapsed_s / done - elapsed_s:.0f} s left")
    else:
        parts.insert(0, f"reading {progress.read_bytes / 2**20:,.0f} MiB")
    return "  ".join(parts)


@contextlib.contextmanager
def progress_line(*, wanted: bool) -> Iterator[ProgressLine | None]:
    """Yield a line to update, or nothing where none is wanted; it is gone afterwards, whatever happened."""
    if not (wanted and sys.stderr.isatty()):
        yield None
        return
    line = ProgressLine(sys.stderr, time.monotonic())
    try:
        yield line
    finally:
        line.erase()
