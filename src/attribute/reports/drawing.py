"""What a chart is drawn with: rectangles, lines and texts, each with the role it plays. Colours are the medium's."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Drawing", "Legend", "Line", "Path", "Rect", "Shape", "Text"]


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle; *role* says what it stands for."""

    x: float
    y: float
    width: float
    height: float
    role: str


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    role: str


@dataclass(frozen=True, slots=True)
class Path:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    role: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text at a point: *anchor* `start`, `middle` or `end`."""

    x: float
    y: float
    text: str
    role: str = "ink"
    anchor: str = "start"
    size: float = 11


@dataclass(frozen=True, slots=True)
class Legend:
    """A sample of a role and its name, at a point."""

    x: float
    y: float
    role: str
    text: str


Shape = Rect | Line | Path | Text | Legend


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """
    A chart.

    Attributes:
        id: its name on the page, of ASCII letters and hyphens.
        width: in pixels at natural size.
        height: the same.
        title: its name for who does not see it.
        description: what it shows, in a sentence or two.
        shapes: from back to front.
    """

    id: str
    width: int
    height: int
    title: str
    description: str
    shapes: tuple[Shape, ...]
