"""
What loud records come to if each is its request's only one.

In most logs a request writes one record, and then this is the answer: counted while the logs are read, in threads, and
kept beside what was read. `attribute.engines.settle` takes out again what turns out to share its request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from attribute.counting import count_some_verdicts
from attribute.engines.analysis import Window
from attribute.engines.partial import is_ending
from attribute.frames import VERDICTS
from attribute.logs.hashes import hash_of
from attribute.requests import requests_of_one
from attribute.rollup import Rollup, empty, merge
from attribute.rules.compile import CompiledRules
from attribute.verdicts import decide

__all__ = ["KEYS", "Alone", "count_flags", "taken_alone"]

KEYS: Final = pl.Schema({"hash": pl.UInt64(), "ended": pl.Boolean()})
"""One row per loud record: the hash of its `request_id`, and whether it ends its request."""

_COUNTED: Final = [name for name in VERDICTS if name not in {"request_id", "also_matched", "records", "joined_from"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """
    What some loud records come to, each taken for a request.

    Attributes:
        keys: `KEYS`, in the order of the records.
        counted: the rollup of those in the window, for `merge`.
        flags: how many of those carry which flag.
    """

    keys: pl.DataFrame
    counted: Rollup
    flags: Counter[str]

    @classmethod
    def sum(cls, parts: Iterable[Alone]) -> Alone:
        """Return what all *parts* come to, with one merged rollup."""
        known = list(parts)
        return cls(
            keys=pl.concat([KEYS.to_frame(), *(part.keys for part in known)]),
            counted=merge(part.counted for part in known),
            flags=sum((part.flags for part in known), Counter()),
        )


def taken_alone(records: pl.DataFrame, compiled: CompiledRules, *, window: Window, latency_slot: timedelta) -> Alone:
    """
    Judge loud records each by itself.

    Args:
        records: `RECORDS`, all of them failing or slow.
        compiled: the rules.
        window: where a record must lie to be counted.
        latency_slot: how wide the slots of the latencies are.
    """
    if records.is_empty():  # as in most splits of a cluster: the question costs more than the answer
        return Alone(keys=KEYS.to_frame(), counted=empty(), flags=Counter())
    lazy = requests_of_one(records.lazy())
    judged = decide(lazy if window.is_open else lazy.filter(window.holds(pl.col("at"))), compiled)
    verdicts = judged.select(_COUNTED).collect()
    return Alone(
        keys=records.select(hash_of(pl.col("request_id")).alias("hash"), is_ending().alias("ended")),
        counted=count_some_verdicts(verdicts, slot=latency_slot),
        flags=count_flags(verdicts.lazy()),
    )


def count_flags(verdicts: pl.LazyFrame) -> Counter[str]:
    """Return how many verdicts carry which flag."""
    frame = (
        verdicts.select(pl.col("flags").explode(empty_as_null=False, keep_nulls=False).alias("flag"))
        .group_by("flag")
        .agg(pl.len().alias("requests"))
        .collect(engine="streaming")
    )
    return Counter(dict(frame.iter_rows()))
