"""
What a text is, whatever file holds it: a copy, compressed or not, is known by its bytes.

A text that is read is sealed piece by piece. Files that begin with the same line are listed together, so that one of
which nothing is kept is held against them. It is the same text as far as all seals fit, and never on less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from attribute.cache.hashing import new_hash
from attribute.cache.store import Store

__all__ = ["Beginning", "Listed", "Seal", "Text", "seal"]

_MOST: Final = 8
"""So many files that begin alike are listed: those that were read last."""

_MOST_BYTES: Final = 2**26
"""A first piece of more bytes is none of ours."""

Seal = tuple[int, str]
"""The length of a piece of text in bytes, and a cryptographic hash of it, with its name."""


def seal(data: bytes) -> Seal:
    """Seal one piece of text."""
    return len(data), _said(new_hash(data))


def _said(found: Any) -> str:  # noqa: ANN401 - the same
    return f"{found.name}:{found.hexdigest()}"


class Text:
    """
    A text that comes in blocks, while it is held against seals.

    Args:
        blocks: the text.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._ahead = b""

    def head(self, count: int) -> bytes:
        """Return the next *count* bytes, fewer only at the end; they are still to come."""
        parts, length = [self._ahead], len(self._ahead)
        while length < count and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            length += len(block)
        self._ahead = b"".join(parts)
        return self._ahead[:count]

    def passes(self, expected: Seal) -> bool:
        """Step over as many bytes as were sealed, and tell whether they are those."""
        found, left = new_hash(), expected[0]
        while left > 0 and (block := self._ahead or next(self._blocks, None)) is not None:
            found.update(block[:left])
            self._ahead = block[left:]
            left -= len(block) - len(self._ahead)
        return left == 0 and _said(found) == expected[1]

    def rest(self) -> Iterator[bytes]:
        """Yield what is still to come, in any pieces."""
        if self._ahead:
            yield self._ahead
        yield from self._blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A file whose content is kept: what it was, and the first piece of its text."""

    identity: str
    first: Seal


class Beginning:
    """
    The files that begin with one line, of those that were read in one way.

    Args:
        store: where they are listed.
        key: of the line, and of the way.
    """

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key

    def listed(self) -> list[Listed]:
        """Return them, the one that was read last first."""
        payload = self._store.get(self._key)
        if payload is None:
            return []
        try:
            found = [
                Listed(identity=str(identity), first=(int(length), str(digest)))
                for identity, length, digest in orjson.loads(payload)
            ]
        except (ValueError, TypeError):
            return []
        return [each for each in found if 0 < each.first[0] <= _MOST_BYTES]

    def add(self, new: Listed) -> None:
        """List one more file, or one as it is now."""
        known = self.listed()
        if new in known:
            return
        listed = [new, *(each for each in known if each.identity != new.identity)][:_MOST]
        self._store.put(self._key, orjson.dumps([[each.identity, *each.first] for each in listed]))

    def find(self, text: Text) -> str | None:
        """Return the identity of one whose first piece *text* begins with; nothing of the text is stepped over."""
        seals: dict[int, Seal] = {}
        for each in sorted(self.listed(), key=lambda listed: listed.first[0]):
            length = each.first[0]
            if length not in seals:
                seals[length] = seal(text.head(length))
            if seals[length] == each.first:
                return each.identity
        return None
