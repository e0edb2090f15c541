"""
Many lines of one layout to records at once, with polars.

Nothing is guessed: `decode_layout` vouches for a line only where `fast_layout` proves what the line says, and says of
every line whether it does. What it does not vouch for belongs on the exact path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from attribute.frames import INSTANT, RECORDS
from attribute.logs.fast_layout import Column, Layout, Reading
from attribute.m1.fields import CURRENT_VERSION, TIMEOUT, UPSTREAM_INVALID, UPSTREAM_TIMEOUT, Kind

__all__ = ["Vouched", "decode_layout"]

_EXTRA: Final = "extra"
_GUARD: Final = b"{\n"
_MAX_LATENCY_MS: Final = 1e9
_US: Final = 1_000_000
_SECONDS_BELOW: Final = 10**11
_MAX_INSTANT_US: Final = 253_402_300_799_999_999


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """
    What the fast path vouches for.

    Attributes:
        records: schema `RECORDS`; one row per line, also for the lines that it does not vouch for.
        ok: which lines it vouches for; None: for all of them.
        newer: which lines a newer version of the schema wrote; None: none.
    """

    records: pl.DataFrame
    ok: pl.Series | None
    newer: pl.Series | None


@dataclass(frozen=True, slots=True)
class _Proof:
    """The values of one column and where they are proved; *ok* None: everywhere."""

    value: pl.Series | None
    ok: pl.Series | None


def decode_layout(data: bytes, layout: Layout) -> Vouched | None:
    """
    Decode lines of one layout.

    Args:
        data: whole lines, each ended by a newline, at least one.
        layout: what most of them look like.

    Returns:
        As many rows as there are lines, in order; None where polars cannot cut the lines.
    """
    pieces = _cut(data, layout)
    if pieces is None:
        return None
    plain = b"\\" not in data
    proofs = {column.key: _prove(pieces[name], column, plain=plain) for name, column in layout.named_columns}
    oks = [proof.ok for proof in proofs.values() if proof.ok is not None]
    if _EXTRA in pieces.columns:
        oks.append(pieces[_EXTRA].is_null())
    version = proofs.get("v")
    newer = (
        None if version is None or version.value is None else (version.value > CURRENT_VERSION).fill_null(value=False)
    )
    return Vouched(
        records=_records(proofs, pieces.height),
        ok=None if not oks else pl.select(pl.all_horizontal(oks)).to_series(),
        newer=newer,
    )


def _cut(data: bytes, layout: Layout) -> pl.DataFrame | None:
    schema: dict[str, pl.DataType] = {
        name: pl.Categorical(pl.Categories.random()) if column.reading is Reading.DISTINCT else pl.String()
        for name, column in layout.named_columns
    }
    try:
        return _read_csv(data, schema)
    except pl.exceptions.PolarsError:  # a line with more pieces, or bytes that are not UTF-8
        pass
    try:
        return _read_csv(_mend(data), {**schema, _EXTRA: pl.String()})
    except pl.exceptions.PolarsError:
        return None


def _read_csv(data: bytes, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    guarded = not data.startswith(b"{")  # polars skips a byte order mark there and expands what looks compressed
    frame = pl.read_csv(
        _GUARD + data if guarded else data,
        has_header=False,
        quote_char=None,
        infer_schema=False,
        schema=schema,
        missing_columns="insert",
        truncate_ragged_lines=_EXTRA in schema,
    )
    return frame.slice(1) if guarded else frame


def _mend(data: bytes) -> bytes:
    """
    Make a copy that can be cut; what is changed cannot be proved afterwards, so no changed line is vouched for.

    A comma at the end of a line would be overlooked where lines may have pieces to spare, so something is put behind
    it; what is no UTF-8 is replaced.
    """
    try:
        data.decode()
    except UnicodeDecodeError:
        data = data.decode("utf-8", "replace").replace("\ufffd", "\x01").encode()
    return data.replace(b",\n", b",\x01\n").replace(b",\r\n", b",\x01\n")


def _prove(pieces: pl.Series, column: Column, *, plain: bool) -> _Proof:
    if column.reading is Reading.TIME:
        return _prove_time(pieces, column)
    if column.reading is Reading.DISTINCT:
        return _spread(_look_at(_distinct(pieces), column), pieces)
    if plain and column.key == "request_id":
        ids = _prove_ids(pieces, column)
        if ids is not None:
            return ids
    proof = _look_at(pieces, column)
    return _Proof(proof.value, None if proof.ok is None or proof.ok.all() else proof.ok)


def _spread(proof: _Proof, pieces: pl.Series) -> _Proof:
    """Hand the proof of each distinct piece to the rows that have it."""
    codes = pieces.to_physical()
    assert proof.ok is not None
    everywhere = pieces.null_count() == 0 and proof.ok.all()
    return _Proof(
        None if proof.value is None else proof.value.gather(codes),
        None if everywhere else proof.ok.gather(codes).fill_null(value=False),
    )


def _look_at(pieces: pl.Series, column: Column) -> _Proof:
    piece = pl.col("piece")
    ok = piece.str.contains(column.pattern)
    if column.field is None:
        return _Proof(None, pieces.to_frame("piece").select(ok.fill_null(value=False)).to_series())
    body = piece.str.slice(len(column.before))
    if column.after:
        body = body.str.head(-len(column.after))
    value = _value(body, column)
    if column.field.kind is Kind.TEXT:
        bounded = value.str.len_chars().is_between(column.field.minimum, column.field.maximum)
    elif column.field.kind is Kind.UPSTREAM_STATUS:
        bounded = pl.lit(value=True)
    elif column.field.kind is Kind.INSTANT:
        bounded = value.is_between(0, _MAX_INSTANT_US)
    else:
        bounded = value.is_between(column.field.minimum, column.field.maximum)
    seen = pieces.to_frame("piece").select(
        value.alias("value"), (ok & bounded.fill_null(value=True)).fill_null(value=False).alias("ok")
    )
    return _Proof(seen["value"], seen["ok"])


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
            .cast(pl.Int16)
        )
    if kind is Kind.INSTANT:
        return pl.when(number < _SECONDS_BELOW).then(number * _US).otherwise(number * (_US // 1000))
    return number


def _prove_ids(pieces: pl.Series, column: Column) -> _Proof | None:
    """Prove texts that are all of the same length and hold nothing below `#`; None where they are not so."""
    head, tail = column.before + '"', '"' + column.after
    lengths = pieces.str.len_bytes()
    length = lengths.first()
    width = 0 if not isinstance(length, int) else length - len(head.encode()) - len(tail.encode())
    assert column.field is not None
    if not column.field.minimum <= width <= column.field.maximum:
        return None
    piece = pl.col("piece")
    body = piece.str.slice(len(head), width)
    least = body.cast(pl.Binary).bin.reinterpret(dtype=pl.Array(pl.UInt8, width)).arr.min()
    ok = (
        (piece.str.len_bytes() == length) & piece.str.starts_with(head) & piece.str.ends_with(tail) & (least > ord('"'))
    ).fill_null(value=False)
    seen = pieces.to_frame("piece").select(body.alias("body"), ok.alias("ok"))
    if seen["ok"].all():
        return _Proof(seen["body"], None)
    return None if seen["ok"].sum() * 2 < seen.height else _Proof(seen["body"], seen["ok"])


def _prove_time(pieces: pl.Series, column: Column) -> _Proof:
    """Prove times in two halves: up to the second, and the fraction and zone; of each there are few different ones."""
    end = column.second_end
    parted = pieces.to_frame("piece").select(
        pl.col("piece").str.head(end).cast(pl.Categorical(pl.Categories.random())).alias("second"),
        pl.col("piece").str.slice(end).cast(pl.Categorical(pl.Categories.random())).alias("rest"),
    )
    seconds = _spread(_look_at_seconds(_distinct(parted["second"]), column), parted["second"])
    rests = _spread(_look_at_rests(_distinct(parted["rest"]), column), parted["rest"])
    assert seconds.value is not None
    assert rests.value is not None
    oks = [ok for ok in (seconds.ok, rests.ok) if ok is not None]
    return _Proof(seconds.value + rests.value, pl.select(pl.all_horizontal(oks)).to_series() if oks else None)


def _distinct(pieces: pl.Series) -> pl.Series:
    assert isinstance(pieces.dtype, pl.Categorical)
    return pieces.dtype.categories.to_series().cast(pl.String)


def _look_at_seconds(pieces: pl.Series, column: Column) -> _Proof:
    pattern = (
        f"^{pl.escape_regex(column.before)}"
        r'"(?:19[8-9]|20[0-9])[0-9]-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$'
    )
    piece = pl.col("piece")
    text = piece.str.slice(len(column.before) + 1)
    at = text.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False).cast(pl.Int64)
    seen = pieces.to_frame("piece").select(
        at.alias("value"), (piece.str.contains(pattern) & at.is_not_null()).fill_null(value=False).alias("ok")
    )
    return _Proof(seen["value"], seen["ok"])


def _look_at_rests(pieces: pl.Series, column: Column) -> _Proof:
    zone = r"(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
    pattern = rf'^(?:\.([0-9]{{1,12}}))?{zone}"{pl.escape_regex(column.after)}$'
    piece = pl.col("piece")
    parts = piece.str.extract_groups(pattern).struct
    fraction, sign, hours, minutes = (parts.field(str(number)) for number in range(1, 5))
    offset_min = hours.cast(pl.Int64, strict=False) * 60 + minutes.cast(pl.Int64, strict=False)
    offset_us = pl.when(sign == "-").then(-offset_min).otherwise(offset_min).fill_null(0) * (60 * _US)
    fraction_us = (fraction.fill_null("") + "000000").str.head(6).cast(pl.Int64, strict=False)
    seen = pieces.to_frame("piece").select(
        (fraction_us - offset_us).alias("value"), piece.str.contains(pattern).fill_null(value=False).alias("ok")
    )
    return _Proof(seen["value"], seen["ok"])


def _records(proofs: dict[str, _Proof], height: int) -> pl.DataFrame:
    columns: list[pl.Series] = []
    for name, kind in RECORDS.items():
        proof = proofs.get("ts" if name == "at" else name)
        if proof is None or proof.value is None:
            columns.append(pl.Series(name, [None], dtype=kind).new_from_index(0, height))
        elif kind == INSTANT:
            columns.append(proof.value.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias(name))
        else:
            columns.append(proof.value.cast(kind, strict=False).alias(name))
    return pl.DataFrame(columns)
