"""What an operator hands to a plan: buckets as JSON Lines, weights as TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from attribute.ingest import strict_json
from attribute.ingest.model import MAX_COUNT, Counts, Weights
from attribute.ingest.plans.document import MAX_SLOT, slot_name
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.wire import COUNT_NAMES, MAX_MODEL_CHARS, MAX_SOURCE_CHARS, canonical_name, slot_of

NAMES: Final = frozenset({"device_id", "source", "model", "hour_start", *COUNT_NAMES})
MAX_LINE_BYTES: Final = 64 * 1024


class InputRow(NamedTuple):
    """One line of an input file: a bucket of a named device."""

    where: str
    line: int
    device_id: str
    source: str
    model: str
    slot: int
    counts: Counts


def read_rows(path: Path) -> Iterator[InputRow]:
    """
    Read buckets as they stand on the wire, each with a `device_id`, one JSON object per line.

    Raises:
        PlanError: naming the line; a key that comes twice is a mistake too.
    """
    where, seen = str(path), set()
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            row = _row(where, number, line)
            key = row[2:6]
            if key in seen:
                raise PlanError.bad_line(where, number, "this key came before")
            seen.add(key)
            yield row


def _row(where: str, number: int, line: bytes) -> InputRow:
    if len(line) > MAX_LINE_BYTES:
        raise PlanError.bad_line(where, number, "the line is too long")
    try:
        value = strict_json.parse(line)
    except strict_json.JsonRefusedError:
        raise PlanError.bad_line(where, number, "is not JSON") from None
    if not isinstance(value, dict) or value.keys() != NAMES:
        raise PlanError.bad_line(where, number, f"expected an object with exactly {', '.join(sorted(NAMES))}")
    source, model = _name(value["source"], MAX_SOURCE_CHARS), _name(value["model"], MAX_MODEL_CHARS)
    slot, device_id = slot_of(value["hour_start"]), value["device_id"]
    counts = [value[name] for name in COUNT_NAMES]
    if source is None or model is None:
        raise PlanError.bad_line(where, number, "`source` or `model` is not a name")
    if slot is None or slot < 0:
        raise PlanError.bad_line(where, number, "`hour_start` is not the start of a UTC half hour")
    if slot > MAX_SLOT:
        raise PlanError.bad_line(where, number, f"`hour_start` is later than {slot_name(MAX_SLOT)}")
    if not isinstance(device_id, str):
        raise PlanError.bad_line(where, number, "`device_id` is not a text")
    if not all(type(count) is int and 0 <= count <= MAX_COUNT for count in counts):
        raise PlanError.bad_line(where, number, "counts are integers from 0 to 10^12")
    return InputRow(where, number, device_id, source, model, slot, Counts(*counts))


def _name(value: object, max_chars: int) -> str | None:
    return canonical_name(value, max_chars) if isinstance(value, str) else None


def read_rule(path: Path) -> tuple[Weights, dict[str, Weights]]:
    """
    Read weights: a table `default`, and tables `source.NAME`; counters that are not named weigh nothing.

    Raises:
        PlanError: not TOML, an unknown name, or a weight that is no integer from -1000 to 1000.
    """
    where = str(path)
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanError.bad_weights(where, "is not TOML") from error
    sources = value.get("source", {})
    if not value.keys() <= {"default", "source"} or "default" not in value or not isinstance(sources, dict):
        raise PlanError.bad_weights(where, "expected a table `default` and tables `source.NAME`")
    named = {}
    for name, table in sources.items():
        if canonical_name(name, MAX_SOURCE_CHARS) != name:
            raise PlanError.bad_weights(where, "a source's name is not in its canonical form")
        named[name] = _weights(where, table)
    return _weights(where, value["default"]), named


def _weights(where: str, table: object) -> Weights:
    if not isinstance(table, dict) or not table.keys() <= set(Weights._fields):
        raise PlanError.bad_weights(where, f"weights are for {', '.join(Weights._fields)}")
    weights = [table.get(name, 0) for name in Weights._fields]
    if not all(type(weight) is int and -1000 <= weight <= 1000 for weight in weights):
        raise PlanError.bad_weights(where, "a weight is an integer from -1000 to 1000")
    return Weights(*weights)
