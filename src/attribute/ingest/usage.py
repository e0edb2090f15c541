"""The usage reads: from one snapshot to one JSON object. Counts are texts: they outgrow what a JSON number holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Final

from attribute.ingest.calendar import days_between, first_slot, local_start, month_back
from attribute.ingest.messages import Function
from attribute.ingest.model import SLOT_SECONDS, Counts
from attribute.ingest.query import Asked, cursor_of
from attribute.ingest.stores.interface import Reads
from attribute.ingest.sums import Series, Sums, billable_of, sums_between, total_of
from attribute.ingest.wire import hour_start_of

PING_INTERVAL_MINUTES: Final = 30
_ONE_DAY: Final = timedelta(days=1)
_LEVELS: Final = (Fraction(1, 2), Fraction(3, 4), Fraction(9, 10))

Object = dict[str, object]


def answer(function: Function, asked: Asked, reads: Reads, user_id: str) -> Object:
    """Return what one of the usage functions answers a user."""
    return _READERS[function](asked, reads, user_id)


def instant(at_us: int | None) -> str | None:
    """
    Write an instant as the wire does.

    >>> instant(1_766_000_000_123_456)
    '2025-12-17T19:33:20.123Z'
    """
    if at_us is None:
        return None
    at = datetime.fromtimestamp(at_us // 1_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_us // 1000 % 1000:03d}Z"


def _totals(counts: Counts, billable: int) -> Object:
    return {
        "total_tokens": str(counts.total),
        "billable_total_tokens": str(billable),
        "input_tokens": str(counts.input),
        "cached_input_tokens": str(counts.cached_input),
        "output_tokens": str(counts.output),
        "reasoning_output_tokens": str(counts.reasoning_output),
    }


def _range(asked: Asked) -> Object:
    return {"from": asked.first.isoformat(), "to": asked.last.isoformat()}


def _model(asked: Asked) -> Object:
    return {"model_id": asked.only.model, "model": asked.only.model}


def _segments(asked: Asked, reads: Reads, user_id: str, starts: Iterable[date]) -> list[Sums]:
    slots = [first_slot(day, asked.zone) for day in starts]
    return sums_between(reads, user_id, slots, asked.only) if len(slots) > 1 else []


def _whole(asked: Asked, reads: Reads, user_id: str) -> Sums:
    if asked.last < asked.first:
        return {}
    return _segments(asked, reads, user_id, (asked.first, asked.last + _ONE_DAY))[0]


def _days(asked: Asked, reads: Reads, user_id: str) -> dict[date, Sums]:
    days = days_between(asked.first, asked.last)
    return dict(zip(days, _segments(asked, reads, user_id, [*days, asked.last + _ONE_DAY]), strict=False))


def _summary(asked: Asked, reads: Reads, user_id: str) -> Object:
    sums, rule = _whole(asked, reads, user_id), reads.rule()
    return {
        **_range(asked),
        "days": max((asked.last - asked.first).days + 1, 0),
        **_model(asked),
        "totals": _totals(total_of(sums), billable_of(sums, rule)),
        "billable_rule_version": rule.version,
    }


def _daily(asked: Asked, reads: Reads, user_id: str) -> Object:
    days, rule = _days(asked, reads, user_id), reads.rule()
    rows = [{"day": day.isoformat(), **_totals(total_of(sums), billable_of(sums, rule))} for day, sums in days.items()]
    every = _merged(days.values())
    return {
        **_range(asked),
        **_model(asked),
        "data": rows,
        "summary": {"totals": _totals(total_of(every), billable_of(every, rule))},
        "billable_rule_version": rule.version,
    }


def _merged(parts: Iterable[Sums]) -> Sums:
    merged: dict[Series, Counts] = {}
    for part in parts:
        for series, counts in part.items():
            merged[series] = merged[series].plus(counts) if series in merged else counts
    return merged


def _hourly(asked: Asked, reads: Reads, user_id: str) -> Object:
    start, end = first_slot(asked.first, asked.zone), first_slot(asked.first + _ONE_DAY, asked.zone)
    rule, last_sync_at_us = reads.rule(), reads.last_sync_at_us(user_id)
    by_slot: dict[int, dict[Series, Counts]] = {}
    for row in reads.slots(user_id, start, end, asked.only):
        by_slot.setdefault(row.slot, {})[Series(row.source, row.model)] = row.counts
    rows: list[Object] = []
    for slot in range(start, end):
        sums = by_slot.get(slot, {})
        row_of_slot: Object = {
            "hour": local_start(slot, asked.zone).strftime("%Y-%m-%dT%H:%M:%S"),
            "hour_start": hour_start_of(slot),
            **_totals(total_of(sums), billable_of(sums, rule)),
        }
        if last_sync_at_us is not None and slot > last_sync_at_us // (SLOT_SECONDS * 1_000_000):
            row_of_slot["missing"] = True
        rows.append(row_of_slot)
    return {
        "day": asked.first.isoformat(),
        "data": rows,
        "sync": {"last_sync_at": instant(last_sync_at_us), "min_interval_minutes": PING_INTERVAL_MINUTES},
        "billable_rule_version": rule.version,
    }


def _monthly(asked: Asked, reads: Reads, user_id: str) -> Object:
    months = [month_back(asked.last, back) for back in reversed(range(asked.months))]
    months = [month for month in months if month >= asked.first]
    rule = reads.rule()
    segments = _segments(asked, reads, user_id, [*months, asked.last + _ONE_DAY])
    return {
        **_range(asked),
        "months": asked.months,
        "data": [
            {"month": f"{month:%Y-%m}", **_totals(total_of(sums), billable_of(sums, rule))}
            for month, sums in zip(months, segments, strict=True)
        ],
        "billable_rule_version": rule.version,
    }


def _model_breakdown(asked: Asked, reads: Reads, user_id: str) -> Object:
    sums, rule = _whole(asked, reads, user_id), reads.rule()
    sources: list[Object] = []
    for source in sorted({series.source for series in sums}):
        mine = {series: counts for series, counts in sums.items() if series.source == source}
        models = [
            {
                "model_id": series.model,
                "model": series.model,
                "totals": _totals(counts, rule.billable(source, counts)),
            }
            for series, counts in sorted(mine.items(), key=lambda item: (-item[1].total, item[0].model))
        ]
        sources.append({"source": source, "totals": _totals(total_of(mine), billable_of(mine, rule)), "models": models})
    return {
        **_range(asked),
        "days": max((asked.last - asked.first).days + 1, 0),
        "sources": sources,
        "billable_rule_version": rule.version,
    }


def _heatmap(asked: Asked, reads: Reads, user_id: str) -> Object:
    days, rule = _days(asked, reads, user_id), reads.rule()
    values = {day: billable_of(sums, rule) for day, sums in days.items()}
    active = sorted(value for value in values.values() if value)
    thresholds = [nearest_rank(active, share) for share in _LEVELS]
    cells: list[Object | None] = [
        {"day": day.isoformat(), "value": str(value), "level": _level(value, thresholds)}
        for day, value in values.items()
    ]
    cells += [None] * (7 * asked.weeks - len(cells))
    return {
        **_range(asked),
        "week_starts_on": "mon" if asked.week_starts_on_monday else "sun",
        "thresholds": {f"t{number}": str(threshold) for number, threshold in enumerate(thresholds, 1)},
        "active_days": len(active),
        "streak_days": _streak(list(values.values())),
        "weeks": [cells[start : start + 7] for start in range(0, 7 * asked.weeks, 7)],
        "billable_rule_version": rule.version,
    }


def nearest_rank(ascending: list[int], share: Fraction) -> int:
    """
    Return the least value that at least *share* of the values do not exceed; 0 of no values.

    >>> nearest_rank([1, 2, 3, 4], Fraction(1, 2))
    2
    """
    return ascending[max(-(-len(ascending) * share.numerator // share.denominator), 1) - 1] if ascending else 0


def _level(value: int, thresholds: list[int]) -> int:
    return 0 if value == 0 else 1 + sum(value > threshold for threshold in thresholds)


def _streak(values: list[int]) -> int:
    length = 0
    for value in reversed(values):
        if value == 0:
            break
        length += 1
    return length


def _buckets(asked: Asked, reads: Reads, user_id: str) -> Object:
    start, end = first_slot(asked.first, asked.zone), first_slot(asked.last + _ONE_DAY, asked.zone)
    facts = (
        reads.page(user_id, start, end, after=asked.after, limit=asked.limit, only=asked.only) if start < end else []
    )
    rule = reads.rule()
    return {
        **_range(asked),
        "data": [
            {
                "hour_start": hour_start_of(fact.key.slot),
                "source": fact.key.source,
                "model": fact.key.model,
                "device_id": fact.key.device_id,
                **_totals(fact.counts, rule.billable(fact.key.source, fact.counts)),
            }
            for fact in facts
        ],
        "next": cursor_of(facts[-1].key) if len(facts) == asked.limit else None,
        "billable_rule_version": rule.version,
    }


_READERS: Final[Mapping[Function, Callable[[Asked, Reads, str], Object]]] = {
    Function.USAGE_SUMMARY: _summary,
    Function.USAGE_DAILY: _daily,
    Function.USAGE_HOURLY: _hourly,
    Function.USAGE_MONTHLY: _monthly,
    Function.USAGE_MODEL_BREAKDOWN: _model_breakdown,
    Function.USAGE_HEATMAP: _heatmap,
    Function.USAGE_BUCKETS: _buckets,
}
