"""What is proved of a column, and how a proof of each different piece is handed to the rows."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

__all__ = ["Proof", "categories", "simplified", "spread"]


@dataclass(frozen=True, slots=True)
class Proof:
    """
    The values of one column and where they are proved.

    Attributes:
        value: one per piece, of the type that `RECORDS` says (`ts`: microseconds since the epoch); where they are not
            proved they mean nothing. None for a column that is no M1 field.
        ok: where they are proved; None: everywhere.
        codes: where this is given, *value* holds each different value once, and this the place of that of each piece.
    """

    value: pl.Series | None
    ok: pl.Series | None
    codes: pl.Series | None = None

    @property
    def values(self) -> pl.Series | None:
        """The values, one per piece."""
        return self.value if self.value is None or self.codes is None else self.value[self.codes]


def simplified(proof: Proof) -> Proof:
    """Say *everywhere* as None."""
    return Proof(proof.value, None if proof.ok is None or proof.ok.all() else proof.ok)


def categories(pieces: pl.Series) -> pl.Series:
    """Give the different texts of a categorical, in the order of their codes."""
    assert isinstance(pieces.dtype, pl.Categorical)
    return pieces.dtype.categories.to_series().cast(pl.String)


def spread(proof: Proof, pieces: pl.Series) -> Proof:
    """Hand the proof of each different piece to the rows that have it; values stay with their codes."""
    codes = pieces.to_physical().cast(pl.UInt32)
    everywhere = pieces.null_count() == 0 and (proof.ok is None or proof.ok.all())
    assert proof.ok is not None or everywhere
    return Proof(
        proof.value,
        None if everywhere or proof.ok is None else proof.ok.gather(codes).fill_null(value=False),
        codes,
    )
