"""What `--help` says can be typed, is read in full, and holds whole files that are taken as they stand."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from attribute.cli.group import attribute
from attribute.ingest.faults import Fault, FaultKind
from attribute.ingest.faults import parse as parse_faults
from attribute.ingest.plans.input import read_rows, read_rule
from attribute.rules.catalogue import parse as parse_rules
from attribute.rules.examples import check_examples
from tests.docs.test_commands import commands, every_path_is_there, parse

__all__ = ["every_path_is_there"]  # a fixture, found by its name


def tree(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below *command*, by the words that are typed for it."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from tree(found, (*path, name))


ALL = dict(tree(attribute))


def help_of(*path: str) -> str:
    """The help of a command as it is printed."""
    return ALL[path].get_help(click.Context(ALL[path], info_name=" ".join(("attribute", *path))))


def block(text: str, first: str) -> str:
    """The indented block of a help that begins with *first*, to its end."""
    lines = textwrap.dedent(text[text.index(f"\n    {first}") :]).strip().splitlines()
    return "\n".join(lines)


@pytest.mark.parametrize("path", [path for path in ALL if isinstance(ALL[path], click.Group)], ids=" ".join)
def test_help_of_a_group_says_each_command_in_full(path: tuple[str, ...]) -> None:
    """A summary that is cut off leaves out what tells two commands apart."""
    assert [
        line for line in help_of(*path).splitlines() if line.endswith("...") and not line.startswith("Usage:")
    ] == []


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in ALL
        if path[:1] in {("rules",), ("report",), ("ingest",)} and not isinstance(ALL[path], click.Group)
    ],
    ids=" ".join,
)
def test_help_of_a_command_shows_how_it_is_typed(path: tuple[str, ...], every_path_is_there: None) -> None:
    """An example stands for what options alone do not tell, and is taken as it stands."""
    lines = re.findall(r"^ +(attribute .*)$", help_of(*path), re.MULTILINE)
    if path == ("rules", "fields"):
        assert lines == []  # there is nothing to type but its name
        return
    assert lines != []
    for line in lines:
        for words in commands(line):
            parse(words)
            assert words[: len(path)] == list(path)


def test_help_of_rules_check_holds_a_rule_file_that_is_taken() -> None:
    """Who has only the installed package gets from the help what the pages show."""
    catalogue = parse_rules(block(help_of("rules", "check"), "version ="), name="help")
    assert catalogue.version == "m1/1+acme/1"
    assert catalogue.rule("ACME-1") is not None
    assert check_examples(catalogue) == ()


def test_help_of_plans_holds_files_that_are_taken(tmp_path: Path) -> None:
    """The line of rows and the file of weights are whole."""
    (tmp_path / "weights.toml").write_text(block(help_of("ingest", "plan", "rule"), "[default]"))
    default, by_source = read_rule(tmp_path / "weights.toml")
    assert by_source.keys() == {"codex"}
    assert default != by_source["codex"]
    for name in ("backfill", "correct"):
        (tmp_path / "rows.jsonl").write_text(block(help_of("ingest", "plan", name), "{").replace("\n", ""))
        assert len(list(read_rows(tmp_path / "rows.jsonl"))) == 1


def test_help_of_the_vendor_holds_a_schedule_that_is_taken() -> None:
    """A fault can be written down without the pages at hand."""
    found = parse_faults(tomllib.loads(block(help_of("ingest", "vendor"), "[[fault]]")), place="help")
    assert found == (Fault(kind=FaultKind.STATUS, status=503, first=10, last=19),)
