"""
The rules as data: what a rule file says, read, checked and put in order.

`builtin` is the catalogue of the M1 rules (`m1.toml`). `parse` reads a rule file of the user's and puts its rules
into a catalogue: after the built-in ones, where they only decide what nothing else did, unless a rule says `before`
or `replaces`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from attribute.rules.model import BUILTIN_NAME, Catalogue, Example, ReasonCase, ReasonText, Rule
from attribute.rules.read import read_builtin, read_user

__all__ = ["Catalogue", "Example", "ReasonCase", "ReasonText", "Rule", "builtin", "parse"]


@cache
def builtin() -> Catalogue:
    """Return the M1 rules."""
    return read_builtin(files("attribute.rules").joinpath(BUILTIN_NAME).read_text(encoding="utf-8"))


def parse(text: str, *, name: str, base: Catalogue | None = None) -> Catalogue:
    """
    Read a rule file and add its rules to a catalogue.

    Args:
        text: TOML, as in docs/writing-rules.md.
        name: what to call the file in messages.
        base: the catalogue to add to, the built-in one unless another is given.

    Returns:
        The catalogue with both.

    Raises:
        RuleFileError: the text is not TOML, says something unknown, reuses an id, or blames without evidence. The
            message names file and line.
    """
    return read_user(text, name=name, base=builtin() if base is None else base)
