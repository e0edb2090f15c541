"""Kernels that go wrong on purpose. They run on workers: the repository is on their path."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Callable

from attribute.engines.remote import Kernel, work


def number_of(task: bytes) -> int:
    """Return the number of a task's split."""
    return int(task.partition(b"\n")[0])


def _killed_once(marker: str, number: int, common: bytes, task: bytes) -> bytes:
    if number_of(task) == number:
        try:
            descriptor = os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            pass
        else:
            os.write(descriptor, str(os.getpid()).encode())
            os.close(descriptor)
            os.kill(os.getpid(), signal.SIGKILL)
    return work(common, task)


def _poisoned(number: int, common: bytes, task: bytes) -> bytes:
    if number_of(task) == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(common, task)


def _raising(number: int, common: bytes, task: bytes) -> bytes:
    if number_of(task) == number:
        raise RuntimeError("seeded fault")
    return work(common, task)


def _stalled(common: bytes, task: bytes) -> bytes:
    del common, task
    time.sleep(30)
    return b""


def killed_once(marker: str, number: int) -> Kernel:
    """Return a kernel that kills its worker in the middle of one split, once; the marker then holds its pid."""
    return functools.partial(_killed_once, marker, number)


def poisoned(number: int) -> Kernel:
    """Return a kernel that kills every worker that takes one split."""
    return functools.partial(_poisoned, number)


def raising(number: int) -> Kernel:
    """Return a kernel that raises in one split."""
    return functools.partial(_raising, number)


stalled: Callable[[bytes, bytes], bytes] = _stalled
"""A kernel that does not come back."""
