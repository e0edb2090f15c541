"""The steps of a backfill and of a correction: new ledger rows under the plan's own number."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from typing import Final

from attribute.ingest.model import NOTHING, Order
from attribute.ingest.plans.document import CHUNK, Item, Plan, PlanKind
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.promises import AS_PLANNED, FACTS_EQUAL_LEDGER, ROLLUPS_EQUAL_FACTS
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.ledger import Appending, append
from attribute.ingest.stores.transaction import Row, Transaction, number

FOREIGN: Final = """
SELECT count(*) FROM batch b
 WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.device_id = b.device_id AND d.user_id = b.user_id)
"""
MOVED: Final = """
SELECT count(*)
  FROM batch b LEFT JOIN fact f
    ON f.user_id = b.user_id AND f.slot = b.slot AND f.source = b.source AND f.model = b.model
   AND f.device_id = b.device_id
 WHERE coalesce(f.epoch, -1) <> b.epoch
    OR (f.epoch IS NOT NULL AND NOT (f.seq = b.seq AND f.sub = b.sub AND f.fix = b.fix AND f.t_in = b.t_in
                                     AND f.t_cached = b.t_cached AND f.t_out = b.t_out AND f.t_reason = b.t_reason
                                     AND f.t_total = b.t_total))
"""
NO_FACT: Final = Order(-1, 0, 0, 0)
NOT_AS_PLANNED: Final = """
SELECT count(*) FROM batch b
 WHERE NOT EXISTS (SELECT 1 FROM fact f
                    WHERE f.user_id = b.user_id AND f.slot = b.slot AND f.source = b.source AND f.model = b.model
                      AND f.device_id = b.device_id
                      AND ((f.epoch, f.seq, f.sub, f.fix) > (b.epoch, b.seq, b.sub, b.fix)
                           OR ((f.epoch, f.seq, f.sub, f.fix) = (b.epoch, b.seq, b.sub, b.fix)
                               AND f.t_in = b.t_in AND f.t_cached = b.t_cached AND f.t_out = b.t_out
                               AND f.t_reason = b.t_reason AND f.t_total = b.t_total)))
"""
NOT_GREATEST: Final = """
SELECT count(*) FROM batch b JOIN fact f
    ON f.user_id = b.user_id AND f.slot = b.slot AND f.source = b.source AND f.model = b.model
   AND f.device_id = b.device_id
 WHERE EXISTS (SELECT 1 FROM ledger l
                WHERE l.device_id = b.device_id AND l.source = b.source AND l.model = b.model AND l.slot = b.slot
                  AND (+l.epoch, l.seq, l.sub, l.fix) > (f.epoch, f.seq, f.sub, f.fix)
                  AND (l.plan_id IS NULL OR l.plan_id NOT IN (SELECT plan_id FROM plan_void)))
"""
"""The sign before the epoch keeps SQLite from the index by order, where it would read all that the device ever said."""
GREATEST_FIX: Final = """
SELECT b.device_id, b.epoch, b.seq, b.sub, max(l.fix)
  FROM batch b CROSS JOIN ledger l
 WHERE l.device_id = b.device_id AND l.epoch = b.epoch AND l.seq = b.seq AND l.sub = b.sub
 GROUP BY b.device_id, b.epoch, b.seq, b.sub
"""
ROLLUPS_OFF: Final = """
SELECT count(*)
  FROM (SELECT t.user_id, t.day, t.source, t.model, sum(f.t_in) AS t_in, sum(f.t_cached) AS t_cached,
               sum(f.t_out) AS t_out, sum(f.t_reason) AS t_reason, sum(f.t_total) AS t_total
          FROM touched t JOIN fact f
            ON f.user_id = t.user_id AND f.slot >= t.day * 48 AND f.slot < t.day * 48 + 48
           AND f.source = t.source AND f.model = t.model
         GROUP BY t.user_id, t.day, t.source, t.model) s
 CROSS JOIN gen g
 WHERE g.state = 'active'
   AND NOT EXISTS (SELECT 1 FROM rollup_day r
                    WHERE r.gen_id = g.gen_id AND r.user_id = s.user_id AND r.day = s.day AND r.source = s.source
                      AND r.model = s.model AND r.t_in = s.t_in AND r.t_cached = s.t_cached AND r.t_out = s.t_out
                      AND r.t_reason = s.t_reason AND r.t_total = s.t_total)
"""


def refuse_stale(tx: Transaction, plan: Plan) -> None:
    """
    Compare every key with what the plan saw of it.

    Raises:
        PlanError: some stand elsewhere now, or are of a device that is not that user's.
    """
    foreign = moved = 0
    for first in range(0, len(plan.items), CHUNK):
        tx.fill("batch", [_base(item) for item in plan.items[first : first + CHUNK]])
        foreign += number(tx, FOREIGN)
        moved += number(tx, MOVED)
    if foreign:
        raise PlanError.foreign_keys(foreign)
    if moved:
        raise PlanError.stale(moved, "keys")


def _base(item: Item) -> Row:
    """What the plan saw of a key; an order before every order where it saw nothing."""
    return (None, *item[:5], *(item.base_counts or NOTHING), *(item.base_order or NO_FACT))


def step(tx: Transaction, plan: Plan, plan_id: int, number_of_step: int, now_us: int) -> None:
    """
    Append one chunk of the items and bring facts and rollups up to date.

    Raises:
        PlanError: a check does not hold afterwards.
    """
    first = number_of_step * CHUNK
    items = plan.items[first : first + CHUNK]
    if plan.kind is PlanKind.BACKFILL:
        rows = [_row(item, Order(0, plan_id, first + place, 0)) for place, item in enumerate(items)]
    else:
        rows = _corrections(tx, items)
    for device_id, found in groupby(sorted(rows, key=lambda row: (row[2], row[11:])), key=lambda row: str(row[2])):
        own = list(found)
        tx.fill("batch", own)
        name = f"plan-{plan_id}-{number_of_step}-{device_id}"
        appending = Appending(
            request_id=name,
            device_id=device_id,
            epoch=own[0][11],
            seq=own[0][12],
            body_sha256=sha256(f"{plan.sha256}/{name}".encode()).digest(),
            received_at_us=now_us,
            plan_id=plan_id,
        )
        append(tx, appending, own)
    check(tx, rows)


def _corrections(tx: Transaction, items: Sequence[Item]) -> list[Row]:
    """One above the greatest that the ledger has at the place of each base: corrections that were voided stay there."""
    bases = [(item, item.base_order) for item in items if item.base_order is not None]
    tx.fill("batch", [_row(item, base) for item, base in bases])
    greatest = {(row[0], *row[1:4]): int(row[4]) for row in tx.rows(GREATEST_FIX)}
    return [_row(item, base._replace(fix=greatest[item.device_id, *base[:3]] + 1)) for item, base in bases]


def _row(item: Item, order: Order) -> Row:
    return (None, *item[:5], *item.counts, *order)


def check(tx: Transaction, rows: Sequence[Row]) -> None:
    """
    Check the keys of some rows: as planned or newer, the greatest of the ledger, and their rollups right.

    Raises:
        PlanError: something does not hold.
    """
    tx.fill("batch", rows)
    tx.fill("touched", ())
    tx.run(sql.TOUCH_GROUPS)
    for name, statement in (
        (AS_PLANNED, NOT_AS_PLANNED),
        (FACTS_EQUAL_LEDGER, NOT_GREATEST),
        (ROLLUPS_EQUAL_FACTS, ROLLUPS_OFF),
    ):
        wrong = number(tx, statement)
        if wrong:
            raise PlanError.check_failed(name, wrong)
