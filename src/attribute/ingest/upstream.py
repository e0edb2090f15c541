"""What was seen of the upstream while one request was answered. For an embedded store the database is the upstream."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from attribute.ingest.model import (
    EVERYTHING,
    DayRow,
    Evidence,
    Fact,
    FactKey,
    Narrowing,
    Refusal,
    Rule,
    SlotRow,
    StoreError,
)
from attribute.ingest.stores.interface import Reads

Result = TypeVar("Result")


class Seen(NamedTuple):
    """What was seen of which upstream."""

    name: str
    evidence: Evidence


class Upstream:
    """
    Measures the calls to the store, one after another, and says what an M1 record should say of them.

    Args:
        monotonic: seconds from any origin that never run backwards.
        name: what is called, where a call does not say otherwise.
    """

    def __init__(self, monotonic: Callable[[], float], name: str) -> None:
        self._monotonic = monotonic
        self._name = name
        self._seen: list[Seen] = []

    def call(
        self,
        work: Callable[[], Result],
        evidence_of: Callable[[Result], Evidence] | None = None,
        *,
        name: str | None = None,
    ) -> Result:
        """
        Do one call.

        A store that confirms or declines has answered: 200. One that fails says itself what was seen. An exception of
        any other kind is a bug of ours in the middle of a call: no answer was seen, and none is claimed.
        """
        name = self._name if name is None else name
        started_at = self._monotonic()
        try:
            result = work()
        except StoreError as error:
            self._seen.append(Seen(name, error.upstream))
            raise
        except Refusal:
            self._seen.append(Seen(name, Evidence(200, self._since(started_at))))
            raise
        except BaseException:
            self._seen.append(Seen(name, Evidence(None, self._since(started_at))))
            raise
        evidence = Evidence(200, self._since(started_at)) if evidence_of is None else evidence_of(result)
        if evidence.calls:
            self._seen.append(Seen(name, evidence))
        return result

    def _since(self, started_at: float) -> float:
        return (self._monotonic() - started_at) * 1000

    @property
    def seen(self) -> Seen | None:
        """The name and status of the first call that failed, or of the last; time and number of all. None: no call."""
        if not self._seen:
            return None
        failed = [seen for seen in self._seen if not _succeeded(seen.evidence)]
        decider = failed[0] if failed else self._seen[-1]
        waited_ms = sum(seen.evidence.latency_ms for seen in self._seen)
        calls = sum(seen.evidence.calls for seen in self._seen)
        return Seen(decider.name, Evidence(decider.evidence.status, waited_ms, calls))


def _succeeded(evidence: Evidence) -> bool:
    return isinstance(evidence.status, int) and evidence.status < 400


class MeasuredReads:
    """
    A snapshot whose every query is measured, and nothing but the queries: adding up what they found is our own time.

    Args:
        reads: the snapshot.
        upstream: what measures.
    """

    def __init__(self, reads: Reads, upstream: Upstream) -> None:
        self._reads = reads
        self._upstream = upstream

    def daily(self, user_id: str, first_day: int, end_day: int, only: Narrowing = EVERYTHING) -> list[DayRow]:
        """See `Reads.daily`."""
        return self._upstream.call(lambda: self._reads.daily(user_id, first_day, end_day, only))

    def slots(self, user_id: str, first_slot: int, end_slot: int, only: Narrowing = EVERYTHING) -> list[SlotRow]:
        """See `Reads.slots`."""
        return self._upstream.call(lambda: self._reads.slots(user_id, first_slot, end_slot, only))

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
        """See `Reads.page`."""
        return self._upstream.call(
            lambda: self._reads.page(user_id, first_slot, end_slot, after=after, limit=limit, only=only)
        )

    def last_sync_at_us(self, user_id: str) -> int | None:
        """See `Reads.last_sync_at_us`."""
        return self._upstream.call(lambda: self._reads.last_sync_at_us(user_id))

    def rule(self) -> Rule:
        """See `Reads.rule`."""
        return self._upstream.call(self._reads.rule)
