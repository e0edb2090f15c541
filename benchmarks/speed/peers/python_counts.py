"""A Python loop with orjson counts the same: `python python_counts.py FILE`."""

from __future__ import annotations

import sys
from collections import Counter

import orjson

counts: Counter[tuple[object, ...]] = Counter()
with open(sys.argv[1], "rb") as file:  # noqa: PTH123 - as plain as a script at three in the morning
    for text in file:
        try:
            record = orjson.loads(text)
            status, upstream = record["status"], record["upstream_status"]
            total, waited = record["latency_ms"], record["upstream_latency_ms"]
            failed = isinstance(upstream, str) or (upstream is not None and upstream >= 500)
            if status is not None and status < 400 and total < 1000:
                class_ = "none"
            elif upstream is None:
                class_ = "UNKNOWN"
            elif failed and status >= 500:
                class_ = "vendor"
            elif not failed and 200 <= upstream < 300 and status >= 400:
                class_ = "application"
            elif total >= 1000 and waited is not None and waited <= 0.2 * total:
                class_ = "application-bottleneck"
            else:
                class_ = "UNKNOWN"
            counts[record["ts"][:16], record["function"], status, upstream, class_] += 1
        except (ValueError, KeyError, TypeError):
            continue
print(len(counts), sum(counts.values()))
