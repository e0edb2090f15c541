"""Upserts over HTTP in the manner of PostgREST, with one deadline for the whole call."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import httpx
import orjson

from attribute.ingest.stores.elapsed import ms_since

RECORDS = "/api/database/records/"
PREFER = "return=representation,resolution=merge-duplicates"
MAX_ANSWER_BYTES = 8 * 2**20
_MARGIN_S = 5.0

Record = dict[str, str | int | None]


class Answer(NamedTuple):
    """
    What came of one call.

    Attributes:
        confirmed: the vendor answered 2xx, in full, with as many records as were sent.
        status: what it answered; ``"timeout"`` if our deadline ended the call; None if no complete answer came, or
            a 2xx that does not hold the records: whoever said it, it is no success, and as evidence it would blame us.
        latency_ms: from the start of the call, connecting included.
    """

    confirmed: bool
    status: int | Literal["timeout"] | None
    latency_ms: float


def is_address(url: str) -> bool:
    """Whether records can be sent below a URL: of HTTP, with a host, and nothing behind its path."""
    try:
        parts, port = httpx.URL(url), urlsplit(url).port
    except (httpx.InvalidURL, ValueError):
        return False
    return parts.scheme in ("http", "https") and bool(parts.host) and port != 0 and not (parts.query or parts.fragment)


class RecordsClient:
    """
    A client whose calls end at their deadline, whatever the other side does.

    The calls run on an event loop in a thread of their own, because only there a total deadline can be kept: an
    ordinary read timeout starts anew with every byte that trickles in.
    """

    def __init__(self, url: str, *, key: str | None, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._url = url.rstrip("/") + RECORDS
        self._headers = {"Accept-Encoding": "identity", "Content-Type": "application/json", "Prefer": PREFER}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="records-vendor", daemon=True)
        self._thread.start()
        self._client = httpx.AsyncClient(timeout=deadline_s, follow_redirects=False, trust_env=False)

    def upsert(self, table: str, records: Sequence[Record], *, on_conflict: Sequence[str]) -> Answer:
        """Send records; each is identified by the columns of *on_conflict*."""
        started = time.perf_counter()
        call = self._post(table, orjson.dumps(records), ",".join(on_conflict), len(records))
        future: Future[tuple[bool, int | Literal["timeout"] | None]] = asyncio.run_coroutine_threadsafe(
            call, self._loop
        )
        try:
            confirmed, status = future.result(timeout=self._deadline_s + _MARGIN_S)
        except TimeoutError:  # the loop itself was held up
            future.cancel()
            confirmed, status = False, "timeout"
        return Answer(confirmed, status, ms_since(started))

    async def _post(
        self, table: str, body: bytes, on_conflict: str, count: int
    ) -> tuple[bool, int | Literal["timeout"] | None]:
        columns = {"on_conflict": on_conflict, "select": on_conflict}
        try:
            async with asyncio.timeout(self._deadline_s):
                request = self._client.stream(
                    "POST", self._url + table, params=columns, content=body, headers=self._headers
                )
                async with request as response:
                    answer = await _read(response)
        except (TimeoutError, httpx.TimeoutException):
            return False, "timeout"
        except httpx.HTTPError:
            return False, None
        if not response.is_success:
            return False, response.status_code
        return (True, response.status_code) if _holds(answer, count) else (False, None)

    def close(self) -> None:
        """End the thread and every connection; idempotent."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result(timeout=_MARGIN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _read(response: httpx.Response) -> bytes | None:
    """The body as it came; None where it is too long, or encoded against our wish: a short one may hold a long one."""
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        return None
    gathered = bytearray()
    async for piece in response.aiter_raw():
        gathered += piece
        if len(gathered) > MAX_ANSWER_BYTES:
            return None
    return bytes(gathered)


def _holds(answer: bytes | None, count: int) -> bool:
    """Whether the answer is the list of records that was asked for: a 2xx of some box in between is no confirmation."""
    if answer is None:
        return False
    try:
        records = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return False
    return isinstance(records, list) and len(records) == count
