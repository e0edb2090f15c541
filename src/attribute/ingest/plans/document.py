"""
The plan file: canonical JSON, so that its hash stands for every word of it.

Keys are sorted, there is no optional space, text is UTF-8, and one newline ends it. A file that is not the canonical
form of itself is refused, so nothing in it can be read two ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, NamedTuple, Self

import orjson

from attribute.ingest.model import MAX_COUNT, SLOT_SECONDS, SLOTS_PER_DAY, Counts, Order
from attribute.ingest.plans.errors import PlanError

SCHEMA: Final = "attribute.plan/1"
CHUNK: Final = 1000
"""Keys per step of an apply."""


class PlanKind(StrEnum):
    """What a plan may do."""

    BACKFILL = "backfill"
    CORRECT = "correct"
    REBUILD = "rebuild"
    RULE = "rule"
    SCHEMA = "schema"
    RETENTION = "retention"


class Base(NamedTuple):
    """Where the database stood when the plan was made."""

    delivery_id: int
    ledger_id: int
    seal: str
    generation: int
    rule: int
    schema: int


class Item(NamedTuple):
    """One key of a backfill or a correction: what it holds now (if anything), and what it is to hold."""

    user_id: str
    device_id: str
    source: str
    model: str
    slot: int
    counts: Counts
    base_order: Order | None
    base_counts: Counts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    One rewrite, decided but not done.

    Attributes:
        kind: what sort.
        reason: why, in the operator's words.
        created_at: RFC 3339, UTC.
        lineage: the database it is for.
        base: where that stood.
        scope: what it touches, for people.
        items: the keys of a backfill or correction; empty otherwise.
        details: what the other kinds need: weights, steps, the archive's hash.
        expect: row counts and per-day sums before and after.
        checks: what is checked before and after, by name.
        inverse: how `rollback` undoes it.
        estimate: steps, seconds and bytes, roughly.
    """

    kind: PlanKind
    reason: str
    created_at: str
    lineage: str
    base: Base
    scope: dict[str, Any]
    items: tuple[Item, ...]
    details: dict[str, Any]
    expect: dict[str, Any]
    checks: tuple[str, ...]
    inverse: str
    estimate: dict[str, Any]

    def to_bytes(self) -> bytes:
        """The canonical form."""
        return canonical(
            {
                "schema": SCHEMA,
                "kind": self.kind.value,
                "reason": self.reason,
                "created_at": self.created_at,
                "lineage": self.lineage,
                "base": self.base._asdict(),
                "scope": self.scope,
                "items": [
                    [*item[:5], *(None if part is None else list(part) for part in item[5:])] for item in self.items
                ],
                "details": self.details,
                "expect": self.expect,
                "checks": list(self.checks),
                "inverse": self.inverse,
                "estimate": self.estimate,
            }
        )

    @property
    def sha256(self) -> str:
        """What `apply --approve` wants to hear."""
        return sha256(self.to_bytes()).hexdigest()

    @property
    def before_slot(self) -> int:
        """Of a retention plan: the first half hour that it leaves alone."""
        return int(datetime.fromisoformat(f"{self.scope['before']}T00:00Z").timestamp()) // SLOT_SECONDS

    @property
    def chunk_count(self) -> int:
        """Steps that an apply of the items takes."""
        return -(-len(self.items) // CHUNK)

    @classmethod
    def from_bytes(cls, text: bytes, *, where: str = "plan") -> Self:
        """
        Read a plan.

        Raises:
            PlanError: not a plan, or not in canonical form.
        """
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise PlanError.unreadable(where, "is not JSON") from error
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            raise PlanError.unreadable(where, f"is not a plan of the form `{SCHEMA}`")
        try:
            plan = cls(
                kind=PlanKind(value["kind"]),
                reason=_text(value["reason"]),
                created_at=_text(value["created_at"]),
                lineage=_text(value["lineage"]),
                base=Base(**value["base"]),
                scope=dict(value["scope"]),
                items=tuple(_item(item) for item in value["items"]),
                details=dict(value["details"]),
                expect=dict(value["expect"]),
                checks=tuple(value["checks"]),
                inverse=_text(value["inverse"]),
                estimate=dict(value["estimate"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PlanError.unreadable(where, "is not a whole plan") from error
        if plan.to_bytes() != text:
            raise PlanError.unreadable(where, "is not as it was written")
        return plan


def canonical(value: object) -> bytes:
    """JSON with sorted keys, without space, with one newline at the end."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def instant(at_us: int) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def slot_name(slot: int) -> str:
    """The start of a half hour."""
    return instant(slot * SLOT_SECONDS * 1_000_000)


def day_name(day: int) -> str:
    """A UTC day."""
    return slot_name(day * SLOTS_PER_DAY)[:10]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _counts(value: list[int]) -> Counts:
    if not all(type(number) is int and 0 <= number <= MAX_COUNT for number in value):
        raise ValueError
    return Counts(*value)


def _item(value: list[Any]) -> Item:
    user_id, device_id, source, model, slot, counts, order, before = value
    if type(slot) is not int or slot < 0:
        raise ValueError
    return Item(
        _text(user_id),
        _text(device_id),
        _text(source),
        _text(model),
        slot,
        _counts(counts),
        None if order is None else Order(*(int(part) for part in order)),
        None if before is None else _counts(before),
    )
