"""Which mode of the cache the tests run in; see `tests.caching`. Loads nothing of what is tested."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Final

__all__ = ["FOLDER", "VARIABLE", "Mode", "wanted_mode"]

VARIABLE: Final = "TESTS_CACHE"
"""The environment variable that hands the mode on to pytest, to its workers and to the processes of tests."""

FOLDER: Final = "TESTS_CACHE_FOLDER"
"""Where what is read in a test is kept, if the test says nothing else."""


class Mode(StrEnum):
    """What is in the cache."""

    ON = "on"
    OFF = "off"
    PREFILLED = "prefilled"


def wanted_mode() -> Mode | None:
    """Return the mode that was asked for."""
    said = os.environ.get(VARIABLE)
    return Mode(said) if said else None
