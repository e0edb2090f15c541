"""
The seeded faults of the reading and reporting side, by name; those of the stores lie with the stores.

Each fault has a check that passes without it and fails with it: a suite that lets one live is no suite.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import Environment

from attribute.cache import identity
from attribute.cache.store import Store
from attribute.engines.analysis import AnalysisOptions, Cache
from attribute.engines.local import analyse
from attribute.logs import lines
from attribute.logs.envelopes import Found
from attribute.reports import html
from attribute.rules.catalogue import builtin
from tests.report_pages.names import CALM, PACKS
from tests.report_pages.worlds import hostile_incident, shape, tree

ROW = {
    "request_id": "r0", "function": "quote", "stage": "response", "status": 502, "latency_ms": 9, "error_code": None,
    "upstream_status": 503, "upstream_latency_ms": 5, "ts": 1_794_830_400_000,
}  # fmt: skip


def _line(**changes: object) -> bytes:
    return json.dumps(ROW | changes, ensure_ascii=False).encode() + b"\n"


def half_a_line_is_read_once_it_is_whole(folder: Path) -> None:
    """What was written up to the middle of a line is taken up at the line's start."""
    log = folder / "log.jsonl"
    whole = [_line(request_id=f"r{number}") for number in range(6)]
    log.write_bytes(b"".join(whole[:4]) + whole[4][:60])
    options = AnalysisOptions(
        paths=(str(log),), catalogue=builtin(), cache=Cache(store=Store(folder=folder / "cache"), least_bytes=0)
    )
    analyse(options)
    log.write_bytes(b"".join(whole))
    account = analyse(options).account
    assert (account.lines, account.records, account.rejected, account.not_m1) == (6, 6, 0, 0)


def line_ends_at_a_newline_alone(folder: Path) -> None:
    """A name may hold a line separator of Unicode; a carriage return ends no line."""
    log = folder / "log.jsonl"
    log.write_bytes(_line(error_code="a\u2028b") + _line(request_id="r1").replace(b", ", b",\r ", 1))
    account = analyse(AnalysisOptions(paths=(str(log),), catalogue=builtin())).account
    assert (account.lines, account.records, account.rejected, account.not_m1) == (2, 2, 0, 0)


def repeated_key_is_a_reject(folder: Path) -> None:
    """Of two statuses neither is believed."""
    log = folder / "log.jsonl"
    log.write_bytes(_line().replace(b"{", b'{"status": 200, ', 1))
    account = analyse(AnalysisOptions(paths=(str(log),), catalogue=builtin())).account
    assert dict(account.rejected_by_reason) == {"duplicate-key": 1}


def name_is_text_in_the_page(folder: Path) -> None:
    """No name of a log makes an element, whichever writer shows it."""
    del folder
    pages = [html.render(hostile_incident(names)) for names in (CALM, *PACKS)]
    assert not any(tag in page for page in pages for tag in (b"<script", b"<img"))
    assert len({frozenset(shape(tree(page)).items()) for page in pages}) == 1


def fault_12_offset_past_a_partial_line(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(identity, "_lines_end", lambda _, size: size)


def fault_14_splitlines(patch: pytest.MonkeyPatch) -> None:
    def split(self: lines._FastRun) -> list[bytes]:
        return [part.encode() for part in self._body.decode().splitlines()]

    patch.setattr(lines._FastRun, "_split", split)


def fault_15_last_of_a_repeated_key_wins(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Found, "repeats_key", lambda _: False)


def fault_16_escaped_in_markdown_alone(patch: pytest.MonkeyPatch) -> None:
    whole = html.environment()

    def bare() -> Environment:
        made = whole.overlay(autoescape=False)
        made.filters = whole.filters
        return made

    patch.setattr(html, "environment", bare)


Check = Callable[[Path], None]
CAUGHT_BY: list[tuple[Callable[[pytest.MonkeyPatch], None], Check]] = [
    (fault_12_offset_past_a_partial_line, half_a_line_is_read_once_it_is_whole),
    (fault_14_splitlines, line_ends_at_a_newline_alone),
    (fault_15_last_of_a_repeated_key_wins, repeated_key_is_a_reject),
    (fault_16_escaped_in_markdown_alone, name_is_text_in_the_page),
]


@pytest.mark.parametrize(("fault", "check"), CAUGHT_BY)
def test_seeded_fault_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None], check: Check
) -> None:
    """The check passes without the fault and fails with it."""
    for name in ("sound", "faulty"):
        (tmp_path / name).mkdir()
    check(tmp_path / "sound")
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        check(tmp_path / "faulty")
