"""
Local days as ranges of half hours.

A half hour belongs to the local day in which it begins, and a local day begins at its first half hour: so the days of
any zone, whatever its offset and its transitions, cut the half hours into ranges without gap or overlap, and sums over
days add up to the sum over the half hours.

Where clocks go back over midnight (Labrador, 28 October 2006), the half hours that carry the earlier date once more
belong to the day that had already begun: a day is one range, and never goes on after the next.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from attribute.ingest.model import SLOT_SECONDS, SLOTS_PER_DAY

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OFFSET: Final = re.compile(r"[+-]?[0-9]{1,3}")
MAX_OFFSET_MINUTES: Final = 840
FIRST_DAY: Final = date(1970, 1, 2)
LAST_DAY: Final = date(9998, 12, 30)
"""Days that can be asked for; a margin at both ends lets every zone's neighbouring days exist."""


_NO_ZONES: Final = frozenset({"Factory", "localtime"})
"""What a machine lists beside the zones: one stands for none being chosen, the other for whatever this machine's is."""


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_ZONES


def zone_named(name: str) -> tzinfo | None:
    """
    Return an IANA zone, or None for a name that is not in the list: no name ever becomes a path.

    >>> zone_named("Europe/Berlin")
    zoneinfo.ZoneInfo(key='Europe/Berlin')
    >>> zone_named("../../etc/passwd") is None
    True
    """
    return ZoneInfo(name) if name in _zone_names() else None


def zone_of_offset(text: str) -> tzinfo | None:
    """
    Return the zone that is *text* minutes ahead of UTC, -840 to 840, or None for any other text.

    >>> zone_of_offset("-480")
    datetime.timezone(datetime.timedelta(days=-1, seconds=57600))
    """
    minutes = int(text) if _OFFSET.fullmatch(text) else MAX_OFFSET_MINUTES + 1
    return timezone(timedelta(minutes=minutes)) if abs(minutes) <= MAX_OFFSET_MINUTES else None


def day_named(text: str) -> date | None:
    """Return the day that `YYYY-MM-DD` names, or None for any other text and for days that cannot be asked for."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_DAY <= day <= LAST_DAY else None


def local_start(slot: int, zone: tzinfo) -> datetime:
    """Return the local time at which a half hour begins."""
    return datetime.fromtimestamp(slot * SLOT_SECONDS, UTC).astimezone(zone)


def first_slot(day: date, zone: tzinfo) -> int:
    """
    Return the first half hour of a local day: the earliest that begins on it or, where the zone skipped it, later.

    >>> berlin = ZoneInfo("Europe/Berlin")
    >>> first_slot(date(2025, 3, 31), berlin) - first_slot(date(2025, 3, 30), berlin)
    46
    """
    if zone is UTC:
        return (day.toordinal() - date(1970, 1, 1).toordinal()) * SLOTS_PER_DAY
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    slot = int(midnight.timestamp()) // SLOT_SECONDS
    while local_start(slot - 1, zone).date() >= day:
        slot -= 1
    while local_start(slot, zone).date() < day:
        slot += 1
    return slot


def days_between(first: date, last: date) -> list[date]:
    """Every day from *first* to *last*, both in; none where *last* comes first."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def month_back(month: date, count: int) -> date:
    """
    Return the first day of the month *count* months before the one that *month* lies in.

    >>> month_back(date(2025, 2, 28), 3)
    datetime.date(2024, 11, 1)
    """
    year, index = divmod(month.year * 12 + month.month - 1 - count, 12)
    return date(year, index + 1, 1)
