"""The options that every command shares that reads logs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Concatenate, Final, ParamSpec, TypeVar

import click

from attribute.cli.outputs import Output, OutputType
from attribute.reports.writers import WRITERS

__all__ = ["AnalysisFlags", "analysis_options", "comparing_options", "looking_options", "reading_options", "repeated"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisFlags:
    """
    What the command line said, untouched. `attribute.cli.run` turns it into work.

    Attributes:
        paths: files, folders, globs or `-`.
        since: start of the window as typed.
        until: its end as typed.
        window: both as typed, `A..B`.
        tz: zone as typed.
        functions: globs of functions.
        exclude: globs of files.
        strict: whether unknown fields make a reject.
        rejects: file for rejected lines.
        now: the current time as typed.
        rules: file of rules.
        config: configuration file.
        isolated: whether to read no configuration file.
        no_cache: whether to read everything anew, and keep nothing.
        no_progress: whether to show no progress.
        color: `auto`, `always` or `never`.
        ascii_only: whether to draw with ASCII alone.
        quiet: how many `-q`.
        verbose: how many `-v`.
        oneline: whether the screen is one line.
        exit_zero: whether 3 and 4 become 0.
        fingerprint: whether to hash the input.
        engine: what reads the logs.
        engine_address: where its cluster is.
        engine_options: settings of the cluster as typed, `NAME=VALUE`.
        engine_timeout_s: how long to wait for a reply of it.
        outputs: the wanted outputs.
    """

    paths: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    window: str | None = None
    tz: str | None = None
    functions: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    strict: bool = False
    rejects: str | None = None
    now: str | None = None
    rules: str | None = None
    config: str | None = None
    isolated: bool = False
    no_cache: bool = False
    no_progress: bool = False
    color: str = "auto"
    ascii_only: bool = False
    quiet: int = 0
    verbose: int = 0
    oneline: bool = False
    exit_zero: bool = False
    fingerprint: bool = False
    engine: str | None = None
    engine_address: str | None = None
    engine_options: tuple[str, ...] = ()
    engine_timeout_s: float | None = None
    outputs: tuple[Output, ...] = ()


_REPEATED: Final = {
    "tz": "--tz",
    "exclude": "--exclude",
    "strict": "--strict",
    "rules": "--rules",
    "config": "--config",
    "isolated": "--isolated",
}
"""What decides an answer beside the logs, the functions and all that is a time."""


def repeated(flags: AnalysisFlags) -> tuple[str, ...]:
    """Return what a command that asks the same again says of them, in words."""
    words: list[str] = []
    for name, option in _REPEATED.items():
        value = getattr(flags, name)
        if value is True:
            words.append(option)
        elif isinstance(value, tuple):
            words += [word for each in value for word in (option, each)]
        elif value:
            words += [option, value]
    return tuple(words)


FILE: Final = click.Path()
"""Completed as a file name; whether it is there is asked by whoever opens it."""

_RULES = click.option("--rules", metavar="FILE", type=FILE, help="Rules of your own, with the built-in ones.")
_READING = (
    click.argument("paths", nargs=-1, type=FILE),
    click.option("--since", metavar="TIME", help="From then on: 1h, 02:00, yesterday, 2026-11-16T02:00+09:00."),
    click.option("--until", metavar="TIME", help="Up to then."),
    click.option("--window", metavar="A..B", help="Both at once."),
    click.option(
        "--tz", metavar="ZONE", help="Zone of times, typed and printed: Asia/Seoul, local, UTC (the default)."
    ),
    click.option("--function", "functions", metavar="GLOB", multiple=True, help="Only these functions (repeatable)."),
    click.option("--exclude", metavar="GLOB", multiple=True, help="Leave out files and folders (repeatable)."),
    click.option("--strict", is_flag=True, help="Reject records with fields that M1 does not know."),
    click.option("--rejects", metavar="FILE", type=FILE, help="Write every rejected line's place and reason there."),
    click.option("--now", metavar="TIME", help="Take this as the current time."),
    _RULES,
    click.option("--config", metavar="FILE", type=FILE, help="Read this configuration file and no other."),
    click.option("--isolated", is_flag=True, help="Read no configuration file."),
    click.option("--fingerprint", is_flag=True, help="Hash the input, to show later what was read."),
    click.option("--no-cache", is_flag=True, help="Read everything anew, and keep nothing of it."),
    click.option(
        "--engine", type=click.Choice(["local", "spark", "dask"]), help="What reads the logs; local is this machine."
    ),
    click.option("--engine-address", metavar="ADDRESS", help="Where the cluster is: spark://..., sc://..., tcp://..."),
    click.option(
        "--engine-option", "engine_options", metavar="NAME=VALUE", multiple=True, help="A setting of it (repeatable)."
    ),
    click.option(
        "--engine-timeout-s",
        metavar="SECONDS",
        type=click.FloatRange(0.001, 1e6),
        help="Fail when no reply of the cluster came for so long; 600.",
    ),
    click.option("--no-progress", is_flag=True, help="Show no progress on stderr."),
)
_OUTPUTS = (
    click.option(
        "-o",
        "--output",
        "outputs",
        type=OutputType(),
        multiple=True,
        metavar="FORMAT[:PATH]",
        help=f"Repeatable; `text` on a terminal, `plain` in a pipe. Formats: {', '.join(WRITERS)}.",
    ),
    click.option("--oneline", is_flag=True, help="One line, for a status bar."),
    click.option("-q", "--quiet", count=True, help="The verdict only."),
    click.option("--exit-zero", is_flag=True, help="Exit with 0 where it would be 3 or 4."),
)
_LOOKS = (
    click.option("-v", "--verbose", count=True, help="More rows."),
    click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colour on screen."),
    click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII alone."),
)


def analysis_options(command: Callable[Concatenate[AnalysisFlags, P], R]) -> Callable[P, R]:
    """
    Give a command the options about what is read and how it is shown.

    The command gets them as one `AnalysisFlags`, its first argument; options of its own follow by name.
    """
    return _take((*_READING, *_OUTPUTS, *_LOOKS), command)


def reading_options(command: Callable[Concatenate[AnalysisFlags, P], R]) -> Callable[P, R]:
    """Give a command only the options about what is read; its output is its own matter."""
    return _take(_READING, command)


def comparing_options(command: Callable[Concatenate[AnalysisFlags, P], R]) -> Callable[P, R]:
    """Give a command the options about what is read, but for rules: it is handed those that it compares."""
    refused = click.option("--rules", hidden=True)  # taken, so that the command can say why it has no part in it
    return _take((*(option for option in _READING if option is not _RULES), refused), command)


def looking_options(command: Callable[Concatenate[AnalysisFlags, P], R]) -> Callable[P, R]:
    """Give a command the options about what is read and how a screen looks; its formats are its own matter."""
    return _take((*_READING, *_LOOKS), command)


def _take(
    decorators: tuple[Callable[[Callable[..., R]], Callable[..., R]], ...],
    command: Callable[Concatenate[AnalysisFlags, P], R],
) -> Callable[P, R]:
    names = {field.name for field in fields(AnalysisFlags)}

    @functools.wraps(command)
    def collect(*args: P.args, **given: P.kwargs) -> R:
        flags = AnalysisFlags(**{name: value for name, value in given.items() if name in names})  # type: ignore[arg-type]  # click made each value as declared above
        rest = {name: value for name, value in given.items() if name not in names}
        return command(flags, *args, **rest)  # type: ignore[arg-type]  # the rest are the command's own options

    decorated: Callable[..., R] = collect
    for decorator in reversed(decorators):
        decorated = decorator(decorated)
    return decorated
