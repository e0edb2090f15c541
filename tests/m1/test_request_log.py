from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import psycopg_pool
import pytest

from attribute.m1 import ActiveRequest, Record, RequestLogger, UpstreamCall, current_request, decode
from tests.m1.conftest import Log, Time
from tests.m1.values import Anything


def evidence(record: dict[str, Any]) -> tuple[object, object, object, object]:
    names = ("upstream_status", "upstream_latency_ms", "upstream", "upstream_calls")
    status, latency, upstream, calls = (record.get(name) for name in names)
    return status, latency, upstream, calls


def break_off(request: ActiveRequest, error: BaseException, status: int | None = None, code: str | None = None) -> None:
    with request:
        request.status, request.error_code = status, code
        raise error


def break_off_call(request: ActiveRequest, error: BaseException, status: int | None = None) -> None:
    with request, request.upstream() as call:
        call.status = status
        raise error


def test_answered_request_writes_one_whole_record(log: Log, time: Time) -> None:
    """One request, one record: what was answered, how long it took, and what the upstream said."""
    with log.logger.request("ingest") as request:
        time.advance(1.5)
        with request.upstream("billing") as call:
            time.advance(40.25)
            call.status = 200
        request.status = 201
        time.advance(0.25)
    assert log.stream.getvalue() == (
        b'{"request_id":"id-1","function":"ingest","stage":"response","status":201,"latency_ms":42.0,'
        b'"error_code":null,"upstream_status":200,"upstream_latency_ms":40.25,"ts":"2026-11-16T00:00:00.042Z",'
        b'"upstream":"billing","upstream_calls":1,"v":1}\n'
    )


def test_request_without_a_call_says_so(log: Log) -> None:
    """No call is no evidence: the status and the latency are null, and the number of calls is zero."""
    with log.logger.request("ingest") as request:
        request.status = 204
    assert evidence(log.record) == (None, None, None, 0)


def test_request_that_sets_no_status_is_logged_without_one(log: Log) -> None:
    """The logger invents no success."""
    with log.logger.request("ingest"):
        pass
    assert (log.record["stage"], log.record["status"]) == ("response", None)


@pytest.mark.parametrize(
    ("given", "logged"), [("abc", "abc"), (None, "id-1"), ("", "id-1"), ("x" * 200, "x" * 128), ("\ud800", "?")]
)
def test_request_id_is_the_callers_within_bounds_or_a_new_one(log: Log, given: str | None, logged: str) -> None:
    """A request always has an id, and the caller can ask which."""
    with log.logger.request("ingest", request_id=given) as request:
        assert request.request_id == logged
    assert log.record["request_id"] == logged


def test_exception_is_recorded_and_passes_on(log: Log) -> None:
    """An exception is never swallowed, and its text is never logged."""
    with pytest.raises(KeyError, match="secret"):
        break_off(log.logger.request("ingest"), KeyError("secret"), status=200)
    record = log.record
    assert (record["stage"], record["status"], record["error_code"]) == ("exception", 500, "UNHANDLED_EXCEPTION")
    assert b"secret" not in log.stream.getvalue()


def test_exception_keeps_the_failing_status_and_code_that_were_set(log: Log) -> None:
    """A request that knew what it was about to answer says that."""
    with pytest.raises(OSError, match="gone"):
        break_off(log.logger.request("ingest"), OSError("gone"), status=503, code="DB_DOWN")
    record = log.record
    assert (record["stage"], record["status"], record["error_code"]) == ("exception", 503, "DB_DOWN")


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_cancelled_request_answered_nothing(log: Log, error: type[BaseException]) -> None:
    """A cancellation, or the end of the process, is not an answer of 500."""
    with pytest.raises(error):
        break_off(log.logger.request("ingest"), error(), status=200)
    record = log.record
    assert (record["stage"], record["status"], record["error_code"]) == ("exception", None, "CANCELLED")


def test_record_may_be_written_before_the_answer(log: Log, time: Time) -> None:
    """After `end` the block's end writes nothing more, and the time behind it does not count."""
    with log.logger.request("ingest") as request:
        request.status = 200
        time.advance(10)
        request.end()
        request.end()
        time.advance(10)
    assert (log.record["stage"], log.record["latency_ms"]) == ("response", 10)


def test_exception_behind_an_early_record_outranks_it(log: Log) -> None:
    """What fails after the record was written still becomes known."""
    request = log.logger.request("ingest")
    request.status = 200
    request.end()
    with pytest.raises(OSError, match="pipe"):
        break_off(request, OSError("pipe"), status=200)
    assert [(record["stage"], record["status"]) for record in log.records] == [("response", 200), ("exception", 500)]


def test_exception_behind_a_closed_request_is_not_its_own(log: Log) -> None:
    """Once the answer is out, the request's record stands."""
    request = log.logger.request("ingest")
    request.status = 200
    request.end()
    request.close()
    with pytest.raises(OSError, match="later"):
        break_off(request, OSError("later"), status=200)
    assert log.record["status"] == 200


def test_note_writes_a_record_on_the_way(log: Log, time: Time) -> None:
    """A note tells what is known so far, an open call included, under the same id."""
    with log.logger.request("ingest") as request:
        with request.upstream("db") as call:
            time.advance(30)
            request.note("slow_query")
            time.advance(10)
            call.status = 200
        request.status = 200
    note, ending = log.records
    assert (note["request_id"], note["stage"], note["status"]) == ("id-1", "slow_query", None)
    assert evidence(note) == (None, 30, "db", 1)
    assert evidence(ending) == (200, 40, "db", 1)


@pytest.mark.parametrize("stage", ["response", "exception"])
def test_note_under_an_ending_stage_is_a_mistake(log: Log, stage: str) -> None:
    """Only the end of a request ends it."""
    request = log.logger.request("ingest")
    with pytest.raises(ValueError, match="ends a request"):
        request.note(stage)


TIMED_OUT = "timeout"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((200, 204), (204, "u1")),
        ((200, 503, 200), (503, "u1")),
        ((404, 503), (404, "u0")),
        ((200, TIMED_OUT, 500), (TIMED_OUT, "u1")),
        ((200, None, 200), (None, "u1")),
        ((304,), (304, "u0")),
        ((999, 200), (None, "u0")),
    ],
)
def test_deciding_call_is_the_first_that_failed_else_the_last(
    log: Log, statuses: tuple[Any, ...], expected: tuple[object, str]
) -> None:
    """A failure among the calls is not hidden by a later success; an unanswered call is a failed one."""
    with log.logger.request("ingest") as request:
        for number, status in enumerate(statuses):
            with request.upstream(f"u{number}") as call:
                call.status = status
    assert (log.record["upstream_status"], log.record["upstream"]) == expected


def test_caller_may_say_which_call_decided(log: Log, time: Time) -> None:
    """A caller who retried, or who lives with a 404, knows better; the sum and the count stay."""
    with log.logger.request("ingest") as request:
        with request.upstream("a") as call:
            time.advance(5)
            call.status = 404
        with request.upstream("b") as call:
            time.advance(7)
            call.status = 200
            call.decides()
        with request.upstream("c") as call:
            call.status = 500
    assert evidence(log.record) == (200, 12, "b", 3)


def test_overlapping_calls_add_up_their_times(log: Log, time: Time) -> None:
    """`upstream_latency_ms` is the sum over all calls, also where they ran side by side."""
    with log.logger.request("ingest") as request:
        first, second = request.upstream("a"), request.upstream("b")
        with first:
            time.advance(10)
            with second:
                time.advance(20)
                second.status = 200
            first.status = 200
    assert evidence(log.record) == (200, 50, "a", 2)
    assert log.record["latency_ms"] == 30


def test_first_failure_among_overlapping_calls_is_the_first_to_end(log: Log) -> None:
    """Of calls side by side the one that failed first decided."""
    with log.logger.request("ingest") as request, request.upstream("slow") as slow:
        with request.upstream("fast") as fast:
            fast.status = 502
        slow.status = 503
    assert (log.record["upstream_status"], log.record["upstream"]) == (502, "fast")


class VendorTimeout(Exception):  # noqa: N818 - the name under test
    pass


class Halted(Exception):  # noqa: N818 - the name under test
    pass


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), "timeout"),
        (VendorTimeout(), "timeout"),
        (httpx.ReadTimeout("slow"), "timeout"),
        (httpx.ConnectTimeout("slow"), "timeout"),
        (httpx.ConnectError("refused"), None),
        (httpx.PoolTimeout("ours"), None),
        (psycopg_pool.PoolTimeout("ours"), None),
        (psycopg.errors.QueryCanceled("limit"), "timeout"),
        (psycopg.OperationalError("gone"), None),
        (Halted(), "timeout"),
        (asyncio.CancelledError(), None),
        (ValueError("ours"), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_exception_out_of_a_call_is_a_timeout_only_if_it_says_so(
    time: Time, log: Log, error: BaseException, expected: str | None
) -> None:
    """A time limit of ours on the call is `timeout`, never null; waiting for our own pool is not the upstream's."""
    logger = RequestLogger(
        log.stream,
        clock=time.now,
        monotonic=time.monotonic,
        timeout_types=(psycopg.errors.QueryCanceled, Halted),
    )

    def call_vendor() -> None:
        with logger.request("ingest") as request, request.upstream("vendor"):
            time.advance(250)
            raise error

    with pytest.raises(type(error)):
        call_vendor()
    assert evidence(log.record) == (expected, 250, "vendor", 1)


def test_timeout_after_the_status_was_seen_is_a_timeout(log: Log) -> None:
    """An answer that began and then ran into our limit ran into our limit."""
    with pytest.raises(TimeoutError):
        break_off_call(log.logger.request("ingest"), TimeoutError(), status=200)
    assert log.record["upstream_status"] == "timeout"


def test_other_exception_keeps_the_status_that_was_seen(log: Log) -> None:
    """What the upstream answered stays known when we fail to read it."""
    with pytest.raises(ValueError, match="body"):
        break_off_call(log.logger.request("ingest"), ValueError("body"), status=200)
    assert (log.record["upstream_status"], log.record["status"]) == (200, 500)


def test_call_can_be_marked_as_timed_out(log: Log) -> None:
    """A limit that shows itself by a return value counts as well."""
    with log.logger.request("ingest") as request, request.upstream() as call:
        call.timed_out()
    assert log.record["upstream_status"] == "timeout"


def test_clock_that_runs_backwards_makes_no_negative_latency(log: Log, time: Time) -> None:
    """No latency is below zero, whatever the stopwatch does."""
    with log.logger.request("ingest") as request:
        with request.upstream() as call:
            time.advance(-100)
            call.status = 200
        request.status = 200
    assert (log.record["latency_ms"], log.record["upstream_latency_ms"]) == (0, 0)


def test_current_request_is_the_innermost_of_its_task(log: Log) -> None:
    """Code deep inside finds the request it works for, and tasks do not see each other's."""

    async def serve(name: str, both: asyncio.Barrier) -> None:
        with log.logger.request(name, request_id=name):
            await both.wait()
            await deep(name)
        assert current_request() is None

    async def deep(name: str) -> None:
        request = current_request()
        assert request is not None
        assert request.request_id == name
        with request.upstream(name) as call:
            call.status = 200
        request.status = 200

    async def main() -> None:
        both = asyncio.Barrier(2)
        await asyncio.gather(serve("a", both), serve("b", both))

    assert current_request() is None
    asyncio.run(main())
    assert sorted((r["function"], r["request_id"], r["upstream"]) for r in log.records) == [
        ("a", "a", "a"),
        ("b", "b", "b"),
    ]


def test_current_request_is_restored_behind_a_nested_one(log: Log) -> None:
    """A request inside a request ends, and the outer one is current again."""
    with log.logger.request("outer") as outer:
        with log.logger.request("inner") as inner:
            assert current_request() is inner
        assert current_request() is outer
    assert current_request() is None


def test_request_left_in_another_task_is_recorded_all_the_same(log: Log) -> None:
    """Frameworks that leave a block in another context than they entered it do not break the log."""

    async def enter(request: Anything) -> None:
        request.__enter__()

    async def main() -> None:
        request = log.logger.request("ingest")
        await asyncio.create_task(enter(request))
        request.status = 200
        request.__exit__(None, None, None)

    asyncio.run(main())
    assert log.record["status"] == 200


def test_calls_from_many_threads_all_count(log: Log) -> None:
    """One request may ask its upstreams from threads."""

    def ask(make: Callable[[], UpstreamCall]) -> None:
        for _ in range(200):
            with make() as call:
                call.status = 200

    with log.logger.request("ingest") as request:
        threads = [threading.Thread(target=ask, args=(request.upstream,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert log.record["upstream_calls"] == 800


def test_odd_values_never_break_the_request(log: Log) -> None:
    """Whatever is assigned, a record is written and nothing is raised."""
    odd: Any = {"a": 1}
    with log.logger.request(odd, request_id=odd) as request:
        request.status = odd
        request.error_code = "x" * 5000 + "\n"
        with request.upstream(odd) as call:
            call.status = odd
    record = log.record
    assert (record["function"], record["request_id"], record["status"]) == ("dict", "dict", None)
    assert record["error_code"] == "x" * 128


def test_default_clock_and_ids_make_a_valid_record(tmp_path: Path) -> None:
    """Without any setting a logger writes a record with a time and an id of its own."""
    path = tmp_path / "m1.jsonl"
    with RequestLogger(path) as logger, logger.request("ingest") as request:
        request.status = 200
    got = decode(json.loads(path.read_bytes()), strict=True)
    assert isinstance(got, Record)
    assert got.at_us is not None
    assert len(got.request_id) == 32
