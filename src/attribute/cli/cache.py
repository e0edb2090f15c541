"""`attribute cache`: what was kept of logs that were read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import click

from attribute.cache.store import MOST_BYTES, Store, Swept, default_folder
from attribute.m1.errors import AttributionError
from attribute.reports.escape import terminal

__all__ = ["cache"]

NOWHERE = "nothing is kept: there is no home; XDG_CACHE_HOME names another place"


class CacheError(AttributionError):
    """Something that cannot be done with what is kept."""

    @classmethod
    def left_over(cls, folder: Path, count: int, reason: str) -> Self:
        """Return the error of entries that are still there after all were to be deleted."""
        hint = "make the folder writable, or have XDG_CACHE_HOME name another one"
        if not count:
            return cls(f"{folder} cannot be searched for entries: {reason}", hint=hint)
        what = "1 entry is" if count == 1 else f"{count:,} entries are"
        return cls(f"{what} still in {folder}: {reason}", hint=hint)


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
    if (why := store.why_unused()) is not None:
        click.echo(
            f"not used: {why}; make the folder yours alone (`chmod 700`), or have XDG_CACHE_HOME name another one"
        )
    for entry in entries:
        used = datetime.fromtimestamp(entry.used_s, UTC)
        click.echo(f"{used:%Y-%m-%d %H:%M:%S} UTC  {entry.size_bytes:>14,}  {terminal(entry.name)}")


@cache.command(help="Delete all of it. Nothing is lost but time.")
def clear() -> None:
    """Delete every entry."""
    folder = default_folder()
    swept = Swept(removed=0, left=0, reason=None) if folder is None else Store(folder=folder).sweep()
    click.echo(f"{swept.removed} entries deleted")
    if folder is not None and swept.reason is not None:
        raise CacheError.left_over(folder, swept.left, swept.reason)
