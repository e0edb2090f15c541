"""The little that an output shows of single requests: a few ids per incident."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from attribute.engines.analysis import Rows
from attribute.frames import INSTANT
from attribute.incidents.model import Incident
from attribute.incidents.series import KIND, Kind

__all__ = ["sample_ids"]

SAMPLES: Final = 5
MAX_SAMPLED: Final = 50
"""So many incidents get samples, the gravest first: nobody looks up requests of the hundredth."""


def sample_ids(incidents: Sequence[Incident], rows: Rows) -> dict[str, tuple[str, ...]]:
    """
    Return the ids of the first requests of each incident, by id of incident.

    Args:
        incidents: what to sample.
        rows: the verdicts of the analysis.
    """
    gravest = sorted(incidents, key=lambda incident: (incident.severity, -incident.requests, incident.id))[:MAX_SAMPLED]
    places = pl.LazyFrame(
        [
            (each.id, span.class_.value, span.function, span.refused, span.started_at, span.ended_at)
            for each in gravest
            for span in each.spans
        ],
        schema={
            "incident": pl.String,
            "class": pl.String,
            "function": pl.String,
            "refused": pl.Boolean,
            "from": INSTANT,
            "to": INSTANT,
        },
        orient="row",
    )
    refused = KIND.eq(Kind.REFUSED.value).fill_null(value=False).alias("refused")
    spans = [span for each in gravest for span in each.spans]
    if not spans:
        return {}
    verdicts = rows.between(min(span.started_at for span in spans), max(span.ended_at for span in spans))
    found = (
        verdicts.select("request_id", "at", "class", "function", refused)
        .join(places, on=["class", "function", "refused"], how="inner")
        .filter(pl.col("at").is_between(pl.col("from"), pl.col("to"), closed="left"))
        .group_by("incident")
        .agg(pl.struct("at", "request_id").bottom_k(SAMPLES).alias("samples"))
        .collect(engine="streaming")
    )
    return {
        row["incident"]: tuple(
            sample["request_id"] for sample in sorted(row["samples"], key=lambda s: (s["at"], s["request_id"]))
        )
        for row in found.iter_rows(named=True)
    }
