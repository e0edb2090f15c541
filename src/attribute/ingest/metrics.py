"""Counters and gauges in Prometheus' text form. Every label is a member of a closed set, never text of a request."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from attribute.ingest.messages import Answer, Function
from attribute.ingest.model import Stats

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Dropped(StrEnum):
    """Why a connection ended before it carried a request."""

    TOO_MANY_CONNECTIONS = "too-many-connections"
    MESSAGE_TOO_SLOW = "message-too-slow"
    HEADERS_TOO_LARGE = "headers-too-large"
    MALFORMED = "malformed"
    WRITE_TOO_SLOW = "write-too-slow"


class Fate(StrEnum):
    """What became of a bucket."""

    INSERTED = "inserted"
    SKIPPED = "skipped"
    LATE = "late"
    INCONSISTENT = "inconsistent"


class Gauges(NamedTuple):
    """What the process says of itself: requests in flight, M1 records not written, the last delivery and SIGHUP."""

    in_flight: int
    records_lost: int
    last_delivery_confirmed: bool = True
    log_opened_anew: bool = True


class Metrics:
    """What one process counted since it started. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[Function, int, str]] = Counter()
        self._latency: defaultdict[Function, list[int]] = defaultdict(lambda: [0] * (len(_BOUNDS_S) + 1))
        self._latency_sum: Counter[Function] = Counter()
        self._buckets: Counter[Fate] = Counter()
        self._dropped: Counter[Dropped] = Counter()

    def answered(self, function: Function, answer: Answer, latency_ms: float) -> None:
        """Count one answered request."""
        with self._lock:
            self._requests[function, answer.status, answer.code.value if answer.code else ""] += 1
            self._latency[function][bisect_left(_BOUNDS_S, latency_ms / 1000)] += 1
            self._latency_sum[function] += round(latency_ms * 1000)

    def buckets(self, fate: Fate, count: int) -> None:
        """Count buckets of a delivery that is durable."""
        with self._lock:
            self._buckets[fate] += count

    def dropped(self, why: Dropped) -> None:
        """Count a connection that ended before it carried a request."""
        with self._lock:
            self._dropped[why] += 1

    def text(self, gauges: Gauges, stats: Stats | None) -> str:
        """Return everything, in the order of the names; *stats* is None where the store did not answer."""
        with self._lock:
            lines = [*self._counted(), *_gauges(gauges, stats)]
        return "\n".join(lines) + "\n"

    def _counted(self) -> Iterator[str]:
        yield from _head("requests_total", "counter", "Answered requests.")
        for (function, status, code), count in sorted(self._requests.items()):
            yield f'attribute_ingest_requests_total{{function="{function}",status="{status}",code="{code}"}} {count}'
        yield from _head("latency_seconds", "histogram", "From a request's complete arrival to its M1 record.")
        for function, counts in sorted(self._latency.items()):
            yield from self._histogram(function, counts)
        yield from _head("buckets_total", "counter", "Buckets of durable deliveries, by what became of them.")
        for fate in Fate:
            yield f'attribute_ingest_buckets_total{{fate="{fate}"}} {self._buckets[fate]}'
        yield from _head(
            "connections_dropped_total", "counter", "Connections that ended before they carried a request."
        )
        for why in Dropped:
            yield f'attribute_ingest_connections_dropped_total{{reason="{why}"}} {self._dropped[why]}'

    def _histogram(self, function: Function, counts: list[int]) -> Iterator[str]:
        name, running = "attribute_ingest_latency_seconds", 0
        for bound, count in zip((*map(str, _BOUNDS_S), "+Inf"), counts, strict=True):
            running += count
            yield f'{name}_bucket{{function="{function}",le="{bound}"}} {running}'
        yield f'{name}_sum{{function="{function}"}} {self._latency_sum[function] / 1e6:.6f}'
        yield f'{name}_count{{function="{function}"}} {running}'


def _head(name: str, kind: str, meaning: str) -> tuple[str, str]:
    return f"# HELP attribute_ingest_{name} {meaning}", f"# TYPE attribute_ingest_{name} {kind}"


def _gauges(gauges: Gauges, stats: Stats | None) -> Iterator[str]:
    yield from _head("records_lost_total", "counter", "M1 records that could not be written.")
    yield f"attribute_ingest_records_lost_total {gauges.records_lost}"
    found = [("in_flight", "Authenticated requests being answered.", gauges.in_flight)]
    confirmed = int(gauges.last_delivery_confirmed)
    found.append(("last_delivery_confirmed", "Whether the last delivery that was tried was confirmed.", confirmed))
    anew = int(gauges.log_opened_anew)
    found.append(("log_opened_anew", "Whether the log could be opened when it last had to be anew.", anew))
    found.append(("store_up", "Whether the store answered a read just now.", int(stats is not None)))
    if stats is not None:
        found += [
            ("schema_version", "Version of the store's schema.", stats.schema_version),
            ("last_delivery_id", "Greatest delivery.", stats.last_delivery_id),
            ("last_ledger_id", "Greatest ledger row.", stats.last_ledger_id),
            ("devices", "Devices ever made.", stats.devices),
            ("active_generation", "Generation of the daily rollups that is read.", stats.active_generation),
            ("rule_version", "Billable rule that is read with.", stats.rule_version),
            ("pending_rows", "Ledger rows that the records vendor has not confirmed.", stats.pending),
            ("wal_bytes", "Size of SQLite's write-ahead log.", stats.wal_bytes),
        ]
    for name, meaning, value in found:
        yield from _head(name, "gauge", meaning)
        yield f"attribute_ingest_{name} {value}"
