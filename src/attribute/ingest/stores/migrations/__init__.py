"""
Numbered, checksummed migrations: one file per step and database, shipped beside this module.

Each is applied in one transaction together with its row in ``migration``; a file that was applied once may never
change, and a database with steps that we do not know is not opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Literal

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

MIGRATION_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
  number        INTEGER PRIMARY KEY,
  name          TEXT NOT NULL,
  sha256        TEXT NOT NULL,
  applied_at_us BIGINT NOT NULL
)
"""
APPLIED = "SELECT number, sha256 FROM migration ORDER BY number"
RECORD = "INSERT INTO migration (number, name, sha256, applied_at_us) VALUES (:number, :name, :sha256, :at_us)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step; `number` counts from 1 without gaps."""

    number: int
    name: str
    text: str
    sha256: str


def shipped(database: Literal["sqlite", "postgres"]) -> tuple[Migration, ...]:
    """Every step for one database, in order."""
    found = []
    for file in (files(__package__) / database).iterdir():
        match = _FILE.fullmatch(file.name)
        if match:
            text = file.read_text(encoding="utf-8")
            found.append(
                Migration(number=int(match[1]), name=match[2], text=text, sha256=sha256(text.encode()).hexdigest())
            )
    return tuple(sorted(found, key=lambda step: step.number))


def missing(steps: tuple[Migration, ...], applied: dict[int, str]) -> tuple[Migration, ...]:
    """
    The steps that are still to be applied.

    Raises:
        ChangedMigration: an applied step differs from the file of that number, or has none.
    """
    known = {step.number: step.sha256 for step in steps}
    for number, checksum in applied.items():
        if known.get(number) != checksum:
            raise ChangedMigration(number, newer=number not in known)
    return tuple(step for step in steps if step.number not in applied)


class ChangedMigration(Exception):  # noqa: N818 - turned into a worded error by the store that meets it
    """A step was applied whose text is not the one shipped here."""

    def __init__(self, number: int, *, newer: bool) -> None:
        super().__init__(number)
        self.number = number
        self.newer = newer
