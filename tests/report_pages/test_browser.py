"""The pages in a real browser: nothing leaves, nothing is refused, everybody can read them, paper shows all of it."""

from __future__ import annotations

import io
import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Route,
    ViewportSize,
    sync_playwright,
)
from pypdf import PdfReader

from attribute.reports import email, html
from attribute.reports.asked import Goal
from attribute.reports.incident_view import incident_document
from attribute.reports.shelf import Entry, index
from attribute.reports.weekly_view import weekly_document
from tests.report_pages.worlds import XHTML, large_month, mail_of, texts, tree, weekly_of
from tests.reports.world import analysis_of, full_account, outage, result_of

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
URL = "http://reports.test/page.html"

if not CHROMIUM.exists() and os.environ.get("CI") != "true":
    pytest.skip("/usr/bin/chromium is not installed (Debian's package `chromium`)", allow_module_level=True)


def pages() -> dict[str, bytes]:
    rows, incidents = outage(ongoing=False)
    account = full_account(rows)
    result = result_of(rows, incidents=incidents, account=account, runbook={"vendor": "https://wiki.test/vendor"})
    goals = (Goal(name="all", target=0.5), Goal(name="quote", target=0.995, functions=("quote", "cart"), weeks=1))
    weekly = weekly_of(analysis_of(rows, account=account), week="2026-W46", goals=goals)
    large = weekly_of(large_month(900, functions=2, failing_per_cell=9_000))
    return {
        "incident": html.render(incident_document(result)),
        "weekly": html.render(weekly_document(weekly, command="attribute report weekly logs/")),
        "large week": html.render(weekly_document(large, command="attribute report weekly logs/")),
    }


PAGES = pages()
each_page = pytest.mark.parametrize("name", ["incident", "weekly"])
wide_too = pytest.mark.parametrize("name", ["incident", "weekly", "large week"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield opened
        opened.close()


class Visit:
    """A page opened over HTTP, with all that the browser asked for and complained of."""

    def __init__(self, context: BrowserContext, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._body = body
        self._headers = {"content-type": "text/html; charset=utf-8", **(headers or {})}
        self.page: Page = context.new_page()
        self.page.route("**/*", self._serve)
        self.page.on("request", self._asked)
        self.page.on("console", self._complained)
        self.page.goto(URL)

    def _serve(self, route: Route) -> None:
        if route.request.url == URL:
            route.fulfill(status=200, body=self._body, headers=self._headers)
        else:
            route.abort()

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def _complained(self, message: ConsoleMessage) -> None:
        self.complaints.append(message.text)


@each_page
@pytest.mark.parametrize("jenkins", [False, True], ids=["own policy", "jenkins"])
def test_page_asks_for_nothing_and_nothing_is_refused(browser: Browser, name: str, *, jenkins: bool) -> None:
    """One request, the page itself; no complaint under its own policy, and it can be read under Jenkins' default."""
    headers = {"content-security-policy": JENKINS} if jenkins else None
    with browser.new_context() as context:
        visit = Visit(context, PAGES[name], headers)
        assert visit.requests == [URL]
        refused = [text for text in visit.complaints if not (jenkins and "inline style" in text)]
        assert refused == []
        assert visit.page.locator("h1").is_visible()
        chart = visit.page.locator("figure svg").first
        box = chart.bounding_box()
        assert box is not None
        assert box["width"] > 600
        fill = "e => getComputedStyle(e).fill"
        assert visit.page.locator("figure svg text.ink").first.evaluate(fill) == "rgb(27, 27, 27)"


@each_page
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_no_barrier_that_axe_knows(browser: Browser, name: str, scheme: str) -> None:
    """Contrast, names, order, tables, landmarks: no finding, by day and by night."""
    with browser.new_context(color_scheme=scheme, bypass_csp=True) as context:  # type: ignore[arg-type]  # one of two literals
        visit = Visit(context, PAGES[name])
        visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        results = Axe().run(visit.page)
        assert [(each["id"], each["nodes"][0]["html"]) for each in results.response["violations"]] == []


@wide_too
@pytest.mark.parametrize("width", [375, 800, 1440])
def test_page_fits_its_window(browser: Browser, name: str, width: int) -> None:
    """The page never scrolls sideways, only wide tables and charts do; no text of a chart is over another."""
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        visit = Visit(context, PAGES[name])
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        overlaps = visit.page.evaluate(
            """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
                const box = svg.getBoundingClientRect();
                const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
                const bad = texts.filter(([, r]) => r.left < box.left - 1 || r.right > box.right + 1
                    || r.top < box.top - 1 || r.bottom > box.bottom + 1).map(([t]) => 'outside: ' + t);
                for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length; j++) {
                    const [a, p] = texts[i], [b, q] = texts[j];
                    if (p.left < q.right - 1 && q.left < p.right - 1
                        && p.top + 2 < q.bottom - 2 && q.top + 2 < p.bottom - 2)
                        bad.push(a + ' over ' + b);
                }
                return bad;
            })"""
        )
        assert overlaps == []


@each_page
def test_paper_shows_every_row_of_every_table(browser: Browser, name: str) -> None:
    """Also of those that the screen folds away."""
    with browser.new_context() as context:
        visit = Visit(context, PAGES[name])
        paper = PdfReader(io.BytesIO(visit.page.pdf(format="A4", prefer_css_page_size=True)))
    text = bare("".join(page.extract_text() for page in paper.pages))
    rows = tree(PAGES[name]).findall(f".//{XHTML}tbody/{XHTML}tr")
    assert len(rows) > 50
    cells = [bare(texts(cell)) for row in rows for cell in row]
    assert [cell for cell in cells if cell not in text] == []
    heads = [bare(texts(row[0])) for row in rows]
    assert all(text.count(head) >= 1 for head in heads)


def bare(text: str) -> str:
    """Without spaces, and without the ligatures that a font makes."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


@wide_too
def test_paper_is_as_wide_as_its_tables(browser: Browser, name: str) -> None:
    """On A4 no column is cut off."""
    with browser.new_context(viewport={"width": 688, "height": 900}) as context:
        visit = Visit(context, PAGES[name])
        visit.page.emulate_media(media="print")
        wide = "[...document.querySelectorAll('table')].filter(t => t.getBoundingClientRect().right > 689)"
        assert visit.page.evaluate(f"{wide}.map(t => t.caption.innerText)") == []


@each_page
def test_page_can_be_walked_with_the_keyboard(browser: Browser, name: str) -> None:
    """The first stop is the link past the head of the page, and it is seen when it has the focus."""
    with browser.new_context() as context:
        visit = Visit(context, PAGES[name])
        visit.page.keyboard.press("Tab")
        focused = visit.page.locator(":focus")
        assert focused.inner_text() == "Skip to the report"
        box = focused.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        visit.page.keyboard.press("Enter")
        assert visit.page.evaluate("document.activeElement.id") == "main"


@each_page
def test_page_works_without_scripts(browser: Browser, name: str) -> None:
    """With JavaScript off, the folded tables open all the same."""
    with browser.new_context(java_script_enabled=False) as context:
        visit = Visit(context, PAGES[name])
        assert visit.page.locator("main").is_visible()
        folded = visit.page.locator("details").first
        folded.locator("summary").click()
        assert folded.locator("tbody tr").first.is_visible()


def small_pages() -> dict[str, bytes]:
    """The list of a folder of reports, and the HTML of a mail."""
    rows, incidents = outage(ongoing=False)
    document = incident_document(result_of(rows, incidents=incidents, account=full_account(rows)))
    entry = Entry(
        name="V-20261116-1741-cd30",
        kind="incident",
        sentence=document.sentence,
        class_="vendor",
        made="2026-11-23 00:30:00 UTC",
        at="2026-11-16T17:41:00Z",
        page="V-20261116-1741-cd30.html",
        others=(("markdown", "V-20261116-1741-cd30.md"), ("email", "V-20261116-1741-cd30.eml")),
    )
    _, _, mail = mail_of(email.render(document))
    return {"list": index([entry, replace(entry, name="2026-W47", class_="")]), "mail": mail.encode()}


@pytest.mark.parametrize("name", ["list", "mail"])
def test_list_and_mail_ask_for_nothing_fit_a_phone_and_bar_nobody(browser: Browser, name: str) -> None:
    """The same for the two small pages: no request, no complaint, no scrolling sideways, no barrier that axe knows."""
    body = small_pages()[name]
    schemes: tuple[tuple[int, Literal["light", "dark"]], ...] = ((375, "light"), (800, "dark"), (1440, "light"))
    for width, scheme in schemes:
        window = ViewportSize(width=width, height=900)
        with browser.new_context(viewport=window, color_scheme=scheme, bypass_csp=True) as context:
            visit = Visit(context, body)
            assert visit.requests == [URL]
            assert visit.complaints == []
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
            found = Axe().run(visit.page).response["violations"]
            landmarks = {"region", "landmark-one-main"}  # a mail is shown within a page that has them
            barriers = [(each["id"], each["nodes"][0]["html"]) for each in found if each["id"] not in landmarks]
            assert barriers == []
            assert name == "mail" or not found


def test_browser_is_there_where_it_must_be() -> None:
    """In CI the browser tests never skip."""
    assert shutil.which("chromium") or CHROMIUM.exists()
