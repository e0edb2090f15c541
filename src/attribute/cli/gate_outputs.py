"""`-o FORMAT[:PATH]` of the gate, and the files that GitHub's runner hands to a step."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence

from attribute.cli.outputs import Output, OutputError, check_written, paths_of, write_output
from attribute.cli.streams import reader_may_leave
from attribute.reports.gate_view import GateView
from attribute.reports.gate_writers import GATE_WRITERS, gate_writer
from attribute.reports.writers import Style

__all__ = ["check_gate_outputs", "write_gate"]

SUMMARY, OUTPUT = "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"
LEAST_SUMMARY_BYTES = 4_000


def check_gate_outputs(outputs: Sequence[Output]) -> None:
    """
    Refuse outputs that would overwrite or interrupt each other, before anything is read.

    Raises:
        OutputError: two formats on stdout that cannot share it, or what `check_written` says of the files.
    """
    alone: str | None = None
    on_stdout: list[str] = []
    for output in outputs:
        if output.path is not None:
            continue
        if not GATE_WRITERS[output.format].shares_stdout:
            alone = alone or output.format
        on_stdout.append(output.format)
    if len(on_stdout) > 1 and (alone is not None or len(set(on_stdout)) < len(on_stdout)):
        first, second = on_stdout[:2]
        raise OutputError.two_on_stdout(first, second)
    check_written(paths_of(outputs))


def write_gate(
    view: GateView, outputs: Iterable[Output], style: Style, *, environ: Mapping[str, str] = os.environ
) -> None:
    """
    Write every output, files first, the text before the commands of a runner.

    A reader of stdout who leaves changes nothing about the rest, nor about the exit code.

    `github` on stdout also appends to the files that the runner names in the environment.

    Raises:
        OutputError: a file cannot be written.
    """
    order = {"text": 0, "github": 1}
    for output in sorted(outputs, key=lambda output: (output.path is None, order.get(output.format, 0))):
        with reader_may_leave():
            write_output(gate_writer(output.format)(view, style), output.path)
        if output.format == "github" and output.path is None:
            _tell_runner(view, environ)


def _tell_runner(view: GateView, environ: Mapping[str, str]) -> None:
    from attribute.reports.gate_github import MAX_SUMMARY_BYTES, outputs, summary

    path = environ.get(SUMMARY)
    if path:
        room = MAX_SUMMARY_BYTES - _size(path)
        if room >= LEAST_SUMMARY_BYTES:
            _append(path, summary(view, limit=room))
        else:
            sys.stderr.write("attribute: note: the step summary is full, the gate's part is left out\n")
    path = environ.get(OUTPUT)
    if path:
        _append(path, outputs(view))


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)  # noqa: PTH202 -- the name is the runner's, not ours to normalise
    except OSError:
        return 0


def _append(path: str, content: bytes) -> None:
    try:
        with open(path, "ab") as file:  # noqa: PTH123 -- the name is the runner's, not ours to normalise
            file.write(content)
    except OSError as error:
        raise OutputError.not_writable(path, error.strerror or str(error)) from error
