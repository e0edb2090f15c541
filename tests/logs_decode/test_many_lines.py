"""What holds of many lines at once, where the fast path does the work."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.logs.chunks import Chunk
from attribute.logs.lines import FAST_FROM, decode_chunk
from tests.logs_decode.asking import chunk_of, exact, fast, told_by
from tests.reference.lines import Told, tell

SOUND = {
    "ts": "2026-11-16T12:00:00.123Z",
    "request_id": "6f03675a-1600-435a-8999-50d836f675cc",
    "function": "ingest",
    "stage": "response",
    "status": 200,
    "latency_ms": 120,
    "error_code": None,
    "upstream_status": 200,
    "upstream_latency_ms": 100,
}


def line(more: dict[str, object] | None = None, /, *, spaced: bool = False, **changes: object) -> bytes:
    separators = (", ", ": ") if spaced else (",", ":")
    return json.dumps(SOUND | (more or {}) | changes, separators=separators, ensure_ascii=False).encode()


def log(*lines: bytes) -> bytes:
    return b"\n".join([*lines, b""])


LAYOUTS: dict[str, dict[str, object]] = {
    "compact": {},
    "no time": {"ts": None},
    "microseconds and offset": {"ts": "2026-11-16T12:00:00.123456+00:00"},
    "whole seconds": {"ts": "2026-11-16T12:00:00Z"},
    "epoch in ms": {"ts": 1794830400123},
    "epoch in s": {"ts": 1794830400},
    "fractions": {"latency_ms": 120.123456, "upstream_latency_ms": 0.5},
    "long ids": {"request_id": "r" * 128},
    "ids with accents": {"request_id": "é" * 20},
    "optional fields": {"upstream": "insforge", "upstream_calls": 3, "v": 1},
    "unknown fields": {"region": "eu-1", "cold": True, "n": -1.5, "trace": "0af7651916cd43dd8448eb211c80319c"},
    "function above ascii": {"function": "été", "error_code": "ÜBER"},
    "odd upstream status": {"upstream_status": "error"},
    "time out": {"upstream_status": "timeout", "status": 504, "error_code": "TIMEOUT"},
}


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("name", LAYOUTS)
def test_usual_layout_is_vouched_for_in_full(name: str, spaced: bool) -> None:
    """What loggers usually write is read fast; a pattern that stopped matching would only show in the time taken."""
    data = log(*[line(LAYOUTS[name], spaced=spaced)] * 40)
    if name == "no time":
        data = data.replace(b'"ts":null,', b"").replace(b'"ts": null, ', b"")
    assert decode_chunk(chunk_of(data), fast_from=1).fast_records == 40
    assert decode_chunk(chunk_of(data), fast_from=1, scan=None).fast_records == 40
    assert fast(data) == exact(data) == tell(data)
    assert len(fast(data).records) == 40


@pytest.mark.parametrize("prefix", ["{time} stdout F ", "{time} fn[12]: ", "{time} "])
@pytest.mark.parametrize("zone", ["Z", "+01:00"])
def test_usual_text_before_the_object_is_vouched_for_in_full(prefix: str, zone: str) -> None:
    """Logs that a container runtime wrote are read as fast as plain ones, and take its times."""
    timeless = line().replace(b'"ts":"2026-11-16T12:00:00.123Z",', b"")
    times = [f"2026-11-16T12:00:{number:02d}.{'123456789'[: number % 9 + 1]}{zone}" for number in range(60)]
    data = log(*(prefix.replace("{time}", time).encode() + row for time in times for row in (timeless, line())))
    decoded = decode_chunk(chunk_of(data), fast_from=1)
    assert decoded.fast_records == decoded.lines == 120
    assert told_by(decoded) == exact(data) == tell(data)


@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(st.floats(0, 1e9).map(repr) | st.from_regex(r"[0-9]{1,10}(\.[0-9]{1,17})?", fullmatch=True)))
def test_latency_of_any_spelling_is_the_same_number_on_every_path(numbers: list[str]) -> None:
    """No last digit of a number depends on which parser read it."""
    usual = line(latency_ms=12.5)
    data = log(usual, *(usual.replace(b"12.5", number.encode()) for number in numbers))
    assert fast(data) == exact(data) == tell(data)


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(
        st.datetimes().map(lambda moment: moment.isoformat() + "Z")
        | st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
        | st.from_regex(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\.[0-9]{3}Z", fullmatch=True)
        | st.binary(min_size=24, max_size=24).map(lambda raw: raw.decode("latin-1"))
    ),
    first=st.sampled_from(["2026-11-16T12:00:00.123Z", "2026-11-16T12:00:00.123456+00:00", "2026-11-16T12:00:00Z"]),
)
def test_time_of_any_spelling_is_the_same_instant_on_every_path(times: list[str], first: str) -> None:
    """No time is misread, however nearly right it looks."""
    data = log(*(line(ts=ts) for ts in [first, first, *times, *times[:1]]))
    assert fast(data) == exact(data) == tell(data)


def becomes(other: int) -> Callable[[int], int]:
    return lambda _: other


CHANGES: dict[str, Callable[[int], int]] = {
    **{f"becomes {chr(byte)!r}": becomes(byte) for byte in b'"\\,:{} 0469/\x01\x7f\xff\0'},
    "next one": lambda byte: byte + 1,
    "lowest bit": lambda byte: byte ^ 1,
    "highest bit": lambda byte: byte ^ 0x80,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("backwards", [False, True])
def test_every_changed_byte_of_a_line_is_noticed(change: str, backwards: bool) -> None:
    """Ids and times are looked at many bytes at a time, and still no byte of a line can change unseen."""
    fields = json.loads(line(ts="2026-11-16T20:00:00.123Z"))
    sound = json.dumps(dict(reversed(fields.items())) if backwards else fields, separators=(",", ":")).encode()
    pieces = sound.split(b",")
    for number, piece in enumerate(pieces):  # a log for each: what breaks one column may change how another is read
        rows: list[bytes] = []
        for at, byte in enumerate(piece):
            changed = piece[:at] + bytes([CHANGES[change](byte)]) + piece[at + 1 :]
            rows += [sound, sound, b",".join([*pieces[:number], changed, *pieces[number + 1 :]]).replace(b"\n", b"")]
        text = log(*rows)
        assert fast(text) == tell(text)


@pytest.mark.parametrize("byte", [b'"', b"\\", b"\x1f", b"\x00", b"\t", b"#", b"!", b"\x7f", "é".encode(), b"\xff"])
def test_one_odd_byte_in_one_id_is_noticed_where_all_else_is_sound(byte: bytes) -> None:
    """Looking at all ids in one go is only a short cut to looking at each."""
    sound = line()
    text = log(*[sound] * 5, sound.replace(b"435a", byte + b"435a"[len(byte) :]), *[sound] * 5)
    assert fast(text) == exact(text) == tell(text)


@pytest.mark.parametrize("value", ["007", "-01", "1.", ".5", "+1", "1e999", "tru", "'a'", '"a', '"\\x"', "[1", "NaN"])
def test_unknown_field_that_is_no_json_is_noticed(value: str) -> None:
    """A field of no meaning still makes its line broken, if it is."""
    sound = line(region=1)
    text = log(*[sound] * 5, sound.replace(b'"region":1', b'"region":' + value.encode()))
    assert fast(text) == exact(text) == tell(text)
    assert [reject[1] for reject in fast(text).rejects] == ["json"]


def test_several_layouts_in_one_chunk_are_each_vouched_for() -> None:
    """Functions of different versions write to one file; none of them makes the others slow."""
    draw = random.Random(5)
    kinds = [line(), line(spaced=True), line(region="eu"), line(v=2, upstream_calls=1)]
    data = log(*(draw.choice(kinds) for _ in range(4 * FAST_FROM * 4)))
    decoded = decode_chunk(chunk_of(data))
    assert decoded.fast_records == decoded.lines == 4 * FAST_FROM * 4
    assert told_by(decoded) == tell(data)


def test_broken_lines_among_many_cost_no_neighbour() -> None:
    """One line in twenty is broken in any way there is; every other one is as if they were not there."""
    draw = random.Random(11)
    rows: list[bytes] = []
    for number in range(3000):
        row = line(request_id=f"r{number:06d}", latency_ms=number % 700, status=draw.choice([200, 500]))
        if draw.random() < 0.05:
            at = draw.randrange(len(row))
            row = draw.choice(
                [
                    row[:at],
                    row[:at] + row,
                    row + b",",
                    row + b",\r",
                    b"",
                    b"hello",
                    row[:at] + b"\0",
                    row[:at] + b"\xff",
                ]
            )
        rows.append(row)
    data = log(*rows)
    said = told_by(decode_chunk(chunk_of(data)))
    assert said == tell(data)
    assert len(said.rejects) > 80


@pytest.mark.parametrize("blank", [b"", b"\r", b" "])
def test_lines_that_are_not_counted_by_the_reader_come_out_the_same(blank: bytes) -> None:
    """Counting lines beforehand is the reader's choice; the account is in order without it."""
    rows = [blank, blank, *[line()] * 5, blank, *[line()] * 3, blank]
    data = log(*rows)
    uncounted = told_by(decode_chunk(Chunk(data=data, first_line=0, lines=0), fast_from=1))
    assert uncounted == tell(data)
    assert uncounted == Told(records=uncounted.records, blank=4)


def test_chunk_of_nothing_but_blank_lines_is_counted_and_no_more() -> None:
    """A million empty lines are a million blank ones."""
    assert fast(b"\n" * 1_000_000) == Told(blank=1_000_000)


def test_compressed_looking_line_is_never_expanded() -> None:
    """A line that is itself a compressed log is text that means nothing, not a way to smuggle records in."""
    import gzip
    import zlib

    forged = log(line(request_id="forged"))
    for packed in (gzip.compress(forged, mtime=0), zlib.compress(forged), struct.pack("<I", 0xFD2FB528)):
        data = log(packed.replace(b"\n", b""), line(), line(), line())
        said = fast(data)
        assert said == exact(data) == tell(data)
        assert len(said.records) == 3
