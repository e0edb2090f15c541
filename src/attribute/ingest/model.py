"""
What the two halves of the service say to each other: values, outcomes and refusals.

A *slot* is ``floor(unix_seconds / 1800)``, a *day* is ``slot // 48``; both are UTC, so half-hour alignment is
structural and no key holds a time string. Instants end in ``_us``: microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

SLOT_SECONDS = 1800
SLOTS_PER_DAY = 48
MAX_COUNT = 10**12
MAX_SEQUENCE = 2**53 - 1
CANARY = "canary"


class Counts(NamedTuple):
    """The five counters of a bucket, each 0 to 10^12; sums of them are Python integers and do not overflow."""

    input: int
    cached_input: int
    output: int
    reasoning_output: int
    total: int

    def plus(self, other: Counts) -> Counts:
        """Counter by counter."""
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING = Counts(0, 0, 0, 0, 0)


class Bucket(NamedTuple):
    """One usage total as a client sends it; user and device come from its token alone. Names are canonical already."""

    source: str
    model: str
    slot: int
    input: int
    cached_input: int
    output: int
    reasoning_output: int
    total: int

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells two buckets of one device apart: a tuple, never a joined string."""
        return (self.source, self.model, self.slot)

    @property
    def counts(self) -> Counts:
        """The five counters."""
        return Counts(*self[3:])


def last_wins(buckets: Iterable[Bucket]) -> tuple[Bucket, ...]:
    """The last bucket of every key, in the order in which the keys first appeared."""
    return tuple({bucket.key: bucket for bucket in buckets}.values())


class Order(NamedTuple):
    """
    Where an assertion stands: compared field by field, the greatest order of a key is its fact.

    Epoch 0 is imports; odd epochs belong to clients without a sequence (``seq`` is the ticket taken when the body had
    arrived), even ones to clients with one; ``sub`` is the index in the batch; ``fix`` counts operator corrections.
    """

    epoch: int
    seq: int
    sub: int
    fix: int


class Ticket(NamedTuple):
    """The place in line of a delivery without a client sequence, taken when its body has been read completely."""

    epoch: int
    seq: int


class ClientSequence(NamedTuple):
    """What ``Attribute-Sequence: <epoch>.<seq>`` said; the epoch was issued by the server, the seq only ever grows."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Who a token speaks for. A revoked token or device is never returned as one."""

    user_id: str
    device_id: str
    token_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """
    One accepted request, ready to be written.

    Attributes:
        request_id: made by the server, unique; the key by which a commit in doubt is resolved.
        device: from the token.
        buckets: distinct keys (see `last_wins`), at most 500; the index of a bucket is its ``sub``.
        place: a ticket of this store, or the client's own sequence.
        body_sha256: of the body's bytes; a replay under the same idempotency key must bring the same.
        received_at_us: the server's clock, for people; it orders nothing.
        idempotency_key: the client's header, or nothing.
    """

    request_id: str
    device: Device
    buckets: tuple[Bucket, ...]
    place: Ticket | ClientSequence
    body_sha256: bytes
    received_at_us: int
    idempotency_key: str | None = None


class Evidence(NamedTuple):
    """
    What was seen of the upstream: for the records vendor its HTTP answer, for an embedded store the database's.

    Attributes:
        status: 200 committed, 503 busy or away, 507 full, 500 broken; the vendor's own status; or ``"timeout"``;
            None where nothing answered and no time limit was hit, or where an answer of success confirmed nothing.
        latency_ms: time spent waiting for it, summed over the calls.
        calls: how many.
    """

    status: int | Literal["timeout"] | None
    latency_ms: float
    calls: int = 1


NOT_CALLED = Evidence(None, 0.0, 0)
"""The upstream was asked for nothing: what held us up was our own, such as a lock that a plan of ours holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOutcome:
    """
    What became of a delivery that is durable.

    Attributes:
        delivery_id: its row.
        inserted: new ledger rows (and, without a client sequence, the number of distinct keys).
        skipped: buckets that repeat a ledger row exactly (same sequence, same content).
        late: of the inserted ones, those that a newer assertion already outranks.
        replayed: the idempotency key was known: nothing was written now, the numbers are those of the first time.
        upstream: what the M1 record says of the upstream.
    """

    delivery_id: int
    inserted: int
    skipped: int
    late: int
    replayed: bool
    upstream: Evidence


# --- who may speak ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One issued token as the operator sees it: never the token, never its hash."""

    token_id: int
    user_id: str
    device_id: str
    device_name: str
    platform: str
    created_at_us: int
    last_used_at_us: int | None
    last_sync_at_us: int | None
    token_revoked_at_us: int | None
    device_revoked_at_us: int | None


class Ping(NamedTuple):
    """Answer to a sync ping: whether this one was recorded, and when the last recorded one was."""

    updated: bool
    last_sync_at_us: int


class Redeemed(NamedTuple):
    """What a link code turned into, and when; a repeat of the same request gives the same."""

    user_id: str
    device_id: str
    replayed: bool
    created_at_us: int


# --- what is read -----------------------------------------------------------------------------------------------------


class DayRow(NamedTuple):
    """One daily rollup; ``day`` is a UTC day since the epoch."""

    day: int
    source: str
    model: str
    counts: Counts


class SlotRow(NamedTuple):
    """The facts of one half hour, summed over a user's devices."""

    slot: int
    source: str
    model: str
    counts: Counts


class FactKey(NamedTuple):
    """The whole identity of a fact below its user, in the order in which pages are cut."""

    slot: int
    source: str
    model: str
    device_id: str


class Fact(NamedTuple):
    """What holds for one bucket: the counts of its greatest order."""

    key: FactKey
    counts: Counts
    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """
    Which rows of a user are asked for.

    Attributes:
        source: only this one, canonical; or all.
        model: only this one, canonical; or all.
        canary: whether rows whose source or model is ``canary`` are wanted; asking for one by name wants them too.
    """

    source: str | None = None
    model: str | None = None
    canary: bool = False

    @property
    def hides_canary(self) -> bool:
        """Whether canary rows are left out."""
        return not self.canary and CANARY not in (self.source, self.model)


EVERYTHING = Narrowing()


class Weights(NamedTuple):
    """What one unit of each counter adds to the billable total."""

    input: int
    cached_input: int
    output: int
    reasoning_output: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One version of the linear billable rule; sources without weights of their own take `default`."""

    version: int
    default: Weights
    by_source: dict[str, Weights]

    def billable(self, source: str, counts: Counts) -> int:
        """The billable total of a row or of any sum of rows of one source: the rule is linear."""
        weights = self.by_source.get(source, self.default)
        return sum(weight * count for weight, count in zip(weights, counts, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """
    Gauges for ``/metrics`` and ``/readyz``; cheap to read.

    Attributes:
        pending: ledger rows that the records vendor has not confirmed yet; 0 for other stores.
        wal_bytes: size of SQLite's write-ahead log; 0 for other stores.
    """

    kind: Literal["sqlite", "postgres", "vendor"]
    schema_version: int
    lineage: str
    last_delivery_id: int
    last_ledger_id: int
    devices: int
    active_generation: int
    rule_version: int
    pending: int
    wal_bytes: int


# --- refusals and failures --------------------------------------------------------------------------------------------


class Refusal(Exception):  # noqa: N818 - a refusal is the answer to a request, not an error of ours
    """The store declines a delivery for a reason that the client can act on. Nothing was written."""


class IdempotencyConflict(Refusal):
    """The idempotency key is in use by a request in flight (409), or was used with another body (422)."""

    def __init__(self, *, in_flight: bool) -> None:
        super().__init__("key in flight" if in_flight else "key used with another body")
        self.in_flight = in_flight


class StaleEpoch(Refusal):
    """The client's epoch is not the device's current one (409): ask for a new epoch and send again."""

    def __init__(self, current: int) -> None:
        super().__init__(f"current epoch is {current}")
        self.current = current


class SequenceMismatch(Refusal):
    """The same sequence was used before with other content (422)."""


class DeviceRevoked(Refusal):
    """The token or its device was revoked after it was looked up (401)."""


class LinkCodeRefused(Refusal):
    """The link code is unknown or expired (400), or was redeemed by another request, or revoked since (409)."""

    def __init__(self, why: Literal["unknown", "expired", "used"]) -> None:
        super().__init__(why)
        self.why = why


class StoreError(Exception):
    """The store did not confirm. Never answered with 2xx; `upstream` is what the M1 record says of it."""

    def __init__(self, message: str, upstream: Evidence) -> None:
        super().__init__(message)
        self.upstream = upstream

    @property
    def timed_out(self) -> bool:
        """Whether a time limit of ours ended the wait."""
        return self.upstream.status == "timeout"


class StoreBusy(StoreError):  # noqa: N818 - the base class carries the suffix
    """
    Locked for longer than we wait; nothing was written, try again soon (503).

    The evidence says by whom: 503 or ``"timeout"`` where the database told so, `NOT_CALLED` where the lock is our own.
    """


class StoreFull(StoreError):  # noqa: N818 - the base class carries the suffix
    """No room on the disk; nothing was written (503, evidence 507)."""


class StoreUnavailable(StoreError):  # noqa: N818 - the base class carries the suffix
    """The database or the vendor is away, too slow, or answered with a failure (503)."""


class CommitInDoubt(StoreUnavailable):
    """The connection broke while committing and reading back was not possible either (503): maybe written."""


class StoreBroken(StoreError):  # noqa: N818 - the base class carries the suffix
    """An I/O error or damage: this process must not write again and should stop (503, evidence 500)."""


def distinct_keys(buckets: Sequence[Bucket]) -> bool:
    """Whether no two buckets claim the same key."""
    return len({bucket.key for bucket in buckets}) == len(buckets)
