"""Errors that the user can mend. Everything else that goes wrong is dirty input (counted) or a bug (crashes)."""

from __future__ import annotations


class AttributionError(Exception):
    """
    A mistake that the user can mend.

    Args:
        message: one line: where, what was seen, what was expected.
        hint: the next thing to try, or nothing.
        exit_code: what the command line ends with: 2 for usage and configuration, 4 for "cannot judge".
    """

    def __init__(self, message: str, *, hint: str | None = None, exit_code: int = 2) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  hint: {self.hint}"
