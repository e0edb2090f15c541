"""Records -> counts and verdicts, in plain Python: every request is held in memory and looked at in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from attribute.rules.thresholds import Thresholds
from tests.reference.requests import COLUMNS, Row, consolidate
from tests.reference.verdicts import verdict_of

ENDING = ("response", "exception")


def in_window(at: datetime | None, since_at: datetime | None, until_at: datetime | None) -> bool:
    """Return whether *at* lies in the half-open window; untimed lies only in the one without ends."""
    if since_at is None and until_at is None:
        return True
    if at is None:
        return False
    return (since_at is None or at >= since_at) and (until_at is None or at < until_at)


def analyse(
    records: Iterable[Row],
    *,
    thresholds: Thresholds | None = None,
    since_at: datetime | None = None,
    until_at: datetime | None = None,
) -> dict[str, Any]:
    """
    Return what *records* come to.

    `verdicts`: a row per incident request in the window, in order of time, with class, rule, reason, flags.
    `healthy`: how many requests went well, by reason. `duplicates`: repeated records of those incident requests.
    """
    rows = list(records)
    verdicts: list[Row] = []
    incident_ids: set[str] = set()
    for request in consolidate(rows):
        verdict = verdict_of(request, thresholds)
        if verdict.class_ == "none":
            continue
        incident_ids.add(request["request_id"])
        if in_window(request["at"], since_at, until_at):
            named = {"class": verdict.class_, "rule": verdict.rule, "reason": verdict.reason}
            lists = {"also_matched": list(verdict.also_matched), "flags": list(verdict.flags)}
            verdicts.append({**request, **named, **lists})
    ending_functions = {row["function"] for row in rows if row["stage"] in ENDING}
    healthy: Counter[str] = Counter()
    for row in rows:
        counts = row["stage"] in ENDING or row["function"] not in ending_functions
        if row["request_id"] in incident_ids or not counts or not in_window(row["at"], since_at, until_at):
            continue
        verdict = verdict_of(row, thresholds)
        if verdict.class_ == "none":
            healthy[verdict.reason] += 1
    shown = {row["request_id"] for row in verdicts}
    copies = Counter(tuple(row[column] for column in COLUMNS) for row in rows if row["request_id"] in shown)
    return {"verdicts": verdicts, "healthy": dict(healthy), "duplicates": sum(copies.values()) - len(copies)}


def summary(analysed: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of an analysis."""
    verdicts, healthy = analysed["verdicts"], sum(analysed["healthy"].values())
    classes: Counter[str] = Counter(row["class"] for row in verdicts)
    reasons: Counter[tuple[str, str, str]] = Counter((r["class"], r["rule"] or "", r["reason"]) for r in verdicts)
    return {
        "requests": {
            "total": healthy + len(verdicts),
            "healthy": healthy,
            "incident": len(verdicts),
            "absorbed": analysed["healthy"].get("upstream-failure-absorbed", 0),
        },
        "classes": {name: classes[name] for name in ("vendor", "application", "application-bottleneck", "UNKNOWN")},
        "reasons": [
            {"class": key[0], "rule": key[1] or None, "reason": key[2], "requests": count}
            for key, count in sorted(reasons.items())
        ],
        "duplicates": analysed["duplicates"],
    }
