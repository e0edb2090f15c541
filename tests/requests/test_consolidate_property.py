"""The vectorised consolidation and the plain one agree, whatever the order, split and repetition of records."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from attribute.frames import REQUESTS
from attribute.requests import consolidate, count_duplicates
from tests.reference.requests import consolidate as plainly
from tests.rules.records import records_frame, rows

IDS = ("a", "b", "c", "é")
LOGS = st.lists(rows(request_ids=IDS), max_size=14)


@settings(max_examples=110, deadline=None)
@given(log=LOGS)
def test_consolidation_equals_the_plain_reference(log: list[dict[str, Any]]) -> None:
    """Deciding record, joined evidence, lender and count are those of a dict and a loop."""
    got = consolidate(records_frame(log))
    assert_frame_equal(got, pl.DataFrame(plainly(log), schema=REQUESTS), check_exact=True)


@settings(max_examples=50, deadline=None)
@given(log=LOGS, data=st.data())
def test_consolidation_of_shuffled_and_repeated_records_changes_nothing(
    log: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Order and repetition of lines are no evidence, and every repetition is counted."""
    repeated = data.draw(st.permutations(log + log[: len(log) // 2]))
    once, again = consolidate(records_frame(log)), consolidate(records_frame(repeated))
    assert_frame_equal(once, again, check_exact=True)
    distinct = len({tuple(row.values()) for row in log})
    assert count_duplicates(records_frame(repeated), again) == len(repeated) - distinct


@settings(max_examples=35, deadline=None)
@given(log=LOGS, part=st.sets(st.sampled_from(IDS)))
def test_consolidation_of_disjoint_requests_adds_up(log: list[dict[str, Any]], part: set[str]) -> None:
    """Requests do not see each other: consolidating some apart from the others gives the same requests."""
    whole = consolidate(records_frame(log))
    here = consolidate(records_frame([row for row in log if row["request_id"] in part]))
    there = consolidate(records_frame([row for row in log if row["request_id"] not in part]))
    together = pl.concat([here, there]).sort("at", "request_id", nulls_last=True)
    assert_frame_equal(together, whole, check_exact=True)
