"""The table of the gate's output formats, like `attribute.reports.writers`; it imports no writer until it is asked."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Protocol, cast

from attribute.reports.writers import Style, WriterEntry

if TYPE_CHECKING:
    from attribute.reports.gate_view import GateView

__all__ = ["GATE_WRITERS", "GateWriter", "gate_writer"]


class GateWriter(Protocol):
    """A format: the view in, bytes out."""

    def __call__(self, view: GateView, style: Style) -> Iterator[bytes]:
        """Yield the output piece by piece, ending with a line break."""


GATE_WRITERS: Final[dict[str, WriterEntry]] = {
    "text": WriterEntry("attribute.reports.gate_text:write", "for people", shares_stdout=True),
    "json": WriterEntry("attribute.reports.gate_json:write", "one object"),
    "github": WriterEntry("attribute.reports.gate_github:write", "annotations and step summary", shares_stdout=True),
    "junit": WriterEntry("attribute.reports.gate_junit:write", "one test case per check"),
    "gitlab": WriterEntry("attribute.reports.gate_gitlab:write", "GitLab Code Quality"),
    "sarif": WriterEntry("attribute.reports.gate_sarif:write", "SARIF 2.1.0"),
    "prom": WriterEntry("attribute.reports.gate_metrics:write_prom", "node_exporter's textfile collector"),
    "openmetrics": WriterEntry("attribute.reports.gate_metrics:write_openmetrics", "OpenMetrics 1.0"),
}


def gate_writer(name: str) -> GateWriter:
    """Return the writer of one format of the table."""
    module, _, function = GATE_WRITERS[name].target.partition(":")
    return cast("GateWriter", getattr(importlib.import_module(module), function))
