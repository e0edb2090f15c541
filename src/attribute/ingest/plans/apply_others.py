"""The steps of the plans that have no items: generations, rules, and what moves into an archive."""

from __future__ import annotations

from typing import Final

from attribute.ingest.plans.archive import ArchiveReader
from attribute.ingest.plans.document import CHUNK, Plan
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.promises import ALL_REMOVED, IN_LEDGER, IN_SCOPE, NONE_WAITS, OUTRANKED, ROLLUPS_EQUAL_FACTS
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.transaction import Transaction, number

USERS_PER_STEP: Final = 50

USERS: Final = "SELECT count(DISTINCT user_id) FROM device"
SOME_USERS: Final = "SELECT DISTINCT user_id FROM device ORDER BY user_id LIMIT :row_limit OFFSET :row_offset"
BUILDING: Final = "SELECT gen_id FROM gen WHERE state = 'building'"
BUILD_USER: Final = """
INSERT INTO rollup_day (gen_id, user_id, day, source, model, t_in, t_cached, t_out, t_reason, t_total)
SELECT CAST(:gen_id AS BIGINT), user_id, slot / 48, source, model, CAST(sum(t_in) AS BIGINT),
       CAST(sum(t_cached) AS BIGINT), CAST(sum(t_out) AS BIGINT), CAST(sum(t_reason) AS BIGINT),
       CAST(sum(t_total) AS BIGINT)
  FROM fact WHERE user_id = :user_id
 GROUP BY user_id, slot / 48, source, model
ON CONFLICT (gen_id, user_id, day, source, model) DO UPDATE
   SET t_in = excluded.t_in, t_cached = excluded.t_cached, t_out = excluded.t_out, t_reason = excluded.t_reason,
       t_total = excluded.t_total
"""
GENERATION_OFF: Final = f"""
SELECT (SELECT count(*) FROM ({sql.EXPECTED_ROLLUPS} EXCEPT {sql.ROLLUP_COLUMNS}) a)
     + (SELECT count(*) FROM ({sql.ROLLUP_COLUMNS} EXCEPT {sql.EXPECTED_ROLLUPS}) b)
"""  # noqa: S608 - put together from constants
FORGET_RETIRED: Final = """
DELETE FROM rollup_day
 WHERE gen_id IN (SELECT gen_id FROM gen WHERE state = 'retired')
   AND gen_id <> (SELECT max(gen_id) FROM gen WHERE state = 'retired')
"""

# --- rebuild ----------------------------------------------------------------------------------------------------------


def begin_generation(tx: Transaction, plan_id: int, now_us: int) -> None:
    """From the end of this transaction on, every writer keeps up the new generation too."""
    tx.run("INSERT INTO gen (state, plan_id, created_at_us) VALUES ('building', :plan_id, :at_us)",
           plan_id=plan_id, at_us=now_us)  # fmt: skip


def rebuild_steps(tx: Transaction) -> int:
    """How many groups of users there are; ones that come later are kept up by their writers."""
    return -(-number(tx, USERS) // USERS_PER_STEP)


def rebuild_step(tx: Transaction, step: int) -> None:
    """Compute the new generation's rollups for some users."""
    gen_id = number(tx, BUILDING)
    for (user_id,) in tx.rows(SOME_USERS, row_limit=USERS_PER_STEP, row_offset=step * USERS_PER_STEP):
        tx.run(BUILD_USER, gen_id=gen_id, user_id=user_id)


def switch_generation(tx: Transaction, plan_id: int) -> None:
    """
    Put the plan's generation in force; the one before it is kept until the next switch.

    Raises:
        PlanError: the new rollups do not equal the facts.
    """
    gen_id = number(tx, "SELECT gen_id FROM gen WHERE plan_id = :plan_id AND state = 'building'", plan_id=plan_id)
    put_in_force(tx, gen_id)


def put_in_force(tx: Transaction, gen_id: int) -> None:
    """
    Switch to a generation that is being built.

    Raises:
        PlanError: its rollups do not equal the facts.
    """
    wrong = number(tx, GENERATION_OFF, gen_id=gen_id)
    if wrong:
        raise PlanError.check_failed(ROLLUPS_EQUAL_FACTS, wrong)
    tx.run("UPDATE gen SET state = 'retired' WHERE state = 'active'")
    tx.run("UPDATE gen SET state = 'active' WHERE gen_id = :gen_id", gen_id=gen_id)
    tx.run(FORGET_RETIRED)


def rebuild_in_place(tx: Transaction, gen_id: int) -> None:
    """Bring a retired generation up to date with the facts and mark it as being built."""
    tx.run("DELETE FROM rollup_day WHERE gen_id = :gen_id", gen_id=gen_id)
    tx.run("UPDATE gen SET state = 'building' WHERE gen_id = :gen_id", gen_id=gen_id)
    for (user_id,) in tx.rows("SELECT DISTINCT user_id FROM device ORDER BY user_id"):
        tx.run(BUILD_USER, gen_id=gen_id, user_id=user_id)


def forget_building(tx: Transaction) -> None:
    """Drop a generation that was never put in force."""
    tx.run("DELETE FROM rollup_day WHERE gen_id IN (SELECT gen_id FROM gen WHERE state = 'building')")
    tx.run("UPDATE gen SET state = 'retired' WHERE state = 'building'")


# --- rule -------------------------------------------------------------------------------------------------------------


def put_rule(tx: Transaction, plan: Plan) -> None:
    """Insert the new version and point to it."""
    version = int(plan.details["version"])
    for source, weights in plan.details["weights"].items():
        tx.run(
            "INSERT INTO rule VALUES (:version, :source, :w0, :w1, :w2, :w3, :w4)",
            version=version, source=source, **{f"w{index}": weight for index, weight in enumerate(weights)},
        )  # fmt: skip
    point_rule(tx, version)


def point_rule(tx: Transaction, version: int) -> None:
    """Put a version in force."""
    tx.run("UPDATE active_rule SET version = :version", version=version)


# --- retention --------------------------------------------------------------------------------------------------------

NOT_IN_LEDGER: Final = """
SELECT count(*) FROM batch b
 WHERE NOT EXISTS (SELECT 1 FROM ledger l
                    WHERE l.ledger_id = b.ledger_id AND l.device_id = b.device_id AND l.source = b.source
                      AND l.model = b.model AND l.slot = b.slot AND l.t_in = b.t_in AND l.t_cached = b.t_cached
                      AND l.t_out = b.t_out AND l.t_reason = b.t_reason AND l.t_total = b.t_total
                      AND l.epoch = b.epoch AND l.seq = b.seq AND l.sub = b.sub AND l.fix = b.fix)
"""
NOT_OUTRANKED: Final = """
SELECT count(*) FROM batch b
 WHERE NOT EXISTS (SELECT 1 FROM ledger n
                    WHERE n.device_id = b.device_id AND n.slot = b.slot AND n.source = b.source AND n.model = b.model
                      AND n.plan_id IS NULL
                      AND (+n.epoch, n.seq, n.sub, n.fix) > (b.epoch, b.seq, b.sub, b.fix))
"""
"""The sign before the epoch makes SQLite take the index by key."""
WAITING: Final = "SELECT count(*) FROM batch b JOIN vendor_pending p ON p.ledger_id = b.ledger_id"
COUNT_ARCHIVED: Final = """
INSERT INTO archived (delivery_id, plan_id, row_count)
SELECT l.delivery_id, CAST(:plan_id AS BIGINT), count(*)
  FROM batch b JOIN ledger l ON l.ledger_id = b.ledger_id
 WHERE 1 = 1
 GROUP BY l.delivery_id
ON CONFLICT (delivery_id, plan_id) DO UPDATE SET row_count = archived.row_count + excluded.row_count
"""
REMOVE: Final = "DELETE FROM ledger WHERE ledger_id IN (SELECT ledger_id FROM batch)"
REMOVED: Final = "SELECT CAST(coalesce(sum(row_count), 0) AS BIGINT) FROM archived WHERE plan_id = :plan_id"


def retention_steps(plan: Plan) -> int:
    """Chunks of the archive."""
    return -(-int(plan.details["rows"]) // CHUNK)


def rows_removed(plan: Plan, steps_done: int) -> int:
    """How many ledger rows a retention plan has removed after so many steps."""
    return min(steps_done * CHUNK, int(plan.details["rows"]))


def refuse_other_archive(plan: Plan, archive: ArchiveReader | None) -> None:
    """
    Make sure that the archive is the one that was planned.

    Raises:
        PlanError: it is missing or another.
    """
    if archive is None:
        raise PlanError.needs_archive("is not given")
    if archive.sha256 != plan.details["sha256"]:
        raise PlanError.needs_archive("is not the one that was planned")


def read_through(plan: Plan, archive: ArchiveReader | None) -> None:
    """
    Make sure that the planned archive can be read to its end, before anything depends on it.

    Raises:
        PlanError: it cannot, or it holds more or fewer rows than were planned.
    """
    if archive is None or archive.sha256 != plan.details["sha256"]:
        return
    rows = sum(1 for _ in archive.rows())
    if rows != plan.details["rows"]:
        raise PlanError.needs_archive(f"holds {rows} rows, and {plan.details['rows']} were planned")


def retention_step(tx: Transaction, plan: Plan, plan_id: int, step: int, archive: ArchiveReader | None) -> None:
    """
    Remove one chunk of ledger rows that the archive holds and that can never decide anything again.

    Raises:
        PlanError: a row is out of the plan's scope, is not as archived, or is not outranked; or there are more or
            fewer of them than were planned.
    """
    if archive is None:
        raise PlanError.needs_archive("is not given")
    rows = [row.staged for row in archive.chunk(step)]
    tx.fill("batch", rows)
    for name, wrong in (
        (IN_SCOPE, sum(row[5] >= plan.before_slot for row in rows)),
        (IN_LEDGER, number(tx, NOT_IN_LEDGER)),
        (OUTRANKED, number(tx, NOT_OUTRANKED)),
        (NONE_WAITS, number(tx, WAITING)),
    ):
        if wrong:
            raise PlanError.check_failed(name, wrong)
    tx.run(COUNT_ARCHIVED, plan_id=plan_id)
    tx.run(REMOVE)
    expected = rows_removed(plan, step + 1)
    removed = number(tx, REMOVED, plan_id=plan_id)
    if removed != expected:
        raise PlanError.check_failed(ALL_REMOVED, abs(expected - removed))
