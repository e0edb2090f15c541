"""The grammar of a delivery: what is a bucket, and what is refused with which sentence at which place."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribute.ingest import strict_json
from attribute.ingest.model import Bucket
from attribute.ingest.refusals import Code, Refused
from attribute.ingest.wire import canonical_name, hour_start_of, read_delivery, slot_of, window_at
from tests.ingest_http.world import NOW, bucket

WINDOW = window_at(NOW)


def read(value: object) -> tuple[Bucket, ...]:
    return read_delivery(value if isinstance(value, bytes) else json.dumps(value).encode(), window=WINDOW)


def refusal(value: object) -> tuple[Code, str | None]:
    with pytest.raises(Refused) as caught:
        read(value)
    return caught.value.code, caught.value.place


@pytest.mark.parametrize(
    "shape",
    [
        lambda rows: {"hourly": rows},
        lambda rows: rows,
        lambda rows: {"data": rows},
        lambda rows: {"data": {"hourly": rows}},
    ],
)
def test_all_four_body_shapes_hold_the_same_buckets(shape: Callable[[list[dict[str, object]]], object]) -> None:
    """A client may say it in any of the four ways in which it was ever said."""
    slot = slot_of("2026-03-10T12:00:00.000Z")
    assert slot is not None
    assert read(shape([bucket(total=7)])) == (Bucket("codex", "gpt-5", slot, 0, 0, 0, 0, 7),)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (Code.INVALID_JSON, None)),
        (b"{", (Code.INVALID_JSON, None)),
        (b"\xef\xbb\xbf[]", (Code.INVALID_JSON, None)),
        ("[]".encode("utf-16"), (Code.INVALID_JSON, None)),
        (b'["\xff"]', (Code.INVALID_JSON, None)),
        (b"[NaN]", (Code.INVALID_JSON, None)),
        (b"[Infinity]", (Code.INVALID_JSON, None)),
        (b'{"hourly":[],"hourly":[]}', (Code.INVALID_JSON, None)),
        (b'{"hourly":[],"hourl\\u0079":[]}', (Code.INVALID_JSON, None)),
        (b"[" * 33 + b"]" * 33, (Code.INVALID_JSON, None)),
        (b"[" * 100_000, (Code.INVALID_JSON, None)),
        (b'{"a":' * 100_000, (Code.INVALID_JSON, None)),
        (b"[] []", (Code.INVALID_JSON, None)),
        (b"null", (Code.INVALID_PAYLOAD, None)),
        (b'"hourly"', (Code.INVALID_PAYLOAD, None)),
        (b"{}", (Code.INVALID_PAYLOAD, None)),
        (b'{"hourly":null}', (Code.INVALID_PAYLOAD, None)),
        (b'{"hourly":{}}', (Code.INVALID_PAYLOAD, None)),
        (b'{"data":{}}', (Code.INVALID_PAYLOAD, None)),
        (b'{"data":{"hourly":1}}', (Code.INVALID_PAYLOAD, None)),
        (b'{"hourly":[],"data":[]}', (Code.INVALID_PAYLOAD, None)),
        (b"[null]", (Code.INVALID_BUCKET, "[0]")),
        (b'{"data":[7]}', (Code.INVALID_BUCKET, "data[0]")),
    ],
)
def test_body_that_is_no_delivery_is_refused_as_a_whole(body: bytes, expected: tuple[Code, str | None]) -> None:
    """What is not one unambiguous JSON text of a known shape never becomes half a delivery."""
    assert refusal(body) == expected


@pytest.mark.parametrize(
    "name",
    [
        "user_id",
        "device_id",
        "token",
        "billable_total_tokens",
        "prompt",
        "__proto__",
        "constructor",
        "m\u043edel",
        "Source",
        "",
    ],
)
def test_unknown_field_is_refused_by_its_position_and_never_by_its_name(name: str) -> None:
    """No body can name a user or a device, and the answer quotes nothing that was sent."""
    assert refusal({"hourly": [bucket(), bucket(**{name: 1})]}) == (Code.UNKNOWN_FIELD, "hourly[1].#8")
    assert refusal({"hourly": [], name: 1}) == (Code.UNKNOWN_FIELD, "#1")
    assert refusal({"data": {"hourly": [], name: 1}}) == (Code.UNKNOWN_FIELD, "data.#1")


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "-0",
        "1.5",
        "1.0",
        "1e3",
        '"1"',
        '"١٢"',
        "true",
        "null",
        "1e999",
        "-1e999",
        "1E400",
        "9" * 5000,
        "[]",
        "{}",
    ],
)
def test_count_that_is_no_integer_is_refused(text: str) -> None:
    """Only JSON integers count: an integral float, a text or a boolean is somebody's mistake."""
    body = json.dumps([bucket()]).replace('"total_tokens": 1', f'"total_tokens": {text}').encode()
    assert refusal(body) == (Code.INVALID_COUNT, "[0].total_tokens")


@pytest.mark.parametrize("text", ["\u0661\u0662", "1_000", "NaN", "Infinity", "+1", "01", "0x1", ".5", "1."])
def test_count_that_is_no_json_spoils_its_body(text: str) -> None:
    """What only a language's own reader takes for a number is no JSON."""
    body = json.dumps([bucket()]).replace('"total_tokens": 1', f'"total_tokens": {text}').encode()
    assert refusal(body) == (Code.INVALID_JSON, None)


@pytest.mark.parametrize("count", [10**12 + 1, 2**53, 2**63])
def test_count_beyond_the_bound_is_refused_as_too_large(count: int) -> None:
    """No count can overflow a column or a sum."""
    assert refusal([bucket(input_tokens=count)]) == (Code.COUNT_TOO_LARGE, "[0].input_tokens")


def test_count_at_the_bounds_is_taken() -> None:
    """Zero is how a client retracts, and the bound itself is in."""
    assert [row.total for row in read([bucket(total=0), bucket(total=10**12, model="b")])] == [0, 10**12]


def test_missing_count_is_refused() -> None:
    """All five counters are stated, always."""
    row = bucket()
    del row["cached_input_tokens"]
    assert refusal([row]) == (Code.INVALID_COUNT, "[0].cached_input_tokens")


def test_inconsistent_counts_are_taken_as_they_are() -> None:
    """Sources differ in what their counters mean, so nothing is repaired."""
    (row,) = read([bucket(total=1, input_tokens=5, cached_input_tokens=9)])
    assert (row.input, row.cached_input, row.total) == (5, 9, 1)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-10T12:15:00Z",
        "2026-03-10T12:29:59.999Z",
        "2026-03-10T12:00:00.0001Z",
        "2026-03-10T12:00:00",
        "2026-03-10T12:00:00+05:30",
        "2026-03-10T12:00:00+05:45",
        "2026-03-10T12:30:00+05:30",
        "2026-03-10T12:00:00+0000",
        "2026-03-10T12:00:00+00",
        "2026-03-10T12:00:00Z+00:00",
        "2026-03-10T12:00:00.Z",
        "2026-3-10T12:00:00Z",
        "\uff12\uff10\uff12\uff16-03-10T12:00:00Z",
        "2026-03-10T12:00:00+00:00:30",
        "2026-03-10T12:00:00-00:00",
        "2026-03-10T24:00:00Z",
        "2026-03-10T12:00:60Z",
        "2025-02-29T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "+010000-01-01T00:00:00Z",
        "2026-W10-2T12:00:00Z",
        "2026-069T12:00:00Z",
        "20260310T120000Z",
        "2026-03-10 12:00:00Z",
        "2026-03-10T12:00:00,0Z",
        "2026-03-10t12:00:00Z",
        "2026-03-10T12:00:00z",
        "٢٠٢٦-03-10T12:00:00Z",
        "2026-03-10T12:00:00Z\0",
        " 2026-03-10T12:00:00Z",
        "2026-03-10T12:00:00Z\n",
        "2026-03-10",
        "1",
        "",
        "2026-03-10T12:00:00.0000000000Z",
        "2026-03-10T12:00Z",
        "17 Dec 2025 00:00:00 GMT",
    ],
)
def test_hour_start_of_any_other_form_is_refused(text: str) -> None:
    """One grammar, so that no two readers can take one text for two half hours."""
    assert refusal([bucket(hour_start=text)]) == (Code.INVALID_HOUR_START, "[0].hour_start")


@pytest.mark.parametrize("value", [None, 1773144000, 1773144000.0, True, [], {}])
def test_hour_start_that_is_no_text_is_refused(value: object) -> None:
    """A number is no instant."""
    assert refusal([bucket(hour_start=value)]) == (Code.INVALID_HOUR_START, "[0].hour_start")


@pytest.mark.parametrize(
    "text", ["2026-03-10T12:00:00Z", "2026-03-10T12:00:00.0Z", "2026-03-10T12:00:00.000000000+00:00"]
)
def test_hour_start_in_each_spelling_of_the_grammar_is_one_slot(text: str) -> None:
    """Fractions of zero and the two ways to write UTC mean the same half hour."""
    assert read([bucket(hour_start=text)])[0].slot == int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()) // 1800


@given(st.integers(min_value=0, max_value=2_000_000_000 // 1800))
def test_hour_start_written_for_a_slot_is_read_as_that_slot(slot: int) -> None:
    """Writing and reading a half hour are inverse."""
    assert slot_of(hour_start_of(slot)) == slot


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [
        (datetime(2026, 3, 10, 12, 10, tzinfo=UTC), "2023-12-31T12:00", "2026-03-10T12:30"),
        (datetime(2026, 3, 10, 12, 24, 59, tzinfo=UTC), "2023-12-31T12:00", "2026-03-10T12:30"),
        (datetime(2026, 3, 10, 12, 25, tzinfo=UTC), "2023-12-31T12:00", "2026-03-10T13:00"),
    ],
)
def test_window_reaches_one_half_hour_and_five_minutes_ahead_and_800_days_back(
    now: datetime, first: str, last: str
) -> None:
    """A client's clock may be five minutes fast, and its queue two years old."""
    window = window_at(now)
    assert (hour_start_of(window.first_slot)[:16], hour_start_of(window.last_slot)[:16]) == (first, last)
    for outside in (window.first_slot - 1, window.last_slot + 1):
        with pytest.raises(Refused, match="OUTSIDE_WINDOW"):
            read_delivery(json.dumps([bucket(hour_start_of(outside))]).encode(), window=window)


@pytest.mark.parametrize(
    ("given_name", "canonical"),
    [
        ("a", "a"),
        ("A" * 64, "a" * 64),
        (" GPT-5 \t\r\n", "gpt-5"),
        ("e\u0301", "\u00e9"),
        ("\u0130", "\u0130"),
        ("\u212a", "k"),
        ("H\u0331x", "\u1e96x"),
        ("h\u0331x", "\u1e96x"),
        ("K\u0331", "\u1e34"),
        ("\u1e34", "\u1e34"),
        ("\u212a\u0331", "\u1e34"),
        ("ß", "ß"),
        ("a::b", "a::b"),
        ("a|b", "a|b"),
        ("'; drop table ledger;--", "'; drop table ledger;--"),
        ('" OR 1=1', '" or 1=1'),
        ("%", "%"),
        ("_", "_"),
        ("\\", "\\"),
        ("$1", "$1"),
        ("?", "?"),
        ("{0}", "{0}"),
        ("A" * 65, None),
        ("\u200b", None),
        ("a\u200bb", None),
        ("\ufeffa", None),
        ("a\u202eb", None),
        ("\ud800", None),
        ("\U000e0001", None),
        ("\U0003ffff", None),
        ("a\nb", None),
        ("a\0b", None),
        ("a\u2028b", None),
        ("a\u00a0b", None),
        ("\u0300" * 1000, None),
    ],
)
def test_name_has_one_canonical_form_or_is_refused(given_name: str, canonical: str | None) -> None:
    """Distinct names never merge but by the defined folding, and nothing that does not print is a name."""
    if canonical is None:
        assert refusal([bucket(source=given_name)]) == (Code.INVALID_NAME, "[0].source")
    else:
        assert read([bucket(source=given_name)])[0].source == canonical


def test_model_may_have_200_characters_and_no_more() -> None:
    """A name that an index cannot hold never reaches it."""
    assert read([bucket(model="m" * 200)])[0].model == "m" * 200
    assert refusal([bucket(model="m" * 201)]) == (Code.INVALID_NAME, "[0].model")


@pytest.mark.parametrize("value", [None, "", "  "])
def test_absent_name_is_the_default(value: object) -> None:
    """The uploader leaves them out, or empty."""
    (row,) = read([bucket(source=value, model=value)])
    assert (row.source, row.model) == ("codex", "unknown")


@pytest.mark.parametrize("value", [1, True, [], {}, 1.5])
def test_name_that_is_no_text_is_refused(value: object) -> None:
    """What is there and is no text is a mistake, not a default."""
    assert refusal([bucket(model=value)]) == (Code.INVALID_NAME, "[0].model")


MARKED = st.text(st.sampled_from("HhJjTtKkWwYyEe\u212a\u0331\u030c\u0308\u030a\u0301\u0323"), max_size=6)


@given(st.text(max_size=70) | MARKED)
def test_canonical_form_of_a_canonical_name_is_itself(text: str) -> None:
    """Normalising twice changes nothing, so a filter finds what was stored."""
    name = canonical_name(text, 64)
    if name is not None:
        assert canonical_name(name, 64) == name
        assert unicodedata.is_normalized("NFC", name)


def test_repeated_key_in_one_batch_keeps_the_last_statement() -> None:
    """Exact, differing in case, in spelling of the time, or in value: the last one holds, and tuples never collide."""
    rows = [
        bucket(total=1),
        bucket(total=2, source="CODEX"),
        bucket("2026-03-10T12:00:00Z", total=3),
        bucket(total=4, source="a::b", model="c"),
        bucket(total=5, source="a", model="b::c"),
    ]
    assert [(row.source, row.model, row.total) for row in read(rows)] == [
        ("codex", "gpt-5", 3),
        ("a::b", "c", 4),
        ("a", "b::c", 5),
    ]


@pytest.mark.parametrize(("count", "code"), [(501, Code.TOO_MANY_BUCKETS), (5000, Code.TOO_MANY_BUCKETS)])
def test_more_than_500_buckets_are_refused_before_any_is_read(count: int, code: Code) -> None:
    """The cap counts what was sent, so 501 equal buckets are too many and a bad one among them is not looked at."""
    assert refusal([bucket()] * count) == (code, None)
    assert refusal([{"x": 1}] * count) == (code, None)
    assert len(read([bucket()] * 500)) == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda of: st.lists(of) | st.dictionaries(st.text(), of)
    )
)
def test_strict_reader_agrees_with_the_standard_one_on_plain_values(value: object) -> None:
    """Being strict adds refusals, never another meaning."""
    if _depth(value) <= strict_json.MAX_DEPTH and not _has_huge(value):
        assert strict_json.parse(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_reader_answers_any_bytes_with_a_value_or_a_refusal(body: bytes) -> None:
    """Hostile bytes cost a 400 and nothing else."""
    with suppress(strict_json.JsonRefusedError):
        strict_json.parse(body)


def test_depth_is_counted_exactly_and_brackets_in_texts_do_not_count() -> None:
    """Thirty-two levels are read; one more is refused; a text full of brackets and escapes is no level."""
    assert strict_json.parse(b"[" * 32 + b"]" * 32) is not None
    with pytest.raises(strict_json.JsonRefusedError):
        strict_json.parse(b'{"a":' * 33 + b"1" + b"}" * 33)
    tricky = '\\"[[[{{{' * 40
    assert strict_json.parse(json.dumps([tricky]).encode()) == [tricky]


def _depth(value: object) -> int:
    parts = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


def _has_huge(value: object) -> bool:
    if isinstance(value, int):
        return len(str(value)) > 20
    parts = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    return any(map(_has_huge, parts))


@pytest.mark.parametrize("text", ["1969-12-31T23:30:00Z", "1960-01-01T00:00:00Z", "9999-12-31T23:30:00Z"])
def test_year_that_no_store_holds_is_outside_of_any_window(text: str) -> None:
    """However far back an operator lets clients go, half hours are counted from the epoch."""
    window = window_at(NOW, past_days=36_500)
    assert hour_start_of(window.first_slot) == "1970-01-01T00:00:00.000Z"
    with pytest.raises(Refused, match="OUTSIDE_WINDOW"):
        read_delivery(json.dumps([bucket(text)]).encode(), window=window)


def test_leap_day_is_a_day() -> None:
    """The day that is there every four years is, and the one that is not there is not."""
    assert (
        read([bucket("2024-02-29T23:30:00Z")])[0].slot
        == int(datetime(2024, 2, 29, 23, 30, tzinfo=UTC).timestamp()) // 1800
    )


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([{"hourly": [bucket()]}], "[0].#0"),
        ({"data": {"data": [bucket()]}}, "data.#0"),
        ({"hourly": [{**bucket(), "usage": {"prompt": "x"}}]}, "hourly[0].#8"),
    ],
)
def test_field_that_is_unknown_where_it_stands_is_refused(value: object, place: str) -> None:
    """A name that is known elsewhere is not known here."""
    assert refusal(value) == (Code.UNKNOWN_FIELD, place)


@pytest.mark.parametrize("value", [{"user_id": "root"}, ["codex"], [[]]])
def test_structure_in_place_of_a_name_is_refused(value: object) -> None:
    """Nothing hides inside of a field."""
    assert refusal([bucket(source=value)]) == (Code.INVALID_NAME, "[0].source")


@given(MARKED)
def test_names_that_unicode_holds_equal_are_one(text: str) -> None:
    """However a program composes its letters, it speaks of one key."""
    forms = {canonical_name(unicodedata.normalize(form, text), 200) for form in ("NFC", "NFD")}
    assert forms == {canonical_name(text, 200)}


@given(st.text(st.characters(exclude_categories=()), max_size=6) | MARKED, st.text(max_size=6) | MARKED)
def test_names_become_one_only_by_the_defined_folding(first: str, second: str) -> None:
    """Edges trimmed, NFC, ASCII letters lowered, NFC: what differs then stays different, and so does `ß` from `ss`."""
    one, other = canonical_name(first, 200), canonical_name(second, 200)

    def folded(text: str) -> str:
        normal = unicodedata.normalize("NFC", text.strip(" \t\n\v\f\r"))
        return unicodedata.normalize("NFC", "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in normal))

    if one is not None and other is not None:
        assert (one == other) == (folded(first) == folded(second))


def test_window_moves_with_the_clock_alone() -> None:
    """A clock that jumps a day moves what is accepted, and nothing else."""
    assert window_at(NOW + timedelta(days=1)).last_slot - window_at(NOW).last_slot == 48
