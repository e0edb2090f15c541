from __future__ import annotations

import re

import pytest

from attribute.reports.escape import cells
from attribute.reports.writers import Style, writer
from tests.reports.golden import FOLDER, Screen, output, picture, results, screens

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


def test_screen_same_result_gives_same_bytes() -> None:
    """Same input, options and now: same bytes."""
    for name in ("text", "plain", "json", "verdicts", "csv"):
        write = writer(name)
        result = results()["vendor"]
        assert b"".join(write(result, Style())) == b"".join(write(result, Style()))
