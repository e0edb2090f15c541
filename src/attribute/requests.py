"""
Records -> requests.

A request's *deciding* record is the one of the highest stage (`exception` over `response` over any other); among
several the last in time, and where times are equal or missing the one that a total order over the contents puts last.
Nothing depends on the order of lines, files or chunks. What the deciding record does not know of the upstream it takes
from the request's other records, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import polars as pl

from attribute.frames import RECORDS, REQUESTS, UPSTREAM_INVALID, UPSTREAM_TIMEOUT

__all__ = ["Trace", "consolidate", "count_duplicates", "requests_of_one", "trace"]

_Frame = TypeVar("_Frame", pl.DataFrame, pl.LazyFrame)

_TIME_ORDER: Final = (
    "at", "latency_ms", "_failing", "status", "error_code", "upstream_status", "upstream_latency_ms", "function",
    "stage", "upstream", "upstream_calls",
)  # fmt: skip
"""A total order on the records of one request, nulls first: which came last, and failing over healthy where unclear."""
_EVIDENCE: Final = ("upstream_status", "upstream", "upstream_latency_ms", "upstream_calls", "stage", "function")
_SPOKEN_OF: Final = ("greatest_latency_ms", "saying_one", "most_calls")
_RANKS: Final = {"exception": 2, "response": 1}
_FAILED: Final = 0
"""How bad a record's upstream status is where the call failed: such a record lends first."""
_REQUEST: Final = "_request"
_ROW: Final = "_row"
_ROWS: Final = 1 << 40
"""Over any number of rows: `rank * _ROWS + row` orders by rank, then by row, in one integer."""


def consolidate(records: pl.DataFrame, *, in_order: bool = True) -> pl.DataFrame:
    """
    Put the records of each request together.

    Exact duplicates (equal in every column) count once. Where the deciding record has no `upstream_status`, the
    request's other records lend theirs: a failure (5xx, timeout) before any other 4xx, before any other status, before
    one that is no status; of several failures the earliest, of others the one with the greatest `upstream_latency_ms`.
    With the status goes the lender's `upstream`, where it names one. A missing `upstream_latency_ms` is lent by the
    same record if it knows it, else in the same order, of equals always the greatest, together with the
    `upstream_calls` that it sums over; these are null where the request's records speak of more than it holds: of a
    greater latency, of more calls, or of latencies in more records than it sums over; and where it is another
    function's, which knows of its own calls alone. The deciding record's own `upstream_calls` are null beside a latency
    where another record speaks of a greater one or of more calls.

    Args:
        records: a `RECORDS` frame in any order, with all records of every request in it.
        in_order: whether the order of what is returned matters.

    Returns:
        A `REQUESTS` frame with one row per `request_id`, in order of `at` (untimed last), then `request_id`, or in
        none. The same for any order of the rows, and however often a row is repeated.
    """
    records = _canonical(records)
    alone = pl.col("request_id").is_unique()
    singles = _said_of_one(records.filter(alone))
    several = _put_together(records.filter(~alone)) if singles.height < records.height else singles.clear()
    requests = pl.concat([singles, several])
    return requests.sort("at", "request_id", nulls_last=True, maintain_order=True) if in_order else requests


def requests_of_one(records: _Frame) -> _Frame:
    """Return what `consolidate` makes of *records* if no two of them are of one request, in the order they are in."""
    return _said_of_one(_canonical(records))


def count_duplicates(records: pl.DataFrame, requests: pl.DataFrame) -> int:
    """Return how many of *records* repeat another one in every column, given the *requests* made of them."""
    return records.height - int(requests["records"].sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """
    How the records of one request were put together.

    Attributes:
        records: its distinct records (`RECORDS`), in the order in which they are taken to have been written.
        deciding: the row of the deciding one.
        status_lender: the row of the record that lent its `upstream_status`, if one did.
        latency_lender: the row of the record that lent its `upstream_latency_ms`, if one did.
    """

    records: pl.DataFrame
    deciding: int
    status_lender: int | None
    latency_lender: int | None


def trace(records: pl.DataFrame) -> Trace:
    """
    Say which record of a request decides and which ones lend, by the code that consolidates.

    Args:
        records: a `RECORDS` frame of exactly one `request_id`, in any order.

    Raises:
        ValueError: they are not the records of exactly one request.
    """
    if records["request_id"].n_unique() != 1:
        raise ValueError(f"records of {records['request_id'].n_unique()} requests, expected those of one")
    ordered = _distinct_in_time_order(_canonical(records))
    chosen = _choose(ordered).row(0, named=True)
    rows = ordered.select(list(RECORDS)).to_dicts()
    deciding, status, latency = chosen[_ROW], chosen["upstream_status"], chosen["upstream_latency_ms"]
    if rows[deciding]["upstream_status"] is not None:
        status = None
    if rows[deciding]["upstream_latency_ms"] is not None:
        latency = None
    elif status is not None and rows[status]["upstream_latency_ms"] is not None:
        latency = status
    return Trace(records=ordered.select(list(RECORDS)), deciding=deciding, status_lender=status, latency_lender=latency)


def _said_of_one(records: _Frame) -> _Frame:
    return records.with_columns(pl.lit(None, pl.String).alias("joined_from"), pl.lit(1, pl.Int32).alias("records"))


def _canonical(records: _Frame) -> _Frame:
    # -0.0 equals 0.0 but would print differently, depending on which of two equal rows is kept; polars takes `+ 0.0`
    # for nothing to do
    return records.select(list(RECORDS)).with_columns(pl.col("latency_ms", "upstream_latency_ms").abs())


def _put_together(records: pl.DataFrame) -> pl.DataFrame:
    """Consolidate requests that have more than one record."""
    ordered = _distinct_in_time_order(records)
    rows = _choose(ordered)
    taken = ordered.select(list(RECORDS))
    joined = pl.concat(
        [
            _rows(taken, rows[_ROW], ""),
            _rows(taken.select(_EVIDENCE), rows["upstream_status"], "_of_status_lender"),
            _rows(taken.select(_EVIDENCE), rows["upstream_latency_ms"], "_of_latency_lender"),
            rows.select("records", *_SPOKEN_OF),
        ],
        how="horizontal",
    )
    return _fill(joined).select(list(REQUESTS))


def _choose(ordered: pl.DataFrame) -> pl.DataFrame:
    """Return, per request, the row that decides, and the rows that would lend a status and a latency (or null)."""
    deciding = ordered.group_by(_REQUEST).agg(
        _row_of((_rank() * _ROWS + pl.col(_ROW)).max()).alias(_ROW), pl.len().cast(pl.Int32).alias("records")
    )
    others = ordered.join(deciding.select(_ROW), on=_ROW, how="anti")
    return (
        deciding.join(_first_lender(others, "upstream_status"), on=_REQUEST, how="left")
        .join(_first_lender(others, "upstream_latency_ms"), on=_REQUEST, how="left")
        .join(_known_of_latency(ordered, others), on=_REQUEST, how="left")
    )


def _known_of_latency(ordered: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Return, per request, the greatest upstream latency of its other records, how many say one, and the most calls."""
    latency = pl.col("upstream_latency_ms")
    said = others.group_by(_REQUEST).agg(
        latency.max().alias("greatest_latency_ms"), latency.count().cast(pl.Int32).alias("saying_one")
    )
    most = ordered.group_by(_REQUEST).agg(pl.col("upstream_calls").max().alias("most_calls"))
    return most.join(said, on=_REQUEST, how="left").select(_REQUEST, *_SPOKEN_OF)


def _distinct_in_time_order(records: pl.DataFrame) -> pl.DataFrame:
    """Number the requests, sort their records by time and drop repetitions, which then stand side by side."""
    numbers = records.select("request_id").unique().with_row_index(_REQUEST)
    ordered = (
        records.join(numbers, on="request_id", how="left")  # numbers sort many times faster than texts
        .with_columns((pl.col("status").is_null() | (pl.col("status") >= 400)).alias("_failing"))
        .sort(_REQUEST, *_TIME_ORDER, nulls_last=False)
    )
    repeated = pl.all_horizontal(pl.col(*RECORDS).eq_missing(pl.col(*RECORDS).shift(1)))
    first = pl.int_range(pl.len()) == 0
    return ordered.filter(first | ~repeated).with_row_index(_ROW).with_columns(pl.col(_ROW).cast(pl.Int64))


def _first_lender(others: pl.DataFrame, wanted: str) -> pl.DataFrame:
    """
    Return, per request, the row of the record that lends *wanted*, of those that know it.

    The worst first. Of equals the one with the greatest upstream latency, lest a fast call hide a slow one; but of
    failed calls the first one's status, which is the one that decided the answer.
    """
    knowing = others.filter(pl.col(wanted).is_not_null())
    latency = pl.col("upstream_latency_ms").fill_null(-1.0)
    of_first = (_badness() == _FAILED) if wanted == "upstream_status" else pl.lit(value=False)
    order = {
        "badness": _badness(),
        "speed": pl.when(of_first).then(0.0).otherwise(-latency),
    }
    return (
        knowing.select(_REQUEST, _ROW, **order)
        .sort(_REQUEST, *order, _ROW)
        .unique(_REQUEST, keep="first", maintain_order=True)
        .select(_REQUEST, pl.col(_ROW).alias(wanted))
    )


def _row_of(ranked: pl.Expr) -> pl.Expr:
    return ranked % _ROWS


def _rows(frame: pl.DataFrame, rows: pl.Series, suffix: str) -> pl.DataFrame:
    """Return the given rows of *frame*, all null where the row is null."""
    return frame.select(pl.all().gather(rows).name.suffix(suffix))


def _fill(joined: pl.DataFrame) -> pl.DataFrame:
    """Let the deciding record take what it lacks: from the lender of the status, else from that of the latency."""
    takes_status = pl.col("upstream_status").is_null() & pl.col("upstream_status_of_status_lender").is_not_null()
    lacks_latency = pl.col("upstream_latency_ms").is_null()
    same_lender = takes_status & pl.col("upstream_latency_ms_of_status_lender").is_not_null()
    takes_latency = lacks_latency & pl.col("upstream_latency_ms_of_latency_lender").is_not_null()
    latency, calls, function = (
        pl.when(same_lender).then(f"{name}_of_status_lender").otherwise(f"{name}_of_latency_lender")
        for name in ("upstream_latency_ms", "upstream_calls", "function")
    )
    is_all = (
        (latency >= pl.col("greatest_latency_ms"))
        & (calls >= pl.max_horizontal("most_calls", "saying_one"))
        & (function == pl.col("function"))
    )
    is_less = (pl.col("upstream_latency_ms") < pl.col("greatest_latency_ms")) | (
        ~lacks_latency & (pl.col("upstream_calls") < pl.col("most_calls"))
    )
    keeps_calls = ~takes_latency & ~is_less.fill_null(value=False)
    upstream = pl.coalesce("upstream_of_status_lender", "upstream")
    return joined.with_columns(
        pl.coalesce("upstream_status", "upstream_status_of_status_lender"),
        pl.when(takes_status).then(upstream).otherwise("upstream").alias("upstream"),
        pl.when(takes_latency).then(latency).otherwise("upstream_latency_ms").alias("upstream_latency_ms"),
        pl.when(takes_latency & is_all).then(calls).when(keeps_calls).then("upstream_calls").alias("upstream_calls"),
        pl.when(takes_status)
        .then("stage_of_status_lender")
        .when(takes_latency)
        .then("stage_of_latency_lender")
        .otherwise(pl.lit(None, pl.String))
        .alias("joined_from"),
    )


def _rank() -> pl.Expr:
    return pl.col("stage").replace_strict(_RANKS, default=0, return_dtype=pl.Int64)


def _badness() -> pl.Expr:
    status = pl.col("upstream_status")
    return (
        pl.when(status.is_null())
        .then(4)
        .when(status == UPSTREAM_INVALID)
        .then(3)
        .when((status == UPSTREAM_TIMEOUT) | (status >= 500))
        .then(_FAILED)
        .when(status >= 400)
        .then(1)
        .otherwise(2)
    )
