"""`attribute baseline`: build, show and check what the gate compares with."""

from __future__ import annotations

import click

from attribute.cli.options import FILE, AnalysisFlags, reading_options

__all__ = ["baseline"]

EPILOG = """\
\b
Examples:
  attribute baseline build logs/ -o baseline.json
  attribute baseline build today/ --merge baseline.json -o next.json
  attribute baseline show baseline.json
  attribute baseline check baseline.json
"""


@click.group(
    help="Build, show and check what the gate compares with.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
def baseline() -> None:
    """A baseline is never changed or adopted by a gate: only these commands write one."""


@baseline.command(help="Count logs into a baseline, and add other baselines to it.")
@click.option("-o", "--output", required=True, metavar="FILE", type=FILE, help="The baseline to write.")
@click.option("--merge", metavar="FILE", type=FILE, multiple=True, help="Add this baseline (repeatable).")
@click.option("--replace", "replace_file", is_flag=True, help="Replace FILE, if it is there.")
@reading_options
def build(flags: AnalysisFlags, output: str, merge: tuple[str, ...], *, replace_file: bool) -> int:
    """Write a baseline, and say what is in it."""
    from attribute.cli.baseline_run import run_build

    return run_build(flags, output, merge, replace_file=replace_file)


@baseline.command(help="Say what is in a baseline, and which of its days are left out.")
@click.argument("file", type=FILE)
def show(file: str) -> int:
    """Print what is in a baseline."""
    from attribute.cli.baseline_run import run_show

    return run_show(file)


@baseline.command(help="Exit with 0 where the gate could use a baseline, with 4 where not.")
@click.argument("file", type=FILE)
@click.option("--max-age", metavar="DAYS", type=click.IntRange(1), help="It must not end longer ago.")
@click.option("--rules", metavar="FILE", type=FILE, help="Rules of your own, with the built-in ones.")
@click.option("--config", metavar="FILE", type=FILE, help="Read this configuration file and no other.")
@click.option("--isolated", is_flag=True, help="Read no configuration file.")
@click.option("--now", metavar="TIME", help="Take this as the current time.")
def check(
    file: str, *, max_age: int | None, rules: str | None, config: str | None, isolated: bool, now: str | None
) -> int:
    """Say whether the gate could use a baseline."""
    from attribute.cli.baseline_run import run_check

    return run_check(AnalysisFlags(rules=rules, config=config, isolated=isolated, now=now), file, max_age)
