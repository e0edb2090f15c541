"""Faults in our own code, put around the service from outside: the service itself has no switch for them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from attribute.demo.scenario import Act
from attribute.ingest.model import Delivery, Evidence, StoreError, WriteOutcome
from attribute.ingest.stores.vendor import VendorStore
from attribute.ingest.stores.vendor_client import RecordsClient
from attribute.ingest.visits import Clock


@dataclass(slots=True)
class Injection:
    """What is armed now. The acts follow one another, so that one of them is in force at a time."""

    bug: bool = False
    stall_ms: int = 0
    blind: bool = False

    def arm(self, act: Act) -> None:
        """Let the next requests suffer what an act says."""
        self.bug, self.stall_ms, self.blind = act.bug, act.stall_ms, act.blind


class InjectedBugError(RuntimeError):
    """The bug that the demonstration puts into our code."""


class FaultyStore(VendorStore):
    """A store whose surroundings misbehave: what is wrong happens outside the calls that are measured."""

    def __init__(self, *, client: RecordsClient, injection: Injection, **settings: object) -> None:
        super().__init__(client=client, **settings)  # type: ignore[arg-type]  # handed on as they come
        self._injection = injection

    def write(self, delivery: Delivery) -> WriteOutcome:
        """Write; then lose the measurement where that is armed."""
        try:
            return super().write(delivery)
        except StoreError as error:
            if self._injection.blind:
                error.upstream = Evidence(None, 0.0, 0)
            raise


def faulty_clock(clock: Clock, injection: Injection) -> Clock:
    """
    Return a clock that raises, or stands still, when it is read in the middle of a delivery.

    It is read by our own code between the calls to the upstream, so this is what a bug or a stall of ours looks like.
    """
    first_of_thread = threading.local()

    def now_us() -> int:
        if injection.bug:
            raise InjectedBugError
        if injection.stall_ms:
            # A delivery reads the clock twice; it stands still at every second reading of a thread.
            first_of_thread.read = not getattr(first_of_thread, "read", False)
            if first_of_thread.read:
                time.sleep(injection.stall_ms / 1000)
        return clock.now_us()

    return Clock(now_us=now_us, monotonic=clock.monotonic)
