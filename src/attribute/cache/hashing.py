"""The cryptographic hash that large contents are known by: BLAKE3 where there is one for this machine, else SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from typing import Any

__all__ = ["new_hash"]

_blake3: Any = None
with contextlib.suppress(ImportError):  # there is none for this machine: SHA-256 does it in three times the time
    _blake3 = importlib.import_module("blake3").blake3


def new_hash(data: bytes | memoryview = b"") -> Any:  # noqa: ANN401 - of the one library or of the other
    """Return a hash of *data*, with the methods of those of `hashlib`; `name` says which one it is."""
    return hashlib.sha256(data) if _blake3 is None else _blake3(data)
