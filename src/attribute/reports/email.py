"""
`-o email`: the short form of a report as a whole mail, small enough that no mail program cuts it off.

It has two parts that say the same, one of plain text and one of HTML, and no sender, recipient or date: what sends it
(`sendmail -t`, a mail program) adds those. Mail programs make links of whatever looks like one, so names from logs that
do are written in a way that does not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from email.message import EmailMessage
from email.policy import SMTP
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

from attribute.reports.document import VERDICT, Document
from attribute.reports.drawing import Drawing
from attribute.reports.email_text import text_part
from attribute.reports.escape import visible
from attribute.reports.html import environment
from attribute.reports.incident_view import RUNBOOK, incident_document
from attribute.reports.model import Result
from attribute.reports.writers import Style

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["BUDGET_BYTES", "render", "write"]

BUDGET_BYTES: Final = 80_000
"""Of the whole mail as it is sent. Gmail cuts at about 102 kB."""

_ROWS: Final = (30, 10, 5, 2, 0)
_LINKED: Final = re.compile(r"(?<=[a-z])(:)(?=//)|(?<=\w)(@)(?=\w)|(?<=\bwww)(\.)", re.IGNORECASE)


def write(result: Result, style: Style) -> Iterator[bytes]:
    """Yield the mail of *result*."""
    del style
    yield render(incident_document(result))


def render(document: Document) -> bytes:
    """Return *document*'s brief sections, with fewer rows where they would be too large."""
    shown = _unlinked(document)
    template = environment().get_template("email.html.j2")
    left_out = ", ".join(section.title.partition(":")[0] for section in document.sections if not section.brief)
    mail = b""
    for limit in _ROWS:
        page = template.render(document=shown, limit=limit, left_out=left_out or "charts") + "\n"
        mail = _message(
            subject=visible(document.title if document.lead != VERDICT else f"{document.state}: {document.title}"),
            text=text_part(shown, limit=limit, left_out=left_out or "charts"),
            page=page,
        )
        if len(mail) < BUDGET_BYTES:
            break
    return mail


def _message(*, subject: str, text: str, page: str) -> bytes:
    """Return both parts as one message, with line feeds; the same parts make the same bytes."""
    message = EmailMessage(policy=SMTP.clone(linesep="\n"))
    message["Subject"] = subject
    message["X-Unsent"] = "1"  # mail programs that know it open the file as a draft
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    message.set_boundary(f"attribute-{hashlib.sha256((text + page).encode()).hexdigest()[:32]}")
    return message.as_bytes()


def _unlinked(document: Document) -> Document:
    """Return *document* with no text in it that a mail program takes for a link, but for the links of the runbook."""
    without = cast("Document", _without_links(document))
    kept = tuple(old if old[0] == RUNBOOK else new for old, new in zip(document.facts, without.facts, strict=True))
    return replace(without, facts=kept)


def _without_links(value: object) -> object:
    r"""Return a text, or all texts in a tuple or a dataclass, with `\u{..}` for what makes them links."""
    if isinstance(value, Enum | Drawing):
        return value
    if isinstance(value, str):
        return _LINKED.sub(lambda match: f"\\u{{{ord(match[0]):x}}}", value)
    if isinstance(value, tuple):
        return tuple(_without_links(each) for each in value)
    if is_dataclass(value):
        instance: DataclassInstance = cast("DataclassInstance", value)
        changes: dict[str, Any] = {each.name: _without_links(getattr(value, each.name)) for each in fields(instance)}
        return replace(instance, **changes)
    return value
