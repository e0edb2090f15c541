"""The fast search for hot minutes, held against a slow one of dicts and loops."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.incidents import IncidentSettings
from attribute.incidents.baseline import Baseline, usual
from attribute.incidents.hot import hot_minutes
from attribute.incidents.series import Series, lay_out
from tests.incidents.build import Log

LIMITS = IncidentSettings()
LOOKS = ("vendor", "application", "application-bottleneck", "UNKNOWN", "refused")


def stands_out(x: int, total: int, of: Mapping[str, float], baseline: Baseline, least: float) -> bool:
    """Say whether a window is hot, by the letter of docs/incidents.md."""
    absolute = x >= LIMITS.absolute_min_requests and x >= total * LIMITS.absolute_share
    if not baseline.any:
        return absolute
    share = of["share"]
    limit = min(
        max(share * LIMITS.share_ratio, share + LIMITS.share_excess),
        share * LIMITS.rare_ratio + LIMITS.rare_excess,
        (1 + share) / 2,
    )
    size = 1 / of["dispersion"]
    mean = share * total
    evidence = x * math.log(x / mean) - (x + size) * math.log((x + size) / (mean + size))
    relative = x >= LIMITS.min_requests and x >= total * limit and evidence >= least
    return relative and (baseline.solid or absolute)


def slow(series: Series, baseline: Baseline) -> list[tuple[str, int, int, float]]:
    """Return kind, function, minute and peak of the hot minutes."""
    rows = series.minutes.rows(named=True)
    usual_of = {(row["kind"], row["function"], row["day"]): row for row in baseline.shares.iter_rows(named=True)}
    span = series.last_minute - series.first_minute + 1
    found = []
    for kind in sorted(series.kinds):
        occurred = [row for row in rows if row[kind.value]]
        a_week = len(occurred) * 10080 / span
        functions = len({row["function"] for row in occurred})
        peaks: dict[tuple[int, int], float] = {}
        hot: set[tuple[int, int]] = set()
        for scale in LIMITS.scales_minutes:
            windows = min(a_week, functions * 10080 / scale)
            least = max(LIMITS.min_evidence, math.log(windows * LIMITS.chance_weeks))
            fresh: set[tuple[int, int]] = set()
            for row in occurred:
                window = [
                    other
                    for other in rows
                    if other["function"] == row["function"] and 0 <= other["minute"] - row["minute"] < scale
                ]
                places = {(other["function"], other["minute"]) for other in window if other[kind.value]}
                x, total = sum(other[kind.value] for other in window), sum(other["requests"] for other in window)
                of = usual_of[kind.value, row["function"], row["minute"] // 1440]
                if places & hot or not stands_out(x, total, of, baseline, least):
                    continue
                fresh |= places
                here = row["function"], row["minute"]
                peaks[here] = max(peaks.get(here, 0.0), x * (1 / total))
            hot |= fresh
        found += [(kind.value, *place, peaks.get(place, 0.0)) for place in sorted(hot)]
    return found


@st.composite
def series(draw: st.DrawFn) -> Series:
    """Sparse traffic of some hours or days, with troubles of all kinds that come and go."""
    chance = random.Random(draw(st.integers(0, 10**6)))
    span = draw(st.sampled_from([200, 1000, 6 * 1440]))
    functions = ("auth", "sync")[: draw(st.integers(1, 2))]
    bad: defaultdict[int, float] = defaultdict(lambda: 0.02)
    for _ in range(draw(st.integers(0, 5))):
        start = chance.randrange(span)
        bad |= dict.fromkeys(range(start, start + chance.choice((3, 20, 90, 400))), chance.choice((0.1, 0.4, 1.0)))
    log = Log().traffic([0], functions)
    for minute in sorted(chance.sample(range(span), min(span, 300))):
        fails = chance.random() < bad[minute]
        log.add(minute, chance.choice(functions), chance.randrange(1, 5), chance.choice(LOOKS) if fails else "none")
    laid = lay_out(log.counts)
    assert laid is not None
    return laid


@settings(max_examples=40, deadline=None)
@given(series())
def test_fast_search_finds_the_same_minutes_as_loops_do(laid: Series) -> None:
    """Windows of all kinds are looked at together, and only where they can matter: that changes nothing."""
    if not laid.kinds:
        return
    baseline = usual(laid, LIMITS)
    fast = hot_minutes(laid, baseline, LIMITS).select("kind", "function", "minute", "peak")
    assert fast.rows() == slow(laid, baseline)
