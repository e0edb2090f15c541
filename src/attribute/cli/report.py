"""`attribute report incident` and `attribute report weekly`: pages that people act on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import click

from attribute.cli.options import FILE, AnalysisFlags, reading_options
from attribute.cli.outputs import Output, OutputType, write_output
from attribute.m1.errors import AttributionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from attribute.cli.job import Job
    from attribute.engines.analysis import Analysis
    from attribute.incidents import Incident
    from attribute.reports.model import Result, Verdict
    from attribute.reports.notes import Notes

__all__ = ["report"]

LONG: Final = timedelta(days=1)
"""Of logs over a longer time than this, an incident report tells the time around its incident."""

INCIDENT_EXAMPLES = """\
  attribute report incident logs/ -o html:incident.html
  attribute report incident logs/ --incident V-20261116-1741-1f0c --out reports/
"""
WEEKLY_EXAMPLES = """\
  attribute report weekly logs/ --week 2026-W47 --tz Asia/Seoul --out reports/
"""
EPILOG = f"""\
`attribute report logs/` is short for `attribute report incident logs/`.

\b
Examples:
{INCIDENT_EXAMPLES}{WEEKLY_EXAMPLES}"""


class ReportError(AttributionError):
    """A report that cannot be made as asked."""

    @classmethod
    def no_incident(cls, wanted: str, known: list[str]) -> Self:
        """Return the error of an id that no incident has."""
        hint = f"there are {', '.join(known[:5])}" if known else "no incident was found in these logs"
        return cls(f"no incident `{wanted}`", hint=hint, exit_code=4)

    @classmethod
    def window_and_week(cls) -> Self:
        """Return the error of a weekly report with a window."""
        return cls("a weekly report has its week: `--since`, `--until` and `--window` cannot be used with it")


class _Reports(click.Group):
    """A group whose first argument may be a path: then the report is that of an incident."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `incident` in front of anything that is no command and no help."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["incident", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Reports, help="Write the report of an incident, or of a week.", epilog=EPILOG)
def report() -> None:
    """Hold the two reports together."""


_OUTPUTS = (
    click.option(
        "-o",
        "--output",
        "outputs",
        type=OutputType(),
        multiple=True,
        metavar="FORMAT[:PATH]",
        help="html, markdown, email, slack, json or any other; without it and --out: markdown.",
    ),
    click.option("--out", metavar="FOLDER", type=FILE, help="Write every format there, and the list of its reports."),
    click.option("--notes", metavar="FILE", type=FILE, help="What people wrote; without it NAME.notes.md beside it."),
    click.option("--exit-zero", is_flag=True, help="Exit with 0 where it would be 4."),
)


def _writing(command: Callable[..., int]) -> Callable[..., int]:
    for decorator in reversed(_OUTPUTS):
        command = decorator(command)
    return command


@report.command(
    help="The report of one incident: the one named, or that of the answer.",
    short_help="The report of one incident; what `attribute report logs/` runs.",
    epilog=f"\b\nExamples:\n{INCIDENT_EXAMPLES}",
)
@reading_options
@click.option("--incident", "incident_id", metavar="ID", help="Which; `attribute logs/ -o json` lists them.")
@_writing
def incident(flags: AnalysisFlags, incident_id: str | None, out: str | None, notes: str | None) -> int:
    """Write the report of one incident."""
    from attribute.cli.delivery import exit_code_of
    from attribute.cli.job import prepare
    from attribute.cli.run import read_logs
    from attribute.reports.incident_view import focus_of, incident_document
    from attribute.reports.json_result import write as write_json
    from attribute.reports.notes import INCIDENT_FIELDS
    from attribute.reports.writers import Style

    job = prepare(replace(flags, fingerprint=True), written=(notes,))
    analysis = read_logs(job)
    result, found, whole = _told(job, analysis, incident_id)
    told = focus_of(result, found)
    name = _name(result) if told is None else told.id
    named = () if incident_id is None else ("--incident", incident_id)
    command = job.asked().typed.line("report", "incident", ending=named)
    fields = {} if told is None else INCIDENT_FIELDS
    files = _Files(flags.outputs, out, notes, name)
    written = files.notes(fields, title=f"Notes on {name}")
    document = incident_document(result, incident_id=found, notes=written, command=command, whole=whole)
    files.write(result, _makers(document, json=lambda: write_json(result, Style())), flags)
    return exit_code_of(result, flags)


def _told(job: Job, analysis: Analysis, wanted: str | None) -> tuple[Result, str | None, Verdict | None]:
    """
    Return the result that tells an incident: of all the logs, or of the time around it where they are long.

    With it, the incident's id, and the answer on all the logs where the result is a part of them and the incident is
    not what that answer is about.
    """
    from attribute.cli.run import find_incidents
    from attribute.engines.analysis import Window
    from attribute.reports.incident_view import focus_of, margin_around
    from attribute.reports.narrow import around, narrow, overlapping, time_of
    from attribute.reports.result import build_result

    incidents = find_incidents(job, analysis)

    def build(part: Analysis, found: tuple[Incident, ...], window: Window | None = None) -> Result:
        return build_result(
            part,
            catalogue=job.catalogue,
            thresholds=job.thresholds,
            incidents=found,
            asked=replace(job.asked(), part=window),
        )

    known = time_of(analysis.rollup.counts)
    long = known is not None and known[1] - known[0] > LONG
    whole = build(analysis, incidents)
    if whole.exit_code:
        return whole, None, None
    if wanted is not None and all(each.id != wanted for each in incidents):
        raise ReportError.no_incident(wanted, [each.id for each in incidents])
    told = focus_of(whole, wanted)
    if told is None or not job.window.is_open or not (long or wanted):
        return whole, wanted, None
    since, until = around(told.started_at, told.ended_at, margin_around(told))
    part = narrow(analysis, since, until)
    result = build(part, overlapping(incidents, since, until), Window(since_at=since, until_at=until))
    main = focus_of(whole)
    return result, told.id, None if main is not None and main.id == told.id else whole.verdict


def _name(result: Result) -> str:
    """Return what to call a report without an incident: by its time."""
    from attribute.reports.narrow import time_of

    known = time_of(result.analysis.rollup.counts)
    return "report" if known is None else f"report-{known[0]:%Y%m%d-%H%M}"


@report.command(
    help="The report of one week, from monday to sunday by the clocks of --tz.",
    short_help="The report of one week, from monday to sunday.",
    epilog=f"\b\nExamples:\n{WEEKLY_EXAMPLES}",
)
@reading_options
@click.option("--week", metavar="WEEK", help="Such as 2026-W47; without it, the last one that is over.")
@_writing
def weekly(flags: AnalysisFlags, week: str | None, out: str | None, notes: str | None) -> int:
    """Write the report of one week."""
    from attribute.cli.delivery import exit_code_of
    from attribute.cli.job import prepare
    from attribute.cli.report_files import actions_in, notes_in
    from attribute.cli.run import find_incidents, read_logs
    from attribute.reports.notes import WEEKLY_FIELDS, review_of
    from attribute.reports.weekly import look_at_week
    from attribute.reports.weekly_json import render as weekly_json
    from attribute.reports.weekly_view import weekly_document
    from attribute.reports.weeks import Week

    if flags.since or flags.until or flags.window:
        raise ReportError.window_and_week()
    job = prepare(replace(flags, fingerprint=True), written=(notes,))
    which = Week.last_whole(job.now, zone=job.zone) if week is None else Week.parse(week, zone=job.zone)
    analysis = read_logs(job)
    files = _Files(flags.outputs, out, notes, which.name)
    ours = files.notes(WEEKLY_FIELDS, title=f"Notes on week {which.name}")
    others = None if files.folder is None else notes_in(files.folder)
    told = look_at_week(
        analysis,
        week=which,
        catalogue=job.catalogue,
        thresholds=job.thresholds,
        incidents=find_incidents(job, analysis),
        asked=job.asked(),
        notes=ours,
        actions=actions_in(others or {}),
        reviews=None if others is None else {name: review_of(each) for name, each in others.items()},
    )
    command = job.asked().typed.line("report", "weekly", ending=("--week", which.name))
    document = weekly_document(told, command=command, reports=files.pages())
    files.write(told.result, _makers(document, json=lambda: [weekly_json(told)]), flags)
    return exit_code_of(told.result, flags)


def _makers(document: object, *, json: object) -> Mapping[str, Callable[[], Iterable[bytes]]]:
    from attribute.cli.report_files import render

    return render(document, json=json)  # type: ignore[arg-type]  # imported where they run


class _Files:
    """Where the files of one report go."""

    def __init__(self, outputs: tuple[Output, ...], out: str | None, notes: str | None, name: str) -> None:
        from attribute.cli.report_files import make_folder

        self.outputs = outputs if outputs or out is not None else (Output("markdown"),)
        self.folder = None if out is None else make_folder(out)
        self.name = name
        self._notes = notes

    def notes(self, fields: Mapping[str, str], *, title: str) -> Notes:
        """Return what people wrote; without a place for it, nothing."""
        from attribute.cli.report_files import NOTES, keep_notes
        from attribute.reports.notes import Notes

        place = None if self._notes is None else Path(self._notes)
        if place is None and self.folder is not None:
            place = self.folder / f"{self.name}{NOTES}"
        if place is None:
            pages = [output.path for output in self.outputs if output.format in {"html", "markdown"} and output.path]
            place = Path(pages[0]).with_suffix(NOTES) if pages else None
        return Notes() if place is None or not fields else keep_notes(place, fields, title=title)

    def pages(self) -> frozenset[str]:
        """Return the names of the pages in the folder."""
        return frozenset() if self.folder is None else frozenset(path.name for path in self.folder.glob("*.html"))

    def write(self, result: Result, makers: Mapping[str, Callable[[], Iterable[bytes]]], flags: AnalysisFlags) -> None:
        """Write every file that is wanted, files before stdout."""
        from attribute.cli.report_files import renew_index
        from attribute.cli.style import style_of
        from attribute.reports.shelf import ENDINGS
        from attribute.reports.writers import writer

        if self.folder is not None:
            for format_, ending in ENDINGS.items():
                write_output(makers[format_](), str(self.folder / f"{self.name}{ending}"))
            renew_index(self.folder)
        for output in sorted(self.outputs, key=lambda output: output.path is None):
            make = makers.get(output.format)
            if make is None:
                write_output(
                    writer(output.format)(result, style_of(flags, to_file=output.path is not None)), output.path
                )
            else:
                write_output(make(), output.path)
