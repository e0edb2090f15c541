"""What happens to one delivery inside its transaction, the same for every database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

import orjson

from attribute.ingest.model import (
    ClientSequence,
    Delivery,
    DeviceRevoked,
    IdempotencyConflict,
    SequenceMismatch,
    StaleEpoch,
    Ticket,
)
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.transaction import Row, Transaction, Value, number, one, recompute_touched

CONTENT_VERSION: Final = "attribute.delivery/1"
"""Stands in what is hashed: a hash of another definition is never taken for one of this."""
HASHED: Final = (
    "request_id", "device_id", "epoch", "seq", "idempotency_key", "body_sha256", "inserted", "skipped",
    "received_at_us", "plan_id",
)  # fmt: skip


class Accepted(NamedTuple):
    """What a delivery came to; `epoch` and `seq` are where its rows stand."""

    delivery_id: int
    inserted: int
    skipped: int
    late: int
    replayed: bool
    epoch: int
    seq: int


class Appending(NamedTuple):
    """A delivery row about to be written together with the staged batch."""

    request_id: str
    device_id: str
    epoch: int
    seq: int
    body_sha256: bytes
    received_at_us: int
    idempotency_key: str | None = None
    plan_id: int | None = None


def accept(tx: Transaction, delivery: Delivery) -> Accepted:
    """
    Write a delivery, its ledger rows, the facts they decide and the rollups of the touched groups.

    Raises:
        DeviceRevoked, IdempotencyConflict, StaleEpoch, SequenceMismatch: nothing was written.
    """
    device = delivery.device
    key = delivery.idempotency_key
    if key is not None and not tx.lock_key(f"{device.device_id}/{key}"):
        raise IdempotencyConflict(in_flight=True)
    tx.lock_device(device.device_id)
    found = one(tx, sql.DEVICE, device_id=device.device_id, token_id=device.token_id)
    if found is None or found[1] is not None or found[2] is not None:
        raise DeviceRevoked
    if key is not None:
        known = one(tx, sql.DELIVERY_BY_KEY, device_id=device.device_id, idempotency_key=key)
        if known is not None:
            return _replay(known, delivery.body_sha256)
    place = delivery.place
    sequenced = isinstance(place, ClientSequence)
    if sequenced and (place.epoch != found[0] or place.epoch % 2):
        raise StaleEpoch(int(found[0]))
    rows: Sequence[Row] = [
        (None, device.user_id, device.device_id, *bucket, place.epoch, place.seq, sub, 0)
        for sub, bucket in enumerate(delivery.buckets)
    ]
    skipped = 0
    if sequenced:
        rows, skipped = _without_repeats(tx, device.device_id, place, rows)
    appending = Appending(
        request_id=delivery.request_id,
        device_id=device.device_id,
        epoch=place.epoch,
        seq=place.seq,
        body_sha256=delivery.body_sha256,
        received_at_us=delivery.received_at_us,
        idempotency_key=key,
    )
    delivery_id, late = append(tx, appending, rows, skipped=skipped)
    tx.put(
        sql.TOUCH_DEVICE,
        device_id=device.device_id,
        at_us=delivery.received_at_us,
        epoch=place.epoch,
        ticket=0 if sequenced else place.seq,
    )
    tx.put(sql.TOUCH_TOKEN, at_us=delivery.received_at_us, token_id=device.token_id)
    return Accepted(delivery_id, len(rows), skipped, late, replayed=False, epoch=place.epoch, seq=place.seq)


def append(tx: Transaction, appending: Appending, rows: Sequence[Row], *, skipped: int = 0) -> tuple[int, int]:
    """
    Append *rows*, sorted by order and all of one device, to the ledger under one delivery, and bring facts and rollups
    up to date.

    Returns:
        The delivery's id, and how many rows a newer assertion outranks already.
    """
    values: dict[str, Value] = {**appending._asdict(), "inserted": len(rows), "skipped": skipped}
    values["content_sha256"] = content_sha256(values, ((*row[1:], appending.plan_id) for row in rows))
    done = tx.append_at_once(rows, **values)
    if done is not None:
        return done
    tx.fill("batch", rows)
    late = number(tx, sql.LATE) if rows else 0
    delivery_id = number(tx, sql.INSERT_DELIVERY, **values, late=late)
    if rows:
        tx.run(sql.INSERT_LEDGER, delivery_id=delivery_id, plan_id=appending.plan_id)
        tx.run(sql.UPSERT_FACTS)
        recompute_touched(tx)
    return delivery_id, late


def content_sha256(delivery: Mapping[str, Value], rows: Iterable[Row]) -> bytes:
    """
    The hash of who asserted what, and where it stands.

    Left out are the delivery's number, which the seals cover, and `late`, which is known only when all is written.

    Args:
        delivery: the columns of its row that `HASHED` names; others are ignored.
        rows: one per ledger row: user, device, source, model, slot, the five counters, epoch, seq, sub, fix, plan.
    """
    said = [_plain(delivery[name]) for name in HASHED]
    return sha256(orjson.dumps([CONTENT_VERSION, said, sorted(rows, key=_order)])).digest()


def _plain(value: Value) -> str | int | None:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def _order(row: Row) -> tuple[int, ...]:
    return tuple(row[10:14])


def _replay(known: Row, body_sha256: bytes) -> Accepted:
    delivery_id, first_body, inserted, skipped, late, epoch, seq = known
    if bytes(first_body) != body_sha256:
        raise IdempotencyConflict(in_flight=False)
    return Accepted(delivery_id, inserted, skipped, late, replayed=True, epoch=epoch, seq=seq)


def _without_repeats(
    tx: Transaction, device_id: str, place: ClientSequence | Ticket, rows: Sequence[Row]
) -> tuple[Sequence[Row], int]:
    known = {row[-1]: row[:-1] for row in tx.rows(sql.SAID_BEFORE, device_id=device_id, **place._asdict())}
    repeated = [row for row in rows if row[13] in known]
    if any(row[3:11] != known[row[13]] for row in repeated):
        raise SequenceMismatch
    return [row for row in rows if row[13] not in known], len(repeated)
