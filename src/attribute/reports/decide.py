"""The answer: its state, its sentence, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from attribute.engines.analysis import InputAccount
from attribute.reports.asked import Asked
from attribute.reports.main_incident import NEGLIGIBLE, main_incident
from attribute.reports.model import (
    ClassRow,
    Confidence,
    FunctionRow,
    IncidentRow,
    ReasonRow,
    Requests,
    State,
    Verdict,
    WhyRow,
)
from attribute.reports.unjudged import why_unjudged
from attribute.reports.wording import FEW, and_more, count, of, percent
from attribute.rules.words import Class, Flag

__all__ = ["MAJORITY", "NOTHING_STANDS_OUT", "Facts", "decide"]

MAJORITY: Final = 0.6
"""From this share of all incident requests on, one class is the answer."""

NOTHING_STANDS_OUT: Final = 0.05
"""Under this share of requests, and without an incident that is shown, there is no problem."""

NAMED_FUNCTIONS: Final = 3

HIGH, MEDIUM = 0.85, 0.6
CERTAIN: Final = 0.99
"""No answer from logs is surer than this."""

_WERE: Final[Mapping[str, str]] = {
    Class.VENDOR: "were the vendor's",
    Class.APPLICATION: "were the application's own",
    Class.BOTTLENECK: "were slowed down by the application itself",
    Class.UNKNOWN: "cannot be attributed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the answer is made from; each as in `Result`, *others* as in `Analysis`."""

    account: InputAccount
    requests: Requests
    classes: Sequence[ClassRow]
    reasons: Sequence[ReasonRow]
    functions: Sequence[FunctionRow]
    incidents: Sequence[IncidentRow]
    flags: Mapping[str, int]
    asked: Asked
    others: Sequence[str] = ()

    @property
    def cut(self) -> bool:
        """Whether the window ended before now."""
        until = self.asked.typed.window.until_at
        return until is not None and until < self.asked.now

    @property
    def untimed(self) -> int:
        """Return how many records may lie in the window or outside of it; none where there is no window."""
        return 0 if self.asked.window.is_open else self.account.untimed

    @property
    def doubtful(self) -> int:
        """Return how many records may be failures of any class, of which nobody knows."""
        return self.account.rejected + self.untimed


def decide(facts: Facts, why: Mapping[str, Sequence[WhyRow]]) -> Verdict:
    """
    Return the answer.

    Args:
        facts: the numbers.
        why: evidence by class, most frequent first.
    """
    blocked = why_unjudged(facts.account, facts.asked.typed, facts.others, facts.requests.total)
    if blocked is not None:
        confidence = Confidence(word="low", share=None, raised_by=blocked[1])
        return Verdict(state=State.CANNOT_JUDGE, claim=blocked[0], cut=facts.cut, confidence=confidence)
    requests = facts.requests
    shown = [incident for incident in facts.incidents if incident.shown]
    if not requests.incident or (not shown and requests.incident < NOTHING_STANDS_OUT * requests.total):
        return _no_problem(facts)
    ranked = sorted(facts.classes, key=lambda row: -row.requests)  # stable: equal counts keep the fixed order
    top = ranked[0]
    share = top.requests / requests.incident
    mixed = share < MAJORITY
    main = main_incident(facts.incidents, top, mixed=mixed)
    state = State.MIXED if mixed else State(top.class_)
    named = tuple(row.class_ for row in ranked[: 2 if mixed else 1] if row.requests)
    claim = _mixed_claim(ranked, facts) if mixed else _class_claim(top, facts, why.get(top.class_, ()))
    return Verdict(
        state=state,
        claim=claim,
        when="" if main is None else main.when(facts.asked.zone, cut=facts.cut),
        classes=named,
        requests=top.requests,
        share=share,
        incident_id=None if main is None else main.incident.id,
        part="" if main is None else main.part,
        since_at=None if main is None else main.incident.started_at,
        until_at=None if main is None else main.until_at,
        ongoing=main is not None and main.incident.ongoing,
        cut=facts.cut,
        confidence=_confidence(top, facts, mixed=mixed),
    )


def _no_problem(facts: Facts) -> Verdict:
    incident, total = facts.requests.incident, facts.requests.total
    if not incident:
        claim = f"None of {count(total)} requests failed or was slow"
    else:
        share = f" ({percent(incident / total)})" if total >= FEW else ""
        were = "was" if incident == 1 else "were"
        claim = f"{count(incident)} of {count(total)} requests failed or {were} slow{share}: nothing stands out"
    if total < FEW:
        confidence = Confidence(word="low", share=None, raised_by=f"more than {count(total)} requests")
    else:
        # How sure it is that the true share is under the bar, were they a sample; doubtful ones may have failed.
        doubtful = facts.doubtful
        sure = min(CERTAIN, _surely_below(incident + doubtful, total + doubtful, NOTHING_STANDS_OUT))
        raised_by = _fewer_doubtful(facts) if doubtful > incident else "more requests"
        confidence = Confidence(word=_word(sure), share=sure, raised_by=None if sure >= HIGH else raised_by)
    return Verdict(state=State.NO_PROBLEM, claim=claim, cut=facts.cut, confidence=confidence)


def _class_claim(top: ClassRow, facts: Facts, why: Sequence[WhyRow]) -> str:
    incident = facts.requests.incident
    share = f" ({percent(top.requests / incident)})" if incident >= FEW else ""
    places, all_places = _places(top, facts)
    evidence, all_evidence = _evidence_phrase(why, top.requests)
    mostly = "" if all_places and all_evidence else "mostly "
    where = f"{mostly}{evidence} in {places}" if evidence else f"{mostly}in {places}"
    return (
        f"{count(top.requests)} of {count(incident)} failing or slow requests{share} {_WERE[top.class_]}"
        f"{':' if evidence else ''} {where}"
    )


def _places(row: ClassRow, facts: Facts) -> tuple[str, bool]:
    """Return the functions of a class as a phrase, the largest first, and whether every one of them is in it."""
    concerned = [function for function in facts.functions if function.by_class[row.class_]]
    ranked = sorted(concerned, key=lambda function: (-function.by_class[row.class_], function.function))
    names = [function.function for function in ranked]
    nearly_all, rest = 0, row.requests
    while nearly_all < len(ranked) and (not nearly_all or rest >= NEGLIGIBLE * row.requests):
        rest -= ranked[nearly_all].by_class[row.class_]
        nearly_all += 1
    if nearly_all > NAMED_FUNCTIONS:
        return and_more(names, NAMED_FUNCTIONS), True
    return and_more(names[:nearly_all], NAMED_FUNCTIONS), nearly_all == len(names)


def _evidence_phrase(why: Sequence[WhyRow], requests: int) -> tuple[str, bool]:
    """Return the words for more than a few of the *requests* of a class, each once, and whether they stand for all."""
    counted: dict[str, int] = {}
    for row in why:
        if row.words:
            counted[row.words] = counted.get(row.words, 0) + row.requests
    ranked = sorted(counted, key=lambda words: (-counted[words], words))
    kept = [words for words in ranked if counted[words] >= NEGLIGIBLE * requests]
    return and_more(kept, 2), not kept or sum(counted[words] for words in kept) == requests


def _mixed_claim(ranked: Sequence[ClassRow], facts: Facts) -> str:
    incident = facts.requests.incident
    parts = [f"{row.class_} {_counted(row.requests, incident)}" for row in ranked[:2] if row.requests]
    return (
        f"No class reaches {MAJORITY:.0%} of {count(incident)} failing or slow requests: ".replace("%", " %")
        + f"{' and '.join(parts)} lead"
    )


def _counted(part: int, whole: int) -> str:
    """Return a part that is no majority in words; rounded, 59.96 % would look like one."""
    return count(part) if whole < FEW else f"{count(part)} ({percent(min(part / whole, MAJORITY - 0.001))})"


def _confidence(top: ClassRow, facts: Facts, *, mixed: bool) -> Confidence:
    incident = facts.requests.incident
    if incident < FEW:
        return Confidence(word="low", share=None, raised_by=f"more than {count(incident)} failing or slow requests")
    unknown = next((row.requests for row in facts.classes if row.class_ == Class.UNKNOWN), 0)
    partial = facts.flags.get(Flag.UPSTREAM_LATENCY_MAY_BE_PARTIAL, 0) if top.class_ == Class.BOTTLENECK else 0
    # A latency that may be partial is a doubt, not a gap: it counts half. A doubtful record may be a failure.
    known = _lower_bound(max(incident - unknown - partial / 2, 0.0), incident + facts.doubtful)
    clear = 1.0 if mixed else 1.0 - _surely_below(top.requests, incident, MAJORITY)
    if top.class_ == Class.UNKNOWN and not mixed:
        worst = next(row for row in facts.reasons if row.class_ == Class.UNKNOWN)
        raised_by = f"fewer requests with {worst.reason}: now {of(worst.requests, incident)}"
        return Confidence(word="low", share=None, raised_by=raised_by)
    share = min(known, clear, CERTAIN)
    return Confidence(word=_word(share), share=share, raised_by=_raised_by(facts, known, clear, unknown, partial))


def _raised_by(facts: Facts, known: float, clear: float, unknown: int, partial: int) -> str | None:
    incident = facts.requests.incident
    if min(known, clear) >= HIGH:
        return None
    if clear < known:
        return f"a clearer majority than {percent(_top_share(facts))} of the requests"
    if facts.doubtful > max(partial, unknown):
        return _fewer_doubtful(facts)
    if partial > unknown:
        return f"`upstream_calls` in the records: {of(partial, incident)} may name only their last call"
    worst = next((row for row in facts.reasons if row.class_ == Class.UNKNOWN), None)
    if worst is None:
        return "more failing or slow requests"
    return f"fewer requests with {worst.reason}: now {of(worst.requests, incident)}"


def _fewer_doubtful(facts: Facts) -> str:
    if facts.untimed > facts.account.rejected:
        return f"a time in every record: {of(facts.untimed, facts.account.records)} have none and may lie in the window"
    return f"fewer rejected lines: now {count(facts.account.rejected)}; `--rejects FILE` names each of them"


def _top_share(facts: Facts) -> float:
    """Return the share of the largest class."""
    return max(row.requests for row in facts.classes) / facts.requests.incident


def _word(share: float) -> str:
    return "high" if share >= HIGH else "medium" if share >= MEDIUM else "low"


def _lower_bound(part: float, whole: int, z: float = 1.645) -> float:
    """Return the lower end of Wilson's interval for a share (one-sided 95 %)."""
    share = part / whole
    middle = share + z * z / (2 * whole)
    half = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    return max(0.0, (middle - half) / (1 + z * z / whole))


def _surely_below(part: int, whole: int, bar: float) -> float:
    """Return how likely a share of *part* in *whole* is to come from a true share under *bar* (normal tail)."""
    share = (part + 1) / (whole + 2)
    deviation = math.sqrt(share * (1 - share) / (whole + 2))
    return 0.5 * math.erfc((share - bar) / (deviation * math.sqrt(2)))
