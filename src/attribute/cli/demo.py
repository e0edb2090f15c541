"""`attribute demo`: break a real service in front of a real vendor, and check what is said of it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import click

from attribute.m1.errors import AttributionError

if TYPE_CHECKING:
    from attribute.demo.score import Score

GATE: Final = 3
MAX_UNKNOWN_SHARE: Final = 0.05


class DemoError(AttributionError):
    """The demonstration did not come out as it must, which is a gate that failed; or it cannot begin."""

    @classmethod
    def wrong_blame(cls, count: int) -> Self:
        """Say that somebody was blamed who did not do it."""
        return cls(f"{count} requests were blamed on the wrong side or left no record", exit_code=GATE)

    @classmethod
    def too_much_unknown(cls, share: float) -> Self:
        """Say that evidence was there and was not used."""
        return cls(
            f"{share:.1%} of the injected faults stayed UNKNOWN, expected under {MAX_UNKNOWN_SHARE:.0%}",
            exit_code=GATE,
        )

    @classmethod
    def not_empty(cls, folder: Path) -> Self:
        """Say that a folder is in use."""
        return cls(f"{str(folder)!r} is not an empty folder", hint="name one that does not exist yet")

    @classmethod
    def not_usable(cls, folder: Path, why: str) -> Self:
        """Say that a folder cannot be made or written to."""
        return cls(f"`--keep` names {str(folder)!r}, which cannot be used: {why}", hint="name a folder of your own")


@click.command("demo")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the logs to this new folder.  [default: one in the system's folder for temporary files]",
)
def demo(keep: Path | None) -> None:
    """
    Start a service and a vendor on loopback, break both on purpose, and hold every verdict against what was injected.

    Takes about half a minute. Nothing leaves this machine. The logs stay, so that you can look at them yourself. Ends
    with 3 where somebody was blamed wrongly, or too much stayed UNKNOWN.
    """
    from attribute.cli.main import run
    from attribute.demo.play import play
    from attribute.demo.score import score, unknown_share, verdicts_of

    logs = _folder(keep)
    click.echo("A service and a vendor run on loopback, and are made to fail:\n", err=True)
    with tempfile.TemporaryDirectory() as data:
        sent = play(logs, Path(data), on_act=lambda act: click.echo(f"  {act.requests:>4} x {act.name}", err=True))
    click.echo("\nWhat `attribute` makes of the log that the service wrote:\n", err=True)
    code = run(["analyze", str(logs)])
    scores = score(sent, *verdicts_of(logs))
    click.echo("\nHeld against what was injected:\n")
    for line in scoreboard(scores):
        click.echo(line)
    click.echo(f"\nThe log is in {logs}; remove the folder when you have seen enough.", err=True)
    wrong = sum(one.wrong + one.missing for one in scores)
    if code:
        raise click.exceptions.Exit(code)
    if wrong:
        raise DemoError.wrong_blame(wrong)
    if unknown_share(scores) >= MAX_UNKNOWN_SHARE:
        raise DemoError.too_much_unknown(unknown_share(scores))


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="attribute-demo-"))
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise DemoError.not_empty(keep)
    except OSError as error:
        raise DemoError.not_usable(keep, error.strerror or str(error)) from error
    if not os.access(keep, os.W_OK | os.X_OK):
        raise DemoError.not_usable(keep, os.strerror(errno.EACCES))
    return keep


def scoreboard(scores: Sequence[Score]) -> list[str]:
    """Return the lines of the scoreboard: what was injected, whose failure it is, and what was said of it."""
    from attribute.demo.score import undecided, unknown_share

    width = max(len(one.act.name) for one in scores)
    lines = [f"{'injected':<{width}}  {'whose':<22} {'sent':>5} {'right':>6} {'UNKNOWN':>8} {'wrong':>6}"]
    lines += [
        f"{one.act.name:<{width}}  {one.act.expected or 'nobody':<22} {one.act.requests:>5} {one.right:>6}"
        f" {one.unknown:>8} {one.wrong:>6}{f'  {one.act.by_design}' if one.act.by_design else ''}"
        for one in scores
    ]
    wrong, missing = sum(one.wrong for one in scores), sum(one.missing for one in scores)
    share, with_evidence = unknown_share(scores), undecided(scores)
    told = f"left UNKNOWN: {share:.1%} of what was injected, {with_evidence} of them with evidence"
    return [*lines, "", f"blamed wrongly: {wrong}; without a record: {missing}; {told}"]
