"""Numbers -> drawings. Every chart stands above a table of the same numbers, so nothing depends on seeing it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from attribute.reports.drawing import Drawing, Legend, Line, Path, Rect, Shape, Text
from attribute.rules.words import CLASSES

__all__ = ["WIDTH", "Mark", "Stack", "compact", "stacked", "text_width"]

WIDTH: Final = 720
_LEFT, _RIGHT, _BOTTOM = 46, 14, 34


def text_width(text: str) -> float:
    """Return about how many pixels a label takes at size 11, in the widest of the usual fonts."""
    return sum(8.4 if character.isupper() else 6.8 for character in text)


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on a timeline: how far along it (0 to 1), and what happened."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """
    What a stacked chart shows.

    Attributes:
        id: of the drawing.
        title: of the drawing.
        description: of the drawing.
        labels: of the bins; an empty one is not written.
        by_class: a value per bin; None: nothing was seen at all, which is not 0.
        unit: what the values count, for the axis.
        band: what is usual, from and to.
        shade: stretches to shade, from and to, each 0 to 1.
        marks: moments.
        ghost: values to compare the totals with, as a line.
        ghost_label: what that line is.
    """

    id: str
    title: str
    description: str
    labels: Sequence[str]
    by_class: Mapping[str, Sequence[float | None]]
    unit: str
    band: tuple[float, float] | None = None
    shade: Sequence[tuple[float, float]] = ()
    marks: Sequence[Mark] = ()
    ghost: Sequence[float | None] = field(default=())
    ghost_label: str = ""


def stacked(data: Stack) -> Drawing:
    """Draw bars over time, one above the other by class, with what is usual behind them."""
    bins = len(data.labels)
    top_of_plot = 46 + 14 * (1 + max((label.row for label in _labels(data.marks)), default=-1))
    height = top_of_plot + 170 + _BOTTOM
    base = height - _BOTTOM
    width = WIDTH - _LEFT - _RIGHT
    totals = [sum(values[n] or 0 for values in data.by_class.values()) for n in range(bins)]
    highest = max([*totals, *(value or 0 for value in data.ghost), *(data.band or ()), 0])
    ceiling, step = _scale(highest)

    def y(value: float) -> float:
        return base - (base - top_of_plot) * value / ceiling

    shapes: list[Shape] = [Rect(_LEFT, top_of_plot, width, base - top_of_plot, "plot")]
    shapes += [
        Rect(_LEFT + width * start, top_of_plot, width * (end - start), base - top_of_plot, "shade")
        for start, end in data.shade
    ]
    if data.band is not None:
        low, high = data.band
        shapes.append(Rect(_LEFT, y(high), width, max(y(low) - y(high), 2), "band"))
    shapes += _value_axis(step, ceiling, y)
    shapes += _bars(data, base, y, width / max(bins, 1))
    if any(value is not None for value in data.ghost):
        shapes += _ghost(data.ghost, y, width / max(bins, 1))
    shapes += _marks(data.marks, top_of_plot, base, width)
    shapes.append(Line(_LEFT, base, _LEFT + width, base, "axis"))
    shapes += _bin_labels(data.labels, base, width)
    shapes += _legend(data)
    shapes.append(Text(4, 34, data.unit, "muted"))
    return Drawing(
        id=data.id,
        width=WIDTH,
        height=height,
        title=data.title,
        description=data.description,
        shapes=tuple(shapes),
    )


def _value_axis(step: float, ceiling: float, y: Callable[[float], float]) -> list[Shape]:
    shapes: list[Shape] = []
    for number in range(round(ceiling / step) + 1):
        value = number * step
        if number:
            shapes.append(Line(_LEFT, y(value), WIDTH - _RIGHT, y(value), "grid"))
        shapes.append(Text(_LEFT - 6, y(value) + 4, compact(value), "muted", "end"))
    return shapes


def _bars(data: Stack, base: float, y: Callable[[float], float], slot: float) -> list[Shape]:
    gap = min(2.0, slot * 0.2) if slot > 3 else 0.0
    shapes: list[Shape] = []
    for number in range(len(data.labels)):
        left = _LEFT + slot * number + gap / 2
        if all(data.by_class[class_][number] is None for class_ in CLASSES):
            shapes.append(Rect(left, base - 4, slot - gap, 4, "gap"))
            continue
        below = 0.0
        for class_ in CLASSES:
            value = data.by_class[class_][number] or 0
            if value:
                shapes.append(Rect(left, y(below + value), slot - gap, y(below) - y(below + value), class_.value))
                below += value
    return shapes


def _ghost(values: Sequence[float | None], y: Callable[[float], float], slot: float) -> list[Shape]:
    points: list[tuple[float, float]] = []
    shapes: list[Shape] = []
    for number, value in enumerate([*values, None]):
        if value is None:
            if points:
                shapes.append(Path(tuple(points), "ghost"))
            points = []
            continue
        points += [(_LEFT + slot * number, y(value)), (_LEFT + slot * (number + 1), y(value))]
    return shapes


@dataclass(frozen=True, slots=True)
class _Label:
    """Where the label of a mark stands: left or right of its line, from where to where, in which row from below."""

    is_left: bool
    left: float
    right: float
    row: int = 0

    def crosses(self, x: float) -> bool:
        return self.left < x < self.right

    def overlaps(self, other: _Label) -> bool:
        return self.row == other.row and self.left < other.right and other.left < self.right


def _labels(marks: Sequence[Mark]) -> list[_Label]:
    """Return the label of each mark: none over another, and none over the line of another where that can be helped."""
    places = [mark.at * (WIDTH - _LEFT - _RIGHT) for mark in marks]
    found: dict[int, _Label] = {}
    chosen = [_side(mark, places) for mark in marks]
    crossed = [{n for n, x in enumerate(places) if label.crosses(x)} for label in chosen]
    for number in sorted(range(len(marks)), key=lambda n: (len(crossed[n]), n)):
        above = [found[n].row + 1 for n in crossed[number] if n in found]  # a line begins at the row of its own label
        label = replace(chosen[number], row=max(above, default=0))
        while any(label.overlaps(other) for other in found.values()):
            label = replace(label, row=label.row + 1)
        found[number] = label
    return [found[number] for number in range(len(marks))]


def _side(mark: Mark, places: Sequence[float]) -> _Label:
    """Return the label on the side where it crosses fewer lines; else on the one with more room."""
    at, wide = mark.at * (WIDTH - _LEFT - _RIGHT), text_width(mark.label) + 10
    sides = [_Label(is_left=True, left=at - wide, right=at), _Label(is_left=False, left=at, right=at + wide)]
    if mark.at <= 0.5:
        sides.reverse()
    fitting = [label for label in sides if label.left >= -_LEFT and label.right <= WIDTH - _LEFT] or sides
    return min(fitting, key=lambda label: sum(label.crosses(x) for x in places))


def _marks(marks: Sequence[Mark], top: float, base: float, width: float) -> list[Shape]:
    shapes: list[Shape] = []
    for mark, label in zip(marks, _labels(marks), strict=True):
        x = _LEFT + width * mark.at
        label_y = top - 6 - 14 * label.row
        shapes.append(Line(x, label_y - 9, x, base, "mark"))
        place, anchor = (x - 4, "end") if label.is_left else (x + 4, "start")
        shapes.append(Text(place, label_y, mark.label, "ink", anchor))
    return shapes


def _bin_labels(labels: Sequence[str], base: float, width: float) -> list[Shape]:
    slot = width / max(len(labels), 1)
    shapes: list[Shape] = []
    written_until = -math.inf
    for number, label in enumerate(labels):
        middle = _LEFT + slot * (number + 0.5)
        half = text_width(label) / 2
        middle = min(max(middle, half + 1), WIDTH - half - 1)
        if not label or middle - half < written_until + 8:
            continue
        shapes.append(Text(middle, base + 16, label, "muted", "middle"))
        written_until = middle + half
    return shapes


def _legend(data: Stack) -> list[Shape]:
    shapes: list[Shape] = []
    x: float = 4
    entries = [(class_.value, class_.value) for class_ in CLASSES]
    if data.band is not None:
        entries.append(("band", "usual"))
    if data.shade:
        entries.append(("shade", "incident"))
    if any(value is not None for value in data.ghost):
        entries.append(("ghost", data.ghost_label))
    if any(data.by_class[CLASSES[0]][number] is None for number in range(len(data.labels))):
        entries.append(("gap", "no request"))
    for role, name in entries:
        shapes.append(Legend(x, 5, role, name))
        x += 16 + text_width(name) + 14
    return shapes


def _scale(highest: float) -> tuple[float, float]:
    """Return the top of an axis that has room for *highest*, and the step between its lines."""
    if highest <= 0:
        return 1.0, 1.0
    rough = highest / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return math.ceil(highest / step - 1e-9) * step, step


def compact(value: float) -> str:
    """
    Return a number in at most four characters or so.

    >>> [compact(number) for number in (0, 7, 999, 1000, 1260, 12_345, 1_200_000, 0.5)]
    ['0', '7', '999', '1k', '1.3k', '12k', '1.2M', '0.5']
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * 0.99995:
            shown = f"{value / size:.1f}" if value < size * 9.95 else f"{value / size:.0f}"
            return shown.removesuffix(".0") + letter
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"
