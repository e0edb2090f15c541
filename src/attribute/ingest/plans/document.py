"""
The plan file: canonical JSON, so that its hash stands for every word of it.

Keys are sorted, there is no optional space, text is UTF-8, and one newline ends it. A file that is not the canonical
form of itself is refused, so nothing in it can be read two ways.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, NamedTuple, Self

import orjson

from attribute.ingest.model import MAX_COUNT, MAX_SEQUENCE, SLOT_SECONDS, SLOTS_PER_DAY, Counts, Order, Weights
from attribute.ingest.plans.errors import PlanError

SCHEMA: Final = "attribute.plan/1"
MAX_SLOT: Final = 5_000_000
MAX_SOURCE_CHARS: Final = 64
MAX_MODEL_CHARS: Final = 200
"""What the tables take; a later half hour, or a longer name, is no key."""
MAX_WEIGHT: Final = 1000
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
        if not _is_of_its_kind(plan):
            raise PlanError.unreadable(where, f"is not a plan of the kind `{plan.kind.value}`")
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


def _is_of_its_kind(plan: Plan) -> bool:
    """Whether the plan holds what `plan` writes for its kind, so that no step can meet something else."""
    match plan.kind:
        case PlanKind.BACKFILL | PlanKind.CORRECT:
            return len({item[:5] for item in plan.items}) == len(plan.items) and all(map(_ITEM[plan.kind], plan.items))
        case PlanKind.RULE:
            version, weights = plan.details.get("version"), plan.details.get("weights")
            return type(version) is int and isinstance(weights, dict) and all(map(_are_weights, weights.values()))
        case PlanKind.RETENTION:
            rows, digest = plan.details.get("rows"), plan.details.get("sha256")
            if type(rows) is not int or rows < 0 or plan.expect.get("ledger_rows_removed") != rows:
                return False
            return isinstance(digest, str) and _is_day(plan.scope.get("before"))
        case PlanKind.SCHEMA:
            return isinstance(plan.details.get("steps"), list)
        case PlanKind.REBUILD:
            return not plan.items


_ITEM: Final[dict[PlanKind, Callable[[Item], bool]]] = {
    PlanKind.BACKFILL: lambda item: item.base_order is None or item.base_order.epoch == 0,
    PlanKind.CORRECT: lambda item: item.base_order is not None,
}


def _are_weights(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == len(Weights._fields)
        and all(type(weight) is int and -MAX_WEIGHT <= weight <= MAX_WEIGHT for weight in value)
    )


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _counts(value: list[int]) -> Counts:
    if not all(type(number) is int and 0 <= number <= MAX_COUNT for number in value):
        raise ValueError
    return Counts(*value)


def _order(value: list[int]) -> Order:
    if not all(type(part) is int and 0 <= part <= MAX_SEQUENCE for part in value):
        raise ValueError
    return Order(*value)


def _item(value: list[Any]) -> Item:
    user_id, device_id, source, model, slot, counts, order, before = value
    if type(slot) is not int or not 0 <= slot <= MAX_SLOT or (order is None) != (before is None):
        raise ValueError
    if not (0 < len(source) <= MAX_SOURCE_CHARS and 0 < len(model) <= MAX_MODEL_CHARS):
        raise ValueError
    return Item(
        _text(user_id),
        _text(device_id),
        _text(source),
        _text(model),
        slot,
        _counts(counts),
        None if order is None else _order(order),
        None if before is None else _counts(before),
    )
