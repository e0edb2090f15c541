"""Clusters -> incidents: what was seen in each, from the counts alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2s
from typing import Final

import polars as pl

from attribute.incidents.merging import Cluster
from attribute.incidents.model import Incident, IncidentSettings, Point, Span, Tally
from attribute.incidents.series import CLASS_OF_KIND, KIND, Kind, Series
from attribute.rules.words import NO_CLASS, Class

__all__ = ["describe"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LETTERS: Final = {Class.VENDOR: "V", Class.APPLICATION: "A", Class.BOTTLENECK: "B", Class.UNKNOWN: "U"}
_TALLIED: Final = ("reason", "status", "upstream_status", "error_code", "upstream")
_RATE_HOURS: Final = 12


def describe(
    clusters: Sequence[Cluster], counts: pl.DataFrame, series: Series, settings: IncidentSettings, *, baseline: bool
) -> tuple[Incident, ...]:
    """
    Describe each cluster.

    Args:
        clusters: what happened.
        counts: the `COUNTS` frame that *series* was laid out from.
        series: what the clusters were found in.
        settings: the limits of severity.
        baseline: whether there was one, so that shares of it mean something.
    """
    if not clusters:
        return ()
    everything = series.minutes.group_by("minute").agg(pl.col("requests").sum()).sort("minute")
    all_minutes = everything["minute"]
    all_before = _before(everything["requests"])
    tallies = _tallies(clusters, counts, series)
    intervals = _Intervals(series)
    incidents = []
    for number, cluster in enumerate(clusters):
        start, end = cluster.start, cluster.end
        points, total = intervals.points(cluster)
        own = sum(one.requests for one in cluster.stretches)
        attached = sum(one.requests for one in cluster.attached)
        expected = sum(one.expected for one in cluster.all)
        excess = max(own + attached - expected, 0.0)
        begin = max(start - _RATE_HOURS * 60, series.first_minute)
        finish = min(end + _RATE_HOURS * 60, series.last_minute + 1)
        around = all_before[all_minutes.search_sorted(finish)] - all_before[all_minutes.search_sorted(begin)]
        outage = excess * (finish - begin) / around
        peak_at = max(points, key=lambda point: (point.requests, -point.minute.timestamp()))
        functions = _functions(cluster, series)
        incidents.append(
            Incident(
                id=_id(cluster, series),
                class_=cluster.class_,
                started_at=_instant(start),
                ended_at=_instant(end),
                ongoing=any(one.ongoing for one in cluster.all),
                functions=functions,
                requests=own,
                unknown_requests=attached,
                total_requests=total,
                expected_requests=expected,
                excess=excess,
                baseline_share=expected / total if baseline else None,
                outage_minutes=outage,
                severity=1 + sum(outage < limit for limit in settings.severity_minutes),
                hot_minutes=len({minute for one in cluster.all for minute in one.hot}),
                peak_share=max(one.peak for one in cluster.stretches),
                peak_at=peak_at.minute,
                reasons=tallies["reason"][number],
                statuses=tallies["status"][number],
                upstream_statuses=tallies["upstream_status"][number],
                error_codes=tallies["error_code"][number],
                upstreams=tallies["upstream"][number],
                spans=_spans(cluster, series),
                points=points,
            )
        )
    return tuple(incidents)


def _instant(minute: int) -> datetime:
    return _EPOCH + timedelta(minutes=minute)


def _before(values: pl.Series) -> pl.Series:
    return pl.concat([pl.Series([0], dtype=pl.Int64), values.cum_sum().cast(pl.Int64)])


def _id(cluster: Cluster, series: Series) -> str:
    """Clusters of one class that start in the same minute are one cluster, so class and minute are unique."""
    first = min(cluster.stretches, key=lambda one: (one.start, one.function))
    start = _instant(cluster.start)
    digest = blake2s(f"{cluster.class_}\0{cluster.start}\0{series.functions[first.function]}".encode(), digest_size=2)
    return f"{_LETTERS[cluster.class_]}-{start:%Y%m%d-%H%M}-{digest.hexdigest()}"


def _functions(cluster: Cluster, series: Series) -> tuple[str, ...]:
    requests: Counter[int] = Counter()
    for one in cluster.all:
        requests[one.function] += one.requests
    return tuple(
        series.functions[function] for function, _ in sorted(requests.items(), key=lambda item: (-item[1], item[0]))
    )


def _spans(cluster: Cluster, series: Series) -> tuple[Span, ...]:
    return tuple(
        Span(
            class_=CLASS_OF_KIND[one.kind],
            refused=one.kind is Kind.REFUSED,
            function=series.functions[one.function],
            started_at=_instant(one.start),
            ended_at=_instant(one.end),
            requests=one.requests,
        )
        for one in cluster.all
    )


class _Intervals:
    """Slices of the sorted minutes and occurrences, by two look-ups each."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._minutes = series.minutes.select("minute", "requests"), series.keys(series.minutes)
        self._kinds = {
            str(part["kind"][0]): (part.select("minute", "n"), series.keys(part))
            for part in series.occurrences.partition_by("kind", maintain_order=True)
        }

    def points(self, cluster: Cluster) -> tuple[tuple[Point, ...], int]:
        """Return the minutes of a cluster with traffic, and how many requests they had in all."""
        hot = {minute for one in cluster.all for minute in one.hot}
        totals: Counter[int] = Counter()
        for function in dict.fromkeys(one.function for one in cluster.all):
            for minute, total in self._slice(self._minutes, function, cluster.start, cluster.end):
                totals[minute] += total
        requests: Counter[int] = Counter()
        for one in cluster.all:
            for minute, n in self._slice(self._kinds[one.kind], one.function, one.start, one.end):
                requests[minute] += n
        points = tuple(
            Point(minute=_instant(minute), requests=requests[minute], total=total, hot=minute in hot)
            for minute, total in sorted(totals.items())
        )
        return points, totals.total()

    def _slice(
        self, of: tuple[pl.DataFrame, pl.Series], function: int, start: int, end: int
    ) -> Iterator[tuple[int, int]]:
        frame, keys = of
        offset = function * self._series.stride - self._series.first_minute
        begin, finish = keys.search_sorted(pl.Series([offset + start, offset + end])).to_list()
        return frame.slice(begin, finish - begin).iter_rows()


def _tallies(clusters: Sequence[Cluster], counts: pl.DataFrame, series: Series) -> Mapping[str, Sequence[Tally]]:
    """For each tallied column, one tally per cluster."""
    stretches = pl.DataFrame(
        [
            (number, str(one.kind), series.functions[one.function], _instant(one.start), _instant(one.end))
            for number, cluster in enumerate(clusters)
            for one in cluster.all
        ],
        schema={
            "cluster": pl.Int64,
            "kind": pl.String,
            "function": pl.String,
            "start": pl.Datetime("us", "UTC"),
            "end": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )
    # Stretches of one kind and function never overlap, so the last one to start before a minute is the only candidate.
    members = (
        counts.lazy()
        .filter(pl.col("class") != NO_CLASS, pl.col("minute").is_not_null())
        .with_columns(KIND.alias("kind"))
        .sort("minute")
        .join_asof(
            stretches.lazy().sort("start"),
            left_on="minute",
            right_on="start",
            by=["kind", "function"],
            strategy="backward",
            check_sortedness=False,
        )
        .filter(pl.col("minute") < pl.col("end"))
        .select("cluster", *_TALLIED, "requests")
        .collect()
    )
    return {column: _tally(members, column, len(clusters)) for column in _TALLIED}


def _tally(members: pl.DataFrame, column: str, clusters: int) -> Sequence[Tally]:
    rows = (
        members.group_by("cluster", column)
        .agg(pl.col("requests").sum())
        .sort("cluster", "requests", column, descending=[False, True, False])
    )
    found: dict[int, list[tuple[str | int | None, int]]] = defaultdict(list)
    for cluster, value, requests in rows.iter_rows():
        found[cluster].append((value, requests))
    return [tuple(found[number]) for number in range(clusters)]
