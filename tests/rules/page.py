"""
Makes docs/rules.md from the built-in catalogue, so that the page says what the rules do.

After a change of the catalogue: `python -m tests.rules.page`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from attribute.rules.catalogue import builtin
from attribute.rules.model import Catalogue, Example, ReasonCase, Rule
from attribute.rules.patterns import Condition
from attribute.rules.thresholds import Limits
from attribute.rules.words import CLASS_OF_REASON, Class, Reason

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"

MEANING_OF_LIMIT = {
    "slow_ms": "a request at or over it is slow",
    "upstream_low_share": "`upstream_latency_ms` at or under this share of `latency_ms` is low",
    "upstream_dominant_share": "at or over this share it is dominant; between the two the split is unclear",
    "clock_tolerance_ms": "an upstream longer than the request by at most this counts as equal: clocks round",
    "clock_tolerance_share": "the same as a share of the total; the larger of the two holds",
}


def page(catalogue: Catalogue) -> str:
    """Return the page."""
    return "\n".join(_lines(catalogue))


def _lines(catalogue: Catalogue) -> Iterator[str]:
    yield from INTRODUCTION.format(version=catalogue.version).split("\n")
    for rule in catalogue.rules:
        yield from _rule(rule)
    yield from GAPS.split("\n")
    for number, gap in enumerate(catalogue.gaps, start=1):
        yield f"| {number} | {_when(gap.when) or 'whatever is left'} | `{gap.reason}` |"
    yield from REASONS.split("\n")
    for reason in Reason:
        yield f"| `{reason}` | {CLASS_OF_REASON.get(reason, '')} | {catalogue.reasons[reason].meaning} |"
    yield from ADVICE.split("\n")
    for reason in Reason:
        text = catalogue.reasons[reason]
        if text.what_to_log:
            yield f"- `{reason}`: {text.what_to_log}"
    yield from LIMITS.split("\n")
    for field in fields(Limits):
        yield f"| `{field.name}` | {getattr(Limits(), field.name):g} | {MEANING_OF_LIMIT[field.name]} |"
    yield from AFTER.split("\n")


def _rule(rule: Rule) -> Iterator[str]:
    yield f"### {rule.id}: {rule.class_}"
    yield ""
    yield rule.summary
    yield ""
    yield f"When {_when(rule.when)}."
    yield ""
    yield f"Why: {rule.why}"
    yield ""
    if len(rule.reasons) > 1:
        yield f"Reason: {', else '.join(_case(case) for case in rule.reasons)}."
    else:
        yield f"Reason: `{rule.reasons[0].reason}`."
    yield ""
    yield "Where it is blind:"
    yield ""
    yield from (f"- {each}" for each in rule.blind_spots)
    yield ""
    yield "| example | |"
    yield "| --- | --- |"
    yield from (f"| `{_record(example)}` | {_outcome(example)} |" for example in rule.examples)
    yield ""


def _when(when: tuple[Condition, ...]) -> str:
    return " and ".join(f"`{each.field}` is {' or '.join(f'`{text}`' for text in each.texts)}" for each in when)


def _case(case: ReasonCase) -> str:
    return f"`{case.reason}`" + (f" where {_when(case.when)}" if case.when else "")


def _record(example: Example) -> str:
    return json.dumps(dict(example.record))


def _outcome(example: Example) -> str:
    if not example.matches:
        return "does not match"
    return "matches" if example.reason is None else f"`{example.reason}`"


INTRODUCTION = """\
<!-- Made from the catalogue by `python -m tests.rules.page`; change src/attribute/rules/m1.toml instead. -->
# The rules

Version `{version}`. Every request that is *failing* (`status` missing, 4xx or 5xx) or *slow* gets one verdict. The
rules are asked in this order; the first that matches decides, and the later ones that match too are listed with the
verdict as `also_matched`. A request that is neither failing nor slow gets no class, whatever else it lacks.

No evidence, no blame: where no rule matches, the verdict is UNKNOWN, with the reason that names the gap and with what
to log so that next time it is not. A verdict looks at its own request alone and never changes because of other
traffic.
"""

GAPS = """\
## Where no rule matches

The first line that holds names the reason of the UNKNOWN.

| | when | reason |
| --- | --- | --- |"""

REASONS = """
## Reasons

The list is closed: a rule file may not add to it. What says how often each occurs is the output's `reasons`.

| reason | class | meaning |
| --- | --- | --- |"""

ADVICE = """
## What to log so that it is no longer UNKNOWN

`attribute explain REQUEST_ID logs/` shows the same for one request, with the verdict that each answer would give.
"""

LIMITS = """
## Limits

All are settings, for all functions or for one, and are printed with the verdicts that used them.

| setting | default | meaning |
| --- | --- | --- |"""

AFTER = f"""
An upstream is *low* before it is *dominant*, should it be both (0 ms of 0 ms). `attribute calibrate logs/` proposes a
`slow_ms` for functions that are slow by nature; it is not in force until you put it into your config.

## Flags

A flag says what else to know about a verdict and never changes its class.

| flag | meaning |
| --- | --- |
| `upstream-called-no-answer` | the upstream's status is missing, but its latency is there: it was called |
| `upstream-latency-may-be-partial` | an `{Class.BOTTLENECK}` verdict without `upstream_calls`, see below |
| `evidence-joined` | the upstream's status or latency is from another record of the same request |

A logger that keeps only its last upstream call makes a slow vendor look like us; a record that counts its calls in
`upstream_calls` says that it does not.

## From records to a request

A verdict is given to a request, not to a line. Of the records that share a `request_id`

- the *deciding* one is the last of the highest stage: `exception` over `response` over any other. Last is by time, then
  by `latency_ms` (which counts from the request's arrival), then by an order over the contents, so that neither the
  order of lines nor that of files matters. A record without a time counts as before those with one;
- a missing `upstream_status` is lent by another record: one that failed (5xx, timeout) before any other 4xx, before any
  other status, before one that is no status; of several failures the earliest, of others the one with the greatest
  `upstream_latency_ms`. The name of the `upstream` comes with it;
- a missing `upstream_latency_ms` is lent by the same record if it has one, else by another in the same order, of equals
  the greatest. Its `upstream_calls` come with it, unless the request's records speak of more than it holds: of a
  greater latency, of more calls, or of latencies in more records than it sums over; or unless the record is another
  function's, which knows of its own calls alone. Then nobody knows how much it leaves out, and a bottleneck verdict
  from it says that it may be partial;
- the deciding record's own `upstream_latency_ms` is kept, but where another record speaks of a greater one or of more
  calls it may be partial all the same, and a bottleneck verdict says so;
- records that are equal in every field count once.

Healthy requests are counted by their ending records (`response`, `exception`), or by all records where a function never
writes one; only requests that are failing or slow are put together exactly.

To change or add a rule, see [Writing rules](writing-rules.md).
"""

if __name__ == "__main__":
    PAGE.write_text(page(builtin()), encoding="utf-8")
