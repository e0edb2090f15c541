"""The group of commands: a default command, commands imported when they run, and help that imports none."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from attribute import __version__
from attribute.cli.commands import COMMANDS, DEFAULT, Entry
from attribute.cli.streams import stdin_is_fed, telling_who_left

__all__ = ["LazyGroup", "attribute"]

SHORT_HELP = f"""\
attribute {__version__}: whose failure was it, the vendor's, ours, a bottleneck of ours, or not knowable?

  attribute logs/                     a folder of logs (.gz .zst .bz2 .xz too)
  attribute app.log --since 1h        the last hour
  kubectl logs deploy/api | attribute

`attribute --help` lists commands, options and exit codes.
"""

EPILOG = """\
\b
Examples:
  attribute logs/                             the verdict on a folder of logs
  attribute logs/ --since 02:00 --tz Asia/Seoul
  attribute logs/ -o json | jq .verdict
  attribute logs/ -o text -o csv:incidents.csv
  journalctl -o cat -u api | attribute

\b
Exit codes:
  0 done (failures found in the logs are not an error)   3 a gate failed
  1 a bug of ours                                        4 cannot judge
  2 usage or configuration                               130, 143 signals

A name of the list above is always the command. A folder of that name is
reached as `./NAME` or after `--`.
"""


class LazyGroup(click.Group):
    """
    A group whose commands are imported when they run, with a default command.

    Args:
        table: commands by name.
        default: the command that gets the arguments when the first one names no command.
        **settings: as `click.Group`.
    """

    def __init__(self, *, table: Mapping[str, Entry], default: str, **settings: Any) -> None:  # noqa: ANN401 -- handed on to click as they come
        super().__init__(no_args_is_help=False, **settings)
        self.table = table
        self.default = default

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table, the default first."""
        del ctx
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or nothing where there is none of that name."""
        del ctx
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.target.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 -- handed on to click as it comes
    ) -> click.Context:
        """Parse as click does; `--help` and `--version` write meanwhile, and may find that nobody reads."""
        with telling_who_left():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 -- what the command returns
        """Run the command; a closed pipe is a `ReaderLeft`, which click leaves to whoever called."""
        with telling_who_left():
            return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front, unless a command or an option of the group comes first."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if not args and not ctx.resilient_parsing and not stdin_is_fed():
            click.echo(SHORT_HELP, err=True, nl=False)
            ctx.exit(2)
        if (args and args[0] not in self.table and args[0] not in own) or (not args and not ctx.resilient_parsing):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table alone."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.table.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the epilog flush left, so that its examples keep their columns."""
        del ctx
        if self.epilog:
            formatter.write_paragraph()
            formatter.write(self.epilog.replace("\b\n", ""))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete commands, files, and the options of the group and of the default command."""
        if incomplete.startswith("-"):
            command = self.get_command(ctx, self.default)
            assert command is not None
            with click.Context(command, parent=ctx, info_name=self.default, resilient_parsing=True) as inner:
                options = [*super().shell_complete(ctx, incomplete), *command.shell_complete(inner, incomplete)]
            return list({item.value: item for item in options}.values())
        # bash forgets what came before a "file" item, so it comes first.
        files: list[CompletionItem[str]] = [CompletionItem(incomplete, type="file")]
        return files + [
            CompletionItem(name, help=entry.summary)
            for name, entry in self.table.items()
            if name.startswith(incomplete)
        ]


attribute = LazyGroup(
    name="attribute",
    table=COMMANDS,
    default=DEFAULT,
    help="Tell from structured (M1) logs whose failure it was: the vendor's, the application's, a bottleneck of the "
    "application, or not knowable from the evidence.",
    epilog=EPILOG,
    subcommand_metavar="[COMMAND] [OPTIONS] [PATHS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    options_metavar="",
    params=[
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            help="Show the version and exit.",
            callback=lambda ctx, _parameter, wanted: _show_version(ctx) if wanted else None,
        )
    ],
)


def _show_version(ctx: click.Context) -> None:
    if not ctx.resilient_parsing:
        click.echo(f"attribute {__version__}")
        ctx.exit(0)
