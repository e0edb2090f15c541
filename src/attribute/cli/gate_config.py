"""Limits as the configuration writes them: `[[gate]]` tables -> `Limit`s, or the sentence that says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Final, Self, TypeVar

from attribute.gate.limits import Limit, NoData, Of, class_named, reason_named
from attribute.gate.settings import Level
from attribute.m1.errors import AttributionError

__all__ = ["GateConfigError", "hours_of", "limits_of", "share_of", "share_or_count"]

_KEYS: Final = ("name", "level", "where", "max", "of", "min_requests", "on_no_data", "over")
_WHERE: Final = ("class", "function", "reason")
_HEADER: Final = re.compile(r"\s*\[\[\s*(?:tool\s*\.\s*attribute\s*\.\s*)?gate\s*\]\]")
_SPAN: Final = re.compile(r"(\d{1,6})\s*([hd])")
_LEVELS: Final = {"error": Level.ERROR, "warn": Level.WARNING, "warning": Level.WARNING}
_MOST: Final = 10**15
E = TypeVar("E", bound=StrEnum)
D = TypeVar("D", bound=StrEnum | None)


class GateConfigError(AttributionError):
    """A limit of the configuration that cannot be read."""

    @classmethod
    def unknown_key(cls, place: str, key: str, known: tuple[str, ...]) -> Self:
        """Return the error of a key that nobody reads."""
        close = get_close_matches(key, known, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"known keys: {', '.join(known)}"
        return cls(f"{place}: unknown key `{key[:60]}`", hint=hint)

    @classmethod
    def wrong_value(cls, place: str, key: str, value: object, expected: str) -> Self:
        """Return the error of a value of another type or out of bounds."""
        return cls(f"{place}: `{key}` is {repr(value)[:60]}, expected {expected}")

    @classmethod
    def no_share(cls, flag: str, text: str) -> Self:
        """Return the error of a flag that takes a share and nothing else."""
        return cls(
            f"{flag}: {text[:60]!r} is no share, expected a share of 0 to 1: 5% or 0.05",
            hint="for a count of requests there is --max-unknown",
        )

    @classmethod
    def name_of_flag(cls, place: str, name: str) -> Self:
        """Return the error of a limit that is called like one of the command line's."""
        return cls(
            f"{place}: the limit is called `{name}`, as is that of `--{name}`, which is given too",
            hint="give it another `name`, or leave the flag out",
        )

    @classmethod
    def missing(cls, place: str, key: str) -> Self:
        """Return the error of a table without something that it needs."""
        return cls(f"{place}: `{key}` is missing", hint='for example: where = { class = "UNKNOWN" }, max = "5%"')

    @classmethod
    def same_name(cls, place: str, name: str) -> Self:
        """Return the error of two limits of one name."""
        return cls(f"{place}: a second limit called `{name[:60]}`", hint="give each a `name` of its own")


def limits_of(
    gates: tuple[Mapping[str, object], ...], path: Path | None, *, flags: Collection[str] = ()
) -> tuple[Limit, ...]:
    """
    Read the tables.

    Args:
        gates: the tables as they stand in the file.
        path: the file.
        flags: the names of the limits that the command line sets.

    Raises:
        AttributionError: an unknown key, class, function or reason, a wrong value, or two limits of one name.
    """
    lines = _lines(path)
    found: list[Limit] = []
    names: set[str] = set()
    for number, table in enumerate(gates):
        line = lines[number] if number < len(lines) else None
        place = f"{path}:{line}: [[gate]]" if line is not None else f"{path}: [[gate]] number {number + 1}"
        limit = _Reader(place, table).limit(line)
        if limit.name in names:
            raise GateConfigError.same_name(place, limit.name)
        if limit.name in flags:
            raise GateConfigError.name_of_flag(place, limit.name)
        names.add(limit.name)
        found.append(limit)
    return tuple(found)


def _lines(path: Path | None) -> list[int]:
    """Return the line of every `[[gate]]`; the standard parser keeps none."""
    if path is None:
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    return [number for number, line in enumerate(text.splitlines(), start=1) if _HEADER.match(line)]


class _Reader:
    def __init__(self, place: str, table: Mapping[str, object]) -> None:
        self.place = place
        self.table = table

    def limit(self, line: int | None) -> Limit:
        for key in self.table:
            if key not in _KEYS:
                raise GateConfigError.unknown_key(self.place, key, _KEYS)
        where = self.where()
        if "max" not in self.table:
            raise GateConfigError.missing(self.place, "max")
        share, count = share_or_count(self.place, self.table["max"])
        class_, reason = where.get("class"), where.get("reason")
        return Limit(
            name=self.text("name") or _name(where, self.table["max"]),
            class_=None if class_ is None else class_named(self.place, class_),
            function=where.get("function"),
            reason=None if reason is None else reason_named(self.place, reason),
            max_share=share,
            max_count=count,
            of=self.one_of("of", {str(one): one for one in Of}, Of.INCIDENT),
            min_requests=self.whole("min_requests", 10),
            on_no_data=self.one_of("on_no_data", {str(one): one for one in NoData}, None),
            level=self.one_of("level", _LEVELS, Level.ERROR),
            over_hours=None if "over" not in self.table else hours_of(self.place, self.text("over") or ""),
            place=self.place,
            line=line,
        )

    def where(self) -> dict[str, str]:
        where = self.table.get("where")
        if where is None:
            raise GateConfigError.missing(self.place, "where")
        if not isinstance(where, dict):
            raise GateConfigError.wrong_value(self.place, "where", where, "a table of class, function or reason")
        for key, value in where.items():
            if key not in _WHERE:
                raise GateConfigError.unknown_key(f"{self.place} where", key, _WHERE)
            if not isinstance(value, str) or not value:
                raise GateConfigError.wrong_value(self.place, key, value, "a text")
        return where

    def text(self, key: str) -> str | None:
        value = self.table.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not 0 < len(value) <= 128 or not value.isprintable():
            raise GateConfigError.wrong_value(self.place, key, value, "a text of 1 to 128 printable characters")
        return value

    def whole(self, key: str, default: int) -> int:
        value = self.table.get(key, default)
        if type(value) is not int or not 1 <= value <= _MOST:
            raise GateConfigError.wrong_value(self.place, key, value, "a whole number from 1")
        return value

    def one_of(self, key: str, known: Mapping[str, E], default: D) -> E | D:
        value = self.table.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or value not in known:
            raise GateConfigError.wrong_value(self.place, key, value, f"one of {', '.join(known)}")
        return known[value]


def _name(where: Mapping[str, str], most: object) -> str:
    about = " ".join(where[key] for key in _WHERE if key in where) or "incident"
    return f"{about} max {most}"


def share_or_count(place: str, value: object) -> tuple[float | None, int | None]:
    """
    Read a limit: `"5%"` or `0.05` is a share, a whole number is a count.

    Raises:
        GateConfigError: it is neither.
    """
    if isinstance(value, str) and value.endswith("%"):
        share = _share(value)
        if share is not None:
            return share, None
    elif type(value) is int and 0 <= value <= _MOST:
        return None, value
    elif isinstance(value, float) and 0 <= value <= 1:
        return value, None
    raise GateConfigError.wrong_value(place, "max", value, 'a share ("5%" or 0.05) or a count (20)')


def share_of(flag: str, text: str) -> float:
    """
    Read a share: `5%` or `0.05`.

    Raises:
        GateConfigError: it is none.
    """
    share = _share(text)
    if share is None:
        raise GateConfigError.no_share(flag, text)
    return share


def _share(text: str) -> float | None:
    """Read a share, or return None where *text* is none."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None


def hours_of(place: str, text: str) -> int:
    """
    Read a span: `24h`, `7d`.

    Raises:
        GateConfigError: it is none.
    """
    match = _SPAN.fullmatch(text.strip())
    hours = int(match[1]) * (24 if match[2] == "d" else 1) if match else 0
    if not 0 < hours <= 24 * 3660:
        raise GateConfigError.wrong_value(place, "over", text, "a span such as 24h or 7d")
    return hours
