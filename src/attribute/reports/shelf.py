"""
A folder of reports: which files belong to one, and its list, newest first.

The list is made from the JSON beside each page and from nothing else, so it is the same whoever wrote the reports and
in whatever order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

from attribute.reports.html import page
from attribute.reports.wording import plural, stamp
from attribute.rules.words import Class

__all__ = ["ENDINGS", "NAME", "Entry", "entry_of", "index"]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
"""What a report may be called: what stands in a link needs no escaping."""

ENDINGS: Final[Mapping[str, str]] = {
    "html": ".html",
    "markdown": ".md",
    "json": ".json",
    "email": ".eml",
    "slack": ".slack.json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One report of the list.

    Attributes:
        name: of its files, without their ending.
        kind: what it is.
        sentence: what it says.
        class_: the class that most of it is, for a mark; empty where none is.
        made: when, as its JSON says.
        at: what it is sorted by: the begin of the time that it is about.
        page: its file.
        others: its other files by format.
    """

    name: str
    kind: str
    sentence: str
    class_: str
    made: str
    at: str
    page: str
    others: tuple[tuple[str, str], ...]


def entry_of(name: str, content: bytes, files: frozenset[str]) -> Entry | None:
    """
    Return the entry of one JSON file, or nothing where it is not one of ours.

    Args:
        name: of the file, without `.json`.
        content: what it holds; anything.
        files: all names in its folder.
    """
    if not NAME.fullmatch(name) or f"{name}.html" not in files:
        return None
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    aside = _aside(name, document)
    kind, sentence, at = {
        "attribute.weekly/1": ("weekly", document.get("headline"), document.get("since")),
        "attribute.result/1": ("incident", _sentence(document, aside), _begin(document)),
    }.get(str(document.get("schema")), ("", None, None))
    if not kind or not isinstance(sentence, str):
        return None
    others = tuple(
        (each, f"{name}{ending}") for each, ending in ENDINGS.items() if each != "html" and f"{name}{ending}" in files
    )
    return Entry(
        name=name,
        kind=kind,
        sentence=sentence,
        class_=_class(document) if aside is None else aside[0],
        made=_moment(document.get("generated_at")),
        at=str(at or ""),
        page=f"{name}.html",
        others=others,
    )


def _class(document: Mapping[str, object]) -> str:
    """Return the state of the answer where it is a class of ours."""
    result = document.get("result", document)
    verdict = result.get("verdict") if isinstance(result, dict) else None
    state = verdict.get("state") if isinstance(verdict, dict) else None
    return state if isinstance(state, str) and state in set(Class) else ""


def _moment(text: object) -> str:
    """Return an instant as people read it; anything else as it stands."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    return str(text) if at.tzinfo is None else stamp(at, UTC)


def _aside(name: str, document: Mapping[str, object]) -> tuple[str, int] | None:
    """Return class and requests of the incident that a report is named after, where the answer is of another class."""
    incidents = document.get("incidents")
    for each in incidents if isinstance(incidents, list) else ():
        if isinstance(each, dict) and each.get("id") == name:
            class_, requests = each.get("class"), each.get("requests")
            if isinstance(class_, str) and class_ in set(Class) and isinstance(requests, int):
                return (class_, requests) if _class(document) not in {"", class_} else None
    return None


def _sentence(document: Mapping[str, object], aside: tuple[str, int] | None) -> object:
    """Return the answer; in the report of an incident that it is not about, behind what that incident is."""
    verdict = document.get("verdict")
    sentence = verdict.get("sentence") if isinstance(verdict, dict) else None
    if aside is None or not isinstance(sentence, str):
        return sentence
    return f"Incident of class {aside[0]}, {plural(aside[1], 'request')}. All the time looked at: {sentence}"


def _begin(document: Mapping[str, object]) -> object:
    window = document.get("window")
    return (window.get("since") or window.get("first_at")) if isinstance(window, dict) else None


def index(entries: Iterable[Entry]) -> bytes:
    """Return the page that lists *entries*, newest first."""
    ordered = sorted(entries, key=lambda entry: (entry.at, entry.name), reverse=True)
    return page("index.html.j2", title="Reports", entries=ordered)
