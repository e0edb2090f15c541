"""What an operator is told where the store did not confirm: where, what was seen, and what to try next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attribute.m1.errors import AttributionError

if TYPE_CHECKING:
    from attribute.ingest.model import StoreError


@contextmanager
def failures_explained(store_url: str) -> Iterator[None]:
    """
    Turn failures of the database, opening it included, into sentences.

    Raises:
        AttributionError: instead of a `StoreError`; the address is named without its password.
    """
    from attribute.ingest.model import StoreError

    try:
        yield
    except StoreError as error:
        message = f"{_address(store_url)}: the store did not confirm: {error}"
        raise AttributionError(message, hint=_hint(error)) from error


def _address(store_url: str) -> str:
    if "://" not in store_url:
        return store_url.removeprefix("sqlite:")
    parts = urlsplit(store_url)
    with suppress(ValueError):  # which is a port that is no number
        if parts.port is not None:
            return f"{parts.scheme}://{parts.hostname or ''}:{parts.port}{parts.path}"
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _hint(error: StoreError) -> str:
    from attribute.ingest.model import CommitInDoubt, StoreBroken, StoreBusy, StoreFull

    match error:
        case StoreBusy():
            return "nothing was left half done; try again when the other one is done"
        case StoreFull():
            return "nothing was left half done; make room on the store's disk and try again"
        case StoreBroken():
            return "stop the service, look at the disk, and restore a backup of the file, without its `-wal` and `-shm`"
        case CommitInDoubt():
            return "it may have been done: look with `attribute ingest status` before you try again"
        case _:
            return "nothing was left half done; try again"


def cannot_write(path: Path, error: OSError) -> AttributionError:
    """Say which output cannot be written."""
    if isinstance(error, FileExistsError):
        return AttributionError(f"{path}: is there already", hint="name a new file; nothing is ever overwritten")
    reason = (error.strerror or "no reason given").lower()
    return AttributionError(f"{path}: cannot be written: {reason}", hint="name a file in a folder you may write to")
