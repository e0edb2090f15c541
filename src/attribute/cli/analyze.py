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
    from attribute.cli.delivery import exit_code_of, write_outputs
    from attribute.cli.head_start import head_start_of
    from attribute.cli.job import prepare
    from attribute.cli.kept_view import shelf_of

    job = prepare(flags)
    shelf = shelf_of(job)
    view = None if shelf is None else shelf.get(job.asked(), job.rules())
    if view is None:
        ahead = head_start_of(job)
        from attribute.cli.run import analyse_and_build  # loads polars

        result = analyse_and_build(job, ahead)
        view = result
        if shelf is not None:
            shelf.keep(result)
    write_outputs(view, flags)
    return exit_code_of(view, flags)
