"""What a plan says of itself, worked out from what it does; and that a plan file says nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attribute.ingest.model import NOTHING, SLOTS_PER_DAY, Counts
from attribute.ingest.plans.document import (
    CHUNK,
    MAX_MODEL_CHARS,
    MAX_SOURCE_CHARS,
    Base,
    Item,
    Plan,
    PlanKind,
    canonical,
    day_name,
)
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.wire import canonical_name

BYTES_PER_ROW: Final = 300
KEYS_PER_SECOND: Final = 5000
MAX_NUMBER: Final = 2**63 - 1
"""What the tables take."""

KEYS_AT_BASE: Final = "every key stands where the plan saw it"
AS_PLANNED: Final = "every key holds what was planned, or a newer client assertion"
ROLLUPS_EQUAL_FACTS: Final = "rollups equal the facts"
IN_SCOPE: Final = "every archived row lies before the day"
IN_LEDGER: Final = "every archived row is in the ledger"
OUTRANKED: Final = "every archived row is outranked by a client's"
NONE_WAITS: Final = "no archived row waits for the records vendor"
ALL_REMOVED: Final = "as many rows are removed as were planned"
FACTS_EQUAL_LEDGER: Final = "facts equal the ledger's answer"

_OF_ITEMS: Final = (KEYS_AT_BASE, AS_PLANNED, FACTS_EQUAL_LEDGER, ROLLUPS_EQUAL_FACTS)
CHECKS: Final[Mapping[PlanKind, tuple[str, ...]]] = {
    PlanKind.BACKFILL: _OF_ITEMS,
    PlanKind.CORRECT: _OF_ITEMS,
    PlanKind.REBUILD: (ROLLUPS_EQUAL_FACTS,),
    PlanKind.RULE: ("the rule in force is the one the plan saw",),
    PlanKind.SCHEMA: ("the applied steps are the ones this release has",),
    PlanKind.RETENTION: (IN_SCOPE, IN_LEDGER, OUTRANKED, NONE_WAITS, ALL_REMOVED),
}
INVERSE: Final[Mapping[PlanKind, str]] = {
    PlanKind.BACKFILL: "void the plan's ledger rows and take the answer of those that remain",
    PlanKind.CORRECT: "void the plan's ledger rows and take the answer of those that remain",
    PlanKind.REBUILD: "recompute the generation before it and switch back",
    PlanKind.RULE: "point back to the version before",
    PlanKind.SCHEMA: "none: restore the backup",
    PlanKind.RETENTION: "put the archived rows back",
}


def estimate_of(kind: PlanKind, scope: Mapping[str, Any]) -> dict[str, int]:
    """Steps, seconds and bytes, roughly, of a plan with this scope."""
    match kind:
        case PlanKind.RULE | PlanKind.SCHEMA:
            return {"steps": 1, "seconds": 1, "bytes": 0}
        case PlanKind.REBUILD:
            rows, steps = scope["groups"], scope["users"] + 1
        case PlanKind.BACKFILL | PlanKind.CORRECT | PlanKind.RETENTION:
            rows = scope["rows" if kind is PlanKind.RETENTION else "keys"]
            steps = -(-rows // CHUNK)
    return {"steps": steps, "seconds": 1 + rows // KEYS_PER_SECOND, "bytes": rows * BYTES_PER_ROW}


def scope_of(items: Iterable[Item]) -> dict[str, Any]:
    """How much some items touch."""
    items = list(items)
    days = [item.slot // SLOTS_PER_DAY for item in items]
    return {
        "keys": len(items),
        "users": len({item.user_id for item in items}),
        "devices": len({item.device_id for item in items}),
        "first_day": day_name(min(days)) if days else None,
        "last_day": day_name(max(days)) if days else None,
    }


def expected_of(items: Iterable[Item], before: Mapping[tuple[str, str], Counts]) -> dict[str, Any]:
    """How many facts are new; and per day and source what they add up to before, which is told, and will after."""
    items = list(items)
    change: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(NOTHING))
    for item in items:
        place = change[day_name(item.slot // SLOTS_PER_DAY), item.source]
        for index, (new, old) in enumerate(zip(item.counts, item.base_counts or NOTHING, strict=True)):
            place[index] += new - old
    sums = []
    for (day, source), more in sorted(change.items()):
        held = before.get((day, source), NOTHING)
        after = [now + then for now, then in zip(held, more, strict=True)]
        sums.append({"day": day, "source": source, "before": list(held), "after": after})
    return {"new_facts": sum(item.base_order is None for item in items), "sums": sums}


def refuse_unsayable(plan: Plan) -> None:
    """
    Make sure that a plan names nothing that no client and no `plan` could have named.

    Raises:
        PlanError: it was edited; nothing was asked of the database.
    """
    if not all(map(_is_sayable, plan.items)):
        raise PlanError.not_of_its_make("items")
    if plan.kind is PlanKind.RULE:
        weights = plan.details["weights"]
        if "" not in weights or any(name and canonical_name(name, MAX_SOURCE_CHARS) != name for name in weights):
            raise PlanError.not_of_its_make("details")


def _is_sayable(item: Item) -> bool:
    return (
        canonical_name(item.source, MAX_SOURCE_CHARS) == item.source
        and canonical_name(item.model, MAX_MODEL_CHARS) == item.model
        and "\0" not in item.user_id + item.device_id
    )


def refuse_unlike(plan: Plan) -> None:
    """
    Hold what a plan says of itself against what it does: whoever approves it reads the one, and gets the other.

    Numbers that only the database of that day could confirm (sums before, conflicts) are taken as they are.

    Raises:
        PlanError: it was edited.
    """
    for member in _unlike(plan):
        raise PlanError.not_of_its_make(member)


def _unlike(plan: Plan) -> Iterator[str]:
    if not _is_base(plan.base):
        yield "base"
    if plan.items and plan.kind not in (PlanKind.BACKFILL, PlanKind.CORRECT):
        yield "items"
    scope, details, expect = _due(plan)
    for member, said, due in (
        ("scope", plan.scope, scope),
        ("details", plan.details, details),
        ("expect", plan.expect, expect),
        ("checks", list(plan.checks), list(CHECKS[plan.kind])),
        ("inverse", plan.inverse, INVERSE[plan.kind]),
    ):
        if canonical(said) != canonical(due):
            yield member
    if canonical(plan.estimate) != canonical(estimate_of(plan.kind, scope)):
        yield "estimate"


def _is_base(base: Base) -> bool:
    numbers: tuple[object, ...] = (*base[:2], *base[3:])
    return type(base.seal) is str and all(type(number) is int and 0 <= number <= MAX_NUMBER for number in numbers)


def _due(plan: Plan) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Scope, details and expectation as they have to be, given the rest of the plan."""
    scope, details, expect = plan.scope, plan.details, plan.expect
    match plan.kind:
        case PlanKind.BACKFILL | PlanKind.CORRECT:
            due = scope_of(plan.items)
            if plan.kind is PlanKind.BACKFILL:
                due["conflicts"] = _count(scope.get("conflicts"))
                due["first_conflicts"] = _list(scope.get("first_conflicts"))
            return due, {}, expected_of(plan.items, _told_before(expect.get("sums")))
        case PlanKind.REBUILD:
            groups = _count(scope.get("groups"))
            return {"users": _count(scope.get("users")), "groups": groups}, {}, {"groups_before": groups}
        case PlanKind.RULE:
            version, billable = details["version"], _list(expect.get("billable"))
            return (
                {"from_version": plan.base.rule, "to_version": version, "days_that_change": len(billable)},
                {"version": version, "weights": details["weights"]},
                {"billable": billable},
            )
        case PlanKind.SCHEMA:
            steps = details["steps"]
            scope_due = {"from_version": plan.base.schema, "steps": len(steps)}
            return scope_due, {"steps": steps}, {"schema_after": plan.base.schema + len(steps)}
        case PlanKind.RETENTION:
            rows = details["rows"]
            return (
                {"before": scope["before"], "rows": rows},
                {"rows": rows, "sha256": details["sha256"]},
                {"ledger_rows_removed": rows},
            )


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value <= MAX_NUMBER else 0


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _told_before(sums: object) -> dict[tuple[str, str], Counts]:
    told = {}
    for entry in _list(sums):
        match entry:
            case {"day": str(day), "source": str(source), "before": [*numbers]} if len(numbers) == len(NOTHING):
                told[day, source] = Counts(*map(_count, numbers))
    return told
