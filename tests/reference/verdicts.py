"""
Requests -> verdicts, in plain Python: the four rules, the gaps between them and users' rules, one `if` at a time.

Knows nothing of the catalogue, its parser or its compiler: the M1 rules are written out here from their definition,
and users' rules are the plain tables of a rule file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from attribute.rules.thresholds import Limits, Thresholds

TIMEOUT = 0
INVALID = -1


class Verdict(NamedTuple):
    """What is said of one request."""

    class_: str
    rule: str | None
    reason: str
    also_matched: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


class PlainRule(NamedTuple):
    """A rule as data: conditions as {field: [pattern, ...]}, the reason as text."""

    id: str
    class_: str
    when: Mapping[str, Sequence[str | int]]
    reason: str = "user-rule"


M1_RULES = ("M1-1", "M1-2", "M1-3", "M1-4")


def verdict_of(
    request: Mapping[str, Any], thresholds: Thresholds | None = None, rules: Sequence[PlainRule | str] = M1_RULES
) -> Verdict:
    """Return the verdict of *request*; *rules* are M1 ids and rules of the user's, in order of evaluation."""
    limits = (thresholds or Thresholds()).of(request["function"])
    if not is_failing(request) and not is_slow(request, limits):
        reason = "upstream-failure-absorbed" if is_absorbed_failure(request["upstream_status"]) else "ok"
        return Verdict("none", None, reason)
    matched: list[tuple[str, str, str]] = []
    for rule in rules:
        if isinstance(rule, str):
            said = m1_rule(rule, request, limits)
            if said is not None:
                matched.append((rule, *said))
        elif all(holds(field, patterns, request, limits) for field, patterns in rule.when.items()):
            matched.append((rule.id, rule.class_, rule.reason))
    if matched:
        rule_id, class_, reason = matched[0]
    else:
        rule_id, class_, reason = None, "UNKNOWN", gap(request, limits)
    return Verdict(class_, rule_id, reason, tuple(each[0] for each in matched[1:]), flags(request, class_, reason))


def m1_rule(  # noqa: PLR0911 - one return for each line of the rules
    rule: str, request: Mapping[str, Any], limits: Limits
) -> tuple[str, str] | None:
    """Return class and reason if the M1 rule matches."""
    status, upstream = request["status"], request["upstream_status"]
    if rule == "M1-1" and upstream is None:
        return "UNKNOWN", "upstream-status-missing"
    if rule == "M1-1" and upstream == INVALID:
        return "UNKNOWN", "upstream-status-invalid"
    if rule == "M1-2" and hundreds(status) == 5 and upstream == TIMEOUT:
        return "vendor", "upstream-timeout"
    if rule == "M1-2" and hundreds(status) == 5 and hundreds(upstream) == 5:
        return "vendor", "upstream-5xx"
    if rule == "M1-3" and hundreds(status) in {4, 5} and hundreds(upstream) == 2:
        return "application", f"upstream-ok-function-{hundreds(status)}xx"
    if rule == "M1-4" and is_slow(request, limits) and split(request, limits) == "upstream-low":
        return "application-bottleneck", "slow-with-fast-upstream"
    return None


def gap(request: Mapping[str, Any], limits: Limits) -> str:  # noqa: PLR0911 - one return for each gap
    """Return the reason for an incident request that no rule matches."""
    status, upstream = request["status"], request["upstream_status"]
    if upstream is None:
        return "upstream-status-missing"
    if upstream == INVALID:
        return "upstream-status-invalid"
    if status is None:
        return "function-status-missing"
    if status >= 400:
        if upstream == 429:
            return "upstream-429"
        if (upstream == TIMEOUT or upstream >= 500) and status < 500:
            return "upstream-failed-function-4xx"
        if hundreds(upstream) == 4:
            return f"upstream-4xx-function-{hundreds(status)}xx"
        return "upstream-status-inconclusive"
    return {
        "upstream-latency-missing": "upstream-latency-missing",
        "upstream-exceeds": "latency-contradiction",
        "upstream-dominant": "upstream-slow",
        "upstream-unclear": "latency-split-unclear",
        "upstream-low": "latency-split-unclear",
    }[split(request, limits)]


def flags(request: Mapping[str, Any], class_: str, reason: str) -> tuple[str, ...]:
    """Return what a reader should also know."""
    found = []
    if reason == "upstream-status-missing" and request["upstream_latency_ms"] is not None:
        found.append("upstream-called-no-answer")
    if class_ == "application-bottleneck" and request["upstream_calls"] is None:
        found.append("upstream-latency-may-be-partial")
    if request.get("joined_from") is not None:
        found.append("evidence-joined")
    return tuple(found)


def is_failing(request: Mapping[str, Any]) -> bool:
    """Missing, 4xx or 5xx."""
    return request["status"] is None or request["status"] >= 400


def is_slow(request: Mapping[str, Any], limits: Limits) -> bool:
    """At or over the threshold."""
    return bool(request["latency_ms"] >= limits.slow_ms)


def is_absorbed_failure(upstream: int | None) -> bool:
    """A failure that nobody noticed if the function answered well."""
    return upstream is not None and (upstream in {TIMEOUT, 429} or upstream >= 500)


def split(request: Mapping[str, Any], limits: Limits) -> str:
    """Return how the time was shared between the upstream and us."""
    total, upstream = request["latency_ms"], request["upstream_latency_ms"]
    if upstream is None:
        return "upstream-latency-missing"
    if upstream > total + max(limits.clock_tolerance_ms, limits.clock_tolerance_share * total):
        return "upstream-exceeds"
    if upstream <= limits.upstream_low_share * total:
        return "upstream-low"
    if upstream >= limits.upstream_dominant_share * total:
        return "upstream-dominant"
    return "upstream-unclear"


def hundreds(status: int | None) -> int | None:
    """Return 5 for 5xx and so on; None where there is no status."""
    return None if status is None or status < 100 else status // 100


def holds(field: str, patterns: Sequence[str | int], request: Mapping[str, Any], limits: Limits) -> bool:
    """Return whether one of the patterns of a user's rule holds."""
    return any(pattern_holds(field, pattern, request, limits) for pattern in patterns)


def pattern_holds(field: str, pattern: str | int, request: Mapping[str, Any], limits: Limits) -> bool:
    """Return whether one pattern holds."""
    value = request[field]
    if field == "latency_ms":
        return is_slow(request, limits) == (pattern == "slow")
    if field == "upstream_latency_ms":
        return split(request, limits) == pattern
    if field in {"status", "upstream_status"}:
        return status_holds(value, str(pattern))
    if value is None:
        return pattern == "missing" and field in {"error_code", "upstream"}
    if pattern == "missing" and field in {"error_code", "upstream"}:
        return False
    return fnmatchcase(value, str(pattern))


def status_holds(value: int | None, pattern: str) -> bool:
    """Return whether a status is what the pattern says."""
    if pattern == "missing" or value is None:
        return pattern == "missing" and value is None
    if pattern in {"timeout", "invalid"}:
        return value == (TIMEOUT if pattern == "timeout" else INVALID)
    if pattern.endswith("xx"):
        return hundreds(value) == int(pattern[0])
    low, _, high = pattern.partition("-")
    return int(low) <= value <= int(high or low)
