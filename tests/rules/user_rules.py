"""Random rule files that the reader takes, as text and as plain data for the reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from attribute.rules.thresholds import Limits, Thresholds
from tests.reference.verdicts import M1_RULES, PlainRule
from tests.rules.records import FUNCTIONS

STATUS = ("missing", "2xx", "4xx", "5xx", "404", "500-504", "100-599", 503)
GLOBS = ("*", "pay-*", "[Pp]ay-?", "checkout", "é[[]x]", "*[!0-9]", "missing")
PATTERNS: Mapping[str, tuple[str | int, ...]] = {
    "status": STATUS,
    "upstream_status": (*STATUS, "invalid", "timeout", "1xx", 429),
    "latency_ms": ("slow", "normal"),
    "upstream_latency_ms": (
        "upstream-low",
        "upstream-dominant",
        "upstream-unclear",
        "upstream-latency-missing",
        "upstream-exceeds",
    ),
    "function": GLOBS,
    "stage": ("response", "up*"),
    "error_code": ("missing", "db_*", "E[[]1]", "*"),
    "upstream": ("missing", "quotes", "m*"),
}
EVIDENCE: Mapping[str, tuple[str | int, ...]] = {
    "vendor": ("5xx", "timeout", 429, "500-504", 503),
    "application": ("2xx", "4xx", "1xx", 404, "200-399"),
}


class RuleFile(NamedTuple):
    """A rule file, and the same as plain rules in order of evaluation."""

    text: str
    rules: tuple[PlainRule | str, ...]


@st.composite
def rule_files(draw: st.DrawFn) -> RuleFile:
    """Draw a rule file of up to four rules, anywhere but before the first built-in one."""
    order: list[PlainRule | str] = list(M1_RULES)
    lines = ['version = "test/1"']
    for number in range(draw(st.integers(0, 4))):
        rule = draw(plain_rules(f"T-{number}"))
        target = draw(st.none() | st.sampled_from(order[1:]))
        place = "" if target is None else draw(st.sampled_from(("before", "replaces")))
        lines += ["[[rule]]", f'id = "{rule.id}"', f'class = "{rule.class_}"', 'summary = "s"', 'log = "l"']
        if target is None:
            order.append(rule)
        else:
            at = order.index(target)
            order[at : at + (place == "replaces")] = [rule]
            lines.append(f'{place} = "{target if isinstance(target, str) else target.id}"')
        lines += [
            f"when.{field} = {json.dumps(list(patterns), ensure_ascii=False)}" for field, patterns in rule.when.items()
        ]
    return RuleFile("\n".join(lines), tuple(order))


@st.composite
def plain_rules(draw: st.DrawFn, rule_id: str) -> PlainRule:
    """Draw a rule with the evidence that its class needs."""
    class_ = draw(st.sampled_from(("vendor", "application", "application-bottleneck", "UNKNOWN")))
    fields = draw(st.lists(st.sampled_from(tuple(PATTERNS)), min_size=1, max_size=4, unique=True))
    when: dict[str, Sequence[str | int]] = {field: draw(some_of(PATTERNS[field])) for field in fields}
    if class_ in EVIDENCE:
        when["upstream_status"] = draw(some_of(EVIDENCE[class_]))
    elif class_ == "application-bottleneck":
        when |= {"latency_ms": ["slow"], "upstream_latency_ms": ["upstream-low"]}
    return PlainRule(rule_id, class_, when)


def some_of(patterns: Sequence[str | int]) -> st.SearchStrategy[list[str | int]]:
    """Draw one to three of *patterns*."""
    return st.lists(st.sampled_from(patterns), min_size=1, max_size=3, unique=True)


LIMITS = st.builds(
    Limits,
    slow_ms=st.sampled_from((0.5, 100.0, 999.5, 1000.0, 2000.0)),
    upstream_low_share=st.sampled_from((0.0, 0.1, 0.2, 0.3)),
    upstream_dominant_share=st.sampled_from((0.5, 0.8, 0.9, 1.0)),
    clock_tolerance_ms=st.sampled_from((0.0, 5.0, 25.0)),
    clock_tolerance_share=st.sampled_from((0.0, 0.01, 0.05)),
)
THRESHOLDS = st.builds(
    Thresholds, default=LIMITS, by_function=st.dictionaries(st.sampled_from((*FUNCTIONS, "nobody")), LIMITS, max_size=4)
)
