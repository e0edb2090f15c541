"""Tokens and link codes: how they look, how they are made, and that only their hashes are ever kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final

from attribute.ingest.messages import Head
from attribute.ingest.refusals import Code, Refused

TOKEN: Final = re.compile(r"[0-9a-f]{64}")
"""A device token or link code: 256 random bits in lower-case hexadecimal."""

_BEARER: Final = "Bearer "


def new_secret() -> str:
    """Make a token or a link code: 64 hexadecimal digits."""
    return secrets.token_hex(32)


def hash_of(secret: str) -> bytes:
    """SHA-256 of a token or link code: what is stored, and what is looked up."""
    return hashlib.sha256(secret.encode("ascii")).digest()


def bearer_of(head: Head) -> str:
    """
    Return the token or code that a request shows.

    The scheme is spelled `Bearer`, exactly so. Only what has the form of a token goes on to be looked up.

    Raises:
        Refused: 401, `Missing bearer token` without a bearer and `Unauthorized` with one that cannot be a token.
    """
    found = head.values("authorization")
    if len(found) != 1 or not found[0].startswith(_BEARER) or not found[0][len(_BEARER) :].strip(" \t"):
        raise Refused(Code.MISSING_TOKEN)
    token = found[0][len(_BEARER) :].strip(" \t")
    if TOKEN.fullmatch(token) is None:
        raise Refused(Code.UNAUTHORIZED)
    return token


def derived_token(key: bytes, *, link_code: str, request_id: str) -> str:
    """
    Return the token that a link code turns into for one request id: the same again for a repeat of the request.

    Args:
        key: this installation's own secret, at least 32 bytes; without it a link code in a shell history is worthless
            once it was redeemed.
        link_code: as shown by the client; it has the form of a token.
        request_id: chosen by the client, printable ASCII.
    """
    return hmac.new(key, b"attribute/link/1\0" + hash_of(link_code) + request_id.encode("ascii"), "sha256").hexdigest()
