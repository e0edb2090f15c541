"""
Doing what a plan says, in steps that can be cut off anywhere and taken up again.

Each step and the note that it is done are one transaction with no other writer under way. A step checks itself before
it commits: a step that does not hold is a step that never was.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from attribute.ingest.model import StoreError
from attribute.ingest.plans import apply_items, apply_others
from attribute.ingest.plans.archive import ArchiveReader
from attribute.ingest.plans.document import Plan, PlanKind
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.promises import refuse_unlike, refuse_unsayable
from attribute.ingest.stores.relational import RelationalStore, lineage
from attribute.ingest.stores.transaction import Transaction, number, one

BY_SHA: Final = "SELECT plan_id, state, chunks_done FROM plan WHERE sha256 = :sha256"
UNDER_WAY: Final = "SELECT plan_id FROM plan WHERE state = 'applying'"
BEGIN: Final = """
INSERT INTO plan (sha256, kind, document, state, chunks_done, chunk_count, started_at_us)
VALUES (:sha256, :kind, :document, 'applying', 0, :chunk_count, :at_us) RETURNING plan_id
"""
STANDS: Final = """
SELECT p.state, p.chunks_done, v.plan_id FROM plan p LEFT JOIN plan_void v ON v.plan_id = p.plan_id
 WHERE p.plan_id = :plan_id
"""
STEP_DONE: Final = "UPDATE plan SET chunks_done = :done WHERE plan_id = :plan_id"
FINISH: Final = "UPDATE plan SET state = 'applied', finished_at_us = :at_us WHERE plan_id = :plan_id"

POINTERS_ONLY: Final = (PlanKind.RULE, PlanKind.REBUILD)
"""Kinds that need no backup: they add beside what is there, and switch."""


class Applied(NamedTuple):
    """
    What an apply came to.

    Attributes:
        plan_id: what `rollback` wants to hear.
        steps: how many there were.
        resumed_at: how many of them an earlier, interrupted apply had done.
        backup: where the copy of the database from before lies, if one was made.
    """

    plan_id: int
    steps: int
    resumed_at: int
    backup: Path | None


def apply(
    store: RelationalStore,
    text: bytes,
    *,
    approve: str,
    now_us: int,
    backup: Path | None = None,
    archive: Path | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Applied:
    """
    Apply a plan, or go on with one that was interrupted.

    Args:
        store: where to.
        text: the plan file.
        approve: the plan's hash, as the operator read it.
        now_us: for the record.
        backup: where a copy of an SQLite database goes; for PostgreSQL a backup is the operator's own.
        archive: for a retention plan, the file that was written with it.
        progress: told after each step.

    Raises:
        PlanError: exit code 3 where the plan went stale or a check failed, 2 for every other reason; one of them is
            that it is applied here, and the records vendor has yet to confirm that.
    """
    plan = Plan.from_bytes(text)
    if plan.sha256 != approve:
        raise PlanError.not_approved(plan.sha256)
    with ExitStack() as ends:
        if not ends.enter_context(store.applying()):
            raise PlanError.applied_elsewhere()
        reader = None if archive is None else ends.enter_context(ArchiveReader(archive))
        sent = _sent_again(store, plan)
        if sent is not None:
            return sent
        if plan.kind is PlanKind.RETENTION:
            apply_others.read_through(plan, reader)  # takes its time: while it does, nobody waits
        copied = _copy_first(store, plan, backup, reader)
        plan_id, done, steps = _begin(store, plan, now_us, reader)
        _take_steps(_Work(store, plan, plan_id, now_us, reader), done, steps, progress)
        store.migrated()
    _tell_copy(store, plan_id)
    return Applied(plan_id, steps, done, copied)


def _tell_copy(store: RelationalStore, plan_id: int) -> int:
    try:
        return store.after_plan()
    except StoreError as error:
        raise PlanError.copy_behind(plan_id, "applied", str(error)) from error


def _sent_again(store: RelationalStore, plan: Plan) -> Applied | None:
    """An apply that is repeated because a copy elsewhere had not confirmed it: all that is left is to send the rest."""
    with store.reading() as tx:
        found = one(tx, BY_SHA, sha256=plan.sha256)
    if found is None or found[1] != "applied" or not _tell_copy(store, int(found[0])):
        return None
    return Applied(int(found[0]), int(found[2]), int(found[2]), None)


def _take_steps(work: _Work, done: int, steps: int, progress: Callable[[int, int], None]) -> None:
    for step in range(done, steps):
        with work.store.planning() as tx:
            _refuse_ended(tx, work.plan_id, step)
            _step(work, tx, step)
            tx.run(STEP_DONE, done=step + 1, plan_id=work.plan_id)
        progress(step + 1, steps)
        work.store.make_way()
    with work.store.planning() as tx:
        _refuse_ended(tx, work.plan_id, steps)
        if work.plan.kind is PlanKind.REBUILD:
            apply_others.switch_generation(tx, work.plan_id)
        tx.run(FINISH, plan_id=work.plan_id, at_us=work.now_us)


def _refuse_ended(tx: Transaction, plan_id: int, done: int) -> None:
    """Between two steps anybody may write, and somebody may have undone the plan or taken it over."""
    found = one(tx, STANDS, plan_id=plan_id)
    state, done_now, voided = found or ("unknown", done, None)
    if state != "applying" or voided is not None:
        raise PlanError.stopped(plan_id, "rolled back" if voided is not None else str(state).replace("_", " "))
    if done_now != done:
        raise PlanError.applied_elsewhere()


def _copy_first(store: RelationalStore, plan: Plan, backup: Path | None, archive: ArchiveReader | None) -> Path | None:
    """A copy takes as long as the database is large: what is to be refused is refused before it, and again after it."""
    if backup is None or plan.kind in POINTERS_ONLY:
        return None
    with store.planning() as tx:
        if _refuse(store, tx, plan, archive) is not None:
            return None  # taken up again: the copy was made the first time
    return backup if store.backup(backup) else None


def _refuse(
    store: RelationalStore, tx: Transaction, plan: Plan, archive: ArchiveReader | None
) -> tuple[int, int] | None:
    """
    Refuse whatever is no reason to begin the plan, or to go on with it.

    Returns:
        Its number and how many of its steps are done; None: it was not begun yet.
    """
    here = lineage(tx)
    if plan.lineage != here:
        raise PlanError.other_lineage(plan.lineage, here)
    known = one(tx, BY_SHA, sha256=plan.sha256)
    if known is not None:
        plan_id, state, done = known
        if state != "applying":
            raise PlanError.already(plan_id, state.replace("_", " "))
        if plan.kind is PlanKind.RETENTION:
            apply_others.refuse_other_archive(plan, archive)
        return int(plan_id), int(done)
    other = one(tx, UNDER_WAY)
    if other is not None:
        raise PlanError.another_under_way(int(other[0]))
    refuse_unsayable(plan)
    _refuse_stale(store, tx, plan, archive)
    refuse_unlike(plan)
    return None


def _begin(store: RelationalStore, plan: Plan, now_us: int, archive: ArchiveReader | None) -> tuple[int, int, int]:
    with store.planning() as tx:
        begun = _refuse(store, tx, plan, archive)
        steps = _steps(tx, plan)
        if begun is not None:
            return *begun, steps
        plan_id = number(
            tx,
            BEGIN,
            sha256=plan.sha256,
            kind=plan.kind.value,
            document=plan.to_bytes().decode(),
            chunk_count=steps,
            at_us=now_us,
        )
        if plan.kind is PlanKind.REBUILD:
            apply_others.begin_generation(tx, plan_id, now_us)
        return plan_id, 0, steps


def _steps(tx: Transaction, plan: Plan) -> int:
    if plan.kind is PlanKind.REBUILD:
        return apply_others.rebuild_steps(tx)
    if plan.kind is PlanKind.RETENTION:
        return apply_others.retention_steps(plan)
    if plan.kind in (PlanKind.BACKFILL, PlanKind.CORRECT):
        return plan.chunk_count
    return 1


def _refuse_stale(store: RelationalStore, tx: Transaction, plan: Plan, archive: ArchiveReader | None) -> None:
    match plan.kind:
        case PlanKind.BACKFILL | PlanKind.CORRECT:
            apply_items.refuse_stale(tx, plan)
        case PlanKind.RULE:
            if number(tx, "SELECT version FROM active_rule") != plan.base.rule:
                raise PlanError.stale(1, "billable rule")
            if number(tx, "SELECT max(version) + 1 FROM rule") != plan.details["version"]:
                raise PlanError.stale(1, "version of the billable rule")
        case PlanKind.REBUILD:
            if number(tx, "SELECT gen_id FROM gen WHERE state = 'active'") != plan.base.generation:
                raise PlanError.stale(1, "generation")
        case PlanKind.SCHEMA:
            steps = [[step.number, step.name, step.sha256] for step in store.missing_steps()]
            if store.schema_version() != plan.base.schema or steps != plan.details["steps"]:
                raise PlanError.stale(1, "schema version")
        case PlanKind.RETENTION:
            apply_others.refuse_other_archive(plan, archive)


class _Work(NamedTuple):
    store: RelationalStore
    plan: Plan
    plan_id: int
    now_us: int
    archive: ArchiveReader | None


def _step(work: _Work, tx: Transaction, step: int) -> None:
    plan = work.plan
    match plan.kind:
        case PlanKind.BACKFILL | PlanKind.CORRECT:
            apply_items.step(tx, plan, work.plan_id, step, work.now_us)
        case PlanKind.RULE:
            apply_others.put_rule(tx, plan)
        case PlanKind.REBUILD:
            apply_others.rebuild_step(tx, step)
        case PlanKind.SCHEMA:
            work.store.migrate_in(tx, at_us=work.now_us)
        case PlanKind.RETENTION:
            apply_others.retention_step(tx, plan, work.plan_id, step, work.archive)
