"""`attribute gate PATHS`: pass, fail or say that it cannot judge."""

from __future__ import annotations

from dataclasses import dataclass

import click

from attribute.cli.options import FILE, AnalysisFlags, reading_options
from attribute.cli.outputs import OutputType
from attribute.reports.gate_writers import GATE_WRITERS

__all__ = ["gate"]

EPILOG = """\
\b
Examples:
  attribute gate logs/                                 compare with the earlier part of the same logs
  attribute gate today.log --baseline baseline.json
  attribute gate logs/ --check limits --max-unknown-share 5%
  attribute gate logs/ -o text -o github -o junit:gate.xml

\b
Exit codes: 0 passed, 3 failed, 4 cannot judge (see --on-inconclusive), 2 usage.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFlags:
    """What the command line said about the gate; see the options' help."""

    baseline: str | None
    baseline_logs: tuple[str, ...]
    max_unknown_share: str | None
    max_unknown: int | None
    over: str | None
    min_requests: int
    checks: tuple[str, ...]
    on_inconclusive: str | None


@click.command(help="Fail when UNKNOWN is unusually frequent, or a limit is exceeded.", epilog=EPILOG)
@click.option("--baseline", metavar="FILE", type=FILE, help="Compare with this; see `attribute baseline`.")
@click.option("--baseline-logs", metavar="PATH", type=FILE, multiple=True, help="Compare with these logs (repeatable).")
@click.option("--max-unknown-share", metavar="SHARE", help="Greatest share of incident requests UNKNOWN: 5% or 0.05.")
@click.option("--max-unknown", metavar="N", type=click.IntRange(0), help="Greatest count of UNKNOWN requests.")
@click.option("--over", metavar="SPAN", help="These two limits look at the last 24h, 7d; default: everything read.")
@click.option(
    "--min-requests", metavar="N", type=click.IntRange(1), default=10, help="A share is of at least so many; 10."
)
@click.option(
    "--check",
    "checks",
    type=click.Choice(["spike", "coverage", "limits"]),
    multiple=True,
    help="Only this part (repeatable); default: all.",
)
@click.option(
    "--on-inconclusive", type=click.Choice(["fail", "warn", "pass"]), help="Exit with 3, or 0, where it would be 4."
)
@click.option(
    "-o", "--output", "outputs", type=OutputType(GATE_WRITERS), multiple=True, metavar="FORMAT[:PATH]",
    help="Repeatable; default text. Formats: text, json, github, junit, gitlab, sarif, prom, openmetrics.",
)  # fmt: skip
@click.option("-q", "--quiet", count=True, help="The headline only.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colour on the screen.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Names in ASCII alone.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 where it would be 3 or 4.")
@reading_options
def gate(flags: AnalysisFlags, /, **given: object) -> int:
    """Read, judge, write, and return the exit code."""
    from attribute.cli.gate_run import run_gate

    return run_gate(flags, GateFlags(**given))  # type: ignore[arg-type]  # click made each value as declared above
