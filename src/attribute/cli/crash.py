"""Where the details of a bug of ours are kept until somebody reports it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from attribute import __version__
from attribute.cli.places import state_folder

__all__ = ["save_traceback"]


def save_traceback(error: BaseException, *, folders: Sequence[Path] | None = None) -> str:
    """
    Save what a bug report needs to a file that only the user can read.

    Args:
        error: what happened.
        folders: where to try, in this order; the state folder and the temporary one where not given.

    Returns:
        The file's path, or the traceback's last line where nothing could be written. The command's arguments are in
        the file, lines of the logs are not, except where the error's own message quotes one.
    """
    text = "\n".join(
        (
            f"attribute {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"arguments: {sys.argv[1:]!r}",
            "",
            "".join(traceback.format_exception(error)),
        )
    )
    name = f"crash-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    for folder in (state_folder(), Path(tempfile.gettempdir())) if folders is None else folders:
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text.encode(errors="backslashreplace"))
        except OSError:
            continue
        return str(path)
    return "".join(traceback.format_exception_only(error)).strip()
