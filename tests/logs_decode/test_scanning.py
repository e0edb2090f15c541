"""The compiled scanner: it is there, knows the bounds of the fields, and counts as the rest of the pipeline does."""

from __future__ import annotations

import contextlib
import json
import os
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.buckets import bucket_of
from attribute.engines.analysis import AnalysisOptions, Window
from attribute.engines.partial import Partial, digest
from attribute.frames import RECORDS
from attribute.logs.lines import decode_chunk
from attribute.logs.scanning import SCAN, CalmTerms, Scan, Scanned
from attribute.m1.decode import parse_instant_us
from attribute.m1.fields import CLAIMING_NAMES, ENDING_STAGES, FIELDS, Kind
from attribute.rollup import Rollup, merge
from attribute.rules.catalogue import builtin
from attribute.rules.compile import compile_rules
from attribute.rules.thresholds import Limits, Thresholds
from tests.drawn import examples
from tests.logs_decode.asking import chunk_of
from tests.logs_decode.making import logs

needs_scanner = pytest.mark.skipif(
    SCAN is None and not os.environ.get("CI"), reason="the scanner was not compiled: no C compiler at installation"
)
RULES = compile_rules(builtin(), Thresholds(by_function={"fn-1": Limits(slow_ms=300.0)}))
SOUND: dict[str, object] = {
    "request_id": "r1", "function": "quote", "stage": "response", "status": 200, "latency_ms": 12, "error_code": None,
    "upstream_status": 200, "upstream_latency_ms": 10, "ts": 1794830400000, "upstream": "records", "upstream_calls": 1,
    "v": 1,
}  # fmt: skip
AT = datetime(2026, 11, 16, 12, tzinfo=UTC)
TERMS = CalmTerms(below_ms=1000.0, latency_slot=timedelta(days=1))


def terms_for(window: Window, slot: timedelta) -> CalmTerms:
    """Return how an engine counts calm records under the limits of `RULES`."""
    options = AnalysisOptions(paths=(), catalogue=builtin(), thresholds=RULES.thresholds)
    return replace(options, window=window, latency_slot=slot).calm_terms()


def scanned(*rows: dict[str, object], calm: CalmTerms | None = None) -> Scanned:
    assert SCAN is not None
    found = SCAN(b"".join(json.dumps(row).encode() + b"\n" for row in rows), strict=False, calm=calm)
    assert found is not None
    return found


def test_scanner_is_compiled_where_checks_run_for_all() -> None:
    """A build that silently lost its compiler would only show in the time taken."""
    assert SCAN is not None or not os.environ.get("CI")


@needs_scanner
@pytest.mark.parametrize("field", FIELDS, ids=lambda field: str(field.name))
def test_scanner_vouches_for_values_within_bounds_and_for_no_others(field: object) -> None:
    """The bounds stand in the table of fields; the scanner's copies of them agree with it."""
    known = {each.name: each for each in FIELDS}[str(getattr(field, "name", ""))]
    within: list[object] = []
    beyond: list[object] = []
    match known.kind:
        case Kind.TEXT:
            within = ["x" * max(known.minimum, 1), "x" * known.maximum]
            beyond = ["x" * (known.maximum + 1), *([""] if known.minimum else [])]
        case Kind.STATUS | Kind.UPSTREAM_STATUS:
            within, beyond = [known.minimum, known.maximum], [known.minimum - 1, known.maximum + 1]
        case Kind.MILLISECONDS:
            within, beyond = [0, known.maximum, 0.125], [known.maximum + 1, known.maximum + 0.5, -1]
        case Kind.COUNT:
            within, beyond = [0, known.maximum], [known.maximum + 1, -1]
        case Kind.VERSION:
            within, beyond = [known.minimum, known.maximum], [known.minimum - 1, known.maximum + 1]
        case Kind.INSTANT:
            within, beyond = ["9999-12-31T23:59:59.999999Z", 1], ["1969-12-31T23:59:59Z", 253402300800000]
    (within if known.nullable else beyond).append(None)
    found = scanned(*({**SOUND, known.name: value} for value in within + beyond))
    others = [place for places in found.refusals.values() for place in places] + [place for place, _, _ in found.left]
    vouched = list(range(len(within)))
    assert (found.lines.to_list(), sorted(others)) == (vouched, [len(within) + at for at in range(len(beyond))])


@needs_scanner
@pytest.mark.parametrize("name", [field.name for field in FIELDS])
def test_scanner_rejects_a_line_without_a_required_field_and_leaves_one_with_a_field_twice(name: str) -> None:
    """What is said twice is for the exact path to judge."""
    without = {key: value for key, value in SOUND.items() if key != name}
    required = {field.name for field in FIELDS if field.required}
    twice = json.dumps(SOUND)[:-1] + f', "{name}": {json.dumps(SOUND[name])}}}\n'
    assert SCAN is not None
    found = SCAN(json.dumps(without).encode() + b"\n" + twice.encode(), strict=False, calm=None)
    assert found is not None
    claims_nothing = name in CLAIMING_NAMES  # and is not M1
    assert (found.records.height, found.not_m1) == (name not in required, claims_nothing)
    is_missed = name in required and not claims_nothing
    assert found.refusals == ({("missing-field", name): [0]} if is_missed else {})
    assert [place for place, _, _ in found.left] == [1]


def numbers_since_the_epoch() -> st.SearchStrategy[str]:
    """Write numbers with and without a point, most of them around the seconds and milliseconds of today."""
    digits = st.text("0123456789", max_size=9)
    whole = st.sampled_from(["1", "1794787200", "1794787200123", "99999999999", "100000000000", "253402300799999"])
    drawn = st.integers(1, 10**15 - 1).map(str)
    halves = st.sampled_from(["", "5", "0000005", "4999995", "9999995", "00048828125", "0000", "123456"])
    return st.tuples(whole | drawn, halves | digits).map(lambda both: both[0] + ("." + both[1] if both[1] else ""))


@needs_scanner
@settings(max_examples=examples(200), deadline=None)
@given(texts=st.lists(numbers_since_the_epoch(), min_size=1, max_size=30))
def test_number_since_the_epoch_is_the_instant_that_the_record_definition_says(texts: list[str]) -> None:
    """Seconds and milliseconds, to the nearest microsecond; a number that is none is vouched for by no one."""
    pieces = [json.dumps({**SOUND, "ts": 0}).replace('"ts": 0', f'"ts": {text}') for text in texts]
    assert SCAN is not None
    found = SCAN("".join(piece + "\n" for piece in pieces).encode(), strict=False, calm=None)
    assert found is not None
    said: dict[int, int] = {}
    for line, text in enumerate(texts):
        with contextlib.suppress(ValueError):
            said[line] = parse_instant_us(json.loads(text))
    at_us = found.records.frame(RECORDS)["at"].to_physical()
    vouched = dict(zip(found.lines.to_list(), at_us.to_list(), strict=True))
    few_digits = {line for line in said if len(texts[line].replace(".", "")) <= 19}
    assert vouched == {line: said[line] for line in few_digits}


@needs_scanner
@settings(max_examples=examples(120), deadline=None)
@given(latencies=st.lists(st.integers(0, 999_999).map(lambda us: us / 1000), min_size=1, max_size=20))
def test_calm_latency_counts_in_the_bucket_it_belongs_to(latencies: list[float]) -> None:
    """There is one definition of a bucket, written twice."""
    found = scanned(*({**SOUND, "latency_ms": value, "upstream_latency_ms": None} for value in latencies), calm=TERMS)
    assert found.calm is not None
    counted = {(measure, bucket): requests for _, _, _, measure, bucket, requests in found.calm.latency.iter_rows()}
    expected: dict[tuple[str, int], int] = {}
    for value in latencies:
        expected["total", bucket_of(value)] = expected.get(("total", bucket_of(value)), 0) + 1
    assert counted == expected


@needs_scanner
@pytest.mark.parametrize("stage", [*ENDING_STAGES, "upstream", "responses", "Response"])
def test_calm_record_ends_its_request_by_its_stage(stage: str) -> None:
    """The stages that end a request are the two of the record's definition."""
    found = scanned({**SOUND, "stage": stage}, calm=TERMS).calm
    assert found is not None
    ends = stage in ENDING_STAGES
    assert found.records["ending"].to_list() == [ends]
    assert found.ending_functions == (frozenset({"quote"}) if ends else frozenset())


def summed(parts: tuple[Rollup, ...]) -> Rollup:
    return merge(parts)


def same_digest(one: Partial, other: Partial) -> None:
    assert one.tally == other.tally
    assert summed(one.ended) == summed(other.ended)
    assert summed(one.unended) == summed(other.unended)
    assert one.ending_functions == other.ending_functions
    assert one.loud.sort(RECORDS.names()).equals(other.loud.sort(RECORDS.names()))
    assert one.quiet.sort("hash", "ending").equals(other.quiet.sort("hash", "ending"))


@needs_scanner
@settings(max_examples=examples(80), deadline=None)
@given(
    data=logs(),
    since=st.none() | st.integers(-90, 90),
    until=st.none() | st.integers(-90, 90),
    slot=st.sampled_from([timedelta(minutes=10), timedelta(days=1)]),
)
def test_counting_calm_records_on_the_spot_changes_no_count(
    data: bytes, since: int | None, until: int | None, slot: timedelta
) -> None:
    """Whether rows are handed out and then counted, or counted at once, is a matter of speed alone."""
    ends = [None if minutes is None else AT + timedelta(minutes=minutes) for minutes in (since, until)]
    window = Window(since_at=ends[0], until_at=ends[1])
    terms = terms_for(window, slot)
    chunk = chunk_of(data)
    same_digest(
        digest(decode_chunk(chunk, calm=terms, fast_from=1), compiled=RULES, window=window, latency_slot=slot),
        digest(decode_chunk(chunk, fast_from=10**9), compiled=RULES, window=window, latency_slot=slot),
    )


@pytest.mark.parametrize("scan", [None, SCAN])
@pytest.mark.parametrize("refused", [-1, -0.7, -1e300, 1e300, 1_000_000_001])
@pytest.mark.parametrize("field", ["latency_ms", "upstream_latency_ms"])
def test_latency_of_a_refused_line_counts_nowhere(field: str, refused: float, scan: Scan | None) -> None:
    """Lines are read many at once: a number that spoils its own line spoils no other, and never the run."""
    calm: list[dict[str, object]] = [{"function": name, "latency_ms": 600} for name in ("fn-1", "quote")]
    changes: list[dict[str, object]] = [*calm, {field: refused}, *calm] * 3
    rows = [SOUND | {"request_id": f"r{n}"} | change for n, change in enumerate(changes)]
    chunk = chunk_of(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    window, slot = Window(), timedelta(days=1)
    exact = digest(decode_chunk(chunk, fast_from=10**9), compiled=RULES, window=window, latency_slot=slot)
    assert (exact.tally.records, exact.tally.rejected, exact.loud.height) == (12, 3, 6)
    for terms in (None, terms_for(window, slot)):
        fast = decode_chunk(chunk, calm=terms, fast_from=1, scan=scan)
        same_digest(digest(fast, compiled=RULES, window=window, latency_slot=slot), exact)


@needs_scanner
def test_more_names_than_fit_a_packed_key_are_counted_all_the_same() -> None:
    """A log in which every record names its own code, stage, upstream and function costs time and nothing else."""
    draw = random.Random(3)
    rows = [
        SOUND
        | {"request_id": f"r{n}", "function": f"f{n}", "stage": f"s{n % 300}", "error_code": f"e{n % 5000}"}
        | {"upstream": f"u{n % 300}", "latency_ms": draw.randrange(900)}
        for n in range(6_000)
    ]
    chunk = chunk_of(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    window, slot = Window(), timedelta(days=1)
    terms = terms_for(window, slot)
    one = digest(decode_chunk(chunk, calm=terms), compiled=RULES, window=window, latency_slot=slot)
    other = digest(decode_chunk(chunk), compiled=RULES, window=window, latency_slot=slot)
    same_digest(one, other)
    assert int(summed(one.unended).counts["requests"].sum()) == 6_000
