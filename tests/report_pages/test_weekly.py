"""The weekly report: numbers beside those of the week before, from counts alone."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest

from attribute.reports import email, html, slack
from attribute.reports.document import Table
from attribute.reports.json_result import document as result_json
from attribute.reports.notes import Action, Notes
from attribute.reports.weekly_json import render as weekly_json
from attribute.reports.weekly_tables import coverage_blocks
from attribute.reports.weekly_view import headline, weekly_document
from attribute.reports.wording import count, points
from tests.report_pages.worlds import MONDAY, large_month, mail_of, texts, tree, weekly_of
from tests.reports.world import (
    NO_EVIDENCE,
    OUR_FAULT,
    OUR_QUEUE,
    START,
    VENDOR_DOWN,
    VENDOR_TIMEOUT,
    Row,
    analysis_of,
    request,
)

SEOUL = ZoneInfo("Asia/Seoul")
KINDS: tuple[Row, ...] = ({}, {}, {}, {}, {}, {}, VENDOR_DOWN, VENDOR_TIMEOUT, OUR_FAULT, OUR_QUEUE)
CLASS_OF = {6: "vendor", 7: "vendor", 8: "application", 9: "application-bottleneck"}


def month(seed: str = "month", *, days: int = 29, per_day: int = 60) -> list[Row]:
    """Four weeks and a day of requests that come at any time, to functions with an upstream each."""
    rng = random.Random(seed)
    first = MONDAY - timedelta(days=21, hours=9)
    rows: list[Row] = []
    for number in range(days * per_day):
        kind = rng.randrange(len(KINDS))
        function = rng.choice(["quote", "cart"])
        minute = (first - START) / timedelta(minutes=1) + rng.random() * days * 1440
        fields = {**KINDS[kind], "upstream": f"{function}-vendor", "stage": f"kind{kind}"}
        rows.append(request(number, minute, function, fields))
    return rows


ROWS = month()
NOW = MONDAY + timedelta(days=8)


def of_week(rows: list[Row], week: str, zone: ZoneInfo) -> list[Row]:
    """A plain reference: the rows whose clock shows that ISO week."""
    return [row for row in rows if row["at"].astimezone(zone).strftime("%G-W%V") == week]  # type: ignore[attr-defined]  # every row has a time


def test_numbers_of_a_week_are_those_of_counting_by_hand() -> None:
    """Totals, days, hours and vendors, of this week and the one before, against a loop over the requests."""
    weekly = weekly_of(analysis_of(ROWS), now=NOW, zone=SEOUL)
    mine, old = of_week(ROWS, "2026-W47", SEOUL), of_week(ROWS, "2026-W46", SEOUL)
    assert weekly.before is not None
    for totals, rows in ((weekly.totals, mine), (weekly.before, old)):
        by_class = Counter(CLASS_OF.get(int(str(row["stage"])[4:]), "none") for row in rows)
        assert totals.requests == len(rows) > 300
        assert totals.healthy == by_class["none"]
        assert totals.by_class == {
            c: by_class[c] for c in ("vendor", "application", "application-bottleneck", "UNKNOWN")
        }
        slots = {int((row["at"] - MONDAY) / timedelta(minutes=30) + 1e6) for row in rows}  # type: ignore[operator]  # every row has a time
        assert totals.half_hours == len(slots)
    assert weekly.result.requests.total == weekly.totals.requests
    local = [row["at"].astimezone(SEOUL) for row in mine]  # type: ignore[attr-defined]  # every row has a time
    assert [day.requests for day in weekly.days] == [Counter(at.weekday() for at in local)[n] or None for n in range(7)]
    failing = Counter(
        (row["at"].astimezone(SEOUL).weekday(), row["at"].astimezone(SEOUL).hour)  # type: ignore[attr-defined]  # every row has a time
        for row in mine
        if int(str(row["stage"])[4:]) in CLASS_OF
    )
    seen = {(at.weekday(), at.hour) for at in local}
    for day in range(7):
        for hour in range(24):
            assert weekly.hours[day][hour] == (failing[day, hour] if (day, hour) in seen else None)
    for vendor in weekly.vendors:
        calls = [row for row in mine if row["upstream"] == vendor.upstream]
        assert vendor.calls == len(calls)
        assert vendor.failed == vendor.blamed == sum(1 for row in calls if row["upstream_status"] in {503, 0})


def _between(since: datetime, until: datetime) -> int:
    return len([row for row in ROWS if isinstance(row["at"], datetime) and since <= row["at"] < until])


def test_unfinished_week_is_held_against_the_same_part_of_the_last() -> None:
    """Three days and four hours against three days and four hours."""
    now = MONDAY + timedelta(days=3, hours=4)
    weekly = weekly_of(analysis_of(ROWS), now=now)
    assert weekly.part.remarks == ("This week so far: 3 d 4 h of 7 d.",)
    assert weekly.before is not None
    week = timedelta(weeks=1)
    assert weekly.before.requests == _between(MONDAY - week, now - week)
    assert weekly.totals.requests == _between(MONDAY, now)
    document = weekly_document(weekly, command="attribute")
    assert "This week so far: 3 d 4 h of 7 d." in document.subtitle
    assert "against the same part of the week before" in document.sentence


@pytest.mark.parametrize(("week", "length"), [("2026-W10", 334), ("2026-W44", 338)])
def test_week_in_which_clocks_change_counts_every_request_once(week: str, length: int) -> None:
    """An hour that the clock shows twice has the requests of both, one that it jumps over has none; nothing is lost."""
    zone = ZoneInfo("America/New_York")
    first = datetime(2026, 3, 2, 5, tzinfo=UTC) if week == "2026-W10" else datetime(2026, 10, 26, 4, tzinfo=UTC)
    start = (first - START) / timedelta(minutes=1)
    rows = [request(n, start + 15 * n, fields=OUR_FAULT) for n in range(length * 2)]
    weekly = weekly_of(analysis_of(rows), week=week, now=first + timedelta(days=30), zone=zone)
    sunday = weekly.hours[6]
    assert sunday[1 if length == 338 else 2] == (8 if length == 338 else None)
    assert sum(value or 0 for day in weekly.hours for value in day) == len(rows) == weekly.totals.requests
    assert (
        f"The clocks were changed: this week has {length} half hours, not 336."
        in weekly_document(weekly, command="attribute").subtitle
    )


def test_json_holds_the_same_numbers_as_the_page() -> None:
    """The machine's file is the page's numbers, and its `result` is what `-o json` gives for that part of the week."""
    weekly = weekly_of(analysis_of(ROWS), now=NOW)
    values = orjson.loads(weekly_json(weekly))
    assert values["schema"] == "attribute.weekly/1"
    assert values["headline"] == headline(weekly)
    assert values["result"] == orjson.loads(orjson.dumps(result_json(weekly.result)))
    assert values["totals"]["requests"] == values["result"]["requests"]["total"]
    page = texts(tree(html.render(weekly_document(weekly, command="attribute"))))
    for each in ("totals", "before"):
        assert count(values[each]["requests"]) in page
        assert all(count(number) in page for number in values[each]["by_class"].values())
    assert values["headline"] in page


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "The logs hold no request of this week."),
        ([request(1, None)], "No request of the logs has a time, so none can be told to lie in this week."),
        ([request(1, 1500)], "1 of 1 request went well. No incident."),
        ([request(1, -90_000)], "The logs hold no request of this week."),
    ],
    ids=["nothing", "untimed", "one", "long ago"],
)
def test_week_of_nearly_nothing_says_so(rows: list[Row], says: str) -> None:
    """An empty week, a log without times, one request: one screen that says what there is, without percentages."""
    weekly = weekly_of(analysis_of(rows), now=NOW)
    document = weekly_document(weekly, command="attribute")
    assert document.sentence == says
    page = texts(tree(html.render(document)))
    assert "%" not in page
    assert {section.anchor for section in document.sections} <= {"compare", "days", "remarks", "data", "method"}
    assert orjson.loads(weekly_json(weekly))["totals"]["requests"] == len(
        [row for row in rows if row["at"] == START + timedelta(minutes=1500)]
    )


def test_uneventful_week_is_one_screen() -> None:
    """Nothing happened: the comparison and the days, not eleven empty sections."""
    rows = [request(n, 600 + n * 9) for n in range(900)]
    document = weekly_document(weekly_of(analysis_of(rows), now=NOW), command="attribute")
    assert [section.anchor for section in document.sections] == ["compare", "days", "remarks", "data", "method"]
    assert document.state == "NO PROBLEM"


def calm(*days: int) -> list[Row]:
    """Requests on these days, counted from the Monday of week 47; a few of each day fail."""
    first = (MONDAY - START) / timedelta(minutes=1)
    return [
        request(day * 200 + n + 10_000, first + day * 1440 + n * 14, fields=OUR_FAULT if n % 50 == 7 else None)
        for day in days
        for n in range(100)
    ]


GAP = "The logs hold nothing of Tue 11-17, Wed 11-18 and Thu 11-19."


def test_days_without_logs_within_a_week_are_named_in_every_form() -> None:
    """Three days are missing: the week is not whole, and head, sentence, mail, message and JSON say so."""
    weekly = weekly_of(analysis_of(calm(*range(-7, 1), *range(4, 8))), now=NOW)
    assert (weekly.part.is_whole, weekly.part.cuts, weekly.part.remarks) == (False, (), (GAP,))
    document = weekly_document(weekly, command="attribute")
    assert document.subtitle[1] == GAP
    assert GAP in document.sentence
    assert "against the week before as far as there are logs" in document.sentence
    assert (
        dict(document.facts)["How sure"] == f"{weekly.result.verdict.confidence.word}, of the time that the logs hold"
    )
    values = orjson.loads(weekly_json(weekly))
    assert (values["part"]["whole"], values["part"]["remarks"]) == (False, [GAP])
    assert GAP in values["headline"]
    assert GAP in orjson.loads(slack.render(document))["text"]
    _, text, page = mail_of(email.render(document))
    assert " ".join(text.split()).count(GAP) >= 2
    assert GAP in texts(tree(page.encode()))
    compare = next(section for section in document.sections if section.anchor == "compare")
    assert compare.blocks[0].text == (  # type: ignore[union-attr]  # a paragraph
        f"Compared is the whole of both weeks, as far as there are logs, by the clock. Of this week: {GAP}"
    )


def test_day_without_logs_in_the_week_before_is_not_a_day_without_failures() -> None:
    """Logs that begin on a Thursday say nothing of Monday: the column has a gap, and what is compared is said."""
    weekly = weekly_of(analysis_of(calm(*range(-4, -2), *range(-1, 8))), now=NOW)
    assert weekly.part.is_whole
    assert [day.before for day in weekly.days] == [None, None, None, 2, 2, None, 2]
    document = weekly_document(weekly, command="attribute")
    compare = next(section for section in document.sections if section.anchor == "compare")
    assert compare.blocks[0].text == (  # type: ignore[union-attr]  # a paragraph
        "Compared is the whole of both weeks, as far as there are logs, by the clock. Of the week before: The logs "
        "begin at 2026-11-12 00:00:00 UTC. The logs hold nothing of Sat 11-14."
    )
    days = next(section for section in document.sections if section.anchor == "days").blocks[0].table.rows  # type: ignore[union-attr]  # a chart
    assert [row[-1] for row in days] == [None, None, None, "2", "2", None, "2"]


def test_empty_hours_of_a_week_are_no_gap() -> None:
    """Where few call, hours and half days without a request are usual: only whole days of the clock are named."""
    rows = [request(n, (MONDAY - START) / timedelta(minutes=1) + n * 1440 + 725) for n in range(-7, 8)]
    weekly = weekly_of(analysis_of(rows), now=NOW)
    assert weekly.part.is_whole
    assert "as far as" not in weekly_document(weekly, command="attribute").sentence


def test_days_of_a_gap_are_those_of_the_zone() -> None:
    """Seoul's Tuesday is over when UTC's has nine hours left: a day is named where the whole of it is empty there."""
    rows = [row for row in calm(*range(-7, 8)) if not _in(row, MONDAY + timedelta(hours=15), timedelta(hours=24))]
    assert weekly_of(analysis_of(rows), now=NOW, zone=SEOUL).part.gap == "The logs hold nothing of Tue 11-17."
    assert weekly_of(analysis_of(rows), now=NOW).part.gap == (
        "The logs hold nothing from 2026-11-16 14:57 UTC until 2026-11-17 15:10 UTC."
    )


def test_day_without_requests_that_is_none_of_the_clock_is_told() -> None:
    """From hour to hour a day is missing as well as from midnight to midnight; what is shorter is usual."""
    for length, whole in ((timedelta(hours=23), True), (timedelta(hours=24), False), (timedelta(hours=46), False)):
        rows = [row for row in calm(*range(-7, 8)) if not _in(row, MONDAY + timedelta(hours=1), length)]
        weekly = weekly_of(analysis_of(rows), now=NOW)
        assert weekly.part.is_whole is whole
        assert weekly.part.gap.startswith("The logs hold nothing from 2026-11-16 00:") is not whole
        assert (weekly.part.gap in weekly_document(weekly, command="attribute").sentence) is True


def test_week_without_requests_is_not_whole() -> None:
    """Of nothing, a program that reads the JSON must not think that it is the week; it says why."""
    for rows in ([request(n, n) for n in range(30)], []):
        weekly = weekly_of(analysis_of(rows), now=NOW)
        part = orjson.loads(weekly_json(weekly))["part"]
        assert (part["whole"], part["remarks"][-1]) == (False, "No request of the logs is known to lie in this week.")


def test_change_that_rounds_to_nothing_has_no_sign() -> None:
    """A share that moved by less than is shown did neither rise nor fall."""
    assert [points(change) for change in (-0.00001, 0.0, 0.00001, -0.0001, 0.0123)] == [
        "0.00 points",
        "0.00 points",
        "0.00 points",
        "-0.01 points",
        "+1.23 points",
    ]


def test_coverage_is_told_as_it_is_sorted() -> None:
    """The function that lacks most evidence comes first, even where its share is the better one."""
    rows = [
        request(n, 9_000 + n, name, {"status": 500, "upstream_status": None if n % 10 < gaps else 200})
        for name, requests, gaps in (("few", 30, 5), ("many", 200, 1))
        for n in range(requests)
    ]
    weekly = weekly_of(analysis_of(rows), now=NOW)
    table = coverage_blocks(weekly)[1]
    assert isinstance(table, Table)
    assert table.caption == "Failing or slow requests that say what their upstream answered, by how many do not"
    assert [row[:3] for row in table.rows] == [("many", "200", "180"), ("few", "30", "15")]


def _in(row: Row, since: datetime, length: timedelta) -> bool:
    at = row["at"]
    return isinstance(at, datetime) and since <= at < since + length


def test_part_of_a_week_is_said_in_the_message_too() -> None:
    """What is told of a week that is not over stands among the facts, which every form has."""
    weekly = weekly_of(analysis_of(ROWS), now=MONDAY + timedelta(days=3, hours=4))
    document = weekly_document(weekly, command="attribute")
    assert dict(document.facts)["Told"] == "This week so far: 3 d 4 h of 7 d."
    assert "Told: This week so far: 3 d 4 h of 7 d." in slack.render(document).decode()


def test_movers_are_what_changed_and_nothing_else() -> None:
    """New, more, fewer and gone codes are told, those as usual are not."""
    codes = {"new": (0, 9), "gone": (9, 0), "more": (6, 40), "fewer": (40, 6), "usual": (30, 31)}
    rows: list[Row] = []
    for code, (old, now) in codes.items():
        for week, times in ((-1, old), (0, now)):
            for _ in range(times):
                minute = (MONDAY - START) / timedelta(minutes=1) + week * 10_080 + 7 * len(rows) % 9_000
                rows.append(request(len(rows), minute, fields={"status": 500, "error_code": code}))
    weekly = weekly_of(analysis_of(rows), now=NOW)
    assert {change.key[2]: change.word for change in weekly.movers} == {
        "new": "new",
        "gone": "gone",
        "more": "more",
        "fewer": "fewer",
    }


def test_unknown_signature_says_since_when() -> None:
    """The age of what nobody logged yet: the first minute in all logs, not in this week's."""
    start = (MONDAY - START) / timedelta(minutes=1)
    rows = [request(n, start - 9_000 + 3_000 * n, fields=NO_EVIDENCE) for n in range(6)]
    document = weekly_document(weekly_of(analysis_of(rows), now=NOW), command="attribute")
    section = next(section for section in document.sections if section.anchor == "unknown")
    assert section.blocks[1].rows == (  # type: ignore[union-attr]  # the second table
        ("quote", "response", "upstream-status-missing", "500", "missing", "3", "2026-11-09 18:00:00 UTC"),
    )


def test_open_actions_come_overdue_first() -> None:
    """What is done is gone; what is late says by how many days."""

    def action(text: str, due: date | None, *, done: bool = False) -> Action:
        return Action(text=text, owner="team-a", due=due, done=done, source="V-1")

    actions = [
        action("later", date(2026, 12, 1)),
        action("never", None),
        action("late", date(2026, 11, 20)),
        action("done", date(2026, 11, 1), done=True),
    ]
    weekly = weekly_of(analysis_of(ROWS), now=NOW, actions=actions, notes=Notes({"Remarks": ("A holiday.",)}))
    document = weekly_document(weekly, command="attribute")
    section = next(section for section in document.sections if section.anchor == "actions")
    assert [(row[0], row[2]) for row in section.blocks[0].rows] == [  # type: ignore[union-attr]  # the section is one table
        ("late", "2026-11-20 (4 d overdue)"),
        ("later", "2026-12-01"),
        ("never", None),
    ]
    assert "A holiday." in texts(tree(html.render(document)))
    assert ("Open actions", "3, 1 overdue") in document.facts


def test_week_of_millions_of_requests_is_told_from_counts_alone() -> None:
    """Ten million requests cost as much as their rows of counts: over a million rows, and no single log line."""
    analysis = large_month(40)
    weekly = weekly_of(analysis, now=NOW)
    assert weekly.totals.requests > 10_000_000
    page = html.render(weekly_document(weekly, command="attribute"))
    assert len(page) < 300_000
    assert count(weekly.totals.requests) in texts(tree(page))
