"""
The compiled scanner itself, where the installation has one: bytes in, columns out, and no frame is made of them yet.

It needs no polars, so that the first lines can be scanned while polars is still being loaded.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

_compiled: Callable[..., dict[str, Any]] | None
_keep_memory: Callable[[bool], None] | None
_give_back: Callable[[], None] | None
try:
    from attribute.logs._scan import give_back as _give_back
    from attribute.logs._scan import keep_memory as _keep_memory
    from attribute.logs._scan import scan as _compiled
except ImportError:  # no compiler where it was installed
    _compiled = _keep_memory = _give_back = None

__all__ = ["HAS_SCANNER", "CalmTerms", "Columns", "give_back_memory", "keeping_memory", "raw_scan"]

HAS_SCANNER: Final = _compiled is not None

_MOST_BYTES: Final = 2**31 - 1
_EPOCH_US: Final = 0
_END_US: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class CalmTerms:
    """
    When a record is calm, and how calm ones are counted.

    Attributes:
        below_ms: with a status under 400, a latency under this is calm: the least that is slow for any function.
        since_us: calm records count from this instant on (microseconds since the epoch) ...
        until_us: ... and before this one.
        untimed_too: whether those without a time count.
        latency_slot: how wide the slots of the latencies are; at least ten minutes.
    """

    below_ms: float
    since_us: int = _EPOCH_US
    until_us: int = _END_US
    untimed_too: bool = True
    latency_slot: timedelta


class Columns:
    """
    Columns on their way through the Arrow PyCapsule interface; they can be taken once.

    Args:
        capsules: a schema and an array.
    """

    def __init__(self, capsules: tuple[object, object]) -> None:
        self._capsules = capsules

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        return self._capsules


def raw_scan(data: bytes, *, strict: bool, calm: CalmTerms | None) -> Mapping[str, Any] | None:
    """
    Read *data*; see `attribute.logs.scanning.Scan`. Needs the scanner.

    Returns:
        What `attribute.logs.scanning.assembled` makes frames of; None where it is too much at once.
    """
    assert _compiled is not None
    if len(data) > _MOST_BYTES:
        return None
    terms = calm or CalmTerms(below_ms=0.0, latency_slot=timedelta(days=1))
    slot_us = terms.latency_slot // timedelta(microseconds=1)
    how = (calm is not None, terms.below_ms, terms.since_us, terms.until_us, terms.untimed_too, slot_us)
    return _compiled(data, secrets.randbits(64), strict, how)


@contextlib.contextmanager
def keeping_memory() -> Iterator[None]:
    """Keep the memory of blocks that are done with for the next ones, and give it back in the end."""
    if _keep_memory is None:
        yield
        return
    _keep_memory(True)
    try:
        yield
    finally:
        _keep_memory(False)


def give_back_memory() -> None:
    """Give back what is kept and lies idle: it lies in more and smaller pieces the longer it is kept."""
    if _give_back is not None:
        _give_back()
