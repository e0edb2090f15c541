"""
`attribute watch PATHS`: the same answer, again and again, over logs that grow.

Every look asks the engine, which takes what it read before from the cache and reads what is new: rotation, truncation,
new files and a restart are nothing special here, and no line can count twice.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

import click

from attribute.cli.options import AnalysisFlags, looking_options
from attribute.m1.errors import AttributionError

if TYPE_CHECKING:
    from attribute.cli.job import Job

__all__ = ["looks", "watch"]

LEAST_SECONDS: Final = 0.5
"""A terminal is drawn at most twice a second."""

HOME_AND_CLEAR: Final = b"\x1b[H\x1b[2J"

EPILOG = """\
\b
Examples:
  attribute watch logs/
  attribute watch logs/ --since 1h --every 30
  attribute watch logs/ | tee verdicts.txt
"""


class WatchError(AttributionError):
    """Something that cannot be watched."""

    @classmethod
    def standard_input(cls) -> Self:
        """Return the error of a stream: what was read of it is gone."""
        return cls("standard input cannot be watched", hint="name files or folders; `attribute -` reads a stream once")


@click.command(help="Follow logs: draw the answer anew when they grow.", epilog=EPILOG)
@click.option(
    "--every",
    metavar="SECONDS",
    type=click.FloatRange(LEAST_SECONDS, 86_400),
    default=5.0,
    show_default=True,
    help="How often to look.",
)
@click.option("--looks", "count", metavar="N", type=click.IntRange(1), help="Stop after so many looks.")
@looking_options
def watch(flags: AnalysisFlags, *, every: float, count: int | None) -> int:
    """Draw the screen where stdout is a terminal, else print one line per look; a window is resolved once, at start."""
    from attribute.cli.job import prepare
    from attribute.cli.outputs import write_output
    from attribute.cli.style import style_of
    from attribute.reports.writers import writer

    if not flags.paths or "-" in flags.paths:
        raise WatchError.standard_input()
    redraws = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    flags = replace(flags, no_progress=True, oneline=not redraws)
    style = style_of(flags)
    job = prepare(flags)
    for pieces in looks(job, lambda result: writer("text")(result, style), count=count, wait=lambda: time.sleep(every)):
        write_output([*([HOME_AND_CLEAR] if redraws else []), *pieces], None)
    return 0


def looks(
    job: Job,
    draw: Callable[..., Iterator[bytes]],
    *,
    count: int | None,
    wait: Callable[[], None],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[list[bytes]]:
    """
    Yield what each look at the logs shows.

    Args:
        job: what to read; its time is that of each look, where none was given.
        draw: makes output of a result.
        count: how many looks; without it, no end.
        wait: lets time pass between two looks.
        clock: tells the time.
    """
    from attribute.cli.run import build, read_logs

    done = 0
    while True:
        now = job if job.flags.now is not None else replace(job, now=clock())
        yield list(draw(build(now, read_logs(now, latency_slot=timedelta(days=1)))))
        done += 1
        if done == count:
            return
        wait()
