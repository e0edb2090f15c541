"""A real server on loopback: framing, deadlines, caps, and an orderly end."""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from attribute.ingest import server
from attribute.ingest.metrics import Gauges
from attribute.ingest.protocol import Limits
from attribute.ingest.server import Listener, ServerError
from tests.ingest_http.processes import running, url_of
from tests.ingest_http.test_service import Failing
from tests.ingest_http.world import INGEST, World, bucket, make_world

LIMITS = Limits(head_s=2.0, message_s=3.0, idle_s=2.0, write_s=2.0, connections=24)
ATTRIBUTE = [sys.executable, "-m", "attribute", "ingest"]
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


class Live:
    """A served world."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.url = url
        self.token = world.token()
        self.address = (url[7:].split(":", maxsplit=1)[0], int(url.rsplit(":", 1)[1]))

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=60)

    def raw(self, data: bytes) -> bytes:
        """Send bytes and give everything that comes until the server closes."""
        with closing(self.connect()) as peer:
            received = b""
            with suppress(ConnectionResetError, BrokenPipeError):
                peer.sendall(data)
                while part := peer.recv(65_536):
                    received += part
            return received

    def post(self, *lines: bytes, body: bytes = b"") -> bytes:
        head = [b"POST " + INGEST.encode() + b" HTTP/1.1", b"Host: x", b"Content-Type: application/json"]
        head.append(b"Authorization: Bearer " + self.token.encode())
        return b"\r\n".join([*head, *lines, b"", body])

    def deliveries(self) -> int:
        return self.world.store.stats().last_delivery_id


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    world = make_world(tmp_path_factory.mktemp("live"))
    with server.running(world.service, Listener(limits=LIMITS)) as url:
        yield Live(world, url)
    world.store.close()


BODY = json.dumps([bucket()]).encode()
LENGTH = b"Content-Length: %d" % len(BODY)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


AMBIGUOUS: list[tuple[bytes, ...]] = [
    (b"Transfer-Encoding: chunked", b"", b"0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding: chunked", LENGTH, b"", b"0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding: identity", LENGTH),
    (b"Transfer-Encoding : chunked", LENGTH),
    (b"Transfer-Encoding: xchunked", LENGTH),
    (b"Transfer-Encoding:\x0bchunked", LENGTH),
    (b"Content-Length: 2", b"Content-Length: 2", b"", b"{}"),
    (b"Content-Length: 2", b"Content-Length: 50", b"", b"{}" + SMUGGLED),
    (b"Content-Length: 2, 2", b"", b"{}"),
    (b"Content-Length: -2",),
    (b"Content-Length: +2",),
    (b"Content-Length: 0x2",),
    (b"Content-Length: 1_0",),
    (b"Content-Length: 2 ;",),
    (b"Content-Length:",),
    (b"Content-Length: " + b"9" * 19,),
    (b"Content-Length: " + b"9" * 40,),
    (b"Content-Length : 2", b"", b"{}"),
    (b"X: a\r\n b",),
    (b"X: a\r\n\tb",),
    (b" X: a",),
    (b"X: a\nY: b",),
    (b"X: a\rY: b",),
    (b"X: a\0b",),
    (b"X\0: a",),
    (b"X Y: a",),
    (b": a",),
    (b"Host: y",),
    (b"Authorization: Bearer\r\n abc", LENGTH),
    (b"Content-Length: 0", b"Content-Length : 5", b"", b"abcde"),
    (b"Connection: upgrade", b"Upgrade: websocket"),
    (b"Upgrade: h2c",),
    (b"Trailer: X",),
    tuple(b"X%d: 1" % number for number in range(101)),
    (b"X: " + b"a" * 65_536,),
    (b"X" * 17_000 + b": 1",),
]
NO_HTTP = [
    b"GET /healthz HTTP/1.1\r\n\r\n",
    b"GET /healthz HTTP/1.1\nHost: x\n\n",
    b"GET /healthz HTTP/1.2\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b" GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"\0" * 64,
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz#/functions HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x y\r\n\r\n",
    b"GET /healthz HTTP/01.1\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTPS/1.1\r\nHost: x\r\n\r\n",
    b"GET\t/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\r\nHost: x\r\n\r\n",
    b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
]


@pytest.mark.parametrize("lines", AMBIGUOUS, ids=lambda lines: str(lines[0][:24]))
def test_ambiguous_message_is_refused_and_nothing_behind_it_is_answered(live: Live, lines: tuple[bytes, ...]) -> None:
    """Where two parsers could disagree about where a message ends, there is one answer: 400 and the end."""
    before = live.deliveries(), len(live.world.records())
    received = live.raw(live.post(*lines))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1
    assert (live.deliveries(), len(live.world.records())) == before


@pytest.mark.parametrize("data", NO_HTTP, ids=lambda data: str(data[:28]))
def test_what_is_no_http_is_refused_or_cut_off(live: Live, data: bytes) -> None:
    """No bytes make the server answer something that was not asked."""
    received = live.raw(data)
    assert received == b"" or (received.startswith(b"HTTP/1.1 400 ") and received.count(b"HTTP/1.1 ") == 1)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((b"Authorization: Bearer " + b"0" * 64,), b"401"),
        ((b"Authorization: Bearer " + b"a" * 10_240,), b"401"),
        ((b"Content-Type: application/json",), b"415"),
        ((b"Content-Encoding: gzip",), b"415"),
        ((b"Content-Encoding: identity, gzip",), b"415"),
        ((b"Connection: Content-Length",), b"200"),
        ((b"X-HTTP-Method-Override: DELETE",), b"200"),
        ((b"X-Forwarded-For: 10.0.0.1", b"X-Original-URL: /metrics"), b"200"),
        ((b"Expect: 200-ok",), b"200"),
        ((b"TE: trailers", b"Range: bytes=0-1"), b"200"),
    ],
    ids=lambda lines: str(lines[0][:28]) if isinstance(lines, tuple) else "",
)
def test_header_that_is_repeated_or_means_something_elsewhere_means_nothing_here(
    live: Live, lines: tuple[bytes, ...], status: bytes
) -> None:
    """Two tokens are none, two content types are none, a coded body is none; what is not ours changes nothing."""
    received = live.raw(live.post(*lines, LENGTH, b"Connection: close", body=BODY))
    assert received.startswith(b"HTTP/1.1 " + status)
    assert received.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("head", [b"POST /functions/vibescore-ingest", b"GET /healthz", b"GET /nowhere"])
def test_body_that_nobody_wants_is_never_a_message(live: Live, head: bytes) -> None:
    """What is refused before its body, or has none, is still framed by its declared length."""
    before = len(live.world.records())
    received = live.raw(head + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED)
    assert received.count(b"HTTP/1.1 ") == 1
    assert len(live.world.records()) == before + 1


def test_client_that_closes_its_half_gets_its_answer(live: Live) -> None:
    """A request is complete when its body is; whoever then sends no more is still answered."""
    with closing(live.connect()) as peer:
        peer.sendall(live.post(LENGTH, body=BODY) + GET + b"\r\n")
        peer.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: peer.recv(65_536), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 2


def test_client_that_closes_its_half_too_early_is_no_delivery(live: Live) -> None:
    """Half a body and no more to come: nothing is written, nothing is answered, one record says so."""
    before = live.deliveries(), len(live.world.records())
    with closing(live.connect()) as peer:
        peer.sendall(live.post(b"Content-Length: 50", body=b"[{"))
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(100) == b""
    assert until(lambda: len(live.world.records()) == before[1] + 1)
    assert live.world.records()[-1]["error_code"] == "INCOMPLETE_BODY"
    assert (live.deliveries(), live.world.service.guard.taken) == (before[0], 0)


def test_second_message_after_close_is_not_answered(live: Live) -> None:
    """What follows a message that ends the connection is nobody's request."""
    received = live.raw(live.post(LENGTH, b"Connection: close", body=BODY) + SMUGGLED)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.count(b"HTTP/1.1 ") == 1


def test_pipelined_messages_are_answered_in_order_up_to_a_cap(live: Live) -> None:
    """A few in a row are fine; a thousand are cut off, and the server goes on."""
    received = live.raw((GET + b"\r\n") * 4 + GET + b"Connection: close\r\n\r\n")
    assert received.count(b"HTTP/1.1 200 OK") == 5
    assert live.raw((GET + b"\r\n") * 1000).count(b"HTTP/1.1 200 OK") <= 1000
    assert httpx.get(f"{live.url}/healthz", timeout=60).status_code == 200


def test_target_that_is_no_path_is_answered_and_logged_like_any_other(live: Live) -> None:
    """`OPTIONS *` is a request: it has an id, a record and a place in the counts."""
    answer = live.raw(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b'{"error":"Not found","code":"NOT_FOUND"}')
    record = live.world.records()[-1]
    assert (record["function"], record["status"], record["error_code"]) == ("no-route", 404, "NOT_FOUND")
    assert f"x-request-id: {record['request_id']}".encode() in answer
    assert 'attribute_ingest_requests_total{function="no-route",status="404",code="NOT_FOUND"}' in _metrics(live)


def test_absolute_form_and_http_1_0_are_answered(live: Live) -> None:
    """What a proxy may send is understood."""
    assert live.raw(b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 200 "
    )
    assert live.raw(b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("data", [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: x\r\n", b"\r\n"])
def test_head_that_does_not_end_is_cut_off_at_its_deadline(live: Live, data: bytes) -> None:
    """A connection that says nothing, or never ends its head, is not kept."""
    assert live.raw(data) == b""


def test_trickle_of_bytes_does_not_push_a_deadline_back(live: Live) -> None:
    """Byte by byte is still too slow."""
    stopped = threading.Event()
    with closing(live.connect()) as peer:

        def drip() -> None:
            for byte in live.post(LENGTH) + BODY:
                if stopped.wait(0.02):
                    return
                try:
                    peer.sendall(bytes([byte]))
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with suppress(ConnectionResetError):
                assert peer.recv(100) == b""
        finally:
            stopped.set()
            thread.join()


def test_body_that_does_not_arrive_is_408_and_one_record(live: Live) -> None:
    """The place in flight is given back, and nothing is written."""
    before = live.deliveries(), len(live.world.records())
    received = live.raw(live.post(b"Content-Length: 50", body=b"[{"))
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in received.lower()
    assert (live.deliveries(), len(live.world.records()) - before[1]) == (before[0], 1)
    assert (live.world.records()[-1]["error_code"], live.world.service.guard.taken) == ("RECEIPT_DEADLINE", 0)


def test_client_that_goes_away_in_the_middle_of_its_body_leaves_one_record(live: Live) -> None:
    """Half a body is no delivery, and the place in flight is free again."""
    before = live.deliveries(), len(live.world.records())
    peer = live.connect()
    peer.sendall(live.post(b"Content-Length: 50", body=b"[{"))
    assert until(lambda: live.world.service.guard.taken == 1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    assert until(lambda: len(live.world.records()) == before[1] + 1)
    assert live.world.records()[-1]["error_code"] == "INCOMPLETE_BODY"
    assert (live.deliveries(), live.world.service.guard.taken) == (before[0], 0)


def test_giant_is_refused_before_its_body_and_cut_off(live: Live) -> None:
    """Ten gigabytes are declared, none are read."""
    received = live.raw(live.post(b"Content-Length: 10000000000", body=b"x" * 1000))
    assert received.startswith(b"HTTP/1.1 413 ")


def test_body_one_byte_too_large_is_refused_and_the_connection_lives_on(live: Live) -> None:
    """A well-meaning client gets to read its 413."""
    with httpx.Client(base_url=live.url, timeout=60) as client:
        headers = {"Authorization": f"Bearer {live.token}", "Content-Type": "application/json"}
        assert client.post(INGEST, headers=headers, content=b" " * ((1 << 20) + 1)).status_code == 413
        assert client.post(INGEST, headers=headers, content=b"[" + b" " * ((1 << 20) - 2) + b"]").status_code == 200


def test_expect_continue_is_answered_only_to_holders_of_a_token(live: Live) -> None:
    """Who has no token is not asked for a body."""
    let_in = live.raw(live.post(LENGTH, b"Expect: 100-continue", b"Connection: close", body=BODY))
    assert let_in.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 200 " in let_in
    kept_out = live.raw(
        b"POST " + INGEST.encode() + b" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + LENGTH + b"\r\n\r\n"
    )
    assert kept_out.startswith(b"HTTP/1.1 401 ")


def test_good_client_gets_in_however_many_hold_a_connection_open(live: Live) -> None:
    """For one connection too many the one goes that kept us waiting longest; who asks at once is answered at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    idle = [live.connect() for _ in range(1000)]
    try:
        assert all(_healthy(live) for _ in range(20))
        assert 'reason="too-many-connections"} 0' not in _metrics(live)
    finally:
        for peer in idle:
            peer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_reader_that_does_not_read_is_cut_off(live: Live) -> None:
    """Answers that nobody takes are not kept."""
    with closing(live.connect()) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        for answered in range(1, 2000):
            try:
                peer.sendall(asked)
            except OSError:
                break
            if not until(lambda count=answered: _answered_openapi(live) >= count, tries=400):  # type: ignore[misc]  # bound early
                break
        assert until(lambda: 'reason="write-too-slow"} 0' not in _metrics(live))
    assert _healthy(live)


def test_answers_carry_a_fixed_server_header_and_no_version(live: Live) -> None:
    """Who answers is no secret, which release is nobody's business."""
    answer = httpx.get(f"{live.url}/healthz", timeout=60)
    assert answer.headers["server"] == "attribute"
    assert "uvicorn" not in str(answer.headers).lower()


def test_bug_of_ours_reaches_a_socket_as_a_fixed_500(tmp_path: Path) -> None:
    """No traceback in the answer, and the connection is still good."""
    world = make_world(tmp_path, wrapped=lambda store: Failing(store, write=ZeroDivisionError("secret")))
    headers = {"Authorization": f"Bearer {world.token()}", "Content-Type": "application/json"}
    with server.running(world.service) as url, httpx.Client(base_url=url, timeout=60) as client:
        answers = [client.post(INGEST, headers=headers, content=BODY) for _ in range(2)]
    world.store.close()
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(500, "Internal error")] * 2


# --- the process ------------------------------------------------------------------------------------------------------


def test_process_starts_answers_reopens_its_log_and_ends_in_order(tmp_path: Path) -> None:
    """SIGHUP opens the log anew, SIGTERM ends with 143, every file is the owner's alone."""
    store, log = tmp_path / "ingest.db", tmp_path / "m1.jsonl"
    issued = subprocess.run(
        [*ATTRIBUTE, "token", "issue", "--store", store, "--user", "u"], capture_output=True, text=True, check=True
    )
    command = [*ATTRIBUTE, "serve", "--store", str(store), "--port", "0", "--log", str(log)]
    with running(command) as process:
        url = url_of(process)
        headers = {"Authorization": f"Bearer {issued.stdout.strip()}", "Content-Type": "application/json"}
        assert httpx.post(f"{url}{INGEST}", headers=headers, content=b"[]", timeout=60).json()["success"] is True
        log.rename(tmp_path / "m1.jsonl.1")
        process.send_signal(signal.SIGHUP)
        assert until(log.exists)
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    assert [json.loads((tmp_path / name).read_text())["function"] for name in ("m1.jsonl.1", "m1.jsonl")] == [
        "ingest",
        "healthz",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_log_that_cannot_be_opened_anew_is_said(tmp_path: Path) -> None:
    """A rotation gone wrong shows on stderr and in the metrics until one goes right, and costs no record."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "m1.jsonl"
    command = [*ATTRIBUTE, "serve", "--store", str(tmp_path / "ingest.db"), "--port", "0", "--log", str(log)]
    with running(command) as process, httpx.Client(base_url=url_of(process), timeout=60) as client:

        def opened_anew() -> str:
            (value,) = re.findall(r"(?m)^attribute_ingest_log_opened_anew (\d)$", client.get("/metrics").text)
            return str(value)

        assert opened_anew() == "1"
        (tmp_path / "logs").rename(tmp_path / "away")
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        assert process.stderr.readline() == (
            b"attribute ingest: the log cannot be opened anew; records go on into the one that is open\n"
        )
        assert opened_anew() == "0"
        (tmp_path / "logs").mkdir()
        process.send_signal(signal.SIGHUP)
        assert until(log.exists)
        assert opened_anew() == "1"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    kept = [len((tmp_path / name / "m1.jsonl").read_bytes().splitlines()) for name in ("away", "logs")]
    assert kept == [2, 1]


def test_log_that_nobody_reads_costs_records_and_no_answer(tmp_path: Path) -> None:
    """A log driver that hangs fills the pipe; requests go on, and the records that found no room are counted."""
    command = [*ATTRIBUTE, "serve", "--store", str(tmp_path / "ingest.db"), "--port", "0"]
    with running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, 4096)
        with httpx.Client(base_url=url_of(process), timeout=60) as client:
            assert [client.get("/healthz").status_code for _ in range(100)] == [200] * 100
            lost = int(re.findall(r"(?m)^attribute_ingest_records_lost_total (\d+)$", client.get("/metrics").text)[0])
            assert 50 < lost < 100
            kept = os.read(process.stdout.fileno(), 65_536)
            assert client.get("/healthz").status_code == 200
            kept += os.read(process.stdout.fileno(), 65_536)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    assert len([json.loads(line) for line in kept.splitlines()]) == 100 - lost + 1


def test_log_whose_reader_went_away_costs_records_and_no_answer(tmp_path: Path) -> None:
    """A closed pipe ends neither a request nor the process."""
    command = [*ATTRIBUTE, "serve", "--store", str(tmp_path / "ingest.db"), "--port", "0"]
    with running(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        with httpx.Client(base_url=url_of(process), timeout=60) as client:
            assert [client.get("/healthz").status_code for _ in range(5)] == [200] * 5
            assert "attribute_ingest_records_lost_total 5\n" in client.get("/metrics").text
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143


def test_file_that_others_can_reach_is_refused_untouched(tmp_path: Path) -> None:
    """A key that others can read is no secret; a log that others can write is no log."""
    key = tmp_path / "key"
    assert server.load_key(key) == server.load_key(key) == key.read_bytes()
    key.chmod(0o640)
    with pytest.raises(ServerError, match="has mode 0640"):
        server.load_key(key)
    key.chmod(0o600)
    key.write_bytes(b"short")
    with pytest.raises(ServerError, match="does not hold 32 bytes"):
        server.load_key(key)
    link = tmp_path / "link"
    link.symlink_to(key)
    with pytest.raises(ServerError, match="link' is a symbolic link, expected a regular file") as refused:
        server.load_key(link)
    assert refused.value.hint == "name a file itself, or a path where none is yet"
    with pytest.raises(ServerError, match="' is a folder, expected a regular file"):
        server.require_private(tmp_path, others_may_read=True)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ServerError, match="pipe' is a pipe or device, expected a regular file"):
        server.require_private(tmp_path / "pipe", others_may_read=True)
    log = tmp_path / "log"
    log.touch(mode=0o644)
    server.require_private(log, others_may_read=True)
    log.chmod(0o666)
    with pytest.raises(ServerError, match="nobody else can write to"):
        server.require_private(log, others_may_read=True)


def test_process_may_open_a_file_for_every_connection_or_does_not_start(tmp_path: Path) -> None:
    """A soft limit is raised as far as needed; beyond the hard one the operator reads what to change."""
    arguments = [*ATTRIBUTE, "serve", "--store", str(tmp_path / "ingest.db"), "--port", "0", "--connections", "300"]
    limited = ["sh", "-c", 'ulimit -Sn 100 && ulimit -Hn "$0" && exec "$@"']
    done = subprocess.run([*limited, "400", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "may have 400 files open, expected at least 192 and one for each of 300 connections" in done.stderr
    with running([*limited, "500", *arguments]) as process:
        url_of(process)
        assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (492, 500)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143


def test_address_that_is_taken_is_an_error_that_names_it() -> None:
    """The operator reads which one, and what to change."""
    with server.listen(Listener()) as bound:
        bound.listen()
        port = bound.getsockname()[1]
        with pytest.raises(ServerError, match=f"127.0.0.1:{port} cannot be listened on"):
            server.listen(Listener(port=port))


def _metrics(live: Live) -> str:
    return live.world.service.metrics.text(Gauges(in_flight=0, records_lost=0), None)


def _answered_openapi(live: Live) -> int:
    return live.world.log.getvalue().count(b'"function":"openapi"')


def _healthy(live: Live) -> bool:
    try:
        return httpx.get(f"{live.url}/healthz", timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


def until(happened: Callable[[], bool], *, tries: int = 3000) -> bool:
    pause = threading.Event()
    return any(happened() or pause.wait(0.01) for _ in range(tries))
