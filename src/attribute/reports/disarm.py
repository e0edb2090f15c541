"""
Text from logs on a CI runner's screen.

GitHub's runner reads every line that a step prints. `::command::` counts at the start of a line, and no line of ours
starts with text from a log; the older form `##[command]` counts anywhere. Each function takes the latter away and
leaves the value readable, or, where the medium has escapes, the same.
"""

from __future__ import annotations

__all__ = ["disarmed", "disarmed_json", "disarmed_xml"]


def disarmed(text: str) -> str:
    r"""
    Return *text* without the start of a runner command.

    >>> print(disarmed("##[add-mask]x"))
    #\u{23}[add-mask]x
    """
    return text.replace("##[", "#\\u{23}[")


def disarmed_json(document: bytes) -> bytes:
    """Return a JSON text of the same value in which no runner command starts."""
    return document.replace(b"##[", b"#\\u0023[")


def disarmed_xml(document: str) -> str:
    """Return an XML text of the same content in which no runner command starts."""
    return document.replace("##[", "#&#35;[")
