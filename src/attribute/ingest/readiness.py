"""What the last delivery says of the next one: a probe that writes nothing cannot know whether a write goes through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attribute.ingest.model import StoreBusy, StoreError, WriteOutcome

HOLD_OFF_S: Final = 30.0
"""How long a delivery that failed speaks against the next; after that somebody has to try."""


class LastDelivery:
    """
    Whether the last delivery was confirmed. Safe to use from any thread.

    Args:
        monotonic: seconds from any origin that never run backwards.
        at_vendor: whether a vendor is what confirms; a replay then asks it, and writes nothing elsewhere.
    """

    def __init__(self, monotonic: Callable[[], float], *, at_vendor: bool) -> None:
        self._monotonic = monotonic
        self._at_vendor = at_vendor
        self._failed_at: float | None = None

    def watch(self, write: Callable[[], WriteOutcome]) -> WriteOutcome:
        """Do a write and remember what came of it; one that waited in vain or wrote nothing says nothing."""
        try:
            outcome = write()
        except StoreBusy:
            raise
        except StoreError:
            self._failed_at = self._monotonic()
            raise
        if outcome.upstream.calls and (self._at_vendor or not outcome.replayed):
            self._failed_at = None
        return outcome

    @property
    def was_confirmed(self) -> bool:
        """Whether it was, or none was tried yet."""
        return self._failed_at is None

    @property
    def failed_just_now(self) -> bool:
        """Whether it failed, and not so long ago that nobody knows any more."""
        failed_at = self._failed_at
        return failed_at is not None and self._monotonic() - failed_at < HOLD_OFF_S
