"""`-o FORMAT[:PATH]`: which outputs are wanted, and files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO, Self

import click
from click.shell_completion import CompletionItem

from attribute.m1.errors import AttributionError
from attribute.reports.writers import WRITERS

__all__ = ["Output", "OutputError", "OutputType", "check_outputs", "replacing", "write_output"]


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
    """
    `FORMAT` or `FORMAT:PATH`; `-` as the path is stdout.

    Args:
        formats: the formats there are, by name.
    """

    name = "format[:path]"

    def __init__(self, formats: Collection[str] = WRITERS) -> None:
        self._formats = formats

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Output:
        """Split *value*; an unknown format is a usage error."""
        if isinstance(value, Output):
            return value
        name, colon, path = str(value).partition(":")
        if name not in self._formats:
            close = get_close_matches(name, self._formats, n=1)
            advice = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(self._formats)}"
            self.fail(f"no format `{name}`; {advice}", param, ctx)
        if colon and not path:
            self.fail(f"`{value}` names no file after the colon", param, ctx)
        return Output(name, None if path in {"", "-"} else path)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """Complete the formats."""
        del ctx, param
        return [CompletionItem(name) for name in self._formats if name.startswith(incomplete)]


def check_outputs(outputs: Iterable[Output]) -> None:
    """
    Refuse outputs that would overwrite or interrupt each other, before anything is read.

    Raises:
        OutputError: two formats on stdout (unless one may share it), two for one file, or one for a folder that is
            not there.
    """
    on_stdout: str | None = None
    paths: set[str] = set()
    for output in outputs:
        if output.path is not None:
            place = os.path.realpath(output.path)
            if place in paths:
                raise OutputError.same_file(output.path)
            paths.add(place)
            if not Path(place).parent.is_dir():
                raise OutputError.not_writable(output.path, "there is no such folder")
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
        sink = Sink(sys.stdout.buffer, "stdout")
        for piece in pieces:
            sink.write(piece)
        sink.flush()
        return
    with replacing(path) as sink:
        for piece in pieces:
            sink.write(piece)


class Sink:
    """
    Somewhere to write to, whose refusals are the user's to mend.

    Args:
        stream: what is written to.
        name: what to call it.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, piece: bytes) -> None:
        """Write; raises OutputError, or BrokenPipeError where the reader left."""
        with mendable(self._name):
            self._stream.write(piece)

    def flush(self) -> None:
        """Write what is still held back; raises as `write`."""
        with mendable(self._name):
            self._stream.flush()


@contextlib.contextmanager
def mendable(name: str) -> Iterator[None]:
    """Turn what the operating system refuses into an `OutputError`, but for a pipe whose reader left."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError.not_writable(name, error.strerror or str(error)) from error


@contextlib.contextmanager
def replacing(path: str) -> Iterator[Sink]:
    """
    Yield a place to write to; the file at *path* is replaced by it at the end, or stays as it was.

    Raises:
        OutputError: the file, or its folder, cannot be written.
    """
    place = Path(os.path.realpath(path))
    mode: int | None = None
    with mendable(path), contextlib.suppress(FileNotFoundError):
        mode = place.stat().st_mode
    if mode is not None and not stat.S_ISREG(mode):
        with mendable(path):
            stream = place.open("wb")
        with stream:
            yield Sink(stream, path)
            with mendable(path):
                stream.flush()
        return
    # The name is known before the file is there, so that a signal at any moment leaves nothing behind.
    temporary = place.with_name(f".{place.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        with mendable(path):
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            yield Sink(file, path)
            with mendable(path):
                file.flush()
                os.fchmod(file.fileno(), _permissions(mode))
                os.fsync(file.fileno())
        with mendable(path):
            temporary.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _permissions(mode: int | None) -> int:
    if mode is not None:
        return stat.S_IMODE(mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
