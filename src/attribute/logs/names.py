"""Names of files: how they are shown, and how patterns select them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

_ENDINGS = (".json", ".jsonl", ".ndjson", ".log")
_COMPRESSED_ENDINGS = (".gz", ".zst", ".bz2", ".xz")
_MAGIC = "*?["


def shown(path: str) -> str:
    r"""
    Return a name that is safe to print and that no other path has.

    Bytes that are no UTF-8 become ``\xNN``, characters that cannot be printed ``\u{N}``, a backslash is doubled.

    >>> print(shown("logs/a b.log"), shown("a\nb\u202e.log"), shown("caf\udce9"))
    logs/a b.log a\u{a}b\u{202e}.log caf\xe9
    """
    if path.isprintable() and "\\" not in path:
        return path
    return "".join(_shown_character(character) for character in path)


def _shown_character(character: str) -> str:
    code = ord(character)
    if character == "\\":
        return "\\\\"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character if character.isprintable() else f"\\u{{{code:x}}}"


def is_log(name: str) -> bool:
    """
    Whether a file in a folder is read, by its name.

    >>> is_log("app.log"), is_log("app.jsonl.zst"), is_log("app.log.1"), is_log("app.txt")
    (True, True, False, False)
    """
    name = name.lower()
    for ending in _COMPRESSED_ENDINGS:
        if name.endswith(ending):
            name = name.removesuffix(ending)
            break
    return name.endswith(_ENDINGS)


def is_pattern(path: str) -> bool:
    """Whether *path* holds one of the characters that a glob pattern is made with."""
    return any(character in path for character in _MAGIC)


def is_excluded(path: str, patterns: Iterable[str]) -> bool:
    """
    Whether one of *patterns* keeps *path* out: with a slash it is held against the path, without against its last part.

    >>> is_excluded("logs/old/a.log", ["old"]), is_excluded("logs/old", ["old/"]), is_excluded("logs/a.log", ["*/a.*"])
    (False, True, True)
    """
    name = os.path.basename(path)  # noqa: PTH119 - the path may hold any bytes, and speed counts here
    return any(fnmatchcase(path if "/" in pattern.rstrip("/") else name, pattern.rstrip("/")) for pattern in patterns)


def matches(pattern: str) -> list[str]:
    """
    Return the paths that a glob pattern selects, sorted; as a shell does, with ``**`` for any depth of folders.

    Names with a leading dot are only matched by a pattern with one. ``**`` follows no links. Folders that cannot be
    listed select nothing.
    """
    parts = [part for part in pattern.split("/") if part]
    roots = ["/" if pattern.startswith("/") else ""]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        roots = [found for root in roots for found in _matches_of_part(root, part, last=last)]
    return sorted(set(roots), key=os.fsencode)


def _matches_of_part(root: str, part: str, *, last: bool) -> Iterator[str]:
    if part == "**":
        yield from _folders_below(root, last=last)
    elif not is_pattern(part):
        path = root + part
        if os.path.lexists(path):
            yield path if last else path + "/"
    else:
        for entry in listed(root):
            if fnmatchcase(entry.name, part) and (part.startswith(".") or not entry.name.startswith(".")):
                if last:
                    yield root + entry.name
                elif _is_folder(entry, follow_links=True):
                    yield root + entry.name + "/"


def _folders_below(root: str, *, last: bool) -> Iterator[str]:
    """Yield *root* and every folder below it; as the last part of a pattern, *root* alone: it is searched anyway."""
    if last:
        if root:
            yield root
        else:
            yield "."
        return
    open_roots = [root]
    while open_roots:
        folder = open_roots.pop()
        yield folder
        open_roots += [
            f"{folder}{entry.name}/"
            for entry in listed(folder)
            if not entry.name.startswith(".") and _is_folder(entry, follow_links=False)
        ]


def _is_folder(entry: os.DirEntry[str], *, follow_links: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow_links)
    except OSError:
        return False


def listed(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder (empty: the current one), or nothing where it cannot be listed."""
    try:
        with os.scandir(folder or ".") as entries:
            return list(entries)
    except OSError:
        return []
