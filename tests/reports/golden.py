"""
Screens as files. `python -m tests.reports.golden` writes them anew; look at what changed before committing it.

Each is what a terminal emulator (pyte) shows of the output, so that a stray control sequence would show as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pyte

from attribute.engines.analysis import InputAccount
from attribute.reports.model import Result
from attribute.reports.writers import Style, writer
from attribute.rules.words import Class
from tests.reports.world import (
    NO_EVIDENCE,
    OUR_FAULT,
    OUR_QUEUE,
    START,
    VENDOR_DOWN,
    Row,
    full_account,
    incident,
    outage,
    request,
    result_of,
)

FOLDER = Path(__file__).parent / "golden"


@dataclass(frozen=True, kw_only=True)
class Screen:
    world: str
    style: Style = field(default_factory=Style)

    @property
    def path(self) -> Path:
        style = self.style
        parts = [self.world, str(style.width), "ascii" if style.ascii_only else "utf8"]
        if style.oneline:
            parts.append("oneline")
        if style.verbosity:
            parts.append("quiet" if style.verbosity < 0 else "verbose")
        return FOLDER / f"{'-'.join(parts)}.txt"


def _mostly(fields: Row, *, healthy: int, failing: int) -> list[Row]:
    rows: list[Row] = [request(number, number / 40) for number in range(healthy)]
    rows += [request(healthy + number, 20 + number / 40, fields=fields) for number in range(failing)]
    return rows


def _mixed() -> list[Row]:
    rows = _mostly(VENDOR_DOWN, healthy=800, failing=90)
    rows += [request(2000 + number, 5 + number / 40, "cart", OUR_FAULT) for number in range(80)]
    return rows


SEOUL = ZoneInfo("Asia/Seoul")


@cache
def results() -> Mapping[str, Result]:
    rows, incidents = outage()
    over, over_incidents = outage(ongoing=False)
    zones: Mapping[str, tzinfo] = {"utc": UTC, "seoul": SEOUL}
    queue = _mostly(OUR_QUEUE, healthy=800, failing=100)
    return {
        "vendor": result_of(
            rows,
            incidents=incidents,
            account=full_account(rows),
            zone=zones["seoul"],
            runbook={"vendor/quote": "https://wiki.example/quote", "vendor": "https://status.example"},
        ),
        "vendor-over": result_of(
            over,
            incidents=over_incidents,
            zone=zones["utc"],
        ),
        "application": result_of(_mostly(OUR_FAULT, healthy=800, failing=100)),
        "bottleneck": result_of(
            [*queue[:-100], *({**row, "upstream_calls": None} for row in queue[-100:])],
            incidents=[incident(Class.BOTTLENECK, 20, 23, requests=100, functions=["quote"])],
        ),
        "unknown": result_of(
            _mostly(NO_EVIDENCE, healthy=800, failing=100),
            incidents=[incident(Class.UNKNOWN, 20, 23, requests=100, functions=["quote"])],
        ),
        "mixed": result_of(_mixed()),
        "no-problem": result_of(_mostly(OUR_FAULT, healthy=1986, failing=14)),
        "nothing-at-all": result_of(_mostly({}, healthy=900, failing=0)),
        "few": result_of(_mostly(VENDOR_DOWN, healthy=4, failing=3)),
        "untimed": result_of([{**row, "at": None} for row in _mostly(VENDOR_DOWN, healthy=50, failing=30)]),
        "empty": result_of([], account=InputAccount(files=1), paths=("-",)),
        "rejects": result_of(
            [request(1, 1.0)],
            account=InputAccount(
                files=1,
                lines=3,
                records=1,
                rejected=2,
                rejected_by_reason={"json": 1, "range": 1},
                first_at=START,
                last_at=START,
            ),
        ),
    }


def screens() -> Iterator[Screen]:
    for width in (60, 80, 120):
        for ascii_only in (False, True):
            yield Screen(world="vendor", style=Style(width=width, ascii_only=ascii_only))
    for world in results():
        if world != "vendor":
            yield Screen(world=world)
    yield Screen(world="vendor", style=Style(width=100, verbosity=1))
    yield Screen(world="vendor", style=Style(width=40))
    for world in ("vendor", "mixed", "no-problem"):
        yield Screen(world=world, style=Style(width=200, oneline=True))
        yield Screen(world=world, style=Style(width=200, verbosity=-1))


def output(screen: Screen) -> str:
    return b"".join(writer("text")(results()[screen.world], screen.style)).decode()


def shown(text: str, *, columns: int, lines: int = 60) -> str:
    """What a terminal of that size shows after *text*, without empty lines at the end."""
    terminal = pyte.Screen(columns, lines)
    pyte.Stream(terminal).feed(text.replace("\n", "\r\n"))
    return "\n".join(line.rstrip() for line in terminal.display).rstrip("\n") + "\n"


def picture(screen: Screen) -> str:
    return shown(output(screen), columns=screen.style.width)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for each in screens():
        each.path.write_text(picture(each), encoding="utf-8")
