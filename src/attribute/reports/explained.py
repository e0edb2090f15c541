"""What `attribute explain` says: of one request, and of a class or an incident against other traffic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, tzinfo

import orjson

from attribute.explain import ExplainedVerdict, Explanation, RuleAnswer, status_word
from attribute.lift import OverRepresented
from attribute.reports.escape import json_bytes
from attribute.reports.paint import Paint
from attribute.reports.wording import count, percent, plural, rfc3339, stamp, times, upstream_json
from attribute.reports.writers import Style
from attribute.rules.words import NO_CLASS

__all__ = ["lift_json", "lift_text", "request_json", "request_text"]


def request_text(explanation: Explanation, style: Style, zone: tzinfo) -> Iterator[bytes]:
    """Yield the explanation of one request for a reader."""
    paint = Paint(style)
    for line in _request_lines(explanation, paint, zone):
        yield (line.rstrip(" ") + "\n").encode()


def _request_lines(explanation: Explanation, paint: Paint, zone: tzinfo) -> Iterator[str]:
    verdict = explanation.verdict
    what = "no incident" if verdict.class_ == NO_CLASS else verdict.class_
    why = ", ".join(
        part for part in (f"rule {verdict.rule}" if verdict.rule else "no rule matched", verdict.reason) if part
    )
    yield f"REQUEST  {paint.text(explanation.request_id)}"
    yield f"VERDICT  {paint.color(what, verdict.class_)}   {paint.text(why)}"
    yield from paint.wrap(paint.text(explanation.meaning), lead=" " * 9)
    state = [word for word, holds in (("failing", explanation.failing), ("slow", explanation.slow)) if holds]
    limits = f"slow from {explanation.limits.slow_ms:g} ms{' (its own limit)' if explanation.own_limits else ''}"
    yield f"         {' and '.join(state) if state else 'neither failing nor slow'}; {limits}"
    for name, values in (("also matched", verdict.also_matched), ("flags", verdict.flags)):
        if values:
            yield f"         {name}: {', '.join(values)}"
    yield from _record_lines(explanation, paint, zone)
    yield "RULES"
    for answer in explanation.rules:
        yield from _rule_lines(answer, paint)
    if explanation.what_to_log:
        yield from paint.wrap(paint.text(explanation.what_to_log), lead="MISSING  ")
    for case in explanation.what_if:
        logged = ", ".join(f"{field}={value}" for field, value in case.logged)
        said = case.verdict.class_ if case.verdict.class_ != NO_CLASS else "no incident"
        yield paint.text(f"         with {logged}: {said} ({case.verdict.reason})", paint.width)


def _record_lines(explanation: Explanation, paint: Paint, zone: tzinfo) -> Iterator[str]:
    again = f", {plural(explanation.duplicates, 'duplicate')} left out" if explanation.duplicates else ""
    yield f"RECORDS  {count(len(explanation.records))}{again}"
    for record in explanation.records:
        fields = record.fields
        at = fields["at"]
        parts = [stamp(at, zone) if isinstance(at, datetime) else "no time", f"{fields['function']}/{fields['stage']}"]
        parts += [
            f"{name}={_shown(name, value)}"
            for name, value in fields.items()
            if name not in {"request_id", "function", "stage", "at"} and (value is not None or "status" in name)
        ]
        mark = "->" if record.decides else "  "
        yield from paint.wrap(paint.text("  ".join(parts)), lead=f"      {mark} ")
        if record.lends:
            yield f"           lends {', '.join(record.lends)}"


def _rule_lines(answer: RuleAnswer, paint: Paint) -> Iterator[str]:
    said = "decides" if answer.decides else "matches" if answer.matches else "no match"
    lead = f"  {paint.text(answer.rule.id):<8} {said:<9} "
    yield from paint.wrap(paint.text(f"{answer.rule.class_}: {answer.rule.summary}"), lead=lead)
    for condition in answer.conditions:
        mark = "yes" if condition.holds else "no "
        text = f"{mark} {condition.field} is {condition.seen}; wants {' or '.join(condition.wanted)}"
        yield from paint.wrap(paint.text(text), lead=" " * 11)


def _shown(name: str, value: object) -> str:
    if name in {"status", "upstream_status"}:
        return status_word(value if isinstance(value, int) else None)
    return f"{value:g}" if isinstance(value, float) else str(value)


def request_json(explanation: Explanation) -> bytes:
    """Return the explanation of one request as one object."""
    return _dumped(
        {
            "schema": "attribute.explanation/1",
            "request_id": explanation.request_id,
            "verdict": _verdict(explanation.verdict),
            "meaning": explanation.meaning,
            "failing": explanation.failing,
            "slow": explanation.slow,
            "limits": asdict(explanation.limits),
            "own_limits": explanation.own_limits,
            "records": [
                {"fields": _plain(record.fields), "decides": record.decides, "lends": list(record.lends)}
                for record in explanation.records
            ],
            "duplicates": explanation.duplicates,
            "joined": [asdict(joined) for joined in explanation.joined],
            "rules": [
                {
                    "rule": answer.rule.id,
                    "class": answer.rule.class_.value,
                    "matches": answer.matches,
                    "decides": answer.decides,
                    "conditions": [asdict(condition) for condition in answer.conditions],
                }
                for answer in explanation.rules
            ],
            "what_to_log": explanation.what_to_log or None,
            "what_if": [
                {"logged": dict(case.logged), "verdict": _verdict(case.verdict)} for case in explanation.what_if
            ],
        }
    )


def _verdict(verdict: ExplainedVerdict) -> dict[str, object]:
    return {
        "class": verdict.class_,
        "rule": verdict.rule,
        "reason": verdict.reason.value,
        "also_matched": list(verdict.also_matched),
        "flags": [flag.value for flag in verdict.flags],
    }


def _plain(fields: Mapping[str, object]) -> dict[str, object]:
    plain: dict[str, object] = {}
    for name, value in fields.items():
        if isinstance(value, datetime):
            plain[name] = rfc3339(value)
        else:
            plain[name] = upstream_json(value) if name == "upstream_status" and isinstance(value, int) else value
    return plain


def lift_text(rows: Sequence[OverRepresented], *, title: str, against: str, style: Style) -> Iterator[bytes]:
    """Yield what is over-represented, the highest lift first; `new` where the others have none of it."""
    paint = Paint(style)
    yield (paint.text(title, paint.width) + "\n").encode()
    yield (paint.text(f"against {against}", paint.width) + "\n").encode()
    if not rows:
        yield b"nothing is more frequent than there\n"
        return
    room = paint.width - 44
    yield f"{paint.left('VALUE', room)}{'n':>10}{'share':>9}{'there':>8}{'share':>9}{'lift':>8}\n".encode()
    limit = 15 if style.verbosity <= 0 else len(rows)
    for row in rows[:limit]:
        value = paint.left(paint.text(f"{row.field}={row.value}"), room)
        there = "" if row.baseline_share is None else f"{count(row.baseline):>8}{percent(row.baseline_share):>9}"
        lift = "" if row.lift is None else f"{times(row.lift) if row.baseline else 'new':>8}"
        yield f"{value}{count(row.selected):>10}{percent(row.selected_share):>9}{there}{lift}\n".encode()
    if len(rows) > limit:
        yield f"{len(rows) - limit} more (-v)\n".encode()


def lift_json(rows: Sequence[OverRepresented], *, selection: str, against: str, requests: int, baseline: int) -> bytes:
    """Return what is over-represented as one object."""
    return _dumped(
        {
            "schema": "attribute.lift/1",
            "selection": selection,
            "against": against,
            "requests": requests,
            "baseline_requests": baseline,
            "over_represented": [asdict(row) for row in rows],
        }
    )


def _dumped(document: object) -> bytes:
    return json_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
