"""The service behind nginx as `examples/nginx` configures it: TLS, slow clients, odd messages, and a restart."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.ingest_http.processes import running
from tests.ingest_http.test_process import delivery, process_of, token_for
from tests.ingest_http.test_transport import AMBIGUOUS, ATTRIBUTE, NO_HTTP, until
from tests.ingest_http.world import INGEST
from tests.needs import IN_CI

EXAMPLE = Path(__file__).parents[2] / "examples" / "nginx" / "attribute-ingest.conf"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SMUGGLED = b"GET /functions/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
pytestmark = pytest.mark.skipif(NGINX is None and not IN_CI, reason="NGINX NOT TESTED: it is not installed")


@dataclass
class Behind:
    """A service on a port of its own, and nginx in front of it."""

    folder: Path
    port: int
    service_port: int
    token: str
    nginx_pid: int = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "tls.pem"))

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=self.trust, headers=self.headers, timeout=20)

    def connect(self) -> ssl.SSLSocket:
        return self.trust.wrap_socket(
            socket.create_connection(("localhost", self.port), timeout=20), server_hostname="localhost"
        )

    def raw(self, data: bytes) -> bytes:
        """Send bytes and give what comes until the connection ends or is silent."""
        received = b""
        with closing(self.connect()) as peer, suppress(OSError):
            peer.settimeout(0.5)
            peer.sendall(data)
            while part := peer.recv(65_536):
                received += part
        return received

    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.folder / "m1.jsonl").read_bytes().splitlines()]

    def passed_on(self, start: str) -> int:
        """How many requests nginx passed on, whose path and answer begin so."""
        return sum(line.startswith(start) for line in (self.folder / "access.log").read_text().splitlines())

    def answered(self, function: str) -> int:
        """How many requests the service answered as *function*."""
        return [record["function"] for record in self.records()].count(function)

    @contextmanager
    def service(self) -> Iterator[None]:
        store, log = self.folder / "ingest.db", self.folder / "m1.jsonl"
        with process_of(
            *ATTRIBUTE, "serve", "--store", str(store), "--log", str(log), "--port", str(self.service_port)
        ):
            yield


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Behind]:
    found = Behind(tmp_path, _free_port(), _free_port(), token_for(tmp_path / "ingest.db"))
    with _nginx(found):
        yield found


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def _nginx(behind: Behind) -> Iterator[None]:
    assert NGINX is not None, "nginx is not installed: .ci/run does that"
    folder = behind.folder
    certificate, key = folder / "tls.pem", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    text = EXAMPLE.read_text()
    for named, put in (
        ("127.0.0.1:8787", f"127.0.0.1:{behind.service_port}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{behind.port} ssl"),
        ("/etc/ssl/usage.example.com.pem", str(certificate)),
        ("/etc/ssl/usage.example.com.key", str(key)),
    ):
        assert named in text
        text = text.replace(named, put)
    (folder / "site.conf").write_text(text)
    temporary = "".join(f"  {kind}_temp_path {folder}/t;\n" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    log = f"  log_format passed '$request_uri $upstream_status';\n  access_log {folder}/access.log passed;\n"
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nworker_processes 1;\n"
        f"events {{ worker_connections 512; }}\nhttp {{\n  client_body_temp_path {folder}/b;\n{log}{temporary}"
        f"  include {folder}/site.conf;\n}}\n"
    )
    if os.geteuid() == 0:
        folder.chmod(0o755)
        (folder / "nginx.conf").write_text(f"user root;\n{(folder / 'nginx.conf').read_text()}")
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    subprocess.run([*command, "-t", "-e", str(folder / "error.log")], check=True, capture_output=True)
    with running([*command, "-e", str(folder / "error.log")], stderr=subprocess.DEVNULL) as process:
        behind.nginx_pid = process.pid
        _wait_for(behind.port)
        yield
        process.send_signal(signal.SIGQUIT)
        assert process.wait(timeout=20) == 0


def _wait_for(port: int) -> None:
    pause = threading.Event()
    for _ in range(500):
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
            return
        pause.wait(0.02)
    raise AssertionError("nothing listens")


def test_delivery_through_a_proxy_is_what_it_is_without(behind: Behind) -> None:
    """Answers, headers and refusals pass as they are; a chunked body becomes a plain one; connections are kept."""
    with behind.service(), behind.client() as client:
        answers = [client.post(INGEST, content=delivery(number)) for number in range(20)]
        assert [answer.json() for answer in answers] == [{"success": True, "inserted": 2, "skipped": 0}] * 20
        chunked = client.post(INGEST, content=iter([b"[", b"]"]))
        assert (chunked.status_code, chunked.json()["inserted"]) == (200, 0)
        refused = client.post(INGEST, content=b"{", headers={"Idempotency-Key": "k"})
        assert (refused.status_code, refused.json()) == (400, {"error": "Invalid JSON", "code": "INVALID_JSON"})
        assert client.post(INGEST, content=b"[]", headers={"Authorization": "Bearer x"}).status_code == 401
        assert refused.headers["X-Request-Id"] in {record["request_id"] for record in behind.records()}


def test_body_up_to_the_limit_passes_and_a_larger_one_never_reaches_the_service(behind: Behind) -> None:
    """One mebibyte is the same mebibyte on both sides."""
    with behind.service(), behind.client() as client:
        assert client.post(INGEST, content=b"[" + b" " * ((1 << 20) - 2) + b"]").status_code == 200
        before = len(behind.records())
        assert client.post(INGEST, content=b" " * ((1 << 20) + 1)).status_code == 413
        assert len(behind.records()) == before


def test_operators_pages_and_paths_in_disguise_are_not_passed_on(behind: Behind) -> None:
    """What asks for no token stays inside, however its path is written."""
    with behind.service(), behind.client() as client:
        for path in ("/metrics", "/readyz", "//metrics", "/functions/../metrics", "/functions/%2e%2e/metrics"):
            assert client.get(httpx.URL(behind.url).copy_with(raw_path=path.encode())).status_code == 404, path
        assert not (behind.folder / "m1.jsonl").read_bytes()


@pytest.mark.parametrize("sent", [*AMBIGUOUS, *NO_HTTP], ids=lambda sent: str(sent[0] if sent else sent)[:28])
def test_odd_message_is_never_two_requests_for_the_proxy_and_the_service(
    shared: Behind, sent: tuple[bytes, ...] | bytes
) -> None:
    """The proxy and the service agree on where a message ends, or one of them refuses it: nothing is smuggled."""
    data = sent
    if isinstance(sent, tuple):
        head = (b"POST " + INGEST.encode() + b" HTTP/1.1", b"Host: x", b"Content-Type: application/json")
        bearer = b"Authorization: Bearer " + shared.token.encode()
        data = b"\r\n".join([*head, bearer, *sent, b"", b""])
    assert isinstance(data, bytes)
    shared.raw(data + SMUGGLED)
    with shared.client() as client:
        assert client.post(INGEST, content=b"[]").status_code == 200
    assert until(lambda: shared.passed_on("/functions/smuggled 404") == shared.answered("no-route"))
    assert until(lambda: shared.passed_on(f"{INGEST} ") >= shared.answered("ingest"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("shared")
    found = Behind(folder, _free_port(), _free_port(), token_for(folder / "ingest.db"))
    with ExitStack() as stack:
        stack.enter_context(_nginx(found))
        stack.enter_context(found.service())
        yield found


def test_slow_clients_of_a_proxy_never_reach_the_service(behind: Behind) -> None:
    """A hundred bodies that do not end wait at the proxy; none of them holds a place or a connection here."""
    head = f"POST {INGEST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {behind.token}\r\n"
    with behind.service(), behind.client() as client, ExitStack() as stack:
        for _ in range(100):
            peer = stack.enter_context(closing(behind.connect()))
            peer.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 50\r\n\r\n[".encode())
        assert [client.post(INGEST, content=delivery(number)).status_code for number in range(20)] == [200] * 20
        gauges = httpx.get(f"http://127.0.0.1:{behind.service_port}/metrics", timeout=60).text
    assert "attribute_ingest_in_flight 0\n" in gauges
    assert [record["function"] for record in behind.records()] == ["ingest"] * 20 + ["metrics"]


def test_restart_of_the_service_behind_a_proxy_loses_nothing_confirmed(behind: Behind) -> None:
    """While the service is away the proxy says 502, which an uploader retries, and never anything like success."""
    confirmed, away = [], set()
    with behind.client() as client:

        def ask(method: str, path: str, content: bytes = b"") -> httpx.Response:
            try:
                return client.request(method, path, content=content)
            except httpx.RemoteProtocolError:  # nginx let the idle connection go as this was sent: no answer, so again
                return client.request(method, path, content=content)

        def send(numbers: range) -> None:
            for number in numbers:
                answer = ask("POST", INGEST, delivery(number))
                confirmed.extend([number] * (answer.status_code == 200))
                away.update({answer.status_code} - {200})

        with behind.service():
            send(range(1, 6))
        send(range(6, 9))
        with behind.service():
            send(range(9, 14))
            os.kill(behind.nginx_pid, signal.SIGHUP)
            send(range(14, 20))
            rows = ask("GET", "/functions/vibeusage-usage-buckets").json()["data"]
    assert (away, confirmed) == ({502}, [*range(1, 6), *range(9, 20)])
    assert {row["model"]: row["total_tokens"] for row in rows} == {
        "gpt-5": "19",
        **{f"m{number}": str(number) for number in confirmed},
    }
