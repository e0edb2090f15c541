"""The rollup as a dict and a loop: slow, plain, and what the frames are held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from attribute.frames import COUNTS, LATENCY

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

Row = Mapping[str, object]
Counts = dict[tuple[object, ...], int]


def floor_to(at: object, width: timedelta) -> datetime | None:
    """Return the start of the interval of *width*, counted from the epoch, that *at* lies in."""
    if at is None:
        return None
    assert isinstance(at, datetime)
    return EPOCH + (at - EPOCH) // width * width


def bucket(latency_ms: float) -> int:
    """Count up, octave by octave, to the bucket that holds a latency."""
    whole = int(Decimal(latency_ms).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    if whole < 64:
        return whole
    number, first, width = 64, 64, 2
    while True:
        for _ in range(32):
            if first <= whole < first + width:
                return number
            number, first = number + 1, first + width
        width *= 2


def counts(rows: Iterable[Row]) -> Counts:
    """Count rows of verdicts (or healthy records with `class`, `rule` and `reason`) by every key but `requests`."""
    keys = [name for name in COUNTS if name not in ("minute", "requests")]
    return dict(Counter((floor_to(row["at"], timedelta(minutes=1)), *(row[key] for key in keys)) for row in rows))


def latency(rows: Iterable[Row], slot: timedelta = timedelta(minutes=10)) -> Counts:
    """Count the same rows by slot of that width, function, measure and bucket."""
    counted: Counter[tuple[object, ...]] = Counter()
    for row in rows:
        total, upstream = row["latency_ms"], row["upstream_latency_ms"]
        assert isinstance(total, float)
        measured = {"total": total}
        if upstream is not None:
            assert isinstance(upstream, float)
            measured |= {"upstream": upstream, "own": max(total - upstream, 0.0)}
        for measure, value in measured.items():
            counted[floor_to(row["at"], slot), row["function"], measure, bucket(value)] += 1
    return dict(counted)


def quantile(values: Iterable[float], q: float) -> float:
    """Return the smallest value that at least *q* of *values* do not exceed."""
    ordered = sorted(values)
    return next(value for rank, value in enumerate(ordered, start=1) if rank >= q * len(ordered))


assert list(LATENCY)[:-1] == ["slot", "function", "measure", "bucket"]
