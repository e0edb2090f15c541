"""Whatever stands in a log, a file name or a note: it is shown, and it is nothing but text."""

from __future__ import annotations

import csv
import io
import json
import shlex
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import orjson
import pyte
import pytest
from markdown_it import MarkdownIt

from attribute.reports import email, html, markdown, slack
from attribute.reports.asked import Typed
from attribute.reports.document import Commands, Document, Section
from attribute.reports.escalate import package
from attribute.reports.escape import visible
from attribute.reports.incident_view import focus_of, incident_document
from attribute.reports.model import Result
from attribute.reports.shelf import entry_of, index
from tests.report_pages.names import AT_ONCE, CALM, NAMES, PACKS
from tests.report_pages.worlds import (
    hostile_incident,
    hostile_result,
    hostile_weekly,
    kinds,
    mail_of,
    shape,
    texts,
    tokens,
    tree,
)
from tests.reports.hostile import acts

DOCUMENTS: tuple[Callable[[Sequence[str]], Document], ...] = (hostile_incident, hostile_weekly)
Maker = Callable[[Sequence[str]], Document]


@cache
def made(maker: Maker, names: tuple[str, ...]) -> Document:
    return maker(names)


@cache
def result_with(names: tuple[str, ...]) -> Result:
    return hostile_result(names)


@cache
def calm_page(maker: Maker) -> Counter[tuple[str, tuple[str, ...]]]:
    return shape(tree(html.render(made(maker, CALM))))


everything = pytest.mark.parametrize("maker", DOCUMENTS, ids=["incident", "weekly"])
every_name = pytest.mark.parametrize("names", PACKS, ids=[f"names{number}" for number in range(len(PACKS))])


def test_every_name_is_tried() -> None:
    """The packs leave none out."""
    assert {name for pack in PACKS for name in pack} == set(NAMES)
    assert {len(set(pack)) for pack in PACKS} == {AT_ONCE}


@everything
@every_name
def test_page_with_any_name_has_the_elements_of_a_page_with_a_calm_one(maker: Maker, names: tuple[str, ...]) -> None:
    """No name makes an element, an attribute, a row or a link in HTML; it is there, as text."""
    page = html.render(made(maker, names))
    root = tree(page)
    assert shape(root) == calm_page(maker)
    shown = texts(root)
    assert all(visible(name) in shown for name in names)
    assert not acts(page.decode())
    for element in root.iter():
        assert not any(attribute.startswith("on") or attribute == "style" for attribute in element.attrib)
        assert element.get("href", "#").startswith("#")


@everything
@every_name
def test_markdown_with_any_name_has_the_tokens_of_markdown_with_a_calm_one(
    maker: Maker, names: tuple[str, ...]
) -> None:
    """No name makes a heading, a row, a cell, a link, an image or HTML in Markdown; it is there, in a code span."""
    words = frozenset({"text", "code_inline", "text_special", "fence"})
    text = markdown.render(made(maker, names))
    assert kinds(text, but=words) == kinds(markdown.render(made(maker, CALM)), but=words)
    spans = "\n".join(token.content for token in tokens(text) if token.type == "code_inline")
    for name in names:
        shown = visible(name).strip()
        assert shown in spans or shown.replace("|", "\\u{7c}") in spans
    assert not acts(text.decode())


@everything
@every_name
def test_mail_and_message_with_any_name_are_as_with_a_calm_one(maker: Maker, names: tuple[str, ...]) -> None:
    """The same for the mail, and for Slack, where only `&<>` mean something and code blocks end at backticks."""
    (mail, text, page), (calm_mail, calm_text, calm_html) = (
        mail_of(email.render(made(maker, n))) for n in (names, CALM)
    )
    assert shape(tree(page.encode())) == shape(tree(calm_html.encode()))
    assert mail.items()[:2] == calm_mail.items()[:2]
    assert mail.keys() == calm_mail.keys() == ["Subject", "X-Unsent", "MIME-Version", "Content-Type"]
    assert not acts(text)
    assert not acts(page)
    ours = [[line for line in each.split("\n") if line.startswith("-")] for each in (text, calm_text)]
    assert len(ours[0]) == len(ours[1])
    assert [line for line in ours[0] if set(line) == {"-"}] == [line for line in ours[1] if set(line) == {"-"}]
    linkify = MarkdownIt("gfm-like", {"linkify": True}).linkify
    assert linkify is not None
    runbook = visible(names[0])  # what the configuration says may be a link
    for shown in (text, texts(tree(page.encode()))):
        found = linkify.match(shown.replace(runbook, "")) or ()
        assert [each.text for each in found if each.schema not in {"", "//"} or "www." in each.text] == []
    message, calm = (orjson.loads(slack.render(made(maker, each))) for each in (names, CALM))
    assert [block["type"] for block in message["blocks"]] == [block["type"] for block in calm["blocks"]]
    for block in message["blocks"]:
        text = block.get("text", {"type": "plain_text", "text": ""})
        if text["type"] == "mrkdwn":
            assert text["verbatim"]
            assert not set("<>") & set(text["text"])
            assert text["text"].count("```") == 2
            assert text["text"].count("`") == 6
    assert not acts(json.dumps(message, ensure_ascii=False))


@every_name
def test_package_with_any_name_keeps_its_columns_and_starts_no_formula(names: tuple[str, ...]) -> None:
    """In the CSV files for the vendor every row has as many fields as the head, and none is a formula."""
    result = result_with(names)
    incident = focus_of(result)
    assert incident is not None
    for name in names:
        made_package = package(result, incident, upstream=name)
        with zipfile.ZipFile(io.BytesIO(made_package.archive)) as archive:
            for file in ("requests.csv", "minutes.csv"):
                text = archive.read(file).decode()
                rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
                assert {len(row) for row in rows} == {len(rows[0])}
                assert len(rows) > 10
                assert not [cell for row in rows for cell in row if formula(cell)]
                assert not acts(text, allowed="\r\n")
        found = kinds(made_package.message)
        assert not {"html_inline", "html_block", "link_open", "image"} & found.keys()


def formula(cell: str) -> bool:
    """Whether a spreadsheet would calculate with the cell."""
    return cell.lstrip(' "').startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20")) and not cell.startswith("'")


@every_name
def test_charts_with_any_name_are_well_formed_xml(names: tuple[str, ...]) -> None:
    """Each drawing can be cut out of the page and opened as a file of its own."""
    page = html.render(made(hostile_incident, names)).decode()
    drawings = page.split("<svg xmlns")[1:]
    assert len(drawings) == 3
    for rest in drawings:
        root = ET.fromstring("<svg xmlns" + rest[: rest.index("</svg>")] + "</svg>")
        assert root.get("role") == "img"


@every_name
def test_markdown_on_a_terminal_moves_no_cursor(names: tuple[str, ...]) -> None:
    """Printed as it is, a report fills one line of a terminal per line of its text."""
    lines = markdown.render(made(hostile_incident, names)).decode().split("\n")[:40]
    screen = pyte.Screen(4000, 60)
    pyte.Stream(screen).feed("\r\n".join(lines))
    assert screen.cursor.y == len(lines) - 1
    assert screen.title == ""
    assert [bool(line.strip()) for line in screen.display[: len(lines)]] == [bool(line) for line in lines]
    assert screen.display[0].startswith("# Incident report: vendor")


@pytest.mark.parametrize("name", ["a\u202eb", "a\nb", "-"])
def test_path_that_cannot_be_shown_makes_no_command_to_copy(name: str) -> None:
    """A command with a path that reads differently from what it is would do something else than it says."""
    result = replace(result_with(CALM), typed=Typed(paths=(name,)), next_commands=())
    assert incident_document(result).next_commands == ()
    assert incident_document(replace(result, typed=Typed(paths=("$(x) `y`",)))).next_commands == (
        f"attribute escalate {result.incidents[0].id} '$(x) `y`' --out escalation/",
    )


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_list_of_reports_shows_what_a_json_says_as_text(name: str) -> None:
    """The list is made from files that somebody may have changed: their words are text, their names are checked."""
    document = {
        "schema": "attribute.weekly/1",
        "headline": name,
        "since": name,
        "generated_at": name,
        "result": {"verdict": {"state": name}},
    }
    files = frozenset({"2026-W47.html", "2026-W47.json", f"{name}.html"})
    entry = entry_of("2026-W47", orjson.dumps(document), files)
    assert entry is not None
    calm = entry_of("2026-W47", orjson.dumps({**document, "headline": "x", "since": "x", "generated_at": "x"}), files)
    assert calm is not None
    page = index([entry])
    root = tree(page)
    assert shape(root) == shape(tree(index([calm])))
    assert visible(name) in texts(root)
    assert not acts(page.decode())
    assert (entry_of(name, orjson.dumps(document), files) is None) == (name not in {"NaN", "null", "W" * 100})


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_command_with_any_path_is_one_line_of_code(name: str) -> None:
    """A file may be called anything: the commands to copy and the command that was typed stay code in every format."""

    def document(command: str) -> Document:
        block = Section(anchor="m", title="Method", blocks=(Commands((command,)),), brief=True)
        return replace(made(hostile_incident, CALM), next_commands=(command,), sections=(block,))

    ours, calm = document(f"attribute {shlex.quote(name)}"), document("attribute calm")
    assert shape(tree(html.render(ours))) == shape(tree(html.render(calm)))
    assert kinds(markdown.render(ours)) == kinds(markdown.render(calm))
    (_, text, page), (_, calm_text, calm_html) = (mail_of(email.render(each)) for each in (ours, calm))
    assert shape(tree(page.encode())) == shape(tree(calm_html.encode()))
    assert len(text.split("\n")) == len(calm_text.split("\n"))
    message, calm_message = (orjson.loads(slack.render(each)) for each in (ours, calm))
    assert [block["type"] for block in message["blocks"]] == [block["type"] for block in calm_message["blocks"]]
    for shown in (html.render(ours).decode(), markdown.render(ours).decode(), text, page):
        assert not acts(shown)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"schema":"attribute.weekly/1"}', b'{"schema":["x"]}', b"\xff"]
)
def test_json_that_is_not_ours_is_not_listed(content: bytes) -> None:
    """A stray file beside the reports is no report."""
    assert entry_of("2026-W47", content, frozenset({"2026-W47.html"})) is None
