"""`attribute calibrate PATHS`: limits per function, proposed from logs and adopted by nobody but you."""

from __future__ import annotations

import click

from attribute.cli.options import AnalysisFlags, reading_options

__all__ = ["calibrate"]

EPILOG = """\
Limits are twice the function's 99th percentile, at least the configured one, rounded to 1, 2 or 5 times a power of
ten. Run it over days that were normal, read what it prints, and put it into attribute.toml.

\b
Example:
  attribute calibrate logs/ --since 14d > limits.toml
"""


@click.command(help="Propose from logs when a request of each function is slow.", epilog=EPILOG)
@reading_options
@click.option(
    "--min-requests",
    type=click.IntRange(1),
    default=None,
    help="Functions with fewer requests keep the common limit.  [default: 1000]",
)
def calibrate(flags: AnalysisFlags, *, min_requests: int | None) -> int:
    """Print the proposal as configuration."""
    from attribute.calibrate import MINIMUM_REQUESTS
    from attribute.calibrate import calibrate as propose
    from attribute.cli.job import prepare
    from attribute.cli.outputs import write_output
    from attribute.cli.run import read_logs

    job = prepare(flags)
    latency = read_logs(job).rollup.latency
    proposal = propose(latency, default=job.thresholds.default, minimum_requests=min_requests or MINIMUM_REQUESTS)
    write_output([proposal.to_toml().encode()], None)
    if not proposal.functions:
        click.echo("attribute: cannot judge: no request was found", err=True)
        return 4
    return 0
