"""How many examples the dearest tests draw: few for a commit, `python -m tests --times N` times as many for a night."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

__all__ = ["TIMES", "VARIABLE", "drawn"]

VARIABLE: Final = "ATTRIBUTE_TESTS_TIMES"
TIMES: Final = int(os.environ.get(VARIABLE, "1"))


def drawn(examples: int) -> settings:
    """Draw so many examples for a commit, however long each takes."""
    return settings(max_examples=examples * TIMES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
