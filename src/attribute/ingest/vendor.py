"""
A records vendor to fail: PostgREST-style upserts over SQLite, with a schedule of faults.

`POST <anything>/records/<table>?on_conflict=a,b` inserts or replaces rows by the named columns, as hosted databases
offer it. `PUT /control/faults` replaces the schedule and `GET /control/calls` counts. For demonstrations and tests, on
loopback; it keeps no secrets and asks for none.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sqlite3
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final, Self, cast
from urllib.parse import parse_qsl

import uvicorn
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from attribute.ingest.faults import Fault, FaultError, FaultKind, Schedule, parse
from attribute.ingest.server import Listener, address_of, listen
from attribute.m1.errors import AttributionError

MAX_BODY_BYTES: Final = 8 << 20
LONGEST_HANG_S: Final = 600.0
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_RESET: Final = struct.pack("ii", 1, 0)
_FILTER: Final = "eq."
_PAGE: Final = 1000

Row = dict[str, object]


class RecordsError(AttributionError):
    """The file for the vendor's rows is none that they can go to."""

    @classmethod
    def not_usable(cls, path: str, why: str) -> Self:
        """Say why SQLite does not take the file."""
        return cls(
            f"{path}: cannot hold the vendor's records: {why}",
            hint="name an SQLite file, or a new one in a folder that is there; `:memory:` keeps nothing",
        )


class Records:
    """
    Tables of JSON objects in one SQLite file, each row under the values of its key columns.

    Args:
        path: the file, made where there is none; `:memory:` keeps nothing.

    Raises:
        RecordsError: it cannot be made or opened, or holds something else.
    """

    def __init__(self, path: str | Path = ":memory:") -> None:
        self._lock = threading.Lock()
        try:
            self._connection = _opened(str(path))
        except sqlite3.Error as error:
            raise RecordsError.not_usable(str(path), str(error)) from error

    def upsert(self, table: str, columns: tuple[str, ...], rows: list[Row]) -> None:
        """Insert or merge rows in one transaction: members that a row does not have keep what they were."""
        values = [(table, json.dumps([row.get(column) for column in columns]), json.dumps(row)) for row in rows]
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT INTO record VALUES (?, ?, ?) "
                "ON CONFLICT (name, key) DO UPDATE SET value = json_patch(value, excluded.value)",
                values,
            )

    def select(self, table: str, wanted: dict[str, str], limit: int, offset: int) -> list[Row]:
        """Rows of a table whose members equal *wanted* as text, in the order of their keys."""
        with (
            self._lock,
            closing(
                self._connection.execute("SELECT value FROM record WHERE name = ? ORDER BY key", (table,))
            ) as found,
        ):
            rows = [json.loads(value) for (value,) in found]
        rows = [row for row in rows if all(str(row.get(name)) == value for name, value in wanted.items())]
        return rows[offset : offset + limit]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _opened(path: str) -> sqlite3.Connection:
    with ExitStack() as stack:
        connection = stack.enter_context(closing(sqlite3.connect(path, check_same_thread=False, isolation_level=None)))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS record "
            "(name TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (name, key)) STRICT"
        )
        stack.pop_all()
    return connection


class Vendor:
    """
    The vendor's HTTP side.

    Args:
        records: where rows go.
        schedule: what goes wrong.
    """

    def __init__(self, records: Records, schedule: Schedule) -> None:
        self.records = records
        self.schedule = schedule

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/control/faults", self._replace, methods=["PUT"]),
                Route("/control/calls", self._calls, methods=["GET"]),
                Route("/{before:path}records/{table}", self._post, methods=["POST"]),
                Route("/{before:path}records/{table}", self._get, methods=["GET"]),
            ]
        )

    async def _replace(self, request: Request) -> Response:
        try:
            faults = parse(json.loads(await _body(request)), place="request")
        except (ValueError, RecursionError, FaultError):
            return _error(400, "faults")
        self.schedule.replace(faults)
        return JSONResponse({"faults": len(faults)})

    async def _calls(self, _: Request) -> Response:
        return JSONResponse({"calls": self.schedule.calls})

    async def _post(self, request: Request) -> Response:
        fault = self.schedule.next()
        body = await _body(request)
        if fault is not None and not fault.after_write:
            spoiled = await _spoiled(request, fault)
            if spoiled is not None:
                return spoiled
        answer = await self._written(request, body)
        if fault is not None and fault.after_write:
            return await _spoiled(request, fault) or answer
        return answer

    async def _written(self, request: Request, body: bytes) -> Response:
        asked = dict(parse_qsl(request.url.query))
        table, columns = request.path_params["table"], _names(asked.get("on_conflict", ""))
        try:
            rows = _rows(body)
        except (ValueError, RecursionError):
            return _error(400, "PGRST102")
        if not columns or not all(map(_NAME.fullmatch, (*columns, table))):
            return _error(400, "PGRST100")
        if any(column not in row for row in rows for column in columns):
            return _error(400, "23502")
        await to_thread.run_sync(self.records.upsert, table, columns, rows)
        if "return=representation" not in request.headers.get("prefer", ""):
            return Response(status_code=201)
        selected = _names(asked.get("select", ""))
        return JSONResponse([_only(row, selected) for row in rows], status_code=201)

    async def _get(self, request: Request) -> Response:
        fault = self.schedule.next()
        if fault is not None:
            spoiled = await _spoiled(request, fault)
            if spoiled is not None:
                return spoiled
        asked = dict(parse_qsl(request.url.query))
        try:
            limit, offset = int(asked.pop("limit", _PAGE)), int(asked.pop("offset", 0))
        except ValueError:
            return _error(400, "PGRST100")
        asked.pop("order", None)
        selected = _names(asked.pop("select", ""))
        if limit < 0 or offset < 0 or not all(value.startswith(_FILTER) for value in asked.values()):
            return _error(400, "PGRST100")
        wanted = {name: value.removeprefix(_FILTER) for name, value in asked.items()}
        rows = await to_thread.run_sync(self.records.select, request.path_params["table"], wanted, limit, offset)
        return JSONResponse([_only(row, selected) for row in rows])


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise ClientDisconnect
        parts.append(part)
    return b"".join(parts)


def _rows(body: bytes) -> list[Row]:
    value = json.loads(body)
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) for row in rows) or len({frozenset(row) for row in rows}) > 1:
        raise ValueError("all object keys must match")
    return rows


def _names(listed: str) -> tuple[str, ...]:
    return tuple(filter(None, listed.split(",")))


def _only(row: Row, names: tuple[str, ...]) -> Row:
    return {name: row.get(name) for name in names} if names and names != ("*",) else row


def _error(status: int, code: str) -> Response:
    return JSONResponse({"code": code, "message": "refused", "details": None, "hint": None}, status_code=status)


async def _spoiled(request: Request, fault: Fault) -> Response | None:
    """Do what a fault says; None where the call goes on after all, only later."""
    if fault.delay_ms:
        await asyncio.sleep(fault.delay_ms / 1000)
    transport: asyncio.Transport = request.scope["state"]["transport"]
    match fault.kind:
        case FaultKind.STATUS:
            return _error(fault.status, "fault")
        case FaultKind.RATE_LIMIT:
            refused = _error(429, "rate_limit")
            refused.headers["Retry-After"] = str(fault.retry_after_s)
            return refused
        case FaultKind.RESET:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
            return Response(status_code=500)
        case FaultKind.CUT:
            transport.write(
                b'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 4096\r\n\r\n[{"'
            )
            transport.close()
            return Response(status_code=500)
        case FaultKind.HANG:
            await _until_left(request, fault)
            return Response(status_code=504)
        case FaultKind.DELAY:
            return None


async def _until_left(request: Request, fault: Fault) -> None:
    if fault.delay_ms:
        return
    try:
        async with asyncio.timeout(LONGEST_HANG_S):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


class _OpenProtocol(HttpToolsProtocol):
    """Lets the application reach its connection, so that it can be broken on purpose."""

    def on_headers_complete(self) -> None:
        self.scope["state"]["transport"] = self.transport
        super().on_headers_complete()


def make_server(vendor: Vendor) -> uvicorn.Server:
    """Return a server for a vendor; run it with a socket of `attribute.ingest.server.listen`."""
    return uvicorn.Server(
        uvicorn.Config(
            cast("Any", vendor.app()),
            loop="asyncio",
            http=_OpenProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="critical",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )


@contextmanager
def running(vendor: Vendor, listener: Listener | None = None) -> Iterator[str]:
    """Serve in a thread for as long as the block lasts, and give the URL."""
    bound = listen(listener or Listener())
    server = make_server(vendor)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="vendor", daemon=True)
    address = address_of(bound)
    bound.listen()  # so that a caller that is faster than the thread waits in line
    thread.start()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        bound.close()
