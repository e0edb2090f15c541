"""Sums over stretches of minutes: by cells and by searching they are what counting by hand gives."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.incidents import grid
from attribute.incidents.grid import Grid
from attribute.incidents.series import Series

REACH = 40
ROWS = st.dictionaries(st.tuples(st.integers(0, 2), st.integers(100, 160)), st.integers(0, 9), min_size=1, max_size=40)


def series_of(rows: dict[tuple[int, int], int]) -> Series:
    ordered = sorted(rows.items())
    minutes = pl.DataFrame(
        {
            "function": [function for (function, _), _ in ordered],
            "minute": [minute for (_, minute), _ in ordered],
            "requests": [requests for _, requests in ordered],
        }
    )
    first, last = min(minute for _, minute in rows), max(minute for _, minute in rows)
    return Series(["a", "b", "c"], first, last, minutes, minutes.clear())


@pytest.mark.parametrize("cells", [True, False], ids=["cells", "searching"])
@settings(max_examples=150, deadline=None)
@given(rows=ROWS, lengths=st.lists(st.integers(0, REACH), min_size=1, max_size=4))
def test_sum_of_a_stretch_is_the_sum_of_its_rows(
    cells: bool, rows: dict[tuple[int, int], int], lengths: list[int]
) -> None:
    """From any row of a function, over any length, and never into the next function."""
    series = series_of(rows)
    with pytest.MonkeyPatch.context() as patch:
        if not cells:
            patch.setattr(grid, "_ALWAYS", 0)
            patch.setattr(grid, "_CELLS_PER_ROW", 0)
        laid = Grid(series, reach=REACH)
    before = laid.sums(series.minutes, series.minutes["requests"])
    for length in lengths:
        found = series.minutes.select(before(laid.cell() + length) - before(laid.cell())).to_series().to_list()
        assert found == [
            sum(rows.get((function, at), 0) for at in range(minute, minute + length))
            for function, minute in sorted(rows)
        ]
