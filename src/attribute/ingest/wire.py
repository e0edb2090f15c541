"""
The grammar of a delivery's body: from bytes to buckets, or to one refusal that names the place.

Nothing is repaired and nothing is dropped. A refusal's place is made of our own field names and of positions
(`hourly[3].#8` is the ninth member of the fourth bucket), because the names of unknown members are the sender's text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from attribute.ingest import strict_json
from attribute.ingest.model import MAX_COUNT, SLOT_SECONDS, SLOTS_PER_DAY, Bucket, last_wins
from attribute.ingest.refusals import MAX_BUCKETS, Code, Refused

MAX_BODY_BYTES: Final = 1 << 20
MAX_SOURCE_CHARS: Final = 64
MAX_MODEL_CHARS: Final = 200
DEFAULT_SOURCE: Final = "codex"
DEFAULT_MODEL: Final = "unknown"
COUNT_NAMES: Final = (
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "total_tokens",
)
_BUCKET_NAMES: Final = frozenset({"source", "model", "hour_start", *COUNT_NAMES})
_HOUR_START: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([01][0-9]|2[0-3]):(00|30):00(?:\.0{1,9})?(?:Z|\+00:00)"
)
_LONGEST_HOUR_START: Final = 35
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# What JavaScript's trim() and Python's strip() both take for space; everything else at the edges is judged as text.
_EDGE_SPACE: Final = " \t\n\v\f\r"
# How many code points NFC may make one of. Bounds what is normalised: ordering a long run of marks takes its square.
_MOST_PARTS: Final = 4


class Window(NamedTuple):
    """The half hours that a delivery may speak of: both ends are in."""

    first_slot: int
    last_slot: int


def window_at(now: datetime, *, past_days: int = 800, ahead_s: int = 300) -> Window:
    """
    Which half hours may be written at *now*.

    Args:
        now: aware instant.
        past_days: how far back, in days of 24 hours.
        ahead_s: how wrong a client's clock may be, in seconds; the half hour after that instant's is still in.

    Returns:
        A window that begins with the epoch at the earliest: stores count half hours from there.
    """
    seconds = int(now.timestamp())
    return Window(max((seconds - past_days * 86_400) // SLOT_SECONDS, 0), (seconds + ahead_s) // SLOT_SECONDS + 1)


def read_delivery(body: bytes, *, window: Window) -> tuple[Bucket, ...]:
    """
    Read a delivery.

    Args:
        body: what was received, at most `MAX_BODY_BYTES`.
        window: half hours that may be written.

    Returns:
        One bucket per distinct (source, model, slot), the last statement of each.

    Raises:
        Refused: 400 with a fixed sentence and a place, or 413. One bad bucket refuses the whole delivery.
    """
    try:
        value = strict_json.parse(body)
    except strict_json.JsonRefusedError:
        raise Refused(Code.INVALID_JSON) from None
    rows, place = _rows(value)
    if len(rows) > MAX_BUCKETS:
        raise Refused(Code.TOO_MANY_BUCKETS)
    return last_wins([_bucket(row, f"{place}[{position}]", window) for position, row in enumerate(rows)])


def _rows(value: object) -> tuple[Sequence[object], str]:
    if isinstance(value, list):
        return value, ""
    if not isinstance(value, dict):
        raise Refused(Code.INVALID_PAYLOAD)
    _refuse_unknown(value, frozenset({"hourly", "data"}), "")
    if len(value) != 1:
        raise Refused(Code.INVALID_PAYLOAD)
    if "hourly" in value:
        return _array(value["hourly"]), "hourly"
    data = value["data"]
    if not isinstance(data, dict):
        return _array(data), "data"
    _refuse_unknown(data, frozenset({"hourly"}), "data")
    return _array(data.get("hourly")), "data.hourly"


def _array(value: object) -> Sequence[object]:
    if not isinstance(value, list):
        raise Refused(Code.INVALID_PAYLOAD)
    return value


def _refuse_unknown(members: dict[str, object], known: frozenset[str], place: str) -> None:
    for position, name in enumerate(members):
        if name not in known:
            raise Refused(Code.UNKNOWN_FIELD, place=f"{place}.#{position}".lstrip("."))


def _bucket(row: object, place: str, window: Window) -> Bucket:
    if not isinstance(row, dict):
        raise Refused(Code.INVALID_BUCKET, place=place)
    if not row.keys() <= _BUCKET_NAMES:
        _refuse_unknown(row, _BUCKET_NAMES, place)
    source = _name(row.get("source"), DEFAULT_SOURCE, MAX_SOURCE_CHARS, place, "source")
    model = _name(row.get("model"), DEFAULT_MODEL, MAX_MODEL_CHARS, place, "model")
    slot = slot_of(row.get("hour_start"))
    if slot is None:
        raise Refused(Code.INVALID_HOUR_START, place=f"{place}.hour_start")
    if not window.first_slot <= slot <= window.last_slot:
        raise Refused(Code.OUTSIDE_WINDOW, place=f"{place}.hour_start")
    return Bucket(source, model, slot, *[_count(row.get(name), place, name) for name in COUNT_NAMES])


def _count(value: object, place: str, name: str) -> int:
    # `type` and not `isinstance`: True is an int to the latter.
    if type(value) is not int or value < 0:
        raise Refused(Code.INVALID_COUNT, place=f"{place}.{name}")
    if value > MAX_COUNT:
        raise Refused(Code.COUNT_TOO_LARGE, place=f"{place}.{name}")
    return value


def slot_of(value: object) -> int | None:
    """
    Half hours since the epoch of an `hour_start`, or None where it is not of the one accepted form.

    The form is `YYYY-MM-DDTHH:MM:00` with minutes 00 or 30, an optional fraction of zeros, and `Z` or `+00:00`.

    >>> slot_of("1970-01-02T00:30:00.000Z")
    49
    >>> slot_of("1970-01-02T00:30:00+05:30") is None
    True
    """
    return _slot_of_text(value) if isinstance(value, str) and len(value) <= _LONGEST_HOUR_START else None


# Deliveries repeat the same half hours and names over and over. What is remembered is bounded in number and length.
@lru_cache(maxsize=8192)
def _slot_of_text(text: str) -> int | None:
    match = _HOUR_START.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute = map(int, match.groups())
    try:
        ordinal = date(year, month, day).toordinal()
    except ValueError:
        return None
    return (ordinal - _EPOCH_DAY) * SLOTS_PER_DAY + hour * 2 + minute // 30


def hour_start_of(slot: int) -> str:
    """
    The instant at which a slot begins, as the wire writes it.

    >>> hour_start_of(49)
    '1970-01-02T00:30:00.000Z'
    """
    return datetime.fromtimestamp(slot * SLOT_SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def canonical_name(text: str, max_chars: int) -> str | None:
    r"""
    A name's one form: edges trimmed, ASCII letters of its NFC in lower case, and NFC again. None for what is no name.

    Texts that Unicode holds equal have one form, and the form of a form is itself.

    No name: nothing but space, more than *max_chars* characters, or any character that does not print (controls,
    formats such as zero-width and direction marks, surrogates, unassigned code points, separators but the space).

    >>> canonical_name(" GPT-5.2-Codex ", 200)
    'gpt-5.2-codex'
    >>> canonical_name("a\u200bb", 200) is None
    True
    >>> canonical_name("H\u0331", 200) == canonical_name("h\u0331", 200) == "\u1e96"
    True
    """
    name = text.strip(_EDGE_SPACE)
    if len(name) > max_chars * _MOST_PARTS:
        return None
    if name.isascii():
        name = name.lower()
    else:
        # Some marks have a letter of their own below a small letter alone; and some capitals become ASCII by NFC.
        folded = "".join(c.lower() if c.isascii() else c for c in unicodedata.normalize("NFC", name))
        name = unicodedata.normalize("NFC", folded)
    return name if name and len(name) <= max_chars and name.isprintable() else None


@lru_cache(maxsize=1024)
def _remembered_name(text: str, max_chars: int) -> str | None:
    return canonical_name(text, max_chars)


def _remembered(text: str, max_chars: int) -> str | None:
    return _remembered_name(text, max_chars) if len(text) <= max_chars else canonical_name(text, max_chars)


def _name(value: object, default: str, max_chars: int, place: str, field: str) -> str:
    if value is None:
        return default
    if not isinstance(value, str):
        raise Refused(Code.INVALID_NAME, place=f"{place}.{field}")
    if value and not value.strip(_EDGE_SPACE):
        return default
    name = _remembered(value, max_chars) if value else default
    if name is None:
        raise Refused(Code.INVALID_NAME, place=f"{place}.{field}")
    return name
