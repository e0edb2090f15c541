"""The page as a file: what it holds, what it may load (nothing), and that its numbers are those of every output."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from attribute.cli.job import prepare
from attribute.cli.options import AnalysisFlags
from attribute.cli.run import analyse_and_build
from attribute.reports import email, html, markdown, slack
from attribute.reports.document import Column, Document, Kind, Section, Table, bare
from attribute.reports.html import environment
from attribute.reports.incident_view import incident_document
from attribute.reports.json_result import document as as_json
from attribute.reports.model import Result
from attribute.reports.wording import count, percent
from tests.report_pages.worlds import SVG, XHTML, mail_of, texts, tree
from tests.reports.world import full_account, outage, request, result_of

FIXTURES = Path(__file__).parents[2] / "fixtures"
SCENARIOS = tuple(sorted(path.parent.name for path in FIXTURES.glob("*/logs")))


def outage_result() -> Result:
    rows, incidents = outage()
    return result_of(rows, incidents=incidents, account=full_account(rows))


@pytest.fixture(scope="module")
def page() -> bytes:
    return html.render(incident_document(outage_result()))


def test_page_allows_its_one_style_and_nothing_else(page: bytes) -> None:
    """The policy names the hash of the one style; there is no script, no style attribute and nothing to load."""
    text = page.decode()
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert [unescape(each) for each in policy] == [
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    ]
    root = tree(page)
    tags = {str(element.tag).rpartition("}")[2] for element in root.iter("*")}
    assert not tags & {"script", "link", "img", "iframe", "object", "form", "input", "base", "use", "image"}
    assert not [e for e in root.iter("*") if {"style", "src", "srcset", "data"} & set(e.attrib)]
    assert "@import" not in style[0]
    assert "url(" not in style[0]


def test_page_has_landmarks_one_heading_and_names_for_all(page: bytes) -> None:
    """A reader without eyes finds the way: language, title, one h1, landmarks, captions, ids that are there once."""
    root = tree(page)
    assert root.get("lang") == "en"
    for tag, times in (("h1", 1), ("main", 1), ("header", 1), ("footer", 1), ("nav", 1), ("title", 1)):
        assert len(root.findall(f".//{XHTML}{tag}")) == times, tag
    tables = root.findall(f".//{XHTML}table")
    assert len(tables) > 8
    for table in tables:
        caption = table.find(f"{XHTML}caption")
        assert caption is not None
        assert texts(caption)
        assert {th.get("scope") for th in table.findall(f".//{XHTML}th")} == {"col", "row"}
        rows = table.findall(f".//{XHTML}tr")
        assert {len(list(row)) for row in rows} == {len(list(rows[0]))}
    ids = [element.get("id") for element in root.iter("*") if element.get("id")]
    assert len(ids) == len(set(ids))
    anchors = [a.get("href", "") for a in root.findall(f".//{XHTML}a")]
    assert all(anchor.removeprefix("#") in ids for anchor in anchors)


def test_every_chart_has_a_name_a_description_and_its_table(page: bytes) -> None:
    """Nothing depends on seeing a drawing: what it shows stands in a table of the same figure."""
    figures = tree(page).findall(f".//{XHTML}figure")
    assert len(figures) == 3
    for figure in figures:
        svg = figure.find(f".//{SVG}svg")
        assert svg is not None
        assert svg.get("role") == "img"
        assert svg.find(f"{SVG}title") is not None
        assert svg.find(f"{SVG}desc") is not None
        assert len(figure.findall(f".//{XHTML}tbody/{XHTML}tr")) >= 3


def test_timeline_bars_are_as_high_as_their_numbers(page: bytes) -> None:
    """Bars of a class grow with the counts of the table below them."""
    figure = tree(page).findall(f".//{XHTML}figure")[0]
    heights = [float(bar.get("height", 0)) for bar in figure.iter(f"{SVG}rect") if bar.get("class") == "vendor"][:-1]
    rows = [[texts(cell).strip() for cell in row] for row in figure.findall(f".//{XHTML}tbody/{XHTML}tr")]
    numbers = [int(row[2].replace(",", "")) for row in rows if row[2] not in {"0", "-"}]
    assert len(heights) == len(numbers)
    ratios = {round(height / number, 1) for height, number in zip(heights, numbers, strict=True)}
    assert max(ratios) - min(ratios) <= 0.15 * max(ratios)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_report_of_a_fixture_fits_and_says_the_numbers_of_the_json(scenario: str, tmp_path: Path) -> None:
    """One view model: classes, totals and shares are the same in JSON, HTML, Markdown and mail; all within budget."""
    flags = AnalysisFlags(
        paths=(str(FIXTURES / scenario / "logs"),), now="2026-11-17T00:00:00Z", isolated=True, no_progress=True
    )
    result = analyse_and_build(prepare(flags))
    document = incident_document(result)
    page, text, mail = html.render(document), markdown.render(document), email.render(document)
    assert len(page) <= 300_000
    assert len(text.decode()) <= markdown.BUDGET
    assert len(mail) < email.BUDGET_BYTES
    assert len(slack.render(document)) < 3 * slack.MAX_CHARACTERS
    values = as_json(result)
    requests, classes = values["requests"], values["classes"]
    assert isinstance(requests, dict)
    assert isinstance(classes, dict)
    if result.exit_code:
        assert "CANNOT JUDGE" in texts(tree(page))
        return
    _, mail_text, mail_page = mail_of(mail)
    for shown in (texts(tree(page)), text.decode(), mail_text, texts(tree(mail_page.encode()))):
        assert count(requests["total"]) in shown
        assert count(requests["incident"]) in shown
    table = next(block for block in document.sections[0].blocks if getattr(block, "caption", "").endswith("by class"))
    rows = {str(row[0]): row for row in table.rows}  # type: ignore[union-attr]  # chosen by its caption
    for class_, number in classes.items():
        assert rows[class_][1] == count(number)
        if requests["incident"] >= 20:
            assert rows[class_][2] == percent(number / requests["incident"])


def test_report_of_few_requests_has_no_percentages() -> None:
    """Of seven requests one is one, not 14.3 %."""
    rows = [request(n, n, fields={"status": 502, "upstream_status": 503} if n < 3 else None) for n in range(7)]
    document = incident_document(result_of(rows))
    shown = texts(tree(html.render(document)))
    assert "3 of 7" in shown
    assert "%" not in shown.replace("% of requests", "")


@pytest.mark.parametrize("rows", [[], [request(1, None)], [request(1, 3)]], ids=["nothing", "untimed", "one"])
def test_report_of_nearly_nothing_says_so(rows: list[dict[str, object]]) -> None:
    """No request, one without a time, or one at all: a whole page that says what there is."""
    document = incident_document(result_of(rows))
    for text in (html.render(document), markdown.render(document), email.render(document), slack.render(document)):
        assert b"Report" in text
    assert document.state in {"CANNOT JUDGE", "NO PROBLEM"}
    assert document.sections[-1].anchor == "method"
    if rows and rows[0]["at"] is None:
        assert "No record has a time, so nothing here says when." in document.subtitle


def test_report_names_the_vendor_where_the_logs_do() -> None:
    """Who it was is beside the class, as far as the records say."""
    rows, incidents = outage()
    whose = dict(incident_document(result_of(rows, incidents=incidents)).facts)["Whose"]
    assert whose == "vendor, 1 function touched"
    named = [replace(each, upstreams=(("rates", 9), (None, 1))) for each in incidents]
    whose = dict(incident_document(result_of(rows, incidents=named)).facts)["Whose"]
    assert whose == "vendor (rates), 1 function touched"


def test_report_never_names_a_cause_by_itself(page: bytes) -> None:
    """Causes, triggers and lessons are blanks for people, each with what belongs there."""
    shown = texts(tree(page))
    for blank in ("Root causes", "Trigger", "What went well", "What went wrong", "Where we got lucky"):
        assert re.search(rf"{blank}\s+To be written\.", shown), blank


def test_templates_escape_whatever_they_are_called() -> None:
    """Autoescape is on for every template, not by the ending of its name, and a forgotten value is an error."""
    made = environment()
    assert made.autoescape is True
    assert made.from_string("{{ it }}").render(it="<b>\x1b") == "&lt;b&gt;\\u{1b}"


def test_same_result_gives_the_same_bytes() -> None:
    """Nothing of the moment, the machine or the order of a set gets into a report."""
    first, second = (incident_document(outage_result()) for _ in range(2))
    for render in (html.render, markdown.render, email.render, slack.render):
        assert render(first) == render(second)


def test_mail_has_a_text_and_a_page_that_say_the_same() -> None:
    """Two parts of one mail: all that the tables say stands in the text, and the subject says what it is about."""
    document = incident_document(outage_result())
    message, text, page = mail_of(email.render(document))
    assert message["Subject"] == f"{document.state}: {document.title}"
    assert all(len(line) <= 76 or " " not in line.strip() or line.startswith("    ") for line in text.split("\n"))
    flat = " ".join(text.split())
    assert " ".join(document.sentence.split()) in flat
    assert all(f"{label}: {value}" in flat for label, value in document.facts)
    root = tree(page.encode())
    for each in document.next_commands:
        assert each in text
        assert each in texts(root)
    for section in document.sections:
        assert (f"\n{section.title}\n---" in text) == section.brief
        for block in section.blocks if section.brief else ():
            if isinstance(block, Table) and not block.folded:
                cells = [
                    bare(cell) if column.kind is Kind.ADVICE else cell
                    for row in block.rows
                    for cell, column in zip(row, block.columns, strict=True)
                    if isinstance(cell, str)
                ]
                assert [cell for cell in cells if " ".join(cell.split()) not in flat] == []


def test_mail_over_its_budget_has_fewer_rows_and_says_so() -> None:
    """The whole mail stays under 80 kB as it is sent; what is left out is counted in both parts."""
    names = tuple(f"{'long' * 30}-{number}" for number in range(60))
    table = Table(caption="Many", columns=(Column("name"), Column("again")), rows=tuple((n, n * 4) for n in names))
    document = Document(
        title="Large",
        state="MIXED",
        class_="",
        subtitle=(),
        sentence="Much.",
        sections=(Section(anchor="many", title="Many", blocks=(table,), brief=True),),
    )
    mail = email.render(document)
    assert len(mail) < email.BUDGET_BYTES
    _, text, page = mail_of(mail)
    shown = sum(1 for name in names if f"- {name}:" in text)
    assert 0 < shown < 60
    assert f"{60 - shown} more rows in the full report" in text
    assert f"{60 - shown} more rows are in the full report" in texts(tree(page.encode()))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("https://evil.example/x", "https\\u{3a}//evil.example/x"),
        ("www.evil.example", "www\\u{2e}evil.example"),
        ("a@evil.example", "a\\u{40}evil.example"),
        ("a: b//c @SUM(A1) module.name", "a: b//c @SUM(A1) module.name"),
    ],
)
def test_mail_makes_no_link_of_a_name(name: str, expected: str) -> None:
    """Mail programs link what looks like a link; a name from a log does not. What the configuration says may be one."""
    rows, incidents = outage(ongoing=False)
    named = [{**row, "error_code": name if row["error_code"] else None} for row in rows]
    runbook = {"vendor": "https://wiki.test/vendor"}
    document = incident_document(result_of(named, incidents=incidents, runbook=runbook))
    _, text, page = mail_of(email.render(document))
    table = Section(
        anchor="x", title="x", blocks=(Table(caption="x", columns=(Column("x"),), rows=((name,),)),), brief=True
    )
    _, small, small_page = mail_of(email.render(replace(document, sections=(table,))))
    for shown in (small, texts(tree(small_page.encode()))):
        assert expected in shown
        assert "https://wiki.test/vendor" in shown
    assert name == expected or name not in text + page
