"""A rule file as tables that know their lines, and typed values of theirs or an error that names the place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from attribute.rules.errors import Place, RuleFileError, shown
from attribute.rules.locate import Block, entries

MAX_FILE_CHARACTERS: Final = 1_000_000
MAX_ENTRIES: Final = 500
MAX_TEXT: Final = 4_000
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,39}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of the file: its content and its lines."""

    table: Mapping[str, object]
    block: Block
    name: str
    what: str

    @property
    def rule_id(self) -> str:
        """What messages call it."""
        return str(self.table.get("id", self.table.get("reason", "")))

    def place(self, key: str | None = None, value: object = None) -> Place:
        """Return where the table, one of its keys or a value stands."""
        return Place(self.name, self.block.first if key is None else self.block.line_of(key, value))

    def known_keys(self, known: Iterable[str]) -> None:
        """Refuse a key that is not known."""
        known = tuple(known)
        for key in self.table:
            if key not in known:
                raise RuleFileError.unknown_key(self.place(key), self.what, key, known)

    def text(self, key: str, *, required: bool = False) -> str:
        """Return a text, `""` where it is not there, with its white space folded."""
        value = self.table.get(key)
        if value is None:
            if required:
                raise RuleFileError.missing_key(self.place(), self.what, key)
            return ""
        if not isinstance(value, str) or (required and not value.strip()) or len(value) > MAX_TEXT:
            raise RuleFileError.wrong_type(self.place(key), self.what, f"`{key}`", value, f"1 to {MAX_TEXT} characters")
        return " ".join(value.split())

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and len(each) <= MAX_TEXT for each in value):
            raise RuleFileError.wrong_type(self.place(key), self.what, f"`{key}`", value, "a list of texts")
        return tuple(" ".join(each.split()) for each in value)

    def word(self, key: str, known: Callable[[str], T], words: Iterable[str]) -> T:
        """Return a word of a closed list."""
        value = self.table.get(key)
        if value is None:
            raise RuleFileError.missing_key(self.place(), self.what, key)
        words = tuple(words)
        if not isinstance(value, str) or value not in words:
            raise RuleFileError.unknown_word(self.place(key, value), self.what, f"`{key}`", value, words)
        return known(value)


def read_document(text: str, name: str) -> dict[str, object]:
    """Return what TOML makes of *text*."""
    if len(text) > MAX_FILE_CHARACTERS:
        raise RuleFileError.too_large(Place(name, 1), "characters", len(text), MAX_FILE_CHARACTERS)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        at = re.search(r" \(at line (\d+), column \d+\)$", message)
        line = int(at[1]) if at else text.count("\n") + 1
        detail = message[: at.start()] if at else message.removesuffix(" (at end of document)")
        raise RuleFileError.not_toml(Place(name, line), detail[:1].lower() + detail[1:]) from error
    except RecursionError as error:
        raise RuleFileError.not_toml(Place(name, 1), "nested too deeply") from error


def read_version(document: Mapping[str, object], text: str, name: str, keys: tuple[str, ...]) -> str:
    """Return the file's version; the file may have no top-level keys but *keys*."""
    lines = tuple(text.split("\n"))
    top = Entry(document, Block("", 1, lines), name, "the file")
    top.known_keys(keys)
    version = top.text("version", required=True)
    if not _VERSION.fullmatch(version):
        expected = "letters, digits and `_./-`, at most 40, as in `acme/1`"
        raise RuleFileError.wrong_type(top.place("version"), "the file", "`version`", version, expected)
    return version


def read_entries(document: Mapping[str, object], text: str, name: str, key: str) -> tuple[Entry, ...]:
    """Return the tables under `[[key]]`, in order."""
    tables = document.get(key, [])
    top = Block("", 1, tuple(text.split("\n")))
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        place = Place(name, top.line_of(key))
        raise RuleFileError.wrong_type(place, "the file", f"`{key}`", tables, f"tables, each under `[[{key}]]`")
    if len(tables) > MAX_ENTRIES:
        raise RuleFileError.too_large(Place(name, 1), f"`[[{key}]]`", len(tables), MAX_ENTRIES)
    found = entries(text, key)
    if len(found) != len(tables):  # written as an inline list: the place is as good as the whole file
        found = (top,) * len(tables)
    named = zip(tables, found, strict=True)
    return tuple(
        Entry(table, block, name, f"{key} {shown(table.get('id', number))}")
        for number, (table, block) in enumerate(named, 1)
    )
