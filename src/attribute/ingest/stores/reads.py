"""Queries over one snapshot."""

from __future__ import annotations

from attribute.ingest.model import EVERYTHING, Counts, DayRow, Fact, FactKey, Narrowing, Order, Rule, SlotRow, Weights
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.transaction import Transaction, one

BEFORE_ALL = FactKey(-1, "", "", "")


class SnapshotReads:
    """`attribute.ingest.stores.interface.Reads` over one transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def daily(self, user_id: str, first_day: int, end_day: int, only: Narrowing = EVERYTHING) -> list[DayRow]:
        """Daily rollups of the active generation."""
        found = self._tx.rows(sql.DAILY, user_id=user_id, first=first_day, end=end_day, **_narrow(only))
        return [DayRow(row[0], row[1], row[2], Counts(*row[3:])) for row in found]

    def slots(self, user_id: str, first_slot: int, end_slot: int, only: Narrowing = EVERYTHING) -> list[SlotRow]:
        """Facts summed over devices."""
        found = self._tx.rows(sql.SLOTS, user_id=user_id, first=first_slot, end=end_slot, **_narrow(only))
        return [SlotRow(row[0], row[1], row[2], Counts(*row[3:])) for row in found]

    def page(
        self,
        user_id: str,
        first_slot: int,
        end_slot: int,
        *,
        after: FactKey | None = None,
        limit: int = 1000,
        only: Narrowing = EVERYTHING,
    ) -> list[Fact]:
        """The next facts after a key."""
        start = BEFORE_ALL if after is None else after
        found = self._tx.rows(
            sql.PAGE,
            user_id=user_id,
            first=first_slot,
            end=end_slot,
            after_slot=start.slot,
            after_source=start.source,
            after_model=start.model,
            after_device=start.device_id,
            row_limit=limit,
            **_narrow(only),
        )
        return [Fact(FactKey(*row[:4]), Counts(*row[4:9]), Order(*row[9:])) for row in found]

    def last_sync_at_us(self, user_id: str) -> int | None:
        """The latest delivery or ping of any of the user's devices."""
        found = one(self._tx, sql.LAST_SYNC, user_id=user_id)
        return None if found is None or found[0] is None else int(found[0])

    def rule(self) -> Rule:
        """The active billable rule."""
        return active_rule(self._tx)


def active_rule(tx: Transaction) -> Rule:
    """The rule that billable totals are computed by now."""
    found = tx.rows(sql.ACTIVE_RULE)
    weights = {str(row[1]): Weights(*(int(number) for number in row[2:])) for row in found}
    return Rule(version=int(found[0][0]), default=weights.pop(""), by_source=weights)


def _narrow(only: Narrowing) -> dict[str, str | int | None]:
    return {"source": only.source, "model": only.model, "canary": 0 if only.hides_canary else 1}
