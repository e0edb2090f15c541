"""`-o json`: the whole result as one object. Its shape is `result.schema.json`, which is shipped and tested."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from attribute.reports.escape import json_bytes
from attribute.reports.model import ClassRow, IncidentRow, Normal, Verdict, View, WhyRow
from attribute.reports.wording import rfc3339, upstream_json
from attribute.reports.writers import Style
from attribute.rules.words import CLASSES

if TYPE_CHECKING:
    from attribute.incidents.model import Tally

__all__ = ["SCHEMA", "document", "write"]

SCHEMA = "attribute.result/1"


def write(result: View, style: Style) -> Iterator[bytes]:
    """Yield the object, indented, ending with a line break."""
    del style
    yield json_bytes(orjson.dumps(document(result), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def document(result: View) -> dict[str, object]:
    """Return what is written, as plain values. Keys have a fixed order."""
    return {
        "schema": SCHEMA,
        "generated_at": rfc3339(result.generated_at),
        "tool": {"version": result.tool_version},
        "exit": result.exit_code,
        "rules": _rules(result),
        "window": {
            "since": rfc3339(result.window.since_at),
            "until": rfc3339(result.window.until_at),
            "first_at": rfc3339(result.account.first_at),
            "last_at": rfc3339(result.account.last_at),
        },
        "only_functions": list(result.typed.functions),
        "input": _input(result),
        "requests": asdict(result.requests),
        "classes": {row.class_: row.requests for row in result.classes},
        "normal": {row.class_: _normal(row) for row in result.classes},
        "normal_basis": result.normal_basis,
        "reasons": [
            {
                "class": row.class_,
                "rule": row.rule,
                "reason": row.reason,
                "requests": row.requests,
                "what_to_log": row.what_to_log,
            }
            for row in result.reasons
        ],
        "functions": [{"function": row.function, "requests": row.requests, **row.by_class} for row in result.functions],
        "stages": [
            {"function": row.function, "stage": row.stage, "requests": row.requests, **row.by_class}
            for row in result.heat
        ],
        "error_codes": [asdict(row) for row in result.codes],
        "latency": [asdict(row) for row in result.latency],
        "flags": dict(result.flags),
        "verdict": _verdict(result.verdict),
        "why": [_why(row) for row in result.why],
        "why_not": [{"class": row.class_, "requests": row.requests, "text": row.text} for row in result.why_not],
        "series": {
            "width_minutes": result.series.width_minutes,
            "starts": _instants(result.series.starts),
            "requests": list(result.series.totals),
            **{class_.value: list(result.series.by_class.get(class_, ())) for class_ in CLASSES},
        },
        "incidents": [_incident(row) for row in result.incidents],
        "runbook": list(result.runbook),
        "next": list(result.next_commands),
    }


def _rules(result: View) -> dict[str, object]:
    thresholds = result.rules.thresholds
    return {
        "version": result.rules.version,
        "sha256": result.rules.sha256,
        "thresholds": {
            **asdict(thresholds.default),
            "functions": {name: asdict(limits) for name, limits in sorted(thresholds.by_function.items())},
        },
    }


def _input(result: View) -> dict[str, object]:
    account = result.account
    return {
        "files": account.files,
        "bytes": account.bytes,
        "fingerprint": account.fingerprint,
        "lines": account.lines,
        "records": account.records,
        "rejected": account.rejected,
        "not_m1": account.not_m1,
        "blank": account.blank,
        "rejected_by_reason": dict(account.rejected_by_reason),
        "duplicates": account.duplicates,
        "outside_window": account.outside_window,
        "untimed": account.untimed,
        "unknown_fields": dict(account.unknown_fields),
        "unknown_field_names": account.unknown_field_names,
        "newer_versions": account.newer_versions,
        "skipped_files": [asdict(note) for note in account.skipped_files],
        "incomplete_files": [asdict(note) for note in account.incomplete_files],
        "sample_rejects": [asdict(reject) for reject in account.sample_rejects],
    }


def _normal(row: ClassRow) -> dict[str, object] | None:
    normal: Normal | None = row.normal
    if normal is None:
        return None
    return {"low": normal.low, "high": normal.high, "expected": normal.expected, "times": normal.times(row.requests)}


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "state": verdict.state.value,
        "sentence": verdict.sentence,
        "classes": list(verdict.classes),
        "requests": verdict.requests,
        "share": verdict.share,
        "incident": verdict.incident_id,
        "since": rfc3339(verdict.since_at),
        "until": rfc3339(verdict.until_at),
        "ongoing": verdict.ongoing,
        "confidence": asdict(verdict.confidence),
    }


def _why(row: WhyRow) -> dict[str, object]:
    return {
        "class": row.class_,
        "function": row.function,
        "stage": row.stage,
        "evidence": row.evidence,
        "requests": row.requests,
        "share": row.share,
        "normal": row.normal,
        "lift": row.lift,
    }


def _incident(row: IncidentRow) -> dict[str, object]:
    return {
        "id": row.id,
        "class": row.class_,
        "started_at": rfc3339(row.started_at),
        "ended_at": rfc3339(row.ended_at),
        "ongoing": row.ongoing,
        "functions": list(row.functions),
        "requests": row.requests,
        "excess": row.excess,
        "unknown_requests": row.unknown_requests,
        "severity": row.severity,
        "reasons": _pairs("reason", row.reasons),
        "statuses": _pairs("status", row.statuses),
        "upstream_statuses": _pairs("upstream_status", _upstreams(row.upstream_statuses)),
        "error_codes": _pairs("error_code", row.error_codes),
        "sample_request_ids": list(row.sample_request_ids),
    }


def _pairs(name: str, pairs: Iterable[tuple[object, int]]) -> list[dict[str, object]]:
    return [{name: value, "requests": requests} for value, requests in pairs]


def _upstreams(pairs: Tally) -> list[tuple[int | str | None, int]]:
    return [(upstream_json(value) if isinstance(value, int) else value, requests) for value, requests in pairs]


def _instants(starts: Sequence[datetime]) -> list[str | None]:
    return [rfc3339(start) for start in starts]
