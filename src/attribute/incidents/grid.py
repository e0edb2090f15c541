"""
Sums over any stretch of minutes of a function, in two look-ups.

Where most functions have requests in most minutes, there is a cell for every minute of every function, and a look-up
is a step; a log of a few minutes out of many years is searched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from attribute.incidents.series import Series

__all__ = ["Grid"]

_ALWAYS: Final = 2**16
_CELLS_PER_ROW: Final = 4


class Grid:
    """
    A cell for every minute of every function.

    Args:
        series: what lies in it.
        reach: by how many minutes at most a look-up goes past a row.
    """

    def __init__(self, series: Series, *, reach: int) -> None:
        self._first = series.first_minute
        self._width = series.last_minute - series.first_minute + 1 + reach
        self._size = len(series.functions) * self._width
        self._dense = self._size <= max(_ALWAYS, _CELLS_PER_ROW * series.minutes.height)

    def cell(self) -> pl.Expr:
        """Return the cell of a row, by its `function` and `minute`."""
        return pl.col("function").cast(pl.Int64) * self._width + (pl.col("minute") - self._first)

    def sums(self, frame: pl.DataFrame, values: pl.Series) -> Callable[[pl.Expr], pl.Expr]:
        """
        Return what gives, for a cell, the sum of the values of all rows that lie before.

        Args:
            frame: rows in order of `function` and `minute`, none twice.
            values: one per row (whole numbers).
        """
        cells = frame.select(self.cell().alias("cell")).to_series()
        values = values.cast(pl.Int64)
        if self._dense:
            table = pl.zeros(self._size + 1, dtype=pl.Int64, eager=True).scatter(cells + 1, values).cum_sum()
            return lambda cell: pl.lit(table).gather(cell)
        running = pl.concat([pl.Series([0], dtype=pl.Int64), values.cum_sum()])
        return lambda cell: pl.lit(running).gather(pl.lit(cells).search_sorted(cell))
