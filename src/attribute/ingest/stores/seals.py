"""
Seals: a chain of hashes over the deliveries, so that history cannot be changed without it showing.

A seal covers the deliveries after the previous seal; its hash is over the previous hash and each delivery's id and
content hash. Sealing waits until no writer is under way, so no delivery with a smaller id can still appear.
"""

from __future__ import annotations

from hashlib import sha256

from attribute.ingest.stores.transaction import Transaction, one

SEAL_EVERY = 1000
"""Deliveries between two seals."""

LAST_SEAL = "SELECT seal_id, last_delivery_id, sha256 FROM seal ORDER BY seal_id DESC LIMIT 1"
UNSEALED = "SELECT delivery_id, content_sha256 FROM delivery WHERE delivery_id > :after ORDER BY delivery_id"
INSERT_SEAL = "INSERT INTO seal (seal_id, last_delivery_id, sha256) VALUES (:seal_id, :last_delivery_id, :sha256)"


def chain(previous: bytes, deliveries: list[tuple[int, bytes]]) -> bytes:
    """The next seal's hash."""
    hashed = sha256(previous)
    for delivery_id, content in deliveries:
        hashed.update(delivery_id.to_bytes(8, "big"))
        hashed.update(content)
    return hashed.digest()


def seal(tx: Transaction) -> int:
    """
    Seal every delivery that no seal covers; the caller has made sure that no writer is under way.

    Returns:
        How many deliveries the new seal covers; 0: there was nothing to seal.
    """
    seal_id, last, previous = one(tx, LAST_SEAL) or (0, 0, b"\0" * 32)
    deliveries = [(int(number), bytes(content)) for number, content in tx.rows(UNSEALED, after=last)]
    if deliveries:
        tx.run(
            INSERT_SEAL,
            seal_id=seal_id + 1,
            last_delivery_id=deliveries[-1][0],
            sha256=chain(bytes(previous), deliveries),
        )
    return len(deliveries)
