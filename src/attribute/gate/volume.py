"""How many requests came, and how many usually do: what tells a lack of data from a quiet day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from attribute.gate.baseline import Baseline
from attribute.gate.cells import SLOTS_A_DAY
from attribute.gate.settings import GateSettings

__all__ = ["Lost", "Volume", "volume_of", "without_time"]

_DAY_MINUTES: Final = 1440
_MINUTE_US: Final = 60_000_000
_SELDOM: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """
    The requests of the last 24 hours beside those of the baseline's days.

    Attributes:
        last_day: requests of the last 24 hours, refused ones left out.
        refused: the refused ones.
        usual_day: how many nine in ten days of the baseline have at least, refused ones left out; None: nobody knows.
        lacking: whether the last 24 hours have far fewer than that.
        silent: functions without any request in the last 24 hours that nine in ten days have some of.
    """

    last_day: int
    refused: int
    usual_day: int | None = None
    lacking: bool = False
    silent: tuple[str, ...] = ()

    @property
    def timed(self) -> int:
        """Return all requests of the last 24 hours."""
        return self.last_day + self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """
    What was read and is in no window: rejected lines, or requests whose time says nothing.

    Attributes:
        all: how many there are in all.
        ahead: how many of them are requests after *now* that somebody may have left out on purpose.
    """

    all: int
    ahead: int = 0

    def too_many(self, *, read: int, recent: int, volume: Volume, share: float) -> bool:
        """
        Return whether what is left may be no sample of what there was.

        Nothing says when it was. So it is held against all that was *read*; and where the last day lacks requests,
        against the *recent* ones that are there, as if all of it were what they lack.
        """
        certain = self.all - self.ahead
        return certain > share * (certain + read) or (volume.lacking and self.all > share * (self.all + recent))


def volume_of(table: pl.DataFrame, past: Baseline | None, *, now_minute: int, settings: GateSettings) -> Volume:
    """
    Count the last 24 hours, and the days of the baseline that lie before them.

    Args:
        table: as `tabulate` gives it.
        past: the baseline; None where it cannot be compared with.
        now_minute: the end of the last 24 hours.
        settings: the gate's numbers.
    """
    age = now_minute - 1 - pl.col("minute")
    recent = table.filter((age >= 0) & (age < _DAY_MINUTES))
    last_day, refused = (int(recent[names].sum_horizontal().sum()) for names in (["other", "unexplained"], ["refused"]))
    last_midnight = (now_minute - _DAY_MINUTES) // _DAY_MINUTES * 24
    days = _days(past, last_midnight, settings) if past is not None else []
    if len(days) < settings.min_baseline_days:
        return Volume(last_day=last_day, refused=refused)
    usual_day = _nine_in_ten([day.total() for day in days])
    names = sorted(set().union(*days) - set(recent["function"]))
    return Volume(
        last_day=last_day,
        refused=refused,
        usual_day=usual_day,
        lacking=last_day < settings.min_day_share * usual_day,
        silent=tuple(name for name in names if _nine_in_ten([day[name] for day in days])),
    )


def without_time(counts: pl.DataFrame, *, now_minute: int, as_of: bool) -> tuple[Lost, int]:
    """
    Return the requests of a `COUNTS` frame whose time says nothing, and how many others there are.

    Those are the requests without a time and, unless somebody chose *now* (*as_of*), those after it.
    """
    later = pl.col("minute").to_physical() // _MINUTE_US >= now_minute
    untimed, ahead, timed = (
        int(counts.filter(part)["requests"].sum()) for part in (pl.col("minute").is_null(), later, ~later)
    )
    return Lost(all=untimed + ahead, ahead=ahead if as_of else 0), timed


def _days(past: Baseline, end_hour: int, settings: GateSettings) -> list[Counter[str]]:
    """Return the requests of each day by function, refused ones left out, from the baseline's first day to its last."""
    part = past.between(end_hour - 24 * settings.baseline_days, end_hour)
    if not part.days:
        return []
    first = part.days[0]
    days: list[Counter[str]] = [Counter() for _ in range(first, part.days[-1] + 1)]
    for frame, time, a_day, requests in (
        (part.hours, "hour", 24, "other"),
        (part.slots, "slot", SLOTS_A_DAY, "unexplained"),
    ):
        sums = frame.group_by("function", pl.col(time) // a_day).agg(pl.col(requests).sum())
        for name, day, count in sums.iter_rows():
            days[day - first][name] += count
    return days


def _nine_in_ten(counts: Sequence[int]) -> int:
    """Return what nine in ten have at least."""
    return sorted(counts)[int(len(counts) * _SELDOM)]
