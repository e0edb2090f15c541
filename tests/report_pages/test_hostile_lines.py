"""The formats of lines and values, with any name in every field: the screen, plain text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from functools import cache

import pyte
import pytest

from attribute.reports.escape import tsv_cell, visible
from attribute.reports.model import Result
from attribute.reports.weekly_json import render as weekly_json
from attribute.reports.writers import Style, writer
from tests.report_pages.names import CALM, PACKS
from tests.report_pages.test_hostile import formula
from tests.report_pages.worlds import hostile_result, hostile_week
from tests.reports.hostile import acts

SCREENS = (Style(), Style(width=60, ascii_only=True), Style(width=160, verbosity=2), Style(oneline=True))
every_name = pytest.mark.parametrize("names", PACKS, ids=[f"names{number}" for number in range(len(PACKS))])


@cache
def result_with(names: tuple[str, ...]) -> Result:
    return hostile_result(names)


def written(format_: str, names: tuple[str, ...], style: Style | None = None) -> str:
    return b"".join(writer(format_)(result_with(names), style or Style())).decode()


@every_name
@pytest.mark.parametrize("style", SCREENS, ids=["80", "60 ascii", "160 more", "oneline"])
def test_screen_with_any_name_fills_its_lines_and_moves_no_cursor(names: tuple[str, ...], style: Style) -> None:
    """A terminal shows each line of the screen as one line, in order, with no title, colour or key set by a name."""
    lines = written("text", names, style).removesuffix("\n").split("\n")
    screen = pyte.Screen(1 + max(map(len, lines)) * 2, len(lines) + 1)
    pyte.Stream(screen).feed("\r\n".join(lines))
    assert screen.cursor.y == len(lines) - 1
    assert screen.title == ""
    for shown, line in zip(screen.display, lines, strict=False):
        assert shown.split() == line.split() or not line.isascii()
        assert bool(shown.strip()) == bool(line.strip())
    assert not acts("\n".join(lines))


@every_name
def test_plain_text_with_any_name_has_the_fields_of_one_with_a_calm_one(names: tuple[str, ...]) -> None:
    """As many lines, each of as many fields; the names are there, whole."""
    ours, calm = ([line.split("\t") for line in written("plain", each).split("\n")] for each in (names, CALM))
    assert [len(line) for line in ours] == [len(line) for line in calm]
    assert [line[0] for line in ours] == [line[0] for line in calm]
    functions = {line[1] for line in ours if line[0] == "function"}
    assert {tsv_cell(name) for name in names} <= functions
    assert not acts("\n".join("\t".join(line) for line in ours), allowed="\n\t")


@every_name
def test_csv_with_any_name_has_the_rows_of_one_with_a_calm_one_and_no_formula(names: tuple[str, ...]) -> None:
    """As many rows and columns, numbers that are numbers, and no cell that a spreadsheet would calculate with."""
    ours, calm = (
        list(csv.reader(io.StringIO(written("csv", each), newline=""), strict=True)) for each in (names, CALM)
    )
    assert [len(row) for row in ours] == [len(row) for row in calm]
    assert not [cell for row in ours for cell in row if formula(cell)]
    cells = {cell.removeprefix("'") for row in ours for cell in row}
    assert all(visible(name).removeprefix("'") in cells for name in names)
    assert not acts(written("csv", names), allowed="\r\n")


@every_name
def test_json_with_any_name_reads_back_to_the_very_name(names: tuple[str, ...]) -> None:
    """A program gets what stood in the log; a terminal that shows the file gets nothing that it acts on."""
    text = written("json", names)
    assert {row["function"] for row in json.loads(text)["functions"]} >= set(names)
    assert not acts(text)
    lines = written("verdicts", names).splitlines()
    assert len(lines) == len(written("verdicts", CALM).splitlines())
    verdicts = [json.loads(line) for line in lines]
    for key in ("function", "error_code"):
        assert {verdict[key] for verdict in verdicts} >= set(names)
    assert {verdict["request_id"][:-6] for verdict in verdicts} >= set(names)
    assert not acts("\n".join(lines))


@every_name
def test_json_of_a_week_with_any_name_reads_back_to_the_very_name(names: tuple[str, ...]) -> None:
    """The same for the file beside a weekly report, actions and goals included."""
    text = weekly_json(hostile_week(names)).decode()
    week = json.loads(text)
    assert {row["function"] for row in week["coverage"]} >= set(names)
    assert {row["upstream"] for row in week["vendors"]} >= set(names)
    assert {each["text"] for each in week["actions"]} == set(names)
    assert [each["name"] for each in week["goals"]] == list(names)
    assert not acts(text)
