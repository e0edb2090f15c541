"""`attribute [analyze] PATHS`: the main job."""

from __future__ import annotations

import click

from attribute.cli.options import AnalysisFlags, analysis_options

__all__ = ["analyze"]

EPILOG = """\
\b
Examples:
  attribute logs/
  attribute logs/ --since 02:00 --tz Asia/Seoul
  attribute app.log.gz -o json:result.json -o text
  zcat old.gz | attribute -q
"""


@click.command(help="Say whose failures the logs show.", epilog=EPILOG)
@analysis_options
def analyze(flags: AnalysisFlags) -> int:
    """Analyse, write every output, and return the exit code."""
    from attribute.cli.run import analyse_and_build, exit_code_of, write_outputs

    result = analyse_and_build(flags)
    write_outputs(result, flags)
    return exit_code_of(result, flags)
