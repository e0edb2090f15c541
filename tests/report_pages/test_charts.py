"""Drawings as such: what stands where."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from attribute.reports.charts import WIDTH, Mark, Stack, stacked, text_width
from attribute.reports.drawing import Line, Text
from attribute.rules.words import CLASSES

LABELS = ("first bad minute 09:02", "peak 10:02", "recovered 13:49")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=3).map(sorted))
def test_label_of_a_moment_is_over_no_other_and_no_line_runs_through_it(places: list[float]) -> None:
    """However close the moments lie, each can be read, within the drawing."""
    drawing = stacked(
        Stack(
            id="x",
            title="x",
            description="x",
            labels=["00:00"] * 4,
            by_class={class_: [1, 2, 3, 4] for class_ in CLASSES},
            unit="x",
            marks=[Mark(at, label) for at, label in zip(places, LABELS, strict=False)],
        )
    )
    lines = [shape for shape in drawing.shapes if isinstance(shape, Line) and shape.role == "mark"]
    texts = [shape for shape in drawing.shapes if isinstance(shape, Text) and shape.text in LABELS]
    assert len(lines) == len(texts) == len(places)
    spans = [
        (text.x - text_width(text.text), text.x) if text.anchor == "end" else (text.x, text.x + text_width(text.text))
        for text in texts
    ]
    for number, (text, (left, right)) in enumerate(zip(texts, spans, strict=True)):
        assert left >= 0
        assert right <= WIDTH
        assert text.y > 25
        for other, (begin, end) in list(zip(texts, spans, strict=True))[:number]:
            assert other.y != text.y or end <= left or right <= begin
        for line in lines:
            assert not left < line.x1 < right or line.y1 > text.y
