"""
`attribute watch PATHS`: the same answer, again and again, over logs that grow.

Every look asks the engine, which takes what it read before from the cache and reads what is new: truncation, new files
and a restart are nothing special here, and no line can count twice. A file that was read is read on under the name that
rotation gave it. What goes wrong after a good look, such as a log that is away for a moment, is shown and waited for.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

import click

from attribute.cli.options import AnalysisFlags, looking_options
from attribute.logs.names import shown
from attribute.logs.sources import SourceError, discover
from attribute.logs.storage import is_url
from attribute.m1.errors import AttributionError
from attribute.reports.escape import terminal

if TYPE_CHECKING:
    from attribute.cache.followed import Followed
    from attribute.cli.job import Job
    from attribute.engines.analysis import Analysis
    from attribute.reports.model import Result

__all__ = ["looks", "watch"]

LEAST_SECONDS: Final = 0.5
"""A terminal is drawn at most twice a second."""

HOME_AND_CLEAR: Final = b"\x1b[H\x1b[2J"

MOST_READINGS: Final = 3
"""So often a look reads, where files are renamed while it does."""

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
    """Draw the screen on a terminal, else print one line per look; a window is resolved once, to the minute."""
    from attribute.cli.job import prepare
    from attribute.cli.outputs import write_output
    from attribute.cli.style import style_of
    from attribute.reports.writers import writer

    if not flags.paths or "-" in flags.paths:
        raise WatchError.standard_input()
    redraws = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    flags = replace(flags, no_progress=True, oneline=not redraws)
    job = prepare(flags)
    job = replace(job, window=job.window.in_whole_minutes())  # what is read for one look is kept for the next

    def note(text: str) -> None:
        if not redraws and not flags.quiet:  # the screen names all that is read
            sys.stderr.write(f"attribute: note: {terminal(text)}\n")

    def draw(result: Result) -> Iterator[bytes]:
        return writer("text")(result, style_of(flags))  # a terminal may have another width by now

    def waiting(error: AttributionError) -> Iterator[bytes]:
        yield f"WAITING {terminal(error.message, ascii_only=style_of(flags).ascii_only)}; watching goes on\n".encode()

    for pieces in looks(job, draw, waiting, count=count, wait=lambda: time.sleep(every), note=note):
        write_output([*([HOME_AND_CLEAR] if redraws else []), *pieces], None)
    return 0


def looks(
    job: Job,
    draw: Callable[[Result], Iterator[bytes]],
    waiting: Callable[[AttributionError], Iterator[bytes]] = lambda error: iter([f"{error.message}\n".encode()]),
    *,
    count: int | None,
    wait: Callable[[], None],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    note: Callable[[str], object] = str,
) -> Iterator[list[bytes]]:
    """
    Yield what each look at the logs shows; after a first good one, what is in the way of another, too.

    Args:
        job: what to read; its time is that of each look, where none was given.
        draw: makes output of a result ...
        waiting: ... and of an error that stands in its place until there is one again.
        count: how many looks; without it, no end.
        wait: lets time pass between two looks.
        clock: tells the time.
        note: is told, once each, which files are read under another name than they were.

    Raises:
        AttributionError: the first look failed.
    """
    from attribute.cache.followed import Followed
    from attribute.cli.run import build

    followed = Followed(job.config.texts("exclude"))
    told: set[str] = set()
    done, was_good = 0, False
    while True:
        now = job if job.flags.now is not None else replace(job, now=clock())
        try:
            now, analysis = _read(now, followed)
        except AttributionError as error:
            if not was_good:
                raise
            yield list(waiting(error))
        else:
            was_good = True
            for path in now.paths[len(job.paths) :]:
                if path not in told:
                    note(f"`{shown(path)}` was read under another name and is read on; `attribute watch` alone does so")
            told = set(now.paths)
            yield list(draw(build(now, analysis)))
        done += 1
        if done == count:
            return
        wait()


def _read(job: Job, followed: Followed) -> tuple[Job, Analysis]:
    """
    Read the logs, and what was read of them before and has another name now; return all that as a job, and the answer.

    Where a file is renamed meanwhile it is done again: none is missed, and none is read twice.
    """
    from attribute.cli.run import read_logs

    for left in reversed(range(MOST_READINGS)):
        more = _renamed(job, followed)
        asked = replace(job, paths=(*job.paths, *more))
        try:
            analysis = read_logs(asked, latency_slot=timedelta(days=1))
        except SourceError:
            if left and more:  # which may have got the next name
                continue
            raise
        with contextlib.suppress(SourceError):
            if left and _renamed(job, followed) != more:
                continue
        return asked, analysis
    raise AssertionError("the last reading returns or raises")


def _renamed(job: Job, followed: Followed) -> tuple[str, ...]:
    paths = [path for path in job.paths if not is_url(path)]
    return followed.elsewhere(discover(paths, exclude=job.config.texts("exclude")).sources)
