"""Time zones by name, and what a wall clock in one means in UTC."""

from __future__ import annotations

import difflib
import os
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from attribute.logs.names import shown
from attribute.m1.errors import AttributionError

__all__ = ["Reading", "ZoneError", "parse_zone", "readings"]

_LOCALTIME: Final = Path("/etc/localtime")
_FOREIGN: Final = ("posix/", "right/")  # copies of the whole tree, the latter with leap seconds


class ZoneError(AttributionError):
    """A time zone that is not known."""

    @classmethod
    def unknown(cls, name: str) -> ZoneError:
        """Word a name that no zone has, with those that are near."""
        by_folded = {known.casefold(): known for known in available_timezones()}
        by_folded |= {known.rpartition("/")[2].casefold(): known for known in sorted(by_folded.values())}
        folded = name.strip().casefold().replace(" ", "_")
        near = difflib.get_close_matches(folded, sorted(by_folded), n=3, cutoff=0.75)
        hint = "zones have names such as `Asia/Seoul`, `UTC` or `local`"
        if near:
            hint = f"did you mean {' or '.join(dict.fromkeys(f'`{by_folded[each]}`' for each in near))}?"
        return cls(f"`{shown(name)}` is not a time zone", hint=hint)

    @classmethod
    def local_unknown(cls, value: str) -> ZoneError:
        """Word a machine whose own zone has no name."""
        return cls(f"the zone of this machine, `{shown(value)}`, has no known name", hint="name one: `--tz Asia/Seoul`")


def parse_zone(name: str) -> tzinfo:
    """
    Return the time zone that *name* stands for: an IANA name, ``UTC``, or ``local`` for this machine's.

    Raises:
        ZoneError: there is no such zone; abbreviations such as ``KST`` are none, for several zones share each.
    """
    if name.casefold() == "utc":
        return UTC
    if name.casefold() == "local":
        return _local_zone()
    zone = _named(name)
    if zone is None:
        raise ZoneError.unknown(name)
    return zone


def _named(name: str) -> ZoneInfo | None:
    if name.startswith(_FOREIGN):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # nothing there, no name of a zone, a folder of zones
        return None


def _local_zone() -> tzinfo:
    value = os.environ.get("TZ")
    if value == "":
        return UTC
    if value is not None:
        zone = _zone_of_file(Path(value)) if value.startswith("/") else _named(value.removeprefix(":"))
        if zone is None:
            raise ZoneError.local_unknown(value)
        return zone
    if not _LOCALTIME.exists():
        return UTC
    zone = _zone_of_file(_LOCALTIME)
    if zone is None:
        raise ZoneError.local_unknown(str(_LOCALTIME))
    return zone


def _zone_of_file(path: Path) -> ZoneInfo | None:
    """Return a zone by the place its file links to, so that it has its name, or else by what the file holds."""
    _, found, name = str(path.resolve()).partition("/zoneinfo/")
    if found and (zone := _named(name)) is not None:
        return zone
    try:
        with path.open("rb") as file:
            return ZoneInfo.from_file(file, key=str(path))
    except (OSError, ValueError):
        return None


class Reading(NamedTuple):
    """
    The instants (UTC) at which a clock on a wall shows a given time.

    Attributes:
        earlier: the first; where the clock never shows that time, the instant at which it jumps over it.
        later: the last: the same, unless the clock is turned back over that time.
        exists: whether the clock ever shows that time.
    """

    earlier: datetime
    later: datetime
    exists: bool


def readings(wall: datetime, zone: tzinfo) -> Reading:
    """
    Tell when a clock in *zone* shows *wall* (naive); raises OverflowError where that is outside the years 1 to 9999.

    >>> new_york = parse_zone("America/New_York")
    >>> twice = readings(datetime(2026, 11, 1, 1, 30), new_york)
    >>> twice.earlier.isoformat(), twice.later.isoformat()
    ('2026-11-01T05:30:00+00:00', '2026-11-01T06:30:00+00:00')
    >>> readings(datetime(2026, 3, 8, 2, 30), new_york).earlier.isoformat()
    '2026-03-08T07:00:00+00:00'
    """
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return Reading(first, second, exists=True)
    jump = _jump_between(min(first, second), max(first, second), zone)
    return Reading(jump, jump, exists=False)


def _jump_between(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """Return the instant, to the second, at which the zone's offset changes; *before* has the old one, *after* not."""
    old = before.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
