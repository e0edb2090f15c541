"""What is said of the classes that are not the answer is about those classes, and true."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from attribute.reports.evidence import new_codes, quiet_part
from attribute.rules.words import Class
from tests.reports.world import NO_EVIDENCE, OUR_FAULT, START, VENDOR_DOWN, Row, analysis_of, outage, request, result_of

LOUD = (START + timedelta(minutes=41), START + timedelta(minutes=64))
CODES = (None, "a", "b", "c", "d")
BY_CLASS: dict[Class, Row] = {
    Class.VENDOR: VENDOR_DOWN,
    Class.APPLICATION: {**OUR_FAULT, "error_code": None},
    Class.UNKNOWN: NO_EVIDENCE,
}


def why_not(class_: Class, added: list[Row], *, minute: float | None = 50.0, vendor_codes: int = 1) -> tuple[str, ...]:
    """What is said of *class_* where the outage's vendor fails with codes of its own, and *added* fail beside it."""
    rows, incidents = outage()
    for number, row in enumerate(rows):
        if row["upstream_status"] in {0, 503}:
            rows[number] = {**row, "error_code": f"VENDOR_{number % vendor_codes}"}
    rows += [request(10_000 + number, minute, fields=fields) for number, fields in enumerate(added)]
    (found,) = [line for line in result_of(rows, incidents=incidents).why_not if line.class_ == class_]
    return found.parts


def test_why_not_codes_of_another_class_are_not_held_against_the_application() -> None:
    """The vendor's outage brings codes of its own: they are no evidence against us, wherever they are new."""
    assert why_not(Class.APPLICATION, []) == ("32 (4.2 %)", "within normal (12-51)", "no new error_code")


def test_why_not_new_code_of_the_application_is_named_however_rare() -> None:
    """A fault of ours that begins with the outage is said, also where ten codes of the vendor's are more frequent."""
    added: list[Row] = [{**OUR_FAULT, "error_code": "OUR_NEW_BUG"}]
    parts = why_not(Class.APPLICATION, added, vendor_codes=16)
    assert parts == ("33 (4.3 %)", "within normal (12-51)", "new error_code OUR_NEW_BUG")


def test_why_not_code_of_untimed_requests_is_not_called_new() -> None:
    """Of what has no time nobody knows whether it began with the incident."""
    added: list[Row] = [{**OUR_FAULT, "error_code": "OUR_NEW_BUG"}]
    parts = why_not(Class.APPLICATION, added, minute=None)
    assert parts == ("33 (4.3 %)", "within normal (12-51)", "no new error_code")


def test_why_not_mostly_is_said_of_more_than_half() -> None:
    """One reason in many functions is more than another in one, and the most frequent need not be most of them."""
    odd: Row = {"status": 500, "upstream_status": 429}
    refused: Row = {"status": 404, "upstream_status": 404}
    assert why_not(Class.UNKNOWN, [])[-1] == "mostly upstream-status-missing"
    assert why_not(Class.UNKNOWN, [odd] * 12 + [refused] * 11)[-1] == "most often upstream-status-missing"
    assert why_not(Class.UNKNOWN, [odd] * 12 + [refused] * 14)[-1] == "most often upstream-4xx-function-4xx"
    spread: list[Row] = [{**NO_EVIDENCE, "status": 500 + number} for number in range(12)]
    assert why_not(Class.UNKNOWN, [*spread, *[odd] * 20])[-1] == "mostly upstream-status-missing"


failures = st.lists(st.tuples(st.sampled_from(list(BY_CLASS)), st.sampled_from(CODES), st.none() | st.integers(0, 63)))


@given(failures, st.sampled_from(list(BY_CLASS)))
def test_new_codes_are_those_of_the_class_that_its_quiet_requests_lack(
    failing: list[tuple[Class, str | None, int | None]], class_: Class
) -> None:
    """Held against a dict and a loop: the class's own requests with a time decide, and nobody else's."""
    rows = [request(number, number % 41, fields=None) for number in range(410)]
    rows += [
        request(1000 + number, minute, fields={**BY_CLASS[each], "error_code": code})
        for number, (each, code, minute) in enumerate(failing)
    ]
    counts = analysis_of(rows).rollup.counts
    own = [(code, minute) for each, code, minute in failing if each == class_ and code and minute is not None]
    usual = {code for code, minute in own if minute < 41}
    new = Counter(code for code, _ in own if code not in usual)
    expected = tuple(sorted(new, key=lambda code: (-new[code], code))) if own else None
    assert new_codes(counts, quiet_part(counts, [LOUD]), class_) == expected
    assert new_codes(counts, None, class_) is None


def test_new_codes_any_order_of_rows_same_answer() -> None:
    """Of two codes that are as frequent, the first in the alphabet is named."""
    rows = [request(number, number % 41, fields=None) for number in range(410)]
    rows += [request(1000 + number, 50, fields={**OUR_FAULT, "error_code": code}) for number, code in enumerate("zay")]
    counts = analysis_of(rows).rollup.counts
    for order in (counts, counts.reverse(), pl.concat([counts[3:], counts[:3]])):
        assert new_codes(order, quiet_part(order, [LOUD]), Class.APPLICATION) == ("a", "y", "z")
