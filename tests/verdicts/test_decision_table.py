"""Every combination of the decision table, on records made for it."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from attribute.requests import consolidate
from attribute.rules.catalogue import builtin
from attribute.rules.compile import compile_rules
from attribute.rules.thresholds import Thresholds
from attribute.verdicts import classify
from tests.reference.verdicts import Verdict, verdict_of
from tests.rules.records import record, records_frame

TABLE = Path(__file__).parents[2] / "fixtures" / "decision-table.csv"

UPSTREAM: dict[str, tuple[int | None, ...]] = {
    "missing": (None,),
    "timeout": (0,),
    "1xx": (100, 199),
    "2xx": (200, 204, 299),
    "3xx": (300, 304, 399),
    "4xx": (400, 428, 430, 499),
    "429": (429,),
    "5xx": (500, 503, 599),
    "invalid": (-1,),
}
STATUS: dict[str, tuple[int | None, ...]] = {
    "missing": (None,),
    "2xx": (200, 299),
    "3xx": (300, 399),
    "4xx": (400, 429, 499),
    "5xx": (500, 599),
}
LATENCY: dict[str, tuple[tuple[float, float | None], ...]] = {
    "normal": ((999.9, 10.0), (0.0, 0.0), (999.0, None), (500.0, 5000.0)),
    "slow, upstream low": ((1000.0, 200.0), (5000.0, 0.0)),
    "slow, upstream dominant": ((1000.0, 800.0), (1000.0, 1010.0), (2000.0, 2020.0)),
    "slow, split unclear": ((1000.0, 200.1), (1000.0, 799.9)),
    "slow, upstream latency missing": ((1000.0, None),),
    "slow, upstream exceeds total": ((1000.0, 1010.1), (3000.0, 9000.0)),
}


def table() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def records_of(row: dict[str, str]) -> list[dict[str, Any]]:
    values = product(UPSTREAM[row["upstream_status"]], STATUS[row["status"]], LATENCY[row["latency"]])
    return [
        record(
            request_id=f"r{number}",
            upstream_status=upstream,
            status=status,
            latency_ms=total,
            upstream_latency_ms=upstream_latency,
            upstream_calls=1,
        )
        for number, (upstream, status, (total, upstream_latency)) in enumerate(values)
    ]


def wanted(row: dict[str, str]) -> Verdict:
    also = tuple(row["also_matched"].split()) if row["also_matched"] else ()
    return Verdict(row["class"], row["rule"] or None, row["reason"], also)


def test_decision_table_has_every_combination_once() -> None:
    """Nine upstream statuses, five statuses and six latencies: 270 rows, none twice."""
    combinations = [(row["upstream_status"], row["status"], row["latency"]) for row in table()]
    assert set(combinations) == set(product(UPSTREAM, STATUS, LATENCY))
    assert len(combinations) == len(set(combinations)) == 270


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row['upstream_status']}/{row['status']}/{row['latency']}")
def test_reference_gives_the_verdict_of_the_table(row: dict[str, str]) -> None:
    """The plain reference knows the class, rule, reason and further matches of every combination."""
    got = [verdict_of(each)._replace(flags=()) for each in records_of(row)]
    assert got == [wanted(row)] * len(got)


def test_compiled_rules_give_the_verdict_of_the_table() -> None:
    """The compiled rules know the class, rule, reason and further matches of every combination."""
    compiled = compile_rules(builtin(), Thresholds())
    wrong = []
    for row in table():
        frame = records_frame(records_of(row)).select(compiled.verdict)
        got = {
            Verdict(each["class"], each["rule"], each["reason"], tuple(each["also_matched"]))
            for each in frame.iter_rows(named=True)
        }
        if got != {wanted(row)}:
            wrong.append((row, got))
    assert wrong == []


def test_classified_records_give_the_verdict_of_the_table() -> None:
    """From records to verdicts: what the table calls no incident has no row, all else has its class and reason."""
    compiled = compile_rules(builtin(), Thresholds())
    expected: dict[str, Verdict] = {}
    rows = []
    for number, line in enumerate(table()):
        for each in records_of(line):
            rows.append({**each, "request_id": f"{number}-{each['request_id']}"})
            if line["class"] != "none":
                expected[f"{number}-{each['request_id']}"] = wanted(line)
    verdicts = classify(consolidate(records_frame(rows)), compiled)
    got = {
        each["request_id"]: Verdict(each["class"], each["rule"], each["reason"], tuple(each["also_matched"]))
        for each in verdicts.iter_rows(named=True)
    }
    assert got == expected


def test_what_the_table_calls_none_is_healthy_or_absorbed() -> None:
    """`failing`, `slow`, `incident` and `absorbed` say of every combination what its class and reason say."""
    compiled = compile_rules(builtin(), Thresholds())
    for row in table():
        frame = records_frame(records_of(row)).select(
            compiled.failing.alias("failing"),
            compiled.slow.alias("slow"),
            compiled.incident.alias("incident"),
            compiled.absorbed.alias("absorbed"),
        )
        expected = {
            "failing": row["status"] in {"missing", "4xx", "5xx"},
            "slow": row["latency"] != "normal",
            "incident": row["class"] != "none",
            "absorbed": row["reason"] == "upstream-failure-absorbed",
        }
        assert frame.unique().to_dicts() == [expected], row
        assert frame.schema == dict.fromkeys(expected, pl.Boolean)
