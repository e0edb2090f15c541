"""Where a user's configuration and state live (XDG base directories)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["config_folder", "state_folder"]


def _folder(variable: str, fallback: str, environ: Mapping[str, str]) -> Path:
    value = environ.get(variable, "")
    # The specification: a relative path there is no path at all.
    base = Path(value) if value.startswith("/") else Path(environ.get("HOME") or Path.home()) / fallback
    return base / "attribute"


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the user's own `config.toml`."""
    return _folder("XDG_CONFIG_HOME", ".config", environ)


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what outlives a run and is not configuration: crash reports, baselines."""
    return _folder("XDG_STATE_HOME", ".local/state", environ)
