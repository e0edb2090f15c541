"""
The SQL that decides what holds, the same text for SQLite and PostgreSQL.

Values are bound by name (``:name``), never pasted in. A batch is first put into the temporary table ``batch``; every
statement after that works on the whole set, which is what makes a batch of 300 cost a handful of statements.
"""

from __future__ import annotations

from typing import Final

STAGING: Final = (
    """
    CREATE TEMPORARY TABLE IF NOT EXISTS batch (
      ledger_id BIGINT, user_id TEXT NOT NULL, device_id TEXT NOT NULL,
      source TEXT NOT NULL, model TEXT NOT NULL, slot BIGINT NOT NULL,
      t_in BIGINT NOT NULL, t_cached BIGINT NOT NULL, t_out BIGINT NOT NULL,
      t_reason BIGINT NOT NULL, t_total BIGINT NOT NULL,
      epoch BIGINT NOT NULL, seq BIGINT NOT NULL, sub BIGINT NOT NULL, fix BIGINT NOT NULL
    )
    """,
    """
    CREATE TEMPORARY TABLE IF NOT EXISTS touched (
      user_id TEXT NOT NULL, day BIGINT NOT NULL, source TEXT NOT NULL, model TEXT NOT NULL
    )
    """,
)
BATCH_COLUMNS: Final = 15

# --- who and where ----------------------------------------------------------------------------------------------------

DEVICE = """
SELECT d.epoch, d.revoked_at_us, t.revoked_at_us
  FROM device d JOIN token t ON t.device_id = d.device_id
 WHERE d.device_id = :device_id AND t.token_id = :token_id
"""

DELIVERY_BY_KEY = """
SELECT delivery_id, body_sha256, inserted, skipped, late, epoch, seq
  FROM delivery WHERE device_id = :device_id AND idempotency_key = :idempotency_key
"""

DELIVERY_BY_REQUEST = """
SELECT delivery_id, inserted, skipped, late FROM delivery WHERE request_id = :request_id
"""

TOUCH_DEVICE = """
UPDATE device
   SET last_sync_at_us = CASE WHEN coalesce(last_sync_at_us, 0) < :at_us OR last_sync_at_us - 1800000000 > :at_us
                              THEN :at_us ELSE last_sync_at_us END,
       epoch = CASE WHEN epoch < :epoch THEN :epoch ELSE epoch END,
       last_ticket = CASE WHEN last_ticket < :ticket THEN :ticket ELSE last_ticket END
 WHERE device_id = :device_id
"""
"""The latest delivery, by a clock that may run back a little; one half an hour ahead was noted by a wrong clock."""

TOUCH_TOKEN = "UPDATE token SET last_used_at_us = :at_us WHERE token_id = :token_id"  # noqa: S105 - SQL, not a secret

# --- the ledger -------------------------------------------------------------------------------------------------------

SAID_BEFORE = """
SELECT source, model, slot, t_in, t_cached, t_out, t_reason, t_total, sub
  FROM ledger WHERE device_id = :device_id AND epoch = :epoch AND seq = :seq AND fix = 0
"""

LATE = """
SELECT count(*)
  FROM batch b CROSS JOIN fact f
 WHERE f.user_id = b.user_id AND f.slot = b.slot AND f.source = b.source AND f.model = b.model
   AND f.device_id = b.device_id
   AND (f.epoch, f.seq, f.sub, f.fix) > (b.epoch, b.seq, b.sub, b.fix)
"""

INSERT_DELIVERY = """
INSERT INTO delivery (request_id, device_id, epoch, seq, idempotency_key, body_sha256, content_sha256,
                      inserted, skipped, late, received_at_us, plan_id)
VALUES (:request_id, :device_id, :epoch, :seq, :idempotency_key, :body_sha256, :content_sha256,
        :inserted, :skipped, :late, :received_at_us, :plan_id)
RETURNING delivery_id
"""

INSERT_LEDGER = """
INSERT INTO ledger (delivery_id, device_id, source, model, slot, t_in, t_cached, t_out, t_reason, t_total,
                    epoch, seq, sub, fix, plan_id)
SELECT :delivery_id, device_id, source, model, slot, t_in, t_cached, t_out, t_reason, t_total,
       epoch, seq, sub, fix, CAST(:plan_id AS BIGINT)
  FROM batch
 ORDER BY epoch, seq, sub, fix
"""

IF_GREATER: Final = """ON CONFLICT (user_id, slot, source, model, device_id) DO UPDATE
   SET t_in = excluded.t_in, t_cached = excluded.t_cached, t_out = excluded.t_out, t_reason = excluded.t_reason,
       t_total = excluded.t_total, epoch = excluded.epoch, seq = excluded.seq, sub = excluded.sub, fix = excluded.fix,
       ledger_id = excluded.ledger_id
 WHERE (excluded.epoch, excluded.seq, excluded.sub, excluded.fix) > (fact.epoch, fact.seq, fact.sub, fact.fix)
"""

UPSERT_FACTS = f"""
INSERT INTO fact (user_id, slot, source, model, device_id, t_in, t_cached, t_out, t_reason, t_total,
                  epoch, seq, sub, fix, ledger_id)
SELECT b.user_id, b.slot, b.source, b.model, b.device_id, b.t_in, b.t_cached, b.t_out, b.t_reason, b.t_total,
       b.epoch, b.seq, b.sub, b.fix, l.ledger_id
  FROM batch b CROSS JOIN ledger l
 WHERE l.device_id = b.device_id AND l.epoch = b.epoch AND l.seq = b.seq AND l.sub = b.sub AND l.fix = b.fix
 ORDER BY b.user_id, b.slot, b.source, b.model, b.device_id
{IF_GREATER}"""  # noqa: S608 - put together from constants

# --- daily rollups: recomputed for the touched groups, never incremented ----------------------------------------------

TOUCH_GROUPS = """
INSERT INTO touched (user_id, day, source, model)
SELECT DISTINCT user_id, slot / 48, source, model FROM batch
"""

LOCK_GROUPS = """
INSERT INTO rollup_day (gen_id, user_id, day, source, model, t_in, t_cached, t_out, t_reason, t_total)
SELECT g.gen_id, t.user_id, t.day, t.source, t.model, 0, 0, 0, 0, 0
  FROM touched t CROSS JOIN gen g
 WHERE g.state IN ('building', 'active')
 ORDER BY g.gen_id, t.user_id, t.day, t.source, t.model
ON CONFLICT (gen_id, user_id, day, source, model) DO UPDATE SET t_in = rollup_day.t_in WHERE false
"""
"""A row in conflict is locked before its condition is looked at: nothing is written, and the next writer waits."""

ASSIGN_SUMS: Final = """ON CONFLICT (gen_id, user_id, day, source, model) DO UPDATE
   SET t_in = excluded.t_in, t_cached = excluded.t_cached, t_out = excluded.t_out, t_reason = excluded.t_reason,
       t_total = excluded.t_total
"""

RECOMPUTE_GROUPS = f"""
INSERT INTO rollup_day (gen_id, user_id, day, source, model, t_in, t_cached, t_out, t_reason, t_total)
SELECT g.gen_id, s.user_id, s.day, s.source, s.model, s.t_in, s.t_cached, s.t_out, s.t_reason, s.t_total
  FROM (SELECT t.user_id, t.day, t.source, t.model,
               CAST(sum(f.t_in) AS BIGINT) AS t_in, CAST(sum(f.t_cached) AS BIGINT) AS t_cached,
               CAST(sum(f.t_out) AS BIGINT) AS t_out, CAST(sum(f.t_reason) AS BIGINT) AS t_reason,
               CAST(sum(f.t_total) AS BIGINT) AS t_total
          FROM touched t
          JOIN fact f ON f.user_id = t.user_id AND f.slot >= t.day * 48 AND f.slot < t.day * 48 + 48
                     AND f.source = t.source AND f.model = t.model
         GROUP BY t.user_id, t.day, t.source, t.model) s
 CROSS JOIN gen g
 WHERE g.state IN ('building', 'active')
 ORDER BY g.gen_id, s.user_id, s.day, s.source, s.model
{ASSIGN_SUMS}"""  # noqa: S608 - put together from constants

DROP_EMPTY_GROUPS = """
DELETE FROM rollup_day
 WHERE (gen_id, user_id, day, source, model) IN (SELECT g.gen_id, t.user_id, t.day, t.source, t.model
                                                   FROM touched t CROSS JOIN gen g
                                                  WHERE g.state IN ('building', 'active'))
   AND NOT EXISTS (SELECT 1 FROM fact f
                    WHERE f.user_id = rollup_day.user_id AND f.slot >= rollup_day.day * 48
                      AND f.slot < rollup_day.day * 48 + 48
                      AND f.source = rollup_day.source AND f.model = rollup_day.model)
"""

# --- facts from the ledger, after a void or for a proof ---------------------------------------------------------------

FORGET_FACTS = """
DELETE FROM fact
 WHERE (user_id, slot, source, model, device_id) IN (SELECT user_id, slot, source, model, device_id FROM batch)
"""

RECALL_FACTS = """
INSERT INTO fact (user_id, slot, source, model, device_id, t_in, t_cached, t_out, t_reason, t_total,
                  epoch, seq, sub, fix, ledger_id)
SELECT user_id, slot, source, model, device_id, t_in, t_cached, t_out, t_reason, t_total,
       epoch, seq, sub, fix, ledger_id
  FROM (SELECT b.user_id, l.slot, l.source, l.model, l.device_id, l.t_in, l.t_cached, l.t_out, l.t_reason, l.t_total,
               l.epoch, l.seq, l.sub, l.fix, l.ledger_id,
               row_number() OVER (PARTITION BY l.device_id, l.source, l.model, l.slot
                                  ORDER BY l.epoch DESC, l.seq DESC, l.sub DESC, l.fix DESC) AS place
          FROM (SELECT DISTINCT user_id, device_id, source, model, slot FROM batch) b
          JOIN ledger l ON l.device_id = b.device_id AND l.source = b.source AND l.model = b.model AND l.slot = b.slot
         WHERE l.plan_id IS NULL OR l.plan_id NOT IN (SELECT plan_id FROM plan_void)) ranked
 WHERE place = 1
"""

EXPECTED_FACTS = """
SELECT d.user_id, r.slot, r.source, r.model, r.device_id, r.t_in, r.t_cached, r.t_out, r.t_reason, r.t_total,
       r.epoch, r.seq, r.sub, r.fix, r.ledger_id
  FROM (SELECT l.*, row_number() OVER (PARTITION BY l.device_id, l.source, l.model, l.slot
                                       ORDER BY l.epoch DESC, l.seq DESC, l.sub DESC, l.fix DESC) AS place
          FROM ledger l
         WHERE l.plan_id IS NULL OR l.plan_id NOT IN (SELECT plan_id FROM plan_void)) r
  JOIN device d ON d.device_id = r.device_id
 WHERE r.place = 1
"""

FACT_COLUMNS = """
SELECT user_id, slot, source, model, device_id, t_in, t_cached, t_out, t_reason, t_total,
       epoch, seq, sub, fix, ledger_id FROM fact
"""

EXPECTED_ROLLUPS = """
SELECT user_id, slot / 48 AS day, source, model, CAST(sum(t_in) AS BIGINT), CAST(sum(t_cached) AS BIGINT),
       CAST(sum(t_out) AS BIGINT), CAST(sum(t_reason) AS BIGINT), CAST(sum(t_total) AS BIGINT)
  FROM fact GROUP BY user_id, slot / 48, source, model
"""

ROLLUP_COLUMNS = """
SELECT user_id, day, source, model, t_in, t_cached, t_out, t_reason, t_total FROM rollup_day WHERE gen_id = :gen_id
"""

# --- reads ------------------------------------------------------------------------------------------------------------

DAILY = """
SELECT r.day, r.source, r.model, r.t_in, r.t_cached, r.t_out, r.t_reason, r.t_total
  FROM rollup_day r
 WHERE r.gen_id = (SELECT gen_id FROM gen WHERE state = 'active')
   AND r.user_id = :user_id AND r.day >= :first AND r.day < :end
   AND (CAST(:source AS TEXT) IS NULL OR r.source = CAST(:source AS TEXT))
   AND (CAST(:model AS TEXT) IS NULL OR r.model = CAST(:model AS TEXT))
   AND (:canary = 1 OR (r.source <> 'canary' AND r.model <> 'canary'))
 ORDER BY r.day, r.source, r.model
"""

SLOTS = """
SELECT f.slot, f.source, f.model, CAST(sum(f.t_in) AS BIGINT), CAST(sum(f.t_cached) AS BIGINT),
       CAST(sum(f.t_out) AS BIGINT), CAST(sum(f.t_reason) AS BIGINT), CAST(sum(f.t_total) AS BIGINT)
  FROM fact f
 WHERE f.user_id = :user_id AND f.slot >= :first AND f.slot < :end
   AND (CAST(:source AS TEXT) IS NULL OR f.source = CAST(:source AS TEXT))
   AND (CAST(:model AS TEXT) IS NULL OR f.model = CAST(:model AS TEXT))
   AND (:canary = 1 OR (f.source <> 'canary' AND f.model <> 'canary'))
 GROUP BY f.slot, f.source, f.model
 ORDER BY f.slot, f.source, f.model
"""

PAGE = """
SELECT f.slot, f.source, f.model, f.device_id, f.t_in, f.t_cached, f.t_out, f.t_reason, f.t_total,
       f.epoch, f.seq, f.sub, f.fix
  FROM fact f
 WHERE f.user_id = :user_id AND f.slot >= :first AND f.slot < :end
   AND (f.slot, f.source, f.model, f.device_id) >
       (CAST(:after_slot AS BIGINT), CAST(:after_source AS TEXT), CAST(:after_model AS TEXT),
        CAST(:after_device AS TEXT))
   AND (CAST(:source AS TEXT) IS NULL OR f.source = CAST(:source AS TEXT))
   AND (CAST(:model AS TEXT) IS NULL OR f.model = CAST(:model AS TEXT))
   AND (:canary = 1 OR (f.source <> 'canary' AND f.model <> 'canary'))
 ORDER BY f.slot, f.source, f.model, f.device_id
 LIMIT :row_limit
"""

LAST_SYNC = """
SELECT max(CASE WHEN coalesce(last_ping_at_us, 0) > coalesce(last_sync_at_us, 0)
                THEN last_ping_at_us ELSE last_sync_at_us END)
  FROM device WHERE user_id = :user_id
"""

ACTIVE_RULE = """
SELECT version, source, w_in, w_cached, w_out, w_reason, w_total
  FROM rule WHERE version = (SELECT version FROM active_rule) ORDER BY source
"""
