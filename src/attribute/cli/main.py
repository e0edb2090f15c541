"""
The command `attribute`: a known command name always wins, anything else is a path for the main job.

Exit codes: 0 done, 1 a bug of ours, 2 usage or configuration, 3 a gate failed, 4 cannot judge, 130 and 143 signals.
A closed pipe is quiet.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from attribute.cli.crash import save_traceback
from attribute.cli.group import LazyGroup, attribute
from attribute.cli.signals import ending_on_signals
from attribute.cli.streams import ReaderLeft, forget_stdout, open_missing_streams, reader_may_leave, settle_stdout
from attribute.m1.errors import AttributionError
from attribute.reports.escape import terminal

__all__ = ["main", "run"]

GARBAGE_AFTER = 100_000
"""Importing makes many objects and no garbage, and looking for some after every 700 takes a tenth of the time."""

INTERRUPTED = 130
_PLAINER = {"a valid integer range": "a whole number", "a valid float range": "a number"}
"""What the names of the command line library's types mean."""

PROGRAM = "attribute"


def main() -> NoReturn:
    """Run the command line on the process's own arguments and exit."""
    gc.set_threshold(GARBAGE_AFTER)
    code = run(sys.argv[1:])
    gc.freeze()  # the interpreter looks at every object once more before it ends, for nothing
    sys.exit(code)


def run(arguments: Sequence[str], *, group: LazyGroup = attribute) -> int:
    """
    Run one command line.

    Returns:
        The exit code. Every error that the user can mend was shown on stderr as one line and a hint.
    """
    open_missing_streams()
    with ending_on_signals() as ending:
        try:
            code = group.main(list(arguments), prog_name=PROGRAM, standalone_mode=False)
            _flush()
        except SystemExit:  # completion ends this way, after its work
            raise
        except BaseException as error:  # noqa: BLE001 -- the one place where a bug of ours meets its user: saved and named, never hidden
            code = _explain(error) if ending.exit_code is None else ending.exit_code
            settle_stdout()
    return code if isinstance(code, int) else 0


def _explain(error: BaseException) -> int:
    """Say on stderr what ended the run and return its exit code."""
    code = 1
    match error:
        case AttributionError():
            _complain(error.message, error.hint)
            code = error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            error.show(sys.stderr)
            code = error.exit_code
        case click.ClickException():
            _complain(_sentence(error), _help_hint(error))
            code = error.exit_code
        case click.Abort() | KeyboardInterrupt():
            code = INTERRUPTED
        case ReaderLeft() | BrokenPipeError():
            forget_stdout()
            code = 0
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):  # wherever it was to be written, stdout above all
            code = _explain(AttributionError(f"what was to be written could not be: {error.strerror}"))
        case _:
            place = save_traceback(error)
            name = type(error).__name__
            _say(terminal(f"{PROGRAM}: internal error ({name}); this is a bug of ours. Details: {place}"))
    return code


def _flush() -> None:
    try:
        with reader_may_leave():
            sys.stdout.flush()
    except OSError as error:  # the disk behind a redirection is full
        forget_stdout()
        raise AttributionError(f"the result could not be written: {error.strerror}") from error


def _complain(message: str, hint: str | None) -> None:
    for label, text in ((f"{PROGRAM}: error: ", message), ("  hint: ", hint or "")):
        for number, line in enumerate(text.split("\n") if text else ()):
            _say((label if number == 0 else " " * len(label)) + terminal(line))


def _say(line: str) -> None:
    encoding = sys.stderr.encoding or "ascii"
    text = line.encode(encoding, errors="backslashreplace").decode(encoding)
    with contextlib.suppress(OSError):  # nobody is left to tell
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _sentence(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())  # click breaks lists of choices into lines
    if message[:1].isupper() and message[1:2].islower():
        message = message[0].lower() + message[1:]
    message = message.removesuffix(".")
    return next(
        (message.removesuffix(end) + plain for end, plain in _PLAINER.items() if message.endswith(end)), message
    )


def _help_hint(error: click.ClickException) -> str | None:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return None if context is None else f"`{context.command_path} --help` lists what is accepted"
