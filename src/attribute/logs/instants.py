"""
The times that people write on the command line: one strict grammar, no guesses. docs/reading-logs.md lists it.

A time is read in a zone and as one side of a window, because a clock that is turned back shows some times twice.
"""

from __future__ import annotations

import difflib
import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final, Literal, NamedTuple

from attribute.logs.names import shown
from attribute.logs.zones import ZoneError, parse_zone, readings
from attribute.m1.errors import AttributionError

__all__ = [
    "InstantError",
    "Resolved",
    "Side",
    "ZoneError",
    "parse_zone",
    "resolve",
    "resolve_window",
]

Side = Literal["since", "until"]

_DAY: Final = timedelta(days=1)
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WORDS: Final = ("now", "today", "yesterday", *_WEEKDAYS)
_UNITS: Final = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_EXAMPLES: Final = (
    "`90m`, `1h30m ago`, `02:41`, `yesterday`, `monday`, `2026-11-16`, `2026-11-16T02:41+09:00`, `2026-W47`"
)

# Every group is optional from the right, so that a match ends where the text stops making sense.
_ISO: Final = re.compile(
    r"(?P<year>\d{4})(?:(?P<dash>-?)(?:"
    r"W(?P<week>\d{2})(?:(?P=dash)(?P<weekday>\d))?"
    r"|(?P<month>\d{2})(?:(?P=dash)(?P<day>\d{2})"
    r"(?:[Tt ](?:(?P<hour>\d{2})(?:(?P<colon>:?)(?P<minute>\d{2})"
    r"(?:(?P=colon)(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<offset>[Zz]|[+-](?P<offset_hours>\d{2})(?::?(?P<offset_minutes>\d{2}))?)?)?)?)?)?))?",
    re.ASCII,
)
_CLOCK: Final = re.compile(r"(?P<hour>\d{1,2})(?::(?:(?P<minute>\d{2})(?::(?P<second>\d{2})?)?)?)?", re.ASCII)
_SPAN: Final = re.compile(r"-?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?", re.ASCII)
_SPAN_PART: Final = re.compile(r"(\d+)([wdhms])", re.ASCII)
_WORD: Final = re.compile(r"[a-z]*", re.IGNORECASE | re.ASCII)
_SHAPES: Final = (_ISO, _CLOCK, re.compile(_SPAN.pattern + r"\d*(?: *a?g?o?)", re.ASCII))


class InstantError(AttributionError):
    """A time that is not written in the grammar."""

    @classmethod
    def at(cls, text: str, position: int, why: str, *, hint: str | None = None) -> InstantError:
        """Word what is wrong, with the text and a caret under the place."""
        column = len(shown(text[:position]))
        return cls(f"{why}\n  {shown(text)}\n  {' ' * column}^", hint=hint or f"write {_EXAMPLES}")


class Resolved(NamedTuple):
    """
    What a text means.

    Attributes:
        at: the instant, UTC.
        note: what was decided where the text leaves a choice (a clock turned back or forward), for people, or nothing.
        ends_at: where the text names a day or a week: the instant at which that ends, UTC.
        clock: whether the text is a time of day alone.
    """

    at: datetime
    note: str | None = None
    ends_at: datetime | None = None
    clock: bool = False


def resolve_window(text: str, *, now: datetime, zone: tzinfo) -> tuple[Resolved, Resolved]:
    """
    Read ``A..B``, or the name of one day or week.

    A time of day as *B* is the most recent one, unless that is not after *A*: then the first one after *A*.

    Raises:
        InstantError: an end is not in the grammar, or the window does not end after it starts.
    """
    if ".." not in text:
        whole = resolve(text, now=now, zone=zone, side="since")
        if whole.ends_at is None:
            raise InstantError.at(
                text,
                len(text),
                "a window needs two ends",
                hint="write `02:00..03:00`, `2h..1h`, `yesterday` or `2026-W47`",
            )
        return whole, Resolved(whole.ends_at)
    first, _, second = text.partition("..")
    since = _Parser(first, whole=text, at=0, now=now, zone=zone, side="since").resolved()
    end = _Parser(second, whole=text, at=len(first) + 2, now=now, zone=zone, side="until")
    until = end.resolved()
    if until.clock and until.at <= since.at:
        until = end.first_after(since.at)
    if until.at <= since.at:
        raise InstantError.at(
            text,
            len(first) + 2,
            f"the window ends at {_utc(until.at)}, not after its start at {_utc(since.at)}",
            hint="the end comes second and is not part of the window",
        )
    return since, until


def resolve(text: str, *, now: datetime, zone: tzinfo, side: Side) -> Resolved:
    """
    Read one time.

    Args:
        text: ``now``; ``today``, ``yesterday``, ``monday`` to ``sunday`` (the most recent, today included): midnight;
            ``HH:MM[:SS]``: the most recent; an ISO 8601 date, time or week, with or without an offset; 10 or 13
            digits: seconds or milliseconds since 1970; a span such as ``1h30m``, ``-2d``, ``90m ago``: that long ago,
            a day being 24 hours.
        now: the current time, aware.
        zone: what is meant where *text* names no offset.
        side: a time that the clock shows twice is the earlier one for ``since``, the later one for ``until``. One
            that it jumps over is the instant of the jump.

    Raises:
        InstantError: *text* is not in the grammar.
    """
    return _Parser(text, whole=text, at=0, now=now, zone=zone, side=side).resolved()


class _Parser:
    """One time; *whole* and *at* say where in the command line's text it stands, for the caret."""

    def __init__(self, text: str, *, whole: str, at: int, now: datetime, zone: tzinfo, side: Side) -> None:
        self._at = at + len(text) - len(text.lstrip(" "))
        self._text = text.strip(" ")
        self._whole = whole
        self._now = now.astimezone(UTC)
        self._zone = zone
        self._side: Side = side

    def resolved(self) -> Resolved:
        try:
            return self._word() or self._epoch() or self._span() or self._clock() or self._iso() or self._fail()
        except (OverflowError, ValueError) as error:
            raise self._error(0, "the time is outside the years 1 to 9999") from error

    def _error(self, position: int, why: str, hint: str | None = None) -> InstantError:
        return InstantError.at(self._whole, self._at + position, why, hint=hint)

    def _today(self) -> date:
        return self._now.astimezone(self._zone).date()

    def _word(self) -> Resolved | None:
        match self._text.lower():
            case "now":
                return Resolved(self._now)
            case "today":
                return self._midnight(self._today())
            case "yesterday":
                return self._midnight(self._today() - _DAY)
            case word if word in _WEEKDAYS:
                today = self._today()
                return self._midnight(today - _DAY * ((today.weekday() - _WEEKDAYS.index(word)) % 7))
        return None

    def _epoch(self) -> Resolved | None:
        text = self._text
        if not (text.isascii() and text.isdecimal() and len(text) in (10, 13)):
            return None
        milliseconds = int(text) * (1000 if len(text) == 10 else 1)
        return Resolved(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds))

    def _span(self) -> Resolved | None:
        span, ago, rest = self._text.partition("ago")
        span = span.rstrip(" ") if ago else span
        if rest or not _SPAN_PART.search(span) or not _SPAN.fullmatch(span):
            return None
        if ago and span.startswith("-"):
            raise self._error(0, "`-` and `ago` say the same thing", "write `2d`, `-2d` or `2d ago`")
        parts = _SPAN_PART.findall(span)
        if any(len(digits) > 12 for digits, _ in parts):
            raise self._error(0, "the time is outside the years 1 to 9999")
        return Resolved(self._now - timedelta(seconds=sum(int(digits) * _UNITS[unit] for digits, unit in parts)))

    def _clock(self) -> Resolved | None:
        at = self._clock_time()
        if at is None:
            return None
        past: list[tuple[datetime, datetime]] = []
        for day in (self._today(), self._today() - _DAY):
            past = past or [each for each in self._shown_on(day, at) if each[0] <= self._now]
        return self._one_of(past)

    def first_after(self, start: datetime) -> Resolved:
        """Read a time of day as the first one after *start*."""
        at = self._clock_time()
        assert at is not None
        day = start.astimezone(self._zone).date()
        future: list[tuple[datetime, datetime]] = []
        while not future:
            future = [each for each in self._shown_on(day, at) if each[0] > start]
            day += _DAY
        return self._one_of(future)

    def _clock_time(self) -> time | None:
        found = _CLOCK.fullmatch(self._text)
        if found is None or found["minute"] is None or self._text.endswith(":"):
            return None
        return self._time_of_day(found)

    def _shown_on(self, day: date, at: time) -> list[tuple[datetime, datetime]]:
        """Return the instants at which the clock shows a time on a day, in order, each with what it shows."""
        wall = datetime.combine(day, at)
        both = readings(wall, self._zone)
        return [(both.earlier, wall), (both.later, wall)]

    def _one_of(self, shown_at: list[tuple[datetime, datetime]]) -> Resolved:
        chosen, wall = shown_at[0 if self._side == "since" else -1]
        return Resolved(chosen, self._note(wall, chosen), clock=True)

    def _time_of_day(self, found: re.Match[str]) -> time:
        for name, limit in (("hour", 23), ("minute", 59), ("second", 59)):
            if int(found[name] or 0) > limit:
                raise self._error(found.start(name), f"{name}s go from 0 to {limit}")
        return time(int(found["hour"]), int(found["minute"]), int(found["second"] or 0))

    def _iso(self) -> Resolved | None:
        found = _ISO.fullmatch(self._text)
        if found is None or (found["week"] is None and found["day"] is None) or self._text[-1] in "Tt ":
            return None
        if found["hour"] is not None and found["minute"] is None:
            return None
        if found["week"] is not None:
            return self._week(found)
        day = self._date(found)
        if found["hour"] is None:
            return self._midnight(day)
        fraction = (found["fraction"] or "")[:6].ljust(6, "0")
        wall = datetime.combine(day, self._time_of_day(found)).replace(microsecond=int(fraction))
        if found["offset"] is None:
            return self._on_the_wall(wall)
        return Resolved(wall.replace(tzinfo=self._offset(found)).astimezone(UTC))

    def _date(self, found: re.Match[str]) -> date:
        year, month = int(found["year"]), int(found["month"])
        if year == 0:
            raise self._error(found.start("year"), "years go from 1 to 9999")
        if not 1 <= month <= 12:
            raise self._error(found.start("month"), "months go from 1 to 12")
        try:
            return date(year, month, int(found["day"]))
        except ValueError:
            raise self._error(found.start("day"), f"{year:04}-{month:02} has no such day") from None

    def _offset(self, found: re.Match[str]) -> timezone:
        if found["offset"] in "Zz":
            return UTC
        hours, minutes = int(found["offset_hours"]), int(found["offset_minutes"] or 0)
        if hours > 23 or minutes > 59:
            raise self._error(found.start("offset"), "offsets go from -23:59 to +23:59")
        sign = -1 if found["offset"][0] == "-" else 1
        return timezone(sign * timedelta(hours=hours, minutes=minutes))

    def _week(self, found: re.Match[str]) -> Resolved:
        year, week = int(found["year"]), int(found["week"])
        if found["weekday"] is not None and found["weekday"] not in "1234567":
            raise self._error(found.start("weekday"), "weekdays go from 1, monday, to 7, sunday")
        try:
            day = date.fromisocalendar(year, week, int(found["weekday"] or 1))
        except ValueError:
            raise self._error(found.start("week"), f"{year:04} has no such week") from None
        return self._midnight(day, days=7 if found["weekday"] is None else 1)

    def _midnight(self, day: date, *, days: int = 1) -> Resolved:
        """Return the start of a day, which ends (or whose week ends) with the first instant of another."""
        end = readings(datetime.combine(day + _DAY * days, time()), self._zone)
        return self._on_the_wall(datetime.combine(day, time()))._replace(ends_at=end.earlier)

    def _on_the_wall(self, wall: datetime) -> Resolved:
        both = readings(wall, self._zone)
        chosen = both.earlier if self._side == "since" else both.later
        return Resolved(chosen, self._note(wall, chosen))

    def _note(self, wall: datetime, chosen: datetime) -> str | None:
        both = readings(wall, self._zone)
        place = f"{wall.isoformat(sep=' ')} {self._zone}"
        if not both.exists:
            return f"{place} does not exist; took {_utc(chosen)}, when the clock jumps over it"
        if both.earlier != both.later:
            which = "earlier" if chosen == both.earlier else "later"
            return f"{place} occurs twice; took the {which} one, {_utc(chosen)}"
        return None

    def _fail(self) -> Resolved:
        """Say where *text* leaves the grammar."""
        text = self._text
        if not text:
            raise self._error(0, "a time is missing here")
        word = _WORD.match(text)
        if word and word.end() == len(text):
            near = difflib.get_close_matches(text.lower(), _WORDS, n=1)
            raise self._error(0, f"`{shown(text)}` is not a time", f"did you mean `{near[0]}`?" if near else None)
        position = max(found.end() for shape in _SHAPES if (found := shape.match(text)))
        hint = None
        if "/" in text:
            hint = "write the year first: `2026-11-12` or `2026-12-11`"
        elif re.search(r"\d *[ap]\.?m", text, re.IGNORECASE):
            hint = "write hours from 00 to 23, `03:00` or `15:00`; name a zone with `--tz Asia/Seoul`"
        elif re.search(r"[A-Z]{3,4}$", text):
            hint = "name a zone with `--tz Asia/Seoul`, or write an offset such as `+09:00`"
        if position == len(text):
            raise self._error(position, f"`{shown(text)}` stops too early to be a time", hint)
        raise self._error(position, f"`{shown(text)}` is not a time from here on", hint)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
