"""Bytes -> a baseline, or the one sentence that says why not. The bytes may be anything."""

from __future__ import annotations

from typing import Final, Self

import orjson
import polars as pl

from attribute.gate.baseline import HOURS, MAX_HOUR, SCHEMA, SLOTS, Baseline, RulesMark, checksum, day_name
from attribute.m1.errors import AttributionError

__all__ = ["BaselineError", "from_bytes"]

_MAX_COUNT: Final = 2**48
_MAX_NAME: Final = 128
_BUILD: Final = "`attribute baseline build LOGS -o FILE` writes one"


class BaselineError(AttributionError):
    """A baseline that cannot be used."""

    @classmethod
    def not_readable(cls, path: str, why: str) -> Self:
        """Return the error of a file that cannot be read."""
        return cls(f"{path}: the baseline cannot be read: {why}", hint=_BUILD)

    @classmethod
    def not_a_baseline(cls, path: str, why: str) -> Self:
        """Return the error of a file that is something else, or only a part."""
        return cls(
            f"{path}: not a baseline, or only a part of one: {why}",
            hint=_BUILD,
        )

    @classmethod
    def other_schema(cls, path: str, schema: str) -> Self:
        """Return the error of a baseline of another version of the format."""
        return cls(
            f"{path}: a baseline of the schema `{schema[:60]}`, expected `{SCHEMA}`",
            hint="build it anew with this version: `attribute baseline build LOGS -o FILE`",
        )

    @classmethod
    def changed(cls, path: str) -> Self:
        """Return the error of a baseline whose checksum does not fit."""
        return cls(
            f"{path}: the baseline's checksum does not fit its content: it was cut, merged or edited by hand",
            hint="build it anew, or merge baselines with `attribute baseline build --merge FILE`",
        )

    @classmethod
    def rules_differ(cls, first: str, second: str) -> Self:
        """Return the error of baselines that cannot be added up."""
        return cls(
            f"{first} and {second} hold verdicts of different rules or thresholds, and cannot be added up",
            hint="build both anew with the same rules",
        )


def from_bytes(content: bytes, *, name: str) -> Baseline:
    """
    Read what `to_bytes` wrote.

    Args:
        content: anything.
        name: what to call it in messages.

    Raises:
        BaselineError: it is no baseline, of another schema, cut, or changed.
    """
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BaselineError.not_a_baseline(name, f"not JSON ({str(error)[:80]})") from error
    if not isinstance(document, dict) or not isinstance(document.get("schema"), str):
        raise BaselineError.not_a_baseline(name, "it has no `schema`")
    if document["schema"] != SCHEMA:
        raise BaselineError.other_schema(name, document["schema"])
    if document.get("sha256") != checksum(document):
        raise BaselineError.changed(name)
    return _Reader(name).baseline(document)


class _Reader:
    """Checks what a checksum cannot: that the numbers are what they claim to be."""

    def __init__(self, name: str) -> None:
        self.name = name

    def baseline(self, document: dict[str, object]) -> Baseline:
        names = self.names(document.get("functions"))
        hours = self.frame(document.get("hours"), HOURS, names, time="hour", most=MAX_HOUR)
        slots = self.frame(document.get("slots"), SLOTS, names, time="slot", most=MAX_HOUR * 6)
        fits = pl.col("known") + pl.col("evident") + pl.col("blind") == pl.col("other")
        if not hours.select(fits.all()).item():
            raise self.broken("the counts of an hour do not add up")
        found = Baseline(hours=hours, slots=slots, rules=self.rules(document.get("rules")))
        if document.get("days") != [day_name(day) for day in found.days] or document.get("requests") != found.requests:
            raise self.broken("its totals are not those of its hours")
        return found

    def names(self, value: object) -> list[str]:
        if not isinstance(value, list) or not all(
            isinstance(item, str) and 0 < len(item) <= _MAX_NAME for item in value
        ):
            raise self.broken("`functions` is no list of names")
        if value != sorted(set(value)):
            raise self.broken("`functions` is not sorted, or repeats a name")
        return value

    def frame(self, value: object, schema: pl.Schema, names: list[str], *, time: str, most: int) -> pl.DataFrame:
        if not isinstance(value, dict) or set(value) != set(schema.names()):
            raise self.broken(f"`{time}s` has not the columns {', '.join(schema.names())}")
        columns: dict[str, list[int]] = {}
        for column, numbers in value.items():
            bound = {"function": len(names) - 1, time: most}.get(column, _MAX_COUNT)
            if not isinstance(numbers, list) or not all(type(item) is int and 0 <= item <= bound for item in numbers):
                raise self.broken(f"`{time}s.{column}` is no list of whole numbers from 0 to {bound:,}")
            columns[column] = numbers
        if len({len(numbers) for numbers in columns.values()}) > 1:
            raise self.broken(f"the columns of `{time}s` are not equally long")
        frame = pl.DataFrame(columns, schema=dict.fromkeys(schema.names(), pl.Int64))
        if not frame.select("function", time).equals(frame.select("function", time).unique().sort("function", time)):
            raise self.broken(f"`{time}s` is not sorted, or repeats a key")
        name_of = pl.col("function").replace_strict(dict(enumerate(names)), return_dtype=pl.String)
        return frame.with_columns(name_of) if frame.height else schema.to_frame()

    def rules(self, value: object) -> RulesMark | None:
        if value is None:
            return None
        keys = ("version", "sha256", "thresholds")
        if (
            not isinstance(value, dict)
            or set(value) != set(keys)
            or not all(isinstance(value[key], str) for key in keys)
        ):
            raise self.broken("`rules` does not say whose verdicts they are")
        return RulesMark(**value)

    def broken(self, why: str) -> BaselineError:
        return BaselineError.not_a_baseline(self.name, why)
