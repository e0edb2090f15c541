"""What the commands of `attribute baseline` do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Self

import click

from attribute.cli.baseline_files import mark_of, read_baseline
from attribute.cli.job import prepare
from attribute.cli.options import AnalysisFlags
from attribute.cli.outputs import write_output
from attribute.cli.run import read_logs
from attribute.cli.streams import reader_may_leave
from attribute.gate import Baseline, GateSettings
from attribute.gate import baseline as files
from attribute.gate.expect import LeftOut, expect
from attribute.gate.stored import BaselineError
from attribute.gate.usual_coverage import expect_coverage
from attribute.m1.errors import AttributionError
from attribute.reports.escape import terminal
from attribute.reports.wording import plural

__all__ = ["run_build", "run_check", "run_show"]


class BuildError(AttributionError):
    """A baseline that cannot be built as asked."""

    @classmethod
    def there_already(cls, path: str) -> Self:
        """Return the error of a file that would be lost."""
        return cls(f"`{path}` is there already", hint="--replace replaces it; a baseline is never adopted unasked")

    @classmethod
    def nothing_timed(cls, untimed: int) -> Self:
        """Return the error of logs that say nothing about time."""
        why = f"{plural(untimed, 'request')} without a time" if untimed else "no requests"
        return cls(f"nothing to build a baseline of: the logs hold {why}", exit_code=4)


def run_build(flags: AnalysisFlags, output: str, merged: tuple[str, ...], *, replace_file: bool) -> int:
    """
    Count logs into a baseline, and write it.

    Raises:
        AttributionError: the file is there already, nothing has a time, or other baselines hold verdicts of other
            rules.
    """
    if not replace_file and os.path.lexists(output):
        raise BuildError.there_already(output)
    job = prepare(flags, written=(output,))
    parts = [read_baseline(path) for path in merged]
    for path, part in zip(merged, parts, strict=True):
        if part.rules != mark_of(job):
            raise BaselineError.rules_differ("the logs", path)
    analysis = read_logs(job)
    built = files.merge([files.build(analysis.rollup.counts, rules=mark_of(job)), *parts])
    if not built.days:
        raise BuildError.nothing_timed(analysis.account.untimed)
    write_output([files.to_bytes(built)], output)
    click.echo(f"wrote      {terminal(output)}")
    _say(_described(built))
    return 0


def run_show(path: str) -> int:
    """Print what is in a baseline."""
    _say(_described(read_baseline(path)))
    return 0


def run_check(flags: AnalysisFlags, path: str, max_age: int | None) -> int:
    """Say whether the gate could use a baseline; 4 where not."""
    job = prepare(replace(flags, paths=("-",)))  # no logs are read: rules and limits are all that is asked
    found = read_baseline(path)
    problems = list(_problems(found, rules_fit=found.rules == mark_of(job), now=job.now, max_age=max_age))
    with reader_may_leave():
        _say(_described(found))
        _say([f"problem    {problem}" for problem in problems] or ["usable     yes"])
    return 4 if problems else 0


def _problems(found: Baseline, *, rules_fit: bool, now: datetime, max_age: int | None) -> Iterator[str]:
    needed = GateSettings().min_baseline_days
    if not rules_fit:
        yield "it holds verdicts of other rules or thresholds: build it anew"
    if len(found.days) < needed:
        yield f"it has {plural(len(found.days), 'day')}, {needed} are needed"
    bad_days = {one.day for one in _left_out(found) if one.function is None}
    if len(found.days) >= needed > len(found.days) - len(bad_days):
        yield f"only {plural(len(found.days) - len(bad_days), 'day')} would not have failed, {needed} are needed"
    today = int(now.astimezone(UTC).timestamp() // 86400)
    if found.days and max_age is not None and today - found.days[-1] > max_age:
        yield f"it ends {plural(today - found.days[-1], 'day')} ago, at most {max_age} are allowed"
    if found.days and found.days[-1] > today:
        yield f"it ends on {files.day_name(found.days[-1])}, after now"


def _left_out(found: Baseline) -> tuple[LeftOut, ...]:
    """Return the days that would have failed, among those that a gate run right after the last one would look at."""
    if not found.days:
        return ()
    end = (found.days[-1] + 1) * 24
    settings = GateSettings()
    spikes = expect(found, end_hour=end, settings=settings).left_out
    _, coverage = expect_coverage(found, end_hour=end, settings=settings)
    return tuple(sorted({*spikes, *coverage}, key=lambda one: (one.day, one.check, one.function or "")))


def _described(found: Baseline) -> Iterator[str]:
    days = found.days
    yield f"days       {plural(len(days), 'day')}" + (
        f", {files.day_name(days[0])} to {files.day_name(days[-1])}{_gaps(days)}" if days else ""
    )
    yield f"requests   {found.requests:,} of {plural(len(found.functions), 'function')}"
    if found.rules is not None:
        yield f"rules      {terminal(found.rules.version)} {terminal(found.rules.sha256[:12])}"
    left_out = _left_out(found)
    if not left_out:
        yield "left out   no day: none would have failed"
    for day, ones in groupby(left_out, key=lambda one: one.day):
        whose = ", ".join(f"{one.check} of {'all' if one.function is None else terminal(one.function)}" for one in ones)
        yield f"left out   {day}, which would have failed: {whose}"


def _gaps(days: list[int]) -> str:
    missing = days[-1] - days[0] + 1 - len(days)
    return f", {plural(missing, 'day')} between without requests" if missing else ""


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
