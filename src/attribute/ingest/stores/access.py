"""Devices, tokens and link codes. Only hashes of secrets ever come here."""

from __future__ import annotations

import hmac
from typing import Final
from uuid import uuid4

from attribute.ingest.model import Device, LinkCodeRefused, Ping, Redeemed, TokenRow
from attribute.ingest.stores.transaction import Row, Transaction, number

FIND_TOKENS = """
SELECT t.sha256, d.user_id, d.device_id, t.token_id, t.created_at_us
  FROM token t JOIN device d ON d.device_id = t.device_id
 WHERE t.sha256 >= :first AND t.sha256 <= :last AND t.revoked_at_us IS NULL AND d.revoked_at_us IS NULL
"""
INSERT_DEVICE = """
INSERT INTO device (device_id, user_id, name, platform, created_at_us)
VALUES (:device_id, :user_id, :name, :platform, :at_us)
"""
INSERT_TOKEN = """
INSERT INTO token (sha256, device_id, created_at_us) VALUES (:sha256, :device_id, :at_us) RETURNING token_id
"""  # noqa: S105 - SQL, not a secret
TOKENS = """
SELECT t.token_id, d.user_id, d.device_id, d.name, d.platform, t.created_at_us, t.last_used_at_us,
       CASE WHEN coalesce(d.last_ping_at_us, 0) > coalesce(d.last_sync_at_us, 0)
            THEN d.last_ping_at_us ELSE d.last_sync_at_us END,
       t.revoked_at_us, d.revoked_at_us
  FROM token t JOIN device d ON d.device_id = t.device_id ORDER BY t.token_id
"""
REVOKE_TOKEN = "UPDATE token SET revoked_at_us = :at_us WHERE token_id = :token_id AND revoked_at_us IS NULL"  # noqa: S105 - SQL
REVOKE_DEVICE = "UPDATE device SET revoked_at_us = :at_us WHERE device_id = :device_id AND revoked_at_us IS NULL"
PING = """
UPDATE device SET last_ping_at_us = :at_us
 WHERE device_id = :device_id AND (last_ping_at_us IS NULL OR last_ping_at_us <= :at_us - :min_interval_us
                                   OR last_ping_at_us - :min_interval_us > :at_us)
"""
"""A ping from a future further away than two pings are apart was noted by a clock that was wrong, and holds nothing."""
LAST_PING = "SELECT last_ping_at_us FROM device WHERE device_id = :device_id"
NEXT_EPOCH = """
UPDATE device SET epoch = (epoch / 2) * 2 + 2 WHERE device_id = :device_id AND revoked_at_us IS NULL RETURNING epoch
"""
TICKET_EPOCH = "SELECT (epoch / 2) * 2 + 1 AS epoch FROM device WHERE device_id = :device_id"
INSERT_CODE = "INSERT INTO link_code (sha256, user_id, expires_at_us) VALUES (:sha256, :user_id, :expires_at_us)"
FIND_CODES = """
SELECT sha256, user_id, expires_at_us, request_id, device_id
  FROM link_code WHERE sha256 >= :first AND sha256 <= :last
"""
CLAIM_CODE = """
UPDATE link_code SET request_id = :request_id, device_id = :device_id WHERE sha256 = :sha256 AND request_id IS NULL
"""


_HASH_BYTES: Final = 32
_SEEN_BY_INDEX: Final = 8


def find_token(tx: Transaction, sha256: bytes) -> Device | None:
    """Whom a token speaks for."""
    found = _of_hash(tx, FIND_TOKENS, sha256)
    return None if found is None else Device(user_id=found[1], device_id=found[2], token_id=int(found[3]))


def _of_hash(tx: Transaction, statement: str, sha256: bytes) -> Row | None:
    """
    Give the row of a secret's hash.

    An index takes more or less time with how much of two values is equal, so it is shown the first eight bytes and no
    more. What begins so (one row, in practice) is compared whole, in a time that does not depend on where it differs.
    """
    if len(sha256) != _HASH_BYTES:
        return None
    first, unseen = sha256[:_SEEN_BY_INDEX], _HASH_BYTES - _SEEN_BY_INDEX
    rows = tx.rows(statement, first=first + b"\0" * unseen, last=first + b"\xff" * unseen)
    return next((row for row in rows if hmac.compare_digest(bytes(row[0]), sha256)), None)


def issue_token(tx: Transaction, *, user_id: str, name: str, platform: str, sha256: bytes, at_us: int) -> Device:
    """Make a device with one token."""
    device_id = str(uuid4())
    tx.run(INSERT_DEVICE, device_id=device_id, user_id=user_id, name=name, platform=platform, at_us=at_us)
    token_id = number(tx, INSERT_TOKEN, sha256=sha256, device_id=device_id, at_us=at_us)
    return Device(user_id=user_id, device_id=device_id, token_id=token_id)


def tokens(tx: Transaction) -> list[TokenRow]:
    """Every token ever issued."""
    names = tuple(TokenRow.__dataclass_fields__)
    return [TokenRow(**dict(zip(names, row, strict=True))) for row in tx.rows(TOKENS)]


def ping(tx: Transaction, device: Device, *, at_us: int, min_interval_us: int) -> Ping:
    """Record a ping unless one was recorded within the interval."""
    changed = tx.run(PING, device_id=device.device_id, at_us=at_us, min_interval_us=min_interval_us)
    return Ping(updated=bool(changed), last_sync_at_us=number(tx, LAST_PING, device_id=device.device_id))


def knows_code(tx: Transaction, sha256: bytes, *, at_us: int) -> bool:
    """Whether there is a link code with this hash that has not expired."""
    found = _of_hash(tx, FIND_CODES, sha256)
    return found is not None and found[2] > at_us


def redeem(
    tx: Transaction, *, sha256: bytes, request_id: str, token_sha256: bytes, name: str, platform: str, at_us: int
) -> Redeemed:
    """
    Turn a link code into a device and token; until it expires the same request again gets the same device.

    Raises:
        LinkCodeRefused: unknown, expired, redeemed by another request, or what it turned into is revoked.
    """
    found = _of_hash(tx, FIND_CODES, sha256)
    if found is None:
        raise LinkCodeRefused("unknown")
    _, user_id, expires_at_us, first_request, first_device = found
    if expires_at_us <= at_us:
        raise LinkCodeRefused("expired")
    if first_request is not None:
        token = _of_hash(tx, FIND_TOKENS, token_sha256)
        if first_request != request_id or token is None:
            raise LinkCodeRefused("used")
        return Redeemed(user_id, first_device, replayed=True, created_at_us=int(token[4]))
    device = issue_token(tx, user_id=user_id, name=name, platform=platform, sha256=token_sha256, at_us=at_us)
    if not tx.run(CLAIM_CODE, sha256=sha256, request_id=request_id, device_id=device.device_id):
        raise LinkCodeRefused("used")
    return Redeemed(user_id, device.device_id, replayed=False, created_at_us=at_us)
