"""The answer of the last run of the same question, for as long as it is the answer of this one, too."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Final

import orjson

from attribute.cache.code import code_mark
from attribute.cache.identity import Snapshot
from attribute.cache.store import Store
from attribute.cli.delivery import wanted_outputs
from attribute.cli.job import Job
from attribute.engines.choose import EngineName
from attribute.logs.sources import Source, discover
from attribute.reports.asked import Asked, Rules
from attribute.reports.writers import WRITERS

if TYPE_CHECKING:
    from attribute.reports.model import Result, View

__all__ = ["ViewShelf", "shelf_of"]

_FORMAT: Final = "view 1"


def shelf_of(job: Job) -> ViewShelf | None:
    """Return where the answer to *job* lies; None where it is not kept, or where a view does not hold all of it."""
    flags = job.flags
    cache = job.options().cache
    if cache is None or flags.fingerprint or flags.rejects is not None or job.engine.name is not EngineName.LOCAL:
        return None
    if not job.window.comes_again:
        return None
    if not all(WRITERS[output.format].of_view for output in wanted_outputs(flags)):
        return None
    return ViewShelf(cache.store, job)


class ViewShelf:
    """
    The place of the answer to one question.

    Args:
        store: where it is kept.
        job: the question. Its time is no part of it: an answer holds from when it was made, as long as no file changes
            and nothing in it was still going on.
    """

    def __init__(self, store: Store, job: Job) -> None:
        question = (
            _FORMAT,
            code_mark(),
            job.catalogue.sha256,
            job.thresholds.listed(),
            (job.window.since_at, job.window.until_at),
            job.flags.functions,
            job.flags.strict,
            job.config.texts("exclude"),
            job.paths,
            repr(job.zone),
            sorted(job.config.runbook.items()),
        )
        self._job = job
        self._store = store
        self.key = hashlib.sha256(repr(question).encode(errors="surrogateescape")).hexdigest()

    def get(self, asked: Asked, rules: Rules) -> View | None:
        """Return the answer that was kept, where it holds."""
        payload = self._store.get(self.key)
        if payload is None:
            return None
        from attribute.reports.kept_view import UNREADABLE, unpacked  # not before there is one

        head, _, answer = bytes(payload).partition(b"\n")
        try:
            document = orjson.loads(head)
            if asked.now < datetime.fromisoformat(document["holds_from"]):
                return None
            found = discover(self._job.paths, exclude=self._job.config.texts("exclude"))
            read = [(source.name, _known(source)) for source in found.sources]
            if document["files"] != _files(read, [(note.name, note.reason) for note in found.skipped]):
                return None
            return unpacked(answer, asked, rules)
        except UNREADABLE:
            return None

    def keep(self, result: Result) -> None:
        """Keep an answer that will hold until a file changes; others are not kept."""
        from attribute.reports.kept_view import packed

        analysis = result.analysis
        until = result.window.until_at
        lasts = until is None or until < result.generated_at
        if analysis.known is None or not lasts or any(row.ongoing for row in result.incidents):
            return
        read = zip(analysis.names, analysis.known, strict=True)  # as they were found, whatever lies there by now
        skipped = [(note.file, note.reason) for note in analysis.account.skipped_files]
        head = {"holds_from": result.generated_at.isoformat(), "files": _files(read, skipped)}
        try:
            self._store.put(self.key, orjson.dumps(head) + b"\n" + packed(result))
        except TypeError:  # a file name that is no Unicode
            return


def _known(source: Source) -> tuple[str, str] | None:
    """Say what a file is, and what it is up to where it ends; None where that cannot be told."""
    snapshot = None if source.path is None else Snapshot.of(source.path)
    if snapshot is None or snapshot.lines_end != snapshot.size_bytes:
        return None
    return snapshot.known(snapshot.lines_end)


def _files(
    read: Iterable[tuple[str, tuple[str, str] | None]], skipped: Iterable[tuple[str, str]]
) -> list[list[list[str]]]:
    """Say which files there are, in plain values; one that cannot be told is like no other."""
    return [[[name, *(known or [])] for name, known in read], [[name, str(reason)] for name, reason in skipped]]
