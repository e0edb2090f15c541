"""How many examples the dearest tests draw: few for a commit, `python -m tests --times N` times as many for a night."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["VARIABLE", "examples"]

VARIABLE: Final = "ATTRIBUTE_TESTS_TIMES"


def examples(count: int) -> int:
    """Return how many to draw where a commit draws *count*."""
    return count * int(os.environ.get(VARIABLE, "1"))
