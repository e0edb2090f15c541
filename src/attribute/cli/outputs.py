"""`-o FORMAT[:PATH]`: which outputs are wanted, and files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO, Self

import click
from click.shell_completion import CompletionItem

from attribute.m1.errors import AttributionError
from attribute.reports.writers import WRITERS

__all__ = ["Output", "OutputError", "OutputType", "check_outputs", "write_output"]


@dataclass(frozen=True, slots=True)
class Output:
    """One wanted output: a format, and a file or (None) stdout."""

    format: str
    path: str | None = None


class OutputError(AttributionError):
    """An output that cannot be written as asked."""

    @classmethod
    def two_on_stdout(cls, first: str, second: str) -> Self:
        """Return the error of two formats that would be mixed up."""
        return cls(
            f"`-o {first}` and `-o {second}` both go to stdout", hint=f"give one of them a file: `-o {second}:FILE`"
        )

    @classmethod
    def same_file(cls, path: str) -> Self:
        """Return the error of two outputs for one file."""
        return cls(f"two outputs go to `{path}`")

    @classmethod
    def not_writable(cls, path: str, why: str) -> Self:
        """Return the error of a file that could not be written."""
        return cls(f"`{path}` cannot be written: {why}")


class OutputType(click.ParamType[Output]):
    """`FORMAT` or `FORMAT:PATH`; `-` as the path is stdout."""

    name = "format[:path]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Output:
        """Split *value*; an unknown format is a usage error."""
        if isinstance(value, Output):
            return value
        name, colon, path = str(value).partition(":")
        if name not in WRITERS:
            close = get_close_matches(name, WRITERS, n=1)
            advice = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(WRITERS)}"
            self.fail(f"no format `{name}`; {advice}", param, ctx)
        if colon and not path:
            self.fail(f"`{value}` names no file after the colon", param, ctx)
        return Output(name, None if path in {"", "-"} else path)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """Complete the formats."""
        del ctx, param
        return [CompletionItem(name) for name in WRITERS if name.startswith(incomplete)]


def check_outputs(outputs: Iterable[Output]) -> None:
    """
    Refuse outputs that would overwrite or interrupt each other, before anything is read.

    Raises:
        OutputError: two formats on stdout (unless one may share it), or two for one file.
    """
    on_stdout: str | None = None
    paths: set[str] = set()
    for output in outputs:
        if output.path is not None:
            place = os.path.realpath(output.path)
            if place in paths:
                raise OutputError.same_file(output.path)
            paths.add(place)
        elif not WRITERS[output.format].shares_stdout:
            if on_stdout is not None:
                raise OutputError.two_on_stdout(on_stdout, output.format)
            on_stdout = output.format


def write_output(pieces: Iterable[bytes], path: str | None) -> None:
    """
    Write *pieces* to stdout or to a file.

    A file appears whole or not at all: it is written beside its place and moved there. A link is followed; what is no
    regular file (a FIFO, `/dev/null`) is written to as it is.

    Raises:
        OutputError: the file cannot be written.
        BrokenPipeError: the reader of stdout left.
    """
    if path is None:
        stream = sys.stdout.buffer
        try:
            for piece in pieces:
                stream.write(piece)
            stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError.not_writable("stdout", error.strerror or str(error)) from error
        return
    try:
        with _replacing(path) as file:
            for piece in pieces:
                file.write(piece)
    except OSError as error:
        raise OutputError.not_writable(path, error.strerror or str(error)) from error


@contextlib.contextmanager
def _replacing(path: str) -> Iterator[BinaryIO]:
    place = Path(os.path.realpath(path))
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        with place.open("wb") as file:
            yield file
        return
    handle, temporary = tempfile.mkstemp(prefix=f".{place.name[:100]}.", suffix=".tmp", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), _permissions(mode))
        Path(temporary).replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _permissions(mode: int | None) -> int:
    if mode is not None:
        return stat.S_IMODE(mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
