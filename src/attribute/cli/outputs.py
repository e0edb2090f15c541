"""`-o FORMAT[:PATH]`: which outputs are wanted, and files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO, Final, Self

import click
from click.shell_completion import CompletionItem

from attribute.logs.sources import STANDARD_INPUT, discover
from attribute.logs.storage import is_url
from attribute.m1.errors import AttributionError
from attribute.reports.writers import WRITERS

__all__ = [
    "Output",
    "OutputError",
    "OutputType",
    "check_outputs",
    "check_written",
    "paths_of",
    "replacing",
    "spare_what_is_read",
    "write_output",
]

_STANDARD_OUTPUT: Final = ("-", "/dev/stdout")


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
    def is_read(cls, path: str) -> Self:
        """Return the error of an output that would take the place of what is read."""
        return cls(
            f"`{path}` would be written over what is read",
            hint="write it elsewhere; `--exclude GLOB` keeps a file out of the logs",
        )

    @classmethod
    def not_writable(cls, path: str, why: str) -> Self:
        """Return the error of a file that could not be written."""
        return cls(f"`{path}` cannot be written: {why}")


class OutputType(click.ParamType[Output]):
    """
    `FORMAT` or `FORMAT:PATH`; `-` or `/dev/stdout` as the path is stdout.

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
        return Output(name, path if path and path not in _STANDARD_OUTPUT else None)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """Complete the formats."""
        del ctx, param
        return [CompletionItem(name) for name in self._formats if name.startswith(incomplete)]


def check_outputs(outputs: Sequence[Output]) -> None:
    """
    Refuse outputs that would overwrite or interrupt each other, before anything is read.

    Raises:
        OutputError: two formats on stdout (unless one may share it), or what `check_written` says of the files.
    """
    on_stdout: str | None = None
    for output in outputs:
        if output.path is None and not WRITERS[output.format].shares_stdout:
            if on_stdout is not None:
                raise OutputError.two_on_stdout(on_stdout, output.format)
            on_stdout = output.format
    check_written(paths_of(outputs))


def paths_of(outputs: Iterable[Output]) -> tuple[str, ...]:
    """Return the files among *outputs*."""
    return tuple(output.path for output in outputs if output.path is not None)


def check_written(paths: Iterable[str]) -> None:
    """
    Refuse files that cannot all be written, before anything is read.

    Raises:
        OutputError: two of *paths* are one file, or one is in a folder that is not there.
    """
    places: set[str] = set()
    for path in paths:
        place = os.path.realpath(path)
        if place in places and place != os.devnull:
            raise OutputError.same_file(path)
        places.add(place)
        if not Path(place).parent.is_dir():
            raise OutputError.not_writable(path, "there is no such folder")


def spare_what_is_read(
    written: Iterable[str],
    *,
    logs: Iterable[str],
    others: Iterable[str | os.PathLike[str] | None],
    exclude: Sequence[str],
) -> None:
    """
    Refuse to write over a file that is read, under whatever name, before anything is read.

    Args:
        written: the files to be written.
        logs: files, folders, globs or `-`, as they are read.
        others: further files that are read.
        exclude: globs of what is left out of *logs*.

    Raises:
        OutputError: one of *written* is such a file.
        SourceError: one of *logs* leads nowhere.
    """
    there = {path: found for path in written if (found := _identity(path)) is not None}
    if not there:
        return
    logs = tuple(logs)
    read = {_identity(path) for path in others if path is not None}
    if any(path in STANDARD_INPUT for path in logs):
        read.add(_identity("/dev/stdin"))
    local = [path for path in logs if path not in STANDARD_INPUT and not is_url(path)]
    read |= {(source.device, source.inode) for source in discover(local, exclude=exclude).sources}
    for path, found in there.items():
        if found in read:
            raise OutputError.is_read(path)


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return what tells a regular file from all others; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 -- the name is the user's, not ours to normalise
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def write_output(pieces: Iterable[bytes], path: str | None) -> None:
    """
    Write *pieces* to stdout or to a file.

    A file appears whole or not at all: it is written beside its place and moved there. A link is followed; what is no
    regular file (a FIFO, `/dev/null`) is written to as it is, for as long as somebody reads it.

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
    with replacing(path) as sink, contextlib.suppress(BrokenPipeError):  # a reader of a pipe has read enough
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
    mode: int | None = None
    with mendable(path), contextlib.suppress(FileNotFoundError):
        mode = os.stat(path).st_mode  # noqa: PTH116 -- the name is the user's, not ours to normalise
    if mode is not None and not stat.S_ISREG(mode):
        with mendable(path):  # under its own name: where a pipe's descriptor leads is no name that can be opened
            stream = open(path, "wb")  # noqa: PTH123, SIM115 -- the same; it is closed behind its sink
        with _sink(stream, path) as sink:
            yield sink
        return
    place = Path(os.path.realpath(path))
    # The name is known before the file is there, so that a signal at any moment leaves nothing behind.
    temporary = place.with_name(f".{place.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        with mendable(path):
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        file = os.fdopen(handle, "wb")
        with _sink(file, path) as sink:
            yield sink
            sink.flush()
            with mendable(path):
                os.fchmod(file.fileno(), _permissions(mode))
                os.fsync(file.fileno())
        with mendable(path):
            temporary.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def _sink(stream: BinaryIO, name: str) -> Iterator[Sink]:
    """Yield a place to write to, and close it: what it still holds may be refused even then."""
    try:
        yield Sink(stream, name)
    except BaseException:
        with contextlib.suppress(OSError):  # what came first is what is told
            stream.close()
        raise
    with mendable(name), contextlib.suppress(BrokenPipeError):
        stream.close()


def _permissions(mode: int | None) -> int:
    if mode is not None:
        return stat.S_IMODE(mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
