"""ISO weeks in a zone: where they begin and end in UTC, and which part of one can be told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Self

from attribute.logs.zones import readings
from attribute.m1.errors import AttributionError
from attribute.reports.wording import span, stamp

__all__ = ["Part", "Week", "WeekError", "day_name", "part_of"]

_WEEK: Final = re.compile(r"(\d{4})-?W(\d{2})", re.ASCII)
_NEARLY: Final = timedelta(hours=1)
"""Logs that begin or end this close to a week's own begin or end hold all of it: nobody may have called."""


class WeekError(AttributionError):
    """A week that is none."""

    @classmethod
    def unknown(cls, text: str) -> Self:
        """Return the error of a text that names no week."""
        return cls(f"`{text}` is not a week", hint="write the ISO week, such as `2026-W47`")


@dataclass(frozen=True, slots=True)
class Week:
    """
    One ISO week, monday to sunday, by the clocks of a zone.

    Attributes:
        monday: its first day.
        zone: whose days.

    >>> from zoneinfo import ZoneInfo
    >>> week = Week.parse("2026-W44", zone=ZoneInfo("America/New_York"))
    >>> week.name, week.since_at.isoformat(), week.half_hours
    ('2026-W44', '2026-10-26T04:00:00+00:00', 338)
    """

    monday: date
    zone: tzinfo

    @classmethod
    def parse(cls, text: str, *, zone: tzinfo) -> Self:
        """
        Read `2026-W47`.

        Raises:
            WeekError: it is not written so, or that year has no such week.
        """
        match = _WEEK.fullmatch(text)
        try:
            if match is None:
                raise WeekError.unknown(text)
            week = cls(date.fromisocalendar(int(match[1]), int(match[2]), 1), zone)
            _ = week.since_at, week.until_at, week.earlier(8)
        except (ValueError, OverflowError):
            raise WeekError.unknown(text) from None
        return week

    @classmethod
    def last_whole(cls, now: datetime, *, zone: tzinfo) -> Self:
        """Return the last week that is over."""
        today = now.astimezone(zone).date()
        return cls(today - timedelta(days=today.weekday() + 7), zone)

    @property
    def name(self) -> str:
        """Return `2026-W47`."""
        year, week, _ = self.monday.isocalendar()
        return f"{year}-W{week:02}"

    @property
    def number(self) -> int:
        """Return 47."""
        return self.monday.isocalendar().week

    @property
    def since_at(self) -> datetime:
        """Return its first instant, UTC."""
        return self._midnight(0)

    @property
    def until_at(self) -> datetime:
        """Return the first instant after it, UTC."""
        return self._midnight(7)

    @property
    def half_hours(self) -> int:
        """Return how many half hours it has: 336, and 334 or 338 where the clocks are changed."""
        return (self.until_at - self.since_at) // timedelta(minutes=30)

    @property
    def days(self) -> tuple[date, ...]:
        """Return its seven days."""
        return tuple(self.monday + timedelta(days=day) for day in range(7))

    def earlier(self, weeks: int) -> Week:
        """Return the week that was so many weeks before."""
        return Week(self.monday - timedelta(weeks=weeks), self.zone)

    def _midnight(self, day: int) -> datetime:
        return readings(datetime.combine(self.monday + timedelta(days=day), time()), self.zone).earlier

    def whole_days(self, since: datetime, until: datetime) -> tuple[date, ...]:
        """Return its days that lie between two instants from midnight to midnight."""
        return tuple(
            day
            for number, day in enumerate(self.days)
            if since <= self._midnight(number) and self._midnight(number + 1) <= until
        )

    def same_clock(self, at: datetime, weeks: int) -> datetime:
        """Return the instant, UTC, at which the clock showed the same time so many weeks before *at*."""
        wall = at.astimezone(self.zone).replace(tzinfo=None) - timedelta(weeks=weeks)
        return readings(wall, self.zone).earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """
    The part of a week that is told: from *since_at* up to and without *until_at*.

    Attributes:
        since_at: its begin, UTC.
        until_at: its end, UTC; not after its begin where nothing can be told.
        cuts: why it begins later or ends earlier than the week; empty where it does not.
        gap: what the logs hold nothing of, as a sentence; empty where no day of it is missing.
    """

    since_at: datetime
    until_at: datetime
    cuts: tuple[str, ...] = ()
    gap: str = ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return why it is not the whole week; empty where it is."""
        return (*self.cuts, self.gap) if self.gap else self.cuts

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole week."""
        return not self.remarks


def day_name(day: date) -> str:
    """Return `Mon 11-16`."""
    return f"{day:%a %m-%d}"


def part_of(week: Week, known: tuple[datetime, datetime] | None, now: datetime) -> Part:
    """
    Return what of a week can be told.

    Args:
        week: which.
        known: the time that the logs reach over, UTC; None where no record has a time.
        now: the current time.
    """
    since, until, cuts = week.since_at, week.until_at, []
    if now < until:
        until = max(now.astimezone(UTC).replace(second=0, microsecond=0), since)
        cuts.append(f"This week so far: {span(until - since)} of {span(week.until_at - since)}.")
    if known is not None and since + _NEARLY < known[0] < until:
        since = known[0]
        cuts.append(f"The logs begin at {stamp(since, week.zone)}; the week is told from there.")
    if known is not None and known[1] > since and known[1] < until - _NEARLY:
        until = known[1]
        cuts.append(f"The logs end at {stamp(until, week.zone)}; the week is told up to there.")
    return Part(since_at=since, until_at=until, cuts=tuple(cuts))
