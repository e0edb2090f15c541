"""
The command: `attribute`, and `python -m attribute`.

Until the command line is there to answer signals, SIGINT ends the process at once, as quietly as it does later. What is
imported before that is as little as can be.
"""

import os
import signal

__all__ = ["main"]

INTERRUPTED = 130


def main() -> None:
    """Run the command line on the process's own arguments and exit."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, or somebody else's
        signal.signal(signal.SIGINT, _end)
    from attribute.cli.main import main as run  # noqa: PLC0415 - takes a while, in which there is nothing to tidy up

    run()


def _end(_number: int, _frame: object) -> None:
    """End without a word: an exception would be printed, or swallowed, by whatever is being imported."""
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
