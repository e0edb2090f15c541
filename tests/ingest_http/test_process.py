"""The whole process: killed around its log and its reply, and searched for what it was sent."""

from __future__ import annotations

import json
import re
import resource
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from attribute.ingest import server
from attribute.ingest.messages import ROUTES
from attribute.ingest.reconcile import reconcile
from attribute.ingest.stores.sqlite import SqliteStore
from attribute.ingest.verify import verify
from attribute.ingest.wire import hour_start_of, window_at
from tests.ingest_http.dying import POINTS
from tests.ingest_http.processes import running, url_of
from tests.ingest_http.test_transport import ATTRIBUTE, LENGTH
from tests.ingest_http.world import INGEST, bucket


@contextmanager
def process_of(*command: str | Path, end: int = 143) -> Iterator[tuple[str, list[bytes]]]:
    """A service in a process of its own: its URL, and what it said on stdout and stderr once it has ended."""
    words: list[bytes] = []
    with running([str(part) for part in command], stdout=subprocess.PIPE) as process:
        yield url_of(process), words
        process.send_signal(signal.SIGTERM)
        words += process.communicate(timeout=30)
        assert process.returncode == end


def token_for(store: Path) -> str:
    command = [*ATTRIBUTE, "token", "issue", "--user", "u", "--store", str(store)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def delivery(number: int) -> bytes:
    return json.dumps([bucket(_hour(), total=number), bucket(_hour(), model=f"m{number}", total=number)]).encode()


def _hour() -> str:
    return hour_start_of(window_at(server.SYSTEM_CLOCK.now()).last_slot - 1)


@pytest.mark.parametrize("point", POINTS)
def test_process_killed_around_its_log_and_its_reply_loses_nothing_and_its_client_converges(
    tmp_path: Path, point: str
) -> None:
    """The client repeats what was not confirmed; facts are its last statements; no record claims what is not there."""
    store, log = tmp_path / "ingest.db", tmp_path / "m1.jsonl"
    headers = {"Authorization": f"Bearer {token_for(store)}", "Content-Type": "application/json"}
    dying = [sys.executable, "-m", "tests.ingest_http.dying", str(store), str(log), point, "3"]
    confirmed = []
    with (
        process_of(*dying, end=-signal.SIGKILL) as (url, _),
        httpx.Client(base_url=url, headers=headers, timeout=60) as client,
    ):
        for number in range(1, 4):
            with suppress(httpx.HTTPError):
                confirmed.append(client.post(INGEST, content=delivery(number)).json()["success"])
    assert confirmed == [True, True]
    with process_of(*ATTRIBUTE, "serve", "--store", store, "--port", "0", "--log", log) as (url, _):
        for number in (3, 4):
            assert (
                httpx.post(f"{url}{INGEST}", headers=headers, content=delivery(number), timeout=60).json()["success"]
                is True
            )
        rows = httpx.get(f"{url}/functions/vibeusage-usage-buckets", headers=headers, timeout=60).json()["data"]
    assert {row["model"]: row["total_tokens"] for row in rows} == {
        "gpt-5": "4",
        **{f"m{n}": str(n) for n in range(1, 5)},
    }
    opened = SqliteStore(store, serving=False)
    found = reconcile(opened, log.read_bytes().splitlines())
    opened.close()
    lost = int(point == "before-log")
    assert (found.confirmed, found.lied, found.log_lost, found.unread) == (5 - lost, 0, lost, 0)


def test_nothing_that_a_process_was_sent_is_in_anything_that_it_says(tmp_path: Path) -> None:
    """Markers in every header, field, token, path, query and broken message; then every word of the process is read."""
    store, log, mark = tmp_path / "ingest.db", tmp_path / "m1.jsonl", f"canary{secrets.token_hex(6)}"
    token = token_for(store)
    with process_of(*ATTRIBUTE, "serve", "--store", store, "--port", "0", "--log", log) as (url, words):
        answers = [*_marked_requests(url, token, mark), *_marked_bytes(url, token, mark)]
        said = [httpx.get(f"{url}/metrics", timeout=60).content, *answers]
    said += [*words, log.read_bytes()]
    listed = subprocess.run([*ATTRIBUTE, "token", "list", "--store", str(store)], capture_output=True, check=True)
    said.append(listed.stdout)
    assert len(answers) > 150
    for text in said:
        assert mark.encode() not in text.lower()
        assert token.encode() not in text
    assert len(log.read_bytes().splitlines()) > 100
    assert set(re.findall(rb'"([a-z_]+)":', log.read_bytes())) <= {
        b"request_id", b"function", b"stage", b"status", b"latency_ms", b"error_code", b"upstream_status",
        b"upstream_latency_ms", b"upstream", b"upstream_calls", b"ts", b"v",
    }  # fmt: skip


@contextmanager
def limited(pid: int, what: int, most: int) -> Iterator[None]:
    """A process that may have no more of something, for one block."""
    soft, hard = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, what, (soft, hard))


@contextmanager
def served_on(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """A served file in a process of its own, and a client with a token."""
    store = folder / "ingest.db"
    headers = {"Authorization": f"Bearer {token_for(store)}", "Content-Type": "application/json"}
    command = [*ATTRIBUTE, "serve", "--store", str(store), "--port", "0", "--log", str(folder / "m1.jsonl")]
    with running(command) as process:
        with httpx.Client(base_url=url_of(process), headers=headers, timeout=60) as client:
            yield process, client
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143


def totals_of(client: httpx.Client) -> dict[str, str]:
    rows = client.get("/functions/vibeusage-usage-buckets").json()["data"]
    return {row["model"]: row["total_tokens"] for row in rows}


def test_process_whose_files_may_not_grow_answers_503_and_goes_on_when_they_may(tmp_path: Path) -> None:
    """`EFBIG` in the middle of a transaction is not our bug: nothing is torn, nothing confirmed is lost."""
    with served_on(tmp_path) as (process, client):
        assert client.post(INGEST, content=delivery(1)).status_code == 200
        held = max(path.stat().st_size for path in tmp_path.iterdir())
        rows = json.dumps([bucket(_hour(), model=f"w{n}", total=n) for n in range(500)]).encode()
        with limited(process.pid, resource.RLIMIT_FSIZE, held + 8192):
            refused = client.post(INGEST, content=rows)
            assert (refused.status_code, refused.json()["code"]) == (503, "STORE_UNAVAILABLE")
            assert totals_of(client) == {"gpt-5": "1", "m1": "1"}
        assert client.post(INGEST, content=rows).json()["inserted"] == 500
        assert len(totals_of(client)) == 502
    with closing(SqliteStore(tmp_path / "ingest.db", serving=False)) as opened:
        assert verify(opened).findings == ()


def test_process_that_may_open_no_more_files_confirms_only_what_is_durable(tmp_path: Path) -> None:
    """Whoever is connected is answered or told to come again; when files can be opened again, everybody is let in."""
    with served_on(tmp_path) as (process, client):
        assert client.post(INGEST, content=delivery(1)).status_code == 200
        open_now = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        with limited(process.pid, resource.RLIMIT_NOFILE, open_now):
            answers = [client.post(INGEST, content=delivery(number)) for number in range(2, 12)]
        assert {answer.status_code for answer in answers} <= {200, 503}
        confirmed = [1, *(number for number, answer in enumerate(answers, 2) if answer.status_code == 200)]
        with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=60) as other:
            assert totals_of(other) == {"gpt-5": str(confirmed[-1]), **{f"m{n}": str(n) for n in confirmed}}
            assert other.post(INGEST, content=delivery(12)).status_code == 200


def _marked_requests(url: str, token: str, mark: str) -> Iterator[bytes]:
    good = bucket(_hour(), source=mark, model=mark)
    bodies = [
        json.dumps(body).encode() for body in ({mark: 1}, [{**good, mark: 1}], [{**good, "hour_start": mark}], good)
    ]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": mark,
        "Cookie": mark,
        "Referer": f"http://{mark}/",
        "X-Request-Id": mark,
        "X-Forwarded-For": mark,
        f"X-{mark}": mark,
    }
    with httpx.Client(base_url=url, timeout=60) as client:
        for path, route in ROUTES.items():
            for shown in (token, mark, mark.encode().hex()[:64].ljust(64, "0")):
                for method in (route.method, "DELETE"):
                    given = {**headers, "Authorization": f"Bearer {shown}"}
                    answer = client.request(method, f"{path}?{mark}={mark}", headers=given, content=bodies[0])
                    yield answer.content + str(answer.headers).encode()
        given = {**headers, "Authorization": f"Bearer {token}"}
        for body in (*bodies, json.dumps([good]).encode(), mark.encode(), b'["' + mark.encode()):
            for more in ({}, {"Idempotency-Key": mark}, {"Attribute-Sequence": mark}, {"Content-Type": mark}):
                answer = client.post(INGEST, headers={**given, **more}, content=body)
                yield answer.content + str(answer.headers).encode()
        for path in (f"/{mark}", f"/functions/vibescore-{mark}", f"/functions/vibescore-ingest/{mark}"):
            answer = client.get(path, headers=given)
            yield answer.content + str(answer.headers).encode()


def _marked_bytes(url: str, token: str, mark: str) -> Iterator[bytes]:
    host, port = url.removeprefix("http://").split(":")
    marked, bearer = mark.encode(), b"Authorization: Bearer " + token.encode()
    head = b"POST " + INGEST.encode() + b" HTTP/1.1\r\nHost: " + marked + b"\r\n" + bearer + b"\r\n"
    for data in (
        marked,
        marked + b" / HTTP/1.1\r\n\r\n",
        b"GET /" + marked + b" HTTP/9.9\r\n\r\n",
        head + b"Transfer-Encoding: " + marked + b"\r\n\r\n",
        head + b"Content-Length: " + marked + b"\r\n\r\n",
        head + marked + b"\r\n\r\n",
        head + b"Content-Type: application/json\r\nContent-Length: 400\r\n\r\n" + marked,
        head + LENGTH + b"\r\nConnection: close\r\n\r\n" + marked * 40,
        head + b"X: " + marked * 3000 + b"\r\n\r\n",
    ):
        with closing(socket.create_connection((host, int(port)), timeout=20)) as peer, suppress(OSError):
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            yield b"".join(iter(lambda one=peer: one.recv(65_536), b""))  # type: ignore[misc]  # bound early
