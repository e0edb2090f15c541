"""
The command `attribute`: a known command name always wins, anything else is a path for the main job.

Commands are imported only when they run, so that `--help` and completion load no polars.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    raise SystemExit(1)
