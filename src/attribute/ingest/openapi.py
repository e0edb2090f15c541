"""The service's own description, as OpenAPI 3.1: made from the same tables that the service works by."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from attribute.ingest.messages import ROUTES, SLUGS, Access, Function, Route
from attribute.ingest.model import MAX_COUNT
from attribute.ingest.query import MAX_MONTHS, MAX_PAGE, MAX_WEEKS, PARAMETERS
from attribute.ingest.refusals import MAX_BUCKETS, Code
from attribute.ingest.wire import COUNT_NAMES, MAX_MODEL_CHARS, MAX_SOURCE_CHARS

Json = dict[str, object]

_HALF_HOUR: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):(00|30):00(\.0{1,9})?(Z|\+00:00)$"
_SECRET: Final[Json] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_DAY: Final[Json] = {"type": "string", "format": "date"}
_TEXT: Final[Json] = {"type": "string"}
_INTEGER: Final[Json] = {"type": "integer", "minimum": 0}
_NUMBER_TEXT: Final[Json] = {"type": "string", "pattern": "^-?[0-9]+$"}
_TOTALS: Final = (
    "total_tokens",
    "billable_total_tokens",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)
_PARAMETER_SCHEMAS: Final[dict[str, Json]] = {
    "from": _DAY,
    "to": _DAY,
    "day": _DAY,
    "source": {"type": "string", "maxLength": MAX_SOURCE_CHARS},
    "model": {"type": "string", "maxLength": MAX_MODEL_CHARS},
    "tz": {"type": "string", "examples": ["Europe/Berlin"], "description": "IANA name; goes before the offset."},
    "tz_offset_minutes": {"type": "integer", "minimum": -840, "maximum": 840},
    "debug": {"type": "string", "enum": ["0", "1"]},
    "months": {"type": "integer", "minimum": 1, "maximum": MAX_MONTHS},
    "weeks": {"type": "integer", "minimum": 1, "maximum": MAX_WEEKS},
    "week_starts_on": {"type": "string", "enum": ["sun", "mon"]},
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE},
    "after": {"type": "string", "description": "`next` of the page before."},
}


def _object(properties: Json, *, optional: tuple[str, ...] = (), closed: bool = True) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": not closed,
    }


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _nullable(schema: Json) -> Json:
    return {"oneOf": [schema, {"type": "null"}]}


def _totals() -> Json:
    return dict.fromkeys(_TOTALS, _NUMBER_TEXT)


def _bucket() -> Json:
    counts: Json = {name: {"type": "integer", "minimum": 0, "maximum": MAX_COUNT} for name in COUNT_NAMES}
    names: Json = {"source": _nullable(_TEXT), "model": _nullable(_TEXT)}
    hour: Json = {"type": "string", "pattern": _HALF_HOUR}
    return _object({**names, "hour_start": hour, **counts}, optional=tuple(names))


def _delivery() -> Json:
    buckets: Json = {**_list({"$ref": "#/components/schemas/Bucket"}), "maxItems": MAX_BUCKETS}
    return {
        "oneOf": [
            _object({"hourly": buckets}),
            buckets,
            _object({"data": buckets}),
            _object({"data": _object({"hourly": buckets})}),
        ]
    }


_LABELS: Final[Json] = {
    "device_name": _nullable({"type": "string", "maxLength": 128}),
    "platform": _nullable({"type": "string", "maxLength": 32}),
}
_RANGE: Final[Json] = {"from": _DAY, "to": _DAY}
_MODEL: Final[Json] = {"model_id": _nullable(_TEXT), "model": _nullable(_TEXT)}
_VERSION: Final[Json] = {"billable_rule_version": _INTEGER}
_DEBUG: Final[Json] = {"debug": _object({"request_id": _TEXT, "status": _INTEGER, "query_ms": _INTEGER})}
_PING_MINUTES: Final[Json] = {"min_interval_minutes": _INTEGER}


def _answers() -> dict[Function, Json]:
    totals = _object(_totals())
    named = _object({**_MODEL, "totals": totals})
    return {
        Function.INGEST: _object({"success": {"const": True}, "inserted": _INTEGER, "skipped": _INTEGER}),
        Function.SYNC_PING: _object(
            {"success": {"const": True}, "updated": {"type": "boolean"}, "last_sync_at": _TEXT, **_PING_MINUTES}
        ),
        Function.EPOCH: _object({"epoch": {"type": "integer", "minimum": 2}}),
        Function.DEVICE_TOKEN_ISSUE: _object({"device_id": _TEXT, "token": _SECRET, "created_at": _TEXT}),
        Function.LINK_CODE_EXCHANGE: _object({"token": _SECRET, "device_id": _TEXT, "user_id": _TEXT}),
        Function.USAGE_SUMMARY: _read({**_RANGE, "days": _INTEGER, **_MODEL, "totals": totals}),
        Function.USAGE_DAILY: _read(
            {
                **_RANGE,
                **_MODEL,
                "data": _list(_object({"day": _DAY, **_totals()})),
                "summary": _object({"totals": totals}),
            }
        ),
        Function.USAGE_HOURLY: _read(
            {
                "day": _DAY,
                "data": _list(
                    _object(
                        {"hour": _TEXT, "hour_start": _TEXT, **_totals(), "missing": {"const": True}},
                        optional=("missing",),
                    )
                ),
                "sync": _object({"last_sync_at": _nullable(_TEXT), **_PING_MINUTES}),
            }
        ),
        Function.USAGE_MONTHLY: _read(
            {**_RANGE, "months": _INTEGER, "data": _list(_object({"month": _TEXT, **_totals()}))}
        ),
        Function.USAGE_MODEL_BREAKDOWN: _read(
            {
                **_RANGE,
                "days": _INTEGER,
                "sources": _list(_object({"source": _TEXT, "totals": totals, "models": _list(named)})),
            }
        ),
        Function.USAGE_HEATMAP: _read(
            {
                **_RANGE,
                "week_starts_on": {"enum": ["sun", "mon"]},
                "thresholds": _object({"t1": _NUMBER_TEXT, "t2": _NUMBER_TEXT, "t3": _NUMBER_TEXT}),
                "active_days": _INTEGER,
                "streak_days": _INTEGER,
                "weeks": _list(_list(_nullable(_object({"day": _DAY, "value": _NUMBER_TEXT, "level": _INTEGER})))),
            }
        ),
        Function.USAGE_BUCKETS: _read(
            {
                **_RANGE,
                "data": _list(
                    _object({"hour_start": _TEXT, "source": _TEXT, "model": _TEXT, "device_id": _TEXT, **_totals()})
                ),
                "next": _nullable(_TEXT),
            }
        ),
        Function.HEALTHZ: _object({"status": {"const": "ok"}}),
        Function.READYZ: _object({"status": {"const": "ready"}}),
        Function.OPENAPI: {"type": "object"},
    }


def _read(properties: Json) -> Json:
    return _object({**properties, **_VERSION, **_DEBUG}, optional=("debug",))


def _requests() -> dict[Function, Json]:
    return {
        Function.INGEST: {"$ref": "#/components/schemas/Delivery"},
        Function.DEVICE_TOKEN_ISSUE: _object(_LABELS, optional=tuple(_LABELS)),
        Function.LINK_CODE_EXCHANGE: _object(
            {"link_code": _SECRET, "request_id": {"type": "string", "pattern": "^[!-~]{1,128}$"}, **_LABELS},
            optional=tuple(_LABELS),
        ),
    }


_STATUSES: Final[dict[Access, tuple[int, ...]]] = {
    Access.ANYONE: (400, 405, 413, 500, 503),
    Access.DEVICE: (400, 401, 405, 413, 429, 500, 503),
    Access.LINK_CODE: (400, 401, 405, 413, 500, 503),
}
_MORE_STATUSES: Final[dict[Function, tuple[int, ...]]] = {
    Function.INGEST: (408, 409, 415, 422),
    Function.DEVICE_TOKEN_ISSUE: (408, 409, 415),
    Function.LINK_CODE_EXCHANGE: (408, 409, 415),
}


_LINKS: Final[dict[Function, tuple[Function, Json]]] = {
    Function.EPOCH: (Function.INGEST, {"Attribute-Sequence": "{$response.body#/epoch}.1"}),
    Function.USAGE_BUCKETS: (Function.USAGE_BUCKETS, {"after": "$response.body#/next"}),
}
"""Where an answer leads: to the operation in whose question a part of it belongs."""


def _headers(function: Function) -> list[Json]:
    if function is Function.INGEST:
        return [
            _header("Idempotency-Key", {"type": "string", "pattern": "^[!-~]{1,255}$"}),
            _header("Attribute-Sequence", {"type": "string", "pattern": r"^[0-9]{1,15}\.[0-9]{1,15}$"}),
        ]
    return []


def _header(name: str, schema: Json) -> Json:
    return {"name": name, "in": "header", "required": False, "schema": schema}


def _operation(slug: str, route: Route, answers: dict[Function, Json], requests: dict[Function, Json]) -> Json:
    function = route.function
    content: Json = (
        {"text/plain": {"schema": _TEXT}}
        if function is Function.METRICS
        else {"application/json": {"schema": answers[function]}}
    )
    done: Json = {"description": "Done.", "content": content}
    if function in _LINKS:
        leads_to, parameters_of_it = _LINKS[function]
        done["links"] = {"next": {"operationId": f"{slug}-{leads_to}", "parameters": parameters_of_it}}
    responses: Json = {"200": done}
    for status in (*_STATUSES[route.access], *_MORE_STATUSES.get(function, ())):
        responses[str(status)] = {"$ref": "#/components/responses/Refused"}
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": _PARAMETER_SCHEMAS[name]}
        for name in sorted(PARAMETERS.get(function, ()))
    ]
    operation: Json = {
        "operationId": f"{slug}-{function}" if slug else function.value,
        "parameters": [*_headers(function), *parameters],
        "responses": responses,
    }
    if function in requests:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": requests[function]}}}
    if route.access is not Access.ANYONE:
        operation["security"] = [{route.access.value: []}]
    return operation


@lru_cache(maxsize=1)
def document() -> Json:
    """Return the document; do not change it."""
    answers, requests = _answers(), _requests()
    paths: Json = {}
    for path, route in ROUTES.items():
        slug = next((slug for slug in SLUGS if path.startswith(f"/functions/{slug}-")), "")
        paths[path] = {route.method.lower(): _operation(slug, route, answers, requests)}
    refused = _object(
        {
            "error": _TEXT,
            "code": {"enum": [code.value for code in Code if code is not Code.REPLAYED]},
            "path": _TEXT,
            "epoch": _INTEGER,
        },
        optional=("path", "epoch"),
    )
    bearer: Json = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "attribute ingest", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": {"Bucket": _bucket(), "Delivery": _delivery()},
            "responses": {
                "Refused": {"description": "Not done.", "content": {"application/json": {"schema": refused}}}
            },
            "securitySchemes": {Access.DEVICE.value: bearer, Access.LINK_CODE.value: bearer},
        },
    }
