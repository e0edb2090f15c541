"""
What every line of a log means, told plainly: one line after the other, dictionaries and loops, nothing clever.

Written from the contract and not from the code under `src`; it shares nothing with it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

__all__ = ["Told", "tell"]

KNOWN = [
    *["request_id", "function", "stage", "status", "latency_ms", "error_code", "upstream_status"],
    *["upstream_latency_ms", "ts", "upstream", "upstream_calls", "v"],
]
PAYLOADS = ["log", "message", "msg", "event_message", "body"]
TIMES = ["time", "timestamp", "@timestamp", "ts"]
LAST_US = 253_402_300_799_999_999


@dataclass
class Told:
    """Records as (line, values in the order of the frame `records`), rejects as (line, reason, detail), counts."""

    records: list[tuple[int, tuple[object, ...]]] = field(default_factory=list)
    rejects: list[tuple[int, str, str]] = field(default_factory=list)
    not_m1: int = 0
    blank: int = 0
    unknown_fields: dict[str, int] = field(default_factory=dict)
    newer_versions: int = 0


class RejectedError(Exception):
    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail


class NotM1Error(Exception):
    pass


class Obj(dict[str, object]):
    twice = False


def tell(data: bytes, *, first_line: int = 1, strict: bool = False, cut_off_tail: bool | None = None) -> Told:
    """Tell what the lines hold. A last line without a newline is cut off, unless *cut_off_tail* says otherwise."""
    told = Told()
    lines = data.split(b"\n")
    last = lines.pop()
    cut_off = [False] * len(lines)
    if last:
        lines.append(last)
        cut_off.append(True if cut_off_tail is None else cut_off_tail)
    for number, line in enumerate(lines):
        tell_line(told, first_line + number, line, strict, cut_off[number])
    for name in sorted(told.unknown_fields)[1000:]:
        del told.unknown_fields[name]
    return told


def tell_line(told: Told, number: int, line: bytes, strict: bool, cut_off: bool) -> None:
    try:
        obj, at_us = find(line, cut_off)
        values = record_of(obj, strict)
    except NotM1Error:
        told.not_m1 += 1
    except RejectedError as rejected:
        told.rejects.append((number, rejected.reason, rejected.detail))
    else:
        if obj is None:
            told.blank += 1
            return
        if values["at"] is None:
            values["at"] = at_us
        told.records.append((number, tuple(values.values())))
        for key in obj:
            if key not in KNOWN:
                told.unknown_fields[key[:64]] = told.unknown_fields.get(key[:64], 0) + 1
        version = obj.get("v")
        if isinstance(version, int) and version > 1:
            told.newer_versions += 1


def find(line: bytes, cut_off: bool) -> tuple[Obj | None, int | None]:
    if 0 in line:
        raise RejectedError("encoding" if looks_like_utf16(line) else "nul")
    if line[:3] == b"\xef\xbb\xbf":
        line = line[3:]
    if all(byte in b" \t\n\r\v\f" for byte in line):
        return None, None
    at = opening(line)
    if at is None:
        if line[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            raise RejectedError("encoding")
        raise NotM1Error
    try:
        obj = parse(line[at:])
    except RejectedError as rejected:
        if cut_off and (rejected.reason == "json" or (rejected.reason == "encoding" and ends_in_half(line))):
            raise RejectedError("cut-off") from None
        raise
    return search(obj, leading_time(line[:at]), 0, twice=False)


def looks_like_utf16(line: bytes) -> bool:
    if line[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return True
    if len(line) < 2:
        return False
    zeros = [0, 0]
    sizes = [0, 0]
    for place, byte in enumerate(line):
        sizes[place % 2] += 1
        zeros[place % 2] += byte == 0
    return any(zeros[1 - side] == 0 and zeros[side] >= sizes[side] / 2 for side in (0, 1))


def opening(text: bytes) -> int | None:
    """Where a `{` opens an object: the first thing in the text, or before a key, a `}` or the end."""
    for place in range(len(text)):
        if text[place] != ord("{"):
            continue
        if text[:place].strip() == b"":
            return place
        after = text[place + 1 :].lstrip(b" \t\r\n")
        if after == b"" or after[:1] in {b'"', b"}"}:
            return place
    return None


def ends_in_half(line: bytes) -> bool:
    """Whether one to three bytes at the end begin a character, and everything before them is UTF-8."""
    for cut in (1, 2, 3):
        if is_utf8(line[:-cut]) and not is_utf8(line[-cut:]) and any(is_utf8(line[-cut:] + fill) for fill in FILLS):
            return True
    return False


FILLS = [bytes([first]) + b"\x80" * more for first in (0x80, 0x90, 0xA0, 0xBF) for more in range(3)]


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def depth_of(text: bytes) -> int:
    depth = deepest = 0
    in_string = escaped = False
    for byte in text:
        character = chr(byte)
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def parse(text: bytes) -> Obj:
    if depth_of(text) > 32:
        raise RejectedError("too-deep")
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        raise RejectedError("encoding") from None
    try:
        obj = json.loads(
            decoded, object_pairs_hook=obj_of, parse_int=integer, parse_float=real, parse_constant=no_constant
        )
    except ValueError:
        raise RejectedError("json") from None
    if has_half_pair(obj):
        raise RejectedError("encoding")
    assert isinstance(obj, Obj)
    return obj


def obj_of(pairs: list[tuple[str, object]]) -> Obj:
    obj = Obj()
    for key, value in pairs:
        if key in obj:
            obj.twice = True
        obj[key] = value
    return obj


def integer(digits: str) -> object:
    if digits == "-0":
        return -0.0
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
        return real(digits)
    return int(digits)


def real(digits: str) -> float:
    value = float(digits)
    if value in {float("inf"), float("-inf")}:
        raise ValueError
    return value


def no_constant(name: str) -> object:
    raise ValueError(name)


def has_half_pair(value: object) -> bool:
    if isinstance(value, str):
        return any(0xD800 <= ord(character) <= 0xDFFF for character in value)
    if isinstance(value, dict):
        return any(has_half_pair(key) or has_half_pair(inner) for key, inner in value.items())
    if isinstance(value, list):
        return any(has_half_pair(inner) for inner in value)
    return False


def search(obj: Obj, at_us: int | None, envelopes: int, *, twice: bool) -> tuple[Obj, int | None]:
    twice = twice or obj.twice
    if "request_id" in obj and "function" in obj and "status" in obj:
        if twice:
            raise RejectedError("duplicate-key")
        return obj, at_us
    if envelopes == 3:
        raise NotM1Error
    for key in TIMES:
        try:
            at_us = instant(obj[key])
        except (KeyError, ValueError):
            continue
        break
    for key in PAYLOADS:
        payload = obj.get(key)
        try:
            if isinstance(payload, Obj):
                return search(payload, at_us, envelopes + 1, twice=twice)
            if isinstance(payload, str):
                return search_text(payload.encode(), at_us, envelopes + 1, twice=twice)
        except NotM1Error:
            continue
    raise NotM1Error


def search_text(line: bytes, at_us: int | None, envelopes: int, *, twice: bool) -> tuple[Obj, int | None]:
    at = opening(line)
    if at is None:
        raise NotM1Error
    try:
        obj = parse(line[at:])
    except RejectedError:
        if b'"request_id"' in line[at:]:
            raise
        raise NotM1Error from None
    own = leading_time(line[:at])
    return search(obj, at_us if own is None else own, envelopes, twice=twice)


def leading_time(prefix: bytes) -> int | None:
    text = prefix.decode("latin-1").lstrip(" \t")
    starts = [text]
    label = re.match(r"[^|{ \t]+[ \t]*\|[ \t]*", text) or re.match(r"\[[^\]{]*\][ \t]*", text)
    if label:
        starts.insert(0, text[label.end() :])
    for begin in starts:
        start = begin.removeprefix("[")
        match = re.match(r"\d\d\d\d-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", start, re.ASCII)
        if match:
            if re.match(r"[0-9A-Za-z]", start[match.end() :]):
                continue
            try:
                return instant(match.group())
            except ValueError:
                return None
    return None


def instant(value: object) -> int:
    us = -1
    if isinstance(value, str):
        us = instant_of_text(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        exact = Fraction(value) * (1_000_000 if abs(value) < 100_000_000_000 else 1_000)
        us = int(exact + Fraction(1, 2)) if exact >= 0 else -1
    if us < 0 or us > LAST_US:
        raise ValueError
    return us


def instant_of_text(value: str) -> int:
    match = re.fullmatch(
        r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", value, re.ASCII
    )
    if not match:
        raise ValueError
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, hours, minutes = match.groups()[6:]
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    us = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    us += int(((fraction or "") + "000000")[:6])
    if sign:
        if int(hours) > 23 or int(minutes) > 59:
            raise ValueError
        offset = (int(hours) * 60 + int(minutes)) * 60_000_000
        us += offset if sign == "-" else -offset
    return us


def record_of(obj: Obj | None, strict: bool) -> dict[str, object]:
    if obj is None:
        return {}
    values: dict[str, object] = {
        "request_id": text_in(obj, "request_id", 1, 128),
        "function": text_in(obj, "function", 1, 128),
        "stage": text_in(obj, "stage", 1, 64),
        "status": integer_in(obj, "status", 100, 599, needed=True),
        "latency_ms": milliseconds_in(obj, "latency_ms", null=False),
        "error_code": text_in(obj, "error_code", 0, 128, null=True),
        "upstream_status": upstream_status_in(obj),
        "upstream_latency_ms": milliseconds_in(obj, "upstream_latency_ms", null=True),
        "at": time_in(obj),
        "upstream": text_in(obj, "upstream", 0, 64, null=True, needed=False),
        "upstream_calls": integer_in(obj, "upstream_calls", 0, 10**6, needed=False),
    }
    integer_in(obj, "v", 1, 2**31 - 1, needed=False)
    if strict:
        for key in obj:
            if key not in KNOWN:
                raise RejectedError("unknown-field", key[:128])
    return values


def text_in(obj: Obj, key: str, low: int, high: int, *, null: bool = False, needed: bool = True) -> object:
    if key not in obj:
        if needed:
            raise RejectedError("missing-field", key)
        return None
    value = obj[key]
    if value is None and null:
        return None
    if not isinstance(value, str):
        raise RejectedError("type", key)
    if not low <= len(value) <= high:
        raise RejectedError("range", key)
    return value


def integer_in(obj: Obj, key: str, low: int, high: int, *, needed: bool) -> object:
    if key not in obj:
        if needed:
            raise RejectedError("missing-field", key)
        return None
    value = obj[key]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise RejectedError("type", key)
    if not low <= value <= high:
        raise RejectedError("range", key)
    return value


def milliseconds_in(obj: Obj, key: str, *, null: bool) -> object:
    if key not in obj:
        raise RejectedError("missing-field", key)
    value = obj[key]
    if value is None and null:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RejectedError("type", key)
    if value < 0 or value > 1_000_000_000:
        raise RejectedError("range", key)
    return abs(float(value))


def upstream_status_in(obj: Obj) -> object:
    if "upstream_status" not in obj:
        raise RejectedError("missing-field", "upstream_status")
    value = obj["upstream_status"]
    if value is None:
        return None
    if value == "timeout":
        return 0
    if isinstance(value, str) or (isinstance(value, float) and not -(2.0**63) < value < 2.0**63):
        return -1
    if isinstance(value, bool) or not isinstance(value, int):
        raise RejectedError("type", "upstream_status")
    return value if 100 <= value <= 599 else -1


def time_in(obj: Obj) -> object:
    if obj.get("ts") is None:
        return None
    try:
        return instant(obj["ts"])
    except ValueError:
        raise RejectedError("time", "ts") from None
