"""
The pieces of one column to values, and where they are proved.

Where few different pieces are expected, each different one is looked at once; `prove` never takes a piece for
anything but what its column's pattern says.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import polars as pl

from attribute.frames import RECORDS
from attribute.logs.fast_layout import Column, Reading
from attribute.logs.fast_proof import Proof, categories, simplified, spread
from attribute.logs.fast_times import prove_time
from attribute.m1.decode import MAX_INSTANT_US
from attribute.m1.fields import TIMEOUT, UPSTREAM_INVALID, UPSTREAM_TIMEOUT, Kind

__all__ = ["prove"]

_US: Final = 1_000_000
_SECONDS_BELOW: Final = 10**11
_FEW: Final = 64
_PIECE: Final = pl.col("piece")


def prove(pieces: pl.Series, column: Column, *, plain: bool) -> Proof:
    """
    Prove the pieces of one column.

    Args:
        pieces: text, one piece per line, categorical where the column's reading is `DISTINCT`; null: there is none.
        column: what they should be.
        plain: whether there is no backslash in any of them.
    """
    if column.reading is Reading.TIME:
        return prove_time(pieces, column.before + '"', '"' + column.after)
    if column.reading is Reading.DISTINCT:
        return spread(_look_once(categories(pieces), column), pieces)
    ids = _prove_ids(pieces, column) if plain and column.key == "request_id" else None
    return ids or simplified(_look_at(pieces, column))


def _look_once(pieces: pl.Series, column: Column) -> Proof:
    """Look at different pieces; the same few come chunk after chunk."""
    if pieces.len() > _FEW:
        return _look_at(pieces, column)
    texts: list[str] = pieces.to_list()
    known = sorted(texts)
    proof = _look_at_few(column, tuple(known))
    if texts == known:
        return proof
    place = {text: at for at, text in enumerate(known)}
    order = [place[text] for text in texts]
    assert proof.ok is not None
    return Proof(None if proof.value is None else proof.value.gather(order), proof.ok.gather(order))


@lru_cache(maxsize=256)
def _look_at_few(column: Column, pieces: tuple[str, ...]) -> Proof:
    return _look_at(pl.Series(pieces, dtype=pl.String), column)


def _look_at(pieces: pl.Series, column: Column) -> Proof:
    ok = _PIECE.str.contains(column.pattern)
    if column.field is None:
        return Proof(None, pieces.to_frame("piece").select(ok.fill_null(value=False)).to_series())
    body = _PIECE.str.slice(len(column.before))
    if column.after:
        body = body.str.head(-len(column.after))
    value = _value(body, column)
    if column.field.kind is Kind.TEXT:
        bounded = value.str.len_chars().is_between(column.field.minimum, column.field.maximum)
    elif column.field.kind is Kind.UPSTREAM_STATUS:
        bounded = pl.lit(value=True)
    elif column.field.kind is Kind.INSTANT:
        bounded = value.is_between(0, MAX_INSTANT_US)
    else:
        bounded = value.is_between(column.field.minimum, column.field.maximum)
    kind = RECORDS.get(column.key, pl.Int64())
    seen = pieces.to_frame("piece").select(
        value.cast(pl.Int64() if column.field.kind is Kind.INSTANT else kind, strict=False).alias("value"),
        (ok & bounded.fill_null(value=True)).fill_null(value=False).alias("ok"),
    )
    return Proof(seen["value"], seen["ok"])


def _value(body: pl.Expr, column: Column) -> pl.Expr:
    assert column.field is not None
    kind = column.field.kind
    if kind is Kind.TEXT:
        text = body.str.slice(1).str.head(-1)
        return pl.when(body != "null").then(text) if column.field.nullable else text
    if kind is Kind.MILLISECONDS:
        return body.cast(pl.Float64, strict=False)
    number = body.cast(pl.Int64, strict=False)
    if kind is Kind.UPSTREAM_STATUS:
        return (
            pl.when(body == "null")
            .then(None)
            .when(body == f'"{TIMEOUT}"')
            .then(UPSTREAM_TIMEOUT)
            .when(number.is_between(column.field.minimum, column.field.maximum))
            .then(number)
            .otherwise(UPSTREAM_INVALID)
        )
    if kind is Kind.INSTANT:
        return pl.when(number < _SECONDS_BELOW).then(number * _US).otherwise(number * (_US // 1000))
    return number


def _prove_ids(pieces: pl.Series, column: Column) -> Proof | None:
    """
    Prove texts of nearly the same length that hold nothing below `#`; None where they are not so.

    Between the quotes at both ends stand the bytes of the text, whatever they are: if none of them is below `#`, there
    is no quote and no control character among them, and no backslash is known to be anywhere. All of them are seen in
    two windows, as wide as the shortest text, one at its beginning and one at its end.
    """
    assert column.field is not None
    head, tail = column.before + '"', '"' + column.after
    frame = len(head.encode()) + len(tail.encode())
    lengths = pieces.str.len_bytes()
    shortest, longest = lengths.min(), lengths.max()
    if not isinstance(shortest, int) or not isinstance(longest, int):
        return None
    width = shortest - frame
    if width < column.field.minimum or longest - frame > min(column.field.maximum, 2 * width):
        return None
    whole = _PIECE.cast(pl.Binary)
    windows = {"begin": whole.bin.slice(len(head.encode()), width)}
    if longest > shortest:
        windows["end"] = whole.bin.slice(-width - len(tail.encode()), width)
    seen = pieces.to_frame("piece").select(
        _PIECE.str.slice(len(head)).str.head(-len(tail)).alias("value"),
        (_PIECE.str.starts_with(head) & _PIECE.str.ends_with(tail)).alias("framed"),
        *(body.bin.reinterpret(dtype=pl.Array(pl.UInt8, width)).alias(name) for name, body in windows.items()),
    )
    least = min((_least(seen[name]) for name in windows), default=0)
    if pieces.null_count() == 0 and seen["framed"].all() and least > ord('"'):
        return Proof(seen["value"], None)
    bare = pl.all_horizontal(pl.col(name).arr.min() > ord('"') for name in windows)
    ok = seen.select((pl.col("framed") & bare).fill_null(value=False)).to_series()
    return None if 2 * ok.sum() < ok.len() else Proof(seen["value"], ok)


def _least(windows: pl.Series) -> int:
    least = windows.explode().min()
    return least if isinstance(least, int) else 0
