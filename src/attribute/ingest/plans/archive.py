"""Ledger rows that decide nothing any more, in a compressed file that proves itself by its hash."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import orjson

from attribute.ingest.model import SLOTS_PER_DAY
from attribute.ingest.plans.document import CHUNK, Plan, PlanKind, day_name
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.plans.make import make_plan
from attribute.ingest.plans.promises import MAX_NUMBER
from attribute.ingest.stores import dump
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.transaction import Row

ARCHIVABLE: Final = """
SELECT l.ledger_id, l.delivery_id, l.device_id, l.source, l.model, l.slot, l.t_in, l.t_cached, l.t_out, l.t_reason,
       l.t_total, l.epoch, l.seq, l.sub, l.fix, l.plan_id, d.user_id
  FROM ledger l JOIN device d ON d.device_id = l.device_id
 WHERE l.slot < :before
   AND l.delivery_id <= (SELECT coalesce(max(last_delivery_id), 0) FROM seal)
   AND NOT EXISTS (SELECT 1 FROM vendor_pending p WHERE p.ledger_id = l.ledger_id)
   AND EXISTS (SELECT 1 FROM ledger n
                WHERE n.device_id = l.device_id AND n.slot = l.slot AND n.source = l.source AND n.model = l.model
                  AND n.plan_id IS NULL AND (+n.epoch, n.seq, n.sub, n.fix) > (l.epoch, l.seq, l.sub, l.fix))
 ORDER BY l.ledger_id
"""
"""The sign before the epoch makes SQLite take the index by key."""
INSERT_BACK: Final = """
INSERT INTO ledger (ledger_id, delivery_id, device_id, source, model, slot, t_in, t_cached, t_out, t_reason, t_total,
                    epoch, seq, sub, fix, plan_id)
VALUES (:c0, :c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c10, :c11, :c12, :c13, :c14, :c15)
ON CONFLICT DO NOTHING
"""


class ArchivedRow(NamedTuple):
    """One ledger row as archived: its columns, and whose it was."""

    columns: tuple[Any, ...]
    user_id: str

    @property
    def staged(self) -> Row:
        """As a row of the staging table."""
        return (self.columns[0], self.user_id, *self.columns[2:15])


class ArchiveReader:
    """
    Reads an archive front to back; asking for an earlier chunk starts over.

    The file is opened once: what is read is what was hashed, whatever has that name by then.
    """

    def __init__(self, path: Path) -> None:
        hashed = sha256()
        try:
            self._file = path.open("rb")
            while piece := self._file.read(1 << 20):
                hashed.update(piece)
        except OSError as error:
            raise PlanError.needs_archive("cannot be read") from error
        self.sha256 = hashed.hexdigest()
        self._rows = self.rows()
        self._next = 0

    def __enter__(self) -> Self:
        """Closes the file when the block ends."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Let go of the file."""
        self._file.close()

    def rows(self) -> Iterator[ArchivedRow]:
        """
        Every row; only one such walk may be under way.

        Raises:
            PlanError: it is no archive, or not all of one.
        """
        self._file.seek(0)
        with gzip.GzipFile(fileobj=self._file, mode="rb") as file:
            lines = iter(file)
            while True:
                try:
                    line = next(lines, None)
                except (EOFError, OSError, zlib.error) as error:
                    raise PlanError.needs_archive("is cut off, or is not compressed with gzip") from error
                if line is None:
                    return
                yield _row(line)

    def chunk(self, step: int) -> list[ArchivedRow]:
        """The rows of one step."""
        if step < self._next:
            self._rows, self._next = self.rows(), 0
        for _ in islice(self._rows, (step - self._next) * CHUNK):
            pass
        self._next = step + 1
        return list(islice(self._rows, CHUNK))


def _row(line: bytes) -> ArchivedRow:
    try:
        table, *columns, user_id = orjson.loads(line)
    except (ValueError, TypeError):
        table, columns, user_id = None, [], None
    if table != "ledger" or [*map(_kind, columns), _kind(user_id)] not in _LEDGER_ROWS:
        raise PlanError.needs_archive("holds something else than ledger rows")
    return ArchivedRow(tuple(columns), user_id)


def _kind(value: object) -> type | None:
    """The type of what a column can hold; `object` for what none can."""
    match value:
        case None:
            return None
        case str() if "\0" not in value:
            return str
        case int() if type(value) is int and 0 <= value <= MAX_NUMBER:
            return int
        case _:
            return object


_LEDGER_ROWS: Final = tuple([int, int, str, str, str, *[int] * 10, plan_id, str] for plan_id in (int, None))


def plan_retention(store: RelationalStore, archive: Path, *, before_day: int, reason: str, now_us: int) -> Plan:
    """
    Write an archive of the sealed ledger rows before a day that a later client row outranks, and plan their removal.

    Facts do not depend on such rows, whatever is voided later. Nothing is removed here.

    Raises:
        PlanError: there are none; FileExistsError: the archive's file exists.
    """
    count = 0
    with store.reading() as tx:
        with archive.open("xb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
            for row in tx.stream(ARCHIVABLE, before=before_day * SLOTS_PER_DAY):
                file.write(dump.line("ledger", row))
                count += 1
        if not count:
            archive.unlink()
            raise PlanError.nothing_to_archive(day_name(before_day))
        with ArchiveReader(archive) as reader:
            written = reader.sha256
        return make_plan(
            store, tx, PlanKind.RETENTION, reason=reason, now_us=now_us,
            scope={"before": day_name(before_day), "rows": count},
            details={"rows": count, "sha256": written},
            expect={"ledger_rows_removed": count},
        )  # fmt: skip
