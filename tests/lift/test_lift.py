"""What is unusually frequent is ranked, with counts, and without being fooled by a handful."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.frames import COUNTS
from attribute.lift import FIELDS, OverRepresented, over_represented


def counts(*rows: dict[str, Any]) -> pl.DataFrame:
    base = dict.fromkeys(COUNTS) | {"function": "checkout", "stage": "response", "class": "none", "reason": "ok"}
    return pl.DataFrame([{**base, **row} for row in rows], schema=COUNTS)


def test_what_is_more_frequent_than_in_the_baseline_comes_first() -> None:
    """Function and statuses are ranked by lift, with the counts and shares of both sides; what is usual is left out."""
    selected = counts(
        {"function": "quote", "upstream_status": 503, "status": 502, "requests": 90},
        {"function": "search", "upstream_status": 0, "status": 504, "requests": 10},
    )
    baseline = counts(
        {"function": "quote", "upstream_status": 200, "status": 200, "requests": 100},
        {"function": "search", "upstream_status": 200, "status": 200, "requests": 899},
        {"function": "search", "upstream_status": 503, "status": 502, "requests": 1},
    )
    assert over_represented(selected, baseline) == (
        OverRepresented(
            field="status",
            value="502",
            selected=90,
            selected_share=0.9,
            baseline=1,
            baseline_share=0.001,
            lift=(90.5 / 101) / (1.5 / 1001),
        ),
        OverRepresented(
            field="upstream_status",
            value="503",
            selected=90,
            selected_share=0.9,
            baseline=1,
            baseline_share=0.001,
            lift=(90.5 / 101) / (1.5 / 1001),
        ),
        OverRepresented(
            field="status",
            value="504",
            selected=10,
            selected_share=0.1,
            baseline=0,
            baseline_share=0.0,
            lift=(10.5 / 101) / (0.5 / 1001),
        ),
        OverRepresented(
            field="upstream_status",
            value="timeout",
            selected=10,
            selected_share=0.1,
            baseline=0,
            baseline_share=0.0,
            lift=(10.5 / 101) / (0.5 / 1001),
        ),
        OverRepresented(
            field="function",
            value="quote",
            selected=90,
            selected_share=0.9,
            baseline=100,
            baseline_share=0.1,
            lift=(90.5 / 101) / (100.5 / 1001),
        ),
    )


def test_without_a_baseline_the_most_frequent_come_first_and_have_no_lift() -> None:
    """Nothing to compare with is said, not invented."""
    selected = counts({"status": 500, "error_code": "db", "requests": 8}, {"status": None, "requests": 3})
    got = over_represented(selected, counts(), fields=("status", "error_code"))
    assert [(row.field, row.value, row.selected, row.baseline_share, row.lift) for row in got] == [
        ("status", "500", 8, None, None),
        ("error_code", "db", 8, None, None),
        ("status", "missing", 3, None, None),
    ]


def test_missing_name_is_no_finding_and_a_missing_status_is_one() -> None:
    """Most records have no error code; a status that is missing says that something broke."""
    selected = counts({"status": None, "upstream_status": -1, "requests": 10})
    baseline = counts({"status": 200, "upstream_status": 200, "error_code": "x", "upstream": "y", "requests": 100})
    assert {(row.field, row.value) for row in over_represented(selected, baseline)} == {
        ("status", "missing"),
        ("upstream_status", "invalid"),
    }


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, {"b"}),
        ({"minimum_requests": 2}, {"a", "b"}),
        ({"minimum_requests": 0, "minimum_share": 0.05}, {"b"}),
        ({"minimum_lift": 100.0}, set()),
        ({"minimum_lift": 0.0}, {"b", "c"}),
    ],
)
def test_small_counts_shares_and_lifts_are_left_out(limits: dict[str, Any], expected: set[str]) -> None:
    """A value counts from a number, a share and a lift on."""
    selected = counts(*({"function": name, "requests": number} for name, number in (("a", 2), ("b", 40), ("c", 58))))
    baseline = counts({"function": "b", "requests": 10}, {"function": "c", "requests": 990})
    got = over_represented(selected, baseline, fields=("function",), **limits)
    assert {row.value for row in got} == expected


def test_nothing_selected_gives_nothing() -> None:
    """No requests have no unusual values."""
    assert over_represented(counts(), counts({"requests": 5})) == ()


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "function": st.sampled_from(("a", "b")),
            "status": st.sampled_from((None, 200, 500)),
            "error_code": st.sampled_from((None, "x")),
            "requests": st.integers(1, 50),
        }
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(selected=ROWS, baseline=ROWS, data=st.data())
def test_ranking_does_not_depend_on_the_order_of_rows(
    selected: list[dict[str, Any]], baseline: list[dict[str, Any]], data: st.DataObject
) -> None:
    """The same counts give the same ranking, lift after lift, and counts of a field never exceed the requests."""
    got = over_represented(counts(*selected), counts(*baseline), minimum_lift=0.0, minimum_share=0.0)
    shuffled = data.draw(st.permutations(selected))
    assert over_represented(counts(*shuffled), counts(*baseline[::-1]), minimum_lift=0.0, minimum_share=0.0) == got
    total = sum(row["requests"] for row in selected)
    for field in FIELDS:
        assert sum(row.selected for row in got if row.field == field) <= total
    lifts = [row.lift or 0.0 for row in got]
    assert lifts == sorted(lifts, reverse=True)
