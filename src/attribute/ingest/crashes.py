"""Where a bug ended a request, in words that hold nothing of the request: messages of exceptions may quote it."""

from __future__ import annotations

from pathlib import Path
from traceback import walk_tb


def place_of(error: BaseException) -> str:
    """
    Return the kind of an exception and the frames that it passed through, without its message and without values.

    >>> try:
    ...     {}["secret"]
    ... except KeyError as error:
    ...     "secret" in place_of(error)
    False
    """
    frames = [f"{Path(frame.f_code.co_filename).name}:{line}" for frame, line in walk_tb(error.__traceback__)]
    return f"{type(error).__name__} at {' > '.join(frames)}"
