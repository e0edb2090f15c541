"""
The replaced system's own uploader against the service: `python -m tests.ingest_http.uploader TRACKER_JS`.

Enrols the unmodified program with a link code, lets it drain a queue through a proxy that resets the connection in
place of some replies, and holds the facts against the last line of every key in the queue. Needs Node and an installed
copy of the uploader; nothing of it is part of this project.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import urlsplit

import httpx

from attribute.ingest.wire import COUNT_NAMES, hour_start_of, slot_of
from tests.ingest_http.processes import running, url_of

ATTRIBUTE = [sys.executable, "-m", "attribute", "ingest"]
MOST_RUNS = 2000
_RESET = struct.pack("ii", 1, 0)


class Proxy(socketserver.ThreadingTCPServer):
    """Passes requests on, and now and then answers with a broken connection instead of the reply."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, behind: str, dropped_share: float, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.behind = urlsplit(behind).netloc
        self.replies = 0
        self.dropped = 0
        self._chance = random.Random(seed)
        self._share = dropped_share
        self._lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def drops(self) -> bool:
        """Whether the next reply is lost."""
        with self._lock:
            self.replies += 1
            lost = self._chance.random() < self._share
            self.dropped += lost
            return lost


class _Passing(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, path, _ = line.decode("latin-1").split(" ", 2)
            headers = dict(_headers(self.rfile))
            body = self.rfile.read(int(headers.get("content-length", "0")))
            behind = http.client.HTTPConnection(self.server.behind, timeout=30)
            behind.request(method, path, body=body or None, headers=headers)
            answer = behind.getresponse()
            content = answer.read()
            behind.close()
            if self.server.drops():
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                return
            named = "".join(f"{name}: {value}\r\n" for name, value in answer.getheaders())
            self.wfile.write(f"HTTP/1.1 {answer.status} {answer.reason}\r\n{named}\r\n".encode("latin-1") + content)


def _headers(lines: object) -> Iterator[tuple[str, str]]:
    while line := lines.readline().strip():  # type: ignore[attr-defined]  # the request's own file
        name, _, value = line.decode("latin-1").partition(":")
        yield name.lower(), value.strip()


def main() -> int:
    """Run it, print what was found, and end with 1 where a fact differs."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("tracker", type=Path, help="bin/tracker.js of the uploader")
    asked.add_argument("--lines", type=int, default=10_000)
    asked.add_argument("--keys", type=int, default=10_000)
    asked.add_argument("--dropped", type=float, default=0.05)
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder, _service(Path(folder)) as url:
        proxy = Proxy(url, options.dropped, options.seed)
        Thread(target=proxy.serve_forever, daemon=True).start()
        home = Path(folder) / "home"
        tracker = home / ".vibeusage" / "tracker"
        tracker.mkdir(parents=True)
        environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "HOME": str(home),
            "VIBEUSAGE_INSFORGE_BASE_URL": proxy.url,
            "VIBEUSAGE_DASHBOARD_URL": proxy.url,
        }
        token = _enrol(options.tracker, Path(folder), environment, tracker)
        last = _write_queue(tracker / "queue.jsonl", options.lines, options.keys, random.Random(options.seed))
        runs = _drain(options.tracker, environment, tracker)
        found = dict(_facts(url, token))
        print(
            f"{options.lines} lines, {len(last)} keys: {proxy.dropped} of {proxy.replies} replies dropped, "
            f"{runs} runs, {sum(found.get(key) == value for key, value in last.items())} of {len(last)} facts equal "
            f"the last line of their key, {len(found)} facts"
        )
        proxy.shutdown()
        for command in ("verify", "reconcile"):
            more = [str(Path(folder) / "m1.jsonl")] if command == "reconcile" else []
            done = subprocess.run(
                [*ATTRIBUTE, command, "--store", str(Path(folder) / "ingest.db"), *more],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            print(f"{command}: exit {done.returncode}: {(done.stdout + done.stderr).strip()}")
        return int(found != last)


@contextmanager
def _service(folder: Path) -> Iterator[str]:
    command = [*ATTRIBUTE, "serve", "--store", str(folder / "ingest.db"), "--port", "0"]
    with running([*command, "--log", str(folder / "m1.jsonl")]) as process:
        yield url_of(process)
        process.terminate()
        process.wait(timeout=30)


def _enrol(program: Path, folder: Path, environment: dict[str, str], tracker: Path) -> str:
    made = subprocess.run(
        [*ATTRIBUTE, "token", "link", "--user", "uploader", "--store", str(folder / "ingest.db")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for _ in range(20):
        command = ["node", str(program), "init", "--yes", "--no-open", "--link-code", made.stdout.strip()]
        subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)
        config = tracker / "config.json"
        token = json.loads(config.read_text()).get("deviceToken") if config.exists() else None
        if token:
            return str(token)
    raise SystemExit("the uploader did not enrol")


def _write_queue(path: Path, lines: int, keys: int, chance: random.Random) -> dict[tuple[str, ...], str]:
    newest = slot_of(time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime())) or 0
    names = [("codex", "gpt-5.2-codex"), ("claude", "claude-opus"), ("every-code", "unknown"), ("gemini", "g-3")]
    every = [(*names[number % 4], hour_start_of(newest - number // 4)) for number in range(keys)]
    said = every[:lines] + [chance.choice(every) for _ in range(lines - len(every))]
    last: dict[tuple[str, ...], str] = {}
    with path.open("a") as file:
        for source, model, hour_start in said:
            counts = {name: chance.randrange(10**6) for name in COUNT_NAMES}
            file.write(json.dumps({"source": source, "model": model, "hour_start": hour_start, **counts}) + "\n")
            last[source, model, hour_start] = json.dumps([str(counts[name]) for name in COUNT_NAMES])
    return last


def _drain(program: Path, environment: dict[str, str], tracker: Path) -> int:
    queue, state = tracker / "queue.jsonl", tracker / "queue.state.json"
    for run in range(1, MOST_RUNS):
        command = ["node", str(program), "sync", "--drain"]
        subprocess.run(command, env=environment, capture_output=True, check=False, timeout=600)
        if state.exists() and json.loads(state.read_text())["offset"] >= queue.stat().st_size:
            return run
    raise SystemExit("the uploader did not drain its queue")


def _facts(url: str, token: str) -> Iterator[tuple[tuple[str, ...], str]]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        first, cursor = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 700 * 86_400)), ""
        while cursor is not None:
            query = {"from": first, **({"after": cursor} if cursor else {})}
            page = client.get("/functions/vibeusage-usage-buckets", params=query).raise_for_status().json()
            for row in page["data"]:
                key = (row["source"], row["model"], row["hour_start"])
                yield key, json.dumps([row[name] for name in COUNT_NAMES])
            cursor = page["next"]


if __name__ == "__main__":
    sys.exit(main())
