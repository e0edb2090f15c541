"""
Write the sample reports of this folder again: `python -m reports.generate`.

The incident report and the vendor's package are those of `fixtures/vendor-outage`; the weekly report is that of four
weeks of seeded traffic that are made for it and thrown away. Every command has a fixed `--now`, so the files come out
byte for byte the same, and a test holds them to that.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attribute.cli.main import run
from fixtures.traffic import FLEET, Moment, Record, fail, line, traffic

ROOT = Path(__file__).resolve().parent.parent
NOW = "2026-11-23T00:30:00Z"
ZONE = "Asia/Seoul"
FIRST_MONDAY = datetime(2026, 10, 25, 15, tzinfo=UTC)
"""Midnight in Seoul, four weeks before the end of week 47."""

WEEK = 7 * 24
BY_HOUR = (3, 2, 2, 2, 2, 3, 4, 6, 8, 9, 9, 8, 8, 9, 9, 9, 8, 8, 9, 10, 10, 8, 6, 4)
"""How busy an hour of the day is, in 120ths of the fleet's rate."""


def _hours(week: int, day: int, hour: float, length: float) -> tuple[float, float]:
    start = week * WEEK + day * 24 + hour
    return start, start + length


RATES_DOWN = (_hours(1, 3, 14.5, 0.7), _hours(3, 1, 2.7, 2.1))
PAYMENTS_FLAKY = _hours(3, 4, 19.2, 1.5)
RELEASE = _hours(3, 3, 10.25, 1.9)
QUEUE = _hours(3, 2, 20.0, 2.0)
BLIND = _hours(3, 5, 9.0, 5.0)


def _fault(moment: Moment, record: Record, rng: random.Random) -> None:
    hour = (moment.at - FIRST_MONDAY) / timedelta(hours=1)

    def during(stretch: tuple[float, float]) -> bool:
        return stretch[0] <= hour < stretch[1]

    if moment.function == "quote" and any(during(stretch) for stretch in RATES_DOWN) and rng.random() < 0.85:
        if rng.random() < 0.6:
            fail(record, status=502, upstream_status=503, error_code="SERVER_ERROR")
        else:
            fail(record, status=504, upstream_status="timeout", error_code="UPSTREAM_TIMEOUT")
            record.update(latency_ms=3015, upstream_latency_ms=3001)
    elif moment.function in {"checkout", "refund"} and during(PAYMENTS_FLAKY) and rng.random() < 0.4:
        fail(record, status=502, upstream_status=500, error_code="PAYMENT_FAILED")
    elif moment.function == "checkout" and during(RELEASE) and rng.random() < 0.5:
        fail(record, status=500, upstream_status=200, error_code="TypeError")
    elif moment.function == "usage-summary" and during(QUEUE) and rng.random() < 0.5:
        record.update(latency_ms=rng.randrange(1500, 4200), upstream_latency_ms=rng.randrange(25, 120))
    elif moment.function == "ingest" and during(BLIND) and rng.random() < 0.15:
        fail(record, status=500, upstream_status=None, error_code="SERVER_ERROR")


def four_weeks() -> Iterator[Record]:
    """Yield four weeks of traffic, busy by day and calm by night, with two bad weeks among them."""
    for hour in range(4 * WEEK):
        busy = BY_HOUR[hour % 24] / 120
        fleet = tuple(replace(function, per_minute=function.per_minute * busy) for function in FLEET)
        start_at = FIRST_MONDAY + timedelta(hours=hour)
        yield from traffic(seed=f"four-weeks/{hour}", start_at=start_at, minutes=60, fault=_fault, fleet=fleet)


CONFIGURATION = """\
[goals.everything]
target = 0.98

[goals.checkout]
target = 0.99
functions = ["checkout", "refund"]

[goals.ours]
target = 0.999
functions = ["usage-*"]
classes = ["application", "application-bottleneck"]
"""


def write(folder: Path) -> None:
    """Write all samples into *folder*, which must exist."""
    outage = "fixtures/vendor-outage/logs"
    plain = ["--now", NOW, "--tz", ZONE, "--isolated", "--no-progress"]
    common = ["--now", NOW, "--tz", ZONE, "--config", "attribute.toml", "--no-progress"]
    with contextlib.chdir(ROOT):
        _run("report", "incident", outage, *plain, "--out", str(folder))
        incident = next(folder.glob("V-*.html")).name.partition(".")[0]
        _run("escalate", incident, outage, *plain, "--out", str(folder / "escalation"))
    with tempfile.TemporaryDirectory() as place:
        logs = Path(place) / "logs"
        logs.mkdir()
        with (logs / "api.jsonl").open("w", encoding="ascii") as file:
            file.writelines(line(record) + "\n" for record in four_weeks())
        (Path(place) / "attribute.toml").write_text(CONFIGURATION, encoding="utf-8")
        with contextlib.chdir(place):
            gravest = _gravest(common)
            _run("report", "incident", "logs/", "--incident", gravest, *common, "--out", str(folder))
            _run("report", "weekly", "logs/", "--week", "2026-W47", *common, "--out", str(folder))


def _gravest(common: list[str]) -> str:
    """Return the id of the gravest incident of week 47."""
    window = ["--since", "2026-11-16", "--until", "2026-11-23"]
    _run("analyze", "logs/", *common, *window, "-o", "json:result.json")
    incidents = json.loads(Path("result.json").read_text(encoding="utf-8"))["incidents"]
    return str(incidents[0]["id"])


def _run(*arguments: str) -> None:
    with contextlib.redirect_stdout(sys.stderr):
        code = run(arguments)
    if code:
        raise SystemExit(code)


def main() -> None:
    """Replace the samples of this folder."""
    folder = Path(__file__).parent
    for path in folder.iterdir():
        if path.suffix in {".html", ".md", ".json"}:
            path.unlink()
    shutil.rmtree(folder / "escalation", ignore_errors=True)
    write(folder)


if __name__ == "__main__":
    main()
