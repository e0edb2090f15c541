"""
The pieces of one column to values, and where they are proved.

Where few different pieces are expected, each different one is looked at once; `prove` never takes a piece for
anything but what its column's pattern says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import polars as pl

from attribute.frames import RECORDS
from attribute.logs.fast_layout import Column, Reading
from attribute.m1.decode import MAX_INSTANT_US
from attribute.m1.fields import TIMEOUT, UPSTREAM_INVALID, UPSTREAM_TIMEOUT, Kind

__all__ = ["Proof", "prove"]

_US: Final = 1_000_000
_SECONDS_BELOW: Final = 10**11
_FEW: Final = 64
_PIECE: Final = pl.col("piece")


@dataclass(frozen=True, slots=True)
class Proof:
    """
    The values of one column and where they are proved.

    Attributes:
        value: one per piece, of the type that `RECORDS` says (`ts`: microseconds since the epoch); where they are not
            proved they mean nothing. None for a column that is no M1 field.
        ok: where they are proved; None: everywhere.
    """

    value: pl.Series | None
    ok: pl.Series | None


def prove(pieces: pl.Series, column: Column, *, plain: bool) -> Proof:
    """
    Prove the pieces of one column.

    Args:
        pieces: text, one piece per line, categorical where the column's reading is `DISTINCT`; null: there is none.
        column: what they should be.
        plain: whether there is no backslash in any of them.
    """
    if column.reading is Reading.TIME:
        return _prove_time(pieces, column)
    if column.reading is Reading.DISTINCT:
        return _spread(_look_once(_categories(pieces), column), pieces)
    ids = _prove_ids(pieces, column) if plain and column.key == "request_id" else None
    return ids or _simplified(_look_at(pieces, column))


def _simplified(proof: Proof) -> Proof:
    return Proof(proof.value, None if proof.ok is None or proof.ok.all() else proof.ok)


def _categories(pieces: pl.Series) -> pl.Series:
    assert isinstance(pieces.dtype, pl.Categorical)
    return pieces.dtype.categories.to_series().cast(pl.String)


def _spread(proof: Proof, pieces: pl.Series) -> Proof:
    """Hand the proof of each different piece to the rows that have it."""
    codes = pieces.to_physical()
    everywhere = pieces.null_count() == 0 and (proof.ok is None or proof.ok.all())
    assert proof.ok is not None or everywhere
    return Proof(
        None if proof.value is None else proof.value.gather(codes),
        None if everywhere or proof.ok is None else proof.ok.gather(codes).fill_null(value=False),
    )


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
    Prove texts that are mostly of the length of the first and hold nothing below `#`; None where they are not so.

    The bytes of the text stand between the quotes at both ends, whatever they are: if none is below `#`, there is no
    quote and no control character among them, and no backslash is known to be anywhere.
    """
    assert column.field is not None
    head, tail = column.before.encode() + b'"', b'"' + column.after.encode()
    length = 0 if (first := pieces.first()) is None else len(str(first).encode())
    width = length - len(head) - len(tail)
    if not column.field.minimum <= width <= column.field.maximum:
        return None
    whole = _PIECE.cast(pl.Binary)
    body = whole.bin.slice(len(head), width)
    framed = (_PIECE.str.len_bytes() == length) & whole.bin.starts_with(head) & whole.bin.ends_with(tail)
    bare = body.bin.reinterpret(dtype=pl.Array(pl.UInt8, width))
    seen = pieces.to_frame("piece").select(
        body.cast(pl.String, strict=False).alias("value"), framed.alias("ok"), bare.alias("bare")
    )
    least = seen["bare"].explode().min()
    if pieces.null_count() == 0 and seen["ok"].all() and isinstance(least, int) and least > ord('"'):
        return Proof(seen["value"], None)
    ok = seen.select((pl.col("ok") & (pl.col("bare").arr.min() > ord('"'))).fill_null(value=False)).to_series()
    return None if 2 * ok.sum() < ok.len() else Proof(seen["value"], ok)


def _prove_time(pieces: pl.Series, column: Column) -> Proof:
    """Prove times in two halves: up to the second, of which there are few different ones, and the rest."""
    end = column.second_end
    seconds = _prove_part(pieces, _PIECE.str.head(end), column, _look_at_seconds)
    rests = _prove_millis(pieces, column) or _prove_part(pieces, _PIECE.str.slice(end), column, _look_at_rests)
    assert seconds.value is not None
    assert rests.value is not None
    oks = [ok for ok in (seconds.ok, rests.ok) if ok is not None]
    return Proof(seconds.value + rests.value, pl.select(pl.all_horizontal(oks)).to_series() if oks else None)


def _prove_part(pieces: pl.Series, part: pl.Expr, column: Column, look: Callable[[pl.Series, Column], Proof]) -> Proof:
    parts = pieces.to_frame("piece").select(part.cast(pl.Categorical(pl.Categories.random()))).to_series()
    return _spread(look(_categories(parts), column), parts)


def _look_at_seconds(pieces: pl.Series, column: Column) -> Proof:
    pattern = (
        f"^{pl.escape_regex(column.before)}"
        r'"(?:19[8-9]|20[0-9])[0-9]-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$'
    )
    text = _PIECE.str.slice(len(column.before) + 1)
    at = text.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False).cast(pl.Int64)
    seen = pieces.to_frame("piece").select(
        at.alias("value"), (_PIECE.str.contains(pattern) & at.is_not_null()).fill_null(value=False).alias("ok")
    )
    return Proof(seen["value"], seen["ok"])


def _look_at_rests(pieces: pl.Series, column: Column) -> Proof:
    zone = r"(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
    pattern = rf'^(?:\.([0-9]{{1,12}}))?{zone}"{pl.escape_regex(column.after)}$'
    parts = _PIECE.str.extract_groups(pattern).struct
    fraction, sign, hours, minutes = (parts.field(str(number)) for number in range(1, 5))
    offset_min = hours.cast(pl.Int64, strict=False) * 60 + minutes.cast(pl.Int64, strict=False)
    offset_us = pl.when(sign == "-").then(-offset_min).otherwise(offset_min).fill_null(0) * (60 * _US)
    fraction_us = (fraction.fill_null("") + "000000").str.head(6).cast(pl.Int64, strict=False)
    seen = pieces.to_frame("piece").select(
        (fraction_us - offset_us).alias("value"), _PIECE.str.contains(pattern).fill_null(value=False).alias("ok")
    )
    return Proof(seen["value"], seen["ok"])


_MILLIS: Final = b'00.000Z"'
"""How a time in milliseconds goes on after its minutes; the digits are any."""


def _lanes(byte_of: Callable[[int], int]) -> int:
    return int.from_bytes(bytes(map(byte_of, _MILLIS)), "little")


_ZERO: Final = _lanes(lambda byte: byte)
_CARRY: Final = _lanes(lambda byte: 0x76 if byte == ord("0") else 0x7F)
_HIGH: Final = _lanes(lambda _: 0x80)


def _prove_millis(pieces: pl.Series, column: Column) -> Proof | None:
    """
    Prove rests like `.123Z"`, eight bytes at a time as one number; None where most are not so.

    After the exclusive or every digit is its value and every other byte is 0. Adding 0x76 (to digits) or 0x7F (to the
    others) then lifts exactly the bytes that are too great over 0x7F; a carry can only come from a byte that is found
    out itself.
    """
    begin = column.second_end - 2
    after = column.after.encode()
    length = begin + len(_MILLIS) + len(after)
    whole = _PIECE.cast(pl.Binary)
    framed = _PIECE.str.len_bytes() == length
    if after:
        framed &= whole.bin.ends_with(after)
    eight = whole.bin.slice(begin, len(_MILLIS)).bin.reinterpret(dtype=pl.UInt64)
    seen = pieces.to_frame("piece").select((eight ^ pl.lit(_ZERO, pl.UInt64)).alias("lanes"), framed.alias("framed"))
    lanes = pl.col("lanes")
    lifted = (lanes | (lanes + pl.lit(_CARRY, pl.UInt64))) & pl.lit(_HIGH, pl.UInt64)
    hundreds, tens, ones = ((lanes // 2 ** (8 * at)) & pl.lit(15, pl.UInt64) for at in (3, 4, 5))
    told = seen.select(
        ((hundreds * 100 + tens * 10 + ones).cast(pl.Int64) * 1000).alias("value"),
        ((lifted == 0) & pl.col("framed")).fill_null(value=False).alias("ok"),
    )
    proof = _simplified(Proof(told["value"], told["ok"]))
    return None if proof.ok is not None and 2 * proof.ok.sum() < proof.ok.len() else proof
