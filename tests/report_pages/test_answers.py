"""An incident is told as the verdict only where the answer is about it; where nothing can be judged, it is not told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from attribute.incidents import group
from attribute.m1.errors import AttributionError
from attribute.reports import email, html, markdown, slack
from attribute.reports.document import Document
from attribute.reports.escalate import package
from attribute.reports.incident_view import focus_of, incident_document
from attribute.reports.model import Result, State
from attribute.reports.shelf import entry_of
from attribute.reports.weekly_json import render as weekly_json
from attribute.reports.weekly_view import weekly_document
from attribute.reports.wording import rfc3339
from attribute.rules.words import Class
from tests.cli.conftest import CommandLine, attribute, home
from tests.report_pages.worlds import XHTML, mail_of, texts, tree, weekly_of
from tests.reports.world import (
    NO_EVIDENCE,
    NOW,
    OUR_FAULT,
    VENDOR_DOWN,
    Row,
    analysis_of,
    full_account,
    incident,
    outage,
    request,
    result_of,
)

__all__ = ["attribute", "home"]  # fixtures, found by their names

MEDIA: dict[str, Callable[[Document], str]] = {
    "html": lambda document: texts(tree(html.render(document))),
    "markdown": lambda document: markdown.render(document).decode(),
    "email": lambda document: "\n".join((mail_of(email.render(document))[0]["Subject"], *_parts(document))),
    "slack": lambda document: slack.render(document).decode(),
}
BLAMING = ("VENDOR", "with the vendor", "Whose", "How sure", "V-2026", "escalate", "report incident", "incident,")


def _parts(document: Document) -> tuple[str, str]:
    _, text, page = mail_of(email.render(document))
    return text, texts(tree(page.encode()))


def unjudged() -> Result:
    """An outage of the vendor's in logs most of whose lines were rejected."""
    rows, _ = outage()
    account = replace(full_account(rows), rejected=len(rows) + 1, rejected_by_reason={"json": len(rows) + 1})
    result = result_of(rows, incidents=group(analysis_of(rows).rollup.counts, now=NOW), account=account)
    assert result.verdict.state is State.CANNOT_JUDGE
    assert [each.class_ for each in result.found] == ["vendor"]
    return result


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("named", [False, True])
def test_where_nothing_can_be_judged_no_document_names_an_incident(medium: str, named: bool) -> None:
    """Too many lines were rejected: whatever the rest shows, no title, sentence, fact or command blames anybody."""
    result = unjudged()
    wanted = result.found[0].id if named else None
    document = incident_document(result, incident_id=wanted)
    assert focus_of(result, wanted) is None
    assert (document.lead, document.state, document.class_) == ("Verdict", "CANNOT JUDGE", "")
    assert document.title.startswith("Report, ")
    assert document.sentence == result.verdict.sentence
    assert document.next_commands == result.next_commands == ()
    assert [label for label, _ in document.facts] == ["What would help"]
    shown = MEDIA[medium](document)
    assert "CANNOT JUDGE" in shown
    assert [word for word in BLAMING if word in shown] == []


@pytest.mark.parametrize("medium", MEDIA)
def test_week_that_cannot_be_judged_names_no_incident(medium: str) -> None:
    """The weekly report of the same logs says why, what would help, and where the lines went."""
    rows, _ = outage()
    moved = [{**row, "at": row["at"] + timedelta(days=1)} for row in rows]  # type: ignore[operator]  # every row has a time
    account = replace(full_account(rows), rejected=len(rows) + 1, rejected_by_reason={"json": len(rows) + 1})
    weekly = weekly_of(analysis_of(moved, account=account))
    assert weekly.incidents
    document = weekly_document(weekly, command="attribute")
    assert (document.state, document.class_, document.next_commands) == ("CANNOT JUDGE", "", ())
    assert document.sentence == weekly.result.verdict.sentence == orjson.loads(weekly_json(weekly))["headline"]
    assert [section.anchor for section in document.sections] == ["actions", "remarks", "data", "method"][
        -len(document.sections) :
    ]
    assert [word for word in BLAMING if word in MEDIA[medium](document)] == []


def test_nothing_is_escalated_where_nothing_can_be_judged() -> None:
    """No evidence, no blame: no package leaves the house, and the error says why and what would help."""
    result = unjudged()
    with pytest.raises(AttributionError) as raised:
        package(result, result.found[0])
    assert raised.value.exit_code == 4
    assert str(raised.value).startswith("nothing can be escalated, for these logs cannot be judged: 3,841 of ")


UNTIMED = [request(9_000 + n, None, fields=VENDOR_DOWN) for n in range(600)]
OURS = [request(5_000 + n, 120 + n / 60, fields=OUR_FAULT) for n in range(60)]
HEALTHY = [request(n, n / 15) for n in range(1_800)]


def beside() -> Result:
    """The vendor's failures have no time; the one incident is the application's."""
    rows: list[Row] = [*HEALTHY, *OURS, *UNTIMED]
    result = result_of(rows, incidents=group(analysis_of(rows).rollup.counts, now=NOW))
    assert result.verdict.state is State.VENDOR
    assert [each.class_ for each in result.found] == ["application"]
    return result


@pytest.mark.parametrize("medium", MEDIA)
def test_page_without_a_named_incident_is_about_the_answer(medium: str) -> None:
    """The only incident is of another class than the answer: the page tells the answer, and none as its own."""
    result = beside()
    document = incident_document(result)
    assert focus_of(result) is None
    assert (document.lead, document.state, document.class_) == ("Verdict", "VENDOR", "vendor")
    assert document.sentence == result.verdict.sentence
    assert document.title.startswith("Report, ")
    assert document.next_commands[0].startswith("attribute explain vendor logs/")
    shown = MEDIA[medium](document)
    assert [words for words in ("Verdict: APPLICATION", "Incident: ", "This incident", "Whose") if words in shown] == []


def test_incident_that_the_answer_is_not_about_does_not_carry_its_confidence() -> None:
    """It is headed as an incident, has commands of its own class, and the answer stands beside it by its name."""
    result = beside()
    ours = result.found[0]
    document = incident_document(result, incident_id=ours.id)
    assert (document.lead, document.state, document.class_) == ("Incident", "APPLICATION", "application")
    assert document.title.startswith("Incident report: application, ")
    assert document.sentence.startswith("60 requests failed in the application in quote")
    assert document.sentence.endswith(f"All the time looked at: {result.verdict.sentence}")
    facts = dict(document.facts)
    assert facts["Whose"] == "application, 1 function touched"
    assert facts["All the time looked at"] == "vendor, how sure: high (99.0 %)"
    assert {"How sure", "What would make it surer"} & set(facts) == set()
    assert document.next_commands == (f"attribute explain {ours.id} logs/",)


def test_heading_of_an_incident_reads_as_the_verdict_in_no_medium() -> None:
    """Neither a heading, nor a subject, nor the first line of a message says the class as if it were the answer."""
    result = beside()
    document = incident_document(result, incident_id=result.found[0].id)
    assert "\n## Incident: APPLICATION\n" in MEDIA["markdown"](document)
    page = tree(html.render(document))
    assert next(texts(each) for each in page.iter(f"{XHTML}h2")) == "Incident"
    message, text, mail_page = mail_of(email.render(document))
    assert message["Subject"] == document.title
    assert "\nIncident: APPLICATION: 60 requests" in text
    assert "Incident: APPLICATION" in texts(tree(mail_page.encode()))
    blocks = orjson.loads(slack.render(document))
    assert blocks["text"].startswith("Incident: APPLICATION: 60 requests")
    assert blocks["blocks"][1]["text"]["text"].startswith("Incident: APPLICATION: 60 requests")


def test_second_incident_of_the_answers_class_is_not_the_answer() -> None:
    """Two outages of the vendor's: the graver one is the verdict, the other one an incident beside it."""
    rows, incidents = outage()
    small = incident(Class.VENDOR, 20, 21, requests=40, functions=["cart"], severity=3)
    result = result_of(rows, incidents=[*incidents, small])
    assert incident_document(result).lead == "Verdict"
    assert incident_document(result, incident_id=incidents[0].id) == incident_document(result)
    document = incident_document(result, incident_id=small.id)
    assert (document.lead, document.state) == ("Incident", "VENDOR")
    assert document.next_commands == (
        f"attribute explain {small.id} logs/",
        f"attribute escalate {small.id} logs/ --out escalation/",
    )


def test_page_of_a_mixed_answer_is_in_nobodys_colour() -> None:
    """No class leads by enough: title and mark are those of the answer; whose the gravest incident was is a fact."""
    vendors = [request(n, 40 + n / 60, fields=VENDOR_DOWN) for n in range(60)]
    unknown = [request(100 + n, 100 + n / 60, fields=NO_EVIDENCE) for n in range(60)]
    rows = [*({**row, "request_id": f"h{n}"} for n, row in enumerate(HEALTHY)), *vendors, *unknown]
    found = [incident(Class.VENDOR, 40, 41, requests=60, functions=["quote"])]
    document = incident_document(result_of(rows, incidents=found))
    assert (document.lead, document.state, document.class_) == ("Verdict", "MIXED", "")
    assert document.title.startswith("Incident report: mixed, ")
    assert dict(document.facts)["The main incident"] == "vendor, 1 function touched"


def test_list_of_reports_says_what_an_incident_is_beside_another_answer() -> None:
    """The list shows the incident's own class, and the answer under its own name."""
    name = "A-20261116-0400-0ad6"
    document = {
        "schema": "attribute.result/1",
        "verdict": {"state": "vendor", "sentence": "It was the vendor."},
        "incidents": [{"id": name, "class": "application", "requests": 60}],
    }
    entry = entry_of(name, orjson.dumps(document), frozenset({f"{name}.html"}))
    assert entry is not None
    assert entry.class_ == "application"
    assert entry.sentence == ("Incident of class application, 60 requests. All the time looked at: It was the vendor.")


# -- as they are typed -------------------------------------------------------------------------------------------------

LINE = (
    '{{"request_id":"r{0}","function":"quote","stage":"response","status":{1},"latency_ms":9,"error_code":null,'
    '"upstream_status":{2},"upstream_latency_ms":5{3}}}\n'
)
BROKEN = '{"request_id":"a","function":"quote","status":500}\n'
COMMON = ("--now", "2026-11-16T06:00:00Z", "--isolated", "--no-progress")


def lines(*parts: tuple[int, int, int, int | None]) -> str:
    """So many requests of a status and an upstream's status, one per second from a minute on, or without a time."""
    made: list[str] = []
    for times, status, upstream, minute in parts:
        for n in range(times):
            at = None if minute is None else datetime(2026, 11, 16, tzinfo=UTC) + timedelta(minutes=minute, seconds=n)
            ts = "" if at is None else f',"ts":"{rfc3339(at)}"'
            made.append(LINE.format(len(made), status, upstream, ts))
    return "".join(made)


def test_logs_that_cannot_be_judged_are_neither_reported_nor_escalated(attribute: CommandLine, home: Path) -> None:
    """Exit code 4 from both, no file that names the incident, and the reason on standard error."""
    (home / "s.log").write_text(lines((300, 200, 200, 100), (100, 502, 503, 110)) + BROKEN * 401)
    found = attribute("s.log", *COMMON, "-o", "json")
    wanted = orjson.loads(found.out)["incidents"][0]["id"]
    assert wanted.startswith("V-")
    done = attribute("report", "s.log", "--incident", wanted, *COMMON, "--out", "reports")
    assert done.code == 4
    assert [path.name for path in (home / "reports").glob("V-*")] == []
    assert wanted not in (home / "reports" / "index.html").read_text()
    sent = attribute("escalate", wanted, "s.log", *COMMON, "--out", "sent")
    assert (sent.code, sent.out, (home / "sent").exists()) == (4, "", False)
    assert sent.err == (
        "attribute: error: nothing can be escalated, for these logs cannot be judged: 401 of 801 records were rejected "
        "(missing-field 401): too many to judge the rest\n"
        "  hint: what would help: fewer rejected lines; `--rejects FILE` names each of them\n"
    )
    assert wanted not in attribute("s.log", *COMMON).out.partition("\nnext")[2]


def test_named_incident_beside_the_answer_says_both_answers(attribute: CommandLine, home: Path) -> None:
    """The time around it is the incident's, all the logs are the vendor's: neither is taken for the other."""
    (home / "s.log").write_text(lines((1_800, 200, 200, 120), (60, 500, 200, 240), (600, 502, 503, None)))
    plain = attribute("report", "s.log", *COMMON)
    assert "\n## Verdict: VENDOR\n" in plain.out
    wanted = orjson.loads(attribute("s.log", *COMMON, "-o", "json").out)["incidents"][0]["id"]
    named = attribute("report", "s.log", "--incident", wanted, *COMMON)
    assert "\n## Incident: APPLICATION\n" in named.out
    assert "\n- All the time looked at: application, how sure: " in named.out
    assert "\n- All the logs that were read: vendor, how sure: high (99.0 %)\n" in named.out
    assert f"\nattribute explain {wanted} s.log --isolated --now 2026-11-16T06:00:00Z\n" in named.out
