"""Lines that are no record by themselves: the scanner tells the plain ones, and says of all what is said one by one."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attribute.frames import RECORDS
from attribute.logs.envelopes import PAYLOAD_KEYS, TIME_KEYS
from attribute.logs.parsing import MAX_DEPTH
from attribute.logs.scanning import SCAN, Scanned
from attribute.m1.fields import CLAIMING_NAMES, FIELDS
from tests.drawn import examples
from tests.logs_decode.asking import exact, fast
from tests.logs_decode.making import other
from tests.logs_decode.test_agreement import SOUND, SPOILT
from tests.logs_decode.test_scanning import needs_scanner

APP = (
    '{"level":"info", "msg":"caf\u00e9 \\"x\\" \u20ac\U0001f600", "took_ms":12.5,"at":-3,\t"tags":["a",{"b":null}, []],'
    '"ok":true,"user":{"id":17} }\r'
).encode()
TEXT = b'  File "/srv/app.py", line 12, in {name} at { x'
CUT = b'INFO {"level":"info","request_id":"a","tags":[1,2'
RICH = SOUND[:-1] + ',"user":{"id":[1, 2],\t"of":{}}, "note":"caf\u00e9 \\"x\\"\\u00e9" }'.encode()
DOCKER = json.dumps(
    {"log": SOUND.decode().replace(",", ", ") + "\n", "stream": "stdout", "time": "2026-11-16T00:00:00Z"}
).encode()
HELD = b'{"time":1794787200,"body":' + SOUND + b', "message":"hello \\u0022"}'
LATE = b"INFO " + SOUND.replace(b'"latency_ms":', b'"latency_ms":"12", "took":')
TEXT_HELD = json.dumps({"log": "{'request_id': 'a'} \"request_id\"\n", "time": "2026-11-16T00:00:00Z"}).encode()
BEHIND = b"[web-1] 26-11-16 {x} " + SOUND.replace(b'"2026-11-16T08:00:59.216Z"', b"null")
ODD = (
    *SPOILT,
    b"{",
    b"[",
    b"]",
    b",",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\\u0061",
)


def scanned(*lines: bytes) -> Scanned:
    assert SCAN is not None
    found = SCAN(b"".join(line + b"\n" for line in lines), strict=True, calm=None)
    assert found is not None
    return found


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=st.lists(other(), min_size=1, max_size=20), strict=st.booleans())
def test_lines_of_other_programs_are_read_as_the_exact_path_reads_them(made: list[bytes], strict: bool) -> None:
    """Text, objects of any shape, and what is left of them where they break off."""
    data = b"\n".join([SOUND, *made, b""])
    assert fast(data, strict=strict) == exact(data, strict=strict)


@pytest.mark.parametrize("spoilt", ODD)
@pytest.mark.parametrize("line", [APP, TEXT, CUT, RICH, DOCKER, HELD, BEHIND, LATE, TEXT_HELD])
def test_any_byte_in_place_of_another_is_read_as_the_exact_path_reads_it(line: bytes, spoilt: bytes) -> None:
    """No byte turns a line into something else unnoticed."""
    data = b"".join(line[:at] + spoilt + line[at + more :] + b"\n" for at in range(len(line)) for more in (0, 1))
    assert fast(data) == exact(data)


@pytest.mark.parametrize("line", [APP, TEXT, CUT, RICH, DOCKER, HELD, BEHIND, LATE, TEXT_HELD])
def test_line_that_breaks_off_anywhere_is_read_as_the_exact_path_reads_it(line: bytes) -> None:
    """At its end and at its beginning."""
    data = b"".join(line[:at] + b"\n" + line[at:] + b"\n" for at in range(len(line)))
    assert fast(data) == exact(data)


@needs_scanner
@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"", "blank"),
        (b" \t\x0b\x0c\r", "blank"),
        (b'10.0.0.1 - - [16/Nov/2026:00:00:00 +0000] "GET / HTTP/1.1" 200', "not M1"),
        (b"Traceback (most recent call last):", "not M1"),
        ("\u26a0 caf\u00e9".encode(), "not M1"),
        (TEXT[:-3], "not M1"),
        (APP, "not M1"),
        (b"INFO " + APP, "not M1"),
        (b"{}", "not M1"),
        (b'{"request_id":"a","function":"b"}', "not M1"),
        (b'{"msg":"hello","message":5,"log":["a"]}', "not M1"),
        (CUT, "rejected"),
        (b"{name}", "rejected"),
        (b"{'a': 1}", "rejected"),
        (b'{"a":1} ok', "rejected"),
        (b'{"msg":"hello {name}"}', "not M1"),
        (b'{"msg":{}}', "not M1"),
        (b'{"log":"{\\"level\\":\\"info\\"}\\n","time":"2026-11-16T00:00:00Z"}', "not M1"),
        (b'{"log":"caf\\u0065 {x\\n","time":1794787200}', "not M1"),
        (b'{"a":"\\u0061\\u20ac"}', "not M1"),
        (b'{"a":"\\ud83d\\ude00"}', "left"),
        (b'{"\\u0061":1}', "left"),
        (b'{"log":"{","log":"{"}', "left"),
        (b'{"log":"{","msg":"{"}', "left"),
        (b'{"log":"{","a":1,"a":2}', "left"),
        (b'{"log":"a {x","time":"yesterday"}', "not M1"),
        (b'{"log":"{\\n}"}', "left"),
        (b'{"log":{"log":{}}}', "left"),
        (b'INFO {"log":"a {x"}', "not M1"),
        (b'{"a":1e3}', "left"),
        (b'{"a":1,}', "left"),
        (b'{"request_id":1,"function":2,"status":3}', "rejected"),
        (b'{"request_id":1,"function":2,"status":3,"status":4}', "left"),
        (b'{"log":"{x"}', "not M1"),
        (b'{"log":"{x \\"request_id\\": 1}"}', "rejected"),
        (b'{"log":"\\"request_id\\" {"}', "not M1"),
        (b"\xef\xbb\xbf", "left"),
        (b"a\0b", "left"),
        ('{"caf\u00e9'.encode(), "left"),
        (b'{"a":"\\u00', "left"),
        (b'{"a":' + b"[" * 15 + b"]" * 15 + b"}", "not M1"),
        (b'{"a":' + b"[" * 16 + b"]" * 16 + b"}", "left"),
        (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "left"),
        (b'{"a":' * 10_000 + b"{}" + b"}" * 10_000, "left"),
        (b"{" * MAX_DEPTH, "rejected"),
        (b"{" * (MAX_DEPTH + 1), "left"),
    ],
)
def test_plain_lines_are_told_and_others_handed_back(line: bytes, told: str) -> None:
    """What is told costs next to nothing; what is not costs the time of the exact path."""
    found = scanned(line)
    counts = {
        "blank": found.blank,
        "not M1": found.not_m1,
        "rejected": sum(map(len, found.refusals.values())),
        "left": len(found.left),
    }
    assert counts == {"blank": 0, "not M1": 0, "rejected": 0, "left": 0} | {told: 1}
    assert fast(line + b"\n") == exact(line + b"\n")


@needs_scanner
@pytest.mark.parametrize("time_key", [*TIME_KEYS, "at"])
@pytest.mark.parametrize("key", PAYLOAD_KEYS)
def test_record_in_an_envelope_is_read_under_every_key_that_may_carry_one(key: str, time_key: str) -> None:
    """As text or object; without a time of its own it has the one that the envelope says."""
    record = json.loads(SOUND) | {"ts": None}
    for payload in (json.dumps(record) + "\n", record):
        line = json.dumps({"level": "info", key: payload, time_key: "2026-11-16T01:02:03.000004567Z"}).encode()
        found = scanned(line)
        at = found.records.frame(RECORDS)["at"].item()
        assert at == (datetime(2026, 11, 16, 1, 2, 3, 4, tzinfo=UTC) if time_key in TIME_KEYS else None)
        assert found.left == []
        assert fast(line + b"\n") == exact(line + b"\n")


@needs_scanner
def test_record_is_vouched_for_whatever_else_its_object_holds() -> None:
    """Of a key that is no M1 field only the name is kept."""
    assert SCAN is not None
    found = SCAN(RICH + b"\n", strict=False, calm=None)
    assert found is not None
    assert (found.records.height, found.left, found.unknown_fields) == (1, [], {"user": 1, "note": 1})


@needs_scanner
@pytest.mark.parametrize("spelled", ['"', "{", "}", ":", "r"])
def test_record_in_an_envelope_is_found_however_its_characters_are_spelled(spelled: str) -> None:
    """An escape by number may stand for any of them, also for the brace that opens the object."""
    text = json.dumps(SOUND.decode())[1:-1].replace(json.dumps(spelled)[1:-1], f"\\u{ord(spelled):04x}")
    line = f'{{"log":"{text}","time":"2026-11-16T00:00:00Z"}}'.encode()
    assert len(fast(line + b"\n").records) == len(exact(line + b"\n").records) == 1
    assert scanned(line).left == []


def test_what_an_envelope_carries_is_read_as_it_was_before_it_was_escaped() -> None:
    """A character beyond ASCII is not what its lower byte would be, and a record may be written over several lines."""
    wide = DOCKER.replace(b"device-token", b"device\\u0162oken")
    pretty = json.dumps({"log": "INFO " + json.dumps(json.loads(SOUND), indent=1), "time": 1794787200}).encode()
    for line in (wide, pretty):
        assert len(fast(line + b"\n").records) == len(exact(line + b"\n").records) == 1
        assert fast(line + b"\n") == exact(line + b"\n")


@pytest.mark.parametrize("twice", [b'"a":1,"b":2,"a":1', b'"log":1,"log":2', b'"caf\xc3\xa9":{},"caf\xc3\xa9":{}'])
def test_record_in_an_envelope_with_a_key_twice_is_rejected(twice: bytes) -> None:
    """Whatever reads such an object, nobody knows what it says."""
    line = b'{%s,"body":%s}\n' % (twice, SOUND)
    assert [reason for _, reason, _ in fast(line).rejects] == ["duplicate-key"]
    assert fast(line) == exact(line)


UNTIMED = SOUND.replace(b'"2026-11-16T08:00:59.216Z"', b"null")


@needs_scanner
@pytest.mark.parametrize(
    "line",
    [
        b"web-1  | %s",
        b"Nov 16 00:00:00 host app[12]: {x} %s",
        b"[pod/web-5d4b-7/app] 12:00:00 %s",
        b" \t%s",
        "caf\u00e9 %s".encode(),
        b'web-1  | {"level":"info","body":%s}',
        b'{"time":1794787200,"body":%s}',
    ],
)
def test_record_behind_text_is_vouched_for(line: bytes) -> None:
    """The text says no time, or the record says its own."""
    for record in (SOUND, UNTIMED):
        assert scanned(line % record).left == []
        assert fast(line % record + b"\n") == exact(line % record + b"\n")


@needs_scanner
@pytest.mark.parametrize(
    "line",
    [
        b"web-1  | 2026-11-16T00:00:00Z %s",
        b"[2026-11-16 00:00:00+01:00] %s",
        b"at 2026-11-16 %s",
        b'2026-11-16 {"body":%s}',
        b'{"body":%s,"time":0.5}',
        b'{"body":%s,"time":"yesterday","ts":"2026-11-16T00:00:00Z"}',
    ],
)
def test_record_without_a_time_behind_text_that_may_say_one_is_handed_back(line: bytes) -> None:
    """With a time of its own it is vouched for."""
    assert scanned(line % SOUND).left == []
    assert len(scanned(line % UNTIMED).left) == 1
    for record in (SOUND, UNTIMED):
        assert fast(line % record + b"\n") == exact(line % record + b"\n")


@needs_scanner
def test_times_of_an_envelope_count_in_their_order() -> None:
    """Whatever stands first in the text."""
    names = list(TIME_KEYS)
    for first in range(len(names)):
        times = {name: f"2026-11-16T00:00:0{names.index(name)}Z" for name in reversed(names[first:])}
        line = json.dumps({**times, "log": {**json.loads(SOUND), "ts": None}}).encode()
        assert scanned(line).records.frame(RECORDS)["at"].item().second == first
        assert fast(line + b"\n") == exact(line + b"\n")


@needs_scanner
def test_object_claims_to_be_m1_by_three_names_and_no_fewer() -> None:
    """The scanner's copy of the claiming names is the list."""
    claim = dict.fromkeys(CLAIMING_NAMES)
    without = [json.dumps({name: None for name in claim if name != left}).encode() for left in claim]
    found = scanned(json.dumps(claim).encode(), *without)
    assert (found.refusals, found.not_m1) == ({("type", "request_id"): [0]}, len(claim))


def with_value(name: str, value: str) -> bytes:
    """Give a sound record's text with another value of one field."""
    record = json.loads(SOUND)
    pairs = [f"{json.dumps(key)}:{value if key == name else json.dumps(record[key])}" for key in record]
    return "{{{}}}".format(",".join(pairs)).encode()


NO_TEXT = ["1", "[]", "{}", "true", "-0"]
NO_NUMBER = ['"1"', '""', "[]", '{"a":1}', "true", "false"]
UNSOUND = {
    "request_id": {"type": [*NO_TEXT, "null"], "range": ['""', f'"{"x" * 129}"']},
    "function": {"type": [*NO_TEXT, "null"], "range": ['""', f'"{"x" * 129}"']},
    "stage": {"type": [*NO_TEXT, "null"], "range": ['""', f'"{"x" * 65}"']},
    "status": {"type": [*NO_NUMBER, "200.0", "1.5"], "range": ["0", "99", "600", "2000", "-200", "123456789012345"]},
    "latency_ms": {"type": [*NO_NUMBER, "null"], "range": ["-1", "-0.5", "1000000000.5", "1000000001"]},
    "error_code": {"type": NO_TEXT, "range": [f'"{"x" * 129}"']},
    "upstream_status": {"type": ["[]", "{}", "true", "200.0", "-1.5"]},
    "upstream_latency_ms": {"type": NO_NUMBER, "range": ["-1", "-0.5", "1000000000.5", "1000000001"]},
    "ts": {
        "time": [
            *['""', '"x"', '"now"', '"2026-11-16"', '"2026-11-16T00:00:00"', '"2026-02-30T00:00:00Z"', '"1794787200"'],
            *['"1968-12-31T23:59:59Z"', '"1970-01-01T00:00:00+01:00"', '"9999-12-31T23:59:59-01:00"', "[]", "true"],
            *["-1", "-0.5", "253402300800000", "999999999999999"],
        ]
    },
    "upstream": {"type": NO_TEXT, "range": [f'"{"x" * 65}"']},
    "upstream_calls": {"type": [*NO_NUMBER, "1.0"], "range": ["-1", "1000001", "12345678"]},
    "v": {"type": [*NO_NUMBER, "1.0"], "range": ["0", "-1", "2147483648", "99999999999"]},
}
UNPROVED = {
    "request_id": ['"\\u0061"', '"caf\u00e9"'],
    "function": ['"\\u0061"', '"' + "\u00e9" * 128 + '"'],
    "status": ["-0", "-0.0"],
    "latency_ms": ["-0", "-0.0", "0.123456789012345678", "1e3"],
    "upstream_status": ["0", "-1", "600", '"x"', '""', '"TIMEOUT"', "-0"],
    "ts": ["0", "-0", "0.5", '"1969-12-31T23:30:00-01:00"', '"1969-12-31T23:30:00Z"', '"caf\u00e9"', '"\\u0031"'],
    "upstream_calls": ["-0"],
    "v": ["-0"],
}


@needs_scanner
@pytest.mark.parametrize("name", UNSOUND)
def test_record_that_plainly_breaks_a_field_is_rejected_for_it(name: str) -> None:
    """By itself, behind text and in an envelope; for the first such field in the order of their table."""
    assert list(UNSOUND) == [field.name for field in FIELDS]
    for reason, values in UNSOUND[name].items():
        for value in values:
            line = with_value(name, value)
            broken_later = line.replace(b'"v":1', b'"v":0') if name != "v" else line
            for wrapped in (line, b"web-1  | " + broken_later, b'{"body":%s}' % line):
                assert scanned(wrapped).refusals == {(reason, name): [0]}, wrapped
                assert fast(wrapped + b"\n") == exact(wrapped + b"\n")


@needs_scanner
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in UNPROVED.items() for value in values])
def test_record_with_a_field_that_may_be_sound_is_handed_back(name: str, value: str) -> None:
    """Most of these are sound, spelled in a way that the scanner does not read."""
    line = with_value(name, value)
    assert len(scanned(line).left) == 1
    assert fast(line + b"\n") == exact(line + b"\n")


@needs_scanner
def test_record_that_lacks_a_field_is_rejected_for_the_first_that_it_lacks() -> None:
    """Where none before it is broken; what may be left out is not missed."""
    record = json.loads(SOUND)
    for name, required in ((field.name, field.required) for field in FIELDS):
        if name in CLAIMING_NAMES:
            continue
        rest = {
            key: value for key, value in record.items() if key not in {name, "upstream_latency_ms", "upstream_calls"}
        }
        line = json.dumps(rest).encode()
        missed = name if required else "upstream_latency_ms"
        assert scanned(line).refusals == {("missing-field", missed): [0]}
        assert fast(line + b"\n") == exact(line + b"\n")


def test_rejects_of_both_paths_come_in_order_of_their_lines() -> None:
    """Whoever told them."""
    data = b"".join([b'{"a":1,}\n', b"{x}\n"] * 3) + SOUND + b"\n{x}\n"
    assert [line for line, _, _ in fast(data).rejects] == [1, 2, 3, 4, 5, 6, 8]
    assert fast(data) == exact(data)
