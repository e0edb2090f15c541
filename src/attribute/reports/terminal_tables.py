"""The tables of the screen: classes, evidence, functions by stage, reasons."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from attribute.reports.escape import cells
from attribute.reports.model import ClassRow, Series, View, WhyRow
from attribute.reports.paint import Paint
from attribute.reports.wording import FEW, count, later, local, percent, plural, times, zone_name
from attribute.rules.words import CLASSES, Class

__all__ = ["LETTERS", "NAMES", "class_lines", "heat_lines", "place", "reason_lines", "why_lines"]

LETTERS: Final = {Class.VENDOR: "V", Class.APPLICATION: "A", Class.BOTTLENECK: "B", Class.UNKNOWN: "?"}
NAMES: Final = {
    Class.VENDOR: "VENDOR",
    Class.APPLICATION: "APPLICATION",
    Class.BOTTLENECK: "BOTTLENECK",
    Class.UNKNOWN: "UNKNOWN",
}
SPARK: Final = 18
WITH_SPARK, WITH_NORMAL, WITH_BAR = 80, 58, 42
"""From so many columns on, a table has room for these."""


def class_lines(result: View, paint: Paint) -> Iterator[str]:
    """Yield the table of classes with its head and total; narrow screens lose the spark, then what is normal."""
    normal = paint.width >= WITH_NORMAL and any(row.normal is not None for row in result.classes)
    spark = paint.width >= WITH_SPARK and len(result.series.starts) > 1
    bins = _grouped(result.series, SPARK) if spark else {}
    top = max((number or 0 for counts in bins.values() for number in counts), default=0)
    head = f"{'CLASS':<14}{'REQUESTS':>9}{'SHARE':>9}"
    if paint.width >= WITH_BAR:
        head += " " * 10
    if normal:
        head += f"{'NORMAL':>9}{'vs':>8}"
    yield f"{head}  {_span_of(result)}" if spark else head
    for row in result.classes:
        line = _class_line(row, result, paint, normal=normal)
        yield f"{line}  {paint.color(paint.spark(bins[row.class_], top), row.class_)}" if spark else line
    requests = result.requests
    share = f" ({percent(requests.incident / requests.total)})" if requests.total >= FEW else ""
    total = f"{'failing, slow':<14}{count(requests.incident):>9} of {count(requests.total)}"
    noun = " request" if requests.total == 1 else " requests"
    absorbed = f", {plural(requests.absorbed, 'upstream failure')} absorbed" if requests.absorbed else ""
    yield next(
        (
            text
            for text in (f"{total}{noun}{share}{absorbed}", f"{total}{noun}{share}", f"{total}{share}")
            if len(text) <= paint.width
        ),
        total,
    )
    if paint.style.verbosity > 0 and result.normal_basis:
        yield from paint.wrap(f"normal is what {result.normal_basis} make one expect")


def _class_line(row: ClassRow, result: View, paint: Paint, *, normal: bool) -> str:
    name = paint.color(f"{LETTERS[Class(row.class_)]} {NAMES[Class(row.class_)]:<12}", row.class_)
    few = result.requests.incident < FEW
    share = "" if row.share is None or few else percent(row.share)
    line = f"{name}{count(row.requests):>9}{share:>9}"
    if paint.width >= WITH_BAR:
        line += "  " + paint.color(paint.left(paint.bar(0.0 if few else row.share or 0.0, 8), 8), row.class_)
    if not normal:
        return line
    if row.normal is None:
        return f"{line}{'-':>9}{'':>8}"
    ratio = row.normal.times(row.requests) if row.requests else None
    versus = times(ratio) if ratio is not None else ("new" if row.requests else "-")
    mark = " !" if row.requests > row.normal.high else "  "
    return f"{line}{f'{count(row.normal.low)}-{count(row.normal.high)}':>9}{versus:>6}{mark}"


def _span_of(result: View) -> str:
    starts = result.series.starts
    first, last = starts[0], later(starts[-1], timedelta(minutes=result.series.width_minutes))
    long = last - first
    form = "%H:%M" if long <= timedelta(days=1) else "%m-%d" if long <= timedelta(days=300) else "%Y"
    return f"{local(first, result.zone):{form}}-{local(last, result.zone):{form}} {zone_name(last, result.zone)}"


def _grouped(series: Series, width: int) -> dict[str, list[int | None]]:
    """Return the counts of each class in at most *width* groups of neighbouring bins."""
    size = -(-len(series.starts) // width)
    grouped: dict[str, list[int | None]] = {}
    for class_ in CLASSES:
        counts = series.by_class[class_]
        grouped[class_] = []
        for start in range(0, len(counts), size):
            known = [number for number in counts[start : start + size] if number is not None]
            grouped[class_].append(sum(known) if known else None)
    return grouped


def why_lines(result: View, paint: Paint) -> Iterator[str]:
    """Yield the evidence for the answer."""
    rows = _strongest(result, paint)
    if not rows:
        return
    normal = paint.width >= 70 and any(row.normal is not None for row in rows)
    room = paint.width - (35 if normal else 19)
    places = [paint.text(place(row.function, row.stage)) for row in rows]
    place_width = min(max(cells(name) for name in places), room * 2 // 5)
    title = "WHY " + " AND ".join(NAMES[Class(class_)] for class_ in result.verdict.classes)
    yield f"{paint.left(title, room)}{'n':>10}{'share':>9}" + (f"{'normal':>9}{'lift':>7}" if normal else "")
    for number, (row, name) in enumerate(zip(rows, places, strict=True), start=1):
        where = paint.left(name, place_width)
        evidence = paint.left(paint.text(row.evidence), room - place_width - 5)
        share = percent(row.share) if result.requests.incident >= FEW else ""
        line = f"{number:>2} {where}  {evidence}{count(row.requests):>10}{share:>9}"
        if normal:
            usual = "" if row.normal is None else f"{row.normal:,.0f}"
            lift = times(row.lift) if row.lift is not None else ("new" if row.normal == 0 else "")
            line += f"{usual:>9}{lift:>7}"
        yield line


def place(function: str, stage: str) -> str:
    """Return where a request was decided: its function, and its stage unless that is the usual end of a request."""
    return function if stage == "response" else f"{function}/{stage}"


def _strongest(result: View, paint: Paint) -> list[WhyRow]:
    """Return the first rows of each class that the answer is about: two in all, and more where asked for."""
    classes = result.verdict.classes
    limit = len(result.why) if paint.style.verbosity > 0 else -(-2 // max(len(classes), 1))
    return [row for class_ in classes for row in [row for row in result.why if row.class_ == class_][:limit]]


def heat_lines(result: View, paint: Paint) -> Iterator[str]:
    """Yield functions and stages by class."""
    if not result.heat:
        return
    wide = 12 if paint.width >= 72 else 7
    room = min(paint.width - 4 * wide, 60)
    names = NAMES if wide == 12 else LETTERS
    yield paint.left("WHERE  function/stage", room) + "".join(f"{names[class_]:>{wide}}" for class_ in CLASSES)
    limit = 5 if paint.style.verbosity <= 0 else len(result.heat)
    for row in result.heat[:limit]:
        where = paint.left(paint.text(f"  {place(row.function, row.stage)}"), room)
        numbers = [f"{count(row.by_class[class_]) if row.by_class[class_] else '.':>{wide}}" for class_ in CLASSES]
        yield where + "".join(paint.color(number, class_) for number, class_ in zip(numbers, CLASSES, strict=True))


def reason_lines(result: View, paint: Paint) -> Iterator[str]:
    """Yield every reason with its count, and below an UNKNOWN one what to log."""
    if not result.reasons:
        return
    room = min(paint.width - 10, 62)
    yield f"{paint.left('REASONS', room)}{'n':>10}"
    for row in result.reasons:
        text = paint.text(f"  {row.reason}  ({row.class_}, {row.rule or 'no rule'})")
        yield f"{paint.left(text, room)}{count(row.requests):>10}"
        if row.what_to_log:
            yield from paint.wrap(paint.text(row.what_to_log), lead="    ")
