"""
The gate's answer in words and numbers: what every gate output shows, decided once.

Writers format and escape; they count and choose nothing. A phrase is a row of pieces; those that came from a log or a
user are `Name`s, so that a medium with markup can tell them from our own words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from hashlib import sha256
from typing import Final

from attribute.gate.limits import NoData, Of
from attribute.gate.result import GateResult, Outcome
from attribute.gate.settings import Level, State
from attribute.reports.escape import visible
from attribute.reports.gate_words import Name, Phrase, baseline_phrase, details_of, notes_of, sentence_of, title_of

__all__ = ["GateView", "Line", "Name", "Phrase", "build_view", "plain"]

_EXIT: Final = {State.PASS: 0, State.FAIL: 3, State.INCONCLUSIVE: 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """
    One test.

    Attributes:
        id: stable from run to run.
        check: `unknown-spike`, `refused-spike`, `coverage`, `limit` or `input`.
        state: what it comes to.
        level: what a failure of it does.
        counts_as: what state it brings to the whole gate; None where others decide.
        kind: how loud it is, the same in every format: `error` where it fails the gate, `warning`, `inconclusive`
            where it keeps the gate from passing, `unjudged` where it could not judge and that changes nothing, `pass`.
        title: a few words.
        sentence: the line, in words.
        details: more, one phrase a line.
        function: whose, where it is about one.
        pooled: whether *function* is no name, but all functions that the baseline has not seen.
        window_hours: how far back it looks, where it does.
        part: the requests that it counts.
        whole: the requests that these are a share of.
        of: what those are, in words.
        expected_share: usual share.
        allowed_share: greatest share that does not fail.
        allowed_count: greatest count that does not fail, for a limit on a count.
        needed: how many of *whole* would have failed.
        still_there: whether the last quarter of the window is over the allowed shares too; None where not asked.
        over: whether there were enough to fail, and later requests show that it is over.
        p_value: corrected probability.
        line: its line in the configuration file.
    """

    id: str
    check: str
    state: State
    level: Level
    counts_as: State | None
    kind: str
    title: Phrase
    sentence: Phrase
    details: tuple[Phrase, ...] = ()
    function: str | None = None
    pooled: bool = False
    window_hours: int | None = None
    part: int | None = None
    whole: int | None = None
    of: str | None = None
    expected_share: float | None = None
    allowed_share: float | None = None
    allowed_count: int | None = None
    needed: int | None = None
    still_there: bool | None = None
    over: bool = False
    p_value: float | None = None
    line: int | None = None

    @property
    def share(self) -> float | None:
        """Return *part* as a share of *whole*."""
        return self.part / self.whole if self.part is not None and self.whole else None

    @property
    def decides(self) -> bool:
        """Return whether it has a say in the whole gate's state."""
        return self.counts_as is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """
    All that any gate output shows.

    Attributes:
        state: what the gate comes to.
        exit_code: 0, 3 or 4.
        headline: state and reason in one line.
        lines: every test, the loudest first.
        baseline: what was compared with.
        notes: what a reader should also know.
        next_steps: what to do now.
        result: the numbers all this was made from.
        zone: the zone of printed times.
        config: the configuration file, relative where that can be; None without one.
        tool_version: ours.
        rules_version: whose verdicts were counted.
        rules_sha256: the same, exactly.
    """

    state: State
    exit_code: int
    headline: Phrase
    lines: tuple[Line, ...]
    baseline: Phrase
    notes: tuple[Phrase, ...]
    next_steps: tuple[Phrase, ...]
    result: GateResult
    zone: tzinfo
    config: str | None
    tool_version: str
    rules_version: str
    rules_sha256: str

    @property
    def now(self) -> datetime:
        """Return the end of all windows."""
        return self.result.now

    def shown_ids(self) -> dict[str, str]:
        r"""
        Return the ids as media show them that cannot hold every character, and no two alike.

        A name with an escape character is written as `\\u{1b}`, and another function may really be called so: then a
        piece of the hash of its id tells the first from the second.
        """
        shown = {line.id: visible(line.id) for line in self.lines}
        often = Counter(shown.values())
        return {
            id_: text if text == id_ or often[text] == 1 else f"{text} {sha256(_bytes(id_)).hexdigest()[:12]}"
            for id_, text in shown.items()
        }

    def of_kind(self, *kinds: str) -> tuple[Line, ...]:
        """Return the lines of some kinds (see `Line.kind`), in their order."""
        return tuple(line for line in self.lines if line.kind in kinds)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def plain(phrase: Phrase, name: Callable[[str], str] = str) -> str:
    """Return a phrase as text, with *name* applied to what came from a log or a user."""
    return "".join(name(piece.text) if isinstance(piece, Name) else piece for piece in phrase)


def build_view(
    result: GateResult,
    *,
    zone: tzinfo,
    on_inconclusive: NoData = NoData.INCONCLUSIVE,
    config: str | None = None,
    tool_version: str,
    rules_version: str,
    rules_sha256: str,
    baseline_name: str | None = None,
    notes: Iterable[Phrase] = (),
) -> GateView:
    """
    Put the gate's answer into words.

    Args:
        result: the answer.
        zone: the zone of printed times.
        on_inconclusive: what an inconclusive gate ends with.
        config: the configuration file.
        tool_version: ours.
        rules_version: whose verdicts were counted.
        rules_sha256: the same, exactly.
        baseline_name: the file of the baseline; None where it is the earlier part of the same logs.
        notes: what a reader should also know of the reading.
    """
    lines = tuple(_lines(result, zone))
    exit_code = _EXIT[result.state]
    if result.state is State.INCONCLUSIVE and on_inconclusive is not NoData.INCONCLUSIVE:
        exit_code = 3 if on_inconclusive is NoData.FAIL else 0
    return GateView(
        state=result.state,
        exit_code=exit_code,
        headline=_headline(result.state, lines, on_inconclusive),
        lines=lines,
        baseline=baseline_phrase(result, baseline_name),
        notes=(*notes_of(result, zone), *notes),
        next_steps=tuple(_next_steps(lines)),
        result=result,
        zone=zone,
        config=config,
        tool_version=tool_version,
        rules_version=rules_version,
        rules_sha256=rules_sha256,
    )


def _lines(result: GateResult, zone: tzinfo) -> Iterable[Line]:
    for outcome in result.outcomes:
        test, lost, report, limit = outcome.spike, outcome.coverage, outcome.coverage_report, outcome.limit
        numbers: dict[str, int | float | str | None] = {}
        if test is not None:
            numbers = {
                "function": test.function, "pooled": test.pooled, "window_hours": test.hours, "part": test.counted,
                "whole": test.incident, "of": "incident requests", "expected_share": test.expected_share,
                "allowed_share": test.allowed_share, "needed": test.needed, "still_there": test.still_there,
                "over": test.over, "p_value": test.p_value,
            }  # fmt: skip
        elif lost is not None:
            numbers = {
                "function": lost.function, "window_hours": lost.hours, "part": lost.blind, "whole": lost.healthy,
                "of": "healthy and UNKNOWN requests" if lost.unknown else "healthy requests",
                "expected_share": lost.expected_share, "allowed_share": lost.allowed_share,
                "needed": lost.needed, "still_there": lost.still_there, "p_value": lost.p_value,
            }  # fmt: skip
        elif report is not None and report.asked:
            numbers = {
                "window_hours": report.hours, "part": report.blind, "whole": report.healthy, "of": "healthy requests",
            }  # fmt: skip
        elif limit is not None:
            numbers = {
                "function": limit.limit.function, "window_hours": limit.limit.over_hours, "part": limit.part,
                "whole": limit.whole, "of": "requests" if limit.limit.of is Of.REQUESTS else "incident requests",
                "allowed_share": limit.limit.max_share, "allowed_count": limit.limit.max_count,
                "line": limit.limit.line,
            }  # fmt: skip
        yield Line(
            id=outcome.id,
            check=outcome.id.partition("/")[0],
            state=outcome.state,
            level=outcome.level,
            counts_as=outcome.counts_as,
            kind=_kind(outcome),
            title=title_of(outcome),
            sentence=sentence_of(outcome, result, zone),
            details=details_of(outcome),
            **numbers,  # type: ignore[arg-type]  # each key above names a field of its value's type
        )


def _kind(outcome: Outcome) -> str:
    """Return how loud a line is: by what it counts as, which is not always what it came to."""
    if outcome.counts_as is State.FAIL:
        return "error"
    if outcome.state is State.FAIL:
        return "warning"
    if outcome.state is State.PASS:
        return "pass"
    if outcome.counts_as is State.INCONCLUSIVE:
        return "inconclusive"
    warns = outcome.limit is not None and outcome.limit.limit.on_no_data is NoData.WARN
    return "warning" if warns else "unjudged"


def _headline(state: State, lines: tuple[Line, ...], on_inconclusive: NoData) -> Phrase:
    failing = [line for line in lines if line.kind == "error"]
    warnings = sum(line.kind == "warning" for line in lines)
    extra = f", {warnings} warning{'s' if warnings != 1 else ''}" if warnings else ""
    if state is State.FAIL:
        more = f", and {len(failing) - 1} more" if len(failing) > 1 else ""
        return ("gate failed: ", *failing[0].title, more + extra)
    if state is State.PASS:
        return (f"gate passed{extra}",)
    counted = {
        NoData.INCONCLUSIVE: "",
        NoData.FAIL: " (counted as a failure, as `--on-inconclusive` says)",
        NoData.WARN: " (counted as passed with a warning, as `--on-inconclusive` says)",
        NoData.PASS: " (counted as passed, as `--on-inconclusive` says)",
    }[on_inconclusive]
    unjudged = sorted((line for line in lines if line.state is State.INCONCLUSIVE), key=lambda line: not line.decides)
    why = unjudged[0].title if unjudged else ("nothing was asked",)
    return ("gate cannot judge: ", *why, counted + extra)


def _next_steps(lines: tuple[Line, ...]) -> Iterable[Phrase]:
    if any(line.kind == "error" and line.check in {"unknown-spike", "coverage"} for line in lines):
        yield ("attribute explain UNKNOWN LOGS    what the UNKNOWN requests have more of than others",)
    if any(line.check == "unknown-spike" and line.id == "unknown-spike" for line in lines):
        yield ("attribute baseline build LOGS -o baseline.json    then: attribute gate LOGS --baseline baseline.json",)
