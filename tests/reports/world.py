"""Small worlds for the outputs: requests in, through the real rules and the real rollup, a result out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import polars as pl

from attribute.counting import count_healthy, count_some_verdicts
from attribute.engines.analysis import Analysis, FileNote, InputAccount, RejectedAt, Window
from attribute.frames import REQUESTS
from attribute.incidents.model import Incident, Span
from attribute.reports.asked import Asked, Typed
from attribute.reports.model import Result
from attribute.reports.result import build_result
from attribute.rollup import merge
from attribute.rules.catalogue import builtin
from attribute.rules.compile import compile_rules
from attribute.rules.thresholds import Thresholds
from attribute.rules.words import Class
from attribute.verdicts import classify

START = datetime(2026, 11, 15, 17, 0, tzinfo=UTC)
NOW = START + timedelta(minutes=64, seconds=7)
THRESHOLDS = Thresholds()
Row = Mapping[str, object]


def request(number: int, minute: float | None, function: str = "quote", fields: Row | None = None) -> dict[str, object]:
    """One consolidated request; healthy unless *fields* say otherwise."""
    row: dict[str, object] = {
        "request_id": f"r{number:06}",
        "function": function,
        "stage": "response",
        "status": 200,
        "latency_ms": 100.0,
        "error_code": None,
        "upstream_status": 200,
        "upstream_latency_ms": 40.0,
        "at": None if minute is None else START + timedelta(minutes=minute),
        "upstream": None,
        "upstream_calls": 1,
        "joined_from": None,
        "records": 1,
    }
    assert set(fields or {}) <= set(row)
    return {**row, **(fields or {})}


@dataclass(frozen=True)
class FixedRows:
    """Verdicts that are at hand."""

    verdicts: pl.DataFrame

    def between(self, since: datetime | None, until: datetime | None) -> pl.LazyFrame:
        """Return those of a stretch of time, in order."""
        inside = Window(since_at=since, until_at=until).holds(pl.col("at"))
        return self.verdicts.lazy().filter(inside).sort("at", "request_id", nulls_last=True)

    def flags(self) -> dict[str, int]:
        """Count the flags, one by one."""
        return dict(sorted(Counter(flag for flags in self.verdicts["flags"] for flag in flags).items()))


def analysis_of(rows: Sequence[Row], *, account: InputAccount | None = None) -> Analysis:
    """What an engine answers to *rows*."""
    frame = pl.DataFrame(list(rows), schema=REQUESTS)
    compiled = compile_rules(builtin(), THRESHOLDS)
    verdicts = classify(frame, compiled)
    healthy = frame.join(verdicts, on="request_id", how="anti")
    rollup = merge([count_some_verdicts(verdicts), count_healthy(healthy, compiled.absorbed)])
    times = frame["at"].drop_nulls()
    return Analysis(
        account=account
        or InputAccount(
            files=1,
            bytes=200 * frame.height,
            lines=frame.height,
            records=frame.height,
            untimed=frame["at"].null_count(),
            first_at=times.min(),  # type: ignore[arg-type]  # a column of instants
            last_at=times.max(),  # type: ignore[arg-type]  # a column of instants
        ),
        rollup=rollup,
        rows=FixedRows(verdicts),
    )


def incident(
    class_: Class, first: int, last: int, *, requests: int, functions: Sequence[str], **fields: object
) -> Incident:
    """An incident from minute *first* to minute *last*."""
    values: dict[str, object] = {
        "id": f"{class_.value[:3].lower()}-{first:04}-c0ffee",
        "class_": class_,
        "started_at": START + timedelta(minutes=first),
        "ended_at": START + timedelta(minutes=last),
        "ongoing": False,
        "functions": tuple(functions),
        "requests": requests,
        "unknown_requests": 0,
        "total_requests": requests * 2,
        "expected_requests": 4.0,
        "excess": max(requests - 4.0, 0.0),
        "baseline_share": 0.01,
        "outage_minutes": 12.0,
        "severity": 2,
        "hot_minutes": last - first,
        "peak_share": 0.9,
        "peak_at": START + timedelta(minutes=first),
        "reasons": (("upstream-5xx", requests),),
        "statuses": ((502, requests),),
        "upstream_statuses": ((503, requests - 1), (0, 1)),
        "error_codes": ((None, requests),),
        "upstreams": ((None, requests),),
        "points": (),
        "spans": tuple(
            Span(
                class_=class_,
                refused=False,
                function=function,
                started_at=START + timedelta(minutes=first),
                ended_at=START + timedelta(minutes=last),
                requests=requests,
            )
            for function in functions
        ),
    }
    return Incident(**{**values, **fields})  # type: ignore[arg-type]  # each value is of its field's type, as written above


def result_of(
    rows: Sequence[Row],
    *,
    incidents: Sequence[Incident] = (),
    account: InputAccount | None = None,
    zone: tzinfo = UTC,
    paths: tuple[str, ...] = ("logs/",),
    runbook: Mapping[str, str] | None = None,
    history: pl.DataFrame | None = None,
    **typed: Any,  # noqa: ANN401 - any other field of `Typed`
) -> Result:
    """The view model of *rows*."""
    return build_result(
        analysis_of(rows, account=account),
        catalogue=builtin(),
        thresholds=THRESHOLDS,
        incidents=incidents,
        history=history,
        asked=Asked(
            typed=Typed(paths=paths, **typed),
            zone=zone,
            now=NOW,
            runbook=runbook or {},
            commands=frozenset({"analyze", "explain", "report"}),
        ),
    )


VENDOR_DOWN: Row = {"status": 502, "upstream_status": 503, "latency_ms": 300.0, "upstream_latency_ms": 250.0}
VENDOR_TIMEOUT: Row = {"status": 504, "upstream_status": 0, "latency_ms": 3010.0, "upstream_latency_ms": 3000.0}
OUR_FAULT: Row = {"status": 500, "error_code": "db_conflict"}
OUR_QUEUE: Row = {"latency_ms": 2400.0, "upstream_latency_ms": 40.0}
NO_EVIDENCE: Row = {"status": 500, "upstream_status": None, "upstream_latency_ms": None}


def outage(*, ongoing: bool = True) -> tuple[list[Row], list[Incident]]:
    """Four classes over 64 minutes; the vendor fails from minute 41 on."""
    rows: list[Row] = []
    down = 0
    for minute in range(64):
        for second in range(60):
            at, number = minute + second / 60, minute * 60 + second
            fields: Row = {}
            function = ("quote", "quote", "cart", "search")[second % 4]
            if (minute >= 41 if ongoing else 41 <= minute < 60) and function == "quote":
                fields = VENDOR_TIMEOUT if second % 8 == 1 else VENDOR_DOWN
                down += 1
            elif second == 7 and minute % 2:
                fields = OUR_FAULT
            elif second == 11 and minute % 3 == 0:
                fields = OUR_QUEUE
            elif second == 22 and minute % 5 == 0:
                fields = NO_EVIDENCE
            elif second == 30 and minute % 20 == 0:
                fields = VENDOR_DOWN
            rows.append(request(number, at, function, fields))
    return rows, [
        incident(
            Class.VENDOR, 41, 64 if ongoing else 60, requests=down, functions=["quote"], ongoing=ongoing, severity=1
        ),
        incident(Class.APPLICATION, 3, 6, requests=3, functions=["search"], severity=4),
    ]


def full_account(rows: Sequence[Row]) -> InputAccount:
    """An account in which everything that can go wrong with lines did."""
    return InputAccount(
        files=12,
        bytes=10_000,
        fingerprint="ab" * 32,
        lines=len(rows) + 12,
        records=len(rows),
        rejected=3,
        not_m1=7,
        blank=2,
        rejected_by_reason={"json": 2, "cut-off": 1},
        duplicates=4,
        outside_window=9,
        untimed=0,
        unknown_fields={"query_label": 5, "pod": 2},
        unknown_field_names=2,
        newer_versions=1,
        first_at=START,
        last_at=START + timedelta(minutes=63, seconds=59),
        skipped_files=(FileNote(file="logs/.hidden", reason="hidden"),),
        incomplete_files=(FileNote(file="logs/app-2.log", reason="cut off"),),
        sample_rejects=(RejectedAt(file="logs/app-2.log", line=77, reason="cut-off", detail=None),),
    )
