"""What people write into a review, kept in a file of their own so that a new report never overwrites it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

__all__ = [
    "INCIDENT_FIELDS",
    "WEEKLY_FIELDS",
    "Action",
    "Notes",
    "Review",
    "parse_actions",
    "parse_notes",
    "review_of",
    "with_blanks",
]

INCIDENT_FIELDS: Final[Mapping[str, str]] = {
    "Summary": "In two or three sentences, for somebody who was not there.",
    "Impact": "What users noticed, beyond the numbers.",
    "Root causes": "Not for a program to say. What made it possible?",
    "Trigger": "What set it off, and when?",
    "Resolution": "What ended it, and who did that?",
    "Detection": "Who or what noticed first, and how long after the first bad minute?",
    "Action items": "One line each: - [ ] what, owner:NAME due:YYYY-MM-DD",
    "What went well": "What helped?",
    "What went wrong": "What made it longer or larger?",
    "Where we got lucky": "What could have made it worse, and did not?",
    "Timeline": "What people did, and when; the logs' own times stand above.",
}
"""The fields of a review in the order of the template of the SRE book, and what belongs into each."""

WEEKLY_FIELDS: Final[Mapping[str, str]] = {
    "Remarks": "What a reader should know that no log says: releases, holidays, experiments.",
    "Action items": "One line each: - [ ] what, owner:NAME due:YYYY-MM-DD",
}

MAX_CHARACTERS: Final = 200_000
_HEADING: Final = re.compile(r"#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$")
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_ACTION: Final = re.compile(r"\s*[-*+]\s+\[([ xX])\]\s+(.+)")
_TAG: Final = re.compile(r"\s*\b(owner|due):(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Notes:
    """
    The text of a notes file.

    Attributes:
        written: lines by heading as it stands in the file; headings without text are not among them.
    """

    written: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def under(self, heading: str) -> tuple[str, ...]:
        """Return what stands under a heading, whatever its case."""
        return next((text for name, text in self.written.items() if name.casefold() == heading.casefold()), ())

    def others(self, known: Iterable[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the headings that are none of *known*, with their text."""
        names = {name.casefold() for name in known}
        return tuple((name, text) for name, text in self.written.items() if name.casefold() not in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something to do, as somebody noted it."""

    text: str
    owner: str | None
    due: date | None
    done: bool
    source: str


@dataclass(frozen=True, slots=True)
class Review:
    """How far the review of an incident is: fields that somebody wrote, of those that there are."""

    written: int
    fields: int


def review_of(notes: Notes) -> Review:
    """Return how far the review of an incident is, by its notes."""
    return Review(sum(1 for name in INCIDENT_FIELDS if notes.under(name)), len(INCIDENT_FIELDS))


def parse_notes(text: str) -> Notes:
    r"""
    Read a notes file: Markdown, of which only headings mean something. Comments are left out.

    >>> parse_notes("# Notes\n\n## Trigger\nA deploy.\n<!-- hint -->\n## Resolution\n").written
    {'Trigger': ('A deploy.',)}
    """
    found: dict[str, list[str]] = {}
    heading: str | None = None
    for line in _COMMENT.sub("", text[:MAX_CHARACTERS]).replace("\r\n", "\n").split("\n"):
        if match := _HEADING.match(line):
            heading = match[1]
            found.setdefault(heading, [])
        elif heading is not None and line.strip():
            found[heading].append(line.rstrip())
    return Notes({name: tuple(lines) for name, lines in found.items() if lines})


def parse_actions(notes: Notes, *, source: str) -> tuple[Action, ...]:
    """
    Return the action items of *notes*: lines such as `- [ ] raise the pool, owner:Kim due:2026-11-20`.

    A date that is none is left in the text.
    """
    actions = []
    for line in notes.under("Action items"):
        match = _ACTION.match(line)
        if match is None:
            continue
        tags: dict[str, str] = {}
        text = match[2]
        for tag in _TAG.finditer(match[2]):
            name, value = tag[1].lower(), tag[2].rstrip(",;.")
            if name == "due" and _date(value) is None:
                continue
            tags[name] = value
            text = text.replace(tag[0], "")
        actions.append(
            Action(
                text=text.strip().rstrip(",;"),
                owner=tags.get("owner"),
                due=_date(tags.get("due", "")),
                done=match[1] != " ",
                source=source,
            )
        )
    return tuple(actions)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


def with_blanks(existing: str | None, fields: Mapping[str, str], *, title: str) -> str:
    """
    Return a notes file that has every field: the existing text as it stands, then the headings that it lacks.

    Args:
        existing: the file as it is; None where there is none.
        fields: headings, and what belongs under each.
        title: of a new file.
    """
    if existing is None:
        head = (
            f"# {title}\n\n<!-- Written by people. Every new report shows what stands under these headings and changes "
            "nothing here. -->\n"
        )
        return head + "".join(_blank(name, hint) for name, hint in fields.items())
    there = {match[1].casefold() for line in existing.splitlines() if (match := _HEADING.match(line))}
    missing = [(name, hint) for name, hint in fields.items() if name.casefold() not in there]
    if not missing:
        return existing
    return existing.rstrip("\n") + "\n" + "".join(_blank(name, hint) for name, hint in missing)


def _blank(name: str, hint: str) -> str:
    return f"\n## {name}\n\n<!-- {hint} -->\n"
