"""What the rollup says for and against each class, and what the quiet part of the same logs makes of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from attribute.incidents import expected_range
from attribute.reports.model import ClassRow, CodeRow, FunctionRow, HeatRow, Normal, WhyRow
from attribute.reports.wording import upstream_word
from attribute.rules.words import CLASSES, NO_CLASS, Class, Reason

__all__ = [
    "Quiet",
    "class_rows",
    "code_rows",
    "function_rows",
    "heat_rows",
    "new_codes",
    "quiet_part",
    "usual_counts",
    "why_rows",
]

MIN_QUIET_REQUESTS: Final = 200
MIN_QUIET_MINUTES: Final = 10
SPREAD: Final = 0.1
"""How much a usual rate wanders from hour to hour, as a share of it, beyond what counting alone explains."""

INCIDENT: Final = pl.col("class") != NO_CLASS


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """
    The minutes that lie in no shown incident: what is normal, by the logs' own account.

    Attributes:
        counts: their `COUNTS` rows; untimed requests are not among them.
        requests: how many requests they hold.
        minutes: how many minutes with requests.
        scale: all requests over those: what a count in here would be in the whole.
    """

    counts: pl.DataFrame
    requests: int
    minutes: int
    scale: float

    def expected(self, requests: int) -> float:
        """Return the count in the whole logs that *requests* in the quiet part makes one expect."""
        return requests * self.scale

    def normal(self, requests: int) -> Normal:
        """
        Return the usual range in the whole logs for something that the quiet part holds *requests* of.

        Two standard deviations to each side: of counting it there, of counting it here, and of the rate itself.
        """
        expected = self.expected(requests)
        deviation = math.sqrt(expected + (SPREAD * expected) ** 2 + expected**2 / max(requests, 1))
        return Normal(
            expected=expected,
            low=max(0, math.floor(expected - 2 * deviation)),
            high=math.ceil(expected + 2 * deviation),
        )


def quiet_part(counts: pl.DataFrame, stretches: Iterable[tuple[datetime, datetime]]) -> Quiet | None:
    """
    Return the part of *counts* outside of all *stretches*.

    Returns:
        Nothing where there are no stretches (then nothing is known to be unusual), or where too little is left to call
        it normal: under 200 requests or 10 minutes.
    """
    merged = _merged(stretches)
    if not merged:
        return None
    loud = pl.any_horizontal(pl.col("minute").is_between(start, end, closed="left") for start, end in merged)
    quiet = counts.filter(pl.col("minute").is_not_null() & ~loud)
    requests, minutes = quiet.select(pl.col("requests").sum(), pl.col("minute").n_unique()).row(0)
    if requests < MIN_QUIET_REQUESTS or minutes < MIN_QUIET_MINUTES:
        return None
    return Quiet(counts=quiet, requests=requests, minutes=minutes, scale=counts["requests"].sum() / requests)


def _merged(stretches: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Return disjoint stretches of whole minutes that cover the same time."""
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(stretches):
        first = start.replace(second=0, microsecond=0)
        last = max(end, first + timedelta(minutes=1))
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def class_rows(counts: pl.DataFrame, normal: Mapping[str, Normal]) -> tuple[ClassRow, ...]:
    """Return one row per class, in their fixed order; *normal* is by class, empty where nothing is known."""
    found = _by_class(counts)
    total = sum(found.get(class_, 0) for class_ in CLASSES)
    return tuple(
        ClassRow(
            class_=class_.value,
            requests=found.get(class_, 0),
            share=found.get(class_, 0) / total if total else None,
            normal=normal.get(class_),
        )
        for class_ in CLASSES
    )


def usual_counts(
    counts: pl.DataFrame, quiet: Quiet | None, history: pl.DataFrame | None
) -> tuple[dict[str, Normal], str | None]:
    """
    Say what is normal for each class.

    Args:
        counts: what is looked at.
        quiet: its quiet part.
        history: counts of earlier requests, where there are any.

    Returns:
        By class, and what that rests on: the same hours of earlier days where *history* reaches back a week and
        *counts* is at most a day long, else the quiet part, else nothing.
    """
    timed = counts["minute"].drop_nulls()
    if history is not None and timed.len():
        start, end = timed.min(), timed.max()
        assert isinstance(start, datetime)
        assert isinstance(end, datetime)
        end += timedelta(minutes=1)
        if end - start <= timedelta(days=1):
            found = {class_.value: expected_range(history, class_, start, end) for class_ in CLASSES}
            ranges = {class_: each for class_, each in found.items() if each is not None}
            if ranges:
                windows = min(each.windows for each in ranges.values())
                return {
                    class_: Normal(expected=(each.low + each.high) / 2, low=each.low, high=each.high)
                    for class_, each in ranges.items()
                }, f"the same hours on {windows} earlier days"
    if quiet is None:
        return {}, None
    usual = _by_class(quiet.counts)
    normal = {class_.value: quiet.normal(usual.get(class_, 0)) for class_ in CLASSES}
    return normal, f"the {quiet.minutes:,} minutes outside of incidents in these logs"


def _by_class(counts: pl.DataFrame) -> dict[str, int]:
    return dict(counts.group_by("class").agg(pl.col("requests").sum()).iter_rows())


def function_rows(counts: pl.DataFrame) -> tuple[FunctionRow, ...]:
    """Return one row per function: by incident requests, then requests, then name."""
    frame = (
        counts.group_by("function")
        .agg(pl.col("requests").sum(), *_class_sums())
        .with_columns(pl.sum_horizontal(*CLASSES).alias("incident"))
        .sort("incident", "requests", "function", descending=[True, True, False])
    )
    return tuple(
        FunctionRow(function=row["function"], requests=row["requests"], by_class={c.value: row[c] for c in CLASSES})
        for row in frame.iter_rows(named=True)
    )


def heat_rows(counts: pl.DataFrame, *, limit: int = 20) -> tuple[HeatRow, ...]:
    """Return the functions and stages with the most incident requests."""
    frame = (
        counts.filter(INCIDENT)
        .group_by("function", "stage")
        .agg(pl.col("requests").sum(), *_class_sums())
        .sort("requests", "function", "stage", descending=[True, False, False])
        .head(limit)
    )
    return tuple(
        HeatRow(
            function=row["function"],
            stage=row["stage"],
            requests=row["requests"],
            by_class={c.value: row[c] for c in CLASSES},
        )
        for row in frame.iter_rows(named=True)
    )


def _class_sums() -> list[pl.Expr]:
    return [pl.col("requests").filter(pl.col("class") == c.value).sum().alias(c.value) for c in CLASSES]


def code_rows(counts: pl.DataFrame, quiet: Quiet | None, *, limit: int = 10) -> tuple[CodeRow, ...]:
    """Return the most frequent error codes of incident requests."""
    frame = _with_usual(counts.filter(INCIDENT & pl.col("error_code").is_not_null()), quiet, ("error_code",), limit)
    return tuple(
        CodeRow(error_code=row["error_code"], requests=row["requests"], normal=_normal_of(row, quiet))
        for row in frame.iter_rows(named=True)
    )


def new_codes(counts: pl.DataFrame, quiet: Quiet | None, class_: str) -> tuple[str, ...] | None:
    """
    Return the error codes that requests of a class have and none of that class in the quiet part, most frequent first.

    Returns:
        None where there is nothing to compare: no quiet part, or no request of the class that has a code and a time.
    """
    coded = (pl.col("class") == class_) & pl.col("error_code").is_not_null() & pl.col("minute").is_not_null()
    rows = counts.filter(coded)
    if quiet is None or not rows.height:
        return None
    usual = quiet.counts.filter(coded).select("error_code").unique()
    found = (
        rows.join(usual, on="error_code", how="anti")
        .group_by("error_code")
        .agg(pl.col("requests").sum())
        .sort("requests", "error_code", descending=[True, False])
    )
    return tuple(found["error_code"])


_EVIDENCE_KEYS: Final[dict[str, tuple[str, ...]]] = {
    Class.VENDOR: ("function", "stage", "upstream_status"),
    Class.APPLICATION: ("function", "stage", "status", "error_code"),
    Class.BOTTLENECK: ("function", "stage", "reason"),
    Class.UNKNOWN: ("function", "stage", "reason", "status"),
}
"""What sets one piece of evidence apart from another: the fields that a reader would act on."""


def why_rows(
    counts: pl.DataFrame, quiet: Quiet | None, *, classes: Sequence[str], incident_requests: int, limit: int = 10
) -> tuple[WhyRow, ...]:
    """Return the evidence for *classes*: the functions and values that their requests have, most frequent first."""
    rows: list[WhyRow] = []
    for class_ in classes:
        keys = _EVIDENCE_KEYS[class_]
        frame = _with_usual(counts.filter(pl.col("class") == class_), quiet, keys, limit, class_=class_)
        for row in frame.iter_rows(named=True):
            normal = _normal_of(row, quiet)
            evidence, words = _evidence(class_, row)
            rows.append(
                WhyRow(
                    class_=class_,
                    function=row["function"],
                    stage=row["stage"],
                    evidence=evidence,
                    words=words,
                    requests=row["requests"],
                    share=row["requests"] / incident_requests,
                    normal=normal,
                    lift=row["requests"] / normal if normal else None,
                )
            )
    return tuple(rows)


def _with_usual(
    counts: pl.DataFrame, quiet: Quiet | None, keys: Sequence[str], limit: int, *, class_: str | None = None
) -> pl.DataFrame:
    """Return the most frequent *keys* with `requests`, and `usual`: how many the quiet part has of them."""
    order = ["requests", *keys]
    top = (
        counts.group_by(keys)
        .agg(pl.col("requests").sum())
        .sort(order, descending=[True, *(False for _ in keys)], nulls_last=False)
        .head(limit)
    )
    if quiet is None:
        return top.with_columns(pl.lit(0, pl.Int64).alias("usual"))
    of_class = INCIDENT if class_ is None else pl.col("class") == class_
    usual = quiet.counts.filter(of_class).group_by(keys).agg(pl.col("requests").sum().alias("usual"))
    return top.join(usual, on=list(keys), how="left", nulls_equal=True, maintain_order="left").with_columns(
        pl.col("usual").fill_null(0)
    )


def _normal_of(row: dict[str, object], quiet: Quiet | None) -> float | None:
    usual = row["usual"]
    assert isinstance(usual, int)
    return None if quiet is None else quiet.expected(usual)


def _evidence(class_: str, row: dict[str, object]) -> tuple[str, str]:
    """Return what a row shows, as `field=value` and in words."""
    upstream, status, code = row.get("upstream_status"), row.get("status"), row.get("error_code")
    answer = "missing" if status is None else str(status)
    if class_ == Class.VENDOR:
        assert upstream is None or isinstance(upstream, int)
        return f"upstream_status={upstream_word(upstream)}", f"upstream {upstream_word(upstream)}"
    if class_ == Class.APPLICATION:
        suffix = ("", "") if code is None else (f" error_code={code}", f" with {code}")
        return f"status={answer}{suffix[0]}", f"status {answer}{suffix[1]}"
    if class_ == Class.BOTTLENECK:
        if row["reason"] == Reason.SLOW_WITH_FAST_UPSTREAM:
            return "slow, upstream fast", ""  # the class says it already
        return str(row["reason"]), str(row["reason"])
    return f"{row['reason']} status={answer}", str(row["reason"])
