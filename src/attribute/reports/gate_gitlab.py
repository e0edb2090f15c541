"""`-o gitlab`: a GitLab Code Quality report, an array with one object per check that does not pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import orjson

from attribute.reports.disarm import disarmed_json
from attribute.reports.escape import json_bytes, visible
from attribute.reports.gate_view import GateView, Line, plain
from attribute.reports.writers import Style

__all__ = ["DEFAULT_PLACE", "fingerprint", "write"]

DEFAULT_PLACE = "attribute.toml"
"""Where a check points that was set nowhere: a gate has no line of code."""

_SEVERITY = {"error": "major", "warning": "minor", "inconclusive": "minor"}


def write(view: GateView, style: Style) -> Iterator[bytes]:
    """Yield the array; it is empty where all checks pass."""
    del style
    issues = [_issue(line, view) for line in view.of_kind("error", "warning", "inconclusive")]
    yield disarmed_json(json_bytes(orjson.dumps(issues, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)))


def fingerprint(line: Line) -> str:
    """Return what makes a finding the same one in the next run: its check and slice, never a number."""
    return hashlib.sha256(f"attribute.gate/{line.id}".encode(errors="surrogatepass")).hexdigest()[:40]


def _issue(line: Line, view: GateView) -> dict[str, object]:
    return {
        "description": visible(plain(line.sentence)),
        "check_name": f"attribute.gate.{line.check}",
        "fingerprint": fingerprint(line),
        "severity": _SEVERITY[line.kind],
        "location": {"path": view.config or DEFAULT_PLACE, "lines": {"begin": line.line or 1}},
    }
