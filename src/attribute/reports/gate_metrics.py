"""
`-o prom` and `-o openmetrics`: the gate as gauges.

`prom` is what node_exporter's textfile collector reads (text format 0.0.4, no timestamps), `openmetrics` is
OpenMetrics 1.0. A batch job looks at windows that move, so nothing here is a counter. Labels are checks, functions and
windows, never request ids or error codes; what the gate as a whole came to is always there, also at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from attribute.gate.settings import State
from attribute.reports.disarm import disarmed
from attribute.reports.escape import visible
from attribute.reports.gate_view import GateView, Line
from attribute.reports.writers import Style

__all__ = ["write_openmetrics", "write_prom"]

_CHECKS: Final = ("unknown-spike", "refused-spike", "coverage", "limit", "input")


class _Family(NamedTuple):
    name: str
    help: str
    samples: list[tuple[Mapping[str, str], float]]
    unit: str | None = None


def write_prom(view: GateView, style: Style) -> Iterator[bytes]:
    """Yield text format 0.0.4."""
    del style
    for family in _families(view):
        yield f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n".encode()
        yield from _samples(family)


def write_openmetrics(view: GateView, style: Style) -> Iterator[bytes]:
    """Yield OpenMetrics 1.0."""
    del style
    for family in _families(view):
        unit = "" if family.unit is None else f"# UNIT {family.name} {family.unit}\n"
        yield f"# TYPE {family.name} gauge\n{unit}# HELP {family.name} {family.help}\n".encode()
        yield from _samples(family)
    yield b"# EOF\n"


def _samples(family: _Family) -> Iterator[bytes]:
    for labels, value in family.samples:
        inside = ",".join(f'{name}="{_label(text)}"' for name, text in labels.items())
        number = str(int(value)) if float(value).is_integer() else repr(float(value))
        yield f"{family.name}{'{' + inside + '}' if inside else ''} {number}\n".encode()


def _label(text: str) -> str:
    return disarmed(visible(text)).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _families(view: GateView) -> Iterable[_Family]:
    numbers = view.result.numbers
    yield _Family(
        "attribute_gate_state",
        "1 for the state of the gate, 0 for the others.",
        [({"state": state.value}, state is view.state) for state in State],
    )
    yield _Family(
        "attribute_gate_failed_checks",
        "Checks that fail, by kind.",
        [({"check": check}, sum(one.check == check for one in view.of_kind("error"))) for check in _CHECKS],
    )
    yield _Family(
        "attribute_gate_warned_checks",
        "Checks that warn, by kind.",
        [({"check": check}, sum(one.check == check for one in view.of_kind("warning"))) for check in _CHECKS],
    )
    yield _per_check("attribute_gate_check_failed", "Whether a check fails.", view, lambda line: line.kind == "error")
    yield _per_check("attribute_gate_check_judged", "Whether a check had enough data.", view, _judged)
    yield _per_check("attribute_gate_check_requests", "Requests that a check counts.", view, lambda line: line.part)
    yield _per_check("attribute_gate_check_requests_of", "Requests that these are of.", view, lambda line: line.whole)
    yield _per_check(
        "attribute_gate_check_allowed_share", "Greatest share that passes.", view, lambda line: line.allowed_share
    )
    yield _Family(
        "attribute_gate_requests",
        "Requests that were read.",
        [
            ({"kind": "total"}, numbers.requests),
            ({"kind": "incident"}, numbers.incident),
            ({"kind": "unknown"}, numbers.unknown),
            ({"kind": "refused"}, numbers.refused),
        ],
    )
    yield _Family("attribute_gate_rejected_lines", "Lines that were rejected.", [({}, numbers.rejected)])
    yield _Family(
        "attribute_gate_baseline_seconds",
        "How much time the baseline covers.",
        [({}, view.result.baseline.days * 86400)],
        unit="seconds",
    )
    yield _Family("attribute_run_success", "1: the run came to its end.", [({}, 1)])
    yield _Family(
        "attribute_run_timestamp_seconds",
        "The time that the gate judged as now.",
        [({}, view.now.timestamp())],
        unit="seconds",
    )


def _judged(line: Line) -> bool:
    return line.state is not State.INCONCLUSIVE


def _per_check(name: str, help_text: str, view: GateView, value: Callable[[Line], float | None]) -> _Family:
    samples: list[tuple[Mapping[str, str], float]] = []
    shown = view.shown_ids()
    for line in view.lines:
        found = value(line)
        if found is not None:
            samples.append(({"check": line.check, "id": shown[line.id], "function": line.function or ""}, float(found)))
    return _Family(name, help_text, samples)
