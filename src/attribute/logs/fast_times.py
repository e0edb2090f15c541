"""
Times as text to microseconds since the epoch, for many pieces at once.

RFC 3339 with `T` and `Z` or an offset, from 1980 to 2099; any other spelling is left to the exact path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from attribute.logs.fast_proof import Proof, categories, simplified, spread

__all__ = ["prove_prefixes", "prove_time"]

_US: Final = 1_000_000
_SECONDS: Final = len("2026-11-16T00:00:00")
_SAMPLED: Final = 512
_PIECE: Final = pl.col("piece")


def prove_time(pieces: pl.Series, before: str, after: str) -> Proof:
    """
    Prove that pieces are times.

    Args:
        pieces: text, one piece per line; null: there is none.
        before: what stands before the time in each piece.
        after: what stands after it.
    """
    clock = _prove_clock(pieces, before, after)
    if clock is not None:
        return clock
    end = len(before) + _SECONDS
    seconds = _prove_part(pieces, _PIECE.str.head(end), before, _look_at_seconds)
    rests = _prove_part(pieces, _PIECE.str.slice(end), after, _look_at_rests)
    return _sum(seconds, rests)


def prove_prefixes(prefixes: pl.Series) -> Proof:
    """
    Prove texts before an object: a time, a space, and more text in which nothing can be meant as a time before it.

    Args:
        prefixes: one per line; null: there is none.
    """
    parts = prefixes.str.splitn(" ", 2).struct.unnest()
    times = prove_time(parts["field_0"], "", "")
    words = _prove_part(parts["field_1"], _PIECE, "", _look_at_words)
    oks = [ok for ok in (times.ok, words.ok) if ok is not None]
    return Proof(times.value, pl.select(pl.all_horizontal(oks)).to_series() if oks else None)


def _look_at_words(words: pl.Series, _: str) -> Proof:
    ok = words.to_frame("piece").select(_PIECE.str.contains(r"^[^|{\x00]*$").fill_null(value=False)).to_series()
    return Proof(None, ok)


def _sum(one: Proof, other: Proof) -> Proof:
    left, right = one.values, other.values
    assert left is not None
    assert right is not None
    oks = [ok for ok in (one.ok, other.ok) if ok is not None]
    return Proof(left + right, pl.select(pl.all_horizontal(oks)).to_series() if oks else None)


def _prove_part(pieces: pl.Series, part: pl.Expr, frame: str, look: Callable[[pl.Series, str], Proof]) -> Proof:
    """Prove a part of each piece: each different one once, unless they are mostly different."""
    parts = pieces.to_frame("piece").select(part).to_series()
    if 2 * parts.head(_SAMPLED).n_unique() > _SAMPLED:
        return simplified(look(parts, frame))
    parts = parts.cast(pl.Categorical(pl.Categories.random()))
    return spread(look(categories(parts), frame), parts)


def _look_at_seconds(pieces: pl.Series, before: str) -> Proof:
    pattern = (
        f"^{pl.escape_regex(before)}"
        r"(?:19[8-9]|20[0-9])[0-9]-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"
    )
    text = _PIECE.str.slice(len(before))
    at = text.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False).cast(pl.Int64)
    seen = pieces.to_frame("piece").select(
        at.alias("value"), (_PIECE.str.contains(pattern) & at.is_not_null()).fill_null(value=False).alias("ok")
    )
    return Proof(seen["value"], seen["ok"])


def _look_at_dates(pieces: pl.Series, before: str) -> Proof:
    return _look_at_seconds(pieces + "T00:00:00", before)


def _look_at_rests(pieces: pl.Series, after: str) -> Proof:
    zone = r"(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
    pattern = rf"^(?:\.([0-9]{{1,12}}))?{zone}{pl.escape_regex(after)}$"
    parts = _PIECE.str.extract_groups(pattern).struct
    fraction, sign, hours, minutes = (parts.field(str(number)) for number in range(1, 5))
    offset_min = hours.cast(pl.Int64, strict=False) * 60 + minutes.cast(pl.Int64, strict=False)
    offset_us = pl.when(sign == "-").then(-offset_min).otherwise(offset_min).fill_null(0) * (60 * _US)
    fraction_us = (fraction.fill_null("") + "000000").str.head(6).cast(pl.Int64, strict=False)
    seen = pieces.to_frame("piece").select(
        (fraction_us - offset_us).alias("value"), _PIECE.str.contains(pattern).fill_null(value=False).alias("ok")
    )
    return Proof(seen["value"], seen["ok"])


_CLOCK: Final = b'0T00:00:00.000Z"'
"""The last digit of a date, and a clock to the millisecond; every digit stands for any."""


def _words(byte_of: Callable[[int], int]) -> tuple[pl.Expr, pl.Expr]:
    """Give the clock's sixteen bytes as two numbers, its first byte the least."""
    changed = bytes(map(byte_of, _CLOCK))
    first, second = (pl.lit(int.from_bytes(half, "little"), pl.UInt64) for half in (changed[:8], changed[8:]))
    return first, second


_LIKE: Final = _words(lambda byte: byte)
_LIFT: Final = _words(lambda byte: 0x76 if byte == ord("0") else 0x7F)
_HIGH: Final = _words(lambda _: 0x80)


def _prove_clock(pieces: pl.Series, before: str, after: str) -> Proof | None:
    """
    Prove times like `2026-11-16T00:00:00.123Z` before a quote, as two numbers; None where most are not so.

    After the exclusive or with `_LIKE` every digit is its value and every other byte is 0. Adding `_LIFT` then lifts
    the bytes that are too great over 0x7F, and no others: a carry can only come from a byte that is lifted itself.
    """
    if not after.startswith('"'):
        return None
    begin = len(before.encode()) + _SECONDS - 10
    whole = _PIECE.cast(pl.Binary)
    length = begin + len(_CLOCK) + len(after.encode()) - 1
    framed = (_PIECE.str.len_bytes() == length) & whole.bin.ends_with(after.encode())
    sixteen = whole.bin.slice(begin, len(_CLOCK)).bin.reinterpret(dtype=pl.Array(pl.UInt64, 2))
    seen = pieces.to_frame("piece").select(sixteen.alias("words"), framed.alias("framed"))
    words = pl.col("words").arr
    seen = seen.select("framed", first=words.get(0) ^ _LIKE[0], second=words.get(1) ^ _LIKE[1])
    first, second = pl.col("first"), pl.col("second")
    lifted = (first | (first + _LIFT[0]) | second | (second + _LIFT[1])) & _HIGH[0]
    # each byte, less the separators, becomes ten times itself and the byte after it
    pairs = seen.with_columns(hours=first * 10 + first // 256, rest=second * 10 + second // 256)
    hours, minutes = _byte(pl.col("hours"), 2), _byte(pl.col("hours"), 5)
    seconds, hundreds, ones = _byte(pl.col("rest"), 0), _byte(second, 3), _byte(pl.col("rest"), 4)
    told = pairs.select(
        value=(((hours * 60 + minutes) * 60 + seconds) * 1000 + hundreds * 100 + ones).cast(pl.Int64) * 1000,
        ok=(pl.col("framed") & (lifted == 0) & (hours < 24) & (minutes < 60) & (seconds < 60)).fill_null(value=False),
    )
    clock = simplified(Proof(told["value"], told["ok"]))
    if clock.ok is not None and 2 * clock.ok.sum() < clock.ok.len():
        return None
    return _sum(_prove_dates(pieces, before), clock)


def _byte(word: pl.Expr, at: int) -> pl.Expr:
    shifted: pl.Expr = word // (1 << 8 * at)
    return shifted & pl.lit(0xFF, pl.UInt64)


def _prove_dates(pieces: pl.Series, before: str) -> Proof:
    """Prove the part of each piece up to its date; often it is the same in all of them."""
    end = len(before) + _SECONDS - 9
    usual = pieces.first()
    if isinstance(usual, str) and pieces.null_count() == 0 and pieces.str.starts_with(usual[:end]).all():
        proof = _look_at_dates(pl.Series([usual[:end]]), before)
        assert proof.value is not None
        assert proof.ok is not None
        if proof.ok.all():
            return Proof(proof.value, None)
    return _prove_part(pieces, _PIECE.str.head(end), before, _look_at_dates)
