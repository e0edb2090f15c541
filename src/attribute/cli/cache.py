"""`attribute cache`: what was kept of logs that were read."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from attribute.cache.store import MOST_BYTES, Store, default_folder
from attribute.reports.escape import terminal

__all__ = ["cache"]

NOWHERE = "nothing is kept: there is no home; XDG_CACHE_HOME names another place"


@click.group(help="Show or delete what was kept of logs that were read.")
def cache() -> None:
    """Group what can be done with it."""


@cache.command(help="Say where it lies, how large it is, and what was used when.")
def show() -> None:
    """Print one line per entry, the one used last at the end."""
    folder = default_folder()
    if folder is None:
        click.echo(NOWHERE)
        return
    store = Store(folder=folder)
    entries = store.entries()
    total = sum(entry.size_bytes for entry in entries)
    click.echo(f"{terminal(str(store.folder))}: {len(entries)} entries, {total:,} of at most {MOST_BYTES:,} bytes")
    for entry in entries:
        used = datetime.fromtimestamp(entry.used_s, UTC)
        click.echo(f"{used:%Y-%m-%d %H:%M:%S} UTC  {entry.size_bytes:>14,}  {terminal(entry.name)}")


@cache.command(help="Delete all of it. Nothing is lost but time.")
def clear() -> None:
    """Delete every entry."""
    folder = default_folder()
    removed = 0 if folder is None else Store(folder=folder).clear()
    click.echo(f"{removed} entries deleted")
