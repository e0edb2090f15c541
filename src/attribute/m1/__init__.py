"""
The M1 record: what it holds, how a line becomes one, how one becomes a line, and the logger that writes them.

Stands alone and imports only the standard library, so that a service can log with it at no other cost.
"""

from attribute.m1.asgi import M1Middleware
from attribute.m1.decode import Record, Reject, RejectReason, decode, parse_instant_us
from attribute.m1.encode import RecordError, encode
from attribute.m1.errors import AttributionError
from attribute.m1.fields import FIELDS, UPSTREAM_INVALID, UPSTREAM_TIMEOUT, Field, Kind
from attribute.m1.request_log import ActiveRequest, RequestLogger, UpstreamCall, current_request
from attribute.m1.schema import json_schema
from attribute.m1.sink import SinkError

__all__ = [
    "FIELDS",
    "UPSTREAM_INVALID",
    "UPSTREAM_TIMEOUT",
    "ActiveRequest",
    "AttributionError",
    "Field",
    "Kind",
    "M1Middleware",
    "Record",
    "RecordError",
    "Reject",
    "RejectReason",
    "RequestLogger",
    "SinkError",
    "UpstreamCall",
    "current_request",
    "decode",
    "encode",
    "json_schema",
    "parse_instant_us",
]
