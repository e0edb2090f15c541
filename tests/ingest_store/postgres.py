"""A real PostgreSQL for the tests: a server of our own in a temporary folder, reached through a socket file alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

DSN_VARIABLE = "ATTRIBUTE_TEST_PG_DSN"


def binaries() -> Path | None:
    """The newest installed server, found where distributions put it or on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class Server:
    """One server; `kill` ends it as a power switch would, `start` brings it back."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._user = "postgres" if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        if self._user:
            shutil.chown(self.folder, self._user)
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync")  # fmt: skip

    def start(self, *, durable: bool = False) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "on" if durable else "off",
            "max_connections": "80",
            "shared_buffers": "32MB",
            "log_min_messages": "fatal",
            "deadlock_timeout": "30ms",
        }
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *arguments],
            user=self._user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True,
        )  # fmt: skip
        self._run("pg_isready", "-q", "-h", str(self.folder), "-t", "1", attempts=100)

    def kill(self) -> None:
        """SIGKILL the server and every process of it."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout=20)

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"host={self.folder} dbname={database} user={user}"

    def _run(self, program: str, *arguments: str, attempts: int = 1) -> None:
        for attempt in range(attempts):
            done = subprocess.run(
                [str(self._programs / program), *arguments], user=self._user, capture_output=True, cwd="/", check=False
            )
            if done.returncode == 0:
                return
            if program == "pg_isready":
                subprocess.run(["sleep", "0.1"], check=True)  # waits for a server, not for a result
            assert attempt + 1 < attempts, done.stderr.decode()


def ends_with_note(why: str) -> str:
    """Skip with a line nobody overlooks; in CI there is no skipping."""
    if os.environ.get("CI"):
        pytest.fail(f"PG NOT TESTED: {why}", pytrace=False)
    pytest.skip(f"PG NOT TESTED: {why}")


@contextmanager
def server() -> Iterator[Server]:
    """A fresh server for one block."""
    programs = binaries()
    if programs is None:
        ends_with_note("no server is installed (Debian: postgresql)")
        raise AssertionError
    folder = Path(tempfile.mkdtemp(prefix="attribute-pg-"))
    running = Server(folder, programs)
    try:
        running.make()
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """Connection string of a server in which the tests may do as they please."""
    given = os.environ.get(DSN_VARIABLE)
    if given:
        yield given
        return
    with server() as running:
        yield running.dsn()


@contextmanager
def database(dsn: str) -> Iterator[str]:
    """A new database, dropped after the block; the value is its connection string."""
    name = f"attribute_{uuid4().hex}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        try:
            yield psycopg.conninfo.make_conninfo(dsn, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
