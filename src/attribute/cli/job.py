"""From what the command line said to what is to be done, before a log is opened and without loading polars."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Final, Self

from attribute.cache.store import Store, default_folder
from attribute.cli.commands import COMMANDS
from attribute.cli.config import Config, load
from attribute.cli.options import AnalysisFlags, repeated
from attribute.cli.outputs import check_outputs, check_written, paths_of, spare_what_is_read
from attribute.cli.settings import GOAL_KEYS, LIMIT_KEYS
from attribute.cli.streams import stdin_is_fed
from attribute.engines.analysis import AnalysisOptions, Cache, Progress, RejectedAt, Window
from attribute.engines.choose import Choice, EngineName
from attribute.logs.instants import Resolved, parse_zone, resolve, resolve_window
from attribute.logs.sources import near_paths
from attribute.logs.storage import is_url, local_path
from attribute.m1.errors import AttributionError
from attribute.reports.asked import Asked, Goal, Rules, Typed
from attribute.reports.escape import terminal
from attribute.reports.wording import rfc3339
from attribute.rules.catalogue import Catalogue, builtin, parse
from attribute.rules.thresholds import Limits, Thresholds
from attribute.slots import SLOT

__all__ = ["Job", "catalogue_of", "check_first", "check_paths", "prepare"]

MAX_RULES_BYTES: Final = 2**22


class UsageError(AttributionError):
    """A combination of flags, or a path, that makes no sense."""

    @classmethod
    def window_twice(cls) -> Self:
        """Return the error of a window given in two ways."""
        return cls("`--window` stands for `--since` and `--until`: give one or the other")

    @classmethod
    def window_empty(cls, since: datetime, until: datetime) -> Self:
        """Return the error of a window that ends before it starts."""
        return cls(f"`--until` ({until:%Y-%m-%dT%H:%M:%SZ}) is not after `--since` ({since:%Y-%m-%dT%H:%M:%SZ})")

    @classmethod
    def nothing_to_read(cls) -> Self:
        """Return the error of a run without a path on a terminal."""
        return cls("no path is given and nothing is piped in", hint="name a file or a folder, or `-` to type records")

    @classmethod
    def no_such_path(cls, path: str) -> Self:
        """Return the error of a path that is not there, with what may have been meant."""
        close = get_close_matches(path, COMMANDS, n=1, cutoff=0.7)
        near = near_paths(path)
        if path in COMMANDS:
            hint = f"a command comes first: `attribute {path} ...`"
        elif close:
            hint = f"did you mean the command `attribute {close[0]} ...`?"
        elif near:
            hint = f"did you mean {' or '.join(near)}?"
        else:
            hint = "name a file, a folder, a glob pattern, or `-` for standard input; `attribute --help` lists commands"
        return cls(f"`{path}` is neither a file nor a folder", hint=hint)

    @classmethod
    def taken_for(cls, value: str, argument: str, command: str) -> Self:
        """Return the error of a path that stands where something else is named first."""
        return cls(
            f"no path is given and nothing is piped in: `{value}` was taken for {argument}",
            hint=f"name a file or a folder as well: `attribute {command} {argument} PATHS`",
        )

    @classmethod
    def closed_path(cls, path: str, why: str) -> Self:
        """Return the error of a path at which we may not look."""
        return cls(f"`{path}` cannot be looked at: {why}", hint="read it as a user who may, or name another path")

    @classmethod
    def unknown_engine(cls, name: str, origin: str) -> Self:
        """Return the error of an engine that there is none of."""
        return cls(f"`engine` is `{name}` ({origin}), expected one of {', '.join(EngineName)}")

    @classmethod
    def option_without_value(cls, option: str) -> Self:
        """Return the error of a setting of the cluster that is no pair."""
        return cls(f"`--engine-option {option}` is no NAME=VALUE", hint="such as spark.executor.memory=4g")

    @classmethod
    def rules_not_readable(cls, path: str, why: str) -> Self:
        """Return the error of a rule file that cannot be read."""
        return cls(
            f"{path}: the rules cannot be read: {why}",
            hint="name a rule file, which `attribute rules check FILE` accepts; without one the built-in rules hold",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    What the command line means, resolved.

    Attributes:
        flags: as given.
        config: the settings that hold.
        paths: what to read.
        zone: the zone of times.
        now: the current time.
        window: resolved.
        catalogue: the rules.
        thresholds: the limits.
        engine: what reads the logs.
    """

    flags: AnalysisFlags
    config: Config
    paths: tuple[str, ...]
    zone: tzinfo
    now: datetime
    window: Window
    catalogue: Catalogue
    thresholds: Thresholds
    engine: Choice

    def options(
        self,
        *,
        latency_slot: timedelta = SLOT,
        on_reject: Callable[[RejectedAt], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> AnalysisOptions:
        """Return what to ask an engine."""
        return AnalysisOptions(
            paths=self.paths,
            catalogue=self.catalogue,
            thresholds=self.thresholds,
            exclude=self.config.texts("exclude"),
            window=self.window,
            functions=self.flags.functions,
            strict=self.flags.strict,
            fingerprint=self.flags.fingerprint,
            latency_slot=latency_slot,
            cache=None if self.flags.no_cache else _cache(),
            on_reject=on_reject,
            on_progress=on_progress,
        )

    def rules(self) -> Rules:
        """Return what outputs repeat of the rules."""
        return Rules(version=self.catalogue.version, sha256=self.catalogue.sha256, thresholds=self.thresholds)

    def asked(self) -> Asked:
        """Return what outputs repeat of the question."""
        return Asked(
            typed=Typed(
                paths=self.paths,
                window=self.window,
                functions=self.flags.functions,
                options=(*repeated(self.flags), *(("--now", str(rfc3339(self.now))) if self.flags.now else ())),
            ),
            zone=self.zone,
            now=self.now,
            runbook=self.config.runbook,
            goals=_goals(self.config),
            commands=frozenset(COMMANDS),
        )


def prepare(flags: AnalysisFlags, *, written: Iterable[str | None] = ()) -> Job:
    """
    Resolve everything that can be resolved before a log is opened.

    Args:
        flags: what the command line said.
        written: files that the command writes beside those of *flags*.

    Raises:
        AttributionError: a flag, setting, rule or path cannot be used, or a file would be written over another one or
            over what is read.
    """
    check_outputs(flags.outputs)
    all_written = [path for path in (*paths_of(flags.outputs), flags.rejects, *written) if path is not None]
    check_written(all_written)
    config = load(
        file=flags.config,
        isolated=flags.isolated,
        flags={
            "rules": flags.rules,
            "tz": flags.tz,
            "exclude": flags.exclude,
            "engine": flags.engine,
            "engine_address": flags.engine_address,
            "engine_options": flags.engine_options,
            "engine_timeout_s": flags.engine_timeout_s,
        },
    )
    zone = parse_zone(config.text("tz") or "UTC")
    clock = datetime.now(UTC)
    now = clock if flags.now is None else resolve(flags.now, now=clock, zone=zone, side="since").at
    if not flags.paths and not stdin_is_fed():
        raise UsageError.nothing_to_read()
    paths = flags.paths or ("-",)
    check_paths(paths)
    settings = (config.text("rules"), config.path)
    spare_what_is_read(all_written, logs=paths, others=settings, exclude=config.texts("exclude"))
    return Job(
        flags=flags,
        config=config,
        paths=paths,
        zone=zone,
        now=now,
        window=_window(flags, now, zone),
        catalogue=catalogue_of(config.text("rules")),
        thresholds=_thresholds(config),
        engine=_engine(config),
    )


def check_paths(paths: Sequence[str]) -> None:
    """
    See that every path is there; patterns and URLs are looked up later.

    Raises:
        UsageError: one is not, or is closed to us.
    """
    for path in paths:
        if path == "-" or is_url(path) or re.search(r"[*?\[]", path):
            continue
        try:
            os.lstat(local_path(path))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError.no_such_path(path) from error
        except OSError as error:
            raise UsageError.closed_path(path, error.strerror or str(error)) from error


def check_first(value: str, argument: str, command: str, *, paths: Sequence[str]) -> None:
    """
    See that a path follows the argument that stands before the paths, so that it is none itself.

    Raises:
        UsageError: there is none, and nothing is piped in.
    """
    if not paths and not stdin_is_fed():
        raise UsageError.taken_for(value, argument, command)


def _cache() -> Cache | None:
    folder = default_folder()
    return None if folder is None else Cache(store=Store(folder=folder))


def _window(flags: AnalysisFlags, now: datetime, zone: tzinfo) -> Window:
    if flags.window is not None:
        if flags.since is not None or flags.until is not None:
            raise UsageError.window_twice()
        since, until = resolve_window(flags.window, now=now, zone=zone)
        _note(flags, since, until)
        return Window(since_at=since.at, until_at=until.at)
    first = None if flags.since is None else resolve(flags.since, now=now, zone=zone, side="since")
    last = None if flags.until is None else resolve(flags.until, now=now, zone=zone, side="until")
    _note(flags, first, last)
    window = Window(since_at=first and first.at, until_at=last and last.at)
    if window.since_at is not None and window.until_at is not None and window.until_at <= window.since_at:
        raise UsageError.window_empty(window.since_at, window.until_at)
    return window


def _note(flags: AnalysisFlags, *ends: Resolved | None) -> None:
    """Say on stderr what was decided where a time leaves a choice."""
    for end in ends:
        if end is not None and end.note and not flags.quiet:
            sys.stderr.write(f"attribute: note: {terminal(end.note)}\n")


def catalogue_of(path: str | None) -> Catalogue:
    """
    Return the built-in rules, with those of a file added where one is named.

    Raises:
        AttributionError: the file cannot be read, or is no rule file.
    """
    if path is None:
        return builtin()
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- the name is the user's, not ours to normalise
            content = file.read(MAX_RULES_BYTES + 1)
    except OSError as error:
        raise UsageError.rules_not_readable(path, error.strerror or str(error)) from error
    if len(content) > MAX_RULES_BYTES:
        raise UsageError.rules_not_readable(path, f"the file is larger than {MAX_RULES_BYTES:,} bytes")
    try:
        return parse(content.decode(), name=path)
    except UnicodeDecodeError as error:
        raise UsageError.rules_not_readable(path, f"byte {error.start:,} is no UTF-8") from error


def _engine(config: Config) -> Choice:
    name = config.text("engine") or ""
    if name not in set(EngineName):
        raise UsageError.unknown_engine(name, config.settings["engine"].origin)
    options: dict[str, str] = {}
    for option in config.texts("engine_options"):
        key, equals, value = option.partition("=")
        if not key or not equals:
            raise UsageError.option_without_value(option)
        options[key] = value
    return Choice(
        name=EngineName(name),
        address=config.text("engine_address"),
        options=options,
        timeout_s=config.number("engine_timeout_s"),
        parallel=int(config.number("engine_parallel")),
    )


def _goals(config: Config) -> tuple[Goal, ...]:
    """Return the configured goals, in the order of their names."""
    goals = []
    for name, said in sorted(config.goals.items()):
        values = {key: known.default for key, known in GOAL_KEYS.items()} | dict(said)
        target, functions, classes, weeks = (values[key] for key in ("target", "functions", "classes", "weeks"))
        assert isinstance(target, float)
        assert isinstance(weeks, float)
        assert isinstance(functions, tuple)
        assert isinstance(classes, tuple)
        goals.append(Goal(name=name, target=target, functions=functions, classes=classes, weeks=int(weeks)))
    return tuple(goals)


def _thresholds(config: Config) -> Thresholds:
    default = {key: config.number(key) for key in LIMIT_KEYS}
    return Thresholds(
        default=Limits(**default),
        by_function={name: Limits(**{**default, **own}) for name, own in config.functions.items()},
    )
