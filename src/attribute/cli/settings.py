"""The table of settings, and the check of a configuration file against it."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from attribute.m1.errors import AttributionError
from attribute.m1.fields import MAX_MS
from attribute.rules.words import Class

__all__ = ["GOAL_KEYS", "LIMIT_KEYS", "SETTINGS", "ConfigError", "Known", "Table", "Value", "check_table", "from_text"]

Value = float | int | str | tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """
    One simple setting.

    Attributes:
        name: its key in a file; in the environment it is `ATTRIBUTE_` and the name in capitals.
        kind: `number`, `text` or `texts`.
        default: what holds where nobody says anything.
        low: the least number.
        high: the greatest number.
        is_path: whether it names a file, relative to the configuration file.
        meaning: one line.
    """

    name: str
    kind: str
    default: Value
    low: float = 0.0
    high: float = math.inf
    is_path: bool = False
    meaning: str


SETTINGS: Final[Mapping[str, Known]] = MappingProxyType(
    {
        known.name: known
        for known in (
            Known(
                name="slow_ms",
                kind="number",
                default=1000.0,
                low=0.001,
                high=float(MAX_MS),
                meaning="At or over it a request is slow.",
            ),
            Known(
                name="upstream_low_share",
                kind="number",
                default=0.2,
                high=1.0,
                meaning="Upstream latency at or under this share of the total is low.",
            ),
            Known(
                name="upstream_dominant_share",
                kind="number",
                default=0.8,
                high=1.0,
                meaning="At or over this share it is dominant.",
            ),
            Known(
                name="clock_tolerance_ms",
                kind="number",
                default=5.0,
                high=float(MAX_MS),
                meaning="Upstream over total by at most this counts as equal.",
            ),
            Known(
                name="clock_tolerance_share",
                kind="number",
                default=0.01,
                high=1.0,
                meaning="The same as a share of the total; the larger holds.",
            ),
            Known(
                name="rules",
                kind="text",
                default=None,
                is_path=True,
                meaning="A file of rules of your own; none: the built-in ones alone.",
            ),
            Known(
                name="tz", kind="text", default="UTC", meaning="Zone of printed times and of times on the command line."
            ),
            Known(name="exclude", kind="texts", default=(), meaning="Globs of files and folders to leave out."),
            Known(name="engine", kind="text", default="local", meaning="What reads the logs: local, spark or dask."),
            Known(
                name="engine_address",
                kind="text",
                default=None,
                meaning="Where the cluster is; none: what its client takes for granted.",
            ),
            Known(name="engine_options", kind="texts", default=(), meaning="Settings of the cluster, as NAME=VALUE."),
            Known(
                name="engine_timeout_s",
                kind="number",
                default=600.0,
                low=0.001,
                high=1e6,
                meaning="After so many seconds without a reply of the cluster the run fails.",
            ),
            Known(
                name="engine_parallel",
                kind="number",
                default=0.0,
                high=1e6,
                meaning="How many splits are under way on the cluster at once; 0: the engine decides.",
            ),
        )
    }
)

LIMIT_KEYS: Final = (
    "slow_ms",
    "upstream_low_share",
    "upstream_dominant_share",
    "clock_tolerance_ms",
    "clock_tolerance_share",
)
"""What `[functions.NAME]` may set for one function."""

GOAL_KEYS: Final[Mapping[str, Known]] = MappingProxyType(
    {
        known.name: known
        for known in (
            Known(
                name="target",
                kind="number",
                default=None,
                low=0.01,
                high=0.999999,
                meaning="The share of requests that should go well.",
            ),
            Known(name="functions", kind="texts", default=("*",), meaning="Globs of the functions that count."),
            Known(
                name="classes",
                kind="texts",
                default=tuple(Class),
                meaning="Failing or slow requests of these classes do not go well.",
            ),
            Known(name="weeks", kind="number", default=4.0, low=1.0, high=12.0, meaning="The time of the budget."),
        )
    }
)
"""What `[goals.NAME]` may say."""

TABLES: Final = ("functions", "goals", "runbook", "gate")


_WITHOUT_ANY: Final = "mend that, or run without any configuration file: `--isolated`"


class ConfigError(AttributionError):
    """A setting that cannot be used."""

    @classmethod
    def not_there(cls, path: str, *, said_by: str) -> Self:
        """Return the error of a named file that is no file."""
        return cls(
            f"{said_by} names `{path}`, which is not a file",
            hint="name a TOML file; `attribute config show` says what holds without it",
        )

    @classmethod
    def not_readable(cls, path: str, why: str) -> Self:
        """Return the error of a file that cannot be read."""
        return cls(f"{path}: the configuration cannot be read: {why}", hint=_WITHOUT_ANY)

    @classmethod
    def not_searchable(cls, path: str, why: str) -> Self:
        """Return the error of a place that is closed to us."""
        return cls(f"{path}: whether there is configuration cannot be seen: {why}", hint=_WITHOUT_ANY)

    @classmethod
    def not_toml(cls, place: str, why: str) -> Self:
        """Return the error of a file that does not parse."""
        return cls(f"{place}: not TOML: {why}")

    @classmethod
    def unknown_key(cls, place: str, key: str, known: Iterable[str]) -> Self:
        """Return the error of a key that nobody reads."""
        names = list(known)
        close = get_close_matches(key, names, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"known keys: {', '.join(names)}"
        return cls(f"{place}: unknown key `{key}`", hint=hint)

    @classmethod
    def wrong_value(cls, place: str, key: str, value: object, expected: str) -> Self:
        """Return the error of a value of another type or out of bounds."""
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        return cls(f"{place}: `{key}` is {shown[:60]}{'...' if len(shown) > 60 else ''}, expected {expected}")

    @classmethod
    def goal_without_target(cls, place: str, name: str) -> Self:
        """Return the error of a goal that does not say how much should go well."""
        return cls(f"{place}: [goals.{name}] has no `target`", hint="such as `target = 0.995`, for 99.5 % of requests")

    @classmethod
    def shares_crossed(cls, low: float, dominant: float, *, path: Path | None, function: str | None = None) -> Self:
        """Return the error of a low share above the dominant one."""
        place = "" if path is None else f"{path}: "
        place += "" if function is None else f"[functions.{function}] "
        return cls(
            f"{place}`upstream_low_share` is {low:g}, above `upstream_dominant_share` {dominant:g}",
            hint="`attribute config show` says where each of them comes from",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a configuration file says, checked."""

    settings: Mapping[str, Value] = field(default_factory=dict)
    functions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    goals: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    runbook: Mapping[str, str] = field(default_factory=dict)
    gates: tuple[Mapping[str, object], ...] = ()


def check_table(text: str, *, file: str, inside: Sequence[str] = ()) -> Table:
    """
    Parse a configuration file and check every key and value.

    Args:
        text: the file's text.
        file: its name, for messages.
        inside: the tables around ours, outermost first.

    Raises:
        ConfigError: with the line, where it is known.
    """
    try:
        document: object = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        place = f"{file}:{line[1]}" if line else file
        raise ConfigError.not_toml(place, str(error)) from error
    except RecursionError as error:
        raise ConfigError.not_toml(file, "it is nested too deeply") from error
    for name in inside:
        document = document.get(name, {}) if isinstance(document, dict) else {}
    return _Check(file=file, text=text, inside=tuple(inside)).table(document)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    file: str
    text: str
    inside: tuple[str, ...]

    def table(self, document: object) -> Table:
        if not isinstance(document, dict):
            raise ConfigError.wrong_value(self.file, ".".join(self.inside), document, "a table")
        settings: dict[str, Value] = {}
        for key, value in document.items():
            if key in SETTINGS:
                settings[key] = self.simple(SETTINGS[key], value, (key,))
            elif key not in TABLES:
                raise ConfigError.unknown_key(self.place((key,)), key, (*SETTINGS, *TABLES))
        return Table(
            settings=settings,
            functions=self.functions(document.get("functions", {})),
            goals=self.goals(document.get("goals", {})),
            runbook=self.runbook(document.get("runbook", {})),
            gates=self.gates(document.get("gate", [])),
        )

    def simple(self, known: Known, value: object, path: tuple[str, ...]) -> Value:
        if known.kind == "number":
            return self.number(known, value, path)
        if known.kind == "text":
            if isinstance(value, str) and value:
                return value
            raise ConfigError.wrong_value(self.place(path), path[-1], value, "a text")
        if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
            return tuple(value)
        raise ConfigError.wrong_value(self.place(path), path[-1], value, "a list of texts")

    def number(self, known: Known, value: object, path: tuple[str, ...]) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not known.low <= value <= known.high:
            raise ConfigError.wrong_value(self.place(path), path[-1], value, _bounds(known))
        return float(value)

    def functions(self, document: object) -> Mapping[str, Mapping[str, float]]:
        if not isinstance(document, dict):
            raise ConfigError.wrong_value(self.place(("functions",)), "functions", document, "tables [functions.NAME]")
        found: dict[str, Mapping[str, float]] = {}
        for name, limits in document.items():
            path = ("functions", name)
            if not isinstance(limits, dict):
                raise ConfigError.wrong_value(self.place(path), name, limits, "a table of limits")
            for key in limits:
                if key not in LIMIT_KEYS:
                    raise ConfigError.unknown_key(self.place((*path, key)), key, LIMIT_KEYS)
            found[name] = {key: self.number(SETTINGS[key], value, (*path, key)) for key, value in limits.items()}
        return found

    def goals(self, document: object) -> Mapping[str, Mapping[str, Value]]:
        if not isinstance(document, dict):
            raise ConfigError.wrong_value(self.place(("goals",)), "goals", document, "tables [goals.NAME]")
        return {name: self.goal(name, said) for name, said in document.items()}

    def goal(self, name: str, said: object) -> Mapping[str, Value]:
        path = ("goals", name)
        if not isinstance(said, dict):
            raise ConfigError.wrong_value(self.place(path), name, said, "a table with a target")
        for key in said:
            if key not in GOAL_KEYS:
                raise ConfigError.unknown_key(self.place((*path, key)), key, GOAL_KEYS)
        if "target" not in said:
            raise ConfigError.goal_without_target(self.place(path), name)
        found = {key: self.simple(GOAL_KEYS[key], value, (*path, key)) for key, value in said.items()}
        weeks, classes = found.get("weeks", 1.0), found.get("classes", ())
        if not isinstance(weeks, float) or not weeks.is_integer():
            raise ConfigError.wrong_value(self.place((*path, "weeks")), "weeks", said["weeks"], "whole weeks")
        if not isinstance(classes, tuple) or not set(classes) <= set(Class):
            expected = f"a list of {', '.join(Class)}"
            raise ConfigError.wrong_value(self.place((*path, "classes")), "classes", said["classes"], expected)
        return found

    def runbook(self, document: object) -> Mapping[str, str]:
        if not isinstance(document, dict):
            raise ConfigError.wrong_value(self.place(("runbook",)), "runbook", document, "a table")
        for key, value in document.items():
            place = self.place(("runbook", key))
            if key.partition("/")[0] not in set(Class):
                raise ConfigError.unknown_key(place, key.partition("/")[0], Class)
            if not isinstance(value, str) or not value or "\n" in value or len(value) > 500:
                raise ConfigError.wrong_value(place, key, value, "one line of at most 500 characters")
        return dict(document)

    def gates(self, document: object) -> tuple[Mapping[str, object], ...]:
        if isinstance(document, list) and all(isinstance(item, dict) for item in document):
            return tuple(document)
        raise ConfigError.wrong_value(self.place(("gate",)), "gate", document, "tables [[gate]]")

    def place(self, path: tuple[str, ...]) -> str:
        line = _line_of((*self.inside, *path), self.text)
        return self.file if line is None else f"{self.file}:{line}"


def _bounds(known: Known) -> str:
    if math.isinf(known.high):
        return f"a number from {known.low:g}"
    return f"a number from {known.low:g} to {known.high:g}"


_HEADER: Final = re.compile(r"\s*\[\[?(.*?)\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"""\s*((?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_.\- ])+?)\s*=""")


def _line_of(path: tuple[str, ...], text: str) -> int | None:
    """Return the line on which the key at *path* is written; the standard parser keeps none."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            if table[: len(path)] == path:
                return number
        elif key := _KEY.match(line):
            here = (*table, *_parts(key[1]))
            if here[: len(path)] == path:
                return number
            if path[: len(here)] == here and path[-1] in line:  # an inline table
                return number
    return None


def _parts(dotted: str) -> tuple[str, ...]:
    found = re.findall(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^."'\s]+))\s*\.?""", dotted)
    return tuple(double or single or bare for double, single, bare in found)


def from_text(known: Known, text: str, *, said_by: str) -> Value:
    """
    Read a setting from an environment variable. A list is separated by colons.

    Raises:
        ConfigError: it is no number, or out of bounds.
    """
    if known.kind == "texts":
        return tuple(part for part in text.split(":") if part)
    if known.kind == "text":
        return text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not known.low <= number <= known.high:
        raise ConfigError.wrong_value(said_by, known.name, text, _bounds(known))
    return number
