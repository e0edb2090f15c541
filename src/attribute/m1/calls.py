"""The upstream calls of one request: how long they took, and which of them decided the answer."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

__all__ = ["Calls", "UpstreamCall"]


class Calls:
    """
    What one request knows of its upstream calls. Calls may overlap, in tasks or in threads.

    Args:
        monotonic: seconds from any origin that never run backwards.
        timeout_types: exceptions that mean a time limit of ours, beside those that say so by their name.
    """

    def __init__(self, monotonic: Callable[[], float], timeout_types: tuple[type[BaseException], ...]) -> None:
        self.monotonic = monotonic
        self.timeout_types = timeout_types
        self.started: list[UpstreamCall] = []
        self.finished: list[UpstreamCall] = []
        self.decider: UpstreamCall | None = None

    def deciding(self) -> UpstreamCall | None:
        """
        Give the call that decided the answer, or None where there was no call.

        It is the one that said so; else the first that failed, in the order in which they ended; else the last.
        """
        if self.decider is not None:
            return self.decider
        finished = tuple(self.finished)
        for call in finished:
            if call.failed:
                return call
        calls = finished or tuple(self.started)
        return calls[-1] if calls else None

    def waited(self, now: float) -> float:
        """Give the seconds that all calls took, added up, also where they overlapped; an open one counts until now."""
        return sum(call.seconds(now) for call in tuple(self.started))


class UpstreamCall:
    """
    One call to an upstream, measured from the start to the end of its `with` block.

    Attributes:
        upstream: which upstream, or None where there is only one.
        status: what it answered, `"timeout"`, or None for no answer seen. Set it as soon as it is known.
    """

    __slots__ = ("_calls", "_ended_at", "_started_at", "status", "upstream")

    def __init__(self, calls: Calls, upstream: str | None) -> None:
        self._calls = calls
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self.upstream = upstream
        self.status: int | Literal["timeout"] | None = None

    def timed_out(self) -> None:
        """Say that the call ran into our own time limit."""
        self.status = "timeout"

    def decides(self) -> None:
        """Say that this call decided the answer, whatever the others did. The last to say so counts."""
        self._calls.decider = self

    @property
    def failed(self) -> bool:
        """Whether the call timed out, was answered with 4xx or 5xx, or was not answered with a status at all."""
        return not (isinstance(self.status, int) and 100 <= self.status < 400)

    def seconds(self, now: float) -> float:
        """How long the call took, or has taken so far."""
        if self._started_at is None:
            return 0.0
        return max(0.0, (now if self._ended_at is None else self._ended_at) - self._started_at)

    def __enter__(self) -> Self:
        self._started_at = self._calls.monotonic()
        self._calls.started.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended_at = self._calls.monotonic()
        if error is not None and _says_timeout(error, self._calls.timeout_types):
            self.timed_out()
        self._calls.finished.append(self)


def _says_timeout(error: BaseException, timeout_types: tuple[type[BaseException], ...]) -> bool:
    if isinstance(error, timeout_types):
        return True
    names = [kind.__name__.lower() for kind in type(error).__mro__]
    if any("pool" in name for name in names):  # waited for a pool of our own: the upstream was never asked
        return False
    return any("timeout" in name for name in names)
