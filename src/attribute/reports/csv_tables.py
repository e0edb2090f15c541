"""
`-o csv`: classes, functions and incidents as one table, told apart by its first column.

Text is quoted and guarded against formulas; numbers are neither. Lines end in CRLF, as RFC 4180 has it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from attribute.reports.escape import csv_cell
from attribute.reports.model import View
from attribute.reports.wording import rfc3339
from attribute.reports.writers import Style
from attribute.rules.words import CLASSES

__all__ = ["COLUMNS", "write"]

COLUMNS: Final = (
    "table",
    "name",
    "requests",
    "share",
    "normal_low",
    "normal_high",
    *(class_.value for class_ in CLASSES),
    "class",
    "started_at",
    "ended_at",
    "ongoing",
    "severity",
    "excess",
    "functions",
)

Cell = str | int | float | None


def write(result: View, style: Style) -> Iterator[bytes]:
    """Yield a header and one row per class, function and incident; what a row does not have is empty."""
    del style
    yield _line(dict(zip(COLUMNS, COLUMNS, strict=True)))
    for row in result.classes:
        low, high = (None, None) if row.normal is None else (row.normal.low, row.normal.high)
        yield _line(
            {
                "table": "class",
                "name": row.class_,
                "requests": row.requests,
                "share": row.share,
                "normal_low": low,
                "normal_high": high,
            }
        )
    for function in result.functions:
        yield _line(
            {
                "table": "function",
                "name": function.function,
                "requests": function.requests,
                "share": function.incident / function.requests if function.requests else None,
                **function.by_class,
            }
        )
    for incident in result.incidents:
        yield _line(
            {
                "table": "incident",
                "name": incident.id,
                "requests": incident.requests,
                "class": incident.class_,
                "started_at": rfc3339(incident.started_at),
                "ended_at": rfc3339(incident.ended_at),
                "ongoing": "yes" if incident.ongoing else "no",
                "severity": incident.severity,
                "excess": incident.excess,
                "functions": "; ".join(incident.functions),
            }
        )


def _line(row: dict[str, Cell]) -> bytes:
    """Return one line. None is empty; `QUOTE_NONNUMERIC` would quote it, so fields are quoted by hand."""
    out = io.StringIO()
    text = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="")
    fields = []
    for column in COLUMNS:
        value = row.get(column)
        if isinstance(value, str):
            out.seek(0)
            out.truncate()
            text.writerow([csv_cell(value)])
            fields.append(out.getvalue())
        else:
            fields.append("" if value is None else repr(value))
    return (",".join(fields) + "\r\n").encode()
