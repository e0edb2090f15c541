"""Processes that a test starts, talks to and ends."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def running(
    command: Sequence[str], *, stdout: int | None = None, stderr: int | None = subprocess.PIPE
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is gone after its block, also where an error ends that: nobody else would tell it to end."""
    with subprocess.Popen(command, stdout=stdout, stderr=stderr) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[bytes]) -> str:
    """The address that a service says on stderr that it listens on."""
    assert process.stderr is not None
    return next(line.split()[-1] for line in iter(process.stderr.readline, b"") if b"listening on" in line).decode()
