"""
The fingerprint of an input, without hashing again what was hashed before.

It is the one that an engine takes of all that it reads: the hash of the hashes of the files, so that names and order do
not matter. A file's hash is kept for as long as its device, inode, size, time and last bytes stay the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import orjson

from attribute.cache.identity import Snapshot
from attribute.cache.store import Store
from attribute.logs.sources import Source
from attribute.logs.storage import is_url

__all__ = ["Fingerprint", "fingerprint", "together"]

_BLOCK_BYTES: Final = 2**20
_LEAST_BYTES: Final = 2**24
"""A smaller file is hashed faster than an entry for it is worth."""

_FORMAT: Final = "digest 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """
    What an input is.

    Attributes:
        sha256: SHA-256 over the contents of the files, whatever their names and order.
        bytes: how many bytes that are.
    """

    sha256: str
    bytes: int


def fingerprint(sources: Sequence[Source], *, store: Store, threads: int) -> Fingerprint | None:
    """
    Return the fingerprint of *sources* as they were found: of each, as many bytes as it had then.

    Nothing where one of them is no file of this machine, or cannot be read so far: then whoever reads them has to hash
    what goes by.
    """
    if not sources or any(source.path is None or is_url(source.path) for source in sources):
        return None
    with ThreadPoolExecutor(threads) as pool:
        digests = list(pool.map(lambda source: _digest(source, store), sources))
    known = [digest for digest in digests if digest is not None]
    if len(known) < len(digests):
        return None
    return Fingerprint(sha256=together(known), bytes=sum(source.size_bytes for source in sources))


def together(digests: Iterable[str]) -> str:
    """Return the hash of the hashes of files, sorted, so that names and order do not matter."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _digest(source: Source, store: Store) -> str | None:
    """Return the SHA-256 of a file's first `size_bytes`, in hexadecimal; None where it cannot be read so far."""
    assert source.path is not None
    state = _state(source) if source.size_bytes >= _LEAST_BYTES else None
    if state is None:
        return _hash(source.path, source.size_bytes)
    key = hashlib.sha256(f"{_FORMAT}\n{state[0]}".encode()).hexdigest()
    payload = store.get(key)
    if payload is not None:
        with contextlib.suppress(ValueError, KeyError, TypeError):  # sound, and yet of another form
            kept = orjson.loads(payload)
            if kept["state"] == state:
                return str(kept["sha256"])
    digest = _hash(source.path, source.size_bytes)
    if digest is not None and _state(source) == state:
        store.put(key, orjson.dumps({"state": state, "sha256": digest}))
    return digest


def _state(source: Source) -> list[str] | None:
    """Return what a file is, and what tells that it still is as it was; None where that cannot be told."""
    assert source.path is not None
    snapshot = Snapshot.of(source.path)
    if snapshot is None or snapshot.size_bytes != source.size_bytes:
        return None
    ending = snapshot.ending(0, snapshot.size_bytes)
    try:
        changed_ns = os.stat(source.path).st_mtime_ns  # noqa: PTH116 - the path may hold any bytes
    except OSError:
        return None
    return None if ending is None else [snapshot.identity, str(snapshot.size_bytes), str(changed_ns), ending]


def _hash(path: str, size_bytes: int) -> str | None:
    found, left, block = hashlib.sha256(), size_bytes, bytearray(_BLOCK_BYTES)
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - the path may hold any bytes
            while left and (count := file.readinto(memoryview(block)[: min(left, _BLOCK_BYTES)])):
                found.update(memoryview(block)[:count])
                left -= count
    except OSError:
        return None
    return None if left else found.hexdigest()
