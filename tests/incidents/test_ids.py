"""Whether an incident keeps its id while the log grows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.incidents import Incident, IncidentSettings, group
from tests.drawn import examples
from tests.incidents.build import Log, at, week_log

DAYS = 15
BEGIN = DAYS * 1440
WEIGHED_MINUTES = 12 * 60
"""An incident is weighed by the traffic of so long after its end, longer than any window reaches."""
assert max(IncidentSettings().scales_minutes) < WEIGHED_MINUTES
FUNCTIONS = ("auth", "search", "sync")
HISTORY = week_log(FUNCTIONS, every=5, days=DAYS).counts


@dataclass(frozen=True)
class Trouble:
    """A day after two weeks of history, and one fault in it."""

    counts: pl.DataFrame
    class_: str
    start: int
    end: int

    def seen_at(self, minute: int) -> list[Incident]:
        """What is found of the fault in a log that ends before *minute*."""
        counts = self.counts.filter(pl.col("minute") < at(minute))
        return [
            one
            for one in group(counts, history=HISTORY, now=at(minute))
            if str(one.class_) == self.class_ and one.started_at < at(self.end) and one.ended_at > at(self.start)
        ]


@st.composite
def troubles(draw: st.DrawFn, share: float, after: int = 400) -> Trouble:
    """Requests every minute or so, and from some minute on a share of some functions' fail, for hours or minutes."""
    chance = random.Random(draw(st.integers(0, 10**6)))
    class_ = draw(st.sampled_from(["vendor", "application", "application-bottleneck", "UNKNOWN"]))
    functions = draw(st.lists(st.sampled_from(FUNCTIONS), min_size=1, unique=True))
    start = BEGIN + draw(st.integers(100, 400))
    end = start + draw(st.integers(20, 300))
    log = Log()
    for minute in range(BEGIN, end + after):
        for function in FUNCTIONS:
            fails = function in functions and start <= minute < end and chance.random() < share
            log.add(minute, function, chance.choice((0, 1, 2, 4)), class_ if fails else "none")
    return Trouble(log.counts, class_, start, end)


@settings(max_examples=examples(12), deadline=None)
@given(troubles(1.0), st.data())
def test_full_outage_keeps_its_id_from_the_first_sight_on(trouble: Trouble, data: st.DataObject) -> None:
    """A link that was sent while it went on still holds when it is over, and hours later."""
    last = {one.id for one in trouble.seen_at(trouble.end + 400)}  # two, where one function is asked minutes later
    assert last
    for minute in data.draw(st.lists(st.integers(trouble.start, trouble.end + 400), min_size=1, max_size=3)):
        assert {one.id for one in trouble.seen_at(minute)} <= last


@settings(max_examples=examples(12), deadline=None)
@given(st.sampled_from([0.3, 0.5, 0.8]).flatmap(lambda share: troubles(share, after=WEIGHED_MINUTES + 400)), st.data())
def test_partial_trouble_keeps_its_id_once_half_a_day_has_passed(trouble: Trouble, data: st.DataObject) -> None:
    """While it is fresh, its start and its weight may change; from then on no later request says anything of it."""
    settled = trouble.end + WEIGHED_MINUTES
    first = data.draw(st.integers(settled, settled + 400))
    ids = [one.id for one in trouble.seen_at(settled + 400)]
    assert [one.id for one in trouble.seen_at(first)] == ids


@settings(max_examples=examples(12), deadline=None)
@given(st.sampled_from([0.3, 0.5, 0.8]).flatmap(troubles), st.data())
def test_same_class_start_and_first_function_are_the_same_id_at_any_length(
    trouble: Trouble, data: st.DataObject
) -> None:
    """Nothing else is in an id: neither how long an incident is, nor how much was lost in it, nor who looks when."""
    seen: dict[tuple[str, datetime, str], str] = {}
    for minute in data.draw(st.lists(st.integers(trouble.start, trouble.end + 400), min_size=2, max_size=4)):
        for one in trouble.seen_at(minute):
            first = min(one.spans, key=lambda span: (span.class_ is not one.class_, span.started_at, span.function))
            assert seen.setdefault((str(one.class_), one.started_at, first.function), one.id) == one.id
