"""Which requests an incident means."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import polars as pl

from attribute.frames import INSTANT
from attribute.incidents.model import Incident
from attribute.incidents.series import CLASS_OF_KIND, KIND, Kind
from attribute.rules.words import Class

__all__ = ["SPANS", "belongs", "tag", "tag_spans", "touches"]

SPANS: Final = pl.Schema(
    {"incident": pl.String(), "kind": pl.String(), "function": pl.String(), "start": INSTANT, "end": INSTANT}
)
"""Parts of incidents; those of one kind and function never overlap."""

_KIND_OF: Final = {class_: kind for kind, class_ in CLASS_OF_KIND.items() if kind is not Kind.REFUSED}


def belongs(incident: Incident, *, at: str = "minute") -> pl.Expr:
    """
    Build the filter that holds for the requests of *incident*, those attached included.

    Args:
        incident: what `group` found.
        at: the column with the time: `minute` in `COUNTS`, `at` in `VERDICTS`.

    Returns:
        An expression over *at*, `function`, `class`, `status` and `upstream_status`.
    """
    return pl.any_horizontal(
        [
            (pl.col("function") == function)
            & (kind == KIND)
            & pl.col(at).is_between(start, end, closed="left").fill_null(value=False)
            for _, kind, function, start, end in _rows([incident])
        ]
    ).fill_null(value=False)


def touches(incident: Incident, *, class_: Class | None = None) -> pl.Expr:
    """
    Build the filter that holds for all requests, healthy ones too, of each function while *incident* touched it.

    What `belongs` holds for is a part of that, so a share of the one in the other says the same wherever it stands.

    Args:
        incident: what `group` found.
        class_: only its spans of this class; without it, all of them.

    Returns:
        An expression over `minute` and `function`, of `COUNTS`.
    """
    return pl.any_horizontal(
        [
            (pl.col("function") == span.function)
            & pl.col("minute").is_between(span.started_at, span.ended_at, closed="left")
            for span in incident.spans
            if class_ is None or span.class_ is class_
        ]
    ).fill_null(value=False)


def tag(frame: pl.DataFrame, incidents: Iterable[Incident], *, at: str = "minute") -> pl.DataFrame:
    """
    Say of every row which incident it belongs to.

    Args:
        frame: `COUNTS`, `VERDICTS` or what has their columns `function`, `class`, `status`, `upstream_status` and *at*.
        incidents: what one call of `group` found.
        at: the column with the time.

    Returns:
        *frame*, sorted by *at* (nulls first; ties keep their order), with the column `incident`: an id, or null.
    """
    spans = pl.DataFrame(list(_rows(incidents)), schema=SPANS, orient="row")
    return tag_spans(frame.lazy(), spans, at=at).collect()


def tag_spans(frame: pl.LazyFrame, spans: pl.DataFrame, *, at: str) -> pl.LazyFrame:
    """Do what `tag` does, for parts of incidents (`SPANS`)."""
    # The last part to start before a request is the only one that can hold it.
    return (
        frame.with_columns(KIND.alias("kind"))
        .sort(at, maintain_order=True)
        .join_asof(
            spans.lazy().sort("start"),
            left_on=at,
            right_on="start",
            by=["kind", "function"],
            strategy="backward",
            check_sortedness=False,  # it cannot see through `by`; both are sorted right here
        )
        .with_columns(pl.when(pl.col(at) < pl.col("end")).then("incident").alias("incident"))
        .drop("kind", "start", "end")
    )


def _rows(incidents: Iterable[Incident]) -> Iterable[tuple[str, str, str, datetime, datetime]]:
    for incident in incidents:
        for span in incident.spans:
            kind = Kind.REFUSED if span.refused else _KIND_OF[span.class_]
            yield incident.id, kind.value, span.function, span.started_at, span.ended_at
