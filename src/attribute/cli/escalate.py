"""`attribute escalate INCIDENT PATHS`: the package for the vendor's support."""

from __future__ import annotations

from dataclasses import replace

import click

from attribute.cli.options import FILE, AnalysisFlags, reading_options

__all__ = ["escalate"]

EPILOG = """\
\b
Two files appear: INCIDENT.md, the message, and INCIDENT.zip, the evidence with
a manifest of hashes. They hold request ids, times, the names of functions and
upstreams, statuses and latencies, and nothing else of the logs.

\b
Examples:
  attribute escalate V-20261116-1741-1f0c logs/ --out escalation/
"""


@click.command(help="Make the package for the vendor's support: a message, and a zip of evidence.", epilog=EPILOG)
@click.argument("incident_id", metavar="INCIDENT")
@reading_options
@click.option("--out", metavar="FOLDER", type=FILE, default=".", show_default=True, help="Where the files go.")
@click.option("--upstream", metavar="NAME", help="Which vendor, where the incident concerns several.")
@click.option(
    "--max-requests",
    type=click.IntRange(1, 1_000_000),
    default=10_000,
    show_default=True,
    help="List so many requests.",
)
def escalate(flags: AnalysisFlags, incident_id: str, out: str, upstream: str | None, max_requests: int) -> None:
    """Write the message and the archive."""
    from attribute.cli.job import check_first, prepare
    from attribute.cli.outputs import write_output
    from attribute.cli.report_files import make_folder
    from attribute.cli.run import find_incidents, read_logs
    from attribute.reports.escalate import EscalationError, package
    from attribute.reports.escape import terminal
    from attribute.reports.result import build_result

    check_first(incident_id, "INCIDENT", "escalate", paths=flags.paths)
    job = prepare(replace(flags, fingerprint=True))
    analysis = read_logs(job)
    incidents = find_incidents(job, analysis)
    result = build_result(
        analysis, catalogue=job.catalogue, thresholds=job.thresholds, incidents=incidents, asked=job.asked()
    )
    if result.exit_code:
        raise EscalationError.cannot_judge(result.verdict)
    incident = next((each for each in incidents if each.id == incident_id), None)
    if incident is None:
        raise EscalationError.no_incident(incident_id, [each.id for each in incidents])
    made = package(result, incident, upstream=upstream, max_requests=max_requests)
    folder = make_folder(out)
    for path, content in ((folder / f"{made.name}.md", made.message), (folder / f"{made.name}.zip", made.archive)):
        write_output([content], str(path))
        click.echo(terminal(str(path)))
