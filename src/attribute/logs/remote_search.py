"""What a URL of a store names: the same rules for names, hidden ones, patterns and exclusions as on a disk."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice

from attribute.logs.names import is_excluded, is_log, is_pattern, shown
from attribute.logs.storage import Entry, StorageError, Store, split_url, store_of

__all__ = ["Found", "search"]

_NEAR_FROM = 1000


@dataclass(slots=True)
class Found:
    """
    What a search came upon, by URL.

    Attributes:
        objects: to be read.
        hidden: left out for a leading dot.
        excluded: kept out; of each the URL that was asked for.
        other_names: of a name that is no log's; the same.
    """

    objects: dict[str, Entry] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    excluded: dict[str, str] = field(default_factory=dict)
    other_names: dict[str, str] = field(default_factory=dict)


def search(url: str, *, exclude: Sequence[str] = (), store: Store | None = None) -> Found:
    """
    Find what *url* names: an object, all logs below a folder, or what a pattern selects.

    Raises:
        StorageError: there is nothing, or the store cannot be asked.
    """
    root, key = split_url(url)
    key = "/".join(part for part in key.split("/") if part)
    here = store_of(root) if store is None else store
    look = _Look(root, tuple(exclude))
    named = here.look(key) if key and not url.endswith("/") else None
    if named is not None:
        look.take_named(named)
    elif is_pattern(key):
        parts = key.split("/")
        fixed = next(number for number, part in enumerate(parts) if is_pattern(part))
        for entry in here.below("/".join(parts[:fixed])):
            look.take_matching(entry, parts)
        if not look.matched:
            raise StorageError.unmatched(url)
    else:
        for entry in here.below(key):
            look.take_below(entry, key.count("/") + 1 if key else 0, base=key)
        if not look.matched and key:
            raise StorageError.missing(url, _near(here, root, key))
    return look.found


class _Look:
    """One search through the objects of a bucket."""

    def __init__(self, root: str, exclude: tuple[str, ...]) -> None:
        self._root = root
        self._exclude = exclude
        self.found = Found()
        self.matched = False

    def take_named(self, entry: Entry) -> None:
        """Take an object that was named, whatever it is called."""
        self.matched = True
        url = f"{self._root}/{entry.key}"
        if is_excluded(url, self._exclude):
            self.found.excluded[url] = url
        else:
            self.found.objects[url] = entry

    def take_matching(self, entry: Entry, pattern: Sequence[str]) -> None:
        """Take an object that a pattern selects, or that lies in a folder which it selects."""
        parts = entry.key.split("/")
        depths = _depths(pattern, parts)
        if len(parts) in depths and pattern[-1] != "**":
            self.take_named(entry)
        else:
            for depth in sorted(depths):
                self.take_below(entry, depth, base="/".join(parts[:depth]))

    def take_below(self, entry: Entry, depth: int, *, base: str) -> None:
        """Take an object below the folder *base*, *depth* deep, if its name is a log's and nothing hides it."""
        if entry.key.endswith("/") or (entry.key == base and not entry.size_bytes):
            return  # a marker that some tools leave for a folder
        self.matched = True
        root_url = f"{self._root}/{base}" if base else self._root
        if is_excluded(root_url, self._exclude):
            self.found.excluded[root_url] = root_url
            return
        parts = entry.key.split("/")
        for end in range(depth + 1, len(parts) + 1):
            url = f"{self._root}/{'/'.join(parts[:end])}"
            if is_excluded(url, self._exclude):
                self.found.excluded[url] = root_url
                return
            if parts[end - 1].startswith("."):
                self.found.hidden.add(url)
                return
        url = f"{self._root}/{entry.key}"
        if is_log(parts[-1]):
            self.found.objects[url] = entry
        else:
            self.found.other_names[url] = root_url


def _depths(pattern: Sequence[str], parts: Sequence[str]) -> set[int]:
    """Return after how many of *parts* the whole pattern is used up."""
    open_at = {0}
    for number, each in enumerate(pattern):
        if each == "**":
            if number < len(pattern) - 1:  # as the last part it stands for the folder itself: it is searched anyway
                for start in tuple(open_at):
                    at = start
                    while at < len(parts) - 1 and not parts[at].startswith("."):
                        at += 1
                        open_at.add(at)
        else:
            open_at = {at + 1 for at in open_at if at < len(parts) and _fits(parts[at], each)}
    return open_at


def _fits(name: str, part: str) -> bool:
    if not is_pattern(part):
        return name == part
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))


def _near(store: Store, root: str, key: str) -> list[str]:
    """Return up to three URLs, in backticks, that a key may be a slip of."""
    parent, _, name = key.rpartition("/")
    depth = parent.count("/") + 1 if parent else 0
    names = {entry.key.split("/")[depth] for entry in islice(store.below(parent), _NEAR_FROM)}
    near = difflib.get_close_matches(name, sorted(names), n=3, cutoff=0.6)
    return [f"`{shown('/'.join(part for part in (root, parent, each) if part))}`" for each in near]
