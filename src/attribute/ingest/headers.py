"""The grammar of the headers that a delivery may have."""

from __future__ import annotations

import re
from typing import Final

from attribute.ingest.messages import Head
from attribute.ingest.model import MAX_SEQUENCE, ClientSequence
from attribute.ingest.refusals import Code, Refused

_SEQUENCE: Final = re.compile(r"([0-9]{1,16})\.([0-9]{1,16})")
_PRINTABLE_ASCII: Final = re.compile(r"[!-~]{1,255}")
_MAX_REQUEST_ID_CHARS: Final = 128


def require_json(head: Head) -> None:
    """Refuse with 415 what is not one body of JSON in UTF-8; the header's value is searched as it always was."""
    found = head.values("content-type")
    if len(found) != 1 or "application/json" not in found[0] or head.values("content-encoding") not in _NOT_ENCODED:
        raise Refused(Code.UNSUPPORTED_MEDIA_TYPE)
    for parameter in found[0].lower().split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8"):
            raise Refused(Code.UNSUPPORTED_MEDIA_TYPE)


_NOT_ENCODED: Final = ((), ("identity",))


def idempotency_key(head: Head) -> str | None:
    """Return the `Idempotency-Key`, 1 to 255 printable ASCII characters, or None where there is none."""
    found = head.values("idempotency-key")
    if not found:
        return None
    if len(found) != 1 or _PRINTABLE_ASCII.fullmatch(found[0]) is None:
        raise Refused(Code.INVALID_IDEMPOTENCY_KEY)
    return found[0]


def sequence(head: Head) -> ClientSequence | None:
    """Return what `Attribute-Sequence: <epoch>.<sequence>` says, or None where there is none."""
    found = head.values("attribute-sequence")
    if not found:
        return None
    match = _SEQUENCE.fullmatch(found[0]) if len(found) == 1 else None
    if match is None or any(int(number) > MAX_SEQUENCE for number in match.groups()):
        raise Refused(Code.INVALID_SEQUENCE)
    return ClientSequence(int(match[1]), int(match[2]))


def is_request_id(text: str) -> bool:
    """Whether a client's `request_id` is 1 to 128 printable ASCII characters."""
    return len(text) <= _MAX_REQUEST_ID_CHARS and _PRINTABLE_ASCII.fullmatch(text) is not None
