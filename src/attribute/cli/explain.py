"""`attribute explain WHAT PATHS`: why a request has its verdict, or what sets a class or an incident apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Self

import click

from attribute.cli.options import AnalysisFlags, looking_options
from attribute.m1.errors import AttributionError

if TYPE_CHECKING:
    import polars as pl

    from attribute.cli.job import Job
    from attribute.incidents import Incident

__all__ = ["explain"]

EPILOG = """\
\b
WHAT is one of
  a request id    every record of it, each rule's answer, and what to log
  a class         vendor, application, application-bottleneck, UNKNOWN:
                  what its requests have more often than healthy ones
  an incident id  the same for one incident, against what was before it

\b
Examples:
  attribute explain 4f1c-77 logs/
  attribute explain vendor logs/ --since 02:41
  attribute explain V-20261116-0241-1f0c logs/ -o json
"""

_INCIDENT: Final = re.compile(r"[VABU]-\d{8}-\d{4}-[0-9a-f]{4}")
_CLASSES: Final = {
    "vendor": "vendor",
    "application": "application",
    "application-bottleneck": "application-bottleneck",
    "bottleneck": "application-bottleneck",
    "unknown": "UNKNOWN",
}
ENOUGH_BEFORE: Final = 200
"""With fewer requests before an incident, it is held against the healthy ones of the same logs."""


class NothingToExplainError(AttributionError):
    """There is no such request or incident in the logs."""

    @classmethod
    def no_request(cls, request_id: str, known: tuple[str, ...]) -> Self:
        """Return the error of an id that no record has."""
        hint = f"incidents here: {', '.join(known[:5])}" if known else "`attribute PATHS -o verdicts` lists the ids"
        return cls(f"no record has the request id `{request_id}`", hint=hint, exit_code=4)

    @classmethod
    def empty_class(cls, class_: str) -> Self:
        """Return the error of a class without requests."""
        return cls(f"no request is of class {class_} in these logs and this window", exit_code=4)


@click.command(
    help="Say why a request has its verdict, or what sets a class or an incident apart.",
    epilog=EPILOG,
    short_help="Say why.",
)
@click.argument("what")
@looking_options
@click.option("-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", help="How to say it.")
def explain(flags: AnalysisFlags, what: str, form: str) -> None:
    """Explain one thing."""
    from attribute.cli.job import check_first, prepare
    from attribute.cli.run import find_incidents, read_logs

    check_first(what, "WHAT", "explain", paths=flags.paths)
    job = prepare(flags)
    class_ = _CLASSES.get(what.casefold())
    if class_ is None and not _INCIDENT.fullmatch(what):
        _explain_request(job, what, form, known=())
        return
    analysis = read_logs(job)
    counts = analysis.rollup.counts
    if class_ is not None:
        _explain_class(job, class_, counts, form)
        return
    incidents = find_incidents(job, analysis)
    incident = next((incident for incident in incidents if incident.id == what), None)
    if incident is None:
        _explain_request(job, what, form, known=tuple(incident.id for incident in incidents))
    else:
        _explain_incident(job, incident, counts, form)


def _explain_request(job: Job, request_id: str, form: str, *, known: tuple[str, ...]) -> None:
    from attribute.cli.outputs import write_output
    from attribute.cli.style import style_of
    from attribute.engines.choose import records_of
    from attribute.explain import explain_request
    from attribute.reports.explained import request_json, request_text

    records = records_of(request_id, job.options(), job.engine)
    if records.is_empty():
        raise NothingToExplainError.no_request(request_id, known)
    explanation = explain_request(records, job.catalogue, job.thresholds)
    if form == "json":
        write_output([request_json(explanation)], None)
    else:
        write_output(request_text(explanation, style_of(job.flags), job.zone), None)


def _explain_class(job: Job, class_: str, counts: pl.DataFrame, form: str) -> None:
    import polars as pl

    from attribute.rules.words import NO_CLASS

    selected = counts.filter(pl.col("class") == class_)
    if selected.is_empty():
        raise NothingToExplainError.empty_class(class_)
    _compare(job, class_, selected, counts.filter(pl.col("class") == NO_CLASS), against="healthy requests", form=form)


def _explain_incident(job: Job, incident: Incident, counts: pl.DataFrame, form: str) -> None:
    import polars as pl

    from attribute.incidents import belongs
    from attribute.rules.words import NO_CLASS

    selected = counts.filter(belongs(incident))
    before = counts.filter(pl.col("minute") < incident.started_at)
    against = "requests before it"
    if before["requests"].sum() < ENOUGH_BEFORE:
        before, against = counts.filter(pl.col("class") == NO_CLASS), "healthy requests"
    _compare(job, incident.id, selected, before, against=against, form=form)


def _compare(job: Job, what: str, selected: pl.DataFrame, baseline: pl.DataFrame, *, against: str, form: str) -> None:
    from attribute.cli.outputs import write_output
    from attribute.cli.style import style_of
    from attribute.lift import over_represented
    from attribute.reports.explained import lift_json, lift_text
    from attribute.reports.wording import plural

    rows = over_represented(selected, baseline)
    requests, others = int(selected["requests"].sum()), int(baseline["requests"].sum())
    if form == "json":
        document = lift_json(rows, selection=what, against=against, requests=requests, baseline=others)
        write_output([document], None)
        return
    write_output(
        lift_text(
            rows,
            title=f"{what}: what is over-represented in {plural(requests, 'request')}",
            against=f"{others:,} {against}",
            style=style_of(job.flags),
        ),
        None,
    )
