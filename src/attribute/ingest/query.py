"""The grammar of what the usage reads are asked: every parameter known, once, and of the right form, or 400."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, NoReturn
from urllib.parse import parse_qsl

from attribute.ingest import wire
from attribute.ingest.calendar import LAST_DAY, day_named, month_back, zone_named, zone_of_offset
from attribute.ingest.messages import Function
from attribute.ingest.model import FactKey, Narrowing
from attribute.ingest.refusals import Code, Refused

MAX_QUERY_CHARS: Final = 2048
MAX_MONTHS: Final = 24
MAX_WEEKS: Final = 104
DEFAULT_DAYS: Final = 30
DEFAULT_WEEKS: Final = 52
MAX_PAGE: Final = 1000

_COMMON: Final = frozenset({"source", "model", "tz", "tz_offset_minutes", "debug"})
PARAMETERS: Final[Mapping[Function, frozenset[str]]] = {
    Function.USAGE_SUMMARY: _COMMON | {"from", "to"},
    Function.USAGE_DAILY: _COMMON | {"from", "to"},
    Function.USAGE_MODEL_BREAKDOWN: (_COMMON | {"from", "to"}) - {"model"},
    Function.USAGE_HOURLY: _COMMON | {"day"},
    Function.USAGE_MONTHLY: _COMMON | {"months", "to"},
    Function.USAGE_HEATMAP: _COMMON | {"weeks", "to", "week_starts_on"},
    Function.USAGE_BUCKETS: _COMMON | {"from", "to", "limit", "after"},
}
_NUMBER: Final = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    One question.

    Attributes:
        first, last: local days, both in; *last* may come first, and then nothing was asked for.
        zone: whose days they are.
        only: which rows.
        months, weeks: how many, where the question is put in those.
        week_starts_on_monday: or on Sunday.
        after, limit: which page.
        debug: whether the answer should say how long it took.
    """

    first: date
    last: date
    zone: tzinfo
    only: Narrowing
    months: int
    weeks: int
    week_starts_on_monday: bool
    after: FactKey | None
    limit: int
    debug: bool


def read_query(function: Function, query: str, *, now: datetime, max_days: int) -> Asked:
    """
    Read the query of one of the usage functions.

    Args:
        function: one that `PARAMETERS` has.
        query: as it came, percent-encoded.
        now: aware; says what today is.
        max_days: how many days a range may have.

    Raises:
        Refused: 400, with the parameter's name as the place where it is one of ours.
    """
    given = _given(query, PARAMETERS[function])
    zone = _zone(given)
    today = min(now.astimezone(zone).date(), LAST_DAY)
    last = _day(given, "day" if function is Function.USAGE_HOURLY else "to") or today
    months = _number(given, "months", 1, MAX_MONTHS) or MAX_MONTHS
    weeks = _number(given, "weeks", 1, MAX_WEEKS) or DEFAULT_WEEKS
    monday = _choice(given, "week_starts_on", ("sun", "mon")) == "mon"
    first = _first(function, given, last, months, weeks, monday=monday)
    if (last - first).days + 1 > max_days and function in _RANGED:
        raise Refused(Code.RANGE_TOO_LARGE, text=f"Date range too large (max {max_days} days)")
    return Asked(
        first=first,
        last=last,
        zone=zone,
        only=Narrowing(
            source=_name(given, "source", wire.MAX_SOURCE_CHARS), model=_name(given, "model", wire.MAX_MODEL_CHARS)
        ),
        months=months,
        weeks=weeks,
        week_starts_on_monday=monday,
        after=_after(given),
        limit=_number(given, "limit", 1, MAX_PAGE) or MAX_PAGE,
        debug=_choice(given, "debug", ("0", "1")) == "1",
    )


_RANGED: Final = frozenset(function for function, names in PARAMETERS.items() if "from" in names)


def _given(query: str, known: frozenset[str]) -> dict[str, str]:
    if len(query) > MAX_QUERY_CHARS:
        raise Refused(Code.INVALID_PARAMETER)
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=len(known))
    except ValueError:
        raise Refused(Code.UNKNOWN_PARAMETER) from None
    given = dict(pairs)
    if len(given) != len(pairs) or not given.keys() <= known:
        raise Refused(Code.UNKNOWN_PARAMETER)
    return given


def _refuse(name: str) -> NoReturn:
    raise Refused(Code.INVALID_PARAMETER, place=name)


def _zone(given: dict[str, str]) -> tzinfo:
    if "tz" in given:
        return zone_named(given["tz"]) or _refuse("tz")
    if "tz_offset_minutes" in given:
        return zone_of_offset(given["tz_offset_minutes"]) or _refuse("tz_offset_minutes")
    return UTC


def _day(given: dict[str, str], name: str) -> date | None:
    return (day_named(given[name]) or _refuse(name)) if name in given else None


def _number(given: dict[str, str], name: str, least: int, most: int) -> int | None:
    if name not in given:
        return None
    if _NUMBER.fullmatch(given[name]) is None or not least <= int(given[name]) <= most:
        _refuse(name)
    return int(given[name])


def _choice(given: dict[str, str], name: str, choices: tuple[str, ...]) -> str | None:
    if given.get(name) not in (None, *choices):
        _refuse(name)
    return given.get(name)


def _name(given: dict[str, str], name: str, max_chars: int) -> str | None:
    return (wire.canonical_name(given[name], max_chars) or _refuse(name)) if name in given else None


def _first(function: Function, given: dict[str, str], last: date, months: int, weeks: int, *, monday: bool) -> date:
    if function is Function.USAGE_HOURLY:
        return last
    if function is Function.USAGE_MONTHLY:
        return max(month_back(last, months - 1), date(1970, 1, 1))
    if function is Function.USAGE_HEATMAP:
        into_week = last.weekday() if monday else (last.weekday() + 1) % 7
        return last - timedelta(days=into_week + 7 * (weeks - 1))
    return _day(given, "from") or last - timedelta(days=DEFAULT_DAYS - 1)


def cursor_of(key: FactKey) -> str:
    """Return the cursor that stands behind a fact: opaque to clients, canonical JSON in URL-safe base64."""
    return base64.urlsafe_b64encode(json.dumps(list(key), separators=(",", ":")).encode()).decode().rstrip("=")


def _after(given: dict[str, str]) -> FactKey | None:
    if "after" not in given:
        return None
    text = given["after"]
    try:
        value = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        _refuse("after")
    match value:
        case [int(slot), str(source), str(model), str(device_id)] if type(slot) is int and abs(slot) < 2**40:
            key = FactKey(slot, source, model, device_id)
            return key if not any("\0" in part or not _encodable(part) for part in key[1:]) else _refuse("after")
        case _:
            _refuse("after")


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
