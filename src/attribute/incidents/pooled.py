"""Series -> stretches that no function shows alone: a vendor outage of which each function saw a request or two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from attribute.incidents.baseline import Baseline
from attribute.incidents.hot import hot_minutes
from attribute.incidents.model import IncidentSettings
from attribute.incidents.series import Kind, Series
from attribute.incidents.stretches import Stretch, find_stretches

__all__ = ["find_pooled"]

_DAY: Final = 1440
_RATE_MINUTES: Final = 12 * 60
POOLED: Final = (Kind.VENDOR,)
"""What several functions have in common. Two bugs are two incidents, so nothing else is added up over functions."""


def find_pooled(
    series: Series, baseline: Baseline, settings: IncidentSettings, until: int, known: Sequence[Stretch]
) -> list[Stretch]:
    """
    Find vendor trouble in the requests of all functions together, where no function alone has any.

    Args:
        series: the counts.
        baseline: what is usual in *series*.
        settings: the limits.
        until: the minute that is now.
        known: the stretches of single functions.

    Returns:
        For each function that was hit, at least two a time, a stretch as long as all of it was.
    """
    kinds = tuple(kind for kind in POOLED if kind in series.kinds)
    if not kinds or len(series.functions) == 1:
        return []
    everything, usual = _added_up(series, baseline, kinds)
    found = []
    for whole in find_stretches(everything, hot_minutes(everything, usual, settings), settings, until):
        reach = settings.merge_minutes
        if any(
            one.kind is whole.kind and one.start < whole.end + reach and one.end > whole.start - reach for one in known
        ):
            continue
        if _outage_minutes(whole, everything.minutes) >= settings.pooled_outage_minutes:
            parts = list(_parts(whole, series, baseline))
            found.extend(parts if len(parts) > 1 else [])
    return found


def _added_up(series: Series, baseline: Baseline, kinds: tuple[Kind, ...]) -> tuple[Series, Baseline]:
    """Make one function of all; what is usual for it is what is usual for its parts, by their requests of the day."""
    names = [kind.value for kind in kinds]
    minutes = (
        series.minutes.lazy()
        .group_by("minute")
        .agg(pl.col("requests", "healthy", *names).sum())
        .sort("minute")
        .select(
            pl.lit(0, pl.Int64).alias("function"),
            "minute",
            (pl.col("minute") - series.first_minute).alias("key"),
            "requests",
            "healthy",
            *names,
        )
        .collect()
    )
    of_day = series.minutes.group_by("function", (pl.col("minute") // _DAY).alias("day")).agg(pl.col("requests").sum())
    shares = (
        baseline.shares.filter(pl.col("kind").is_in(names))
        .join(of_day, on=["function", "day"])
        .sort("kind", "day", "function")
        .group_by("kind", "day", maintain_order=True)
        .agg(
            pl.lit(0, pl.Int64).alias("function"),
            ((pl.col("share") * pl.col("requests")).sum() / pl.col("requests").sum()).alias("share"),
            pl.col("dispersion").first(),
        )
    )
    return (
        Series(["*"], series.first_minute, series.last_minute, minutes, kinds),
        Baseline(shares, baseline.solid, baseline.any),
    )


def _outage_minutes(whole: Stretch, minutes: pl.DataFrame) -> float:
    near = pl.col("minute").is_between(whole.start - _RATE_MINUTES, whole.end + _RATE_MINUTES - 1)
    around = minutes.filter(near).select(
        pl.col("requests").sum(), (pl.col("minute").max() - pl.col("minute").min() + 1).alias("span")
    )
    requests, span = around.row(0)
    return float((whole.requests - whole.expected) * span / requests)


def _parts(whole: Stretch, series: Series, baseline: Baseline) -> Iterator[Stretch]:
    inside = series.minutes.filter(pl.col("minute").is_between(whole.start, whole.end - 1)).with_columns(
        pl.col(whole.kind.value).alias("n"), (pl.col("minute") // _DAY).alias("day")
    )
    usual = baseline.shares.filter(pl.col("kind") == whole.kind.value).drop("kind")
    for (function,), minutes in inside.sort("function", "minute").group_by("function", maintain_order=True):
        requests, total = minutes.select(pl.col("n").sum(), pl.col("requests").sum()).row(0)
        if not requests:
            continue
        share = minutes.head(1).join(usual, on=["function", "day"], how="left")["share"].item()
        yield Stretch(
            kind=whole.kind,
            function=int(str(function)),
            start=whole.start,
            end=whole.end,
            requests=requests,
            total=total,
            expected=share * total,
            peak=requests / total,
            hot=tuple(minutes.filter(pl.col("n") > 0)["minute"]),
            ongoing=whole.ongoing,
            calm_before=whole.calm_before,
            calm_after=whole.calm_after,
        )
