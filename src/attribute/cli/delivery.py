"""From a result to files, to stdout and to an exit code."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from attribute.cli.options import AnalysisFlags
from attribute.cli.outputs import Output, write_output
from attribute.cli.streams import reader_may_leave
from attribute.cli.style import style_of
from attribute.reports.escape import terminal
from attribute.reports.writers import WRITERS, writer
from attribute.slots import SLOT

if TYPE_CHECKING:
    from attribute.reports.model import Result, View

__all__ = ["exit_code_of", "latency_slot_of", "wanted_outputs", "write_outputs"]


WHOLE_LATENCY_FORMATS: Final = frozenset({"text", "plain", "json", "verdicts", "csv"})
"""Formats that say latencies over the whole window and draw none over time: slots of a day do, and cost less."""


def wanted_outputs(flags: AnalysisFlags) -> tuple[Output, ...]:
    """Return what was asked for; without anything, the screen on a terminal and plain text in a pipe."""
    return flags.outputs or (Output("text" if sys.stdout.isatty() or flags.oneline else "plain"),)


def latency_slot_of(flags: AnalysisFlags) -> timedelta:
    """Return how wide the slots of latencies may be for what was asked for."""
    draws_latency = any(output.format not in WHOLE_LATENCY_FORMATS for output in flags.outputs)
    return SLOT if draws_latency else timedelta(days=1)


def write_outputs(view: View, flags: AnalysisFlags) -> None:
    """Write every wanted output. A view that is no result is enough for formats `of_view` alone."""
    outputs = wanted_outputs(flags)
    # Files first: whoever reads stdout may stop reading, and the files are wanted all the same.
    for output in sorted(outputs, key=lambda output: output.path is None):
        style = style_of(flags, to_file=output.path is not None)
        with reader_may_leave():
            write_output(writer(output.format)(cast("Result", view), style), output.path)
    if view.exit_code and all(output.path is not None or not WRITERS[output.format].answers for output in outputs):
        sys.stderr.write(f"attribute: cannot judge: {terminal(view.verdict.claim)}\n")


def exit_code_of(view: View, flags: AnalysisFlags) -> int:
    """Return the exit code of an analysis."""
    return 0 if flags.exit_zero else view.exit_code
