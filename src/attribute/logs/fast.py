"""
Many lines of one layout to records at once, with polars.

Nothing is guessed: `decode_layout` vouches for a line only where `fast_layout` proves what the line says, and says of
every line whether it does. What it does not vouch for belongs on the exact path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from attribute.coded import Batch, Coded
from attribute.frames import INSTANT, RECORDS
from attribute.logs.fast_layout import Layout, Reading
from attribute.logs.fast_pieces import prove
from attribute.logs.fast_proof import Proof
from attribute.logs.fast_times import prove_prefixes
from attribute.m1.fields import CURRENT_VERSION

__all__ = ["Vouched", "decode_layout"]

_GUARD: Final = b"{\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """
    What the fast path vouches for.

    Attributes:
        records: columns `RECORDS`; one row per line, also for the lines that it does not vouch for.
        ok: which lines it vouches for; None: for all of them.
        newer: which lines a newer version of the schema wrote; None: none.
    """

    records: Batch
    ok: pl.Series | None
    newer: pl.Series | None


def decode_layout(data: bytes, layout: Layout) -> Vouched | None:
    """
    Decode lines of one layout.

    Args:
        data: whole lines, each ended by a newline, at least one.
        layout: what most of them look like.

    Returns:
        As many rows as there are lines, in order. None where lines cannot be cut: where one has more pieces than the
        layout, or is not UTF-8.
    """
    schema: dict[str, pl.DataType] = {
        name: pl.Categorical(pl.Categories.random()) if column.reading is Reading.DISTINCT else pl.String()
        for name, column in layout.named_columns
    }
    prefixes: Proof | None = None
    try:
        if layout.prefixed:
            parts = _cut(data, {"prefix": pl.String(), "object": pl.String()}, separator="{")
            prefixes = prove_prefixes(parts["prefix"])
            data = b"{" + parts["object"].fill_null("").str.join("\n{").item().encode() + b"\n"
        pieces = _cut(data, schema)
    except pl.exceptions.PolarsError:
        return None
    plain = b"\\" not in data
    proofs = {column.key: prove(pieces[name], column, plain=plain) for name, column in layout.named_columns}
    oks = [proof.ok for proof in (*proofs.values(), prefixes) if proof is not None and proof.ok is not None]
    version = proofs.get("v")
    versions = None if version is None else version.values
    newer = None if versions is None else (versions > CURRENT_VERSION).fill_null(value=False)
    return Vouched(
        records=_records(proofs, pieces.height, None if prefixes is None else prefixes.value),
        ok=None if not oks else pl.select(pl.all_horizontal(oks)).to_series(),
        newer=newer,
    )


def _cut(data: bytes, schema: Mapping[str, pl.DataType], *, separator: str = ",") -> pl.DataFrame:
    """Cut lines at the separator; raises where a line has more pieces than the schema. Missing pieces are null."""
    guarded = not data.startswith(b"{")  # polars skips a byte order mark there and expands what looks compressed
    frame = pl.read_csv(
        _GUARD + data if guarded else data,
        has_header=False,
        separator=separator,
        quote_char=None,
        infer_schema=False,
        schema=dict(schema),
        missing_columns="insert",
        extra_columns="raise",
    )
    return frame.slice(1) if guarded else frame


def _records(proofs: dict[str, Proof], height: int, envelope_us: pl.Series | None) -> Batch:
    columns: dict[str, Coded | pl.Series] = {}
    for name, kind in RECORDS.items():
        proof = proofs.get("ts" if name == "at" else name)
        if name == "at" and envelope_us is not None:
            own_us = None if proof is None else proof.values
            proof = Proof(envelope_us if own_us is None else own_us.zip_with(own_us.is_not_null(), envelope_us), None)
        if proof is None or proof.value is None:
            columns[name] = Coded.constant(None, kind, height)
        elif kind == INSTANT:
            at_us = proof.values
            assert at_us is not None
            columns[name] = at_us.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias(name)
        else:
            value = proof.value.cast(kind, strict=False).alias(name)
            columns[name] = value if proof.codes is None else Coded(proof.codes, value)
    return Batch(columns)
