"""From a job to a result."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import orjson

from attribute.cache.digests import fingerprint
from attribute.cli.delivery import latency_slot_of
from attribute.cli.job import Job
from attribute.cli.options import AnalysisFlags
from attribute.cli.outputs import replacing
from attribute.cli.progress import progress_line
from attribute.engines.analysis import Analysis, AnalysisOptions, RejectedAt
from attribute.engines.choose import EngineName, analyse
from attribute.engines.head_start import HeadStart
from attribute.incidents import Incident, group
from attribute.logs.sources import discover
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
        return _with_fingerprint(job, options) or analyse(options, job.engine, ahead)


def _with_fingerprint(job: Job, options: AnalysisOptions) -> Analysis | None:
    """
    Read through the cache and take the fingerprint beside it.

    An engine that hashes what goes by reads everything, kept or not. Nothing where no cache is wanted, or where the
    files were not hashed as far as they were read: then the engine has to.
    """
    if not options.fingerprint or options.cache is None or job.engine.name is not EngineName.LOCAL:
        return None
    if options.on_reject is not None:
        return None  # all is read anyway, and every rejected line is to be told once
    sources = discover(options.paths, exclude=options.exclude).sources
    if any(source.path is None for source in sources):
        return None
    analysis = analyse(replace(options, fingerprint=False), job.engine)
    found = fingerprint(sources, store=options.cache.store, threads=options.threads)
    if found is None or found.bytes != analysis.account.bytes:
        return None
    return replace(analysis, account=replace(analysis.account, fingerprint=found.sha256))


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
