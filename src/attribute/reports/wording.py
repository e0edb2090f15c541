"""How numbers, shares, spans and instants are worded. The same in every output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from attribute.m1.fields import UPSTREAM_INVALID, UPSTREAM_TIMEOUT

__all__ = [
    "FEW",
    "and_more",
    "clock",
    "count",
    "later",
    "local",
    "most_first",
    "of",
    "percent",
    "period",
    "plural",
    "points",
    "rfc3339",
    "same_day",
    "span",
    "stamp",
    "times",
    "upstream_json",
    "upstream_word",
    "when",
    "zone_name",
]

FEW: Final = 20
"""Under so many requests there are no percentages: `3 of 7` says what there is."""

_LAST: Final = datetime.max.replace(tzinfo=UTC)


def count(number: int) -> str:
    """Return a count with thousands set apart."""
    return f"{number:,}"


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal; never 0.0 % or 100.0 % for what is not exactly that."""
    shown = f"{share * 100:.1f}"
    if shown == "0.0" and share > 0:
        return "<0.1 %"
    if shown == "100.0" and share < 1:
        return ">99.9 %"
    return f"{shown} %"


def points(change: float) -> str:
    """Return the difference of two shares in percentage points; what rounds to nothing has no sign."""
    shown = f"{100 * change:+.2f}"
    return f"{shown if float(shown) else '0.00'} points"


def of(part: int, whole: int) -> str:
    """Return *part* of *whole* in words, with a percentage where the whole is large enough for one."""
    words = f"{count(part)} of {count(whole)}"
    return words if whole < FEW else f"{words} ({percent(part / whole)})"


def times(ratio: float) -> str:
    """Return a ratio: `x1.2`, `x41`."""
    return f"x{ratio:,.1f}" if ratio < 9.95 else f"x{ratio:,.0f}"


def later(at: datetime, length: timedelta) -> datetime:
    """Return *at* plus *length*, or the last instant there is: a log may say that it was written in the year 9999."""
    return at + length if length <= _LAST - at else _LAST


def local(at: datetime, zone: tzinfo) -> datetime:
    """Return *at* in *zone*, or in UTC where its clocks would show a year that no calendar of ours has."""
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at.astimezone(UTC)


def zone_name(at: datetime, zone: tzinfo) -> str:
    """Return the short name of *zone* at that instant; zones that have only an offset get `UTC` before it."""
    name = local(at, zone).tzname() or "?"
    if name[:1] not in {"+", "-"}:
        return name
    return f"UTC{name[:3]}:{name[3:]}" if len(name) > 3 else f"UTC{name}"


def stamp(at: datetime, zone: tzinfo) -> str:
    """Return an instant to the second, with date and zone."""
    return f"{local(at, zone):%Y-%m-%d %H:%M:%S} {zone_name(at, zone)}"


def clock(at: datetime, zone: tzinfo, *, day_of: datetime | None = None) -> str:
    """Return an instant to the minute with its zone, and its date unless that is the one of *day_of*."""
    there = local(at, zone)
    known = day_of is not None and same_day(at, day_of, zone)
    return f"{there:%H:%M}" + f" {zone_name(at, zone)}" if known else f"{there:%Y-%m-%d %H:%M} {zone_name(at, zone)}"


def same_day(first: datetime, second: datetime, zone: tzinfo) -> bool:
    """Whether two instants lie on one day in *zone*."""
    return local(first, zone).date() == local(second, zone).date()


def period(since: datetime, until: datetime, zone: tzinfo, *, dated: bool = True) -> str:
    """Return a stretch of time with its zone: dates where wanted or where it ends on another day than it starts."""
    first, last = local(since, zone), local(until, zone)
    if not same_day(since, until, zone):
        return f"{first:%Y-%m-%d %H:%M}..{last:%Y-%m-%d %H:%M} {zone_name(until, zone)}"
    day = f"{first:%Y-%m-%d} " if dated else ""
    return f"{day}{first:%H:%M}-{last:%H:%M} {zone_name(until, zone)}"


def when(
    since: datetime, until: datetime | None, zone: tzinfo, *, day_of: datetime | None = None, cut: bool = False
) -> str:
    """
    Return since when (*until* None: still going on), or from when until when; as `clock` with dates.

    With *cut*, nobody looked at what came later, so what is said to go on did so when the window ended.
    """
    if until is None:
        return f"since {clock(since, zone, day_of=day_of)}, still going on{' when the window ended' if cut else ''}"
    return f"from {clock(since, zone, day_of=day_of)} until {clock(until, zone, day_of=day_of or since)}"


def plural(number: int, word: str) -> str:
    """Return a count and its noun."""
    return f"{count(number)} {word}{'' if number == 1 else 's'}"


def span(length: timedelta) -> str:
    """Return a length of time in at most two units: `64 min`, `3 h 20 min`, `12 d 4 h`."""
    seconds = int(length.total_seconds())
    minutes = seconds // 60
    if seconds < 120:
        return f"{seconds} s"
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 2 * 1440:
        return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
    days, rest = divmod(minutes, 1440)
    return f"{days} d {rest // 60} h" if rest // 60 else f"{days} d"


def rfc3339(at: datetime | None) -> str | None:
    """Return an instant as machines read it: UTC with a `Z`, fractions only where there are any."""
    return None if at is None else at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def upstream_word(code: int | None) -> str:
    """Return what an `upstream_status` of a frame says."""
    if code is None:
        return "missing"
    return {UPSTREAM_TIMEOUT: "timeout", UPSTREAM_INVALID: "not a status"}.get(code, str(code))


def most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return names and counts, the largest count first, equals by name."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def and_more(names: Sequence[str], limit: int) -> str:
    """Return up to *limit* names as a phrase, and how many were left out."""
    shown = list(names[:limit])
    rest = len(names) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {count(rest)} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def upstream_json(code: int | None) -> int | str | None:
    """Return an `upstream_status` of a frame as JSON says it: a status, `timeout`, `invalid`, or null."""
    if code is None or code > 0:
        return code
    return "timeout" if code == UPSTREAM_TIMEOUT else "invalid"
