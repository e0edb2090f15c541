from __future__ import annotations

from collections import Counter

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.coded import Coded, Packing

TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "b", "é", "(other)"]))
NUMBERS = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([-(2**40), 2**40]))
ROWS = st.lists(st.tuples(TEXTS, NUMBERS, st.integers(1, 5)), min_size=1, max_size=30)
HOSTILE = pl.int_range(0, 2**16, dtype=pl.Int64, eager=True)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.booleans(), st.booleans())
def test_packed_codes_count_what_a_counter_counts(
    rows: list[tuple[str | None, int | None, int]], weighted: bool, hostile: bool
) -> None:
    """Each combination of values counts once for every row, or as its rows weigh, whether or not the codes fit."""
    text = Coded.of(pl.Series([row[0] for row in rows], dtype=pl.String)).ranked()
    number = Coded.of(pl.Series([row[1] for row in rows], dtype=pl.Int64)).ranked()
    assert text.column().to_list() == [row[0] for row in rows]
    assert number.column().to_list() == [row[1] for row in rows]
    columns = {"text": text, "number": number}
    if hostile:  # four columns of 65,536 values each do not fit into one number
        columns |= {name: Coded(text.codes, HOSTILE) for name in "abcd"}
    packing = Packing({name: column.values for name, column in columns.items()})
    codes = pl.DataFrame([column.codes.alias(name) for name, column in columns.items()])
    packed = codes.select(packing.pack({name: pl.col(name) for name in columns})).to_series()
    counted = packing.count(packed, pl.Series([row[2] for row in rows], dtype=pl.Int64) if weighted else None)
    expected: Counter[tuple[str | None, int | None]] = Counter()
    for words, amount, weight in rows:
        expected[words, amount] += weight if weighted else 1
    assert {row[:2]: row[-1] for row in counted.iter_rows()} == expected
    assert counted.select("text", "number").equals(counted.select("text", "number").sort("text", "number"))
