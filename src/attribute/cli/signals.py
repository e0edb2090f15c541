"""
Being asked to end: temporary files are removed, nothing is printed, and the exit code says which signal it was.

A signal is an exception, raised wherever the program happens to be. Native code may swallow it or turn it into
another one, so it is also remembered, and what is remembered decides the exit code. A second signal is obeyed at once.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["Ending", "ending_on_signals"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Ended(BaseException):
    """The process was asked to end."""


class Ending:
    """
    What the process was asked.

    Attributes:
        exit_code: 128 and the signal's number; None where it was not asked to end.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None

    def on_signal(self, number: int, _frame: FrameType | None) -> NoReturn:
        """Remember the signal and leave what is being done."""
        self.exit_code = 128 + number
        signal.signal(number, signal.SIG_DFL)
        raise Ended


@contextlib.contextmanager
def ending_on_signals() -> Iterator[Ending]:
    """Yield what remembers a signal; outside of the main thread signals are left to whoever runs us."""
    ending = Ending()
    hook = sys.unraisablehook

    def quiet(unraisable: UnraisableHookArgs) -> None:
        if unraisable.exc_type is not Ended:
            hook(unraisable)

    try:
        before = [(number, signal.signal(number, ending.on_signal)) for number in _SIGNALS]
    except ValueError:  # not the main thread
        yield ending
        return
    sys.unraisablehook = quiet
    try:
        yield ending
    finally:
        for number, handler in before:
            signal.signal(number, handler)
        sys.unraisablehook = hook
