"""Undoing a plan, in one transaction: either all of it is undone or none."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from attribute.ingest.model import StoreError
from attribute.ingest.plans import apply_others
from attribute.ingest.plans.archive import INSERT_BACK, ArchiveReader
from attribute.ingest.plans.document import CHUNK, Plan, PlanKind
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.transaction import Transaction, number, one, recompute_touched

FIND: Final = "SELECT document, state FROM plan WHERE plan_id = :plan_id"
UNDONE: Final = "UPDATE plan SET state = 'rolled_back', finished_at_us = :at_us WHERE plan_id = :plan_id"
VOID: Final = """
INSERT INTO plan_void (plan_id, voided_at_us) VALUES (:plan_id, :at_us) ON CONFLICT DO NOTHING
"""
"""A plan that is voided and not rolled back was applied on by an older release: what it wrote is undone now."""
OWN_ROWS: Final = """
SELECT l.ledger_id, b.user_id, l.device_id, l.source, l.model, l.slot, l.t_in, l.t_cached, l.t_out, l.t_reason,
       l.t_total, l.epoch, l.seq, l.sub, l.fix
  FROM batch b CROSS JOIN ledger l
 WHERE l.device_id = b.device_id AND l.slot = b.slot AND l.source = b.source AND l.model = b.model
   AND l.plan_id = :plan_id
 ORDER BY l.ledger_id
"""
"""Looked for under the plan's keys: nothing but a walk through the whole ledger would find them by the plan alone."""
NEWER: Final = """
SELECT b.device_id, b.source, b.model, b.slot
  FROM batch b JOIN fact f ON f.user_id = b.user_id AND f.slot = b.slot AND f.source = b.source AND f.model = b.model
                          AND f.device_id = b.device_id
 WHERE (f.epoch, f.seq, f.sub, f.fix) > (b.epoch, b.seq, b.sub, b.fix)
 ORDER BY b.device_id, b.source, b.model, b.slot
"""


class RolledBack(NamedTuple):
    """
    What a rollback came to.

    Attributes:
        kind: what sort of plan it was.
        keys: how many keys were recomputed.
        newer: those of them that a client has asserted since; they keep what it said.
        repeated: it had been rolled back before, and nothing was left to undo.
    """

    plan_id: int
    kind: PlanKind
    keys: int
    newer: tuple[tuple[str, str, str, int], ...]
    repeated: bool = False


def rollback(store: RelationalStore, plan_id: int, *, now_us: int, archive: Path | None = None) -> RolledBack:
    """
    Undo a plan that was applied, or is being applied: an `apply` under way stops before its next step.

    Done again it changes nothing.

    Args:
        store: where it was applied.
        plan_id: its number.
        now_us: for the record.
        archive: for a retention plan, the file that holds the rows.

    Raises:
        PlanError: there is no such plan, or it cannot be undone (any more), and nothing was changed; or it is undone
            here, and the records vendor has yet to confirm that.
    """
    with ExitStack() as ends:
        reader = None if archive is None else ends.enter_context(ArchiveReader(archive))
        tx = ends.enter_context(store.planning())
        found = one(tx, FIND, plan_id=plan_id)
        if found is None:
            raise PlanError.no_such_plan(plan_id)
        plan = Plan.from_bytes(str(found[0]).encode())
        undone = RolledBack(plan_id, plan.kind, 0, (), repeated=found[1] == "rolled_back")
        if not undone.repeated:
            keys, newer = _undo(store, tx, plan, plan_id, state=str(found[1]), now_us=now_us, archive=reader)
            undone = undone._replace(keys=keys, newer=tuple(newer))
            tx.run(UNDONE, plan_id=plan_id, at_us=now_us)
    try:
        store.after_plan()
    except StoreError as error:
        raise PlanError.copy_behind(plan_id, "rolled back", str(error)) from error
    return undone


def _undo(
    store: RelationalStore,
    tx: Transaction,
    plan: Plan,
    plan_id: int,
    *,
    state: str,
    now_us: int,
    archive: ArchiveReader | None,
) -> tuple[int, list[tuple[str, str, str, int]]]:
    match plan.kind:
        case PlanKind.BACKFILL | PlanKind.CORRECT:
            return _void(store, tx, plan, plan_id, now_us)
        case PlanKind.RULE:
            _point_back(tx, plan, plan_id, state=state)
        case PlanKind.REBUILD:
            _switch_back(tx, plan, plan_id, state=state)
        case PlanKind.RETENTION:
            return _put_back(tx, plan, plan_id, archive), []
        case PlanKind.SCHEMA:
            _refuse_schema(tx, plan_id)
    return 0, []


def _void(
    store: RelationalStore, tx: Transaction, plan: Plan, plan_id: int, now_us: int
) -> tuple[int, list[tuple[str, str, str, int]]]:
    tx.run(VOID, plan_id=plan_id, at_us=now_us)
    keys = 0
    newer: list[tuple[Any, ...]] = []
    for first in range(0, len(plan.items), CHUNK):
        tx.fill("batch", [(None, *item[:5], *item.counts, 0, 0, 0, 0) for item in plan.items[first : first + CHUNK]])
        rows = tx.rows(OWN_ROWS, plan_id=plan_id)
        tx.fill("batch", rows)
        keys += len(rows)
        store.voided(tx, plan_id)
        newer += tx.rows(NEWER)
        tx.run(sql.FORGET_FACTS)
        tx.run(sql.RECALL_FACTS)
        recompute_touched(tx)
        tx.run(sql.DROP_EMPTY_GROUPS)
    return keys, [(str(device), str(source), str(model), int(slot)) for device, source, model, slot in newer]


def _refuse_schema(tx: Transaction, plan_id: int) -> None:
    """A step that was done is done, also if the plan was cut off before it was noted as applied."""
    done = number(tx, "SELECT chunks_done FROM plan WHERE plan_id = :plan_id", plan_id=plan_id)
    if done:
        raise PlanError.not_undone(
            plan_id,
            "schema steps only go forward",
            hint="stop the service and restore a copy from before: the one `apply` named, if it made one, or your own",
        )


def _point_back(tx: Transaction, plan: Plan, plan_id: int, *, state: str) -> None:
    current = number(tx, "SELECT version FROM active_rule")
    if state == "applying" and current == plan.base.rule:
        return
    if current != plan.details["version"]:
        raise PlanError.not_undone(
            plan_id,
            f"version {current} of the rule is in force by now",
            hint="roll back the plan that put it in force first, or plan a new rule with the old weights",
        )
    apply_others.point_rule(tx, plan.base.rule)


def _switch_back(tx: Transaction, plan: Plan, plan_id: int, *, state: str) -> None:
    if state == "applying":
        apply_others.forget_building(tx)
        return
    current = one(tx, "SELECT plan_id FROM gen WHERE state = 'active'")
    if current is None or current[0] != plan_id:
        raise PlanError.not_undone(
            plan_id, "another generation is in force by now", hint="roll back the plan that put it in force first"
        )
    apply_others.rebuild_in_place(tx, plan.base.generation)
    apply_others.put_in_force(tx, plan.base.generation)


def _put_back(tx: Transaction, plan: Plan, plan_id: int, archive: ArchiveReader | None) -> int:
    removed = number(tx, apply_others.REMOVED, plan_id=plan_id)
    if not removed:
        return 0
    apply_others.refuse_other_archive(plan, archive)
    assert archive is not None
    back = 0
    for row in archive.rows():
        back += tx.run(INSERT_BACK, **{f"c{index}": value for index, value in enumerate(row.columns)})
    if back != removed:
        raise PlanError.not_undone(
            plan_id,
            "some of its rows were sent again since",
            hint="no fact and no total depends on these rows: keep the archive, and leave the plan as it is",
        )
    tx.run("DELETE FROM archived WHERE plan_id = :plan_id", plan_id=plan_id)
    return back
