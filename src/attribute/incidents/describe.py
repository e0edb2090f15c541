"""Clusters -> incidents: what was seen in each, from the counts alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2s
from typing import Final

import polars as pl

from attribute.incidents.members import SPANS, tag_spans
from attribute.incidents.merging import Cluster
from attribute.incidents.model import Incident, IncidentSettings, Point, Span, Tally
from attribute.incidents.series import CLASS_OF_KIND, Kind, Series
from attribute.rules.words import NO_CLASS, Class

__all__ = ["describe"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MINUTE: Final = (datetime(9999, 12, 31, 23, 59, tzinfo=UTC) - _EPOCH) // timedelta(minutes=1)
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
    all_points = _points(clusters, series)
    incidents = []
    for number, cluster in enumerate(clusters):
        start, end = cluster.start, cluster.end
        points = all_points[number]
        total = sum(point.total for point in points)
        own = sum(one.requests for one in cluster.stretches)
        attached = sum(one.requests for one in cluster.attached)
        expected = sum(one.expected for one in cluster.all)
        excess = max(own + attached - expected, 0.0)
        begin = max(start - _RATE_HOURS * 60, series.first_minute)
        finish = min(end + _RATE_HOURS * 60, series.last_minute + 1)
        around = all_before[all_minutes.search_sorted(finish)] - all_before[all_minutes.search_sorted(begin)]
        outage = excess * (finish - begin) / around
        peak_at = max(points, key=lambda point: (point.requests, -point.minute.timestamp()))
        severity = 1 + sum(outage < limit for limit in settings.severity_minutes)
        if severity > len(settings.severity_minutes) and _blipped(cluster, settings):
            continue
        incidents.append(
            Incident(
                id=_id(cluster, series),
                class_=cluster.class_,
                started_at=_instant(start),
                ended_at=_instant(end),
                ongoing=any(one.ongoing for one in cluster.all),
                functions=_functions(cluster, series),
                requests=own,
                unknown_requests=attached,
                total_requests=total,
                expected_requests=expected,
                excess=excess,
                baseline_share=expected / total if baseline else None,
                outage_minutes=outage,
                severity=severity,
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
    return _EPOCH + timedelta(minutes=min(minute, _LAST_MINUTE))


def _before(values: pl.Series) -> pl.Series:
    return pl.concat([pl.Series([0], dtype=pl.Int64), values.cum_sum().cast(pl.Int64)])


def _blipped(cluster: Cluster, settings: IncidentSettings) -> bool:
    """Say whether healthy requests on both sides of it, of the function hit most, prove that it was over in no time."""
    # Of functions that were hit alike the one of which least is known, not the first in the alphabet.
    main = max(cluster.all, key=lambda one: (one.requests, one.calm_after - one.calm_before))
    longest = max(main.calm_after - main.calm_before - 1, cluster.end - cluster.start)
    return longest < settings.blip_minutes


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


def _points(clusters: Sequence[Cluster], series: Series) -> list[tuple[Point, ...]]:
    """For each cluster, the minutes of its stretches with traffic."""
    totals = _sums(
        [(number, *slice_) for number, cluster in enumerate(clusters) for slice_ in _disjoint(cluster)],
        "requests",
        series,
    )
    requests: dict[tuple[int, int], int] = Counter()
    for kind in series.kinds:
        slices = [
            (number, stretch.function, stretch.start, stretch.end)
            for number, cluster in enumerate(clusters)
            for stretch in cluster.all
            if stretch.kind == kind
        ]
        for number, minute, n in _sums(slices, kind.value, series).iter_rows() if slices else ():
            requests[number, minute] += n
    hot = [{minute for stretch in cluster.all for minute in stretch.hot} for cluster in clusters]
    points: list[list[Point]] = [[] for _ in clusters]
    for number, minute, total in totals.iter_rows():
        points[number].append(
            Point(
                minute=_instant(minute),
                requests=requests[number, minute],
                total=total,
                hot=minute in hot[number],
            )
        )
    return [tuple(of_cluster) for of_cluster in points]


def _disjoint(cluster: Cluster) -> Iterator[tuple[int, int, int]]:
    """Yield function, start and end of the time of its stretches, once where those of several kinds overlap."""
    seen: dict[int, int] = {}
    for one in sorted(cluster.all, key=lambda one: one.start):
        start = max(one.start, seen.get(one.function, one.start))
        if start < one.end:
            yield one.function, start, one.end
            seen[one.function] = one.end


def _sums(slices: list[tuple[int, int, int, int]], column: str, series: Series) -> pl.DataFrame:
    """
    Add up *column* of the series' minutes over slices of (cluster, function, start, end), by minute.

    Returns:
        Columns `cluster`, `minute`, `n`, sorted by the first two.
    """
    wanted = pl.DataFrame(slices, schema=["cluster", "function", "minute", "end"], orient="row").cast(pl.Int64)
    keys = series.minutes["key"]
    begins = series.keys(wanted)
    ends = begins + wanted["end"] - wanted["minute"]
    return (
        wanted.select(
            "cluster",
            pl.int_ranges(
                pl.lit(keys.search_sorted(begins).cast(pl.Int64)), pl.lit(keys.search_sorted(ends).cast(pl.Int64))
            ).alias("row"),
        )
        .explode("row")
        .drop_nulls()
        .with_columns(
            pl.lit(series.minutes["minute"]).gather(pl.col("row")).alias("minute"),
            pl.lit(series.minutes[column]).gather(pl.col("row")).alias("n"),
        )
        .group_by("cluster", "minute")
        .agg(pl.col("n").sum())
        .sort("cluster", "minute")
    )


def _tallies(clusters: Sequence[Cluster], counts: pl.DataFrame, series: Series) -> Mapping[str, Sequence[Tally]]:
    """For each tallied column, one tally per cluster."""
    spans = pl.DataFrame(
        [
            (str(number), str(one.kind), series.functions[one.function], _instant(one.start), _instant(one.end))
            for number, cluster in enumerate(clusters)
            for one in cluster.all
        ],
        schema=SPANS,
        orient="row",
    )
    incident_rows = counts.lazy().filter(pl.col("class") != NO_CLASS, pl.col("minute").is_not_null())
    members = (
        tag_spans(incident_rows, spans, at="minute")
        .filter(pl.col("incident").is_not_null())
        .select(pl.col("incident").cast(pl.Int64).alias("cluster"), *_TALLIED, "requests")
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
