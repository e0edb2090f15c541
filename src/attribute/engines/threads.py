"""The work of threads, handed out a little at a time and taken back in order."""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

import polars as pl

from attribute.engines.alone import Alone
from attribute.engines.head_start import Scannable
from attribute.engines.partial import Partial
from attribute.logs.chunks import Reading, Unread
from attribute.logs.lines import Decoded

__all__ = ["Judging", "Worked", "side_by_side", "taking_turns"]

_JUDGED_AT_ONCE: Final = 2**15
"""So many loud records are judged together: every question to polars has its price, however few rows it is about."""

_TURN_S: Final = 0.0002

_UNREAD_WAITING: Final = 6
"""So many parts wait for a thread that is done with another: who hands them out may be held up for as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """
    What a part of a source came to.

    Attributes:
        chunks: of each of its chunks, what was decoded and what that comes to.
        reading: how it was read; without the text.
    """

    chunks: list[tuple[Decoded, Partial]]
    reading: Reading


@contextlib.contextmanager
def taking_turns() -> Iterator[None]:
    """
    Have threads wait less for the interpreter than is usual.

    Most of their work is done without it; for a chunk it is wanted some twenty times, for a moment each.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _TURN_S))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def side_by_side(
    pool: ThreadPoolExecutor,
    threads: int,
    parts: Iterable[Scannable],
    work: Callable[[Scannable], Worked],
) -> Generator[Worked]:
    """
    Decode parts in threads, a few at a time, and yield what they come to in order.

    What was not read yet takes no memory before a thread has time for it, so that more of it may wait for one.
    """
    waiting: deque[Future[Worked]] = deque()
    try:
        for scannable in parts:
            most = threads + _UNREAD_WAITING if isinstance(scannable[0], Unread) else threads
            waiting.append(pool.submit(work, scannable))
            del scannable  # its text is the worker's alone, and gone when that is done with it
            while len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # whoever asked may want no more, and close what is being read
        for future in waiting:
            future.cancel()
        wait(waiting)


class Judging:
    """
    The loud records of a range on their way to being judged, in threads, many at a time and in order.

    Args:
        pool: the threads.
        judge: what they do: it returns the records and what they come to.
        take: is given both.
        most: how many lots may be under way.
    """

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        judge: Callable[[pl.DataFrame], tuple[pl.DataFrame, Alone]],
        take: Callable[[pl.DataFrame, Alone], None],
        most: int,
    ) -> None:
        self._pool = pool
        self._judge = judge
        self._hand_on = take
        self._most = most
        self._waiting: list[pl.DataFrame] = []
        self._rows = 0
        self._under_way: deque[Future[tuple[pl.DataFrame, Alone]]] = deque()

    def add(self, records: pl.DataFrame) -> None:
        """Have some more judged."""
        self._waiting.append(records)
        self._rows += records.height
        if self._rows >= _JUDGED_AT_ONCE:
            self._send()

    def finish(self) -> None:
        """Wait for all of them."""
        self._send()
        while self._under_way:
            self._take()

    def _send(self) -> None:
        if self._rows:
            self._under_way.append(self._pool.submit(self._judge, pl.concat(self._waiting)))
        self._waiting, self._rows = [], 0
        while len(self._under_way) > self._most:
            self._take()

    def _take(self) -> None:
        self._hand_on(*self._under_way.popleft().result())
