"""
Rollup -> incidents: stretches of time in which one class is unusually frequent, over the functions they touch.

docs/incidents.md tells the method and how well it does. The steps, one module each: `series` (lay the counts out),
`baseline` (what is usual), `hot` (which minutes are not), `stretches` (which of them belong together), `pooled` (what
no function shows alone), `merging` (over functions), `describe` (what was seen).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from attribute.incidents.baseline import usual
from attribute.incidents.describe import describe
from attribute.incidents.expected import ExpectedRange, expected_range
from attribute.incidents.hot import hot_minutes
from attribute.incidents.members import belongs, tag, touches
from attribute.incidents.merging import cluster
from attribute.incidents.model import Incident, IncidentSettings, Point, Span, Tally
from attribute.incidents.pooled import find_pooled
from attribute.incidents.series import lay_out
from attribute.incidents.stretches import find_stretches

__all__ = [
    "ExpectedRange",
    "Incident",
    "IncidentSettings",
    "Point",
    "Span",
    "Tally",
    "belongs",
    "expected_range",
    "group",
    "tag",
    "touches",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def group(
    counts: pl.DataFrame,
    *,
    now: datetime | None = None,
    settings: IncidentSettings | None = None,
    history: pl.DataFrame | None = None,
) -> tuple[Incident, ...]:
    """
    Find the incidents in a rollup.

    Looks at the counts per minute and nothing else, so it gives the same answer however the logs were read. Untimed
    requests belong to no incident.

    Args:
        counts: a `COUNTS` frame.
        now: the time that an incident is ongoing at; without it, the end of the counts.
        settings: limits; without them, the defaults.
        history: counts of other, earlier requests: what is usual is learned from them too, and an incident that began
            in them and reaches into *counts* is told whole.

    Returns:
        Incidents by start, then class; of *history*, only those that last into *counts*.
    """
    limits = settings or IncidentSettings()
    timed = counts.filter(pl.col("minute").is_not_null())
    if timed.is_empty():
        return ()
    since: datetime = timed.select(pl.col("minute").min()).item()
    known = timed if history is None else pl.concat([history.filter(pl.col("minute").is_not_null()), timed])
    series = lay_out(known)
    if series is None or not series.kinds:
        return ()
    baseline = usual(series, limits)
    until = series.last_minute if now is None else (now - _EPOCH) // timedelta(minutes=1)
    stretches = find_stretches(series, hot_minutes(series, baseline, limits), limits, until)
    stretches += find_pooled(series, baseline, limits, until, stretches)
    found = describe(cluster(stretches, series, limits), known, series, limits, baseline=baseline.any)
    return tuple(incident for incident in found if incident.ended_at > since)
