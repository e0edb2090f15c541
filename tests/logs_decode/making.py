"""Make log lines as hypothesis likes them: sound ones in a few layouts, broken ones, wrapped ones."""

from __future__ import annotations

import json

from hypothesis import strategies as st

REQUIRED = (
    "request_id",
    "function",
    "stage",
    "status",
    "latency_ms",
    "error_code",
    "upstream_status",
    "upstream_latency_ms",
)
OPTIONAL = ("ts", "upstream", "upstream_calls", "v", "query_label", "path", "request\u00e9", "x" * 70)

TEXTS = ['"a"', '"fn-1"', '"vibeusage-ingest"', '"b c"', '"UPSTREAM_ERROR"', '"0"', '"null"']
ODD_TEXTS = [
    '""',
    '"' + "x" * 64 + '"',
    '"' + "x" * 65 + '"',
    '"' + "é" * 128 + '"',
    '"' + "é" * 129 + '"',
    '"a\\u0062"',
    '"a\\n"',
    '"a,b"',
    '"{}"',
    '"a\\"b"',
    '"\\ud83d\\ude00"',
    '"\\ud800"',
    '"\\u0000"',
    '"\U0001f600"',
    '"\u2028"',
    '"\x7f"',
    '"\ufffd"',
    '"\x01"',
    "null",
    "true",
    "1",
    "[1,2]",
    '{"a":1,"a":2}',
]
STATUSES = ["200", "404", "500", "503", "100", "599", "null"]
ODD_NUMBERS = [
    *["99", "600", "0", "-0", "-1", "200.0", "2e2", "1e999", "-0.0", "0.5", "1E3", "007", "+1", ".5", "5.", "NaN"],
    *[
        "Infinity",
        "18446744073709551616",
        "9" * 400,
        "1000000000",
        "1000000001",
        "999999999.9999999",
        "1000000",
        "true",
    ],
    *["1000001", '"200"', "2147483647", "2147483648", "1.7976931348623159e308", "1e-400", "[]", "{}", "12345678.125"],
    *["0.1234567890123456", "123456789.12345678901234567", "9007199254740993", "0.30000000000000004"],
]
TIMES = [
    *[
        '"2026-11-16T00:00:00Z"',
        '"2026-11-16T00:00:01.5Z"',
        '"2026-11-16T23:59:59.999Z"',
        "1794787200",
        "1794787200123",
        "1794787200.123456",
    ],
    *['"2026-11-16T01:00:00.123456+01:00"', '"2026-02-28T12:00:00.123456789-05:30"', "null"],
]
ODD_TIMES = [
    *['"2026-02-29T00:00:00Z"', '"2024-02-29T00:00:00Z"', '"2026-11-16T24:00:00Z"', '"2026-11-16T00:00:60Z"'],
    *['"2026-11-16 00:00:00Z"', '"2026-11-16t00:00:00z"', '"2026-11-16T00:00:00"', '"2026- 1-16T00:00:00Z"'],
    *['"+2026-1-16T00:00:00Z"', '"1969-12-31T23:59:59Z"', '"1970-01-01T00:00:00+01:00"', '"9999-12-31T23:59:59Z"'],
    *['"9999-12-31T23:59:59-01:00"', '"2026-11-16T00:00:00.Z"', '"2026-11-16T00:00:00+24:00"', "1794787200.123456"],
    *[
        "1794787200.5",
        "99999999999",
        "100000000000",
        "-1",
        "0",
        "1e9",
        '"1794787200"',
        '"x"',
        "true",
        "253402300800000",
    ],
    *['"2026-11-16T00:00:00.0000000000000Z"', '"1985-04-12T23:20:50.52Z"', '"2026-11-16T00:00:00ZZ"'],
]

VALUES = {
    "request_id": ['"a1"', '"b2"', '"c3"', '"6f03675a-1600-435a-8999-50d836f675cc"'],
    "function": TEXTS,
    "stage": ['"response"', '"exception"', '"upstream"'],
    "status": STATUSES,
    "latency_ms": ["0", "3", "120", "1000", "12.5", "0.1"],
    "error_code": ["null", *TEXTS],
    "upstream_status": ['"timeout"', *STATUSES],
    "upstream_latency_ms": ["null", "3", "7.25", "900"],
    "ts": TIMES,
    "upstream": ["null", *TEXTS],
    "upstream_calls": ["0", "1", "12", "null"],
    "v": ["1", "2", "null"],
}
ODD_VALUES = {
    "status": ODD_NUMBERS,
    "latency_ms": ODD_NUMBERS,
    "upstream_status": ODD_NUMBERS + ODD_TEXTS,
    "upstream_latency_ms": ODD_NUMBERS,
    "ts": ODD_TIMES + ODD_NUMBERS,
    "upstream_calls": ODD_NUMBERS,
    "v": ODD_NUMBERS,
}
STYLES = [
    *[(",", ":", "{", "}"), (", ", ": ", "{", "}"), (" , ", "\t:", "{ ", " } "), (",", ":", "{", "} \r")],
    *[(",", ":", "TIME stdout F {", "}"), (", ", ": ", "TIME { ", "}"), (",", ":", "TIME fn[1]: {", "}")],
]
PREFIX_TIMES = [
    *["2026-11-16T00:00:00Z", "2026-11-16T00:00:00.123456789Z", "2026-11-16T00:00:00.5+01:00", "2026-02-29T00:00:00Z"],
    *["2026-11-16T00:00:00z", "2026-11-16T00:00:00Zx", "x2026-11-16T00:00:00Z", "[2026-11-16T00:00:00Z]", "a | "],
    *[
        "2026-11-16T00:00:00Z | 2027-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "",
        " ",
        "{",
        "\x00",
        "2026-11-16 00:00:00Z",
    ],
]

Layout = tuple[tuple[str, ...], tuple[str, str, str, str]]


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    keys = [*REQUIRED, *draw(st.lists(st.sampled_from(OPTIONAL), unique=True, max_size=4))]
    return tuple(draw(st.permutations(keys))), draw(st.sampled_from(STYLES))


@st.composite
def members(draw: st.DrawFn, key: str, *, odd: bool) -> str:
    pool = VALUES.get(key, TEXTS + STATUSES)
    return draw(st.sampled_from(ODD_VALUES.get(key, ODD_TEXTS + ODD_NUMBERS) if odd else pool))


def written(layout: Layout, values: list[str]) -> bytes:
    keys, (comma, colon, start, end) = layout
    pairs = zip(keys, values, strict=True)
    return (
        start + comma.join(f"{json.dumps(key, ensure_ascii=False)}{colon}{value}" for key, value in pairs) + end
    ).encode()


@st.composite
def timed(draw: st.DrawFn, line: bytes) -> bytes:
    times = PREFIX_TIMES[:3] * 4 + PREFIX_TIMES[3:]
    return line.replace(b"TIME", draw(st.sampled_from(times)).encode()) if line.startswith(b"TIME") else line


@st.composite
def sound(draw: st.DrawFn, layout: Layout) -> bytes:
    return draw(timed(written(layout, [draw(members(key, odd=False)) for key in layout[0]])))


@st.composite
def odd(draw: st.DrawFn, layout: Layout) -> bytes:
    at = draw(st.integers(0, len(layout[0]) - 1))
    return draw(timed(written(layout, [draw(members(key, odd=place == at)) for place, key in enumerate(layout[0])])))


@st.composite
def mutated(draw: st.DrawFn, layout: Layout) -> bytes:
    line = draw(sound(layout))
    at = draw(st.integers(0, len(line)))
    piece = draw(
        st.sampled_from(
            [b"", b",", b'"', b"\\", b"{", b"}", b":", b" ", b"\t", b"\r", b"\0", b"\xff", b"\xc3", b"\x01"]
        )
        | st.binary(max_size=3)
    ).replace(b"\n", b"")
    other = draw(sound(layout))
    extra = draw(st.sampled_from([b'"st\\u0061tus":1', b'"q":[1,2]', b'"q":{"a":{}}', b'"q":' + b"[" * 40, b""]))
    open_end = line.rstrip(b" \r}")
    ways = {
        "replace": line[:at] + piece + line[at + len(piece) :],
        "insert": line[:at] + piece + line[at:],
        "cut": line[:at],
        "splice": line[:at] + other[draw(st.integers(0, len(other))) :],
        "repeat": open_end + b',"status":201}',
        "member": open_end + b"," + extra + b"}",
        "end": line + piece,
    }
    return ways[draw(st.sampled_from(sorted(ways)))]


@st.composite
def wrapped(draw: st.DrawFn, layout: Layout) -> bytes:
    line = draw(sound(layout) | odd(layout) | mutated(layout))
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            line = draw(st.sampled_from(PREFIXES)) + line
            continue
        key = draw(st.sampled_from(["log", "message", "msg", "event_message", "body", "text"]))
        payload = line if draw(st.booleans()) else json.dumps(line.decode("utf-8", "replace") + "\n").encode()
        time = draw(st.sampled_from(["", "time", "timestamp", "@timestamp", "ts"]))
        before = f'"{time}":{draw(st.sampled_from(TIMES + ODD_TIMES))},'.encode() if time else b""
        other = draw(st.sampled_from([b"", b',"level":"info"', b',"message":"hello {x} {"', b',"log":1', b',"log":{}']))
        line = b"{" + before + json.dumps(key).encode() + b":" + payload + other + b"}"
    return line


PREFIXES = [
    b"2026-11-16T00:00:00.123456789Z stdout F ",
    b"2026-11-16T00:00:00Z fn[12]: ",
    b"2026-11-16 00:00:00+01:00 ",
    b"[2026-11-16T00:00:00Z] INFO ",
    b"web_1  | 2026-11-16T00:00:00Z ",
    b"[pod/web-1/app] 2026-11-16T00:00:00Z ",
    b"2026-11-16T00:00:00Zfoo ",
    b"2026-13-16T00:00:00Z ",
    b"at 2026-11-16T00:00:00Z fn{12} ",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"  \t",
    b"hello {name} ",
    b"{} ",
    b"| [",
]
JUNK = [
    *[
        b"",
        b" ",
        b"\r",
        b"\t \x0b\x0c\r",
        b"hello",
        b"hello {name}",
        b"{name}",
        b"{",
        b"}",
        b"{}",
        b"[]",
        b"[1,2]",
        b"null",
    ],
    *[
        b"\xef\xbb\xbf",
        b"\xff\xfe{\x00}\x00",
        b"\0{\0}",
        b"\0",
        b"\0\0\0\0",
        b"\xff",
        b"x\x9cabc",
        b"\x1f\x8b\x08",
        b"\xc2\x85",
    ],
    *[
        b'{"a":1}{"b":2}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1} // x',
        b'[{"request_id":"a"}]',
        b",",
        b",,,,,,,,",
        b"{" * 50,
    ],
    *[
        b'{"log":"' + b"[" * 40 + b'"}',
        b'{"log":{"log":{"log":{"log":{}}}}}',
        b'{"log":"{\\"request_id\\": "}',
        b"#",
        b'"',
    ],
]


OTHER_TEXTS = [
    "hello", "GET / 200", "caf\u00e9 \u20ac \U0001f600", "{name}", "{", "}", "a\\nb", 'a\\"b', "\\/\\b\\f\\r\\t\\\\",
    "\\x", "\\u00e9", "\\", "\x7f", "\x1f", '{\\"request_id\\":1}', "[" * 20, "x" * 40, "\ufeff", "\u2028",
]  # fmt: skip
OTHER_VALUES = [
    *["1", "-1", "-0", "0.5", "-0.0", "1e3", "01", "-", "12345678901234567890", "true", "null", "nul", "Infinity", ""],
    *["{}", "[]", "[1, 2]", '{"a":[{"b":null}]}', '{"a":1,"a":2}', "[1,]", '{"a"}', "[}", "[" * 15 + "]" * 15],
    *[
        "[" * 16 + "]" * 16,
        "[" * 31 + "]" * 31,
        "[" * 32 + "]" * 32,
        "[[],[]]" * 2,
        '{"request_id":"a"}',
        "{ } ",
        "[ ]",
    ],
]
OTHER_KEYS = ["level", "time", "msg", "log", "request_id", "function", "status", "caf\u00e9", "a\\tb", "", "message"]


@st.composite
def other(draw: st.DrawFn) -> bytes:
    """Lines of other programs: text, objects of any shape, and pieces of both."""
    texts = st.sampled_from(OTHER_TEXTS) | st.lists(st.sampled_from(OTHER_TEXTS), min_size=2, max_size=3).map(" ".join)
    values = texts.map(lambda text: f'"{text}"') | st.sampled_from(OTHER_VALUES)
    pairs = draw(st.lists(st.tuples(st.sampled_from(OTHER_KEYS), values), max_size=5))
    comma, colon, start, end = draw(st.sampled_from([*STYLES[:4], (",", ":", "INFO {", "}"), (",", ":", "", "} ok")]))
    line = (start + comma.join(f'"{key}"{colon}{value}' for key, value in pairs) + end).encode()
    whole = draw(st.sampled_from([line] * 4 + [draw(texts).encode()]))
    return draw(st.sampled_from([whole] * 3 + [whole[: draw(st.integers(0, len(whole)))]])).replace(b"\n", b"")


@st.composite
def lines(draw: st.DrawFn) -> list[bytes]:
    """Mostly sound lines of one or two layouts, with anything in between."""
    shapes = draw(st.lists(layouts(), min_size=1, max_size=2))
    made: list[bytes] = []
    for _ in range(draw(st.integers(0, 12))):
        shape = draw(st.sampled_from(shapes))
        kind = draw(
            st.sampled_from(["sound"] * 6 + ["odd", "odd", "mutated", "mutated", "wrapped", "junk", "other", "other"])
        )
        match kind:
            case "sound":
                made.append(draw(sound(shape)))
            case "odd":
                made.append(draw(odd(shape)))
            case "mutated":
                made.append(draw(mutated(shape)))
            case "wrapped":
                made.append(draw(wrapped(shape)))
            case "other":
                made.append(draw(other()))
            case _:
                made.append(draw(st.sampled_from(JUNK) | st.binary(max_size=12)).replace(b"\n", b""))
    return made


@st.composite
def logs(draw: st.DrawFn) -> bytes:
    made = draw(lines())
    return b"\n".join(made) + draw(st.sampled_from([b"\n", b"\n", b"\n", b""]))
