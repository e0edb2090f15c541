"""ClickHouse (chdb) counts the same: `python chdb_counts.py FILE`. Clean files only."""

from __future__ import annotations

import sys

import chdb

COLUMNS = (
    "request_id String, function String, stage String, status Nullable(Int32), latency_ms Float64, "
    "error_code Nullable(String), upstream_status Nullable(String), upstream_latency_ms Nullable(Float64), ts String"
)
path = sys.argv[1].replace("'", "")
print(
    chdb.query(  # type: ignore[no-untyped-call,unused-ignore]  # chdb has no types, and may not be installed
        f"""select count(), sum(n) from (
        select substring(ts, 1, 16) as minute, function, status, upstream_status,
          multiIf(status is not null and status < 400 and latency_ms < 1000, 'none',
            upstream_status is null, 'UNKNOWN',
            (upstream_status = 'timeout' or upstream_status like '5%') and status >= 500, 'vendor',
            upstream_status like '2%' and status >= 400, 'application',
            latency_ms >= 1000 and upstream_latency_ms <= 0.2 * latency_ms,
              'application-bottleneck', 'UNKNOWN') as class,
          count() as n
        from file('{path}', 'JSONEachRow', '{COLUMNS}') group by minute, function, status, upstream_status, class)
        settings input_format_json_read_numbers_as_strings = 1""",
        "CSV",
    )
)
