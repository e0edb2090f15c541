"""`-o html`: the report as one file. It loads nothing, runs nothing, and prints as it looks."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from attribute import __version__
from attribute.reports.document import ADVISED, Document
from attribute.reports.escape import visible
from attribute.reports.incident_view import incident_document
from attribute.reports.model import Result
from attribute.reports.wording import count
from attribute.reports.writers import Style

__all__ = ["environment", "page", "render", "write"]

_TEMPLATES: Final = "templates"


def write(result: Result, style: Style) -> Iterator[bytes]:
    """Yield the page of *result*."""
    del style
    yield render(incident_document(result))


def render(document: Document) -> bytes:
    """Return the page of *document*."""
    return page("page.html.j2", document=document)


def page(template: str, **values: object) -> bytes:
    """Return a page made from one of the templates, with the one style and the policy that allows it and no other."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    text = (
        environment()
        .get_template(template)
        .render(
            csp=policy,
            style=Markup(style),  # noqa: S704 -- the shipped style sheet, no text of anybody else's
            version=__version__,
            **values,
        )
    )
    return text.encode() + b"\n"


@cache
def environment() -> Environment:
    """
    Return what every template runs in: autoescape for all of them, whatever their name, and no forgotten value.

    Every text passes `visible` on its way to the escaping, so a template cannot forget that either.
    """
    made = Environment(
        loader=PackageLoader("attribute.reports", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        auto_reload=False,
    )
    made.filters["shape_kind"] = lambda it: type(it).__name__
    made.filters["px"] = _px
    made.filters["count"] = count
    made.globals["ADVISED"] = ADVISED
    return made


def _seen(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _px(value: float) -> str:
    """Return a length in pixels, to a tenth, without a trailing zero."""
    return f"{value:.1f}".removesuffix(".0")


@cache
def _style() -> str:
    return files("attribute.reports").joinpath(_TEMPLATES, "style.css").read_text(encoding="utf-8").strip()
