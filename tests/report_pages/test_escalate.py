"""The package for a vendor: allowlisted fields, one vendor's requests, hashes that hold, the same bytes each time."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from attribute.incidents import group
from attribute.incidents.model import Incident
from attribute.reports.document import Table
from attribute.reports.escalate import FIELDS, EscalationError, Package, package
from attribute.reports.incident_view import focus_of, incident_document
from attribute.reports.model import Result
from attribute.rules.words import Class
from tests.reports.world import VENDOR_DOWN, Row, analysis_of, full_account, incident, outage, request, result_of

SECRETS = {"error_code": "sk_live_secret", "stage": "internal-stage-name"}


def told(upstreams: tuple[str | None, ...] = ("rates",)) -> tuple[Result, Incident]:
    rows: list[Row] = [
        {**row, **(SECRETS if row["status"] != 200 else {}), "upstream": upstreams[number // 8 % len(upstreams)]}
        for number, row in enumerate(outage()[0])
    ]
    found = group(analysis_of(rows).rollup.counts)
    result = result_of(rows, incidents=found, account=full_account(rows), paths=("home/alice/logs",))
    chosen = focus_of(result)
    assert chosen is not None
    return result, chosen


def opened(made: Package) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(made.archive)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def test_package_lists_every_request_that_the_vendor_failed() -> None:
    """As many requests as the incident has, each with a 5xx or a timeout of the vendor and a 5xx of ours."""
    result, chosen = told()
    files = opened(package(result, chosen))
    rows = table(files["requests.csv"])
    assert len(rows) == chosen.requests
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    for row in rows:
        assert row["upstream_status"] in {"503", "timeout"}
        assert row["status"] in {"502", "504"}
        assert row["rule"] == "M1-2"
        assert row["at"].endswith("Z")


def test_package_holds_allowlisted_fields_and_nothing_else_of_a_record() -> None:
    """No error code, no stage, no path: only what the list names, and how it was attributed."""
    result, chosen = told()
    made = package(result, chosen)
    files = opened(made)
    assert list(table(files["requests.csv"])[0]) == [*FIELDS, "rule", "reason"]
    assert list(table(files["minutes.csv"])[0]) == ["minute", "calls", "answered_5xx", "timeouts"]
    assert orjson.loads(files["manifest.json"])["fields"] == list(FIELDS)
    assert files["message.md"] == made.message
    for content in files.values():
        for secret in (*SECRETS.values(), "alice", "db_conflict", "app-2.log", "query_label"):
            assert secret.encode() not in content


def test_manifest_names_every_file_with_its_hash() -> None:
    """Whoever gets the archive can tell that nothing was changed on the way."""
    files = opened(package(*told()))
    listed = orjson.loads(files.pop("manifest.json"))["files"]
    assert {each["name"]: (each["bytes"], each["sha256"]) for each in listed} == {
        name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()
    }


def test_package_is_the_same_bytes_each_time() -> None:
    """Not even the times of the archive's entries depend on the moment."""
    assert package(*told()) == package(*told())


def test_message_begins_with_a_sentence() -> None:
    """What is still going on is said to be, behind the numbers; what is over has an end; a few calls have no share."""
    result, chosen = told()
    over = replace(chosen, ongoing=False)
    begin, end = "2026-11-15 17:41:00 UTC", "2026-11-15 18:04:00 UTC"
    numbers = "690 of our 690 calls (100.0 %) were answered with 5xx or not in time"
    for each, sentence in (
        (chosen, f"**Since {begin}, {numbers}; it is still going on.**"),
        (over, f"**From {begin} until {end}, {numbers}.**"),
    ):
        assert sentence in package(result, each).message.decode().split("\n")


def test_message_says_why_waiting_is_counted_over_more_calls() -> None:
    """Latencies are in slots of ten minutes, which begin before the incident does: the numbers differ, and why."""
    made = package(*told()).message.decode()
    assert "| during | 720 |" in made
    assert "How long we waited is counted in slots of 10 min. A slot that the incident touches counts as during" in made


def test_archive_is_the_same_bytes_at_the_same_time() -> None:
    """Only the manifest says when it was made: two moments differ in it and in nothing else."""
    result, chosen = told()
    later = replace(result, generated_at=result.generated_at + timedelta(hours=1))
    first, second = opened(package(result, chosen)), opened(package(later, chosen))
    assert [name for name in first if first[name] != second[name]] == ["manifest.json"]


def test_counts_per_minute_add_up_to_the_calls() -> None:
    """minutes.csv tells calls, 5xx and timeouts of every minute, half an hour around the incident included."""
    result, chosen = told()
    minutes = table(opened(package(result, chosen))["minutes.csv"])
    inside = [row for row in minutes if row["minute"] >= chosen.started_at.isoformat()[:16]]
    failed = sum(int(row["answered_5xx"]) + int(row["timeouts"]) for row in inside)
    assert failed == chosen.requests
    assert len(minutes) > len(inside) > 0
    assert all(int(row["calls"]) >= int(row["answered_5xx"]) + int(row["timeouts"]) for row in minutes)


def test_no_vendor_reads_about_another() -> None:
    """Where an incident concerns several upstreams, one has to be named, and the package holds its requests alone."""
    result, chosen = told(("rates", "payments"))
    with pytest.raises(EscalationError, match="concerns 2 upstreams: payments, rates"):
        package(result, chosen)
    with pytest.raises(EscalationError, match="does not concern an upstream `records`"):
        package(result, chosen, upstream="records")
    parts = [package(result, chosen, upstream=name) for name in ("rates", "payments")]
    assert sum(part.requests for part in parts) == chosen.requests
    for part, other in zip(parts, (b"payments", b"rates"), strict=True):
        assert other not in b"".join(opened(part).values())


def test_requests_that_name_no_upstream_are_taken_where_none_is_named() -> None:
    """Logs without the optional field can be escalated as well."""
    result, chosen = told((None,))
    made = package(result, chosen)
    assert made.requests == chosen.requests
    assert b"Failed calls to your service" in made.message


def test_long_list_is_cut_and_says_so() -> None:
    """The first hundred in time, and how many there are."""
    result, chosen = told()
    made = package(result, chosen, max_requests=100)
    assert len(table(opened(made)["requests.csv"])) == 100
    assert f"lists the first 100 of {chosen.requests:,} requests" in made.message.decode().replace("`", "")


@pytest.mark.parametrize("class_", [Class.APPLICATION, Class.BOTTLENECK, Class.UNKNOWN])
def test_only_the_vendors_incidents_are_escalated(class_: Class) -> None:
    """Without evidence against the vendor there is nothing to send."""
    ours = incident(class_, 3, 6, requests=3, functions=["search"])
    with pytest.raises(EscalationError, match=f"of class {class_}"):
        package(told()[0], ours)


def test_page_and_package_count_over_the_same_time() -> None:
    """
    Where functions are hit one after the other, each counts while it was hit, in every document.

    What they called before or after that is said and in no share.
    """
    rows: list[Row] = []
    for number in range(1200):
        minute, function = number // 4, ("pay", "quote")[number % 2]
        hit = range(200, 240) if function == "pay" else range(220, 260)
        late = number == 4 * 255  # of pay
        fields: Row = VENDOR_DOWN if minute in hit or late else {}
        rows.append(request(number, minute, function, {**fields, "upstream": "rates"}))
    found = group(analysis_of(rows).rollup.counts)
    result = result_of(rows, incidents=found, account=full_account(rows))
    chosen = focus_of(result)
    assert chosen is not None
    assert (chosen.functions, chosen.requests, chosen.total_requests) == (("pay", "quote"), 160, 160)
    page = incident_document(result, incident_id=chosen.id)
    share = "160 of 160 (100.0 %) requests of these functions, each while it was touched"
    assert dict(page.facts)["How bad"] == f"severity {chosen.severity} of 4; {share}"
    impact = next(section for section in page.sections if section.anchor == "impact").blocks[0]
    assert isinstance(impact, Table)
    assert ("more of class vendor meanwhile, while their function was not touched", "1") in impact.rows
    text = package(result, chosen).message.decode()
    assert (
        "160 of our 160 calls (100.0 %) were answered with 5xx or not in time. Each function of ours is counted while "
        "it was in trouble: before or after that they made 80 more calls in this time, 1 of which failed."
    ) in text
    assert "Requests of ours that failed with you: 160" in text
    assert "lists all 160 requests" in text


def test_message_tells_failed_calls_that_our_side_absorbed() -> None:
    """A call that failed and whose request did not is a call and no request: the two numbers differ by what is said."""
    rows: list[Row] = [
        {**row, "status": 200} if row["upstream_status"] == 503 and number % 10 == 3 else row
        for number, row in enumerate(outage()[0])
    ]
    result = result_of(rows, incidents=group(analysis_of(rows).rollup.counts), account=full_account(rows))
    chosen = focus_of(result)
    assert chosen is not None
    text = package(result, chosen).message.decode()
    calls = re.search(r"([0-9,]+) of our [0-9,]+ calls", text)
    absorbed = re.search(r"did not make a request of ours fail with 5xx: ([0-9,]+)", text)
    assert calls is not None
    assert absorbed is not None
    assert int(calls[1]) - int(absorbed[1]) == chosen.requests
