"""What a test needs beside Python may be missing on a machine, where the test is skipped and says so; never in CI."""

from __future__ import annotations

import importlib
import os
from typing import Any, Final

import pytest

IN_CI: Final = os.environ.get("CI") == "true"
"""`.ci/run` installs everything and sets this: what is missing there fails."""


def module(name: str, *, reason: str) -> Any:  # noqa: ANN401 - a module without types
    """Import a module, or skip the test (or the whole test module, where this is asked at its top) without it."""
    return importlib.import_module(name) if IN_CI else pytest.importorskip(name, reason=reason)
