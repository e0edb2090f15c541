"""
`-o sarif`: SARIF 2.1.0 as GitHub code scanning reads it.

A gate has no line of code: findings point at the line of the configuration that set them, or at its first. GitHub
knows a finding again by `primaryLocationLineHash` alone, so that is made of the check and its slice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

import orjson

from attribute.reports.disarm import disarmed_json
from attribute.reports.escape import json_bytes, visible
from attribute.reports.gate_gitlab import DEFAULT_PLACE, fingerprint
from attribute.reports.gate_view import GateView, Line, plain
from attribute.reports.writers import Style

__all__ = ["write"]

_RULES: Final = {
    "unknown-spike": (
        "UNKNOWN is unusually frequent",
        "More requests than usual failed without evidence of whose failure it was.",
        "Look at the signatures in the message, and at what was deployed. docs/gate.md says how to read a failure.",
    ),
    "refused-spike": (
        "4xx before any upstream call are unusually frequent",
        "Clients send more unauthenticated or malformed requests than usual.",
        "Nothing in the logs would have attributed these requests. Look at the clients.",
    ),
    "coverage": (
        "Healthy requests lost their evidence",
        "Healthy requests no longer say what their upstream answered: the next failure there will be UNKNOWN.",
        "Look for a change of the logger or of the client library. docs/gate.md says how coverage is judged.",
    ),
    "limit": (
        "A limit is exceeded",
        "More requests of a class, function or reason than a limit in the configuration allows.",
        "Look at the limit in the configuration and at `attribute LOGS`.",
    ),
    "input": (
        "The logs cannot be judged",
        "The logs hold no requests, or most of their lines were rejected.",
        "Run `attribute LOGS --rejects FILE` to see which lines were rejected and why.",
    ),
}
_LEVEL: Final = {"error": "error", "warning": "warning", "inconclusive": "warning"}


def write(view: GateView, style: Style) -> Iterator[bytes]:
    """Yield the document."""
    del style
    names = list(_RULES)
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "attribute gate",
                        "semanticVersion": view.tool_version,
                        "rules": [
                            {
                                "id": name,
                                "shortDescription": {"text": short},
                                "fullDescription": {"text": full},
                                "help": {"text": help_text},
                            }
                            for name, (short, full, help_text) in _RULES.items()
                        ],
                    }
                },
                "automationDetails": {"id": "attribute-gate/"},
                "properties": {"state": view.state.value, "exitCode": view.exit_code},
                "results": [_result(line, view, names) for line in view.of_kind("error", "warning", "inconclusive")],
            }
        ],
    }
    yield disarmed_json(json_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)))


def _result(line: Line, view: GateView, names: list[str]) -> dict[str, object]:
    first = line.line or 1
    text = "\n".join(visible(plain(phrase)) for phrase in (line.sentence, *line.details))
    return {
        "ruleId": line.check,
        "ruleIndex": names.index(line.check),
        "level": _LEVEL[line.kind],
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(view.config or DEFAULT_PLACE, safe="/")},
                    "region": {"startLine": first, "startColumn": 1, "endLine": first, "endColumn": 2},
                }
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint(line)},
        "properties": {"id": line.id, "part": line.part, "whole": line.whole, "state": line.state.value},
    }
