"""How the screen may look, decided once from flags, environment and where the output goes."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping

from attribute.cli.options import AnalysisFlags
from attribute.reports.writers import Style

__all__ = ["color_wanted", "style_of", "unicode_wanted"]

MIN_WIDTH, MAX_WIDTH = 40, 160


def style_of(flags: AnalysisFlags, *, to_file: bool = False, environ: Mapping[str, str] = os.environ) -> Style:
    """
    Return the style of one output.

    Args:
        flags: `--color`, `--ascii`, `-q`, `-v` and `--oneline` count.
        to_file: whether it goes to a file that was named: never coloured unless asked for, and no terminal's width.
        environ: the environment.
    """
    tty = not to_file and sys.stdout.isatty()
    columns = 80 if to_file else shutil.get_terminal_size((80, 24)).columns
    return Style(
        width=min(max(columns, MIN_WIDTH), MAX_WIDTH),
        ascii_only=flags.ascii_only or not unicode_wanted(environ),
        color=color_wanted(flags.color, tty=tty, environ=environ) and not (to_file and flags.color != "always"),
        verbosity=-1 if flags.quiet else flags.verbose,
        oneline=flags.oneline,
    )


def color_wanted(choice: str, *, tty: bool, environ: Mapping[str, str]) -> bool:
    """
    Whether to colour.

    The flag decides; then `NO_COLOR`; then `FORCE_COLOR` and `CLICOLOR_FORCE`; then `TERM=dumb` and `CLICOLOR=0`;
    then whether a terminal is there.
    """
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if environ.get("TERM") == "dumb" or environ.get("CLICOLOR") == "0":
        return False
    return tty


def unicode_wanted(environ: Mapping[str, str]) -> bool:
    """
    Whether the locale says that a reader sees UTF-8.

    The interpreter's own answer is no help: it takes `LANG=C` for UTF-8 so that programs do not fail.
    """
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        value = environ.get(name)
        if value:
            return "utf8" in value.lower().replace("-", "")
    return False
