"""The files of a report: written whole, notes kept, and the list of the folder made anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attribute.cli.outputs import OutputError, write_output
from attribute.reports.notes import Action, Notes, parse_actions, parse_notes, with_blanks
from attribute.reports.shelf import ENDINGS, Entry, entry_of, index

if TYPE_CHECKING:
    from attribute.reports.document import Document

__all__ = ["actions_in", "keep_notes", "make_folder", "notes_in", "render", "renew_index"]

NOTES: Final = ".notes.md"
INDEX: Final = "index.html"
MAX_NOTES_BYTES: Final = 2**20
MAX_JSON_BYTES: Final = 2**26


def make_folder(folder: str) -> Path:
    """
    Return the folder, made where it is not there yet.

    Raises:
        OutputError: it cannot be made.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError.not_writable(folder, error.strerror or str(error)) from error
    return place


def keep_notes(path: Path, fields_: Mapping[str, str], *, title: str) -> Notes:
    """
    Return what people wrote; where the file is not there yet or lacks a heading, add it. Nothing written is touched.

    Raises:
        OutputError: the file cannot be read or written.
    """
    existing = _text(path)
    wanted = with_blanks(existing, fields_, title=title)
    if wanted != existing:
        write_output([wanted.encode(errors="surrogateescape")], str(path))
    return parse_notes(wanted)


def notes_in(folder: Path) -> Mapping[str, Notes]:
    """Return all notes in a folder by the names of their reports, in order of those."""
    paths = sorted(folder.glob(f"*{NOTES}"))
    return {path.name.removesuffix(NOTES): parse_notes(_text(path) or "") for path in paths}


def actions_in(notes: Mapping[str, Notes]) -> tuple[Action, ...]:
    """Return the action items of all *notes*, in their order."""
    return tuple(action for name, each in notes.items() for action in parse_actions(each, source=name))


def _text(path: Path) -> str | None:
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            content = file.read(MAX_NOTES_BYTES + 1)
    except OSError as error:
        raise OutputError.not_writable(str(path), f"it cannot be read: {error.strerror}") from error
    if len(content) > MAX_NOTES_BYTES:
        raise OutputError.not_writable(str(path), f"notes are larger than {MAX_NOTES_BYTES:,} bytes")
    return content.decode(errors="surrogateescape")


def renew_index(folder: Path) -> None:
    """Write the list of the folder's reports, from the JSON beside each page."""
    names = frozenset(entry.name for entry in os.scandir(folder) if entry.is_file())
    entries: list[Entry] = []
    for name in sorted(names):
        path = folder / name
        if name.endswith(".json") and path.stat().st_size <= MAX_JSON_BYTES:
            entry = entry_of(name.removesuffix(".json"), path.read_bytes(), names)
            if entry is not None:
                entries.append(entry)
    write_output([index(entries)], str(folder / INDEX))


def render(document: Document, *, json: Callable[[], Iterable[bytes]]) -> Mapping[str, Callable[[], Iterable[bytes]]]:
    """Return what makes each file of a report, by format."""
    from attribute.reports import email, html, markdown, slack

    makers: dict[str, Callable[[], Iterable[bytes]]] = {
        "html": lambda: [html.render(document)],
        "markdown": lambda: [markdown.render(document)],
        "email": lambda: [email.render(document)],
        "slack": lambda: [slack.render(document)],
        "json": json,
    }
    assert makers.keys() == ENDINGS.keys()
    return makers
