"""`attribute rules`: list, show and check rules, and see what a change would do before it is adopted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from attribute.cli.options import AnalysisFlags, comparing_options
from attribute.m1.errors import AttributionError

if TYPE_CHECKING:
    from attribute.rules.catalogue import Catalogue

__all__ = ["rules"]

RULES_FILE = click.option(
    "--rules", metavar="FILE", type=click.Path(), help="Rules of your own, with the built-in ones."
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="As one JSON object.")


CHECK_EPILOG = """\
\b
Examples:
  attribute rules check acme.toml

A rule file to start from; `attribute rules fields` lists what `when` can test:

\b
  version = "acme/1"

\b
  [[rule]]
  id = "ACME-1"
  class = "application"
  summary = "We send the search more requests than our contract allows."
  when = { upstream_status = [429], upstream = ["search*"] }
  why = "The quota is in our contract, and our client counts it."

\b
  [[rule.example]]
  expect = "match"
  record = { status = 503, upstream_status = 429, upstream = "search-eu" }
"""

DIFF_EPILOG = """\
OLD and NEW are rule files, or `builtin`. Nothing is adopted: put the new file into the configuration (key `rules`) once
its changes are wanted.

\b
Examples:
  attribute rules diff builtin acme.toml logs/
  attribute rules diff acme-1.toml acme-2.toml logs/ --since 7d --json
"""


class RulesError(AttributionError):
    """A rule that is not there, or examples that do not come out."""

    @classmethod
    def no_such_rule(cls, rule_id: str, known: list[str]) -> RulesError:
        """Return the error of an id that no rule has."""
        from difflib import get_close_matches

        close = get_close_matches(rule_id.upper(), known, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(known)}"
        return cls(f"no rule has the id `{rule_id}`", hint=hint)

    @classmethod
    def diff_takes_two(cls) -> RulesError:
        """Return the error of a third set of rules beside the two that are compared."""
        return cls("`rules diff` compares OLD with NEW: `--rules` has no part in it")

    @classmethod
    def examples_fail(cls, failures: int) -> RulesError:
        """Return the error of examples that say something else than their rules."""
        return cls(
            f"{failures} example{'' if failures == 1 else 's'} did not come out as the file says",
            hint="an example is a rule's test: mend the one or the other",
        )


@click.group(help="List, show and check rules, and see what a change of them would do.")
def rules() -> None:
    """Hold the commands about rules."""


def _catalogue(file: str | None) -> Catalogue:
    from attribute.cli.config import load
    from attribute.cli.job import catalogue_of

    return catalogue_of(load(flags={"rules": file}).text("rules"))


@rules.command(
    "list",
    short_help="List the rules in the order in which they are asked.",
    epilog="\b\nExamples:\n  attribute rules list\n  attribute rules list --rules acme.toml --json",
)
@RULES_FILE
@AS_JSON
def list_(*, rules: str | None, as_json: bool) -> None:
    """List the rules in the order in which they are asked; the first match decides."""
    from attribute.reports.rule_pages import list_json, list_text

    catalogue = _catalogue(rules)
    click.echo(list_json(catalogue) if as_json else list_text(catalogue), nl=False)


@rules.command(
    short_help="Show one rule, its reasons and its examples.",
    epilog="\b\nExamples:\n  attribute rules show M1-2\n  attribute rules show ACME-1 --rules acme.toml",
)
@click.argument("rule_id", metavar="ID")
@RULES_FILE
def show(*, rule_id: str, rules: str | None) -> None:
    """Show one rule: what it asks, why, where it is blind, and its examples."""
    from attribute.reports.rule_pages import rule_text

    catalogue = _catalogue(rules)
    rule = catalogue.rule(rule_id) or catalogue.rule(rule_id.upper())
    if rule is None:
        raise RulesError.no_such_rule(rule_id, [rule.id for rule in catalogue.rules])
    click.echo(rule_text(rule, catalogue), nl=False)


@rules.command(short_help="Check a rule file and every example in it.", epilog=CHECK_EPILOG)
@click.argument("file", type=click.Path())
def check(*, file: str) -> None:
    """Check a rule file and every example in it."""
    from attribute.cli.job import catalogue_of
    from attribute.reports.escape import terminal
    from attribute.rules.examples import check_examples

    catalogue = catalogue_of(file)
    failures = check_examples(catalogue)
    for failure in failures:
        click.echo(terminal(str(failure)))
    if failures:
        raise RulesError.examples_fail(len(failures))
    examples = sum(len(rule.examples) for rule in catalogue.rules)
    click.echo(terminal(f"{file}: version {catalogue.version}, {len(catalogue.rules)} rules, {examples} examples: ok"))


@rules.command()
def fields() -> None:
    """List the fields that a rule may test, and for what."""
    from attribute.reports.rule_pages import fields_text

    click.echo(fields_text(), nl=False)


@rules.command(epilog=DIFF_EPILOG, short_help="Show what a change would do to verdicts.")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@comparing_options
@click.option(
    "--examples", type=click.IntRange(0, 100), default=3, show_default=True, help="Requests named per change."
)
@AS_JSON
def diff(flags: AnalysisFlags, *, old: str, new: str, examples: int, as_json: bool) -> None:
    """Show every verdict on the logs that NEW would change, by count and example."""
    from attribute.cli.job import catalogue_of, prepare
    from attribute.cli.outputs import write_output
    from attribute.cli.run import read_logs
    from attribute.frames import REQUESTS
    from attribute.reports.rule_pages import diff_json, diff_text
    from attribute.rules.compile import compile_rules
    from attribute.rules.diff import diff_verdicts

    if flags.rules is not None:
        raise RulesError.diff_takes_two()
    catalogues = [catalogue_of(None if name == "builtin" else name) for name in (old, new)]
    job = prepare(flags)
    # Which requests are incident requests depends on the limits alone, so one reading serves both sides.
    analysis = read_logs(job)  # whose verdicts are valid as long as it lives
    requests = analysis.verdicts.select(REQUESTS.names())
    said = [
        requests.with_columns(*compile_rules(catalogue, job.thresholds).verdict)
        .select("request_id", "function", "at", "class", "rule", "reason")
        .collect(engine="streaming")
        for catalogue in catalogues
    ]
    difference = diff_verdicts(said[0], said[1], examples=examples)
    text = diff_json(difference, *catalogues) if as_json else diff_text(difference, *catalogues, zone=job.zone)
    write_output([text.encode()], None)
