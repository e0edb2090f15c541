"""What was planned and done here."""

from __future__ import annotations

from typing import Final, NamedTuple

from attribute.ingest.model import Stats
from attribute.ingest.plans.document import instant
from attribute.ingest.stores.relational import RelationalStore

PLANS: Final = """
SELECT p.plan_id, p.kind, p.state, p.chunks_done, p.chunk_count, p.started_at_us, p.finished_at_us, p.sha256
  FROM plan p ORDER BY p.plan_id
"""


class PlanRow(NamedTuple):
    """One plan that was begun here."""

    plan_id: int
    kind: str
    state: str
    steps_done: int
    steps: int
    started_at: str
    finished_at: str | None
    sha256: str


class Status(NamedTuple):
    """Where the store stands, and every plan that was begun."""

    stats: Stats
    plans: tuple[PlanRow, ...]


def status(store: RelationalStore) -> Status:
    """Read it."""
    with store.reading() as tx:
        plans = tuple(
            PlanRow(number, kind, state, done, steps, instant(begun), None if ended is None else instant(ended), sha256)
            for number, kind, state, done, steps, begun, ended, sha256 in tx.rows(PLANS)
        )
    return Status(store.stats(), plans)
