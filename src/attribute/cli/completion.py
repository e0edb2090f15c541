"""`attribute completion SHELL`: the script that a shell loads."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]

SHELLS: Final = ("bash", "zsh", "fish", "powershell")
VARIABLE: Final = "_ATTRIBUTE_COMPLETE"

EPILOG: Final = """\
\b
bash        attribute completion bash > ~/.local/share/bash-completion/completions/attribute
zsh         attribute completion zsh > "${fpath[1]}/_attribute"
fish        attribute completion fish > ~/.config/fish/completions/attribute.fish
powershell  attribute completion powershell >> $PROFILE
"""


@click.command(help="Print the completion script for a shell.", epilog=EPILOG)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script; it asks `attribute` itself, so it never goes stale."""
    made = get_completion_class(shell)
    assert made is not None
    script = made(context.find_root().command, {}, "attribute", VARIABLE)
    # The bash class asks the installed bash for its version in `source()`; printing a text needs no bash.
    click.echo(script.source_template % script.source_vars(), nl=False)
