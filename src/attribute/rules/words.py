"""The closed sets that verdicts are worded in. Adding a member is a breaking change and says so in the changelog."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Class(StrEnum):
    """Whose failure an incident request was. Exactly so spelled."""

    VENDOR = "vendor"
    APPLICATION = "application"
    BOTTLENECK = "application-bottleneck"
    UNKNOWN = "UNKNOWN"


NO_CLASS: Final = "none"
"""What rollups say of a request that is neither failing nor slow."""

CLASSES: Final = tuple(Class)


class Reason(StrEnum):
    """Why a request has its verdict. Rule files of users may not add to it."""

    UPSTREAM_5XX = "upstream-5xx"
    UPSTREAM_TIMEOUT = "upstream-timeout"
    UPSTREAM_OK_FUNCTION_5XX = "upstream-ok-function-5xx"
    UPSTREAM_OK_FUNCTION_4XX = "upstream-ok-function-4xx"
    SLOW_WITH_FAST_UPSTREAM = "slow-with-fast-upstream"
    UPSTREAM_STATUS_MISSING = "upstream-status-missing"
    UPSTREAM_STATUS_INVALID = "upstream-status-invalid"
    FUNCTION_STATUS_MISSING = "function-status-missing"
    UPSTREAM_SLOW = "upstream-slow"
    UPSTREAM_LATENCY_MISSING = "upstream-latency-missing"
    LATENCY_SPLIT_UNCLEAR = "latency-split-unclear"
    LATENCY_CONTRADICTION = "latency-contradiction"
    UPSTREAM_FAILED_FUNCTION_4XX = "upstream-failed-function-4xx"
    UPSTREAM_4XX_FUNCTION_4XX = "upstream-4xx-function-4xx"
    UPSTREAM_4XX_FUNCTION_5XX = "upstream-4xx-function-5xx"
    UPSTREAM_429 = "upstream-429"
    UPSTREAM_STATUS_INCONCLUSIVE = "upstream-status-inconclusive"
    OK = "ok"
    UPSTREAM_FAILURE_ABSORBED = "upstream-failure-absorbed"
    USER_RULE = "user-rule"


class Flag(StrEnum):
    """What a reader of a verdict should also know. A flag never changes a class."""

    UPSTREAM_CALLED_NO_ANSWER = "upstream-called-no-answer"
    UPSTREAM_LATENCY_MAY_BE_PARTIAL = "upstream-latency-may-be-partial"
    EVIDENCE_JOINED = "evidence-joined"


CLASS_OF_REASON: Final = MappingProxyType(
    {
        Reason.UPSTREAM_5XX: Class.VENDOR,
        Reason.UPSTREAM_TIMEOUT: Class.VENDOR,
        Reason.UPSTREAM_OK_FUNCTION_5XX: Class.APPLICATION,
        Reason.UPSTREAM_OK_FUNCTION_4XX: Class.APPLICATION,
        Reason.SLOW_WITH_FAST_UPSTREAM: Class.BOTTLENECK,
        Reason.UPSTREAM_STATUS_MISSING: Class.UNKNOWN,
        Reason.UPSTREAM_STATUS_INVALID: Class.UNKNOWN,
        Reason.FUNCTION_STATUS_MISSING: Class.UNKNOWN,
        Reason.UPSTREAM_SLOW: Class.UNKNOWN,
        Reason.UPSTREAM_LATENCY_MISSING: Class.UNKNOWN,
        Reason.LATENCY_SPLIT_UNCLEAR: Class.UNKNOWN,
        Reason.LATENCY_CONTRADICTION: Class.UNKNOWN,
        Reason.UPSTREAM_FAILED_FUNCTION_4XX: Class.UNKNOWN,
        Reason.UPSTREAM_4XX_FUNCTION_4XX: Class.UNKNOWN,
        Reason.UPSTREAM_4XX_FUNCTION_5XX: Class.UNKNOWN,
        Reason.UPSTREAM_429: Class.UNKNOWN,
        Reason.UPSTREAM_STATUS_INCONCLUSIVE: Class.UNKNOWN,
    }
)
"""The one class that a reason argues for. `user-rule` goes with any class; `ok` and absorbed failures have none."""
