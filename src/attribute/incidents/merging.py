"""Stretches -> incidents: one outage over five functions is one incident, two bugs are two."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from attribute.incidents.model import IncidentSettings
from attribute.incidents.series import CLASS_OF_KIND, Series
from attribute.incidents.stretches import Stretch
from attribute.rules.words import Class

__all__ = ["Cluster", "cluster"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """
    The stretches of one incident.

    Attributes:
        class_: whose failure it is.
        stretches: those of its own class, by start and function.
        attached: UNKNOWN ones that are part of it (of a vendor incident only).
    """

    class_: Class
    stretches: tuple[Stretch, ...]
    attached: tuple[Stretch, ...] = ()

    @property
    def all(self) -> tuple[Stretch, ...]:
        """All stretches, attached ones last."""
        return self.stretches + self.attached

    @property
    def start(self) -> int:
        """The first minute."""
        return min(stretch.start for stretch in self.all)

    @property
    def end(self) -> int:
        """The minute after the last."""
        return max(stretch.end for stretch in self.all)


def cluster(stretches: Iterable[Stretch], series: Series, settings: IncidentSettings) -> list[Cluster]:
    """
    Merge stretches over functions, and attach UNKNOWN ones to vendor incidents.

    Args:
        stretches: what was found ...
        series: ... in this.
        settings: the limits.

    Returns:
        Clusters, sorted by start, then class.
    """
    by_class: dict[Class, list[Stretch]] = defaultdict(list)
    for stretch in stretches:
        by_class[CLASS_OF_KIND[stretch.kind]].append(stretch)
    merged = {
        class_: [Cluster(class_, group) for group in _merge(by_class[class_], class_, settings)]
        for class_ in (Class.VENDOR, Class.APPLICATION, Class.BOTTLENECK)
    }
    unanswered = _unanswered(by_class[Class.UNKNOWN], series)
    vendor, left = _attach(merged[Class.VENDOR], [(one,) for one in by_class[Class.UNKNOWN]], unanswered, settings)
    unknown = _merge([stretch for group in left for stretch in group], Class.UNKNOWN, settings)
    vendor, left = _attach(vendor, unknown, unanswered, settings)
    clusters = [
        *vendor,
        *merged[Class.APPLICATION],
        *merged[Class.BOTTLENECK],
        *(Cluster(Class.UNKNOWN, group) for group in left),
    ]
    return sorted(clusters, key=lambda one: (one.start, list(Class).index(one.class_)))


def _merge(stretches: Sequence[Stretch], class_: Class, settings: IncidentSettings) -> list[tuple[Stretch, ...]]:
    groups: list[list[Stretch]] = []
    end = start = 0
    for stretch in sorted(stretches, key=lambda one: (one.start, one.function, one.kind)):
        if class_ is Class.APPLICATION:
            belongs = stretch.start - start <= settings.release_minutes
        else:
            belongs = stretch.start - end <= settings.merge_minutes
        if groups and belongs:
            groups[-1].append(stretch)
            end = max(end, stretch.end)
        else:
            groups.append([stretch])
            start, end = stretch.start, stretch.end
    return [tuple(group) for group in groups]


def _unanswered(stretches: Sequence[Stretch], series: Series) -> dict[Stretch, int]:
    """Return of how many requests of each stretch no upstream's answer is known, and that failed."""
    if not stretches:
        return {}
    before = pl.concat([pl.Series([0], dtype=pl.Int64), series.minutes["unanswered"].cum_sum().cast(pl.Int64)])
    rows = [
        series.minutes["key"].search_sorted(
            series.keys(pl.DataFrame({"function": [one.function for one in stretches], "minute": minutes}))
        )
        for minutes in ([one.start for one in stretches], [one.end for one in stretches])
    ]
    return dict(zip(stretches, (before[rows[1]] - before[rows[0]]).to_list(), strict=True))


def _attach(
    vendor: Sequence[Cluster],
    unknown: Sequence[tuple[Stretch, ...]],
    unanswered: Mapping[Stretch, int],
    settings: IncidentSettings,
) -> tuple[list[Cluster], list[tuple[Stretch, ...]]]:
    """
    Attach each group of UNKNOWN stretches to the vendor incident that it is part of, or leave it.

    It is where the incident holds at least half of it, and most of its requests failed and saw no answer: calls that
    timed out leave no status. Other UNKNOWN has evidence of its own. And what the vendor is blamed for is mostly the
    vendor's by evidence: an incident takes no more of it than `attached_most` times its own requests.
    """
    grace = settings.merge_minutes
    order = sorted(range(len(vendor)), key=lambda number: vendor[number].start)
    of_function: dict[int, list[int]] = defaultdict(list)
    for number in order:
        for function in dict.fromkeys(stretch.function for stretch in vendor[number].all):
            of_function[function].append(number)
    added: dict[int, list[Stretch]] = defaultdict(list)
    room = [
        settings.attached_most * sum(stretch.requests for stretch in one.stretches)
        - sum(stretch.requests for stretch in one.attached)
        for one in vendor
    ]
    left = []
    for group in unknown:
        requests = sum(one.requests for one in group)
        if 2 * sum(unanswered[one] for one in group) < requests:
            left.append(group)
            continue
        start, end = min(one.start for one in group), max(one.end for one in group)
        best, best_inside = -1, 0
        for function in dict.fromkeys(one.function for one in group):
            numbers = of_function.get(function, [])
            # The last incident to start before the group ends, and the few before it that reach into the group.
            place = bisect_left(numbers, end + grace, key=lambda number: vendor[number].start)
            for number in reversed(numbers[:place]):
                inside = min(end, vendor[number].end + grace) - max(start, vendor[number].start - grace)
                if inside <= 0:
                    break
                if inside > best_inside:
                    best, best_inside = number, inside
        if best >= 0 and 2 * best_inside >= end - start and requests <= room[best]:
            added[best].extend(group)
            room[best] -= requests
        else:
            left.append(group)
    return [
        Cluster(one.class_, one.stretches, one.attached + tuple(added[number])) if number in added else one
        for number, one in enumerate(vendor)
    ], left
