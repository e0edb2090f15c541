"""The process: files with the right modes, one listening socket, signals, and an orderly end."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, cast

import uvicorn

from attribute.ingest import app
from attribute.ingest.patience import PatientWriter
from attribute.ingest.protocol import BoundedProtocol, Limits
from attribute.ingest.service import Service
from attribute.ingest.visits import Clock
from attribute.m1.errors import AttributionError

SYSTEM_CLOCK: Final = Clock(now_us=lambda: time.time_ns() // 1000, monotonic=time.perf_counter)
KEY_BYTES: Final = 32
GRACE_S: Final = 15
OWN_DESCRIPTORS: Final = 192
"""Files, database connections and the event loop's own, with room to spare; connections of peers come on top."""


class ServerError(AttributionError):
    """The service cannot start as it was told to."""

    @classmethod
    def address_taken(cls, host: str, port: int, reason: str) -> Self:
        """Say which address cannot be listened on."""
        return cls(f"{host}:{port} cannot be listened on: {reason}", hint="choose another `--host` or `--port`")

    @classmethod
    def not_a_file(cls, path: Path, mode: int) -> Self:
        """Say what stands where a file is expected."""
        kind = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link"}.get(stat.S_IFMT(mode), "a pipe or device")
        return cls(
            f"{str(path)!r} is {kind}, expected a regular file", hint="name a file itself, or a path where none is yet"
        )

    @classmethod
    def not_private(cls, path: Path, mode: int, wanted: str) -> Self:
        """Say which file others can reach."""
        return cls(
            f"{str(path)!r} has mode {mode:04o}, expected a file that {wanted}",
            hint=f"look at what is in it, then `chmod 600 {str(path)!r}`",
        )

    @classmethod
    def not_a_key(cls, path: Path) -> Self:
        """Say which key file holds no key."""
        return cls(f"{str(path)!r} does not hold {KEY_BYTES} bytes", hint="restore it from the backup, or move it away")

    @classmethod
    def cannot_use(cls, path: Path, reason: str) -> Self:
        """Say which file cannot be read or made."""
        return cls(f"{str(path)!r} cannot be used: {reason}", hint="name a path in a folder of the service's own user")

    @classmethod
    def too_few_descriptors(cls, allowed: int, connections: int) -> Self:
        """Say that the cap on connections is beyond what the process may have open."""
        return cls(
            f"this process may have {allowed} files open, expected at least {OWN_DESCRIPTORS} and one for each of "
            f"{connections} connections",
            hint="raise it (`ulimit -n`, `LimitNOFILE=`), or lower `--connections`",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where to listen, and what a peer may cost. Port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: int = 0
    limits: Limits = field(default_factory=Limits)


def load_key(path: Path) -> bytes:
    """
    Return this installation's secret, made with mode 0600 where there is none yet.

    Raises:
        ServerError: the file is not of the right length, no regular file, or open to others.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return _existing_key(path)
    except OSError as error:
        raise ServerError.cannot_use(path, error.strerror or "no reason given") from error
    key = secrets.token_bytes(KEY_BYTES)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(descriptor)
    return key


def _existing_key(path: Path) -> bytes:
    require_private(path, others_may_read=False)
    try:
        key = path.read_bytes()
    except OSError as error:
        raise ServerError.cannot_use(path, error.strerror or "no reason given") from error
    if len(key) != KEY_BYTES:
        raise ServerError.not_a_key(path)
    return key


def require_private(path: Path, *, others_may_read: bool) -> None:
    """
    Refuse a file that others can write to (or read); a file that is not there is fine.

    Raises:
        ServerError: it is a link, no regular file, or its mode is too open.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ServerError.cannot_use(path, error.strerror or "no reason given") from error
    if not stat.S_ISREG(found.st_mode):
        raise ServerError.not_a_file(path, found.st_mode)
    too_open = 0o022 if others_may_read else 0o077
    if found.st_mode & too_open:
        wanted = "nobody else can write to" if others_may_read else "nobody else can read or write"
        raise ServerError.not_private(path, stat.S_IMODE(found.st_mode), wanted)


def require_descriptors(connections: int) -> None:
    """
    Allow this process as many open files as its connections may need.

    Raises:
        ServerError: more than the system lets it have; it would stop to answer before its own cap on connections.
    """
    needed = OWN_DESCRIPTORS + connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ServerError.too_few_descriptors(hard, connections)
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def listen(listener: Listener) -> socket.socket:
    """
    Bind the listening socket.

    Raises:
        ServerError: the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except BaseException:
            bound.close()
            raise
    except OSError as error:
        reason = error.strerror or "no reason given"
        raise ServerError.address_taken(listener.host, listener.port, reason) from error
    bound.setblocking(False)
    return bound


def address_of(bound: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_listening()


def make_server(service: Service, limits: Limits, *, on_listening: Callable[[], None]) -> uvicorn.Server:
    """Return uvicorn with this service's protocol, and none of uvicorn's own logs of paths and messages."""
    protocol = partial(BoundedProtocol, limits=limits, metrics=service.metrics)
    config = uvicorn.Config(
        cast("Any", app.build(service, message_s=limits.message_s)),
        loop="uvloop",
        http=cast("type[BoundedProtocol]", protocol),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="critical",
        proxy_headers=False,
        server_header=False,
        headers=[("server", "attribute")],
        backlog=256,
        # The protocol has an absolute idle deadline of its own; this one is pushed back by every byte.
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=GRACE_S,
    )
    return _Server(config, on_listening)


def serve(make_service: Callable[[Callable[[], None]], Service], listener: Listener) -> bool:
    """
    Listen and answer until a signal ends it; what is being answered then is answered to its end.

    SIGHUP opens the log anew after it was rotated away.

    Args:
        make_service: makes the service, given what it calls where the store must not be written to any more.
        listener: where to listen.

    Returns:
        Whether the end was asked for; False where the store could not go on.

    Raises:
        ServerError: the address cannot be had, or too few files may be open.
    """
    require_descriptors(listener.limits.connections)
    broken = threading.Event()
    running: list[uvicorn.Server] = []

    def stop() -> None:
        broken.set()
        for server in running:
            server.should_exit = True

    with listen(listener) as bound:
        service = make_service(stop)
        address = address_of(bound)
        server = make_server(service, listener.limits, on_listening=lambda: say(f"listening on {address}"))
        running.append(server)
        before = signal.signal(signal.SIGHUP, lambda *_: _reopen_log(service))
        try:
            server.run(sockets=[bound])
        finally:
            signal.signal(signal.SIGHUP, before)
    return not broken.is_set()


def _reopen_log(service: Service) -> None:
    # A writer of its own: this may come in the middle of another's write, or of itself.
    if not service.reopen_log():
        PatientWriter(sys.stderr.fileno()).write_or_lose(
            "attribute ingest: the log cannot be opened anew; records go on into the one that is open\n"
        )


def say(line: str) -> None:
    """Tell the operator something on stderr."""
    print(f"attribute ingest: {line}", file=sys.stderr, flush=True)  # noqa: T201 -- the process's own voice


@contextmanager
def running(service: Service, listener: Listener | None = None) -> Iterator[str]:
    """
    Serve in a thread for as long as the block lasts, and give the URL; for tests and demonstrations.

    Raises:
        ServerError: the address cannot be had.
    """
    listener = listener or Listener()
    started = threading.Event()
    bound = listen(listener)
    server = make_server(service, listener.limits, on_listening=started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="ingest", daemon=True)
    address = address_of(bound)
    thread.start()
    try:
        if not started.wait(timeout=30):
            raise ServerError.address_taken(listener.host, listener.port, "the server did not start")
        yield address
    finally:
        server.should_exit = True
        thread.join(timeout=GRACE_S + 5)
        bound.close()
