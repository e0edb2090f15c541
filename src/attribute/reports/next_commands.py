"""What to run next: commands that a shell takes as they stand, over the same logs and with the same options."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from attribute.engines.analysis import Window
from attribute.reports.asked import Asked
from attribute.reports.model import IncidentRow, State, Verdict

__all__ = ["next_commands"]


def next_commands(verdict: Verdict, incidents: Sequence[IncidentRow], asked: Asked) -> tuple[str, ...]:
    """Return what to run next, of the commands that there are."""
    if verdict.state is State.CANNOT_JUDGE:
        return ()  # what there is would tell incidents, and those are claims
    typed, window = asked.typed, _window(verdict, asked.window)
    commands = []
    if verdict.classes and "explain" in asked.commands:
        commands.append(typed.command("explain", verdict.classes[0], window=window))
    if "report" in asked.commands and any(incident.shown for incident in incidents):
        commands.append(typed.command("report", "incident", ending=("-o", "html:incident.html")))
    if verdict.state in {State.VENDOR, State.UNKNOWN, State.MIXED} and len(commands) < 2:
        commands.append(typed.command(window=window, ending=("-o", "verdicts")))
    return tuple(command for command in commands if command is not None)


def _window(verdict: Verdict, told: Window) -> Window:
    """Return the whole minutes of the main incident, as far as they were looked at; all of it without an incident."""
    since, until = verdict.since_at, verdict.until_at
    if since is not None:
        since = since.replace(second=0, microsecond=0)
    return Window(
        since_at=max((at for at in (since, told.since_at) if at is not None), default=None),
        until_at=min((at for at in (until and _next_minute(until), told.until_at) if at is not None), default=None),
    )


def _next_minute(at: datetime) -> datetime:
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)
