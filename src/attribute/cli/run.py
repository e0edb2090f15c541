"""From a job to a result."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import orjson

from attribute.cli.delivery import latency_slot_of
from attribute.cli.job import Job
from attribute.cli.options import AnalysisFlags
from attribute.cli.outputs import replacing
from attribute.cli.progress import progress_line
from attribute.engines.analysis import Analysis, RejectedAt
from attribute.engines.choose import analyse
from attribute.engines.head_start import HeadStart
from attribute.incidents import Incident, group
from attribute.reports.escape import json_bytes
from attribute.reports.model import Result
from attribute.reports.result import build_result
from attribute.slots import SLOT

__all__ = ["analyse_and_build", "build", "find_incidents", "read_logs"]


def read_logs(job: Job, *, latency_slot: timedelta = SLOT, ahead: HeadStart | None = None) -> Analysis:
    """Run the engine: progress on stderr, rejected lines to their file."""
    with _rejects(job.flags.rejects) as on_reject, progress_line(wanted=_progress_wanted(job.flags)) as line:
        on_progress = None if line is None else lambda progress: line.update(progress, time.monotonic())
        options = job.options(latency_slot=latency_slot, on_reject=on_reject, on_progress=on_progress)
        return analyse(options, job.engine, ahead)


def _progress_wanted(flags: AnalysisFlags) -> bool:
    return not flags.no_progress and not flags.quiet and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def _rejects(path: str | None) -> Iterator[Callable[[RejectedAt], None] | None]:
    """Yield what writes a rejected line's place and reason, as JSON Lines; the file appears whole or not at all."""
    if path is None:
        yield None
        return
    with replacing(path) as sink:

        def write(reject: RejectedAt) -> None:
            document = {"file": reject.file, "line": reject.line, "reason": reject.reason, "detail": reject.detail}
            with contextlib.suppress(
                BrokenPipeError
            ):  # whoever read a pipe may leave: the answer is wanted all the same
                sink.write(json_bytes(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)))

        yield write


def analyse_and_build(job: Job, ahead: HeadStart | None = None) -> Result:
    """Do the main job: read the logs, judge them, and build the view model."""
    return build(job, read_logs(job, latency_slot=latency_slot_of(job.flags), ahead=ahead))


def build(job: Job, analysis: Analysis) -> Result:
    """Build the view model of what was read."""
    return build_result(
        analysis,
        catalogue=job.catalogue,
        thresholds=job.thresholds,
        incidents=find_incidents(job, analysis),
        asked=job.asked(),
    )


def find_incidents(job: Job, analysis: Analysis) -> tuple[Incident, ...]:
    """Return the incidents of an analysis."""
    return group(analysis.rollup.counts, now=job.now)
