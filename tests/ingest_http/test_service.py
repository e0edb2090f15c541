"""The core as values: decisions in order, answers in fixed words, one record per request."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from attribute.ingest.crashes import place_of
from attribute.ingest.messages import CORS, ROUTES, SLUGS, Answer, Function
from attribute.ingest.model import (
    NOT_CALLED,
    CommitInDoubt,
    Delivery,
    Evidence,
    StoreBroken,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnavailable,
    WriteOutcome,
)
from attribute.ingest.reconcile import reconcile
from attribute.ingest.refusals import Code, Refused
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.visits import Settings, Visit
from attribute.ingest.wire import MAX_BODY_BYTES
from tests.ingest_http.world import INGEST, World, bucket, head, said

JSON = {"content-type": "application/json"}


class Failing:
    """A store whose writes, or other calls, end as told; everything else is the real store's."""

    def __init__(self, store: object, **ends: BaseException) -> None:
        self._store = store
        self._ends = ends

    def __getattr__(self, name: str) -> object:
        if name in self._ends:
            end = self._ends[name]

            def fail(*_args: object, **_kwargs: object) -> object:
                raise end.with_traceback(None)

            return fail
        return getattr(self._store, name)


# --- what a delivery is answered --------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", SLUGS)
def test_delivery_is_answered_when_durable_and_its_facts_are_read_back(world: World, slug: str) -> None:
    """200 means that the buckets are there."""
    token = world.token()
    answer = world.post(
        f"/functions/{slug}-ingest", {"hourly": [bucket(total=5), bucket(total=6, model="b")]}, token=token
    )
    assert (answer.status, answer.body) == (200, b'{"success":true,"inserted":2,"skipped":0}')
    assert world.facts(token) == {
        ("codex", "gpt-5", "2026-03-10T12:00:00.000Z"): "5",
        ("codex", "b", "2026-03-10T12:00:00.000Z"): "6",
    }


def test_content_type_with_charset_is_the_one_the_uploader_sends(world: World) -> None:
    """The uploader in use says `application/json;charset=UTF-8`."""
    answer = world.ingest([], token=world.token(), headers={"content-type": "application/json;charset=UTF-8"})
    assert (answer.status, said(answer)) == (200, {"success": True, "inserted": 0, "skipped": 0})


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "Application/JSON"},
        {"content-type": ""},
        {"content-type": "application/json; charset=utf-16"},
        {**JSON, "content-encoding": "gzip"},
        {"content-type": "multipart/form-data"},
    ],
)
def test_body_of_another_kind_is_refused_unread(world: World, headers: dict[str, str]) -> None:
    """415 for what is not one JSON text in UTF-8, before its bytes are looked at."""
    answer = world.ingest(b"\xff", token=world.token(), headers=headers)
    assert (answer.status, answer.code) == (415, Code.UNSUPPORTED_MEDIA_TYPE)


def test_missing_or_repeated_content_type_is_refused(world: World) -> None:
    """None and two are both not one."""
    token = world.token()
    for count in (0, 2):
        asked = head("POST", INGEST, token=token)
        asked = type(asked)(
            method="POST", path=INGEST, headers=(*asked.headers, *[("content-type", "application/json")] * count)
        )
        assert world.service.handle(asked, b"[]").status == 415


@pytest.mark.parametrize(
    ("declared", "status"),
    [
        ("1048576", 200),
        ("1048577", 413),
        ("10000000000", 413),
        ("9" * 30, 413),
        ("-1", 400),
        ("+5", 400),
        ("0x5", 400),
        ("1_0", 400),
        ("", 400),
        ("\u0665", 400),
    ],
)
def test_declared_length_is_judged_before_the_body(world: World, declared: str, status: int) -> None:
    """The body of a liar or of a giant is never waited for."""
    answer = world.ingest([], token=world.token(), headers={"content-length": declared})
    assert answer.status == status


def test_body_of_one_mebibyte_is_read_and_one_byte_more_is_not(world: World) -> None:
    """The parser never sees more than the limit."""
    token = world.token()
    assert world.ingest(b"[" + b" " * (MAX_BODY_BYTES - 2) + b"]", token=token).status == 200
    assert world.ingest(b"[" + b" " * (MAX_BODY_BYTES - 1) + b"]", token=token).code is Code.BODY_TOO_LARGE


def test_transfer_encoding_is_refused_even_if_a_server_lets_it_through(world: World) -> None:
    """There is one way to say how long a body is."""
    answer = world.ingest([], token=world.token(), headers={"transfer-encoding": "chunked"})
    assert (answer.status, answer.code) == (400, Code.AMBIGUOUS_FRAMING)


def test_refusals_are_json_objects_with_an_error_text_and_cors_headers(world: World) -> None:
    """The uploader reads `error`; a browser reads the CORS headers; both are on every answer."""
    token = world.token()
    answers = [
        world.ingest(b"{", token=token),
        world.ingest([bucket()] * 501, token=token),
        world.post(INGEST, []),
        world.get(INGEST),
        world.get("/functions/vibeusage-leaderboard"),
    ]
    assert [said(answer)["error"] for answer in answers] == [
        "Invalid JSON",
        "Too many buckets (max 500)",
        "Missing bearer token",
        "Method not allowed",
        "Not found",
    ]
    for answer in answers:
        assert set(CORS) <= set(answer.headers)
        assert ("Content-Type", "application/json") in answer.headers


def test_options_is_answered_empty_with_cors(world: World) -> None:
    """A browser's preflight needs no token."""
    answer = world.service.handle(head("OPTIONS", INGEST))
    assert (answer.status, answer.body) == (204, b"")
    assert set(CORS) <= set(answer.headers)


def test_no_permanent_refusal_has_a_word_that_the_uploader_retries_on() -> None:
    """The uploader decides by words in the text: a permanent error must not look like a passing one."""
    words = ("timeout", "deno", "econnreset", "etimedout", "network", "fetch failed", "socket")
    for code in Code:
        refused = Refused(code)
        if refused.status not in (408, 429, 503):
            assert not any(word in refused.text.lower() for word in words), code


# --- order of decisions -----------------------------------------------------------------------------------------------


def test_method_is_judged_before_the_token_and_the_token_before_the_body(world: World) -> None:
    """405 before 401 before 415 before 400."""
    assert world.get(INGEST).status == 405
    assert world.post(INGEST, b"{", headers={"content-type": "x"}).status == 401
    assert world.post(INGEST, b"{", headers={"content-type": "x"}, token=world.token()).status == 415


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "TRACE", "HEAD", "CONNECT", "PATCH", "post", "", "GE T"])
def test_other_methods_are_refused_with_what_is_allowed(world: World, method: str) -> None:
    """Whatever the method, nothing is written and the answer says what would do."""
    answer = world.service.handle(head(method, INGEST, token=world.token(), headers=JSON), b"[]")
    assert answer.status == 405
    assert ("Allow", "POST, OPTIONS") in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "//functions/vibescore-ingest",
        "/functions//vibescore-ingest",
        "/functions/../functions/vibescore-ingest",
        "/functions%2fvibescore-ingest",
        "/functions/vibescore-ingest;x",
        "/functions/vibescore-ingest/",
        "/Functions/vibescore-ingest",
        "/functions/VIBESCORE-ingest",
        "/functions/vibescore-ingest%00",
        "",
        "*",
        "http://x/functions/vibescore-ingest",
        "/api/functions/vibescore-ingest",
        "/functions/=HYPERLINK(1)",
    ],
)
def test_path_that_only_resembles_one_is_not_found_and_never_logged(world: World, path: str) -> None:
    """Paths are compared byte by byte, and a record's function is one of a closed set."""
    answer = world.service.handle(head("POST", path, token=world.token(), headers=JSON), b"[]")
    assert answer.status == 404
    assert [record["function"] for record in world.records()] == [Function.NO_ROUTE]


# --- concurrency guard ------------------------------------------------------------------------------------------------


def admitted(world: World, token: str) -> Visit:
    visit = world.service.admit(head("POST", INGEST, token=token, headers=JSON))
    assert isinstance(visit, Visit)
    return visit


def test_guard_tells_one_more_authenticated_request_to_come_later(worlds: Callable[..., World]) -> None:
    """429 with Retry-After, and the place is free again when a request ends, however it ends."""
    world = worlds(settings=Settings(max_in_flight=2, retry_after_s=7))
    token = world.token()
    inside = [admitted(world, token) for _ in range(2)]
    refused = world.service.admit(head("POST", INGEST, token=token, headers=JSON))
    assert isinstance(refused, Answer)
    assert (refused.status, dict(refused.headers)["Retry-After"]) == (429, "7")
    assert world.service.finish(inside[0], b"[]").status == 200
    assert world.service.abandon(inside[1], Code.INCOMPLETE_BODY).status == 400
    assert world.service.guard.taken == 0


def test_guard_is_never_held_by_those_without_a_valid_token(worlds: Callable[..., World]) -> None:
    """Anonymous peers, wrong tokens and link codes cannot use up the places of token holders."""
    world = worlds(settings=Settings(max_in_flight=1))
    holder = admitted(world, world.token())
    for token in (None, "x", "0" * 64):
        assert world.post(INGEST, [], token=token).status == 401
    assert world.service.guard.taken == 1
    world.service.finish(holder, b"[]")


def test_guard_is_empty_after_ten_thousand_faults(worlds: Callable[..., World]) -> None:
    """No way out of a request keeps its place."""
    world = worlds(
        settings=Settings(max_in_flight=4), wrapped=lambda store: Failing(store, next_ticket=RuntimeError("x"))
    )
    token = world.token()
    asked = head("POST", INGEST, token=token, headers=JSON)
    for _ in range(10_000):
        visit = world.service.admit(asked)
        assert isinstance(visit, Visit)
        world.service.finish(visit, b"[]")
    assert world.service.guard.taken == 0


# --- the store says no, or nothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "upstream_status"),
    [
        (StoreBusy("locked", Evidence(503, 5.0)), Code.STORE_BUSY, 503),
        (StoreFull("full", Evidence(507, 5.0)), Code.STORE_FULL, 507),
        (StoreUnavailable("away", Evidence(502, 5.0)), Code.STORE_UNAVAILABLE, 502),
        (StoreUnavailable("slow", Evidence("timeout", 5.0)), Code.STORE_UNAVAILABLE, "timeout"),
        (StoreUnavailable("cut", Evidence(None, 5.0)), Code.STORE_UNAVAILABLE, None),
        (CommitInDoubt("doubt", Evidence(None, 5.0)), Code.OUTCOME_UNKNOWN, None),
        (StoreBroken("fsync", Evidence(500, 5.0)), Code.STORE_UNAVAILABLE, 500),
    ],
)
def test_store_that_does_not_confirm_is_503_and_its_evidence_is_recorded(
    worlds: Callable[..., World], error: StoreError, code: Code, upstream_status: int | str | None
) -> None:
    """Never 2xx unless durable; the client may try again; the record says what was seen, and claims nothing more."""
    world = worlds(wrapped=lambda store: Failing(store, write=error))
    answer = world.ingest([bucket()], token=world.token())
    assert (answer.status, answer.code, dict(answer.headers)["Retry-After"]) == (503, code, "1")
    assert said(answer)["error"] == "Service temporarily unavailable"
    (record,) = world.records()
    assert (record["stage"], record["status"], record["error_code"]) == ("response", 503, code.value)
    assert (record["upstream_status"], record["upstream_calls"]) == (upstream_status, 3)
    assert world.broken == ([True] if isinstance(error, StoreBroken) else [])


def test_lookup_that_fails_is_503_and_no_delivery_is_tried(worlds: Callable[..., World]) -> None:
    """A token that cannot be looked up is neither good nor bad."""
    world = worlds(wrapped=lambda store: Failing(store, find_token=StoreBusy("locked", Evidence(503, 1.0))))
    assert world.ingest([bucket()], token=world.token()).status == 503
    assert world.store.stats().last_delivery_id == 0


def test_bug_of_ours_is_500_without_a_word_of_it_and_one_exception_record(worlds: Callable[..., World]) -> None:
    """The answer says nothing, the record says whose it is, and the operator is told the place."""
    world = worlds(wrapped=lambda store: Failing(store, write=ZeroDivisionError("secret")))
    answer = world.ingest([bucket()], token=world.token())
    assert (answer.status, said(answer)) == (500, {"error": "Internal error", "code": "UNHANDLED_EXCEPTION"})
    (record,) = world.records()
    assert (record["stage"], record["status"], record["error_code"]) == ("exception", 500, "UNHANDLED_EXCEPTION")
    assert record["upstream_status"] is None
    assert len(world.crashes) == 1
    assert world.crashes[0].startswith("ZeroDivisionError at service.py:")
    assert "secret" not in world.crashes[0]


def test_bug_after_the_commit_keeps_the_upstream_evidence(worlds: Callable[..., World]) -> None:
    """The database answered 200 and we crashed: the record holds both."""

    class Committed:
        upstream = Evidence(200, 1.0)
        replayed = True

    def wrapped(store: object) -> object:
        failing = Failing(store)
        failing.write = lambda _delivery: Committed()  # type: ignore[attr-defined]  # stands before the real store's
        return failing

    world = worlds(wrapped=wrapped)
    assert world.ingest([bucket()], token=world.token()).status == 500
    (record,) = world.records()
    assert (record["status"], record["upstream_status"]) == (500, 200)


def test_place_of_a_crash_names_frames_and_no_values() -> None:
    """A message may quote what was sent; a file name and a line cannot."""
    with pytest.raises(ValueError, match="payload") as caught:
        int("payload")
    assert place_of(caught.value).startswith("ValueError at test_service.py:")
    assert "payload" not in place_of(caught.value)


# --- records ----------------------------------------------------------------------------------------------------------


def test_every_request_writes_one_record_with_the_id_of_its_answer(world: World) -> None:
    """Whatever was asked and however it ended: one line, and the header leads to it."""
    token = world.token()
    answers = [
        world.ingest([bucket()], token=token),
        world.ingest(b"{", token=token),
        world.post(INGEST, []),
        world.get("usage-summary", token=token),
        world.get("/healthz"),
        world.get("/nowhere"),
        world.service.handle(head("OPTIONS", INGEST)),
        world.post("/functions/vibeusage-sync-ping", token=token),
    ]
    ids = [dict(answer.headers)["X-Request-Id"] for answer in answers]
    assert [record["request_id"] for record in world.records()] == ids
    assert [record["status"] for record in world.records()] == [answer.status for answer in answers]


def test_record_says_what_was_called_and_what_was_not(world: World) -> None:
    """Refused before any call: null. Refused after the lookup: the lookup's. Written: all calls."""
    token = world.token()
    world.post(INGEST, [])
    world.ingest(b"{", token=token)
    world.ingest([bucket()], token=token)
    found = [(record["status"], record["upstream_status"], record["upstream_calls"]) for record in world.records()]
    assert found == [(401, None, 0), (400, 200, 2), (200, 200, 3)]


def test_time_that_the_client_took_for_its_body_is_not_ours(world: World) -> None:
    """A slow uploader must not read as a bottleneck of the service."""
    visit = admitted(world, world.token())
    world.hand.forward(seconds=8)
    received_at = world.hand.elapsed_s
    world.hand.forward(seconds=0.25)
    assert world.service.finish(visit, b"[]", received_at=received_at).status == 200
    assert world.records()[-1]["latency_ms"] == 250


def test_record_that_cannot_be_written_changes_no_answer_and_is_counted(world: World) -> None:
    """A full log disk costs a line, never a delivery."""
    token = world.token()
    world.log.close()
    assert world.ingest([bucket()], token=token).status == 200
    assert "attribute_ingest_records_lost_total 1\n" in world.get("/metrics").body.decode()


def test_records_and_deliveries_account_for_each_other(world: World) -> None:
    """Every 2xx has its delivery and every delivery its record, whatever else was asked meanwhile."""
    token = world.token()
    for body in ([bucket()], [], b"{", [bucket(total=2)]):
        world.ingest(body, token=token)
    world.get("usage-summary", token=token)
    found = reconcile(world.store, world.log.getvalue().splitlines())
    assert (found.records, found.confirmed, found.lied, found.log_lost) == (4, 3, 0, 0)


# --- idempotency and sequence -----------------------------------------------------------------------------------------


def test_idempotency_key_replays_the_first_answer_and_writes_nothing(world: World) -> None:
    """The same key and body again: the same numbers, one delivery, and a header that says so."""
    token = world.token()
    key = {"idempotency-key": "k-1"}
    first, again = (world.ingest([bucket(total=9)], token=token, headers=key) for _ in range(2))
    assert first.body == again.body == b'{"success":true,"inserted":1,"skipped":0}'
    assert ("Idempotent-Replayed", "true") in again.headers
    assert ("Idempotent-Replayed", "true") not in first.headers
    assert [record["error_code"] for record in world.records()] == [None, "REPLAYED"]
    assert reconcile(world.store, world.log.getvalue().splitlines())._asdict() == {
        "records": 1,
        "confirmed": 1,
        "lied": 0,
        "log_lost": 0,
        "not_told": 0,
        "unread": 0,
        "first_lied": (),
        "first_lost": (),
    }
    assert world.store.stats().last_delivery_id == 1


def test_idempotency_key_with_another_body_is_422_and_of_another_device_is_its_own(world: World) -> None:
    """A key belongs to one device and to one body."""
    token, other = world.token(), world.token()
    key = {"idempotency-key": "k-1"}
    assert world.ingest([bucket(total=1)], token=token, headers=key).status == 200
    assert world.ingest([bucket(total=2)], token=token, headers=key).code is Code.KEY_REUSED
    assert world.ingest([bucket(total=2)], token=other, headers=key).status == 200


@pytest.mark.parametrize("key", ["", "x" * 256, "ключ", "a b", "a\tb", "a\0b"])
def test_idempotency_key_of_another_form_is_refused(world: World, key: str) -> None:
    """A key that could be two keys is none."""
    answer = world.ingest([], token=world.token(), headers={"idempotency-key": key})
    assert (answer.status, answer.code) == (400, Code.INVALID_IDEMPOTENCY_KEY)


def test_idempotency_key_used_by_64_at_once_is_applied_once(worlds: Callable[..., World]) -> None:
    """However many hands carry the same delivery, one of them writes it, and the others are told 200 or 409."""
    world = worlds(settings=Settings(max_in_flight=64), busy_s=60.0)
    token = world.token()
    with ThreadPoolExecutor(16) as hands:
        answers = list(
            hands.map(
                lambda _: world.ingest([bucket(total=3)], token=token, headers={"idempotency-key": "k"}), range(64)
            )
        )
    assert {answer.status for answer in answers} <= {200, 409}
    assert {answer.code for answer in answers} <= {None, Code.KEY_IN_FLIGHT, Code.REPLAYED}
    assert world.store.stats().last_delivery_id == 1
    assert list(world.facts(token).values()) == ["3"]


def test_sequence_repeats_are_skipped_older_ones_kept_out_of_facts_and_other_content_refused(world: World) -> None:
    """A client with a sequence may say everything twice, late and in any order."""
    token = world.token()
    epoch = said(world.post("/functions/vibeusage-epoch", token=token))["epoch"]

    def sent(seq: int, total: int) -> Answer:
        return world.ingest([bucket(total=total)], token=token, headers={"attribute-sequence": f"{epoch}.{seq}"})

    assert said(sent(5, 50)) == {"success": True, "inserted": 1, "skipped": 0}
    assert said(sent(5, 50)) == {"success": True, "inserted": 0, "skipped": 1}
    assert said(sent(3, 30)) == {"success": True, "inserted": 1, "skipped": 0}
    assert list(world.facts(token).values()) == ["50"]
    assert sent(5, 51).code is Code.SEQUENCE_REUSED
    assert said(sent(9_007_199_254_740_991, 70))["inserted"] == 1
    assert list(world.facts(token).values()) == ["70"]


def test_stale_epoch_is_409_with_the_current_one(world: World) -> None:
    """A client that lost its state asks for an epoch, and its old self cannot speak any more."""
    token = world.token()
    old, new = (said(world.post("/functions/vibeusage-epoch", token=token))["epoch"] for _ in range(2))
    answer = world.ingest([bucket()], token=token, headers={"attribute-sequence": f"{old}.1"})
    assert (answer.status, said(answer)["epoch"]) == (409, new)


@pytest.mark.parametrize(
    "text", ["1", "1.", ".1", "-1.2", "2.-1", "2.1.0", "a.b", "2.9007199254740992", " 2.1", "٢.1", "2.1,2.2"]
)
def test_sequence_of_another_form_is_refused(world: World, text: str) -> None:
    """Two whole numbers and a dot, within what a double holds."""
    answer = world.ingest([bucket()], token=world.token(), headers={"attribute-sequence": text})
    assert (answer.status, answer.code) == (400, Code.INVALID_SEQUENCE)


def test_late_retry_of_an_unsequenced_client_loses_to_the_newer_delivery(world: World) -> None:
    """The place in line is taken when the body has arrived, so a stalled request never overwrites a newer one."""
    token = world.token()
    stalled = admitted(world, token)
    order: list[str] = []
    real_write = world.store.write

    def write(delivery: object) -> object:
        if not order:
            order.append("stalled")
            assert world.ingest([bucket(total=2)], token=token).status == 200
        return real_write(delivery)  # type: ignore[arg-type]  # what the service handed over

    world.store.write = write  # type: ignore[method-assign, assignment]  # stalls one write behind another
    assert world.service.finish(stalled, json.dumps([bucket(total=1)]).encode()).status == 200
    assert list(world.facts(token).values()) == ["2"]


# --- the other endpoints ----------------------------------------------------------------------------------------------


def test_sync_ping_is_recorded_at_most_every_half_hour(world: World) -> None:
    """The second ping within the interval is answered and changes nothing."""
    token = world.token()
    path = "/functions/vibescore-sync-ping"
    first = said(world.post(path, b"{}", token=token))
    world.hand.forward(seconds=60)
    again = said(world.post(path, b"", token=token))
    world.hand.forward(seconds=1800)
    later = said(world.post(path, b"anything at all", token=token))
    assert first == {
        "success": True,
        "updated": True,
        "last_sync_at": "2026-03-10T12:10:00.000Z",
        "min_interval_minutes": 30,
    }
    assert again == {**first, "updated": False}
    assert later == {**first, "last_sync_at": "2026-03-10T12:41:00.000Z"}


@pytest.mark.parametrize("said_by", ["ping", "delivery"])
def test_clock_that_was_wrong_for_a_while_does_not_hold_the_last_sync(world: World, said_by: str) -> None:
    """A ping or delivery noted in 2030 gives way to the next one once the clock is right again."""
    token = world.token()
    path = "/functions/vibescore-sync-ping"
    four_years_s = 4 * 365 * 86_400
    world.hand.forward(seconds=four_years_s)
    if said_by == "ping":
        world.post(path, token=token)
    else:
        assert world.ingest([], token=token).status == 200
    world.hand.forward(seconds=-four_years_s)
    if said_by == "delivery":
        assert world.ingest([], token=token).status == 200
    assert said(world.post(path, token=token)) == {
        "success": True,
        "updated": True,
        "last_sync_at": "2026-03-10T12:10:00.000Z",
        "min_interval_minutes": 30,
    }
    assert {row.last_sync_at_us for row in world.store.tokens()} == {world.hand.now_us}
    assert said(world.post(path, token=token))["updated"] is False


def test_link_code_becomes_one_device_and_replays_to_the_same_token(world: World) -> None:
    """A retry with the same request id gets the same token; another request id finds the code used."""
    code = world.link_code("user-7")
    path = "/functions/vibescore-link-code-exchange"
    asked = {"link_code": code, "request_id": "r-1", "device_name": "laptop", "platform": "macos"}
    first, again = (world.post(path, asked) for _ in range(2))
    assert first.status == 200
    assert first.body == again.body
    assert said(first)["user_id"] == "user-7"
    assert world.post(path, {**asked, "request_id": "r-2"}).code is Code.LINK_CODE_USED
    assert world.ingest([bucket(total=4)], token=said(first)["token"]).status == 200
    assert len(world.store.tokens()) == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"link_code": "0" * 64}, Code.INVALID_LINK_CODE),
        ({"link_code": "short"}, Code.INVALID_LINK_CODE),
        ({"link_code": 5}, Code.INVALID_LINK_CODE),
        ({"request_id": ""}, Code.INVALID_REQUEST_ID),
        ({"request_id": "x" * 129}, Code.INVALID_REQUEST_ID),
        ({"request_id": None}, Code.INVALID_REQUEST_ID),
        ({"device_name": "x" * 129}, Code.INVALID_DEVICE),
        ({"platform": "x" * 33}, Code.INVALID_DEVICE),
        ({"device_name": "a\x1b[2J"}, Code.INVALID_DEVICE),
        ({"user_id": "root"}, Code.UNKNOWN_FIELD),
        ({"device_id": "d"}, Code.UNKNOWN_FIELD),
    ],
)
def test_link_code_exchange_refuses_what_is_not_its_grammar(
    world: World, changed: dict[str, object], code: Code
) -> None:
    """Nobody names a user or a device, and labels are plain text."""
    asked = {"link_code": world.link_code(), "request_id": "r-1"}
    answer = world.post("/functions/vibeusage-link-code-exchange", {**asked, **changed})
    assert (answer.status, answer.code) == (400, code)
    assert world.store.tokens() == []


def test_expired_link_code_is_refused(world: World) -> None:
    """Ten minutes are ten minutes."""
    code = world.link_code(minutes=10)
    world.hand.forward(seconds=601)
    answer = world.post("/functions/vibeusage-link-code-exchange", {"link_code": code, "request_id": "r"})
    assert (answer.status, answer.code) == (400, Code.INVALID_LINK_CODE)


def test_device_token_is_issued_to_whoever_shows_a_link_code(world: World) -> None:
    """The code stands for its user; the body only labels the device."""
    code = world.link_code("user-9")
    path = "/functions/vibeusage-device-token-issue"
    answer = world.post(path, {"device_name": "box", "platform": "linux"}, token=code)
    assert sorted(said(answer)) == ["created_at", "device_id", "token"]
    assert world.post(path, {}, token=code, headers={"idempotency-key": "other"}).code is Code.LINK_CODE_USED
    assert world.post(path, {}, token=world.token()).code is Code.INVALID_LINK_CODE
    assert [row.user_id for row in world.store.tokens()] == ["user-9", "user-1"]


@pytest.mark.parametrize("shown", ["unknown", "expired", "a device's token"])
def test_link_code_that_is_none_is_refused_before_the_body(world: World, shown: str) -> None:
    """Who has no valid code never has a body read, as who has no valid token."""
    code = {"unknown": "0" * 64, "expired": world.link_code(minutes=1), "a device's token": world.token()}[shown]
    world.hand.forward(seconds=60)
    answer = world.service.admit(head("POST", "/functions/vibescore-device-token-issue", token=code))
    assert isinstance(answer, Answer)
    assert (answer.status, answer.code) == (400, Code.INVALID_LINK_CODE)
    (record,) = world.records()
    assert (record["upstream_status"], record["upstream_calls"]) == (200, 1)


ISSUE = "/functions/vibescore-device-token-issue"


def test_link_code_without_a_key_is_good_once(world: World) -> None:
    """Whoever shows it first becomes the device: nobody after that, also not with what our log and answer say."""
    code = world.link_code()
    first = world.post(ISSUE, {}, token=code)
    again = world.post(ISSUE, {}, token=code)
    seen = {"link_code": code, "request_id": world.records()[0]["request_id"]}
    exchanged = world.post("/functions/vibescore-link-code-exchange", seen)
    assert [answer.code for answer in (first, again, exchanged)] == [None, Code.LINK_CODE_USED, Code.LINK_CODE_USED]
    assert len(world.store.tokens()) == 1


def test_link_code_with_a_key_is_repeated_until_it_expires(world: World) -> None:
    """A lost answer can be asked for again, and is the same then; after the code's time it is the code of nobody."""
    code, key = world.link_code(minutes=10), {"idempotency-key": "first-try"}
    first = world.post(ISSUE, {}, token=code, headers=key)
    world.hand.forward(seconds=599)
    assert world.post(ISSUE, {}, token=code, headers=key).body == first.body
    world.hand.forward(seconds=1)
    late = world.post(ISSUE, {}, token=code, headers=key)
    assert (late.status, late.code) == (400, Code.INVALID_LINK_CODE)


@pytest.mark.parametrize("whole_device", [False, True])
def test_redeemed_link_code_gives_no_revoked_token(world: World, *, whole_device: bool) -> None:
    """What was revoked is never handed out again as if it were good for something."""
    code, key = world.link_code(), {"idempotency-key": "first-try"}
    world.post(ISSUE, {}, token=code, headers=key)
    (row,) = world.store.tokens()
    if whole_device:
        world.store.revoke_device(row.device_id, world.hand.now_us)
    else:
        world.store.revoke_token(row.token_id, world.hand.now_us)
    assert world.post(ISSUE, {}, token=code, headers=key).code is Code.LINK_CODE_USED


class Confirming:
    """A store whose deliveries end as they are told to, one after the other."""

    def __init__(self, store: SqliteStore, ends: list[StoreError | None]) -> None:
        self._store = store
        self._ends = ends

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def write(self, delivery: Delivery) -> WriteOutcome:
        end = self._ends.pop(0)
        if end is not None:
            raise end
        return self._store.write(delivery)


@pytest.mark.parametrize(
    ("error", "ready"),
    [
        (StoreFull("full", Evidence(507, 5.0)), 503),
        (StoreUnavailable("the vendor is dead", Evidence(500, 5.0)), 503),
        (StoreUnavailable("the vendor does not know us", Evidence(401, 5.0)), 503),
        (StoreBusy("locked", NOT_CALLED), 200),
    ],
)
def test_readiness_follows_the_last_delivery_for_half_a_minute(
    worlds: Callable[..., World], error: StoreError, ready: int
) -> None:
    """A probe that writes nothing cannot know; the last delivery does, until one is confirmed or it is long ago."""
    world = worlds(wrapped=lambda store: Confirming(store, [None, error, None, error]))
    token = world.token()
    seen = []
    for _ in range(4):
        world.ingest([bucket()], token=token)
        seen.append(world.get("/readyz").status)
    assert seen == [200, ready, 200, ready]
    record = world.records()[-1]
    assert (record["function"], record["status"]) == ("readyz", ready)
    assert record["upstream_status"] == (None if ready == 503 else 200), "nobody was asked, so nobody is blamed"
    confirmed = f"attribute_ingest_last_delivery_confirmed {int(ready == 200)}\n"
    assert confirmed in world.get("/metrics").body.decode()
    world.hand.forward(seconds=30)
    assert world.get("/readyz").status == 200
    assert confirmed in world.get("/metrics").body.decode()


def test_delivery_that_asked_nobody_does_not_make_ready(worlds: Callable[..., World]) -> None:
    """A replay writes nothing, so it does not show that a write goes through."""
    full = StoreFull("full", Evidence(507, 5.0))
    world = worlds(wrapped=lambda store: Confirming(store, [None, full, None]))
    token, key = world.token(), {"idempotency-key": "k"}
    world.ingest([bucket()], token=token, headers=key)
    world.ingest([bucket(total=2)], token=token)
    assert world.ingest([bucket()], token=token, headers=key).code is Code.REPLAYED
    assert world.get("/readyz").status == 503


def test_health_needs_no_store_and_readiness_asks_it(worlds: Callable[..., World]) -> None:
    """A service whose store is away is alive and not ready."""
    world = worlds(wrapped=lambda store: Failing(store, check=StoreUnavailable("away", Evidence(500, 1.0))))
    assert (world.get("/healthz").status, world.get("/readyz").status) == (200, 503)


def test_metrics_are_answered_without_the_store_too(worlds: Callable[..., World]) -> None:
    """What the process counted does not depend on the store."""
    world = worlds(wrapped=lambda store: Failing(store, stats=StoreUnavailable("away", Evidence(500, 1.0))))
    text = world.get("/metrics").body.decode()
    assert "attribute_ingest_store_up 0\n" in text
    assert "last_delivery_id" not in text


def test_metrics_count_answers_buckets_and_latency(world: World) -> None:
    """Every label is a member of a closed set, and the numbers add up."""
    token = world.token()
    world.ingest([bucket(), bucket(model="b", input_tokens=1, cached_input_tokens=2)], token=token)
    world.ingest(b"{", token=token)
    text = world.get("/metrics").body.decode()
    for line in (
        'attribute_ingest_requests_total{function="ingest",status="200",code=""} 1',
        'attribute_ingest_requests_total{function="ingest",status="400",code="INVALID_JSON"} 1',
        'attribute_ingest_latency_seconds_count{function="ingest"} 2',
        'attribute_ingest_buckets_total{fate="inserted"} 2',
        'attribute_ingest_buckets_total{fate="inconsistent"} 1',
        "attribute_ingest_last_delivery_id 1",
        "attribute_ingest_in_flight 0",
    ):
        assert f"{line}\n" in text


def test_route_table_serves_every_function_under_both_slugs() -> None:
    """A client of either name finds everything."""
    by_slug = [{path.removeprefix(f"/functions/{slug}-") for path in ROUTES if f"/{slug}-" in path} for slug in SLUGS]
    assert by_slug[0] == by_slug[1]
    assert len(by_slug[0]) == 12
