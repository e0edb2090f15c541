"""
A result -> the document of an incident report, in the order of the template that people know for reviews.

Facts are filled in; causes never are: those fields stay blank until somebody writes them into the notes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from attribute.incidents.model import Incident
from attribute.reports.document import HELP, SURER, VERDICT, Document
from attribute.reports.examples import examples_section
from attribute.reports.incident_sections import (
    codes_section,
    evidence_section,
    impact_section,
    where_section,
)
from attribute.reports.incident_time import latency_section, timeline_section
from attribute.reports.model import Result, State, Verdict
from attribute.reports.narrow import around, time_of
from attribute.reports.notes import Notes
from attribute.reports.review import review_section
from attribute.reports.shared_sections import data_section, method_section, only_functions, unknown_section
from attribute.reports.story import Story, answer_of
from attribute.reports.terminal import STATES
from attribute.reports.wording import (
    FEW,
    and_more,
    count,
    local,
    of,
    percent,
    period,
    plural,
    span,
    stamp,
    zone_name,
)
from attribute.rules.words import Class

__all__ = ["RUNBOOK", "focus_of", "incident_document", "margin_around"]

RUNBOOK: Final = "Runbook"
"""The label of the texts that the configuration gives."""

LOOKED_AT: Final = "All the time looked at"
READ: Final = "All the logs that were read"
"""The labels of answers that stand beside an incident they are not about."""

DRAFT: Final = "Draft. The facts are generated from logs; causes are for people to write."
_LONGEST_MARGIN: Final = timedelta(hours=12)
_LEAST_MARGIN: Final = timedelta(hours=1)

_WHOSE: Final = {
    Class.VENDOR: "failed with the vendor",
    Class.APPLICATION: "failed in the application",
    Class.BOTTLENECK: "were slowed down by the application itself",
    Class.UNKNOWN: "failed or were slow and cannot be attributed",
}


def margin_around(incident: Incident) -> timedelta:
    """Return how much time before and after an incident belongs to its report."""
    return min(max(incident.ended_at - incident.started_at, _LEAST_MARGIN), _LONGEST_MARGIN)


def focus_of(result: Result, incident_id: str | None = None) -> Incident | None:
    """
    Return the incident of that id, or the one that the answer is about; or none.

    Where nothing can be judged there is none, whatever the id: an incident is a claim about whose failure it was.
    """
    if result.verdict.state is State.CANNOT_JUDGE:
        return None
    main = answer_of(result)
    wanted = incident_id if incident_id is not None or main is None else main.id
    return next((each for each in result.found if each.id == wanted), None)


def incident_document(
    result: Result,
    *,
    incident_id: str | None = None,
    notes: Notes | None = None,
    command: str | None = None,
    whole: Verdict | None = None,
) -> Document:
    """
    Return the report of one incident, or of a stretch of time without one.

    It is headed as the verdict only where it gives the answer. An incident that the answer is not about is headed as an
    incident, and the answer stands beside it under its own name.

    Args:
        result: the same that every other output is written from.
        incident_id: which incident; without it, the one that the answer is about.
        notes: what people wrote.
        command: what makes the same report again; without it, the command that gives the same answer.
        whole: the answer on all that was read, where *result* is a part of it and the incident not what that is about.
    """
    incident = focus_of(result, incident_id)
    row = next((row for row in result.incidents if incident is not None and row.id == incident.id), None)
    story = Story(result=result, incident=incident, row=row, window=_window(result, incident), whole=whole)
    counts = result.analysis.rollup.counts
    sections = [
        impact_section(story),
        timeline_section(story),
        evidence_section(story),
        where_section(story),
        latency_section(story),
        codes_section(story),
        unknown_section(result, counts),
        examples_section(story),
        review_section(story, notes or Notes()) if incident is not None else None,
        data_section(result),
        method_section(result, command or result.typed.line(), remarks=_remarks(story)),
    ]
    if result.verdict.state is State.CANNOT_JUDGE:
        sections = sections[-2:]
    return Document(
        title=_title(story),
        subtitle=tuple(_subtitle(story)),
        lead="Incident" if story.is_aside else VERDICT,
        state=_state(story),
        class_=incident.class_ if incident is not None and story.is_aside else _class(result.verdict),
        sentence=_sentence(story),
        facts=tuple(_facts(story)),
        sections=tuple(section for section in sections if section is not None),
        next_commands=_next(story),
        footer=f"attribute {result.tool_version}, {stamp(result.generated_at, UTC)}. {DRAFT}",
    )


def _class(verdict: Verdict) -> str:
    """Return the class of the answer, where it is one."""
    return verdict.classes[0] if len(verdict.classes) == 1 else ""


def _window(result: Result, incident: Incident | None) -> tuple[datetime, datetime] | None:
    """Return the time that charts show: all of it, or that around the incident."""
    known = time_of(result.analysis.rollup.counts)
    if known is None or incident is None:
        return known
    since, until = around(incident.started_at, incident.ended_at, margin_around(incident))
    return max(known[0], since), min(known[1], until)


def _title(story: Story) -> str:
    incident, zone = story.incident, story.result.zone
    if incident is None:
        known = time_of(story.result.analysis.rollup.counts)
        return "Report" if known is None else f"Report, {period(*known, zone)}"
    start = local(incident.started_at, zone)
    whose = incident.class_ if story.is_aside else story.result.verdict.state.value
    return f"Incident report: {whose}, {start:%Y-%m-%d %H:%M} {zone_name(incident.started_at, zone)}"


def _subtitle(story: Story) -> list[str]:
    result = story.result
    lines = []
    known = time_of(result.analysis.rollup.counts)
    if known is not None:
        local, utc = period(*known, result.zone), period(*known, UTC)
        both = local if local == utc else f"{local} ({utc})"
        lines.append(f"Logs looked at: {both}, {span(known[1] - known[0])}.")
    elif result.requests.total:
        lines.append("No record has a time, so nothing here says when.")
    lines.append(f"Made {stamp(result.generated_at, result.zone)} by attribute {result.tool_version}.")
    lines.append(DRAFT)
    return lines


def _state(story: Story) -> str:
    if story.incident is not None and story.is_aside:
        return STATES[State(story.incident.class_)]
    return STATES[story.result.verdict.state]


def _sentence(story: Story) -> str:
    incident, verdict = story.incident, story.result.verdict
    if incident is None or not story.is_aside:
        return verdict.sentence
    beside = f"{LOOKED_AT}: {verdict.sentence}" if story.whole is None else f"{READ}: {story.whole.sentence}"
    return (
        f"{count(incident.requests)} requests {_WHOSE[incident.class_]} in {and_more(incident.functions, 3)}, "
        f"{story.when(incident)}. {beside}"
    )


def _facts(story: Story) -> list[tuple[str, str]]:
    result, incident = story.result, story.incident
    verdict, requests = result.verdict, result.requests
    rows = only_functions(result)
    if verdict.state is State.CANNOT_JUDGE:
        return [*rows, (HELP, verdict.confidence.raised_by or "")]
    if incident is not None:
        label = "Whose" if story.is_aside or verdict.state.value == incident.class_ else "The main incident"
        rows.append((label, f"{_whose(incident)}, {plural(len(incident.functions), 'function')} touched"))
        length = span(incident.ended_at - incident.started_at)
        rows.append(("When", f"{story.when(incident)} ({length})"))
        share = f"{of(*_share_of(incident))} requests of these functions, each while it was touched"
        rows.append(("How bad", f"severity {incident.severity} of 4; {share}"))
    rows.append(("Failing or slow, all in all", of(requests.incident, requests.total)))
    if incident is not None and story.is_aside:
        # How sure the answer is says nothing about an incident that it is not about.
        rows.append((LOOKED_AT, f"{verdict.state.value}, how sure: {_sure(verdict, requests.incident)}"))
        if story.whole is not None:
            rows.append((READ, f"{story.whole.state.value}, how sure: {_sure(story.whole)}"))
        return rows + [(RUNBOOK, text) for text in result.runbook if incident.class_ in verdict.classes]
    rows.append(("How sure", _sure(verdict, requests.incident)))
    if verdict.confidence.raised_by:
        rows.append((SURER, verdict.confidence.raised_by))
    return rows + [(RUNBOOK, text) for text in result.runbook]


def _sure(verdict: Verdict, requests: int = FEW) -> str:
    """Return how sure an answer on so many failing or slow requests is."""
    share = verdict.confidence.share
    return verdict.confidence.word + ("" if share is None or requests < FEW else f" ({percent(share)})")


def _whose(incident: Incident) -> str:
    """Return the class, and which vendors where the logs name them."""
    named = [name for name, _ in incident.upstreams if isinstance(name, str)]
    if incident.class_ is not Class.VENDOR or not named:
        return incident.class_
    return f"{incident.class_} ({and_more(named, 2)})"


def _next(story: Story) -> tuple[str, ...]:
    """Return what to do with this report in hand."""
    incident, typed = story.incident, story.result.typed
    commands: list[str | None] = [
        each for each in story.result.next_commands if not each.startswith("attribute report")
    ]
    if incident is not None and story.is_aside:
        commands = [typed.command("explain", incident.id)]
    if incident is not None and incident.class_ is Class.VENDOR:
        commands.append(typed.command("escalate", incident.id, ending=("--out", "escalation/")))
    return tuple(command for command in commands if command is not None)


def _share_of(incident: Incident) -> tuple[int, int]:
    return incident.requests + incident.unknown_requests, max(
        incident.total_requests, incident.requests + incident.unknown_requests
    )


def _remarks(story: Story) -> list[str]:
    remarks = []
    if story.incident is not None:
        remarks.append(f"This incident is {story.incident.id}; its severity comes from how many requests it cost.")
    if story.result.requests.untimed:
        remarks.append("Requests without a time have verdicts and counts; they are in no incident and in no chart.")
    if not story.result.window.is_open and story.result.account.untimed:
        remarks.append("Records without a time lie in no window: they are in none of these numbers.")
    return remarks
