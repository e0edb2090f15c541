"""The numbers of a week -> the document of the weekly report, deviations first, in the same order every monday."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date
from typing import Final

from attribute.reports.document import (
    HELP,
    Block,
    Column,
    Document,
    Human,
    Kind,
    Paragraph,
    Section,
    Table,
    Tone,
)
from attribute.reports.goals_section import goals_fact, goals_section
from attribute.reports.model import State
from attribute.reports.notes import WEEKLY_FIELDS
from attribute.reports.shared_sections import data_section, method_section, only_functions, unknown_section
from attribute.reports.terminal import STATES
from attribute.reports.weekly_charts import days_section, trend_section
from attribute.reports.weekly_model import Totals, Weekly
from attribute.reports.weekly_tables import (
    actions_section,
    bottlenecks_section,
    coverage_blocks,
    incidents_section,
    movers_section,
    vendors_section,
)
from attribute.reports.wording import FEW, count, of, percent, plural, points, stamp
from attribute.rules.words import CLASSES, Class

__all__ = ["headline", "weekly_document"]

_DAY: Final = "%d %b %Y"
NEXT: Final = 3


def weekly_document(weekly: Weekly, *, command: str, reports: frozenset[str] = frozenset()) -> Document:
    """
    Return the report of one week.

    Args:
        weekly: its numbers.
        command: what was typed.
        reports: names of files beside the report, to link incidents to theirs.
    """
    result, week = weekly.result, weekly.week
    state = result.verdict.state
    blocked = _blocked(weekly)
    sections: list[Section | None] = []
    if not blocked:
        sections = [goals_section(weekly.goals, week), _compare_section(weekly)]
    if weekly.totals.requests and not blocked:
        sections += [
            days_section(weekly, by_hour=not _uneventful(weekly)),
            trend_section(weekly),
            incidents_section(weekly, reports),
        ]
        sections += [movers_section(weekly), vendors_section(weekly), bottlenecks_section(weekly)]
        sections.append(unknown_section(result, result.analysis.rollup.counts, history=weekly.counts))
        if _uneventful(weekly):
            sections = [
                section for section in sections if section is None or section.anchor in {"goals", "compare", "days"}
            ]
    sections += [
        actions_section(weekly),
        _remarks_section(weekly),
        data_section(result, first=() if blocked else coverage_blocks(weekly)),
        method_section(result, command, remarks=_remarks(weekly)),
    ]
    return Document(
        title=f"Week {week.number}, {week.days[0]:{_DAY}} to {week.days[6]:{_DAY}}",
        subtitle=tuple(_subtitle(weekly)),
        state=STATES[state] if weekly.totals.requests else "NO LOGS OF THIS WEEK",
        class_=state.value if state.value in set(Class) else "",
        sentence=headline(weekly),
        facts=tuple(_facts(weekly)),
        sections=tuple(section for section in sections if section is not None),
        next_commands=_next(weekly),
        footer=f"attribute {result.tool_version}, {stamp(result.generated_at, UTC)}. Facts are generated from logs.",
    )


def headline(weekly: Weekly) -> str:
    """Return the week in two or three sentences."""
    totals, before = weekly.totals, weekly.before
    if _blocked(weekly):
        return weekly.result.verdict.sentence
    if not totals.requests:
        if weekly.result.account.untimed:
            return "No request of the logs has a time, so none can be told to lie in this week."
        return "The logs hold no request of this week."
    if totals.requests < FEW:
        text = f"{count(totals.healthy)} of {plural(totals.requests, 'request')} went well"
    else:
        text = f"{percent(totals.healthy / totals.requests)} of {count(totals.requests)} requests went well"
        if before is not None and before.requests >= FEW:
            change = points(totals.healthy / totals.requests - before.healthy / before.requests)
            text += f" ({change} against {_like(weekly)})"
    sentences = [f"{text}.", *([weekly.part.gap] if weekly.part.gap else []), _incidents(weekly)]
    unknown = totals.by_class[Class.UNKNOWN]
    if totals.incident >= FEW:
        share = f"UNKNOWN {percent(unknown / totals.incident)} of failing or slow requests"
        if before is not None and before.incident >= FEW:
            share += f", was {percent(before.by_class[Class.UNKNOWN] / before.incident)}"
        sentences.append(f"{share}.")
    return " ".join(sentences)


def _blocked(weekly: Weekly) -> bool:
    """Whether there are requests of the week and yet nothing can be judged: then nothing is told of them."""
    return weekly.result.verdict.state is State.CANNOT_JUDGE and bool(weekly.totals.requests)


def _incidents(weekly: Weekly) -> str:
    if not weekly.incidents:
        return "No incident."
    by_class = Counter(each.class_ for each in weekly.incidents)
    named = [(class_, by_class[class_]) for class_ in CLASSES if by_class[class_]]
    if len(named) == 1:
        return f"{plural(named[0][1], 'incident')}, {'all ' if named[0][1] > 1 else ''}{named[0][0]}."
    return f"{count(len(weekly.incidents))} incidents: {', '.join(f'{number} {class_}' for class_, number in named)}."


def _like(weekly: Weekly) -> str:
    name = "the same part of the week before" if weekly.part.cuts else "the week before"
    return f"{name} as far as there are logs" if weekly.part.gap or weekly.before_part.gap or _reach(weekly) else name


def _reach(weekly: Weekly) -> tuple[str, ...]:
    """Return where in the part of the week before logs begin or end."""
    return tuple(f"{cut.partition(';')[0]}." for cut in weekly.before_part.cuts if cut.startswith("The logs"))


def _subtitle(weekly: Weekly) -> list[str]:
    week, result = weekly.week, weekly.result
    zone = stamp(week.since_at, week.zone), stamp(week.until_at, week.zone)
    lines = [f"{week.name}, from {zone[0]} to {zone[1]}."]
    if week.half_hours != 336:
        lines.append(f"The clocks were changed: this week has {week.half_hours} half hours, not 336.")
    lines += weekly.part.remarks if weekly.totals.requests else weekly.part.cuts
    lines.append(f"Made {stamp(result.generated_at, week.zone)} by attribute {result.tool_version}.")
    return lines


def _facts(weekly: Weekly) -> list[tuple[str, str]]:
    totals, verdict = weekly.totals, weekly.result.verdict
    rows = only_functions(weekly.result)
    if _blocked(weekly):
        return [*rows, (HELP, verdict.confidence.raised_by or "")]
    if not totals.requests:
        return rows
    rows += [("Told", " ".join(weekly.part.cuts))] if weekly.part.cuts else []
    rows += [("Failing or slow", of(totals.incident, totals.requests))]
    if verdict.state is not State.NO_PROBLEM:
        parts = [f"{class_} {of(totals.by_class[class_], totals.incident)}" for class_ in verdict.classes]
        rows.append(("Whose, most of it", ", ".join(parts)))
    limit = ", of the time that the logs hold" if weekly.part.gap else ""
    rows.append(("How sure", f"{verdict.confidence.word}{limit}"))
    goals = goals_fact(weekly.goals)
    if goals is not None:
        rows.append(("Goals", goals))
    if weekly.incidents:
        worst = weekly.incidents[0]
        rows.append(
            (
                "The worst incident",
                f"{worst.class_}, {stamp(worst.started_at, weekly.week.zone)}, severity {worst.severity}",
            )
        )
    if weekly.actions:
        overdue = sum(1 for each in weekly.actions if each.due is not None and each.due < _today(weekly))
        rows.append(("Open actions", f"{count(len(weekly.actions))}, {count(overdue)} overdue"))
    return rows


def _today(weekly: Weekly) -> date:
    return weekly.result.generated_at.astimezone(weekly.week.zone).date()


def _next(weekly: Weekly) -> tuple[str, ...]:
    """Return the commands that tell each of the gravest incidents."""
    if _blocked(weekly):
        return ()
    typed = weekly.result.typed
    commands = [typed.command("report", "incident", ending=("--incident", each.id)) for each in weekly.incidents[:NEXT]]
    return tuple(command for command in commands if command is not None)


def _uneventful(weekly: Weekly) -> bool:
    """Whether the week is told on one screen: no incident, and nothing that stands out."""
    return weekly.result.verdict.state is State.NO_PROBLEM and not weekly.incidents


def _compare_section(weekly: Weekly) -> Section:
    totals, before = weekly.totals, weekly.before
    blocks: list[Block] = []
    if before is None:
        blocks.append(Paragraph("There are no logs of the same part of the week before.", Tone.NOTE))
    else:
        part = "the same part of both weeks" if weekly.part.cuts else "the whole of both weeks"
        missing = [f"Of this week: {weekly.part.gap}"] if weekly.part.gap else []
        there = " ".join(text for text in (*_reach(weekly), weekly.before_part.gap) if text)
        missing += [f"Of the week before: {there}"] if there else []
        part += ", as far as there are logs" if missing else ""
        blocks.append(Paragraph(" ".join([f"Compared is {part}, by the clock.", *missing]), Tone.NOTE))
        if before.half_hours < 0.9 * totals.half_hours or totals.half_hours < 0.9 * before.half_hours:
            text = (
                f"The logs cover {count(totals.half_hours)} half hours of this part and {count(before.half_hours)} of "
                "the one before: counts cannot be compared, shares can."
            )
            blocks.append(Paragraph(text, Tone.WARNING))
    blocks.append(_compare_table(weekly.week.name, totals, before))
    return Section(anchor="compare", title="Week against week", blocks=tuple(blocks), brief=True)


def _compare_table(name: str, totals: Totals, before: Totals | None) -> Table:
    whole, old_whole = totals.requests, before.requests if before else 0
    old = before or totals  # without a week before, its columns are not shown

    def line(label: str, now: int, was: int, of_now: int = whole, of_was: int = old_whole) -> tuple[str | None, ...]:
        cells = [label, count(now), percent(now / of_now) if of_now >= FEW else None]
        if before is not None:
            change = None
            if of_now >= FEW and of_was >= FEW:
                change = points(now / of_now - was / of_was)
            cells += [count(was), percent(was / of_was) if of_was >= FEW else None, change]
        return tuple(cells)

    rows = [
        line("requests", totals.requests, old.requests, 0, 0),
        line("went well", totals.healthy, old.healthy),
        line("failing or slow", totals.incident, old.incident),
        *(line(class_.value, totals.by_class[class_], old.by_class[class_]) for class_ in CLASSES),
    ]
    columns = [Column("requests"), Column(name, Kind.NUMBER), Column("share", Kind.NUMBER)]
    if before is not None:
        columns += [Column(before.name, Kind.NUMBER), Column("its share", Kind.NUMBER), Column("change", Kind.NUMBER)]
    return Table(caption="Requests, and whose failures they were", columns=tuple(columns), rows=tuple(rows))


def _remarks_section(weekly: Weekly) -> Section:
    name = "Remarks"
    human = Human(heading="", hint=f"To be written. {WEEKLY_FIELDS[name]}", written=weekly.notes.under(name))
    others = [Human(heading=heading, written=lines) for heading, lines in weekly.notes.others(WEEKLY_FIELDS)]
    return Section(anchor="remarks", title="Remarks", blocks=(human, *others))


def _remarks(weekly: Weekly) -> list[str]:
    remarks = [
        "The numbers are those of the week alone; the account of lines is that of all logs that were read.",
        "Incidents are found over all logs that were read, so that earlier weeks say what is usual.",
    ]
    if not weekly.goals:
        remarks.append("No goal is configured, so none is shown as met or missed: write [goals.NAME] with a target.")
    if any((at.minute % 10, at.second) != (0, 0) for at in (weekly.part.since_at, weekly.part.until_at)):
        remarks.append("Latencies are counted in slots of ten minutes; the week begins or ends within one.")
    return remarks
