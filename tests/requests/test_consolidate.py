"""Which record decides, who lends what it lacks, and what counts once: one case for each promise."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations, permutations
from typing import Any

import pytest

from attribute.frames import RECORDS, REQUESTS
from attribute.requests import consolidate, count_duplicates, trace
from tests.rules.records import EPOCH, record, records_frame

SECOND = timedelta(seconds=1)


def one(*log: dict[str, Any]) -> dict[str, Any]:
    """Consolidate the records of one request in every order; the answer must be the same."""
    answers = [consolidate(records_frame(order)).to_dicts() for order in permutations(log)]
    assert all(answer == answers[0] for answer in answers)
    (request,) = answers[0]
    return request


def test_request_of_one_record_is_that_record() -> None:
    """Nothing is added to a single record but that it is alone."""
    only = record(status=500, at=EPOCH)
    assert one(only) == {**only, "joined_from": None, "records": 1}


def test_exception_decides_over_a_later_response() -> None:
    """An exception is the last word, whatever was written after it."""
    got = one(
        record(stage="exception", status=500, at=EPOCH, latency_ms=1.0),
        record(stage="response", status=200, at=EPOCH + SECOND, latency_ms=9.0),
        record(stage="slow_query", status=404, at=EPOCH + 2 * SECOND, latency_ms=10.0),
    )
    assert (got["stage"], got["status"], got["records"]) == ("exception", 500, 3)


def test_response_decides_over_any_other_stage() -> None:
    """A record on the way does not answer for the request."""
    got = one(record(stage="upstream", status=500, latency_ms=90.0), record(stage="response", latency_ms=80.0))
    assert (got["stage"], got["status"]) == ("response", 200)


def test_stage_is_read_to_the_letter() -> None:
    """`Response` is a stage on the way: only `response` and `exception` end a request."""
    got = one(record(stage="Response", status=500, latency_ms=90.0), record(stage="response", latency_ms=80.0))
    assert got["stage"] == "response"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"at": None, "latency_ms": 9.0}, {"at": EPOCH, "latency_ms": 1.0}),
        ({"at": EPOCH, "latency_ms": 9.0}, {"at": EPOCH + SECOND, "latency_ms": 1.0}),
        ({"at": EPOCH, "latency_ms": 1.0}, {"at": EPOCH, "latency_ms": 9.0}),
        ({"latency_ms": 1.0, "status": 500}, {"latency_ms": 9.0, "status": 200}),
        ({"status": 200}, {"status": None}),
        ({"status": 399}, {"status": 400}),
        ({"status": None}, {"status": 400}),
        ({"status": 404}, {"status": 500}),
        ({"status": 200, "error_code": None}, {"status": 200, "error_code": "a"}),
        ({"error_code": "a", "upstream_status": 503}, {"error_code": "b", "upstream_status": 200}),
        ({"upstream_status": 200}, {"upstream_status": 503}),
        ({"upstream_latency_ms": 1.0}, {"upstream_latency_ms": 2.0}),
        ({"function": "a"}, {"function": "b"}),
        ({"upstream": None}, {"upstream": "a"}),
        ({"upstream_calls": None}, {"upstream_calls": 0}),
    ],
)
def test_last_of_one_stage_decides(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    """Last by time, then by latency, then a failure over a success, then by content: never by place."""
    got = one(record(**earlier), record(**later))
    assert {name: got[name] for name in later} == later


BY_BADNESS = ((503, 0, 599), (404, 429), (100, 200, 302), (-1,))
LENDERS = [
    (worse, better)
    for worse_ones, better_ones in combinations(BY_BADNESS, 2)
    for worse in worse_ones
    for better in better_ones
]


@pytest.mark.parametrize(("worse", "better"), LENDERS)
def test_failed_record_lends_first(worse: int, better: int) -> None:
    """A failure before any other 4xx, before any other status, before what is no status, however late it came."""
    got = one(
        record(stage="upstream", status=None, upstream_status=better, upstream_latency_ms=1.0, latency_ms=10.0),
        record(stage="retry", status=None, upstream_status=worse, upstream_latency_ms=2.0, latency_ms=20.0),
        record(status=502, upstream_status=None, upstream_latency_ms=None, latency_ms=30.0),
    )
    assert (got["upstream_status"], got["upstream_latency_ms"], got["joined_from"]) == (worse, 2.0, "retry")


def test_earliest_of_equal_lenders_lends() -> None:
    """Of several failures the first is the one that decided the answer."""
    got = one(
        record(stage="b", status=None, upstream_status=0, latency_ms=20.0, upstream_latency_ms=20.0),
        record(stage="a", status=None, upstream_status=500, latency_ms=10.0, upstream_latency_ms=10.0),
        record(status=502, upstream_status=None, upstream_latency_ms=None, latency_ms=30.0),
    )
    assert (got["upstream_status"], got["upstream_latency_ms"], got["joined_from"]) == (500, 10.0, "a")


def test_own_evidence_is_kept() -> None:
    """What the deciding record knows itself is never replaced, be it no status at all."""
    for own in (200, -1):
        got = one(
            record(stage="upstream", status=None, upstream_status=503, latency_ms=10.0, upstream_latency_ms=9.0),
            record(status=500, upstream_status=own, latency_ms=30.0, upstream_latency_ms=5.0),
        )
        assert (got["upstream_status"], got["upstream_latency_ms"], got["joined_from"]) == (own, 5.0, None)


def test_latency_alone_is_lent_with_its_calls() -> None:
    """A deciding record with a status and without a latency takes the latency, and what it sums over."""
    got = one(
        record(stage="upstream", status=None, upstream_status=None, upstream_latency_ms=7.0, upstream_calls=3),
        record(status=500, upstream_status=200, upstream_latency_ms=None),
    )
    assert (got["upstream_status"], got["upstream_latency_ms"], got["upstream_calls"]) == (200, 7.0, 3)
    assert got["joined_from"] == "upstream"


def call(stage: str, latency_ms: float, **said: object) -> dict[str, Any]:
    return record(stage=stage, status=None, **{"upstream_status": 200, "upstream_latency_ms": latency_ms, **said})


SLOW = record(status=200, upstream_status=200, upstream_latency_ms=None, latency_ms=3000.0)


def test_slow_call_is_not_hidden_by_a_fast_one() -> None:
    """Whichever came first, and whether the status is lent with it or not."""
    for last in (SLOW, {**SLOW, "upstream_status": None}):
        got = one(call("fast", 10.0, upstream_calls=1), call("slow", 2900.0, upstream_calls=1), last)
        assert (got["upstream_status"], got["upstream_latency_ms"], got["joined_from"]) == (200, 2900.0, "slow")


@pytest.mark.parametrize(
    ("lender", "others", "calls"),
    [
        (call("a", 9.0, upstream_calls=1), [], 1),
        (call("a", 9.0, upstream_calls=None), [], None),
        (call("a", 9.0, upstream_calls=1), [call("b", 8.0, upstream_calls=1)], None),
        (call("a", 9.0, upstream_calls=2), [call("b", 8.0, upstream_calls=1)], 2),
        (call("a", 9.0, upstream_calls=1), [record(stage="b", upstream_latency_ms=None, upstream_calls=1)], 1),
        (call("a", 9.0, upstream_calls=1), [record(stage="b", upstream_latency_ms=None, upstream_calls=2)], None),
        (call("a", 9.0, upstream_status=503, upstream_calls=2), [call("b", 8.0, upstream_calls=1)], 2),
        (call("a", 9.0, upstream_status=503, upstream_calls=2), [call("b", 9.5, upstream_calls=1)], None),
    ],
)
def test_calls_are_lent_only_where_the_latency_is_that_of_all(
    lender: dict[str, Any], others: list[dict[str, Any]], calls: int | None
) -> None:
    """Where other records speak of more, nobody knows what the latency leaves out."""
    got = one(lender, *others, SLOW)
    assert (got["upstream_latency_ms"], got["upstream_calls"], got["joined_from"]) == (9.0, calls, "a")


def test_calls_that_the_deciding_record_counts_are_not_taken_for_those_of_a_lender() -> None:
    """It counted two, and the lender knows the latency of one."""
    assert one(call("a", 9.0, upstream_calls=1), {**SLOW, "upstream_calls": 2})["upstream_calls"] is None
    assert one(call("a", 9.0, upstream_calls=2), {**SLOW, "upstream_calls": 2})["upstream_calls"] == 2


def test_latency_that_another_function_lends_is_not_known_to_be_all() -> None:
    """It knows of its own calls, and of none that the deciding function made."""
    lender = call("response", 10.0, upstream_calls=1)
    of_other = one({**lender, "function": "other"}, {**SLOW, "stage": "exception"})
    assert (of_other["upstream_latency_ms"], of_other["upstream_calls"]) == (10.0, None)
    assert one(lender, {**SLOW, "stage": "exception"})["upstream_calls"] == 1
    with_status = one({**lender, "function": "other"}, {**SLOW, "stage": "exception", "upstream_status": None})
    assert (with_status["upstream_latency_ms"], with_status["upstream_calls"]) == (10.0, None)


@pytest.mark.parametrize(
    ("other", "calls"),
    [
        (call("upstream", 10.0, upstream_calls=1), 1),
        (call("upstream", 4400.0, upstream_calls=1), None),
        (call("upstream", 4400.0, upstream_calls=None), None),
        (call("upstream", 5.0, upstream_calls=2), None),
        (record(stage="upstream", upstream_latency_ms=None, upstream_calls=2), None),
        (record(stage="upstream", upstream_latency_ms=None, upstream_calls=None), 1),
    ],
)
def test_own_latency_is_not_all_where_another_record_speaks_of_more(other: dict[str, Any], calls: int | None) -> None:
    """The deciding record's latency is kept, but what the request's own records speak against is no sum of all."""
    got = one(other, {**SLOW, "upstream_latency_ms": 10.0, "upstream_calls": 1})
    assert (got["upstream_latency_ms"], got["upstream_calls"], got["joined_from"]) == (10.0, calls, None)


def test_latency_of_another_record_is_lent_where_the_lender_of_the_status_has_none() -> None:
    """The status comes from the failed record, the latency from the next that knows one; the first is named."""
    got = one(
        record(stage="failed", status=None, upstream_status=503, upstream_latency_ms=None, latency_ms=10.0),
        record(stage="fine", status=None, upstream_status=200, upstream_latency_ms=4.0, latency_ms=20.0),
        record(status=502, upstream_status=None, upstream_latency_ms=None, latency_ms=30.0),
    )
    assert (got["upstream_status"], got["upstream_latency_ms"], got["joined_from"]) == (503, 4.0, "failed")


def test_name_of_the_upstream_comes_with_its_status() -> None:
    """A vendor is not named for what another one answered."""
    lender = record(stage="call", status=None, upstream_status=503, upstream="mail", latency_ms=10.0)
    last = record(status=502, upstream_status=None, upstream="quotes", latency_ms=30.0)
    assert one(lender, last)["upstream"] == "mail"
    assert one({**lender, "upstream": None}, last)["upstream"] == "quotes"
    assert one(lender, {**last, "upstream_status": 200})["upstream"] == "quotes"


def test_same_record_twice_counts_once() -> None:
    """A line that was shipped twice is one record, and is counted as a duplicate."""
    log = [record(status=500), record(status=500), record(stage="upstream"), record(request_id="other")]
    frame = records_frame(log)
    requests = consolidate(frame)
    assert requests.select("request_id", "records").rows() == [("other", 1), ("r1", 2)]
    assert count_duplicates(frame, requests) == 1


def test_negative_zero_is_zero() -> None:
    """`-0.0` and `0.0` are the same latency, and both are shown as 0."""
    got = one(record(latency_ms=-0.0), record(latency_ms=0.0))
    assert (got["records"], str(got["latency_ms"])) == (1, "0.0")


def test_requests_are_in_order_of_time_then_name_with_untimed_ones_last() -> None:
    """The order of the result is that of time, and never that of lines."""
    log = [
        record(request_id="d"),
        record(request_id="c"),
        record(request_id="b", at=EPOCH),
        record(request_id="a", at=EPOCH + SECOND),
        record(request_id="é", at=EPOCH),
    ]
    assert consolidate(records_frame(log))["request_id"].to_list() == ["b", "é", "a", "c", "d"]


def test_no_records_give_no_requests_of_the_same_shape() -> None:
    """Nothing in, nothing out, with all columns."""
    got = consolidate(RECORDS.to_frame())
    assert (got.height, got.schema) == (0, REQUESTS)


def test_trace_names_the_rows_that_consolidation_used() -> None:
    """Of the distinct records in order of time: which decides and which lends what."""
    failed = record(stage="failed", status=None, upstream_status=503, upstream_latency_ms=None, latency_ms=20.0)
    fine = record(stage="fine", status=None, upstream_status=200, upstream_latency_ms=4.0, latency_ms=10.0)
    last = record(status=502, upstream_status=None, upstream_latency_ms=None, latency_ms=30.0)
    for order in permutations((failed, fine, last, last)):
        got = trace(records_frame(order))
        assert got.records["stage"].to_list() == ["fine", "failed", "response"]
        assert (got.deciding, got.status_lender, got.latency_lender) == (2, 1, 0)
    alone = trace(records_frame([last]))
    assert (alone.deciding, alone.status_lender, alone.latency_lender) == (0, None, None)


def test_trace_of_several_requests_is_refused() -> None:
    """A trace is of one request."""
    for ids in combinations("abc", 2):
        with pytest.raises(ValueError, match="records of 2 requests"):
            trace(records_frame([record(request_id=each) for each in ids]))
