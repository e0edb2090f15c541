"""Charts in rows: heat tables and quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from attribute.reports.charts import WIDTH, compact, text_width
from attribute.reports.drawing import Drawing, Line, Rect, Shape, Text
from attribute.reports.escape import fit, visible

__all__ = ["HEAT_LEVELS", "QuantileRow", "heat", "heat_level", "quantiles"]

HEAT_LEVELS: Final = 5
LABEL: Final = 26


def heat_level(value: float | None, highest: float) -> int:
    """Return how strongly to colour a cell, 0 (nothing) to `HEAT_LEVELS`: by the square root, so that little shows."""
    if not value or highest <= 0:
        return 0
    return max(1, math.ceil(HEAT_LEVELS * math.sqrt(value / highest) - 1e-9))


def heat(
    *,
    id_: str,
    title: str,
    description: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float | None]],
) -> Drawing:
    """Draw a number in every cell, on a ground the stronger the larger it is; None is an empty cell."""
    label = max([text_width(fit(visible(row), LABEL)) for row in rows] + [28.0]) + 12
    cell = (WIDTH - label - 4) / max(len(columns), 1)
    cell = min(cell, 110.0)
    tall = 24
    highest = max((value or 0 for line in values for value in line), default=0)
    shapes: list[Shape] = []
    for n, column in enumerate(columns):
        room = max(int(cell / 7), 2)
        shapes.append(Text(label + cell * (n + 0.5), 16, fit(visible(column), room), "muted", "middle"))
    for r, row in enumerate(rows):
        y = 24 + tall * r
        shapes.append(Text(label - 8, y + 16, fit(visible(row), LABEL), "ink", "end"))
        for c, value in enumerate(values[r]):
            x = label + cell * c
            level = heat_level(value, highest)
            shapes.append(Rect(x + 0.5, y + 0.5, cell - 1, tall - 1, f"heat{level}" if value is not None else "empty"))
            if value is not None:
                size = 11 if cell >= 34 else 9
                shapes.append(Text(x + cell / 2, y + 16, compact(value), f"on-heat{level}", "middle", size))
    height = 24 + tall * len(rows) + 4
    return Drawing(id=id_, width=WIDTH, height=height, title=title, description=description, shapes=tuple(shapes))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileRow:
    """Quantiles in ms of one measure in one stretch of time; None: no such request."""

    group: str
    label: str
    role: str
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


def quantiles(rows: Sequence[QuantileRow], *, id_: str, title: str, description: str) -> Drawing:
    """Draw p50 to p99 of each row as a bar on one logarithmic axis; p95 is a tick on it."""
    left, right, tall, head = 142, 150, 24, 26
    width = WIDTH - left - right
    highest = max([row.p99_ms or 0 for row in rows] + [10.0])
    decades = max(math.ceil(math.log10(highest)), 1)
    base = head + tall * len(rows)

    def x(value: float) -> float:
        return left + width * math.log10(max(value, 1)) / decades

    shapes: list[Shape] = [Rect(left, head, width, base - head, "plot")]
    for decade in range(decades + 1):
        shapes.append(Line(x(10**decade), head, x(10**decade), base, "grid"))
        shapes.append(Text(x(10**decade), base + 16, f"{compact(10**decade)} ms", "muted", "middle"))
    for number, row in enumerate(rows):
        y = head + tall * number + tall / 2
        if number == 0 or rows[number - 1].group != row.group:
            shapes.append(Text(4, y + 4, row.group, "strong"))
            if number:
                shapes.append(Line(4, y - tall / 2, WIDTH - 4, y - tall / 2, "grid"))
        shapes.append(Text(left - 8, y + 4, row.label, "ink", "end"))
        if row.p50_ms is None or row.p95_ms is None or row.p99_ms is None:
            shapes.append(Text(left + 6, y + 4, "no such request", "muted"))
            continue
        shapes.append(Rect(x(row.p50_ms), y - 5, max(x(row.p99_ms) - x(row.p50_ms), 2), 10, row.role))
        shapes.append(Line(x(row.p95_ms), y - 8, x(row.p95_ms), y + 8, "tick"))
        words = " / ".join(f"{value:,.0f}" for value in (row.p50_ms, row.p95_ms, row.p99_ms))
        shapes.append(Text(WIDTH - 6, y + 4, words, "ink", "end"))
    shapes.append(Text(left, 14, "bar: p50 to p99, tick: p95", "muted"))
    shapes.append(Text(WIDTH - 6, 14, "p50 / p95 / p99 ms", "muted", "end"))
    return Drawing(id=id_, width=WIDTH, height=base + 26, title=title, description=description, shapes=tuple(shapes))
