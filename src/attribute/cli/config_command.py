"""`attribute config show`: every setting and where it comes from."""

from __future__ import annotations

import json

import click

from attribute.cli.config import Config, load
from attribute.cli.settings import SETTINGS, Value
from attribute.reports.escape import terminal

__all__ = ["config"]


@click.group(help="Show every setting and where it comes from.")
def config() -> None:
    """Hold the commands about settings."""


@config.command(
    epilog="The closest file wins, and files are never merged: --config, $ATTRIBUTE_CONFIG, then attribute.toml, "
    ".attribute.toml or a pyproject.toml with [tool.attribute] from here up to the repository's root, then the user's "
    "own and the system's. A flag wins over ATTRIBUTE_NAME in the environment, that over the file."
)
@click.option("--config", "file", metavar="FILE", help="Read this configuration file and no other.")
@click.option("--isolated", is_flag=True, help="Read no configuration file.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def show(*, file: str | None, isolated: bool, as_json: bool) -> None:
    """Print each setting with its value and origin."""
    found = load(file=file, isolated=isolated)
    click.echo(_as_json(found) if as_json else _as_text(found), nl=False)


def _rows(found: Config) -> list[tuple[str, Value, str]]:
    rows: list[tuple[str, Value, str]] = [
        (name, found.settings[name].value, found.settings[name].origin) for name in SETTINGS
    ]
    origin = f"file: {found.path}"
    for function, limits in found.functions.items():
        rows += [(f"functions.{function}.{key}", value, origin) for key, value in limits.items()]
    for name, said in found.goals.items():
        rows += [(f"goals.{name}.{key}", value, origin) for key, value in said.items()]
    rows += [(f"runbook.{key}", text, origin) for key, text in found.runbook.items()]
    if found.gates:
        rows.append(("gate", f"{len(found.gates)} table{'' if len(found.gates) == 1 else 's'}", origin))
    return rows


def _as_text(found: Config) -> str:
    rows = [(terminal(name), terminal(_shown(value)), terminal(origin)) for name, value, origin in _rows(found)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"file  {terminal(str(found.path)) if found.path else 'none found'}", ""]
    lines += [f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for name, value, origin in rows]
    return "\n".join(lines) + "\n"


def _shown(value: Value) -> str:
    if value is None:
        return "-"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | tuple) else f"{value:g}"


def _as_json(found: Config) -> str:
    document = {
        "schema": "attribute.config/1",
        "file": None if found.path is None else str(found.path),
        "settings": {name: {"value": value, "origin": origin} for name, value, origin in _rows(found)},
    }
    return json.dumps(document, indent=2) + "\n"
