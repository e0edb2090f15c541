"""
No evidence, no blame: what a rule must have looked at before it may convict.

The least that each class needs was seen on the request itself:

- `vendor`: an upstream status that is a failure, every pattern of it (5xx, `timeout` or 429);
- `application`: an upstream status that was seen and is no failure of the upstream's (1xx to 4xx);
- `application-bottleneck`: that the request was slow and that the upstream took little of the time;
- `UNKNOWN`: nothing, as it convicts nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from attribute.m1.fields import UPSTREAM_TIMEOUT
from attribute.rules.patterns import Condition, Pattern, Split, Total
from attribute.rules.words import Class


def lacking_evidence(class_: Class, when: Sequence[Condition]) -> tuple[str, str] | None:
    """
    Say what a rule of *class_* with these conditions convicts without.

    Returns:
        What it lacks, and conditions that would be enough; None where it has its evidence.
    """
    tested = {condition.field: condition for condition in when}
    match class_:
        case Class.VENDOR:
            return _vendor(tested.get("upstream_status"))
        case Class.APPLICATION:
            return _application(tested.get("upstream_status"))
        case Class.BOTTLENECK:
            return _bottleneck(tested.get("latency_ms"), tested.get("upstream_latency_ms"))
        case Class.UNKNOWN:
            return None


def _vendor(upstream: Condition | None) -> tuple[str, str] | None:
    example = '`upstream_status = ["5xx", "timeout"]`'
    if upstream is None:
        return "it does not test `upstream_status`", example
    for pattern in upstream.patterns:
        if not _within(pattern, ((UPSTREAM_TIMEOUT, UPSTREAM_TIMEOUT), (429, 429), (500, 599))):
            return f'`upstream_status` "{pattern.text}" is no failure of the upstream\'s', example
    return None


def _application(upstream: Condition | None) -> tuple[str, str] | None:
    example = '`upstream_status = ["2xx"]`'
    if upstream is None:
        return "it does not test `upstream_status`", example
    for pattern in upstream.patterns:
        if not _within(pattern, ((100, 499),)):
            return f'`upstream_status` "{pattern.text}" does not say that the upstream did its part', example
    return None


def _bottleneck(total: Condition | None, split: Condition | None) -> tuple[str, str] | None:
    if total is None or total.texts != (Total.SLOW,):
        return "it does not test that `latency_ms` is slow, and nothing else", '`latency_ms = ["slow"]`'
    if split is None or split.texts != (Split.LOW,):
        return (
            "it does not test that the upstream took little of the time, and nothing else",
            '`upstream_latency_ms = ["upstream-low"]`',
        )
    return None


def _within(pattern: Pattern, bounds: tuple[tuple[int, int], ...]) -> bool:
    if pattern.codes is None:
        return False
    low, high = pattern.codes
    return any(least <= low and high <= greatest for least, greatest in bounds)
