"""
Columns with few different values as numbers into a table of these, and rows counted by such numbers.

What a record holds is mostly said by a few columns in which the same values come again and again. Told apart by small
numbers they are compared, grouped and sorted many times faster than as texts, and each value is looked at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

__all__ = ["FEW", "Batch", "Coded", "Packing"]

FEW: Final = 2**12
"""To tell so many rows apart by numbers first costs more than it saves."""

_PACKED_BELOW: Final = 2**63
_NARROW_BELOW: Final = 2**32
_ALWAYS_LISTED: Final = 2**16
_FIRST: Final = pl.Series([0], dtype=pl.UInt32)


@dataclass(frozen=True, slots=True)
class Coded:
    """
    One column of rows, each a number into a table.

    Attributes:
        codes: one per row, UInt32, never null.
        values: what each code stands for. A value may stand there twice, and null is a value like any other.
    """

    codes: pl.Series
    values: pl.Series

    @classmethod
    def of(cls, column: pl.Series) -> Coded:
        """Number the values of *column*: text, or anything that is a whole number underneath."""
        if column.dtype == pl.String:
            # Category sets of their own: the process-wide one would keep every name of a hostile log for ever.
            kind = pl.Categorical(pl.Categories.random())
            numbered = column.cast(kind)
            values, codes = kind.categories.to_series().cast(pl.String), numbered.to_physical().cast(pl.UInt32)
        else:
            wide = column.to_physical().cast(pl.Int64)
            first, last = wide.min(), wide.max()
            low, high = (first, last) if isinstance(first, int) and isinstance(last, int) else (0, -1)
            if high - low < max(_ALWAYS_LISTED, 4 * column.len()):
                numbers = pl.int_range(low, high + 1, dtype=pl.Int64, eager=True)
                codes = (wide - low).cast(pl.UInt32)
            else:
                numbers = wide.drop_nulls().unique().sort()
                codes = pl.select(pl.when(wide.is_not_null()).then(numbers.search_sorted(wide))).to_series()
            values = numbers.cast(column.to_physical().dtype).cast(column.dtype)
        if codes.null_count():
            codes = codes.fill_null(values.len())
            values = pl.concat([values, pl.Series([None], dtype=values.dtype)])
        return cls(codes.cast(pl.UInt32), values)

    @classmethod
    def constant(cls, value: object, kind: pl.DataType, height: int) -> Coded:
        """Return *height* rows of one value."""
        return cls(_FIRST.new_from_index(0, height), pl.Series([value], dtype=kind))

    @property
    def height(self) -> int:
        """How many rows."""
        return self.codes.len()

    def ranked(self) -> Coded:
        """Return the same column with codes in the order of the values, nulls first, no value twice."""
        values = self.values.unique().sort(nulls_last=False)
        if values.len() == self.values.len() and self.values.equals(values, null_equal=True):
            return self
        ranks = self.values.rank("dense").cast(pl.UInt32)
        ranks = ranks.fill_null(0) if values.null_count() else ranks - 1
        return Coded(ranks[self.codes], values)

    def column(self) -> pl.Series:
        """Return the values, one per row."""
        return self.values[self.codes]

    def filter(self, keep: pl.Series) -> Coded:
        """Return the rows where *keep* is true."""
        return Coded(self.codes.filter(keep), self.values)


class Batch:
    """
    Rows in columns of one height, each plain or coded.

    Args:
        columns: by name, at least one.
    """

    def __init__(self, columns: Mapping[str, Coded | pl.Series]) -> None:
        self.columns = columns
        first = next(iter(columns.values()))
        self.height = first.height if isinstance(first, Coded) else first.len()

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Batch:
        """Return the rows of *frame*, all plain."""
        return cls({column.name: column for column in frame})

    def coded(self, name: str) -> Coded:
        """Return a column as numbers."""
        column = self.columns[name]
        return column if isinstance(column, Coded) else Coded.of(column)

    def plain(self, name: str) -> pl.Series:
        """Return a column as its values."""
        column = self.columns[name]
        return (column.column() if isinstance(column, Coded) else column).alias(name)

    def frame(self, names: Iterable[str] | None = None) -> pl.DataFrame:
        """Return some columns, or all, as a frame."""
        return pl.DataFrame([self.plain(name) for name in (self.columns if names is None else names)])

    def look(self, **expressions: pl.Expr) -> pl.DataFrame:
        """
        Evaluate expressions over the columns that they name; one value per row.

        One after the other: to wake polars' threads for a chunk takes longer than the answer.
        """
        names = {name for expression in expressions.values() for name in expression.meta.root_names()}
        return self.frame(sorted(names) or list(self.columns)[:1]).select_seq(**expressions)

    def filter(self, keep: pl.Series) -> Batch:
        """Return the rows where *keep* is true."""
        return Batch({name: column.filter(keep) for name, column in self.columns.items()})


class Packing:
    """
    Several codes in one whole number, which sorts and compares faster than the values that they stand for.

    Args:
        values: of each key, what its codes stand for; the first key weighs most.
    """

    def __init__(self, values: Mapping[str, pl.Series]) -> None:
        self._values = values
        self._sizes = {name: max(1, column.len()) for name, column in values.items()}
        size = math.prod(self._sizes.values())
        self._fits = size < _PACKED_BELOW  # hostile logs have more names and minutes than that
        self._kind = pl.UInt32 if size < _NARROW_BELOW else pl.UInt64

    def pack(self, codes: Mapping[str, pl.Expr]) -> pl.Expr:
        """Return one value for the codes (UInt32, never null) of all keys."""
        if not self._fits:
            return pl.struct(codes[name].alias(name) for name in self._sizes)
        packed: pl.Expr | None = None
        for name, size in self._sizes.items():
            if size > 1:
                code = codes[name].cast(self._kind)
                packed = code if packed is None else packed * size + code
        return pl.repeat(0, pl.len(), dtype=self._kind) if packed is None else packed

    def count(self, packed: pl.Series, weights: pl.Series | None = None) -> pl.DataFrame:
        """
        Count rows by their packed codes.

        Args:
            packed: one value per row.
            weights: how often each row counts (Int64); once where not given.

        Returns:
            The values of all keys and `requests` (Int64), in order of the codes.
        """
        if not self._fits:
            rows = pl.DataFrame({"key": packed, "weight": 1 if weights is None else weights})
            runs = rows.lazy().group_by("key").agg(pl.col("weight").sum().alias("requests")).sort("key").collect()
        elif weights is None:
            runs = packed.sort().rle().struct.unnest().rename({"value": "key", "len": "requests"})
        else:  # sums of runs of sorted keys: three times as fast as to group and then sort
            rows = pl.DataFrame({"key": packed, "sum": weights}).sort("key")
            is_last = (pl.col("key") != pl.col("key").shift(-1)).fill_null(value=True)
            runs = rows.select("key", pl.col("sum").cum_sum()).filter(is_last)
            runs = runs.select("key", (pl.col("sum") - pl.col("sum").shift(1, fill_value=0)).alias("requests"))
        return runs.select(*self._unpacked(), pl.col("requests").cast(pl.Int64))

    def _unpacked(self) -> Iterator[pl.Expr]:
        stride = math.prod(self._sizes.values())
        for name, values in self._values.items():
            size = self._sizes[name]
            stride //= size
            if not self._fits:
                code = pl.col("key").struct.field(name)
            elif size == 1:
                code = pl.repeat(0, pl.len(), dtype=pl.UInt32)
            else:
                code = pl.col("key") if stride == 1 else pl.col("key") // stride
                code = (code % size).cast(pl.UInt32)
            yield pl.lit(values).gather(code).alias(name)
