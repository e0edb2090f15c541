"""`-o json`: the gate for machines, one object. Its shape is `gate.schema.json`, which is shipped and tested."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from attribute.reports.disarm import disarmed_json
from attribute.reports.escape import json_bytes
from attribute.reports.gate_view import GateView, Line, plain
from attribute.reports.wording import rfc3339
from attribute.reports.writers import Style

__all__ = ["write"]

SCHEMA = "attribute.gate/1"


def write(view: GateView, style: Style) -> Iterator[bytes]:
    """Yield the object."""
    del style
    numbers, use = view.result.numbers, view.result.baseline
    document = {
        "schema": SCHEMA,
        "state": view.state.value,
        "passed": view.exit_code == 0,
        "exit_code": view.exit_code,
        "headline": plain(view.headline),
        "now": rfc3339(view.now),
        "tool": {"version": view.tool_version},
        "rules": {"version": view.rules_version, "sha256": view.rules_sha256},
        "requests": {
            "total": numbers.requests,
            "incident": numbers.incident,
            "unknown": numbers.unknown,
            "refused": numbers.refused,
            "untimed": numbers.untimed,
            "after_now": numbers.later,
            "rejected_lines": numbers.rejected,
            "newest_at": rfc3339(numbers.newest_at),
        },
        "baseline": {
            "days": use.days,
            "first_day": use.first_day or None,
            "last_day": use.last_day or None,
            "available_days": use.available_days,
            "of_file": use.of_file,
            "for_coverage": use.for_coverage,
            "windows_hours": list(use.windows),
            "left_out": [{"day": one.day, "function": one.function, "check": one.check} for one in use.left_out],
        },
        "checks": [_check(line) for line in view.lines],
        "notes": [plain(note) for note in view.notes],
    }
    yield disarmed_json(json_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)))


def _check(line: Line) -> dict[str, object]:
    return {
        "id": line.id,
        "check": line.check,
        "state": line.state.value,
        "level": line.level.value,
        "decides": line.decides,
        "counts_as": None if line.counts_as is None else line.counts_as.value,
        "sentence": plain(line.sentence),
        "details": [plain(detail) for detail in line.details],
        "function": line.function,
        "new_functions": line.pooled,
        "window_hours": line.window_hours,
        "part": line.part,
        "whole": line.whole,
        "share": line.share,
        "expected_share": line.expected_share,
        "allowed_share": line.allowed_share,
        "allowed_count": line.allowed_count,
        "needed": line.needed,
        "still_there": line.still_there,
        "p_value": line.p_value,
    }
