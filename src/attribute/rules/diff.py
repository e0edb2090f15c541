"""Which verdicts another catalogue, or other limits, would change: known before anybody adopts them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from attribute.rules.compile import CompiledRules
from attribute.rules.words import NO_CLASS

__all__ = ["Change", "ChangedRequest", "Difference", "Said", "diff", "diff_verdicts"]

_SAID: Final = ("class", "rule", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one side says. *class_* `none`: no incident request, without rule and reason."""

    class_: str
    rule: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRequest:
    """One request whose verdict changes."""

    request_id: str
    function: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    All requests whose verdict changes in the same way.

    Attributes:
        old: what was said of them.
        new: what would be said.
        requests: how many they are.
        examples: the first of them in time (untimed last), then by `request_id`.
    """

    old: Said
    new: Said
    requests: int
    examples: tuple[ChangedRequest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """
    All that changes.

    Attributes:
        compared: how many requests are incident requests on one side at least.
        changed: how many of them change their class, rule or reason.
        class_changed: how many of these change their class.
        changes: the ways in which they change, the most frequent first.
    """

    compared: int = 0
    changed: int = 0
    class_changed: int = 0
    changes: tuple[Change, ...] = field(default=())


def diff(requests: pl.DataFrame, old: CompiledRules, new: CompiledRules, *, examples: int = 3) -> Difference:
    """
    Compare what two sets of rules and limits say of the same requests.

    Args:
        requests: a `REQUESTS` frame: incident requests by either side, healthy ones are passed over.
        old: the rules in force.
        new: the rules that might be.
        examples: how many requests to name for each change.
    """
    sides = [requests.filter(rules.incident).with_columns(*rules.verdict) for rules in (old, new)]
    return diff_verdicts(sides[0], sides[1], examples=examples)


def diff_verdicts(old: pl.DataFrame, new: pl.DataFrame, *, examples: int = 3) -> Difference:
    """
    Compare the verdicts of two analyses of the same logs.

    Args:
        old: a `VERDICTS` frame, one row per incident request under the rules in force.
        new: the same under the rules that might be.
        examples: how many requests to name for each change.

    Returns:
        Every change of class, rule or reason; a request that is on one side only was no incident on the other. The
        counts of the changes add up to `changed`. Flags and further matches are not compared.
    """
    columns = ("request_id", "function", "at", *_SAID)
    both = old.select(columns).join(new.select(columns), on="request_id", how="full", suffix="_new", coalesce=True)
    both = both.with_columns(
        pl.coalesce("function", "function_new"),
        pl.coalesce("at", "at_new"),
        pl.col("class", "class_new").fill_null(NO_CLASS),
    )
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_new")) for name in _SAID)
    changed = both.filter(~same).sort("at", "request_id", nulls_last=True)
    groups = (
        changed.group_by(*_SAID, *(f"{name}_new" for name in _SAID))
        .agg(pl.len().alias("requests"), pl.struct("request_id", "function", "at").head(examples).alias("examples"))
        .sort("requests", *_SAID, *(f"{name}_new" for name in _SAID), descending=[True] + [False] * 6)
    )
    return Difference(
        compared=both.height,
        changed=changed.height,
        class_changed=changed.filter(pl.col("class") != pl.col("class_new")).height,
        changes=tuple(
            Change(
                old=Said(class_=row["class"], rule=row["rule"], reason=row["reason"]),
                new=Said(class_=row["class_new"], rule=row["rule_new"], reason=row["reason_new"]),
                requests=row["requests"],
                examples=tuple(ChangedRequest(**each) for each in row["examples"]),
            )
            for row in groups.iter_rows(named=True)
        ),
    )
