from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from xml.etree import ElementTree as ET

import orjson
import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt

from attribute.reports.escape import (
    MAX_CHARACTERS,
    MAX_MARKS,
    cells,
    csv_cell,
    fit,
    github_data,
    github_property,
    json_bytes,
    markdown_cell,
    terminal,
    tsv_cell,
    visible,
    xml_text,
)
from tests.reports.hostile import PAYLOADS, acts, any_text, text


@settings(deadline=None)
@given(any_text)
def test_visible_any_text_holds_nothing_that_acts(value: str) -> None:
    """Whatever was in it, no character is left that moves a cursor, turns the reading order or hides."""
    shown = visible(value)
    assert acts(shown, allowed="") == []
    assert acts(visible(value, ascii_only=True), allowed="") == []
    assert visible(value, ascii_only=True).isascii()


@settings(deadline=None)
@given(any_text)
def test_visible_twice_changes_nothing_more(value: str) -> None:
    """Escaping text that was escaped before, as happens when layers meet, shows the same."""
    shown = visible(value)
    if len(shown) <= MAX_CHARACTERS:
        assert visible(shown) == shown


def test_visible_flood_of_marks_is_cut_after_a_few() -> None:
    """A flood of combining marks does not paint over the lines above; the base keeps as many as scripts need."""
    shown = visible("e" + "\u0301" * 100)
    assert sum(unicodedata.category(c) == "Mn" for c in shown) == MAX_MARKS
    assert shown.count("\\u{301}") == 100 - MAX_MARKS


def test_visible_leading_mark_does_not_join_what_stands_before() -> None:
    """A value that starts with a combining mark cannot change our own character in front of it."""
    assert visible("\u0301x") == "\\u{301}x"


def test_visible_ordinary_text_of_many_scripts_is_left_alone() -> None:
    """Names in any living script stay readable."""
    for name in ("quote/upstream", "견적", "é", "e\u0301", "報価", "عرض", "цена"):
        assert visible(name) == name


def test_visible_huge_text_says_how_much_was_left_out() -> None:
    """A megabyte in one field does not fill the screen."""
    shown = visible("x" * 10**6)
    assert shown == "x" * MAX_CHARACTERS + f"(+{10**6 - MAX_CHARACTERS:,} characters)"


@settings(deadline=None)
@given(any_text)
def test_fit_any_width_is_never_exceeded(value: str) -> None:
    """A cut text takes at most the columns it was given, also with wide characters and marks."""
    for width in (1, 3, 4, 10, 40):
        assert cells(terminal(value, limit=width)) <= width
        assert cells(terminal(value, limit=width, ascii_only=True)) <= width


def test_fit_text_that_fits_is_not_cut() -> None:
    """A mark that something was cut only stands where something was."""
    assert fit("abc", 3) == "abc"
    assert fit("abcd", 3) == "ab\u2026"
    assert fit("abcd", 3, ascii_only=True) == "..."
    assert fit("\u4e00\u4e00", 3) == "\u4e00\u2026"


def _read_back(cell: str) -> str:
    names = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}

    def one(match: re.Match[str]) -> str:
        return names[match[1]] if match[1] else chr(int(match[2], 16))

    return re.sub(r"\\(?:([tnr\\])|u\{([0-9a-f]+)\})", one, cell)


@settings(deadline=None)
@given(any_text)
def test_tsv_cell_any_text_reads_back(value: str) -> None:
    """A field of plain output is one field on one line, and what it stood for can be had back."""
    cell = tsv_cell(value)
    assert acts(cell, allowed="") == []
    if len(value) <= MAX_CHARACTERS:
        assert _read_back(cell) == value


@settings(deadline=None)
@given(any_text)
def test_csv_cell_any_text_is_no_formula(value: str) -> None:
    """Opened in a spreadsheet, no value from a log is evaluated."""
    shown = csv_cell(value)
    assert not shown.lstrip(" \u3000\u00a0\"'" if not shown.startswith("'") else "").startswith(
        ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
    )
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow(["a", shown, "b"])
    assert list(csv.reader(io.StringIO(out.getvalue(), newline=""))) == [["a", shown, "b"]]


@pytest.mark.parametrize("value", ["=1", "+1", "-1+1", "@SUM(A1)", " =1", '"=1', "'=1", "\uff1d1", "\uff20SUM(1)"])
def test_csv_cell_formula_start_gets_an_apostrophe(value: str) -> None:
    """Each way in which a spreadsheet finds a formula is closed."""
    assert csv_cell(value).startswith("'")


@settings(deadline=None)
@given(any_text)
def test_xml_text_any_text_parses_back(value: str) -> None:
    """XML 1.0 forbids characters that logs hold; what is written is well-formed and says the same."""
    encoded = xml_text(value)
    element = ET.fromstring(f'<a b="{encoded}">{encoded}</a>')
    assert (element.text or "") == visible(value)
    assert element.attrib == {"b": visible(value)}


@settings(deadline=None)
@given(any_text)
def test_markdown_cell_any_text_stays_one_code_span_in_one_cell(value: str) -> None:
    """A real CommonMark parser finds a table of the same shape, and in the cell a code span and no more."""
    table = f"| a | b |\n| --- | --- |\n| {markdown_cell(value)} | end |\n"
    tokens = MarkdownIt("gfm-like").parse(table)
    cells_found = [token for token in tokens if token.type == "inline"]
    assert [token.content for token in cells_found[:2]] == ["a", "b"]
    assert len(cells_found) == 4
    assert cells_found[3].content == "end"
    kinds = [child.type for child in cells_found[2].children or []]
    assert kinds in (["code_inline"], ["text"])
    if kinds == ["text"]:
        assert not visible(value).strip()
    else:
        shown = (cells_found[2].children or [])[0].content
        assert shown.replace("\\u{7c}", "|").strip() == visible(value).replace("\\u{7c}", "|").strip()


@settings(deadline=None)
@given(any_text)
def test_github_encoders_any_text_is_one_command(value: str) -> None:
    """A runner reads one workflow command, and the value cannot end it or begin another."""
    line = f"::error file={github_property(value)},title=x::{github_data(value)}"
    assert line.count("\n") == 0
    assert line.count("\r") == 0
    assert ":" not in github_property(value)
    assert "," not in github_property(value)


@settings(deadline=None)
@given(text)
def test_json_bytes_any_text_keeps_its_value_and_shows_nothing_that_acts(value: str) -> None:
    """Printing the JSON output on a terminal is as safe as reading it by program, and both see the same value."""
    written = json_bytes(orjson.dumps({value: value}))
    assert json.loads(written) == {value: value}
    assert acts(written.decode(), allowed="") == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_encoder_every_payload_gives_one_line(payload: str) -> None:
    """No payload makes a second line in any medium."""
    for encoder in (terminal, tsv_cell, csv_cell, xml_text, markdown_cell, github_data, github_property):
        assert len(encoder(payload).splitlines()) <= 1
