"""From what the command line said to the gate's answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from attribute import __version__
from attribute.cli.baseline_files import mark_of, read_baseline
from attribute.cli.gate import GateFlags
from attribute.cli.gate_config import hours_of, limits_of, share_of
from attribute.cli.gate_outputs import check_gate_outputs, write_gate
from attribute.cli.job import Job, check_paths, prepare
from attribute.cli.options import AnalysisFlags
from attribute.cli.outputs import Output, paths_of, spare_what_is_read
from attribute.cli.run import read_logs
from attribute.cli.style import style_of
from attribute.engines.analysis import InputAccount, Window
from attribute.engines.choose import analyse
from attribute.gate import Baseline, Check, GateSettings, Limit, NoData, State, gate
from attribute.gate.baseline import build, merge
from attribute.m1.errors import AttributionError
from attribute.reports.gate_view import GateView, Name, Phrase, build_view
from attribute.reports.wording import plural
from attribute.rules.words import Class

__all__ = ["run_gate"]


class GateUsageError(AttributionError):
    """Flags of the gate that make no sense together."""

    @classmethod
    def no_limits(cls) -> Self:
        """Return the error of asking for limits where there are none."""
        return cls(
            "`--check limits` and nothing else, but no limit is set: nothing would be judged",
            hint="give --max-unknown-share 5%, or a [[gate]] table in the configuration",
        )

    @classmethod
    def limits_left_out(cls) -> Self:
        """Return the error of limits that would not be looked at."""
        return cls("a limit is given, but `--check` leaves limits out", hint="add --check limits")

    @classmethod
    def over_without_limit(cls) -> Self:
        """Return the error of a span for nothing."""
        return cls("`--over` is for --max-unknown-share and --max-unknown, and neither is given")


def run_gate(flags: AnalysisFlags, given: GateFlags) -> int:
    """
    Read the logs, judge them, write every output.

    Returns:
        The exit code.

    Raises:
        AttributionError: a flag, setting, path or baseline cannot be used.
    """
    outputs = flags.outputs or (Output("text"),)
    check_gate_outputs(outputs)
    job = prepare(replace(flags, outputs=()), written=paths_of(outputs))  # the formats of the gate are its own
    spare_what_is_read(
        [path for path in (*paths_of(outputs), flags.rejects) if path is not None],
        logs=given.baseline_logs,
        others=(given.baseline,),
        exclude=job.config.texts("exclude"),
    )
    checks = frozenset(Check(name) for name in given.checks) or frozenset(Check)
    limits = _limits(given, job, checks)
    check_paths(given.baseline_logs)
    baseline = _given_baseline(given, job)
    analysis = read_logs(job)
    until = job.window.until_at
    result = gate(
        analysis.rollup.counts,
        now=job.now if until is None else min(job.now, until),
        baseline=baseline,
        rules=mark_of(job),
        limits=limits,
        settings=GateSettings(checks=checks),
        rejected=analysis.account.rejected,
        records=analysis.account.records,
        as_of=flags.now is not None or until is not None,
        incomplete=flags.strict and bool(analysis.account.incomplete_files),
    )
    view = build_view(
        result,
        zone=job.zone,
        on_inconclusive=NoData(given.on_inconclusive or "inconclusive"),
        config=_config_name(job),
        tool_version=__version__,
        rules_version=job.catalogue.version,
        rules_sha256=job.catalogue.sha256,
        baseline_name=given.baseline or (given.baseline_logs[0] if given.baseline_logs else None),
        notes=tuple(_notes(analysis.account)),
    )
    write_gate(view, outputs, style_of(flags))
    return _exit_code(view, exit_zero=flags.exit_zero)


def _exit_code(view: GateView, *, exit_zero: bool) -> int:
    return 0 if exit_zero and view.state is not State.PASS else view.exit_code


def _limits(given: GateFlags, job: Job, checks: frozenset[Check]) -> tuple[Limit, ...]:
    own: list[Limit] = []
    over = None if given.over is None else hours_of("--over", given.over)
    if given.max_unknown_share is not None:
        share = share_of("--max-unknown-share", given.max_unknown_share)
        own.append(
            Limit(
                name="max-unknown-share",
                class_=Class.UNKNOWN,
                max_share=share,
                min_requests=given.min_requests,
                over_hours=over,
            )
        )
    if given.max_unknown is not None:
        own.append(Limit(name="max-unknown", class_=Class.UNKNOWN, max_count=given.max_unknown, over_hours=over))
    if over is not None and not own:
        raise GateUsageError.over_without_limit()
    if own and Check.LIMITS not in checks:
        raise GateUsageError.limits_left_out()
    limits = (*own, *limits_of(job.config.gates, job.config.path, flags={limit.name for limit in own}))
    if checks == {Check.LIMITS} and not limits:
        raise GateUsageError.no_limits()
    return limits


def _given_baseline(given: GateFlags, job: Job) -> Baseline | None:
    """Return the baseline that was named, of a file, of logs, or of both together."""
    parts: list[Baseline] = []
    if given.baseline is not None:
        parts.append(read_baseline(given.baseline))
    if given.baseline_logs:
        options = replace(job.options(), paths=given.baseline_logs, window=Window())
        parts.append(build(analyse(options, job.engine).rollup.counts, rules=mark_of(job)))
    if len(parts) < 2:
        return parts[0] if parts else None
    if parts[0].rules != parts[1].rules:
        return parts[0]  # the gate says that it cannot be compared
    return merge(parts)


def _config_name(job: Job) -> str | None:
    """Return the configuration file as a name inside the repository, where it lies below the current folder."""
    if job.config.path is None:
        return None
    relative = os.path.relpath(job.config.path)
    return job.config.path.name if relative.startswith("..") else Path(relative).as_posix()


def _notes(account: InputAccount) -> Iterator[Phrase]:
    if account.not_m1:
        yield (f"{plural(account.not_m1, 'line')} not M1, passed over",)
    for note in account.incomplete_files[:5]:
        yield ("read only in part: `", Name(note.file), "`: ", Name(note.reason))
    if account.skipped_files:
        yield (f"{plural(len(account.skipped_files), 'file')} passed over",)
