"""Globs mean what `fnmatch` says, although another engine matches them."""

from __future__ import annotations

from fnmatch import fnmatchcase

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attribute.rules.globs import matches_any

ALPHABET = "ab-]![*?\\^&~.$()+|{}#é \n"


@settings(max_examples=400, deadline=None)
@given(glob=st.text(ALPHABET, max_size=8), text=st.text(ALPHABET, max_size=6))
@example(glob="[]a]", text="]")
@example(glob="[!]a]", text="b")
@example(glob="[b-a]", text="b")
@example(glob="[!b-a]", text="b")
@example(glob="[a", text="[a")
@example(glob="[!]", text="[!]")
@example(glob="[a&&b]", text="&")
@example(glob="[--a]", text=".")
@example(glob="[a-b-c]", text="-")
@example(glob="*", text="\n")
def test_glob_matches_what_fnmatch_matches(glob: str, text: str) -> None:
    """One grammar for globs: that of `fnmatch.fnmatchcase`."""
    got = pl.DataFrame({"name": [text]}).select(matches_any(pl.col("name"), (glob,))).item()
    assert got is fnmatchcase(text, glob)


def test_glob_never_matches_a_missing_value() -> None:
    """Null is no name."""
    frame = pl.DataFrame({"name": ["a", None]}, schema={"name": pl.String})
    assert frame.select(matches_any(pl.col("name"), ("*", "b"))).to_series().to_list() == [True, False]
    assert frame.select(matches_any(pl.col("name"), ("a", "b"))).to_series().to_list() == [True, False]


@pytest.mark.parametrize("glob", ["*" * 256, "*a" * 128, "[a-z]*" * 42, "?" * 256])
def test_glob_of_many_stars_stays_linear(glob: str) -> None:
    """A hostile glob costs no more than its length times the text's."""
    frame = pl.DataFrame({"name": ["a" * 100_000]})
    assert frame.select(matches_any(pl.col("name"), (glob,))).item() in {True, False}
