"""The little that an output shows of single requests: a few ids per incident, and counts of flags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from attribute.frames import INSTANT
from attribute.incidents.model import Incident
from attribute.incidents.series import KIND, Kind

__all__ = ["flag_counts", "sample_ids"]

SAMPLES: Final = 5
MAX_SAMPLED: Final = 50
"""So many incidents get samples, the gravest first: nobody looks up requests of the hundredth."""


def flag_counts(verdicts: pl.LazyFrame) -> dict[str, int]:
    """Return how many verdicts carry which flag, by name of flag."""
    frame = (
        verdicts.select(pl.col("flags").explode(empty_as_null=False, keep_nulls=False).alias("flag"))
        .group_by("flag")
        .agg(pl.len().alias("requests"))
        .collect(engine="streaming")
    )
    return dict(sorted(frame.iter_rows()))


def sample_ids(incidents: Sequence[Incident], verdicts: pl.LazyFrame) -> dict[str, tuple[str, ...]]:
    """
    Return the ids of the first requests of each incident, by id of incident.

    Args:
        incidents: what to sample.
        verdicts: in order of time, as in an analysis.
    """
    gravest = sorted(incidents, key=lambda incident: (incident.severity, -incident.requests, incident.id))[:MAX_SAMPLED]
    if not gravest:
        return {}
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
