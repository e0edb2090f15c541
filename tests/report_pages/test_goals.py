"""Goals of the weekly report: met, missed or not judged, with the budget that is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.cli.config import load
from attribute.cli.settings import ConfigError, check_table
from attribute.reports import html
from attribute.reports.asked import Goal
from attribute.reports.document import Document, Section, Table
from attribute.reports.goals import GoalRow, Outcome, judge, outage_minutes
from attribute.reports.weekly_json import render as weekly_json
from attribute.reports.weekly_view import weekly_document
from attribute.reports.weeks import Part, Week
from tests.report_pages.worlds import MONDAY, counts_of, texts, tree, weekly_of
from tests.reports.world import analysis_of, request

WEEK = Week(MONDAY.date(), MONDAY.tzinfo)  # type: ignore[arg-type]  # it has a zone
WHOLE = Part(since_at=WEEK.since_at, until_at=WEEK.until_at)
HALF = Goal(name="half", target=0.5, weeks=1)


def cell(at: datetime, requests: int, class_: str = "none", function: str = "quote") -> dict[str, object]:
    return {"minute": at, "requests": requests, "class": class_, "function": function}


def row_of(goal: Goal, *cells: dict[str, object], part: Part = WHOLE) -> GoalRow:
    (row,) = judge([goal], counts_of(cells), week=WEEK, part=part)
    return row


@pytest.mark.parametrize(
    ("requests", "bad", "expected"),
    [
        (199, 0, Outcome.NOT_JUDGED),
        (200, 1, Outcome.MET),
        (200, 2, Outcome.MISSED),
        (0, 0, Outcome.NOT_JUDGED),
        (10_000_000, 50_000, Outcome.MET),
        (10_000_000, 50_001, Outcome.MISSED),
    ],
)
def test_goal_is_judged_where_one_request_does_not_decide(requests: int, bad: int, expected: Outcome) -> None:
    """99.5 % lets one of 200 go wrong: of fewer requests a single one would decide, so nothing is said."""
    goal = Goal(name="most", target=0.995)
    cells = [cell(MONDAY, each, class_) for each, class_ in ((requests - bad, "none"), (bad, "vendor")) if each]
    row = row_of(goal, *cells)
    assert (row.requests, row.bad, row.outcome) == (requests, bad, expected)
    assert goal.enough == 200


def test_goal_counts_its_functions_and_its_classes_alone() -> None:
    """A request of another function, another class or another week changes nothing."""
    goal = replace(HALF, functions=("check*", "refund"), classes=("application",))
    row = row_of(
        goal,
        cell(MONDAY, 30, function="checkout"),
        cell(MONDAY, 10, "application", "refund"),
        cell(MONDAY, 500, "vendor", "checkout"),
        cell(MONDAY, 900, "application", "quote"),
        cell(MONDAY - timedelta(minutes=1), 900, "application", "refund"),
        cell(MONDAY + timedelta(days=7), 900, "application", "refund"),
    )
    assert (row.requests, row.bad, row.outcome) == (540, 10, Outcome.MET)


def test_budget_is_over_its_weeks_and_may_be_overspent() -> None:
    """Half of 400 requests may go wrong in two weeks: 250 did, a quarter more than there was."""
    goal = replace(HALF, weeks=2)
    before = MONDAY - timedelta(days=7)
    row = row_of(goal, cell(before, 200, "vendor"), cell(MONDAY, 150), cell(MONDAY, 50, "UNKNOWN"))
    assert (row.budget_requests, row.budget_bad, row.budget_left) == (400, 250, -0.25)
    assert row.trend == (None, None, (200, 200), (200, 50))


def test_budget_is_not_told_where_logs_do_not_reach_over_it() -> None:
    """Logs of a week say nothing of the budget of four; those of a few requests say nothing of any."""
    week = [cell(MONDAY, 30), cell(MONDAY, 30, "vendor")]
    assert row_of(HALF, *week).budget_left == 0.0
    assert row_of(replace(HALF, weeks=4), *week).budget_left is None
    assert row_of(HALF, cell(MONDAY, 19)).budget_left is None
    assert row_of(HALF).budget_left is None


def test_burn_is_the_speed_at_the_end_of_the_told_part() -> None:
    """Everything failing burns a budget of half at twice its speed; too few requests burn nothing that can be told."""
    until = MONDAY + timedelta(days=4)
    part = Part(since_at=MONDAY, until_at=until, cuts=("so far",))
    row = row_of(
        HALF,
        cell(until - timedelta(minutes=30), 19, "vendor"),
        cell(until - timedelta(hours=5), 81, "vendor"),
        cell(until - timedelta(days=2), 300),
        cell(until, 5_000, "vendor"),
        part=part,
    )
    assert row.burns == (None, 2.0, 0.5)
    assert (row.requests, row.bad) == (400, 100)


minutes = st.integers(-28 * 1440, 8 * 1440)
some_cells = st.lists(
    st.tuples(
        minutes, st.integers(1, 60), st.sampled_from(["none", "vendor", "UNKNOWN"]), st.sampled_from(["a", "b", "ab"])
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(some_cells, st.sampled_from([("*",), ("a*",), ("b", "ab")]), st.sampled_from([0.5, 0.9, 0.99]))
def test_goal_over_any_counts_is_what_a_loop_counts(
    cells: list[tuple[int, int, str, str]], functions: tuple[str, ...], target: float
) -> None:
    """The numbers are those of counting by hand, and an outcome only ever follows from enough of them."""
    goal = Goal(name="any", target=target, functions=functions, classes=("vendor",), weeks=2)
    told = [cell(MONDAY + timedelta(minutes=at), n, class_, function) for at, n, class_, function in cells]
    row = row_of(goal, *told)
    names = {("*",): {"a", "b", "ab"}, ("a*",): {"a", "ab"}, ("b", "ab"): {"b", "ab"}}[functions]

    def counted(since: int, until: int, classes: set[str]) -> int:
        return sum(n for at, n, c, f in cells if since <= at < until and c in classes and f in names)

    everything = {"none", "vendor", "UNKNOWN"}
    assert row.requests == counted(0, 7 * 1440, everything)
    assert row.bad == counted(0, 7 * 1440, {"vendor"})
    assert (row.outcome is Outcome.NOT_JUDGED) == (row.requests < goal.enough)
    if row.outcome is not Outcome.NOT_JUDGED:
        assert (row.outcome is Outcome.MET) == (row.bad <= row.requests * (1 - target) + 1e-6)
    if row.budget_requests is not None:
        assert row.budget_requests == counted(-7 * 1440, 7 * 1440, everything)
        assert row.budget_bad == counted(-7 * 1440, 7 * 1440, {"vendor"})


def test_cost_of_a_stretch_is_in_minutes_of_an_outage() -> None:
    """Two minutes in which half failed cost one, whatever the traffic was in them."""
    counts = counts_of([
        cell(MONDAY, 10), cell(MONDAY, 10, "vendor"),
        cell(MONDAY + timedelta(minutes=1), 500), cell(MONDAY + timedelta(minutes=1), 500, "vendor"),
    ])  # fmt: skip
    assert outage_minutes(HALF, counts, MONDAY, MONDAY + timedelta(minutes=2)) == 1.0
    assert outage_minutes(HALF, counts, MONDAY, MONDAY) is None
    assert HALF.budget_minutes == 7 * 1440 / 2


# -- on the page -------------------------------------------------------------------------------------------------------


def document_of(*goals: Goal, requests: int = 300, untimed: bool = False) -> Document:
    rows = [request(n, n + 7 * 1440, fields={"status": 500} if n % 10 == 0 else {}) for n in range(requests)]
    if untimed:
        rows = [{**row, "at": None} for row in rows]
    return weekly_document(weekly_of(analysis_of(rows), goals=goals), command="attribute")


def section(document: Document) -> Section | None:
    return next((each for each in document.sections if each.anchor == "goals"), None)


def test_report_without_a_goal_shows_none() -> None:
    """Nothing is met or missed where nothing was promised; the method says how to promise something."""
    document = document_of()
    assert section(document) is None
    assert "Goals" not in dict(document.facts)
    page = texts(tree(html.render(document)))
    assert "No goal is configured" in page
    assert "[goals.NAME]" in page


def test_report_says_of_each_goal_what_came_of_it() -> None:
    """A row per goal, and the outcome of all of them beside the answer."""
    goals = (Goal(name="easy", target=0.5), Goal(name="hard", target=0.95), Goal(name="far", target=0.9999))
    document = document_of(*goals)
    found = section(document)
    assert found is not None
    table, budgets = found.blocks[:2]
    assert isinstance(table, Table)
    assert isinstance(budgets, Table)
    assert table.rows == (
        ("easy", "50 %", "90.00 %", "met", "30 of 300"),
        ("hard", "95 %", "90.00 %", "missed", "30 of 300"),
        ("far", "99.99 %", "90.000 %", "not judged: under 10,000 requests", "30 of 300"),
    )
    assert [row[:3] for row in budgets.rows] == [(name, "4 weeks", None) for name in ("easy", "hard", "far")]
    assert dict(document.facts)["Goals"] == "1 of 3 missed: hard; 1 not judged"


def test_share_is_never_rounded_up_to_its_target() -> None:
    """What missed 99.5 % by one request of ten million does not read 99.50 %."""
    goal = Goal(name="most", target=0.995)
    counts = counts_of([cell(MONDAY, 9_949_999), cell(MONDAY, 50_001, "vendor")])
    (row,) = judge([goal], counts, week=WEEK, part=WHOLE)
    weekly = replace(weekly_of(analysis_of([request(1, 7 * 1440)])), goals=(row,))
    found = section(weekly_document(weekly, command="attribute"))
    assert found is not None
    assert isinstance(found.blocks[0], Table)
    assert found.blocks[0].rows[0][1:4] == ("99.5 %", "99.49 %", "missed")


@pytest.mark.parametrize(("requests", "untimed"), [(0, False), (1, False), (300, True)])
def test_goal_without_data_is_not_judged_and_says_so(requests: int, untimed: bool) -> None:
    """An empty week, a week of one request and logs without times meet and miss nothing."""
    document = document_of(Goal(name="easy", target=0.5), requests=requests, untimed=untimed)
    found = section(document)
    assert found is not None
    assert isinstance(found.blocks[0], Table)
    expected = "not judged: under 20 requests" if requests == 1 else "not judged: no request"
    assert found.blocks[0].rows[0][3] == expected
    page = texts(tree(html.render(document)))
    assert "missed" not in page.split("Goals")[-1].split("Data")[0]


def test_json_of_the_week_has_the_goals() -> None:
    """For machines: what was promised, counted and concluded."""
    weekly = weekly_of(
        analysis_of([request(n, n + 7 * 1440) for n in range(30)]), goals=[Goal(name="easy", target=0.5, weeks=1)]
    )
    assert orjson.loads(weekly_json(weekly))["goals"] == [
        {
            "name": "easy", "target": 0.5, "functions": ["*"], "weeks": 1,
            "classes": ["vendor", "application", "application-bottleneck", "UNKNOWN"],
            "requests": 30, "bad": 0, "outcome": "met", "budget_requests": None, "budget_bad": None,
            "budget_left": None, "burn_by_hours": {"1": 0.0, "6": 0.0, "72": 0.0},
            "trend": [None, None, None, {"requests": 30, "bad": 0}],
        }
    ]  # fmt: skip


# -- in the configuration ----------------------------------------------------------------------------------------------


def test_goal_in_the_configuration_has_its_defaults_and_its_place() -> None:
    """A target is enough."""
    table = check_table('[goals.most]\ntarget = 0.995\n[goals."a b"]\ntarget = 0.9\nweeks = 1\n', file="x")
    assert table.goals == {"most": {"target": 0.995}, "a b": {"target": 0.9, "weeks": 1.0}}
    assert load(isolated=True).goals == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[goals]\nmost = 1", "x:2: `most` is 1, expected a table with a target"),
        ("goals = 1", "x:1: `goals` is 1, expected tables [goals.NAME]"),
        ("[goals.most]\nweeks = 1", "x:1: [goals.most] has no `target`"),
        ("[goals.most]\ntarget = 1", "x:2: `target` is 1, expected a number from 0.01 to 0.999999"),
        ('[goals.most]\ntarget = "99 %"', "x:2: `target` is '99 %', expected a number from 0.01 to 0.999999"),
        ("[goals.most]\ntarget = 0.9\nweeks = 1.5", "x:3: `weeks` is 1.5, expected whole weeks"),
        ("[goals.most]\ntarget = 0.9\nweeks = 13", "x:3: `weeks` is 13, expected a number from 1 to 12"),
        ("[goals.most]\ntarget = 0.9\ntagret = 1", "x:3: unknown key `tagret`"),
        (
            '[goals.most]\ntarget = 0.9\nclasses = ["us"]',
            "x:3: `classes` is ['us'], expected a list of vendor, application, application-bottleneck, UNKNOWN",
        ),
        ("[goals.most]\ntarget = 0.9\nfunctions = [1]", "x:3: `functions` is [1], expected a list of texts"),
    ],
)
def test_goal_that_cannot_be_used_is_an_error_with_its_line(text: str, expected: str) -> None:
    """A goal that nobody can hold is refused before a log is opened, and never taken for another."""
    with pytest.raises(ConfigError) as caught:
        check_table(text, file="x")
    assert str(caught.value).splitlines()[0] == expected
