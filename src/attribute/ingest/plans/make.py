"""Plans are made dry: everything here reads and nothing writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from attribute.ingest.model import NOTHING, SLOTS_PER_DAY, Counts, Order, Rule, Weights
from attribute.ingest.plans.document import Base, Item, Plan, PlanKind, day_name, instant
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.input import InputRow
from attribute.ingest.plans.promises import CHECKS, INVERSE, estimate_of, expected_of, scope_of
from attribute.ingest.stores.reads import active_rule
from attribute.ingest.stores.relational import RelationalStore, lineage
from attribute.ingest.stores.seals import LAST_SEAL
from attribute.ingest.stores.transaction import Transaction, number, one

SHOWN: Final = 100

FACT = """
SELECT t_in, t_cached, t_out, t_reason, t_total, epoch, seq, sub, fix FROM fact
 WHERE user_id = :user_id AND slot = :slot AND source = :source AND model = :model AND device_id = :device_id
"""
GROUP = """
SELECT t_in, t_cached, t_out, t_reason, t_total FROM rollup_day
 WHERE gen_id = :gen_id AND user_id = :user_id AND day = :day AND source = :source AND model = :model
"""


def base_of(store: RelationalStore, tx: Transaction) -> Base:
    """Where the database stands."""
    seal = one(tx, LAST_SEAL)
    return Base(
        delivery_id=number(tx, "SELECT coalesce(max(delivery_id), 0) FROM delivery"),
        ledger_id=number(tx, "SELECT coalesce(max(ledger_id), 0) FROM ledger"),
        seal="" if seal is None else bytes(seal[2]).hex(),
        generation=number(tx, "SELECT gen_id FROM gen WHERE state = 'active'"),
        rule=number(tx, "SELECT version FROM active_rule"),
        schema=store.schema_version(),
    )


def plan_backfill(
    store: RelationalStore, rows: Iterable[InputRow], *, reason: str, now_us: int, allow_empty: bool = False
) -> Plan:
    """
    Fill keys that no client has asserted; keys that one has are listed as conflicts and left alone.

    Raises:
        PlanError: a device is unknown, or there is nothing to do.
    """
    items, conflicts = [], []
    with store.reading() as tx:
        for row in rows:
            item = _item(tx, row)
            if item.base_order is not None and item.base_order.epoch > 0:
                conflicts.append(item)
            elif item.base_counts != item.counts:
                items.append(item)
        return _with_items(
            store, tx, PlanKind.BACKFILL, items, reason=reason, now_us=now_us, allow_empty=allow_empty,
            extra={"conflicts": len(conflicts), "first_conflicts": [_key(item) for item in conflicts[:SHOWN]]},
        )  # fmt: skip


def plan_correct(
    store: RelationalStore, rows: Iterable[InputRow], *, reason: str, now_us: int, allow_empty: bool = False
) -> Plan:
    """
    Change what single facts say; any later assertion of the client still wins.

    Raises:
        PlanError: a key has no fact, or there is nothing to do.
    """
    items = []
    with store.reading() as tx:
        for row in rows:
            item = _item(tx, row)
            if item.base_order is None:
                raise PlanError.no_fact(row.where, row.line)
            if item.base_counts != item.counts:
                items.append(item)
        return _with_items(
            store, tx, PlanKind.CORRECT, items, reason=reason, now_us=now_us, allow_empty=allow_empty, extra={}
        )


def plan_rebuild(store: RelationalStore, *, reason: str, now_us: int) -> Plan:
    """Compute all daily rollups anew beside the old ones, compare them with the facts, and switch over."""
    with store.reading() as tx:
        users = number(tx, "SELECT count(DISTINCT user_id) FROM fact")
        groups = number(
            tx, "SELECT count(*) FROM rollup_day WHERE gen_id = (SELECT gen_id FROM gen WHERE state = 'active')"
        )
        return make_plan(
            store, tx, PlanKind.REBUILD, reason=reason, now_us=now_us,
            scope={"users": users, "groups": groups},
            expect={"groups_before": groups},
        )  # fmt: skip


def plan_rule(
    store: RelationalStore, default: Weights, by_source: dict[str, Weights], *, reason: str, now_us: int
) -> Plan:
    """
    Put a new version of the billable rule in force; rewrites no row.

    Raises:
        PlanError: the rule in force says the same.
    """
    with store.reading() as tx:
        old = active_rule(tx)
        version = number(tx, "SELECT max(version) FROM rule") + 1
        new = Rule(version=version, default=default, by_source=by_source)
        if (old.default, old.by_source) == (new.default, new.by_source):
            raise PlanError.same_rule()
        changes = _billable_changes(tx, old, new)
        return make_plan(
            store, tx, PlanKind.RULE, reason=reason, now_us=now_us,
            scope={"from_version": old.version, "to_version": version, "days_that_change": len(changes)},
            details={"version": version, "weights": {"": list(default), **{k: list(v) for k, v in by_source.items()}}},
            expect={"billable": changes},
        )  # fmt: skip


def plan_schema(store: RelationalStore, *, reason: str, now_us: int) -> Plan:
    """
    Apply the schema steps that this release has and the database has not.

    Raises:
        PlanError: there are none.
    """
    steps = [[step.number, step.name, step.sha256] for step in store.missing_steps()]
    if not steps:
        raise PlanError.no_steps()
    with store.reading() as tx:
        return make_plan(
            store, tx, PlanKind.SCHEMA, reason=reason, now_us=now_us,
            scope={"from_version": store.schema_version(), "steps": len(steps)},
            details={"steps": steps},
            expect={"schema_after": store.schema_version() + len(steps)},
        )  # fmt: skip


def _item(tx: Transaction, row: InputRow) -> Item:
    device = one(tx, "SELECT user_id FROM device WHERE device_id = :device_id", device_id=row.device_id)
    if device is None:
        raise PlanError.unknown_device(row.where, row.line)
    user_id = str(device[0])
    found = one(tx, FACT, user_id=user_id, slot=row.slot, source=row.source, model=row.model, device_id=row.device_id)
    order = None if found is None else Order(*found[5:])
    before = None if found is None else Counts(*found[:5])
    return Item(user_id, row.device_id, row.source, row.model, row.slot, row.counts, order, before)


def _with_items(
    store: RelationalStore,
    tx: Transaction,
    kind: PlanKind,
    items: list[Item],
    *,
    reason: str,
    now_us: int,
    allow_empty: bool,
    extra: dict[str, Any],
) -> Plan:
    if not items and not allow_empty:
        raise PlanError.empty()
    items.sort(key=lambda item: item[:5])
    return make_plan(
        store, tx, kind, reason=reason, now_us=now_us,
        items=tuple(items),
        scope={**scope_of(items), **extra},
        expect=expected_of(items, _before(tx, items)),
    )  # fmt: skip


def _before(tx: Transaction, items: Sequence[Item]) -> dict[tuple[str, str], Counts]:
    """Per day and source, what the touched rollup groups add up to now."""
    generation = number(tx, "SELECT gen_id FROM gen WHERE state = 'active'")
    before: dict[tuple[str, str], Counts] = defaultdict(lambda: NOTHING)
    groups = {(item.user_id, item.slot // SLOTS_PER_DAY, item.source, item.model) for item in items}
    for user_id, day, source, model in groups:
        found = one(tx, GROUP, gen_id=generation, user_id=user_id, day=day, source=source, model=model)
        if found is not None:
            place = day_name(day), source
            before[place] = before[place].plus(Counts(*found))
    return before


def _billable_changes(tx: Transaction, old: Rule, new: Rule) -> list[dict[str, Any]]:
    found = tx.stream(
        """
        SELECT day, source, CAST(sum(t_in) AS BIGINT), CAST(sum(t_cached) AS BIGINT), CAST(sum(t_out) AS BIGINT),
               CAST(sum(t_reason) AS BIGINT), CAST(sum(t_total) AS BIGINT)
          FROM rollup_day WHERE gen_id = (SELECT gen_id FROM gen WHERE state = 'active')
         GROUP BY day, source ORDER BY day, source
        """
    )
    changes = []
    for day, source, *counts in found:
        before, after = old.billable(source, Counts(*counts)), new.billable(source, Counts(*counts))
        if before != after:
            changes.append({"day": day_name(day), "source": source, "before": str(before), "after": str(after)})
    return changes


def _key(item: Item) -> list[str | int]:
    return [item.device_id, item.source, item.model, item.slot]


def make_plan(
    store: RelationalStore,
    tx: Transaction,
    kind: PlanKind,
    *,
    reason: str,
    now_us: int,
    scope: dict[str, Any],
    expect: dict[str, Any],
    items: tuple[Item, ...] = (),
    details: dict[str, Any] | None = None,
) -> Plan:
    """Complete a plan with where the database stands, and with what follows from its kind and scope."""
    return Plan(
        kind=kind,
        reason=reason,
        created_at=instant(now_us),
        lineage=lineage(tx),
        base=base_of(store, tx),
        scope=scope,
        items=items,
        details=details or {},
        expect=expect,
        checks=CHECKS[kind],
        inverse=INVERSE[kind],
        estimate=estimate_of(kind, scope),
    )
