"""The review of an incident: what the logs can say, and blanks for what only people can."""

from __future__ import annotations

from attribute.reports.document import Block, Human, Paragraph, Section, Tone
from attribute.reports.notes import INCIDENT_FIELDS, Notes
from attribute.reports.story import Story
from attribute.reports.wording import and_more, count, of, span, stamp

__all__ = ["review_section"]


def review_section(story: Story, notes: Notes) -> Section:
    """Return every field of the review, in its order; what people wrote under other headings follows at the end."""
    facts = _facts(story)
    blocks: list[Block] = [
        Paragraph(
            "Lines with a dot come from the logs. What people write into the notes file beside this report is kept "
            "by every new one.",
            Tone.NOTE,
        )
    ]
    blocks += [
        Human(heading=name, facts=facts.get(name, ()), hint=f"To be written. {hint}", written=notes.under(name))
        for name, hint in INCIDENT_FIELDS.items()
    ]
    blocks += [Human(heading=name, written=written) for name, written in notes.others(INCIDENT_FIELDS)]
    return Section(anchor="review", title="Review", blocks=tuple(blocks))


def _facts(story: Story) -> dict[str, tuple[str, ...]]:
    """Return what the logs say to a field. Causes, triggers and lessons are not among them."""
    incident, result = story.incident, story.result
    assert incident is not None
    zone = result.zone
    functions = and_more(incident.functions, 5)
    total = max(incident.total_requests, incident.requests)
    end = f"It was {story.not_over}." if incident.ongoing else f"Over at {stamp(incident.ended_at, zone)}."
    began = stamp(incident.started_at, zone)
    summary = (
        f"{count(incident.requests)} requests of class {incident.class_} in {functions}, from {began}, over "
        f"{span(incident.ended_at - incident.started_at)}."
    )
    impact = (
        f"{of(incident.requests, total)} requests of these functions, each while it was touched; "
        f"{incident.outage_minutes:,.1f} minutes of an outage of {result.everything}."
    )
    moments = [f"{began}: first bad minute.", f"{stamp(incident.peak_at, zone)}: peak."]
    if not incident.ongoing:
        moments.append(f"{stamp(incident.ended_at, zone)}: recovered.")
    return {
        "Summary": (summary,),
        "Impact": (impact,),
        "Resolution": (end,),
        "Detection": (f"First bad minute: {began}.",),
        "Timeline": tuple(moments),
    }
