"""
How PostgreSQL writes one delivery: the same as the shared statements do, in fewer of them.

The rows come as arrays, one per column. No staging table is filled, no ledger row is looked up again for its number,
and how many rows came late follows from how many facts did not change.
"""

from __future__ import annotations

from typing import Final

from attribute.ingest.stores import statements as sql

NUMBERS: Final = ("slot", "t_in", "t_cached", "t_out", "t_reason", "t_total", "epochs", "seqs", "subs", "fixes")
"""The columns of a staged row from its slot on; those of its order in the plural, beside the delivery's own."""

APPEND: Final = f"""
WITH number AS MATERIALIZED (
  SELECT nextval(pg_get_serial_sequence('delivery', 'delivery_id')) AS delivery_id
),
said AS (
  INSERT INTO ledger (delivery_id, device_id, source, model, slot, t_in, t_cached, t_out, t_reason, t_total,
                      epoch, seq, sub, fix, plan_id)
  SELECT n.delivery_id, CAST(:device_id AS TEXT), b.*, CAST(:plan_id AS BIGINT)
    FROM number n
   CROSS JOIN unnest(CAST(:source AS TEXT[]), CAST(:model AS TEXT[]), CAST(:slot AS BIGINT[]),
                     CAST(:t_in AS BIGINT[]), CAST(:t_cached AS BIGINT[]), CAST(:t_out AS BIGINT[]),
                     CAST(:t_reason AS BIGINT[]), CAST(:t_total AS BIGINT[]), CAST(:epochs AS BIGINT[]),
                     CAST(:seqs AS BIGINT[]), CAST(:subs AS BIGINT[]), CAST(:fixes AS BIGINT[])) AS b
  RETURNING source, model, slot, t_in, t_cached, t_out, t_reason, t_total, epoch, seq, sub, fix, ledger_id
),
held AS (
  INSERT INTO fact (user_id, device_id, source, model, slot, t_in, t_cached, t_out, t_reason, t_total,
                    epoch, seq, sub, fix, ledger_id)
  SELECT CAST(:user_id AS TEXT), CAST(:device_id AS TEXT), said.* FROM said
{sql.IF_GREATER}
  RETURNING 1
)
INSERT INTO delivery (delivery_id, request_id, device_id, epoch, seq, idempotency_key, body_sha256, content_sha256,
                      inserted, skipped, late, received_at_us, plan_id)
SELECT n.delivery_id, :request_id, :device_id, :epoch, :seq, :idempotency_key, :body_sha256, :content_sha256,
       :inserted, :skipped, CAST(:inserted AS BIGINT) - (SELECT count(*) FROM held), :received_at_us, :plan_id
  FROM number n
RETURNING delivery_id, late
"""  # noqa: S608 - put together from constants

TOUCHED: Final = """
WITH touched (user_id, day, source, model) AS MATERIALIZED (
  SELECT CAST(:user_id AS TEXT) COLLATE "C", g.day, g.source COLLATE "C", g.model COLLATE "C"
    FROM unnest(CAST(:days AS BIGINT[]), CAST(:sources AS TEXT[]), CAST(:models AS TEXT[])) AS g (day, source, model)
)
"""
"""Stands before a statement in place of the staging table of that name."""

RECOMPUTE_TOUCHED: Final = f"""
{TOUCHED}, days (user_id, day, source, model, t_in, t_cached, t_out, t_reason, t_total) AS MATERIALIZED (
  SELECT d.user_id, d.day, s.*
    FROM (SELECT DISTINCT user_id, day FROM touched) d
   CROSS JOIN LATERAL (
         SELECT f.source, f.model,
                CAST(sum(f.t_in) AS BIGINT), CAST(sum(f.t_cached) AS BIGINT), CAST(sum(f.t_out) AS BIGINT),
                CAST(sum(f.t_reason) AS BIGINT), CAST(sum(f.t_total) AS BIGINT)
           FROM fact f
          WHERE f.user_id = d.user_id AND f.slot >= d.day * 48 AND f.slot < d.day * 48 + 48
          GROUP BY f.source, f.model) s
)
INSERT INTO rollup_day (gen_id, user_id, day, source, model, t_in, t_cached, t_out, t_reason, t_total)
SELECT g.gen_id, s.*
  FROM days s JOIN touched t USING (user_id, day, source, model)
 CROSS JOIN gen g
 WHERE g.state IN ('building', 'active')
 ORDER BY g.gen_id, s.user_id, s.day, s.source, s.model
{sql.ASSIGN_SUMS}
"""  # noqa: S608 - put together from constants
"""`sql.RECOMPUTE_GROUPS`, but that a day's facts are read once and not once for every group of the day."""
