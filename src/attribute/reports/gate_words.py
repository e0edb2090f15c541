"""How the gate speaks: one sentence for each test, and what usually stands behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import groupby

from attribute.gate.coverage import CoverageReport, CoverageTest
from attribute.gate.expect import LeftOut
from attribute.gate.limits import Limit, LimitTest, NoData, Of
from attribute.gate.result import GateResult, Outcome, Why
from attribute.gate.settings import Check, GateSettings, Kind, Level, State
from attribute.gate.shape import Shape, Signature
from attribute.gate.spike import NEW_FUNCTIONS, SpikeTest
from attribute.reports.wording import count, percent, plural, stamp

__all__ = ["Name", "Phrase", "baseline_phrase", "details_of", "notes_of", "sentence_of", "title_of"]


@dataclass(frozen=True, slots=True)
class Name:
    """A piece of text that came from a log, a file name or a configuration."""

    text: str


Phrase = tuple[str | Name, ...]

_SETTINGS = GateSettings()
_MOST_NAMES = 5
_SHAPES = {
    Shape.LOST_EVIDENCE: "healthy requests lost their evidence too: the instrumentation regressed, "
    "look at what was deployed",
    Shape.NO_ANSWER_MANY: "many functions answer 5xx and saw no answer: the vendor times out or resets connections, "
    "and the logger does not say so (`upstream_status` should be `timeout`)",
    Shape.NO_ANSWER_ONE: "one or two functions answer 5xx and saw no answer: they fail before or during their call",
    Shape.CLIENTS: "answers 4xx before any upstream call: client traffic (unauthenticated, malformed, a scanner)",
    Shape.MIXED: "no single pattern: see the reasons",
}


def window(hours: int | None) -> str:
    """Return a window in words."""
    if hours is None:
        return "everything read"
    return f"last {hours} h" if hours < 48 or hours % 24 else f"last {hours // 24} d"


def whose(function: str | None, *, pooled: bool = False) -> Phrase:
    """Return whose requests are meant; what is no function's name stands without backticks."""
    if function is None:
        return ("all functions",)
    return (NEW_FUNCTIONS.strip("()"),) if pooled else ("`", Name(function), "`")


def title_of(outcome: Outcome) -> Phrase:
    """Return a few words on a line: what it is about, for headlines."""
    if outcome.state is State.INCONCLUSIVE and outcome.why in _WHY_SHORT and outcome.limit is None:
        return (_WHY_SHORT[outcome.why],)
    then = " and nothing since" if outcome.why is Why.SILENT else ""
    if outcome.spike is not None:
        test = outcome.spike
        word = "UNKNOWN" if test.kind is Kind.UNEXPLAINED else "refused requests"
        kind = "spike of " if test.stands_out else "no spike of "
        over = ", which is over" if test.over else ""
        return (f"{kind}{word}{then}, ", *whose(test.function, pooled=test.pooled), f", {window(test.hours)}{over}")
    if outcome.coverage is not None:
        return (f"evidence lost{then}, ", *whose(outcome.coverage.function), f", {window(outcome.coverage.hours)}")
    if outcome.coverage_report is not None:
        return ("evidence coverage",)
    assert outcome.limit is not None
    limit = outcome.limit.limit
    state = {State.FAIL: "limit exceeded", State.PASS: "limit kept", State.INCONCLUSIVE: "limit not judged"}
    if outcome.state is State.INCONCLUSIVE and outcome.counts_as is State.FAIL:
        return ("too little data for a limit that fails then: ", Name(limit.name))
    return (f"{state[outcome.state]}: ", Name(limit.name))


_WHY_SHORT: Mapping[Why | None, str] = {
    Why.NO_REQUESTS: "no requests in the logs",
    Why.STALE: "no recent requests",
    Why.REFUSED: "all recent requests were refused",
    Why.REJECTS: "too many rejected lines",
    Why.UNTIMED: "too many requests without a usable time",
    Why.NO_BASELINE: "no baseline",
    Why.OTHER_RULES: "a baseline of other rules",
    Why.TOO_FEW: "too few requests",
    Why.LACKING: "far fewer requests than usual",
    Why.NEW_FUNCTIONS: "most requests are of new functions",
    Why.NO_EVIDENCE: "no function has evidence to lose",
    Why.INCOMPLETE: "a file was read only in part",
}


_WHY_OF_REPORT = frozenset({None, Why.TOO_FEW, Why.NEW_FUNCTIONS, Why.NO_EVIDENCE})


def sentence_of(outcome: Outcome, result: GateResult, zone: tzinfo) -> Phrase:
    """Return a line in words: what was counted, what is usual, what would have failed."""
    if outcome.spike is not None and outcome.why not in {Why.STALE, Why.REFUSED}:
        lacking = f"; {_volume(result)}" if outcome.why is Why.LACKING else ""
        return (*_spike_sentence(outcome.spike, outcome, zone), lacking)
    if outcome.coverage is not None:
        return _coverage_sentence(outcome.coverage, outcome, zone)
    if outcome.limit is not None:
        return _limit_sentence(outcome.limit)
    if outcome.coverage_report is not None and outcome.why in _WHY_OF_REPORT:
        return _report_sentence(outcome.coverage_report, outcome.why)
    assert outcome.why is not None
    return (_why_sentence(outcome, result, zone),)


def _why_sentence(outcome: Outcome, result: GateResult, zone: tzinfo) -> str:
    numbers = result.numbers
    part = {"unknown-spike": "spikes: ", "coverage": "evidence coverage: "}.get(outcome.id.partition("/")[0], "")
    sentences = {
        Why.NO_REQUESTS: f"there are no requests in the logs ({plural(numbers.rejected, 'rejected line')})",
        Why.REJECTS: f"{plural(numbers.rejected, 'line')} rejected against {plural(numbers.requests, 'request')} read"
        + (f"; {_volume(result)}" if result.volume.lacking else ""),
        Why.UNTIMED: f"{plural(numbers.untimed, 'request')} without a time and {count(numbers.later)} after now, "
        f"against {count(result.volume.timed)} of the last 24 h, which may be no sample of them",
        Why.REFUSED: f"all {plural(result.volume.refused, 'request')} of the last 24 h were refused before any "
        "upstream call, which says nothing of the rest",
        Why.INCOMPLETE: "a file could only be read in part, and `--strict` was asked for",
        Why.OTHER_RULES: "the baseline holds verdicts of other rules or thresholds, which cannot be compared: "
        "build it anew",
        Why.STALE: _stale(outcome, result, zone),
        Why.NO_BASELINE: _no_baseline(outcome, result),
    }
    assert outcome.why is not None
    return part + sentences[outcome.why]


def _volume(result: GateResult) -> str:
    volume = result.volume
    usual = "" if volume.usual_day is None else f", where nine in ten days have at least {count(volume.usual_day)}"
    left_out = " (refused ones left out)" if volume.refused else ""
    return f"the last 24 h have {plural(volume.last_day, 'request')}{left_out}{usual}"


def _stale(outcome: Outcome, result: GateResult, zone: tzinfo) -> str:
    at = result.numbers.newest_at
    newest = "none is older" if at is None else f"the newest is of {stamp(at, zone)}"
    hours = outcome.spike.hours if outcome.spike is not None else 24
    return f"no requests in the {window(hours)}; {newest}. Are these the logs of now? `--now` judges as of then"


def _no_baseline(outcome: Outcome, result: GateResult) -> str:
    use = result.baseline
    where = f"{'the baseline has' if use.of_file else 'the logs hold'} {plural(use.available_days, 'day')}"
    if outcome.check is Check.COVERAGE:
        return f"nothing says what is usual: {where} before the window"
    return (
        f"no baseline: {where} before the window, {_SETTINGS.min_baseline_days} are needed; "
        "only coverage and limits were judged"
    )


def _spike_sentence(test: SpikeTest, outcome: Outcome, zone: tzinfo) -> Phrase:
    refused = test.kind is Kind.REFUSED
    what = "UNKNOWN 4xx before any upstream call" if refused else "UNKNOWN"
    cut = f" ({count(test.unknown)} before bursts were cut)" if test.unknown != test.counted else ""
    share = f" ({percent(test.counted / test.incident)})" if test.incident else ""
    begin: Phrase = (
        f"{window(test.hours)}, ",
        *whose(test.function, pooled=test.pooled),
        (
            f": {count(test.counted)} of {count(test.incident)} incident requests {what}{share}{cut}"
            f", expected {percent(test.expected_share)}"
        ),
    )
    if outcome.state is State.FAIL:
        rule = (
            "1.5 times"
            if test.allowed_share > test.expected_share + _SETTINGS.share_excess + 1e-12
            else "5 points over"
        )
        rule = "at most" if test.allowed_share >= _SETTINGS.max_allowed else rule
        still = "" if test.still_there is None else f", and it is still there in the last {_quarter(test.hours)}"
        return (
            *begin,
            (
                f", allowed {percent(test.allowed_share)} ({rule} what is usual; of all requests "
                f"{percent(test.allowed_requests_share)}); {_or_more(test.needed, 'were enough to fail')}; "
                f"adjusted p {test.p_value:.1e}; in {plural(test.slots, 'ten-minute slot')}{still}"
            ),
        )
    if test.unsettled:
        return (*begin, f"; {_or_more(test.needed, 'were enough to fail')}{_silent(outcome, zone)}")
    if test.over:
        late = f"{count(test.late_counted)} of {plural(test.late_incident, 'incident request')}"
        return (
            *begin,
            (
                f"; {_or_more(test.needed, 'were enough to fail')}, but it is over: {late} in the last "
                f"{_quarter(test.hours)}"
            ),
        )
    if test.needed is not None:
        return (*begin, f"; {_or_more(test.needed, 'would have failed')}")
    if outcome.negligible:
        return (
            *begin,
            f"; so few of {plural(test.requests, 'request')} failed that they are no spike whatever they are",
        )
    more = "no number would" if test.least_incident is None else f"{count(test.least_incident)} would"
    return (*begin, f"; too few to judge: not even all of them UNKNOWN would have stood out, {more}")


def _quarter(hours: int) -> str:
    return f"{hours // 4} h"


def _or_more(needed: int | None, verb: str) -> str:
    return "" if needed is None else f"{count(needed)} or more {verb}"


def _silent(outcome: Outcome, zone: tzinfo) -> str:
    at = outcome.silent_since
    whose = " of it"
    if outcome.spike is not None and (outcome.spike.function is None or outcome.spike.pooled):
        whose = " of them" if outcome.spike.pooled else ""
    since = "" if at is None else f" since {stamp(at, zone)}"
    return f", but nothing{whose} was logged{since}, so nobody knows whether it is over"


def _coverage_sentence(test: CoverageTest, outcome: Outcome, zone: tzinfo) -> Phrase:
    share = percent(test.blind / test.healthy)
    lost = f"healthy requests have no `upstream_status` ({share})"
    if test.unknown:
        lost = f"healthy and UNKNOWN requests lack evidence ({share}; {count(test.unknown)} UNKNOWN)"
    return (
        f"{window(test.hours)}, ",
        *whose(test.function),
        (
            f": {count(test.blind)} of {count(test.healthy)} {lost}, usual {percent(test.expected_share)}, allowed "
            f"{percent(test.allowed_share)}; {_or_more(test.needed, 'were enough to fail')}; p {test.p_value:.1e}"
            f"{_silent(outcome, zone) if test.unsettled else '. The next failure there will be UNKNOWN'}"
        ),
    )


def _report_sentence(report: CoverageReport, why: Why | None) -> Phrase:
    if not report.asked:
        return ("evidence coverage: no function usually carries an `upstream_status`, so none can be lost: not judged",)
    if why is Why.NEW_FUNCTIONS:
        return (
            (
                f"evidence coverage: {count(report.new_blind)} of {count(report.healthy + report.new_healthy)} healthy "
                f"requests of the {window(report.hours)} are of functions that the baseline knows too little of, and "
                "have no `upstream_status`: nobody knows whether they lost it"
            ),
        )
    if why is Why.TOO_FEW:
        return (
            (
                f"evidence coverage: none of {plural(len(report.asked), 'function')} that usually carry an "
                "`upstream_status` had enough healthy requests to judge"
            ),
        )
    return (
        (
            f"evidence coverage, {window(report.hours)}: {count(report.blind)} of {count(report.healthy)} healthy "
            f"requests have no `upstream_status`, {_whether_usual(report)}; {len(report.tested)} of "
            f"{plural(len(report.asked), 'function')} judged"
        ),
    )


def _whether_usual(report: CoverageReport) -> str:
    if not report.over:
        return "as is usual"
    return f"{plural(len(report.over), 'function')} lost it for a time, which is over"


def _limit_sentence(test: LimitTest) -> Phrase:
    limit = test.limit
    begin: Phrase = (f"{window(limit.over_hours)}, ", *whose(limit.function), f": {count(test.part)}")
    whole = "requests" if limit.of is Of.REQUESTS else "incident requests"
    about = _about(limit)
    if limit.max_count is not None:
        return (*begin, f" {about}, at most {count(limit.max_count)} allowed{_why_not(test)}")
    assert limit.max_share is not None
    share = f" ({percent(test.part / test.whole)})" if test.whole else ""
    said: Phrase = (
        *begin, f" of {count(test.whole)} {whole} {about}{share}, at most {percent(limit.max_share)} allowed",
    )  # fmt: skip
    few = test.state is not State.INCONCLUSIVE and test.whole < limit.min_requests
    return (*said, f"; so few of {plural(test.requests, 'request')} that they do not matter" if few else _why_not(test))


def _why_not(test: LimitTest) -> str:
    """Say why a limit was not judged, and what that comes to; nothing where it was."""
    limit = test.limit
    if test.state is not State.INCONCLUSIVE:
        return ""
    why = f"too few to judge, {count(limit.min_requests)} are needed"
    if test.untimed:
        why = f"not judged, as {plural(test.untimed, 'request')} have no time or one after now"
    elif limit.max_count is not None:
        why = "no request to judge"
    then = {
        None: "",
        NoData.INCONCLUSIVE: "",
        NoData.FAIL: ", which fails the gate (`on_no_data`)",
        NoData.WARN: ", which only warns (`on_no_data`)",
        NoData.PASS: ", which passes (`on_no_data`)",
    }[limit.on_no_data]
    return f"; {why}{then}"


def _about(limit: Limit) -> str:
    parts = [] if limit.class_ is None else [str(limit.class_)]
    if limit.reason is not None:
        parts.append(f"`{limit.reason}`")
    return " ".join(parts) or "failing or slow"


def details_of(outcome: Outcome) -> tuple[Phrase, ...]:
    """Return what else a failing line has to say: its shape and its most frequent signatures."""
    details: list[Phrase] = []
    if outcome.shape is not None:
        details.append((_SHAPES[outcome.shape],))
    details += [_signature(one) for one in outcome.signatures]
    if outcome.state is State.FAIL and outcome.level is Level.WARNING:
        details.append(("a warning: it does not fail the gate",))
    return tuple(details)


def _signature(one: Signature) -> Phrase:
    code: Phrase = ("no error code",) if one.error_code is None else ("error code `", Name(one.error_code), "`")
    status = "no status" if one.status is None else f"status {one.status}"
    return (f"{count(one.requests)} x `", Name(one.function), f"`, {status}, ", *code, f", {one.reason}")


def baseline_phrase(result: GateResult, name: str | None) -> Phrase:
    """Return what was compared with."""
    use = result.baseline
    source: Phrase = ("the earlier part of the same logs",) if name is None else ("`", Name(name), "`")
    if not result.asked_baseline:
        return ("not asked for",)
    if not use.days:
        return ("none (", *source, f": {plural(use.available_days, 'day')} before the window)")
    alone = ", for coverage alone" if use.for_coverage else ""
    return (
        f"{plural(use.days, 'day')}, {use.first_day} to {use.last_day}{alone}, from ",
        *source,
        *_left_out(use.left_out),
    )


def _left_out(left_out: Sequence[LeftOut]) -> Phrase:
    if not left_out:
        return ("; no day left out",)
    pieces: list[str | Name] = ["; left out, because they would have failed: "]
    by_day = [(day, list(ones)) for day, ones in groupby(left_out, key=lambda one: one.day)]
    for number, (day, ones) in enumerate(by_day[:10]):
        pieces.append(f"{', ' if number else ''}{day} (")
        for place, one in enumerate(ones[:3]):
            pieces.append(", " if place else "")
            pieces += [one.check, " of "]
            pieces += ["all"] if one.function is None else ["`", Name(one.function), "`"]
        pieces.append(f" and {len(ones) - 3} more)" if len(ones) > 3 else ")")
    if len(by_day) > 10:
        pieces.append(f" and {len(by_day) - 10} more days")
    return tuple(pieces)


def notes_of(result: GateResult, zone: tzinfo) -> tuple[Phrase, ...]:
    """Return what a reader should also know of the input and the baseline."""
    numbers, use = result.numbers, result.baseline
    notes: list[Phrase] = []
    if numbers.untimed:
        notes.append((f"{plural(numbers.untimed, 'request')} without a time: only limits over everything count them",))
    if numbers.later:
        notes.append((f"{plural(numbers.later, 'request')} after {stamp(result.now, zone)} not judged",))
    if numbers.rejected:
        notes.append((f"{plural(numbers.rejected, 'line')} rejected",))
    notes += _volume_notes(result)
    if use.windows and len(use.windows) < len(_SETTINGS.spike_hours):
        missing = ", ".join(window(hours) for hours in _SETTINGS.spike_hours if hours not in use.windows)
        notes.append((f"not looked at, as too few days of baseline lie before: {missing}",))
    if use.of_file and use.days_old is not None and use.days_old > 30:
        notes.append((f"the baseline ends {use.days_old} days before now: build it anew",))
    return tuple(notes)


def _volume_notes(result: GateResult) -> list[Phrase]:
    """Say whose requests are missing or new in the last day, which no test of the others shows."""
    volume = result.volume
    report = next((one.coverage_report for one in result.outcomes if one.coverage_report is not None), None)
    notes: list[Phrase] = []
    if volume.lacking and volume.last_day and result.asked_baseline:
        notes.append((f"far fewer requests than usual: {_volume(result)}",))
    if volume.silent and volume.timed and result.asked_baseline:
        names = [(name, "") for name in volume.silent]
        notes.append(("no request in the last 24 h of functions that nine in ten days have some of: ", *_some(names)))
    if report is not None and report.asked and report.new:
        new = sorted(report.new.items(), key=lambda item: (-item[1], item[0]))
        shares = [(name, f" ({percent(requests / report.requests)})") for name, requests in new]
        begin = "not asked for coverage, as the baseline knows too little of them, with their share of the "
        notes.append((f"{begin}{window(report.hours)}: ", *_some(shares)))
    return notes


def _some(names: Sequence[tuple[str, str]]) -> Phrase:
    """Return the first few *names*, each with what is to be said of it, and how many more there are."""
    pieces: list[str | Name] = []
    for place, (name, more) in enumerate(names[:_MOST_NAMES]):
        pieces += [", `" if place else "`", Name(name), f"`{more}"]
    rest = len(names) - _MOST_NAMES
    return (*pieces, f" and {count(rest)} more") if rest > 0 else tuple(pieces)
