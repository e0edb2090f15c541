"""Counts -> the parts of a weekly report, one function each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import median
from typing import Final

import polars as pl

from attribute.frames import INSTANT, UPSTREAM_TIMEOUT
from attribute.incidents.model import Incident
from attribute.reports.compare import Change, changes
from attribute.reports.evidence import INCIDENT
from attribute.reports.weekly_model import BottleneckRow, CoverageRow, DayRow, Totals, VendorRow
from attribute.reports.weeks import Part, Week, day_name
from attribute.reports.wording import and_more, when
from attribute.rollup import Rollup, bucket_bounds
from attribute.rules.words import CLASSES, NO_CLASS, Class

__all__ = ["bottlenecks", "coverage", "days", "hours", "inside", "movers", "told_part", "totals", "trend", "vendors"]

TREND_WEEKS: Final = 4
MEDIAN_WEEKS: Final = 4
ENOUGH: Final = 20
_INVOLVED: Final = 0.1
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)


def inside(since: datetime, until: datetime) -> pl.Expr:
    """Return whether a row of counts lies between two instants."""
    return pl.col("minute").is_between(since, until, closed="left")


def totals(name: str, counts: pl.DataFrame, since: datetime, until: datetime, incidents: Sequence[Incident]) -> Totals:
    """Return what there was between two instants."""
    by_class = dict(counts.group_by("class").agg(pl.col("requests").sum()).iter_rows())
    half_hour = (pl.col("minute") - since).dt.total_minutes() // 30
    return Totals(
        name=name,
        requests=sum(by_class.values()),
        by_class={class_.value: by_class.get(class_.value, 0) for class_ in CLASSES},
        half_hours=counts.select(half_hour.n_unique()).item() if counts.height else 0,
        possible_half_hours=-(-(until - since) // timedelta(minutes=30)),
        incidents=sum(1 for each in incidents if each.severity <= 3 and since <= each.started_at < until),
    )


def trend(week: Week, part: Part, counts: pl.DataFrame, incidents: Sequence[Incident]) -> tuple[Totals | None, ...]:
    """Return four weeks, the told part of this one last; None for a week without logs."""
    found: list[Totals | None] = []
    for back in range(TREND_WEEKS - 1, -1, -1):
        each = week.earlier(back)
        since, until = (each.since_at, each.until_at) if back else (part.since_at, part.until_at)
        frame = counts.filter(inside(since, until))
        found.append(totals(each.name, frame, since, until, incidents) if frame.height else None)
    return tuple(found)


def _clock(week: Week) -> pl.DataFrame:
    """Return the day (0 is monday) and the hour that clocks show in every minute of a week."""
    first = week.since_at
    minutes = [first + timedelta(minutes=n) for n in range((week.until_at - first) // timedelta(minutes=1))]
    local = [minute.astimezone(week.zone) for minute in minutes]
    return pl.DataFrame(
        {"minute": minutes, "day": [at.weekday() for at in local], "hour": [at.hour for at in local]},
        schema={"minute": INSTANT, "day": pl.Int64, "hour": pl.Int64},
    )


def told_part(week: Week, part: Part, counts: pl.DataFrame) -> Part:
    """
    Return *part* with what *counts* hold nothing of in it.

    That is: whole days of the clock, and times of a day's length or more that hold no such day. Whether logs are
    missing or nobody called, the counts do not say. Shorter times are not looked at: where few call, hours without a
    request are usual, and where next to nobody does (under `ENOUGH` minutes with one), so are days off the clock.
    """
    seen = counts.filter(inside(part.since_at, part.until_at)).select("minute").unique().sort("minute")
    if seen.is_empty():
        return replace(part, gap="No request of the logs is known to lie in this week.")
    busy = set(seen.join(_clock(week), on="minute")["day"])
    empty = [day_name(day) for day in week.whole_days(part.since_at, part.until_at) if day.weekday() not in busy]
    edges = [part.since_at, *(edge for at in seen["minute"] for edge in (at, at + _MINUTE)), part.until_at]
    times = [
        when(begin, end, week.zone)
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
        if end - begin >= _DAY and seen.height >= ENOUGH and not week.whole_days(begin, end)
    ]
    told = [f"The logs hold nothing of {and_more(empty, 7)}."] if empty else []
    told += [f"The logs hold nothing {and_more(times, 7)}."] if times else []
    return replace(part, gap=" ".join(told))


def days(week: Week, part: Part, now: pl.DataFrame, old: pl.DataFrame) -> tuple[DayRow, ...]:
    """Return one row per day of the clock, with the same day a week before; None where that had no request at all."""
    here = now.join(_clock(week), on="minute").group_by("day", "class").agg(pl.col("requests").sum())
    failing = pl.when(INCIDENT).then(pl.col("requests")).otherwise(0).sum()
    there = old.join(_clock(week.earlier(1)), on="minute").group_by("day").agg(failing)
    by_day: dict[int, dict[str, int]] = {}
    for day, class_, requests in here.iter_rows():
        by_day.setdefault(day, {})[class_] = requests
    before = dict(there.iter_rows())
    rows = []
    for number, day in enumerate(week.days):
        found = by_day.get(number)
        told = part.since_at.astimezone(week.zone).date() <= day <= part.until_at.astimezone(week.zone).date()
        rows.append(
            DayRow(
                label=day_name(day),
                requests=sum(found.values()) if found else None,
                by_class={class_.value: (found or {}).get(class_.value, 0) for class_ in CLASSES},
                before=before.get(number) if told else None,
            )
        )
    return tuple(rows)


def hours(week: Week, now: pl.DataFrame) -> tuple[tuple[int | None, ...], ...]:
    """Return failing or slow requests by day and hour of the clock; None where there was no request."""
    failing = pl.when(INCIDENT).then(pl.col("requests")).otherwise(0).sum()
    found = {
        (day, hour): requests
        for day, hour, requests in now.join(_clock(week), on="minute").group_by("day", "hour").agg(failing).iter_rows()
    }
    return tuple(tuple(found.get((day, hour)) for hour in range(24)) for day in range(7))


# -- by name -----------------------------------------------------------------------------------------------------------


def movers(now: pl.DataFrame, old: pl.DataFrame) -> tuple[Change, ...]:
    """Return what is new, more, fewer or gone against the week before, the most surprising first."""
    before = int(old["requests"].sum())
    if not before:
        return ()
    scale = int(now["requests"].sum()) / before
    found = changes(now.filter(INCIDENT), old.filter(INCIDENT), keys=["function", "class", "error_code"], scale=scale)
    return tuple(change for change in found if change.word != "as usual")


_FAILED: Final = (pl.col("upstream_status") == UPSTREAM_TIMEOUT) | (pl.col("upstream_status") >= 500)


def _calls(counts: pl.DataFrame) -> pl.DataFrame:
    """Return calls, failed calls and vendor verdicts by upstream."""
    requests = pl.col("requests")
    return (
        counts.filter(pl.col("upstream_status").is_not_null())
        .group_by("upstream")
        .agg(
            requests.sum().alias("calls"),
            requests.filter(_FAILED).sum().alias("failed"),
            requests.filter(pl.col("class") == Class.VENDOR.value).sum().alias("blamed"),
        )
        .sort("failed", "calls", "upstream", descending=[True, True, False])
    )


def vendors(
    now: Rollup, *, counts: pl.DataFrame, week: Week, part: Part, incidents: Sequence[Incident]
) -> tuple[VendorRow, ...]:
    """Return one row per upstream, by failed calls."""
    shares: dict[str | None, list[float]] = {}
    for back in range(1, MEDIAN_WEEKS + 1):
        each = week.earlier(back)
        for upstream, calls, failed, _ in _calls(counts.filter(inside(each.since_at, each.until_at))).iter_rows():
            if calls >= ENOUGH:
                shares.setdefault(upstream, []).append(failed / calls)
    alone = _functions_of_one_upstream(now.counts)
    rows = []
    for upstream, calls, failed, blamed in _calls(now.counts).iter_rows():
        part_in = [each for each in incidents if each.class_ is Class.VENDOR and upstream in _involved(each)]
        earlier = shares.get(upstream, [])
        own = now.latency.filter(pl.col("function").is_in(alone.get(upstream, [])))
        rows.append(
            VendorRow(
                upstream=upstream,
                calls=calls,
                failed=failed,
                blamed=blamed,
                p95_ms=next(iter(_p95(own.with_columns(pl.lit("").alias("function")), "upstream").values()), None),
                bad_minutes=len(
                    {point.minute for each in part_in for point in each.points if _bad(point.minute, point.hot, part)}
                ),
                incidents=len(part_in),
                usual_share=median(earlier) if len(earlier) > 1 else None,
            )
        )
    return tuple(rows)


def _bad(minute: datetime, hot: bool, part: Part) -> bool:
    return hot and part.since_at <= minute < part.until_at


def _involved(incident: Incident) -> set[str | int | None]:
    total = sum(requests for _, requests in incident.upstreams)
    return {upstream for upstream, requests in incident.upstreams if requests >= _INVOLVED * total}


def _functions_of_one_upstream(counts: pl.DataFrame) -> dict[str | None, list[str]]:
    """Return, by upstream, the functions that call no other: their upstream latency is its."""
    pairs = (
        counts.filter(pl.col("upstream_status").is_not_null())
        .group_by("function")
        .agg(pl.col("upstream").unique())
        .filter(pl.col("upstream").list.len() == 1)
        .sort("function")
    )
    found: dict[str | None, list[str]] = {}
    for function, upstreams in pairs.iter_rows():
        found.setdefault(upstreams[0], []).append(function)
    return found


def bottlenecks(
    now: pl.DataFrame, latency: pl.DataFrame, old: pl.DataFrame, old_latency: pl.DataFrame
) -> tuple[BottleneckRow, ...]:
    """Return one row per function, by bottleneck requests, then own time."""
    requests, before = _of_class(now, Class.BOTTLENECK), _of_class(old, Class.BOTTLENECK)
    own, own_before, upstream = _p95(latency, "own"), _p95(old_latency, "own"), _p95(latency, "upstream")
    rows = [
        BottleneckRow(
            function=function,
            requests=requests.get(function, 0),
            before=before.get(function, 0),
            own_p95_ms=own.get(function),
            own_p95_before_ms=own_before.get(function),
            upstream_p95_ms=upstream.get(function),
        )
        for function in {*requests, *own}
    ]
    return tuple(sorted(rows, key=lambda row: (-row.requests, -(row.own_p95_ms or 0), row.function)))


def _of_class(counts: pl.DataFrame, class_: Class) -> dict[str, int]:
    frame = counts.filter(pl.col("class") == class_.value).group_by("function").agg(pl.col("requests").sum())
    return dict(frame.iter_rows())


def _p95(latency: pl.DataFrame, measure: str) -> dict[str, int]:
    """Return the 95 % quantile of a measure by function, as `attribute.rollup.quantile` would give it."""
    per_bucket = (
        latency.filter(pl.col("measure") == measure)
        .group_by("function", "bucket")
        .agg(pl.col("requests").sum())
        .sort("function", "bucket")
        .with_columns(
            pl.col("requests").cum_sum().over("function", order_by="bucket").alias("seen"),
            pl.col("requests").sum().over("function").alias("total"),
        )
    )
    reached = (
        per_bucket.filter(pl.col("seen") >= 0.95 * pl.col("total")).group_by("function").agg(pl.col("bucket").min())
    )
    return {function: sum(bucket_bounds(bucket)) // 2 for function, bucket in reached.iter_rows()}


def coverage(now: pl.DataFrame) -> tuple[CoverageRow, ...]:
    """Return one row per function with failing or slow requests, those with the most that lack it first."""
    frame = (
        now.filter(pl.col("class") != NO_CLASS)
        .group_by("function")
        .agg(
            pl.col("requests").sum(),
            pl.col("requests").filter(pl.col("upstream_status").is_not_null()).sum().alias("with_status"),
        )
        .with_columns((pl.col("requests") - pl.col("with_status")).alias("without"))
        .sort("without", "requests", "function", descending=[True, True, False])
    )
    return tuple(
        CoverageRow(function=row["function"], requests=row["requests"], with_status=row["with_status"])
        for row in frame.iter_rows(named=True)
    )
