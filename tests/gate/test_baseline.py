"""A baseline adds up, comes back as it was written, and is refused in words where it is anything else."""

from __future__ import annotations

import contextlib

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute.frames import COUNTS
from attribute.gate.baseline import MAX_FUNCTIONS, OTHER, Baseline, RulesMark, build, checksum, merge, to_bytes
from attribute.gate.stored import BaselineError, from_bytes
from tests.gate.world import BLIND, HEALTHY, KNOWN, NOW, REFUSED, START, UNKNOWN, ago, calm, frame, row

RULES = RulesMark(version="m1/1", sha256="0" * 64, thresholds="1" * 64)
CALM = build(calm(), rules=RULES)

rows = st.lists(
    st.builds(
        lambda name, hours, look, requests: row(name, ago(hours), look, requests),
        st.sampled_from(["api", "pay", "\u202e##[error]\n", "a" * 128]),
        st.integers(0, 24 * 20),
        st.sampled_from([HEALTHY, BLIND, KNOWN, UNKNOWN, REFUSED]),
        st.integers(1, 10**6),
    ),
    max_size=20,
)


@settings(max_examples=40, deadline=None)
@given(rows)
def test_baseline_comes_back_as_it_was_written(some: list[dict[str, object]]) -> None:
    """Writing and reading lose nothing, and the bytes depend on the counts alone."""
    built = build(frame(some), rules=RULES)
    content = to_bytes(built)
    assert from_bytes(content, name="b.json") == built
    assert to_bytes(build(frame(reversed(some)), rules=RULES)) == content


@settings(max_examples=40, deadline=None)
@given(rows, rows, rows)
def test_merging_does_not_depend_on_order_or_grouping(
    first: list[dict[str, object]], second: list[dict[str, object]], third: list[dict[str, object]]
) -> None:
    """The baselines of disjoint logs add up to the baseline of all of them."""
    a, b, c = (build(frame(some), rules=RULES) for some in (first, second, third))
    whole = build(frame([*first, *second, *third]), rules=RULES)
    assert merge([merge([a, b]), c]) == merge([a, merge([b, c])]) == merge([c, b, a]) == whole


def test_baseline_counts_every_timed_request() -> None:
    """Nothing but untimed requests is left out, good days and bad."""
    counts = frame([*calm().iter_rows(named=True), row("api", None, UNKNOWN, 7)])
    assert build(counts).requests == calm()["requests"].sum() == counts["requests"].sum() - 7


def test_baseline_of_a_month_is_small() -> None:
    """Sixteen days of three functions take under 100 kB."""
    assert len(to_bytes(CALM)) < 100_000


def test_baseline_of_too_many_functions_counts_the_smallest_as_one() -> None:
    """A log that invents functions cannot grow a baseline without end."""
    many = frame(row(f"fn-{number:05d}", START, HEALTHY, number + 1) for number in range(MAX_FUNCTIONS + 50))
    built = build(many)
    assert len(built.functions) == MAX_FUNCTIONS
    assert OTHER in built.functions
    assert built.requests == many["requests"].sum()


def test_baseline_of_times_before_the_calendar_can_be_read_back() -> None:
    """A clock that stood in 1960 does not make a baseline that nobody can read."""
    odd = frame([row("api", START.replace(year=1960), HEALTHY, 3), row("api", START, HEALTHY, 2)])
    built = build(odd)
    assert built.requests == 2
    assert from_bytes(to_bytes(built), name="b") == built


def test_baseline_until_a_moment_holds_nothing_later() -> None:
    """What is judged must not be part of what it is compared with."""
    built = build(calm(), until=ago(24))
    assert built.hours["hour"].max() == int(NOW.timestamp()) // 3600 - 25


def test_merging_verdicts_of_different_rules_is_refused() -> None:
    """Counts of other rules are of something else."""
    other = build(calm(), rules=RulesMark(version="m1/2", sha256="2" * 64, thresholds="1" * 64))
    with pytest.raises(ValueError, match="different rules"):
        merge([CALM, other])


def tampered(**changes: object) -> bytes:
    """A baseline with other content and a checksum that fits it."""
    document = orjson.loads(to_bytes(CALM)) | changes
    document["sha256"] = checksum(document)
    return orjson.dumps(document)


HOURS = orjson.loads(to_bytes(CALM))["hours"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (to_bytes(CALM)[:-500], "not JSON"),
        (b"[1, 2]", "no `schema`"),
        (b'{"lines": 3}', "no `schema`"),
        (b'{"schema": "attribute.result/1"}', "schema `attribute.result/1`"),
        (b'{"schema": "attribute.baseline/2"}', "expected `attribute.baseline/1`"),
        (to_bytes(CALM).replace(b'"requests":', b'"requests":1'), "checksum"),
        (tampered(functions=["pay", "api", "sync"]), "not sorted"),
        (tampered(functions=[1]), "no list of names"),
        (tampered(hours={}), "has not the columns"),
        (tampered(hours=HOURS | {"known": [-1] * len(HOURS["known"])}), "whole numbers"),
        (tampered(hours=HOURS | {"known": [True] * len(HOURS["known"])}), "whole numbers"),
        (tampered(hours=HOURS | {"known": [1.5] * len(HOURS["known"])}), "whole numbers"),
        (tampered(hours=HOURS | {"function": [99] * len(HOURS["known"])}), "whole numbers"),
        (tampered(hours=HOURS | {"known": HOURS["known"][:-1]}), "not equally long"),
        (tampered(hours=HOURS | {"hour": HOURS["hour"][::-1]}), "not sorted"),
        (tampered(hours=HOURS | {"known": HOURS["other"]}), "do not add up"),
        (tampered(days=["2026-01-01"]), "totals"),
        (tampered(requests=5), "totals"),
        (tampered(rules={"version": 1}), "whose verdicts"),
    ],
)
def test_file_that_is_no_baseline_is_refused_in_one_sentence(content: bytes, said: str) -> None:
    """Truncated, edited, of another schema, or simply something else: a sentence, a hint, exit code 2."""
    with pytest.raises(BaselineError, match=said) as caught:
        from_bytes(content, name="b.json")
    assert caught.value.message.startswith("b.json: ")
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_hostile_bytes_never_get_further_than_a_sentence(data: st.DataObject) -> None:
    """Whatever the bytes are, they are a baseline or an error in words."""
    whole = to_bytes(build(frame([row("api", START, KNOWN, 3), row("api", START, UNKNOWN, 2)]), rules=RULES))
    place = data.draw(st.integers(0, len(whole)))
    junk = data.draw(st.binary(max_size=6))
    content = whole[:place] + junk + whole[place + data.draw(st.integers(0, 6)) :]
    found: Baseline | None = None
    with contextlib.suppress(BaselineError):
        found = from_bytes(content, name="b")
    assert found is None or found == from_bytes(whole, name="b")  # the checksum lets no other content through


def test_deeply_nested_json_is_refused() -> None:
    """A bomb of brackets is no baseline."""
    with pytest.raises(BaselineError):
        from_bytes(b"[" * 100_000, name="b")


def test_empty_logs_make_an_empty_baseline() -> None:
    """Nothing counted is nothing, and can be added to anything."""
    nothing = build(COUNTS.to_frame(), rules=RULES)
    assert nothing.days == []
    assert merge([nothing, CALM]) == CALM
    assert isinstance(nothing.hours, pl.DataFrame)
