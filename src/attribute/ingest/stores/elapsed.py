"""How long the stores measure that an answer took."""

from __future__ import annotations

import time


def ms_since(started: float) -> float:
    """Milliseconds since a reading of `time.perf_counter`."""
    return (time.perf_counter() - started) * 1000
