"""What single lines get: each case is a line, and what is said of it."""

from __future__ import annotations

import pytest

from tests.logs_decode.asking import exact, fast
from tests.reference.lines import Told, tell

MEMBERS = (
    '"request_id":"r1","function":"ingest","stage":"response","status":502,"latency_ms":120.5,'
    '"error_code":"UPSTREAM_ERROR","upstream_status":503,"upstream_latency_ms":100'
)
ROW = ("r1", "ingest", "response", 502, 120.5, "UPSTREAM_ERROR", 503, 100.0, None, None, None)
NOON_US = 1_794_830_400_000_000
NOON = "2026-11-16T12:00:00Z"


def m1(*more: str) -> str:
    return "{" + ",".join([MEMBERS, *more]) + "}"


def said_of(line: str | bytes, *, strict: bool = False) -> Told:
    """Decode one line, alone and among sound ones, on every path; they must agree, and its neighbours be whole."""
    data = line.encode() if isinstance(line, str) else line
    alone = exact(data + b"\n", strict=strict)
    assert fast(data + b"\n", strict=strict) == alone == tell(data + b"\n", strict=strict)
    neighbour = m1().encode()
    among = fast(b"\n".join([neighbour, data, neighbour, neighbour, b""]), strict=strict)
    assert [record for record in among.records if record[0] != 2] == [(1, ROW), (3, ROW), (4, ROW)]
    assert [reject[1:] for reject in among.rejects] == [reject[1:] for reject in alone.rejects]
    assert (among.not_m1, among.blank, len(among.records)) == (alone.not_m1, alone.blank, len(alone.records) + 3)
    return alone


def reason_of(line: str | bytes, *, strict: bool = False) -> tuple[str, str]:
    said = said_of(line, strict=strict)
    ((_, reason, detail),) = said.rejects
    return reason, detail


def row_of(line: str | bytes) -> tuple[object, ...]:
    ((_, row),) = said_of(line).records
    return row


NOT_JSON = [
    *[
        "{",
        "{]",
        "{}}",
        "{{}}",
        "{,}",
        '{"a"}',
        '{"a":}',
        '{"a" 1}',
        '{"a"::1}',
        '{"a":1,}',
        '{"a":1,,"b":2}',
        '{:"b"}',
    ],
    *['{"a":1 "b":2}', "{'a':1}", "{a:1}", "{1:1}", "{null:1}", '{"a":1}x', '{"a":1}{"b":2}', '{"a":1}]', '{"a":1]'],
    *['{"a":1} // c', '{"a":/*c*/1}', '{"a":1}#', '{"a":tru}', '{"a":True}', '{"a":nul}', '{"a":NaN}', '{"a":-NaN}'],
    *['{"a":Infinity}', '{"a":-Infinity}', '{"a":inf}', '{"a":1e999}', '{"a":-1e999}', '{"a":01}', '{"a":-01}'],
    *['{"a":+1}', '{"a":.5}', '{"a":5.}', '{"a":1e}', '{"a":1e+}', '{"a":0x1F}', '{"a":1_000}', '{"a":--1}', '{"a":-}'],
    *['{"a":1.2.3}', '{"a":"\t"}', '{"a":"\x01"}', '{"a":"\x1f"}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":"\\u12G4"}'],
    *['{"a":"\\"}', '{"a":"}', '{"a":[}', '{"a":[1,]}', '{"a":[1 2]}', '{"a":{"b"}}', '{"a"\x0b:1}', '{"a":\x0c1}'],
    *['{"a":\u00a01}', '{"a":\u20281}', '{"a":\ufeff1}', '{"a":"\\\u00e5"}', '{"a":"\\a"}', '{"a":"\\U0001F600"}'],
    *['{"a":' + "9" * 400 + "}", '{"a":' + "1" * 5000 + "}", '{"a":\uff11}', m1() + ",", m1() + " trailing", m1()[:-1]],
    m1()[:60] + m1()[30:],
]


@pytest.mark.parametrize("line", NOT_JSON)
def test_object_that_opens_and_does_not_parse_is_a_reject(line: str) -> None:
    """Whatever is no JSON is counted with its reason, and costs no other line."""
    assert reason_of(line) == ("json", "")


NOT_M1 = [
    *[
        "null",
        "true",
        "1",
        '"text"',
        "[]",
        "[1,2,3]",
        "[1",
        "NaN",
        "}",
        "]",
        "hello",
        "hello {name}",
        "f(x){ y }",
        "a,b,c",
    ],
    *["{}", '{"a":1}', '{"request_id":"r1"}', '{"request_id":"r1","function":"f"}', '{"a":{"b":[1,{"c":null}]}}'],
    *[
        '{"message":"GET /"}',
        '{"message":"a {b} c"}',
        '{"message":{"a":1}}',
        '{"log":null}',
        '{"log":["x"]}',
        '{"log":""}',
    ],
    *['{"message":"retry {\\"a\\": "}', '{"text":' + m1() + "}", '{"": 1}', '{"a":1,"a":2}', "\u2028", "\x85"],
]


@pytest.mark.parametrize("line", NOT_M1)
def test_line_that_claims_nothing_is_not_m1(line: str) -> None:
    """Other people's lines in the same file are counted and skipped, and are no rejects."""
    assert said_of(line) == Told(not_m1=1)


@pytest.mark.parametrize("line", ["", " ", "\t", "\r", " \r", "\x0b\x0c", "\ufeff"])
def test_line_of_white_space_is_blank(line: str) -> None:
    """An empty line is neither good nor bad."""
    assert said_of(line) == Told(blank=1)


BROKEN_FIELDS = [
    ('"status":502', '"status":"502"', ("type", "status")),
    ('"status":502', '"status":502.0', ("type", "status")),
    ('"status":502', '"status":5e2', ("type", "status")),
    ('"status":502', '"status":-0', ("type", "status")),
    ('"status":502', '"status":true', ("type", "status")),
    ('"status":502', '"status":[]', ("type", "status")),
    ('"status":502', '"status":{}', ("type", "status")),
    ('"status":502', '"status":18446744073709551616', ("type", "status")),
    ('"status":502', '"status":2147483648', ("range", "status")),
    ('"status":502', '"status":99', ("range", "status")),
    ('"status":502', '"status":600', ("range", "status")),
    ('"latency_ms":120.5', '"latency_ms":null', ("type", "latency_ms")),
    ('"latency_ms":120.5', '"latency_ms":"120"', ("type", "latency_ms")),
    ('"latency_ms":120.5', '"latency_ms":false', ("type", "latency_ms")),
    ('"latency_ms":120.5', '"latency_ms":-1', ("range", "latency_ms")),
    ('"latency_ms":120.5', '"latency_ms":1000000000.1', ("range", "latency_ms")),
    ('"latency_ms":120.5', '"latency_ms":1e308', ("range", "latency_ms")),
    ('"upstream_status":503', '"upstream_status":503.0', ("type", "upstream_status")),
    ('"upstream_status":503', '"upstream_status":[503]', ("type", "upstream_status")),
    ('"upstream_latency_ms":100', '"upstream_latency_ms":-0.5', ("range", "upstream_latency_ms")),
    ('"request_id":"r1"', '"request_id":""', ("range", "request_id")),
    ('"request_id":"r1"', '"request_id":null', ("type", "request_id")),
    ('"request_id":"r1"', '"request_id":7', ("type", "request_id")),
    ('"request_id":"r1"', '"request_id":"' + "x" * 129 + '"', ("range", "request_id")),
    ('"stage":"response"', '"stage":"' + "x" * 65 + '"', ("range", "stage")),
    ('"stage":"response",', "", ("missing-field", "stage")),
    ('"latency_ms":120.5,', "", ("missing-field", "latency_ms")),
    ('"error_code":"UPSTREAM_ERROR"', '"error_code":1', ("type", "error_code")),
    ('"upstream_status":503', '"ts":"yesterday","upstream_status":503', ("time", "ts")),
    ('"upstream_status":503', '"ts":"2026-02-29T00:00:00Z","upstream_status":503', ("time", "ts")),
    ('"upstream_status":503', '"ts":"2026-11-16T00:00:60Z","upstream_status":503', ("time", "ts")),
    ('"upstream_status":503', '"upstream_calls":1000001,"upstream_status":503', ("range", "upstream_calls")),
    ('"upstream_status":503', '"v":0,"upstream_status":503', ("range", "v")),
    ('"status":502', '"status":502,"status":200', ("duplicate-key", "")),
    ('"status":502', '"status":502,"st\\u0061tus":200', ("duplicate-key", "")),
    ('"status":502', '"x":1,"status":502,"x":1', ("duplicate-key", "")),
    ('"error_code":"UPSTREAM_ERROR"', '"error_code":"\\ud800"', ("encoding", "")),
    ('"error_code":"UPSTREAM_ERROR"', '"error_code":"\\udc00\\ud800"', ("encoding", "")),
    ('"error_code":"UPSTREAM_ERROR"', '"error_code":"x\0y"', ("nul", "")),
    ('"stage":"response"', '"stage":"response","x":' + "[" * 32 + "]" * 32, ("too-deep", "")),
    ('"stage":"response"', '"stage":"response","x":' + "[" * 60_000, ("too-deep", "")),
]


@pytest.mark.parametrize(("sound", "broken", "expected"), BROKEN_FIELDS)
def test_claim_that_breaks_the_contract_is_rejected_by_reason_and_field(
    sound: str, broken: str, expected: tuple[str, str]
) -> None:
    """A line that claims to be M1 and is not is never repaired, guessed at or dropped without a word."""
    assert reason_of(m1().replace(sound, broken)) == expected


@pytest.mark.parametrize("bad", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc3", b"\xe2\x82"])
def test_bytes_that_are_no_utf_8_are_rejected_for_their_encoding(bad: bytes) -> None:
    """Overlong, cut and surrogate bytes do not reach a record."""
    assert reason_of(m1().encode().replace(b"ingest", b"in" + bad + b"gest")) == ("encoding", "")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-16"])
def test_utf_16_lines_are_rejected_for_their_encoding(codec: str) -> None:
    """A file in the wrong encoding is named as such, not guessed at."""
    lines = "".join(m1() + "\n" for _ in range(3)).encode(codec)
    said = exact(lines)
    assert said == fast(lines) == tell(lines)
    assert {reason for _, reason, _ in said.rejects[:3]} == {"encoding"}
    assert not said.records


KEPT_FIELDS = [
    ('"status":502', '"status":null', (3, None)),
    ('"latency_ms":120.5', '"latency_ms":0', (4, 0.0)),
    ('"latency_ms":120.5', '"latency_ms":-0.0', (4, 0.0)),
    ('"latency_ms":120.5', '"latency_ms":1.5e3', (4, 1500.0)),
    ('"latency_ms":120.5', '"latency_ms":1000000000', (4, 1e9)),
    ('"error_code":"UPSTREAM_ERROR"', '"error_code":null', (5, None)),
    ('"error_code":"UPSTREAM_ERROR"', '"error_code":"null"', (5, "null")),
    ('"error_code":"UPSTREAM_ERROR"', '"error_code":""', (5, "")),
    ('"error_code":"UPSTREAM_ERROR"', '"error_code":"a,\\"b\\\\"', (5, 'a,"b\\')),
    ('"error_code":"UPSTREAM_ERROR"', '"error_code":"\\ud83d\\ude00"', (5, "\U0001f600")),
    ('"upstream_status":503', '"upstream_status":"timeout"', (6, 0)),
    ('"upstream_status":503', '"upstream_status":null', (6, None)),
    ('"upstream_status":503', '"upstream_status":18446744073709551616', (6, -1)),
    ('"upstream_status":503', '"upstream_status":-9223372036854775809', (6, -1)),
    ('"upstream_status":503', '"upstream_status":' + "9" * 40, (6, -1)),
    ('"upstream_status":503', '"upstream_status":99', (6, -1)),
    ('"upstream_status":503', '"upstream_status":-5', (6, -1)),
    ('"upstream_status":503', '"upstream_status":"503"', (6, -1)),
    ('"upstream_status":503', '"upstream_status":""', (6, -1)),
    ('"request_id":"r1"', '"request_id":"' + "\u00e9" * 128 + '"', (0, "\u00e9" * 128)),
    ('"request_id":"r1"', '"request_id":"../../x"', (0, "../../x")),
    ('"stage":"response"', f'"stage":"response","ts":"{NOON}"', (8, NOON_US)),
    ('"stage":"response"', '"stage":"response","ts":1794830400', (8, NOON_US)),
    ('"stage":"response"', '"stage":"response","ts":1794830400000', (8, NOON_US)),
    ('"stage":"response"', '"stage":"response","ts":"2026-11-16T13:30:00.0000019+01:30"', (8, NOON_US + 1)),
    ('"stage":"response"', '"stage":"response","ts":null', (8, None)),
    ('"stage":"response"', '"stage":"response","upstream":"insforge"', (9, "insforge")),
    ('"stage":"response"', '"stage":"response","upstream_calls":3', (10, 3)),
]


@pytest.mark.parametrize(("usual", "unusual", "expected"), KEPT_FIELDS)
def test_unusual_value_within_the_contract_is_kept_as_it_is(
    usual: str, unusual: str, expected: tuple[int, object]
) -> None:
    """What the contract allows is a record, however odd it looks."""
    at, value = expected
    row = row_of(m1().replace(usual, unusual))
    assert row == (*ROW[:at], value, *ROW[at + 1 :])


ESCAPED = m1().replace('"', '\\"')
WRAPPED = [
    (f"{NOON} fn[12]: {m1()}", NOON_US),
    (f"{NOON} stdout F {m1()}", NOON_US),
    (f"2026-11-16T12:00:00.000000999Z stderr F {m1()}", NOON_US),
    (f"2026-11-16T13:00:00+01:00 {m1()}", NOON_US),
    (f"[{NOON}] INFO {m1()}", NOON_US),
    (f"web_1  | {NOON} {m1()}", NOON_US),
    (f"[pod/web/app] {NOON} {m1()}", NOON_US),
    (f"served at {NOON} {m1()}", None),
    (f"{NOON}.5 {m1()}", NOON_US),
    (f"2026-13-16T12:00:00Z {m1()}", None),
    (f"fn{{12}}: {m1()}", None),
    (f"  {m1()}  \r", None),
    ("\ufeff" + m1(), None),
    (f'{{"log":"{ESCAPED}\\n","stream":"stdout","time":"{NOON}"}}', NOON_US),
    (f'{{"message":{m1()},"timestamp":1794830400000}}', NOON_US),
    (f'{{"msg":"{NOON} fn: {ESCAPED}","time":"2026-01-01T00:00:00Z"}}', NOON_US),
    (f'{{"body":{m1()},"@timestamp":"{NOON}","time":"not a time"}}', NOON_US),
    (f'{{"event_message":{{"log":{m1()},"ts":"{NOON}"}},"time":"2026-01-01T00:00:00Z"}}', NOON_US),
    (f'{{"log":{{"log":{{"log":{m1()}}}}},"ts":"{NOON}"}}', NOON_US),
    (f'{{"log":"hello","message":{m1()},"time":"yesterday"}}', None),
    (f'{{"message":{m1(chr(34) + "ts" + chr(34) + ":1794830400")},"time":"2026-01-01T00:00:00Z"}}', NOON_US),
    (f'{NOON} {{"message":{m1()},"time":null}}', NOON_US),
]


@pytest.mark.parametrize(("line", "at_us"), WRAPPED)
def test_record_in_an_envelope_is_unwrapped_and_takes_the_innermost_time(line: str, at_us: int | None) -> None:
    """Logs that went through a collector need no flags; the record's own time counts most, then the nearest one."""
    assert row_of(line) == (*ROW[:8], at_us, None, None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f'{{"log":{{"log":{{"log":{{"log":{m1()}}}}}}}}}', None),
        (f'{{"log":"{ESCAPED[:-1]}"}}', ("json", "")),
        (f'{{"log":"{ESCAPED} x"}}', ("json", "")),
        (f'{{"log":{m1()},"log":{m1()}}}', ("duplicate-key", "")),
        (f'{{"log":{m1(chr(34) + "v" + chr(34) + ":1", chr(34) + "v" + chr(34) + ":1")}}}', ("duplicate-key", "")),
        (f'{{"log":{m1().replace("502", "5.5")}}}', ("type", "status")),
        (f'{NOON} {m1()} {{"a":1}}', ("json", "")),
        (f"{NOON} fn: {m1()[:-1]}", ("json", "")),
    ],
)
def test_envelope_round_a_broken_or_too_deeply_wrapped_record_hides_nothing(
    line: str, expected: tuple[str, str] | None
) -> None:
    """What is wrong inside an envelope is as wrong as outside; four envelopes are one too many."""
    if expected is None:
        assert said_of(line) == Told(not_m1=1)
    else:
        assert reason_of(line) == expected


def test_record_that_is_m1_itself_is_never_taken_for_an_envelope() -> None:
    """A field that happens to be called `message` does not replace the record that it stands in."""
    inner = m1().replace('"r1"', '"r2"')
    said = said_of(m1(f'"message":{inner}', f'"log":"{NOON}"'))
    assert said == Told(records=[(1, ROW)], unknown_fields={"message": 1, "log": 1})


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (m1()[:-1], "cut-off"),
        (m1()[:40], "cut-off"),
        ("{", "cut-off"),
        (f"{NOON} fn: {{", "cut-off"),
        (m1().replace("ingest", "caf\u00e9").encode()[:36], "cut-off"),
        (b'{"a":"\xff', "encoding"),
        (m1().replace('"status":502', '"status":"502"'), "type"),
    ],
)
def test_last_line_without_newline_that_does_not_parse_is_cut_off(tail: str | bytes, reason: str) -> None:
    """A file that is still being written ends in half a line; that is told apart from a broken one."""
    line = tail.encode() if isinstance(tail, str) else tail
    data = m1().encode() + b"\n" + line
    assert fast(data) == exact(data) == tell(data)
    assert [(number, why) for number, why, _ in exact(data).rejects] == [(2, reason)]


def test_last_line_without_newline_that_parses_is_a_record() -> None:
    """A missing newline alone costs nothing."""
    data = m1().encode() + b"\n" + m1().encode()
    assert fast(data) == exact(data) == tell(data) == Told(records=[(1, ROW), (2, ROW)])


def test_unknown_keys_are_counted_by_name_and_rejected_when_strict() -> None:
    """Schema drift is seen by name and count, never by value."""
    line = m1('"query_label":"secret"', '"' + "n" * 100 + '":[1]', '"v":2')
    said = said_of(line)
    assert said == Told(records=[(1, ROW)], unknown_fields={"query_label": 1, "n" * 64: 1}, newer_versions=1)
    assert reason_of(line, strict=True) == ("unknown-field", "query_label")


def test_names_of_unknown_keys_beyond_a_thousand_are_the_same_on_every_path() -> None:
    """Hostile drift cannot fill the memory, and what is kept of it depends on no order."""
    lines = "".join(m1(*(f'"k{number:04d}_{extra}":1' for extra in range(50))) + "\n" for number in range(100))
    said = exact(lines.encode())
    assert len(said.unknown_fields) == 1000
    assert said == fast(lines.encode()) == tell(lines.encode())


def test_line_over_the_limit_is_one_reject() -> None:
    """A line that is too long is not looked into, and is counted as one line."""
    from attribute.logs.chunks import Chunk
    from attribute.logs.lines import decode_chunk
    from tests.logs_decode.asking import told_by

    said = told_by(decode_chunk(Chunk(data=b"", first_line=7, lines=1, too_long=True)))
    assert said == Told(rejects=[(7, "too-long", "")])


@pytest.mark.parametrize(
    "start", [b"\xef\xbb\xbf", b"\x1f\x8b\x08\x00", b"x\x9c", b"(\xb5/\xfd", b"BZh9", b"#", b'"', b"\n"]
)
def test_chunk_that_begins_like_something_else_is_still_read_as_lines(start: bytes) -> None:
    """No reader behind the scenes expands, skips or quotes anything because of how a chunk begins."""
    data = start + b"\n" + (m1().encode() + b"\n") * 5
    said = fast(data)
    assert said == exact(data) == tell(data)
    assert len(said.records) == 5
