"""History -> what is normal for an hour: the band that a screen or a chart shows beside a count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

__all__ = ["ExpectedRange", "expected_range"]

_WEEKS: Final = 8
_ENOUGH_DAYS: Final = 7
_ENOUGH_WEEKS: Final = 3
_TAIL: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRange:
    """
    How many requests are normal.

    Attributes:
        low: tenth percentile of the earlier windows (their least, where there are fewer than ten).
        high: ninetieth (their greatest).
        windows: how many earlier windows it rests on.
        same_weekday: whether all of them lie on the same day of the week.
    """

    low: int
    high: int
    windows: int
    same_weekday: bool


def expected_range(
    history: pl.DataFrame, class_: str, start: datetime, end: datetime, *, functions: frozenset[str] | None = None
) -> ExpectedRange | None:
    """
    Say how many requests of a class are normal between two instants, from the same time on earlier days.

    Args:
        history: a `COUNTS` frame; what lies at or after *start* is not looked at.
        class_: the class, or `none`.
        start: begin of the window, UTC.
        end: its end, at most a day later.
        functions: count those only; without it, all.

    Returns:
        The range over the same weekdays of the last eight weeks where there are at least three, else over all days;
        nothing where there are not seven.

    Raises:
        ValueError: the window is empty or longer than a day.
    """
    width = end - start
    if not timedelta(0) < width <= timedelta(days=1):
        raise ValueError("a window of what is normal is at most a day long")
    before = history.filter(pl.col("minute") < start)
    if before.is_empty():
        return None
    first: datetime = before.select(pl.col("minute").min()).item()
    windows = [
        days
        for days in range(1, _WEEKS * 7 + 1)
        if start - timedelta(days=days) >= first and end - timedelta(days=days) <= start
    ]
    same_weekday = [days for days in windows if days % 7 == 0]
    chosen = same_weekday if len(same_weekday) >= _ENOUGH_WEEKS else windows
    if len(windows) < _ENOUGH_DAYS:
        return None
    wanted = pl.col("class") == class_
    if functions is not None:
        wanted &= pl.col("function").is_in(list(functions))
    # How many days before `start`'s window a minute lies, where it lies in one.
    back = (pl.lit(end) - pl.col("minute") - timedelta(microseconds=1)).dt.total_microseconds() // 86_400_000_000
    inside = pl.col("minute") + pl.duration(days="back") >= start
    per_window = dict(
        before.filter(wanted)
        .with_columns(back.alias("back"))
        .filter(inside)
        .group_by("back")
        .agg(pl.col("requests").sum())
        .iter_rows()
    )
    values = sorted(per_window.get(days, 0) for days in chosen)
    cut = int(len(values) * _TAIL)
    return ExpectedRange(
        low=values[cut], high=values[-1 - cut], windows=len(values), same_weekday=chosen is same_weekday
    )
