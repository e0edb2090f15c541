"""`-o email`: the short form of a report as the HTML body of a mail, small enough that no mail program cuts it off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attribute.reports.document import Document
from attribute.reports.html import environment
from attribute.reports.incident_view import incident_document
from attribute.reports.model import Result
from attribute.reports.writers import Style

__all__ = ["BUDGET_BYTES", "render", "write"]

BUDGET_BYTES: Final = 80_000
"""Gmail cuts at about 102 kB, as sent; this leaves room for the encoding of a mail."""

_ROWS: Final = (30, 10, 5, 2, 0)


def write(result: Result, style: Style) -> Iterator[bytes]:
    """Yield the mail of *result*."""
    del style
    yield render(incident_document(result))


def render(document: Document) -> bytes:
    """Return *document*'s brief sections, with fewer rows where they would be too large."""
    template = environment().get_template("email.html.j2")
    left_out = ", ".join(section.title.partition(":")[0] for section in document.sections if not section.brief)
    body = b""
    for limit in _ROWS:
        body = template.render(document=document, limit=limit, left_out=left_out or "charts").encode() + b"\n"
        if len(body) < BUDGET_BYTES:
            break
    return body
