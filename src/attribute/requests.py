"""
Records -> requests.

A request's *deciding* record is the one of the highest stage (`exception` over `response` over any other); among
several the last in time, and where times are equal or missing the one that a total order over the contents puts last.
Nothing depends on the order of lines, files or chunks. What the deciding record does not know of the upstream it takes
from the request's other records, and says so.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from attribute.frames import RECORDS, REQUESTS, UPSTREAM_INVALID, UPSTREAM_TIMEOUT

__all__ = ["consolidate", "count_duplicates"]

_TIME_ORDER: Final = (
    "at", "latency_ms", "_failing", "status", "error_code", "upstream_status", "upstream_latency_ms", "function",
    "stage", "upstream", "upstream_calls",
)  # fmt: skip
"""A total order on the records of one request, nulls first: which came last, and failing over healthy where unclear."""


def consolidate(records: pl.DataFrame) -> pl.DataFrame:
    """
    Put the records of each request together.

    Exact duplicates (equal in every column) count once. Where the deciding record has no `upstream_status`, the
    request's other records lend theirs: a failure (5xx, timeout) before any other 4xx, before any other status, before
    one that is no status; the earliest of several. With the status goes the lender's `upstream`, where it names one.
    A missing `upstream_latency_ms` is lent by the same record if it knows it, else in the same order, together with
    the `upstream_calls` that it sums over.

    Args:
        records: a `RECORDS` frame in any order, with all records of every request in it.

    Returns:
        A `REQUESTS` frame with one row per `request_id`, in order of `at` (untimed last), then `request_id`. The same
        for any order of the rows, and however often a row is repeated.
    """
    # -0.0 equals 0.0 but would print differently, depending on which of two equal rows is kept
    records = records.select(list(RECORDS)).with_columns(pl.col("latency_ms", "upstream_latency_ms") + 0.0)
    alone = pl.col("request_id").is_unique()
    singles = records.filter(alone).with_columns(
        pl.lit(None, pl.String).alias("joined_from"), pl.lit(1, pl.Int32).alias("records")
    )
    several = _put_together(records.filter(~alone))
    return pl.concat([singles, several]).sort("at", "request_id", nulls_last=True, maintain_order=True)


def count_duplicates(records: pl.DataFrame, requests: pl.DataFrame) -> int:
    """Return how many of *records* repeat another one in every column, given the *requests* made of them."""
    return records.height - int(requests["records"].sum())


def _put_together(records: pl.DataFrame) -> pl.DataFrame:
    """Consolidate requests that have more than one record."""
    status = pl.col("status")
    ordered = (
        records.unique()
        .with_columns(
            _rank().alias("_rank"),
            _badness().alias("_badness"),
            (status.is_null() | (status >= 400)).alias("_failing"),
        )
        .sort("request_id", *_TIME_ORDER, nulls_last=False)
        .with_row_index("_row")
    )
    deciding = (
        ordered.sort("request_id", "_rank", "_row")
        .group_by("request_id", maintain_order=True)
        .agg(pl.all().last(), pl.len().cast(pl.Int32).alias("records"))
    )
    lenders = ordered.join(deciding.select("_row"), on="_row", how="anti").sort("request_id", "_badness", "_row")
    lent_status = _lent(lenders, "upstream_status", "upstream", "upstream_latency_ms", "upstream_calls")
    lent_latency = _lent(lenders, "upstream_latency_ms", "upstream_calls")
    joined = deciding.join(lent_status, on="request_id", how="left", suffix="_with_status").join(
        lent_latency, on="request_id", how="left", suffix="_with_latency"
    )
    return _fill(joined).select(list(REQUESTS))


def _lent(lenders: pl.DataFrame, wanted: str, *others: str) -> pl.DataFrame:
    """Return, per request, the first lender that knows *wanted*, and its stage as `lender`."""
    return (
        lenders.filter(pl.col(wanted).is_not_null())
        .group_by("request_id", maintain_order=True)
        .agg(pl.col(wanted, *others).first(), pl.col("stage").first().alias("lender"))
    )


def _fill(joined: pl.DataFrame) -> pl.DataFrame:
    """Let the deciding record take what it lacks: from the lender of the status, else from that of the latency."""
    takes_status = pl.col("upstream_status").is_null() & pl.col("upstream_status_with_status").is_not_null()
    lacks_latency = pl.col("upstream_latency_ms").is_null()
    same_lender = takes_status & pl.col("upstream_latency_ms_with_status").is_not_null()
    takes_latency = lacks_latency & pl.col("upstream_latency_ms_with_latency").is_not_null()
    return joined.with_columns(
        pl.coalesce("upstream_status", "upstream_status_with_status"),
        pl.when(takes_status)
        .then(pl.coalesce("upstream_with_status", "upstream"))
        .otherwise("upstream")
        .alias("upstream"),
        *(
            pl.when(lacks_latency & same_lender)
            .then(f"{name}_with_status")
            .when(takes_latency)
            .then(f"{name}_with_latency")
            .otherwise(name)
            .alias(name)
            for name in ("upstream_latency_ms", "upstream_calls")
        ),
        pl.when(takes_status)
        .then("lender")
        .when(takes_latency)
        .then("lender_with_latency")
        .otherwise(pl.lit(None, pl.String))
        .alias("joined_from"),
    )


def _rank() -> pl.Expr:
    stage = pl.col("stage")
    return pl.when(stage == "exception").then(2).when(stage == "response").then(1).otherwise(0)


def _badness() -> pl.Expr:
    status = pl.col("upstream_status")
    return (
        pl.when(status.is_null())
        .then(4)
        .when(status == UPSTREAM_INVALID)
        .then(3)
        .when((status == UPSTREAM_TIMEOUT) | (status >= 500))
        .then(0)
        .when(status >= 400)
        .then(1)
        .otherwise(2)
    )
