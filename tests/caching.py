"""
The whole suite with the cache on, off and pre-filled: `python -m tests --cache MODE [arguments for pytest]`.

Without a mode tests run as users do: with a cache, which keeps nothing of files under a mebibyte, and so of hardly any
here. A mode is put around the engine of this machine and around the question of the command line, in the process of the
tests and in those that they start; no test knows of it.

* `off`: the command line keeps nothing, whatever its flags say.
* `on`: everything is kept, of files of any size, and nothing is there when a test begins.
* `prefilled`: before anything is analysed, it is analysed once with the same cache, silently, and once without; what
  the test then gets comes from the cache and is the answer without it, or the test fails.

Tests of the cache itself say what is in it, and run without a mode.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from attribute.cache.store import Store
from attribute.cli import job as jobs
from attribute.cli import kept_view
from attribute.cli.kept_view import ViewShelf
from attribute.engines import choose
from attribute.engines.analysis import Analysis, AnalysisOptions, Cache
from attribute.engines.choose import Choice
from attribute.engines.head_start import HeadStart
from attribute.m1.errors import AttributionError
from tests.cache_mode import FOLDER, Mode, wanted_mode

__all__ = ["put_around", "put_around_questions"]


Analyse = Callable[[AnalysisOptions, HeadStart | None], Analysis]


def put_around() -> None:
    """Have everything that this process analyses find the cache as the mode says."""
    from attribute.engines import local

    put_around_questions()
    local.analyse = _Around(local.analyse)


def put_around_questions() -> None:
    """Put the mode around what the command line asks, and around the engine as soon as that is loaded."""
    asked, shelf_of, analyse = jobs.Job.options, kept_view.shelf_of, choose.analyse

    def options(job: jobs.Job, **how: Any) -> AnalysisOptions:  # noqa: ANN401 - handed on as it is
        return _of_mode(asked(job, **how))

    def filled(job: jobs.Job) -> ViewShelf | None:
        shelf = shelf_of(job)
        if shelf is not None and wanted_mode() is Mode.PREFILLED and "-" not in job.paths:
            _fill(shelf, job)
        return shelf

    def loading(options: AnalysisOptions, choice: Choice, ahead: HeadStart | None = None) -> Analysis:
        from attribute.engines import local

        if not isinstance(local.analyse, _Around):
            local.analyse = _Around(local.analyse)
        return analyse(options, choice, ahead)

    jobs.Job.options = options  # type: ignore[assignment, method-assign]  # for good
    kept_view.shelf_of = filled
    choose.analyse = loading


def _of_mode(asked: AnalysisOptions) -> AnalysisOptions:
    mode = wanted_mode()
    if asked.cache is None or mode is None:
        return asked
    return replace(asked, cache=None if mode is Mode.OFF else replace(asked.cache, least_bytes=0))


class _Around:
    """The engine of this machine, with a mode around it."""

    def __init__(self, analyse: Analyse) -> None:
        self._analyse = analyse

    def __call__(self, options: AnalysisOptions, ahead: HeadStart | None = None) -> Analysis:
        mode = wanted_mode()
        if mode in {None, Mode.OFF} or "-" in options.paths:
            return self._analyse(options, ahead)
        store = Store(folder=Path(os.environ[FOLDER])) if options.cache is None else options.cache.store
        cached = replace(options, cache=Cache(store=store, least_bytes=0))
        if mode is Mode.ON:
            return self._analyse(cached, ahead)
        silent = replace(cached, on_reject=None, on_progress=None)
        with suppress(AttributionError):  # which the run that counts raises again
            self._analyse(replace(silent, fingerprint=False), None)
        answer = self._analyse(cached, ahead)
        assert _told(answer) == _told(self._analyse(replace(silent, cache=None), None))
        return answer


def _fill(shelf: ViewShelf, job: jobs.Job) -> None:
    """Keep the view that the job comes to, as an earlier run of it would have."""
    from attribute.cli.run import analyse_and_build
    from attribute.reports.model import View

    try:
        result = analyse_and_build(replace(job, flags=replace(job.flags, quiet=True, no_progress=True)))
    except AttributionError:  # which the run that counts raises again
        return
    shelf.keep(result)
    view = shelf.get(job.asked(), job.rules())
    assert view is None or view == View(**{each.name: getattr(result, each.name) for each in fields(View)})


def _told(analysis: Analysis) -> tuple[object, ...]:
    """All that an analysis says."""
    rollup, verdicts = analysis.rollup, analysis.verdicts.collect()
    return (analysis.account, rollup.counts.rows(), rollup.latency.rows(), verdicts.schema, verdicts.rows())
