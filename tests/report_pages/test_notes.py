"""Notes: what people wrote survives every new report, word for word."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribute.reports.notes import INCIDENT_FIELDS, Action, parse_actions, parse_notes, with_blanks

lines = st.lists(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=30).filter(
        lambda line: not line.lstrip().startswith(("#", "<!--")) and "<!--" not in line
    ),
    max_size=4,
)


@given(written=st.dictionaries(st.sampled_from(list(INCIDENT_FIELDS)), lines), own=lines)
def test_text_under_a_heading_survives_any_number_of_reports(written: dict[str, list[str]], own: list[str]) -> None:
    """A second and third report leave the file as it is, and show what stands under each heading."""
    text = "".join(f"## {name}\n" + "".join(f"{line}\n" for line in body) for name, body in written.items())
    text += "## Something of our own\n" + "".join(f"{line}\n" for line in own)
    once = with_blanks(text, INCIDENT_FIELDS, title="Notes")
    assert with_blanks(once, INCIDENT_FIELDS, title="Notes") == once
    assert once.startswith(text.rstrip("\n"))
    notes = parse_notes(once)
    for name, body in written.items():
        assert notes.under(name.upper()) == tuple(line.rstrip() for line in body if line.strip())
    assert dict(notes.others(INCIDENT_FIELDS)).get("Something of our own", ()) == tuple(
        line.rstrip() for line in own if line.strip()
    )


def test_new_file_has_every_heading_and_no_text() -> None:
    """Blanks are labelled: a hint stands in a comment, which no report shows."""
    text = with_blanks(None, INCIDENT_FIELDS, title="Notes on V-1")
    assert parse_notes(text).written == {}
    assert all(f"\n## {name}\n" in text for name in INCIDENT_FIELDS)


def test_comment_without_an_end_hides_the_rest_and_nothing_else() -> None:
    """A slip of the pen costs the text below it in the report, never in the file."""
    assert parse_notes("## Trigger\nA deploy.\n<!-- oops\n## Summary\nx").written == {"Trigger": ("A deploy.",)}


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("- [ ] raise the pool, owner:Kim due:2026-11-20", ("raise the pool", "Kim", date(2026, 11, 20), False)),
        ("* [x] done it", ("done it", None, None, True)),
        ("- [ ] no such day due:2026-02-30", ("no such day due:2026-02-30", None, None, False)),
        ("- [ ] DUE:2026-01-02 first", ("first", None, date(2026, 1, 2), False)),
        ("- no box", None),
        ("[ ] no bullet", None),
    ],
)
def test_action_is_a_ticked_line_with_owner_and_date(
    line: str, action: tuple[str, str | None, date | None, bool] | None
) -> None:
    """`- [ ] what, owner:NAME due:DATE`; a date that is none stays text."""
    found = parse_actions(parse_notes(f"## Action items\n{line}\n"), source="V-1")
    if action is None:
        assert found == ()
    else:
        text, owner, due, done = action
        assert found == (Action(text=text, owner=owner, due=due, done=done, source="V-1"),)
