"""
Proof that a store is what its ledger says: nothing here writes.

I1 facts equal the ledger's greatest orders, voided plans aside; I2 rollups equal the facts; I3 a delivery counts the
rows that it has, and those that a retention plan removed; I4 contents and seals are those of the day they were written.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

from attribute.ingest.plans.apply_others import rows_removed
from attribute.ingest.plans.document import Plan, PlanKind
from attribute.ingest.stores import statements as sql
from attribute.ingest.stores.ledger import HASHED, content_sha256
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.seals import chain
from attribute.ingest.stores.transaction import Transaction, number

SHOWN: Final = 5

FACTS_OFF: Final = f"""
SELECT user_id, slot, device_id FROM ({sql.EXPECTED_FACTS} EXCEPT {sql.FACT_COLUMNS}) a
UNION
SELECT user_id, slot, device_id FROM ({sql.FACT_COLUMNS} EXCEPT {sql.EXPECTED_FACTS}) b
"""  # noqa: S608 - put together from constants
ROLLUPS_OFF: Final = f"""
SELECT user_id, day FROM ({sql.EXPECTED_ROLLUPS} EXCEPT {sql.ROLLUP_COLUMNS}) a
UNION
SELECT user_id, day FROM ({sql.ROLLUP_COLUMNS} EXCEPT {sql.EXPECTED_ROLLUPS}) b
"""  # noqa: S608 - put together from constants
COUNTS_OFF: Final = """
SELECT d.delivery_id
  FROM delivery d
  LEFT JOIN (SELECT delivery_id, count(*) AS n FROM ledger GROUP BY delivery_id) l ON l.delivery_id = d.delivery_id
  LEFT JOIN (SELECT delivery_id, sum(row_count) AS n FROM archived GROUP BY delivery_id) a
         ON a.delivery_id = d.delivery_id
 WHERE d.inserted <> coalesce(l.n, 0) + coalesce(a.n, 0)
 ORDER BY d.delivery_id
"""
ARCHIVED: Final = """
SELECT a.plan_id, p.kind, p.state, p.chunks_done, p.document, a.n
  FROM (SELECT plan_id, CAST(sum(row_count) AS BIGINT) AS n FROM archived GROUP BY plan_id) a
  LEFT JOIN plan p ON p.plan_id = a.plan_id
 ORDER BY a.plan_id
"""
CONTENT: Final = f"""
SELECT d.delivery_id, d.content_sha256, {", ".join(f"d.{name}" for name in HASHED)}, l.ledger_id,
       w.user_id, l.device_id, l.source, l.model, l.slot, l.t_in, l.t_cached, l.t_out, l.t_reason, l.t_total,
       l.epoch, l.seq, l.sub, l.fix, l.plan_id
  FROM delivery d
  LEFT JOIN ledger l ON l.delivery_id = d.delivery_id
  LEFT JOIN device w ON w.device_id = l.device_id
 WHERE d.delivery_id NOT IN (SELECT delivery_id FROM archived)
 ORDER BY d.delivery_id
"""  # noqa: S608 - put together from constants
_ROWS_FROM: Final = 2 + len(HASHED)
SEALS: Final = "SELECT seal_id, last_delivery_id, sha256 FROM seal ORDER BY seal_id"
UNSEALED: Final = """
SELECT count(*) FROM delivery WHERE delivery_id > (SELECT coalesce(max(last_delivery_id), 0) FROM seal)
"""
DELIVERIES: Final = "SELECT delivery_id, content_sha256 FROM delivery ORDER BY delivery_id"


class Finding(NamedTuple):
    """Something that does not hold: which promise, in how many places, and the first few of them."""

    promise: str
    places: int
    examples: tuple[str, ...]


class Verified(NamedTuple):
    """
    What was looked at and what was found.

    Attributes:
        findings: empty when everything holds.
        archived: deliveries whose rows are in an archive and whose content was therefore not read again.
        unsealed: deliveries after the last seal.
    """

    deliveries: int
    ledger_rows: int
    facts: int
    rollups: int
    seals: int
    unsealed: int
    archived: int
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether every promise is kept."""
        return not self.findings


def verify(store: RelationalStore) -> Verified:
    """Check every promise in one snapshot."""
    damage = store.damage()
    with store.reading() as tx:
        gen_id = number(tx, "SELECT gen_id FROM gen WHERE state = 'active'")
        findings = [
            Finding("the database file is whole", len(damage), tuple(damage[:SHOWN])),
            _finding("I1: facts equal the ledger's answer", tx.stream(FACTS_OFF)),
            _finding("I2: rollups equal the facts", tx.stream(ROLLUPS_OFF, gen_id=gen_id)),
            _finding("I3: deliveries count their rows", tx.stream(COUNTS_OFF)),
            _finding("I3: what is archived is what retention plans removed", _archived_off(tx)),
            _finding("I4: contents are as delivered", _contents_off(tx)),
            _finding("I4: seals are as set", _seals_off(tx)),
        ]
        return Verified(
            deliveries=number(tx, "SELECT count(*) FROM delivery"),
            ledger_rows=number(tx, "SELECT count(*) FROM ledger"),
            facts=number(tx, "SELECT count(*) FROM fact"),
            rollups=number(tx, "SELECT count(*) FROM rollup_day WHERE gen_id = :gen_id", gen_id=gen_id),
            seals=number(tx, "SELECT count(*) FROM seal"),
            unsealed=number(
                tx,
                UNSEALED,
            ),
            archived=number(tx, "SELECT count(DISTINCT delivery_id) FROM archived"),
            findings=tuple(finding for finding in findings if finding.places),
        )


def _finding(promise: str, wrong: Iterator[tuple[object, ...]]) -> Finding:
    count, examples = 0, []
    for row in wrong:
        count += 1
        if count <= SHOWN:
            examples.append(" ".join(str(part) for part in row))
    return Finding(promise, count, tuple(examples))


def _archived_off(tx: Transaction) -> Iterator[tuple[object, ...]]:
    """Rows that count as archived are missing from the ledger by the leave of a plan, or they are just missing."""
    for plan_id, kind, state, done, document, count in tx.rows(ARCHIVED):
        stands = kind == PlanKind.RETENTION and state in ("applying", "applied")
        if not stands or count != rows_removed(Plan.from_bytes(str(document).encode()), int(done)):
            yield (f"plan {plan_id}",)


def _contents_off(tx: Transaction) -> Iterator[tuple[object, ...]]:
    for delivery_id, found in groupby(tx.stream(CONTENT), key=lambda row: int(row[0])):
        rows = list(found)
        delivery = dict(zip(HASHED, rows[0][2:_ROWS_FROM], strict=True))
        said = [row[_ROWS_FROM + 1 :] for row in rows if row[_ROWS_FROM] is not None]
        if content_sha256(delivery, said) != bytes(rows[0][1]):
            yield (f"delivery {delivery_id}",)


def _seals_off(tx: Transaction) -> Iterator[tuple[object, ...]]:
    deliveries = tx.stream(DELIVERIES)
    previous, waiting = b"\0" * 32, next(deliveries, None)
    for seal_id, last, said in tx.rows(SEALS):
        covered = []
        while waiting is not None and waiting[0] <= last:
            covered.append((int(waiting[0]), bytes(waiting[1])))
            waiting = next(deliveries, None)
        if chain(previous, covered) != bytes(said) or not covered or covered[-1][0] != last:
            yield (f"seal {seal_id}",)
        previous = bytes(said)
