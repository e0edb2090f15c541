"""
What the service may ask of a store. Every method is synchronous and safe to call from any thread.

Methods raise `attribute.ingest.model.StoreError` where the store did not confirm, a
`attribute.ingest.model.Refusal` where it declines, and nothing else that a request can cause.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from attribute.ingest.model import (
    EVERYTHING,
    DayRow,
    Delivery,
    Device,
    Fact,
    FactKey,
    Narrowing,
    Ping,
    Redeemed,
    Rule,
    SlotRow,
    Stats,
    Ticket,
    TokenRow,
    WriteOutcome,
)


class Reads(Protocol):
    """Queries over one snapshot: what is read through one of these fits together."""

    def daily(self, user_id: str, first_day: int, end_day: int, only: Narrowing = EVERYTHING) -> list[DayRow]:
        """Daily rollups of the active generation, days from *first_day* up to but not *end_day*; sorted."""
        ...

    def slots(self, user_id: str, first_slot: int, end_slot: int, only: Narrowing = EVERYTHING) -> list[SlotRow]:
        """Facts summed over devices, for the boundary hours of a range; sorted by slot, source, model."""
        ...

    def page(
        self,
        user_id: str,
        first_slot: int,
        end_slot: int,
        *,
        after: FactKey | None = None,
        limit: int = 1000,
        only: Narrowing = EVERYTHING,
    ) -> list[Fact]:
        """The next *limit* facts after a key; pages neither skip nor repeat a row that stayed where it was."""
        ...

    def last_sync_at_us(self, user_id: str) -> int | None:
        """The latest delivery or ping of any of the user's devices."""
        ...

    def rule(self) -> Rule:
        """The active billable rule."""
        ...


class Store(Protocol):
    """Deliveries in, facts and rollups out."""

    def close(self) -> None:
        """Let go of every connection; idempotent."""
        ...

    def snapshot(self) -> AbstractContextManager[Reads]:
        """A short read-only transaction."""
        ...

    def find_token(self, sha256: bytes) -> Device | None:
        """Whom the token with this hash speaks for; None when unknown or when it or its device is revoked."""
        ...

    def issue_token(self, *, user_id: str, name: str, platform: str, sha256: bytes, at_us: int) -> Device:
        """Make a device with one token. The caller made the token and shows it once; only its hash comes here."""
        ...

    def issue_link_code(self, *, user_id: str, sha256: bytes, expires_at_us: int) -> None:
        """Register a one-time code by its hash."""
        ...

    def redeem_link_code(
        self, *, sha256: bytes, request_id: str, token_sha256: bytes, name: str, platform: str, at_us: int
    ) -> Redeemed:
        """Turn a link code into a device and token; until it expires the same *request_id* again gives the same."""
        ...

    def knows_link_code(self, sha256: bytes, *, at_us: int) -> bool:
        """Whether there is such a code that has not expired: it can be redeemed, or its redemption repeated."""
        ...

    def tokens(self) -> list[TokenRow]:
        """Every token ever issued, oldest first."""
        ...

    def revoke_token(self, token_id: int, at_us: int) -> bool:
        """Whether there was such a token that was not revoked yet."""
        ...

    def revoke_device(self, device_id: str, at_us: int) -> bool:
        """Whether there was such a device that was not revoked yet."""
        ...

    def ping(self, device: Device, *, at_us: int, min_interval_us: int) -> Ping:
        """Record a sync ping unless one was recorded within the interval; one conditional update."""
        ...

    def issue_epoch(self, device: Device) -> int:
        """A new even epoch for a client with a sequence, durable before it is returned."""
        ...

    def next_ticket(self, device: Device) -> Ticket:
        """A place in line; call it when the authenticated body has been read completely."""
        ...

    def write(self, delivery: Delivery) -> WriteOutcome:
        """
        Write delivery, ledger, facts and daily rollups in one transaction; return only when all of it is durable.

        Raises:
            IdempotencyConflict, StaleEpoch, SequenceMismatch, DeviceRevoked: nothing was written.
            StoreBusy, StoreFull, StoreUnavailable, CommitInDoubt, StoreBroken: not confirmed.
        """
        ...

    def stats(self) -> Stats:
        """Gauges."""
        ...

    def check(self) -> None:
        """Return if a write can begin now (for readiness); raise `StoreError` otherwise."""
        ...

    def digest(self) -> str:
        """Hash over deliveries, ledger, voids, facts and active rollups in canonical form, the same for every store."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """
    Which store, for `attribute.ingest.stores.opening.open_store`.

    Attributes:
        url: a path (SQLite) or ``postgresql://...``.
        vendor_url: base address of a records vendor; rows go to ``<vendor_url>/api/database/records/<table>``. The
            store at *url*, which must be SQLite, stays the durable ledger; see docs/ingest-data-model.md.
        vendor_key: bearer key for the vendor.
        vendor_deadline_s: total time for one write to the vendor, connecting and reading included.
        busy_s: how long a write waits for a lock that somebody else holds.
    """

    url: str
    vendor_url: str | None = None
    vendor_key: str | None = field(default=None, repr=False)
    vendor_deadline_s: float = 8.0
    busy_s: float = 5.0
