"""Requests and answers as values, so that every path through the service can be tested without a socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from attribute.ingest.refusals import Code


class Function(StrEnum):
    """What an M1 record of the service can have as its `function`. A path never becomes one."""

    INGEST = "ingest"
    SYNC_PING = "sync-ping"
    EPOCH = "epoch"
    DEVICE_TOKEN_ISSUE = "device-token-issue"  # noqa: S105 -- the name of an endpoint
    LINK_CODE_EXCHANGE = "link-code-exchange"
    USAGE_SUMMARY = "usage-summary"
    USAGE_DAILY = "usage-daily"
    USAGE_HOURLY = "usage-hourly"
    USAGE_MONTHLY = "usage-monthly"
    USAGE_MODEL_BREAKDOWN = "usage-model-breakdown"
    USAGE_HEATMAP = "usage-heatmap"
    USAGE_BUCKETS = "usage-buckets"
    HEALTHZ = "healthz"
    READYZ = "readyz"
    METRICS = "metrics"
    OPENAPI = "openapi"
    NO_ROUTE = "no-route"


class Access(StrEnum):
    """Who may call a function."""

    ANYONE = "anyone"
    DEVICE = "device"
    LINK_CODE = "link-code"


class Route(NamedTuple):
    """One function at one path: which method it takes, and who may call it."""

    function: Function
    method: str
    access: Access


SLUGS: Final = ("vibescore", "vibeusage")
_UNDER_SLUGS: Final = (
    Route(Function.INGEST, "POST", Access.DEVICE),
    Route(Function.SYNC_PING, "POST", Access.DEVICE),
    Route(Function.EPOCH, "POST", Access.DEVICE),
    Route(Function.DEVICE_TOKEN_ISSUE, "POST", Access.LINK_CODE),
    Route(Function.LINK_CODE_EXCHANGE, "POST", Access.ANYONE),
    Route(Function.USAGE_SUMMARY, "GET", Access.DEVICE),
    Route(Function.USAGE_DAILY, "GET", Access.DEVICE),
    Route(Function.USAGE_HOURLY, "GET", Access.DEVICE),
    Route(Function.USAGE_MONTHLY, "GET", Access.DEVICE),
    Route(Function.USAGE_MODEL_BREAKDOWN, "GET", Access.DEVICE),
    Route(Function.USAGE_HEATMAP, "GET", Access.DEVICE),
    Route(Function.USAGE_BUCKETS, "GET", Access.DEVICE),
)
ROUTES: Final[Mapping[str, Route]] = MappingProxyType(
    {
        **{f"/functions/{slug}-{route.function}": route for slug in SLUGS for route in _UNDER_SLUGS},
        "/healthz": Route(Function.HEALTHZ, "GET", Access.ANYONE),
        "/readyz": Route(Function.READYZ, "GET", Access.ANYONE),
        "/metrics": Route(Function.METRICS, "GET", Access.ANYONE),
        "/openapi.json": Route(Function.OPENAPI, "GET", Access.ANYONE),
    }
)
"""Exact paths, compared byte by byte as they came: nothing is decoded, folded or normalised."""

CORS: Final = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type, Authorization, apikey"),
)
REQUEST_ID_HEADER: Final = "X-Request-Id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """
    A request before its body.

    Attributes:
        method: as it came.
        path: as it came, still percent-encoded, without the query.
        query: what follows the first `?`, as it came.
        headers: name in lower case and value, repetitions kept.
    """

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> tuple[str, ...]:
        """All values of a header, in order; *name* in lower case."""
        return tuple(value for found, value in self.headers if found == name)

    @property
    def route(self) -> Route:
        """Where the request goes; an unknown path is a route of its own that nothing can be done with."""
        return ROUTES.get(self.path, _NO_ROUTE)


_NO_ROUTE: Final = Route(Function.NO_ROUTE, "", Access.ANYONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    What goes back.

    Attributes:
        status: of HTTP.
        headers: all of them but the length of the body.
        body: of the answer.
        code: why it is no success, or nothing.
        crashed: whether a bug of ours ended the request.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = field(default=())
    body: bytes = b""
    code: Code | None = None
    crashed: bool = False
