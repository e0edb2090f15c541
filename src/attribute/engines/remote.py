"""The door of a worker: bytes in, bytes out. Loads polars only after it has said how many threads that may use."""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["Kernel", "work"]

Kernel = Callable[[bytes, bytes], bytes]
"""What runs on a worker: given what all tasks share and one task, it returns the task's reply."""


def work(common: bytes, task: bytes) -> bytes:
    """
    Do one task; see `attribute.engines.kernel.run`.

    One task is one thread's work: the engine fills the cores with tasks, so polars is kept to one thread where nothing
    else was said.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from attribute.engines.kernel import run  # noqa: PLC0415 - polars reads the variable when it is loaded

    return run(common, task)
