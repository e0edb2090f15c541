"""
The pipeline on a cluster: splits out, partials back, and the same conclusion as on one machine.

An engine is a `Runner`: it carries tasks to workers and replies back, in any order. Replies are kept by the number of
their split and checked to be complete, so that a task that is done twice counts once, and one that is lost is noticed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import polars as pl

from attribute.engines.analysis import SAMPLE_REJECTS, Analysis, AnalysisOptions, Progress, RejectedAt
from attribute.engines.gathering import Gathering, conclude
from attribute.engines.kernel import Common, Task, common_bytes, task_bytes
from attribute.engines.splits import SPLIT_BYTES, Split, plan
from attribute.engines.wire import Reply, WireError, unpack
from attribute.frames import RECORDS
from attribute.logs.chunks import Problem, SourceOutcome, stamp_of
from attribute.logs.names import shown
from attribute.logs.sources import Source, discover
from attribute.logs.storage import is_url
from attribute.m1.errors import AttributionError
from attribute.rules.compile import compile_rules

__all__ = ["ClusterError", "Runner", "TaskFailedError", "analyse", "records_of"]


class ClusterError(AttributionError):
    """A cluster that did not do its work. There is no answer then: never a part of one."""

    @classmethod
    def standard_input(cls) -> Self:
        """Word that a stream cannot be shared."""
        return cls(
            "standard input is on this machine alone: a cluster cannot read it",
            hint="name files that the workers see, or use `--engine local`",
        )

    @classmethod
    def not_installed(cls, engine: str, package: str, extra: str) -> Self:
        """Word an engine without its client."""
        return cls(
            f"`--engine {engine}` needs the package `{package}`, which is not installed",
            hint=f"pip install {extra}, in the version that the workers have",
        )

    @classmethod
    def unreachable(cls, engine: str, address: str | None, why: str) -> Self:
        """Word a cluster that cannot be had."""
        at = f" at `{shown(address)}`" if address else ""
        return cls(f"{engine}{at} cannot be reached: {why}", hint="`--engine-address` says where it is", exit_code=4)

    @classmethod
    def failed(cls, place: str, why: str) -> Self:
        """Word a task that failed for good."""
        return cls(
            f"the cluster gave up on {place}: {why}",
            hint="the workers' own logs say more; `--engine local` reads the same logs on this machine",
            exit_code=4,
        )

    @classmethod
    def stalled(cls, seconds: float, done: int, total: int, what: str) -> Self:
        """Word a cluster from which nothing came back any more."""
        return cls(
            f"nothing came back from the cluster for {seconds:g} s; {done:,} of {total:,} splits were done; {what}",
            hint="look at its workers; `--engine-timeout-s` allows for longer",
            exit_code=4,
        )

    @classmethod
    def incomplete(cls, missing: Sequence[str]) -> Self:
        """Word replies that never came."""
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        return cls(
            f"the cluster ended without the counts of {missing[0]}{more}",
            hint="this is a fault of the cluster or of its engine; no answer is made of a part",
            exit_code=4,
        )

    @classmethod
    def unknown_reply(cls, why: str) -> Self:
        """Word a reply that nobody asked for, or that does not read."""
        return cls(
            f"a worker answered what was not asked: {why}",
            hint="the workers must run the same version as this machine",
            exit_code=4,
        )

    @classmethod
    def refused(cls, why: str) -> Self:
        """Word a worker of another version."""
        return cls(why, hint="install the same versions of `m1-attribute`, polars and Python at both ends", exit_code=4)

    @classmethod
    def not_shared(cls, name: str) -> Self:
        """Word a file that only this machine has."""
        return cls(
            f"`{name}` is on this machine, and a worker does not see it",
            hint="use a path that all workers share, a URL of a store, or `--engine local`",
        )


class TaskFailedError(Exception):
    """
    A task failed for good; raised by runners, worded here.

    Args:
        number: of its split, where it is known.
        why: the gist of it, in one line.
    """

    def __init__(self, number: int | None, why: str) -> None:
        super().__init__(number, why)
        self.number = number
        self.why = why


class Runner(Protocol):
    """An engine that runs tasks."""

    def run(self, common: bytes, tasks: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        """
        Do tasks in any order; yield the number and the reply of each as it comes.

        Raises:
            TaskFailedError: a task failed more often than the engine tries.
            ClusterError: the cluster is gone, or nothing came back for too long.
        """
        ...


def analyse(options: AnalysisOptions, runner: Runner, *, split_bytes: int = SPLIT_BYTES) -> Analysis:
    """
    Read logs on a cluster and give every incident request its verdict.

    Args:
        options: what to read, and how to judge it. Paths are found from here and opened by the workers.
        runner: the cluster.
        split_bytes: how much of a big plain file is one task. Never changes the answer.

    Returns:
        What `attribute.engines.local.analyse` returns for the same options.

    Raises:
        AttributionError: see there; or the cluster could not do it.
    """
    compiled = compile_rules(options.catalogue, options.thresholds)
    discovery = discover(options.paths, exclude=options.exclude)
    gathering = _ClusterGathering(
        options=options,
        compiled=compiled,
        sources=discovery.sources,
        job=_Job(options, discovery.sources, runner, split_bytes),
    )
    gathering.read()
    return conclude(gathering, discovery.skipped)


def records_of(
    request_id: str, options: AnalysisOptions, runner: Runner, *, split_bytes: int = SPLIT_BYTES
) -> pl.DataFrame:
    """Return all records of one request, as `attribute.engines.find.records_of` does."""
    sources = discover(options.paths, exclude=options.exclude).sources
    job = _Job(options, sources, runner, split_bytes)
    found: dict[int, pl.DataFrame] = {}
    for split, reply in job.replies([Task(split=split) for split in job.splits if not split.only_hash], request_id):
        found[split.number] = reply.records
    return pl.concat([RECORDS.to_frame(), *(found[number] for number in sorted(found))])


class _Job:
    """The splits of some sources, and the way to their replies."""

    def __init__(self, options: AnalysisOptions, sources: Sequence[Source], runner: Runner, split_bytes: int) -> None:
        if any(source.path is None for source in sources):
            raise ClusterError.standard_input()
        self.splits = plan(
            [_from_anywhere(source) for source in sources], split_bytes=split_bytes, fingerprint=options.fingerprint
        )
        self._options = options
        self._runner = runner

    def replies(self, tasks: Sequence[Task], request_id: str | None = None) -> Iterator[tuple[Split, Reply]]:
        """Yield the reply of every task, each once, in any order; raises ClusterError where one is missing."""
        open_tasks = {task.split.number: task.split for task in tasks}
        done: set[int] = set()
        try:
            for number, data in self._runner.run(
                self._common(request_id), [(task.split.number, task_bytes(task)) for task in tasks]
            ):
                reply = self._read(number, data, open_tasks)
                if number not in done:
                    done.add(number)
                    yield open_tasks[number], reply
        except TaskFailedError as error:
            split = None if error.number is None else open_tasks.get(error.number)
            raise ClusterError.failed("a split" if split is None else split.place, error.why) from error
        missing = sorted(open_tasks.keys() - done)
        if missing:
            raise ClusterError.incomplete([open_tasks[number].place for number in missing])

    def _common(self, request_id: str | None) -> bytes:
        options = self._options
        return common_bytes(
            Common(
                catalogue=options.catalogue,
                thresholds=options.thresholds,
                window=options.window,
                latency_slot=options.latency_slot,
                strict=options.strict,
                fingerprint=options.fingerprint,
                chunk_bytes=options.chunk_bytes,
                rejects=SAMPLE_REJECTS if options.on_reject is None else None,
                request_id=request_id,
            )
        )

    def _read(self, number: int, data: bytes, asked: Mapping[int, Split]) -> Reply:
        try:
            reply = unpack(data)
        except WireError as error:
            raise ClusterError.unknown_reply(str(error)) from error
        if reply.number != number or number not in asked:
            raise ClusterError.unknown_reply(f"split {reply.number} came as {number}")
        if reply.refusal is not None:
            raise ClusterError.refused(reply.refusal)
        source = asked[number].source
        if reply.outcome is not None and reply.outcome.problem is Problem.VANISHED and _is_here(source):
            raise ClusterError.not_shared(source.name)
        return reply


def _from_anywhere(source: Source) -> Source:
    """Return *source* as another machine knows it: by its whole path and how it begins, without our numbers for it."""
    assert source.path is not None
    if is_url(source.path):
        path, stamp = source.path, source.stamp
    else:
        path, stamp = os.path.abspath(source.path), stamp_of(source.path)  # noqa: PTH100 - any bytes
    return Source(path=path, name=source.name, size_bytes=source.size_bytes, stamp=stamp)


def _is_here(source: Source) -> bool:
    return source.path is not None and not is_url(source.path) and os.path.exists(source.path)  # noqa: PTH110 - any bytes


@dataclass(slots=True, kw_only=True)
class _ClusterGathering(Gathering):
    """What is gathered from the replies of a cluster, and the way back to its records."""

    job: _Job
    _rejects: dict[int, pl.DataFrame] = field(default_factory=dict)
    _lines: dict[int, int] = field(default_factory=dict)
    _told: int = 0
    _lines_before: int = 0

    def read(self) -> None:
        """Have all splits read once."""
        total_bytes = sum(source.size_bytes for source in self.sources)
        read_bytes = 0
        outcomes: dict[int, SourceOutcome] = {}
        for split, reply in self.job.replies([Task(split=split) for split in self.job.splits]):
            assert reply.outcome is not None
            outcomes[split.number] = reply.outcome
            self._lines[split.number] = 0
            self._rejects[split.number] = reply.rejects
            if reply.partial is not None:
                self._take_partial(split.number, reply)
                read_bytes += split.size_bytes
            self._tell_rejects()
            if self.options.on_progress is not None:
                self.options.on_progress(
                    Progress(read_bytes=read_bytes, total_bytes=total_bytes, lines=self.tally.lines)
                )
        self.outcomes = [self._outcome(file, outcomes) for file in range(len(self.sources))]

    def _take_partial(self, number: int, reply: Reply) -> None:
        partial, alone = reply.partial, reply.alone
        assert partial is not None
        assert alone is not None
        self.count(partial.tally, partial.ending_functions)
        self.add_quiet(partial.ended, partial.unended)
        self.loud.add(partial.loud, alone.keys)
        self.judge(alone)
        self.quiet.add(partial.quiet, [(number, partial.quiet.height)])
        self._lines[number] = partial.tally.lines

    def _tell_rejects(self) -> None:
        """Tell the rejects of the splits that are next in order: a split does not know which line it begins with."""
        while self._told in self._rejects:
            number = self._told
            split = self.job.splits[number]
            if split.start == 0 and not split.only_hash:
                self._lines_before = 0
            for line, reason, detail in self._rejects.pop(number).iter_rows():
                place = RejectedAt(file=split.source.name, line=self._lines_before + line, reason=reason, detail=detail)
                if len(self.sample_rejects) < SAMPLE_REJECTS:
                    self.sample_rejects.append(place)
                if self.options.on_reject is not None:
                    self.options.on_reject(place)
            self._lines_before += self._lines.pop(number)
            self._told += 1

    def _outcome(self, file: int, outcomes: Mapping[int, SourceOutcome]) -> SourceOutcome:
        """Put together how reading one source ended."""
        splits = [split for split in self.job.splits if split.file == file]
        parts = [outcomes[split.number] for split in splits if not split.only_hash]
        troubled = next((part for part in parts if part.problem is not None), parts[0])
        hashed = next((outcomes[split.number] for split in splits if split.only_hash), parts[0])
        return SourceOutcome(
            bytes_read=sum(part.bytes_read for part in parts),
            text_bytes=sum(part.text_bytes for part in parts),
            lines=0,
            problem=troubled.problem,
            detail=troubled.detail,
            sha256=hashed.sha256,
        )

    def fetch(self, pieces: Sequence[int]) -> Iterator[pl.DataFrame]:
        """Yield those records of *pieces* that share a request with a loud one, in order of the pieces."""
        met = self.quiet.met(self.loud.keys()["hash"]).filter(pl.col("piece").is_in(list(pieces)))
        met = met.select("piece", "hash").unique().sort("piece", "hash")
        tasks = [
            Task(split=self.job.splits[piece], hashes=tuple(hashes))
            for piece, hashes in met.group_by("piece", maintain_order=True).agg("hash").iter_rows()
        ]
        for _, reply in self.job.replies(tasks):
            yield reply.records
