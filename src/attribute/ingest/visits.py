"""One request on its way through the service, and what the service is run with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from attribute.ingest.messages import Head, Route
from attribute.ingest.model import Device
from attribute.ingest.upstream import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What an operator may choose.

    Attributes:
        max_in_flight: authenticated requests that are answered at one time; one more is told 429.
        retry_after_s: seconds that a refused client is told to wait.
        window_past_days: how far back an `hour_start` may lie.
        window_ahead_s: how wrong a client's clock may be, in seconds; one more half hour is always allowed.
        usage_max_days: how many days a usage read may span.
    """

    max_in_flight: int = 32
    retry_after_s: int = 1
    window_past_days: int = 800
    window_ahead_s: int = 300
    usage_max_days: int = 800


class Clock(NamedTuple):
    """Where the time comes from: microseconds since the epoch for people, monotonic seconds for measuring."""

    now_us: Callable[[], int]
    monotonic: Callable[[], float]

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.fromtimestamp(self.now_us() / 1_000_000, UTC)


@dataclass(slots=True, kw_only=True)
class Visit:
    """
    One request on its way through the service.

    Attributes:
        request_id: made here, returned in a header, never taken from a client.
        arrived_at: monotonic seconds; time spent waiting for the client's body is taken out again, see `waited_s`.
        admitted_at: when the body was first wanted.
        waited_s: how long the body then let us wait: the client's time, not ours.
        device: whom the token speaks for, or nothing where the function asks for no token.
        link_code: the code shown in place of a token, or nothing.
        in_guard: whether the visit counts among those in flight.
    """

    head: Head
    route: Route
    request_id: str
    arrived_at: float
    upstream: Upstream
    admitted_at: float = 0.0
    waited_s: float = 0.0
    device: Device | None = None
    link_code: str | None = None
    in_guard: bool = False
