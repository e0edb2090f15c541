"""DuckDB reads the same file and counts by minute, function, statuses and class: `python duckdb_counts.py FILE`."""

from __future__ import annotations

import sys

import duckdb

QUERY = """
select date_trunc('minute', ts) as minute, function, status, upstream_status,
  case when not (status is null or status >= 400 or latency_ms >= 1000) then 'none'
       when upstream_status is null then 'UNKNOWN'
       when (upstream_status = 'timeout' or upstream_status between '500' and '599') and status >= 500 then 'vendor'
       when upstream_status between '200' and '299' and status >= 400 then 'application'
       when latency_ms >= 1000 and upstream_latency_ms <= 0.2 * latency_ms then 'application-bottleneck'
       else 'UNKNOWN' end as class,
  count(*) as requests
from read_ndjson(?, ignore_errors = true, columns = {
  request_id: 'VARCHAR', function: 'VARCHAR', stage: 'VARCHAR', status: 'INTEGER', latency_ms: 'DOUBLE',
  error_code: 'VARCHAR', upstream_status: 'VARCHAR', upstream_latency_ms: 'DOUBLE', ts: 'TIMESTAMP'})
group by all
"""

connection = duckdb.connect()
rows = connection.execute(QUERY, [sys.argv[1]]).fetchall()
print(len(rows), sum(row[-1] for row in rows))
