"""The settled answer over files of which all is kept: where nothing is new, no request is put together again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

import polars as pl

from attribute.cache.code import code_mark
from attribute.cache.store import Store
from attribute.engines.analysis import AnalysisOptions
from attribute.engines.keeper import context_of
from attribute.engines.packing import UNREADABLE, head_of, pack, unpack
from attribute.engines.settle import Settled
from attribute.engines.spill import Spill
from attribute.frames import COUNTS, LATENCY, VERDICTS
from attribute.rollup import Rollup

__all__ = ["Shelf", "rules_of"]

_HEAD_BYTES: Final = 2**16
"""A head of more files than fit in here is not looked at beforehand."""

_MOST_BYTES: Final = 2**28
"""More verdicts than this are made anew rather than held in memory to be kept."""

_SHARED: Final = pl.Schema({"hash": pl.UInt64()})


class Shelf:
    """
    The place of one settled answer: the last one over these files, for they grow.

    Args:
        store: where it is kept.
        known: what each file is, and what it is up to where it was read, in any order.
        options: what was asked of it.
    """

    def __init__(self, store: Store, known: Sequence[tuple[str, str]], options: AnalysisOptions) -> None:
        said = [
            "settled 3",
            code_mark(),
            rules_of(options),
            context_of(options),
            *sorted(identity for identity, _ in known),
        ]
        self._state = [list(each) for each in sorted(known)]
        self._store = store
        self._key = hashlib.sha256("\n".join(said).encode()).hexdigest()
        self._budget_bytes = options.memory_bytes // 4

    def get(self) -> Settled | None:
        """Return the answer that was kept, or None."""
        start = self._store.peek(self._key, _HEAD_BYTES)
        known = None if start is None else head_of(start)
        if known is not None and known.get("state") != self._state:
            return None  # of the files as they were: not even read
        payload = self._store.get(self._key)
        if payload is None:
            return None
        try:
            head, (counts, latency, shared, rows) = unpack(payload, (COUNTS, LATENCY, _SHARED, VERDICTS))
            duplicates, flags = int(head["duplicates"]), Counter(head["flags"])
            if head["state"] != self._state:
                return None
        except UNREADABLE:
            return None
        together = Spill(VERDICTS, budget_bytes=self._budget_bytes)
        together.add(rows)
        return Settled(
            rollup=Rollup(counts, latency), flags=flags, duplicates=duplicates, shared=shared["hash"], together=together
        )

    def keep(self, settled: Settled) -> None:
        """Keep an answer."""
        if settled.together.bytes > _MOST_BYTES:
            return
        rows = pl.concat([VERDICTS.to_frame(), *settled.together.frames()])
        head = {"duplicates": settled.duplicates, "flags": settled.flags, "state": self._state}
        rollup, shared = settled.rollup, settled.shared.to_frame("hash")
        self._store.put(self._key, pack(head, (rollup.counts, rollup.latency, shared, rows)))


def rules_of(options: AnalysisOptions) -> str:
    """Say by which rules and limits requests are judged."""
    return f"{options.catalogue.sha256}\n{options.thresholds.listed()!r}"
