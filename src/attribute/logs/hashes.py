"""
Hashes of requests: 64 bits of a `request_id`, by which records of one request find each other.

Two requests may have one hash: who finds two records by it compares their ids. With the compiled scanner the hash is
its own, made where an id is read; without it, that of polars. So hashes are equal within one version and one of the two
ways (`HASHED_BY`), on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from attribute.logs.raw_scan import Columns

_hash_texts: Callable[[object], tuple[object, object]] | None
_filter_of: Callable[[object, int], bytes] | None
_rows_in: Callable[[bytes, object], tuple[object, object]] | None
try:
    from attribute.logs._scan import filter_of as _filter_of
    from attribute.logs._scan import hash_texts as _hash_texts
    from attribute.logs._scan import rows_in as _rows_in
except ImportError:  # no compiler where it was installed
    _hash_texts = _filter_of = _rows_in = None

__all__ = ["HASHED_BY", "HashSet", "hash_of"]

HASHED_BY: Final = "polars" if _hash_texts is None else "scanner 1"
"""Whose hashes these are."""

_SEED: Final = 0x4D31
_ROW: Final = "row"


def hash_of(request_id: pl.Expr) -> pl.Expr:
    """Return a 64-bit hash of *request_id* (text, never null)."""
    if _hash_texts is None:
        return request_id.hash(seed=_SEED)
    return request_id.map_batches(_hashed, return_dtype=pl.UInt64, is_elementwise=True)


def _hashed(request_id: pl.Series) -> pl.Series:
    assert _hash_texts is not None
    return pl.DataFrame(Columns(_hash_texts(request_id.__arrow_c_stream__()))).to_series()


class HashSet:
    """
    Hashes to be looked for among very many others.

    Args:
        hashes: UInt64, in any order, repeated or not.
    """

    def __init__(self, hashes: pl.Series) -> None:
        self._hashes = hashes.rename("hash").sort()
        self._filter = None if _filter_of is None else _filter_of(self._hashes.__arrow_c_stream__(), hashes.len())

    def rows_of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of *frame* whose `hash` is one of them, with their number (`row`, UInt32), in any order."""
        if self._filter is None or _rows_in is None:
            met = frame.join(self._hashes.to_frame(), on="hash", how="semi")
            return self._numbered(frame if met.height else met)  # mostly none: then it need not be numbered
        if self._hashes.is_empty():
            return self._numbered(frame.clear())
        passed = pl.DataFrame(Columns(_rows_in(self._filter, frame["hash"].__arrow_c_stream__())))
        candidates = frame[passed[_ROW]].with_columns(passed[_ROW])
        places = self._hashes.search_sorted(candidates["hash"]).clip(upper_bound=self._hashes.len() - 1)
        return candidates.filter(self._hashes[places] == candidates["hash"])

    def _numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        found = frame.with_row_index(_ROW).join(self._hashes.to_frame(), on="hash", how="semi")
        return found.select(pl.exclude(_ROW), _ROW)
