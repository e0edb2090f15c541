from __future__ import annotations

import re

import pytest

from attribute.engines.analysis import InputAccount, Window
from attribute.reports.escape import cells
from attribute.reports.model import Result
from attribute.reports.writers import Style, writer
from attribute.rules.words import Class
from tests.reports.golden import FOLDER, Screen, output, picture, results, screens
from tests.reports.world import START, VENDOR_DOWN, incident, request, result_of

ALL = list(screens())
NEXT_LINE = re.compile(r"^(NEXT  |      )(attribute|runbook) ")


@pytest.mark.parametrize("screen", ALL, ids=lambda screen: screen.path.stem)
def test_screen_every_world_looks_as_committed(screen: Screen) -> None:
    """What a terminal shows is a file that was looked at; `python -m tests.reports.golden` writes it anew."""
    assert picture(screen) == screen.path.read_text(encoding="utf-8")


def test_goldens_every_file_belongs_to_a_screen() -> None:
    """No golden is left behind by a screen that is gone."""
    assert sorted(path.name for path in FOLDER.glob("*.txt")) == sorted({screen.path.name for screen in ALL})


@pytest.mark.parametrize("width", [40, 60, 79, 80, 100, 119, 120, 160])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_screen_any_width_is_never_exceeded_but_by_commands_to_copy(width: int, ascii_only: bool) -> None:
    """Nothing wraps or is pushed out of its column; only a command that somebody will paste stays whole."""
    for world in results():
        for verbosity in (0, 1):
            style = Style(width=width, ascii_only=ascii_only, verbosity=verbosity)
            for line in output(Screen(world=world, style=style)).splitlines():
                assert cells(line) <= width or NEXT_LINE.match(line), (world, line)


@pytest.mark.parametrize("world", sorted(results()))
def test_screen_ascii_style_is_ascii(world: str) -> None:
    """A terminal without UTF-8 gets not one byte that it cannot show."""
    for width in (40, 80, 120):
        assert output(Screen(world=world, style=Style(width=width, ascii_only=True, verbosity=1))).isascii()


def test_screen_four_classes_fit_80_by_24_with_the_prompt_below() -> None:
    """On-call, on the smallest terminal: the whole answer without scrolling."""
    assert len(output(Screen(world="vendor")).splitlines()) <= 23


@pytest.mark.parametrize("world", sorted(results()))
def test_screen_every_time_of_day_carries_a_zone(world: str) -> None:
    """A time without a zone is a time that somebody will misread at night."""
    for style in (Style(), Style(width=60), Style(width=120, verbosity=1), Style(oneline=True), Style(verbosity=-1)):
        for line in output(Screen(world=world, style=style)).splitlines():
            for found in re.finditer(r"\b\d{2}:\d{2}(:\d{2})?\b", line):
                rest = line[found.end() :]
                assert re.match(r"( (KST|UTC)|Z|-\d{2}:\d{2}(:\d{2})? (KST|UTC)|\.\.\S+ \S+ (KST|UTC))", rest), line


def test_screen_colour_only_adds_to_what_is_there() -> None:
    """Meaning is never by colour alone: without the colours the screen is the same, to the letter."""
    for world in results():
        plain = output(Screen(world=world, style=Style(width=120)))
        coloured = output(Screen(world=world, style=Style(width=120, color=True)))
        assert "\x1b[" in coloured
        bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
        assert [line.rstrip() for line in bare.split("\n")] == plain.split("\n")


def test_screen_next_commands_are_whole() -> None:
    """A suggested command can be pasted as it stands, however narrow the terminal."""
    for command in results()["vendor"].next_commands:
        assert command in output(Screen(world="vendor", style=Style(width=40)))


def test_screen_incidents_of_severity_4_are_counted_and_listed_with_v() -> None:
    """A total outage within a minute is of severity 4, and not called chance."""
    rows = [request(n, n / 6000, "pay", VENDOR_DOWN) for n in range(5000)]
    brief = incident(Class.VENDOR, 0, 1, requests=5000, functions=["pay"], severity=4)
    result = result_of(rows, incidents=[brief])
    lines = {
        verbosity: [line for line in _lines(result, verbosity) if line.startswith("INCIDENT")] for verbosity in (0, 1)
    }
    assert lines == {
        0: ["INCIDENT 1 of severity 4, too short or too small to lead with (-v)"],
        1: ["INCIDENT severity 4  VENDOR 17:00-17:01 UTC, 5,000 requests in pay"],
    }


def test_screen_records_without_a_time_are_counted_beside_a_window() -> None:
    """They lie in no window, so they are in none of the numbers: the screen says how many there are."""
    account = InputAccount(files=1, lines=120, records=120, untimed=60)
    rows = [request(n, n / 40) for n in range(60)]
    result = result_of(rows, account=account, window=Window(since_at=START))
    assert "      ! 60 records without a time: in no incident and no window" in _lines(result, 0)


def _lines(result: Result, verbosity: int) -> list[str]:
    return b"".join(writer("text")(result, Style(verbosity=verbosity))).decode().splitlines()


def test_screen_same_result_gives_same_bytes() -> None:
    """Same input, options and now: same bytes."""
    for name in ("text", "plain", "json", "verdicts", "csv"):
        write = writer(name)
        result = results()["vendor"]
        assert b"".join(write(result, Style())) == b"".join(write(result, Style()))
