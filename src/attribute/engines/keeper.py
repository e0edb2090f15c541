"""Which ranges of a file are kept, under which keys, and which are to be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from attribute.cache.code import code_mark
from attribute.cache.contents import Beginning, Listed, Seal, Text
from attribute.cache.hashing import new_hash
from attribute.cache.identity import Snapshot
from attribute.cache.store import Store
from attribute.engines.analysis import AnalysisOptions
from attribute.logs.chunks import Limits, line_start, plain_blocks

if TYPE_CHECKING:
    from attribute.engines.kept import Address, Kept
    from attribute.logs.raw import PlainFile
    from attribute.logs.sources import Source

__all__ = ["Keeper", "context_of"]

SEGMENT_BYTES: Final = 2**28
"""A file is kept in ranges of about so many bytes: no entry grows with the file, or past what memory is reused for."""

SEALED_BYTES: Final = Limits().text_bytes
"""So much of a file's text is sealed as is read of a compressed one: hashing takes half the time of scanning."""

_FORMAT: Final = "5"


class Keeper:
    """
    The ranges of one file that are kept, and those to be.

    Args:
        snapshot: the file.
        store: where they are kept.
        options: what is read of it, and how.
    """

    def __init__(self, snapshot: Snapshot, store: Store, options: AnalysisOptions) -> None:
        self._snapshot = snapshot
        self._store = store
        self._context = context_of(options)
        self._parts: dict[int, set[str]] = {}

    @classmethod
    def of(cls, source: Source, options: AnalysisOptions) -> Keeper | None:
        """Return the keeper of a file; None where nothing is to be kept of it, or another one has its name by now."""
        cache, path, size_bytes = options.cache, source.path, source.size_bytes
        if cache is None or path is None or options.on_reject is not None or options.fingerprint:
            return None  # the hash of all bytes, and every rejected line, take reading all of it
        if not options.window.comes_again:
            return None
        if size_bytes < cache.least_bytes:
            return None
        snapshot = Snapshot.of(path)
        if snapshot is None or snapshot.inode != (source.device, source.inode):
            return None
        return cls(snapshot, cache.store, options)

    def kept(self) -> Iterator[Kept]:
        """
        Yield what was kept, range after range from the file's start, as far as the file still is what was read.

        What was kept of a file of which this one is a plain copy is kept of this one, too.
        """
        start = 0
        if self.is_plain and not self.has_start and self.is_like_others:
            self.recognise(Text(plain_blocks(self._snapshot.path)), self._keep_copied)
        for found in self._ranges_of(self._snapshot.identity):
            self._parts[start] = found.names
            if found.end > self._snapshot.lines_end or found.ending != self._snapshot.ending(start, found.end):
                return
            yield found
            start = found.end

    def _keep_copied(self, found: Kept) -> None:
        if found.end <= self._snapshot.lines_end:
            self.keep(found)

    def recognise(self, text: Text, take: Callable[[Kept], object]) -> bool:
        """
        Hand out what was kept of another file, range after range, as far as *text* is proven to be that file's text.

        Nothing of what is handed out lies in an entry of that file's any more.

        Returns:
            Whether nothing was stepped over in the text but what was handed out.
        """
        identity = self._beginning.find(text)
        for found in self._ranges_of(identity) if identity is not None else ():
            whole = found.gathered() if found.pieces else None
            if whole is None:
                break
            if not all(text.passes(piece) for piece in found.pieces):
                return False
            take(whole)
        return True

    def _ranges_of(self, identity: str) -> Iterator[Kept]:
        from attribute.engines.kept import Kept  # noqa: PLC0415 - whether there is anything is asked without loading polars

        start = 0
        while (payload := self._store.get(self._key(start, identity))) is not None:
            found = Kept.unpacked(payload, self._store.get)
            if found is None or found.start != start or found.end <= start:
                return
            if not all(map(self._store.has, found.names)):
                return
            yield found
            start = found.end

    @cached_property
    def is_like_others(self) -> bool:
        """Whether something is kept of a file that begins like this one."""
        return bool(self._beginning.listed())

    @cached_property
    def _beginning(self) -> Beginning:
        text = f"{_FORMAT} beginning\n{self._snapshot.beginning}\n{self._context}"
        return Beginning(self._store, hashlib.sha256(text.encode()).hexdigest())

    def list_as(self, first: Seal) -> None:
        """Have copies of the file recognised: *first* is the first piece of its text."""
        self._beginning.add(Listed(identity=self._snapshot.identity, first=first))

    @property
    def has_start(self) -> bool:
        """Whether something lies there, sound or not, for the file's first range."""
        return self._store.has(self._key(0))

    def ranges(self, start: int, opens: Callable[[str], PlainFile]) -> Iterator[tuple[int, int | None]]:
        """
        Yield the ranges to read and keep from *start* on; the end is None for all of a compressed file.

        Args:
            start: where a line starts.
            opens: opens the file that is read, whatever lies at its path by now; raises Fault.
        """
        if not self._snapshot.is_plain:
            yield from [(0, None)] if start == 0 else []
            return
        end = self._snapshot.lines_end
        while start < end:  # between lines: by its last bytes a range is recognised, and none of its lines goes on
            cut = line_start(self._snapshot.path, start + SEGMENT_BYTES, opens)
            stop = end if cut is None or cut <= start else min(cut, end)  # or it shrank, as whoever reads it will see
            yield start, stop
            start = stop

    @property
    def end(self) -> int:
        """Where what can be kept ends."""
        return self._snapshot.lines_end

    def known(self, end: int) -> tuple[str, str] | None:
        """Return what the file is, and what it is up to *end*; None where that cannot be told."""
        return self._snapshot.known(end)

    @property
    def is_plain(self) -> bool:
        """Whether ranges of the file can be read."""
        return self._snapshot.is_plain

    def seals(self, start: int) -> bool:
        """Return whether a copy of the file is to be recognised by the text of the range that begins at *start*."""
        return self.is_plain and start < SEALED_BYTES

    def ending(self, start: int, end: int) -> str | None:
        """Return the hash that a range is recognised by."""
        return self._snapshot.ending(start, end)

    def keep(self, kept: Kept) -> Kept:
        """Keep a range, in place of what was kept of it, and return it with what need not stay in memory left there."""
        key = self._key(kept.start)
        head = kept.outlying(partial(self._put_part, key))
        if not all(map(self._store.has, head.names)):
            return kept
        self._store.put(key, head.packed())
        for name in self._parts.get(kept.start, set()) - head.names:
            self._store.remove(name)
        self._parts[kept.start] = head.names
        return head.left_in(self._store.get)

    def _put_part(self, key: str, what: str, payload: memoryview) -> Address:
        digest = new_hash(payload).digest()
        name = hashlib.sha256(f"{key}\n{what}\n{digest.hex()}".encode()).hexdigest()
        self._store.put(name, payload, digest)
        return name, digest.hex()

    def forget(self, start: int) -> None:
        """Do not believe the range that begins at *start* any longer."""
        self._store.remove(self._key(start))

    def _key(self, start: int, identity: str | None = None) -> str:
        text = "\n".join((_FORMAT, identity or self._snapshot.identity, self._context, str(start)))
        return hashlib.sha256(text.encode()).hexdigest()


def context_of(options: AnalysisOptions) -> str:
    """Say all that what is gathered depends on, but for the file: not the rules, which are asked afterwards."""
    slow = {name: limits.slow_ms for name, limits in sorted(options.thresholds.by_function.items())}
    window = options.window
    return repr((
        code_mark(), version("polars"), options.thresholds.default.slow_ms, slow, window.since_at, window.until_at,
        options.strict, options.latency_slot, options.chunk_bytes,
    ))  # fmt: skip
