"""Markdown: any text stays a text, and any report stays within its budget."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt

from attribute.reports import email, html, markdown, slack
from attribute.reports.document import HELP, Column, Document, Human, Kind, Section, Table
from attribute.reports.escape import visible
from attribute.reports.markdown import prose, unicode_bar
from attribute.reports.weekly_view import weekly_document
from tests.report_pages.worlds import kinds, mail_of, tokens, weekly_of
from tests.reports.hostile import any_text
from tests.reports.world import analysis_of, outage

GFM = MarkdownIt("gfm-like", {"linkify": True})


def _bare(text: str) -> str:
    """The text without spaces; a pipe is the same whichever way it is written."""
    return text.replace(" ", "").replace("\\u{7c}", "|")


@given(text=any_text)
@settings(max_examples=300, deadline=None)
def test_prose_reads_as_the_text_it_was_made_of(text: str) -> None:
    """Whatever the words, they become one paragraph of text and code that reads the same, and nothing else."""
    made = prose(text)
    found = [token.type for token in GFM.parse(made)]
    assert found in ([], ["paragraph_open", "inline", "paragraph_close"])
    inline = [token for token in tokens(made.encode()) if token.type in {"text", "code_inline", "text_special"}]
    read = "".join(token.content for token in inline)
    assert _bare(read) == _bare("".join(visible(word) for word in text.split(" ")))


@given(text=any_text)
@settings(max_examples=200, deadline=None)
def test_text_in_any_kind_of_cell_stays_in_it(text: str) -> None:
    """A table keeps its rows and columns whatever stands in a cell."""
    columns = tuple(Column(kind.value, kind) for kind in (Kind.WORDS, Kind.NAME, Kind.NUMBER, Kind.ADVICE, Kind.CLASS))
    table = Table(caption=text, columns=columns, rows=((text,) * 5, ("x",) * 5))
    document = Document(
        title=text,
        subtitle=(text,),
        state=text,
        class_="",
        sentence=text,
        sections=(Section(anchor="a", title=text, blocks=(table,), brief=True),),
    )
    found = kinds(markdown.render(document))
    assert (found["table_open"], found["tr_open"], found["td_open"], found["heading_open"]) == (1, 3, 10, 3)
    assert not {"html_inline", "html_block", "link_open", "image", "bullet_list_open"} & found.keys()


def large(rows: int, written: int) -> Document:
    columns = (Column("function", Kind.NAME), Column("words"), Column("n", Kind.NUMBER), Column("bar", Kind.BAR))
    table = Table(
        caption="Rows", columns=columns, rows=tuple((f"f{n:06}" * 8, "words " * 5, "1", 0.5) for n in range(rows))
    )
    folded = Table(caption="Folded", columns=columns, rows=table.rows, folded=True)
    human = Human(heading="Notes", written=("a long line of notes " * 20,) * written)
    return Document(
        title="Large",
        subtitle=("x",),
        state="VENDOR",
        class_="vendor",
        sentence="It is large.",
        facts=(("n", str(rows)),) * 20,
        sections=tuple(
            Section(anchor=f"s{n}", title=f"Part {n}", blocks=(table, folded, human), brief=n % 2 == 0)
            for n in range(8)
        ),
        next_commands=("attribute x",) * 5,
    )


def test_large_report_is_cut_to_its_budget_and_says_so() -> None:
    """Markdown under 60,000 characters, a mail under 80 kB, a message of 12 blocks; each says that it is short."""
    for rows, written in ((0, 0), (10, 10), (100, 100), (1_500, 500)):
        document = large(rows, written)
        text = markdown.render(document).decode()
        assert len(text) <= markdown.BUDGET
        assert ("Shortened to fit" in text) == (rows > 10)
        mail = email.render(document)
        assert len(mail) < email.BUDGET_BYTES
        _, *parts = mail_of(mail)
        assert [("in the full report" in part) for part in parts] == [rows > 30] * 2
        message = orjson.loads(slack.render(document))
        assert len(message["blocks"]) <= slack.MAX_BLOCKS
        assert len(orjson.dumps(message)) < slack.MAX_CHARACTERS + 2_000
        assert max(len(block.get("text", {}).get("text", "")) for block in message["blocks"]) <= 3_000
        assert "full report" in message["blocks"][-1]["elements"][0]["text"]


def test_bars_grow_and_never_vanish() -> None:
    """A bar is as long as its share, to an eighth of a character, and what is there is seen."""
    lengths = [
        sum(8 if block == "\u2588" else 0x2590 - ord(block) for block in unicode_bar(n / 96, 12)) for n in range(97)
    ]
    assert lengths == list(range(97))
    assert unicode_bar(1e-9, 12) == "\u258f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("this week has 338 half hours, not 336.", "this week has 338 half hours, not 336."),
        ("336. of", "`336`. of"),
        ("from 05:45:00 UTC+05:45.", "from 05:45:00 `UTC+05:45`."),
        ("with its SHA-256 in manifest.json.", "with its SHA-256 in `manifest.json`."),
        ("in www.evil.example, @all: ...", "in `www.evil.example`, `@all`: `...`"),
        ("(a=b). |! `.", "`(a=b)`. `\\u{7c}`! `` ` ``."),
    ],
)
def test_what_ends_a_clause_stays_outside_of_a_code_span(text: str, expected: str) -> None:
    """A full stop of ours is none of the name's; a number that ends a sentence is no item of a list."""
    assert prose(text) == expected


def test_advice_in_a_fact_keeps_its_names_whole() -> None:
    """Backticks of ours set a name of several words apart; those of a log are a part of its text."""
    document = Document(
        title="x",
        subtitle=(),
        state="CANNOT JUDGE",
        class_="",
        sentence="x.",
        facts=(
            ("What would help", "fewer rejected lines; `--rejects FILE` names each of them (see `x y`)."),
            ("What would make it surer", "`upstream_calls` in the records: 3 of 7"),
            ("Whose", "vendor (`a b`)"),
        ),
    )
    lines = markdown.render(document).decode().split("\n")
    assert "- What would help: fewer rejected lines; `--rejects FILE` names each of them (see `x y`)." in lines
    assert "- What would make it surer: `upstream_calls` in the records: 3 of 7" in lines
    assert f"- Whose: {prose('vendor (`a b`)')}" in lines


def test_message_cuts_no_number_and_no_id() -> None:
    """What does not fit beside the first column stands below, by the first column again; only names are cut."""
    columns = (Column("id", Kind.REPORT), *(Column(f"burn, last {n} h", Kind.NUMBER) for n in (1, 6, 72)))
    columns += (Column("functions", Kind.NAME), Column("when", Kind.FIXED), Column("as a bar", Kind.BAR))
    when = "2026-11-17 14:10:00 UTC (began before)"
    rows = tuple(
        (f"V-20261117-1410-ec{n:02}.html", "1,234,567", "none, x4.8 of it spent", f"x{n}", "n" * 40, when, 0.5)
        for n in range(9)
    )
    table = Table(caption="wide", columns=columns, rows=rows)
    section = Section(anchor="s", title="S", blocks=(table,), brief=True)
    shown = code_of(slack.render(replace(large(0, 0), sections=(section,))))
    ids = [f"V-20261117-1410-ec{n:02}" for n in range(7)]
    assert shown.split("\n") == [
        "wide",
        "id                    burn, last 1 h          burn, last 6 h",
        *(f"{each}       1,234,567  none, x4.8 of it spent" for each in ids),
        "",
        "id                    burn, last 72 h  functions",
        *(f"{each}               x{n}  {'n' * 19}\N{HORIZONTAL ELLIPSIS}" for n, each in enumerate(ids)),
        "",
        "id                    when",
        *(f"{each}  {when}" for each in ids),
        "(2 more)",
    ]


def test_message_has_a_row_for_every_class() -> None:
    """The table of a week has all classes, the last one too: UNKNOWN is what the reader asks for."""
    document = weekly_document(weekly_of(analysis_of(outage()[0]), week="2026-W46"), command="attribute")
    shown = code_of(slack.render(document)).split("\n")
    assert [line.split()[0] for line in shown[1:9]] == [
        "requests",
        "requests",
        "went",
        "failing",
        "vendor",
        "application",
        "application-bottleneck",
        "UNKNOWN",
    ]
    assert "more)" not in "".join(shown)


def code_of(message: bytes) -> str:
    """The first table of a message."""
    blocks = orjson.loads(message)["blocks"]
    text = next(block["text"]["text"] for block in blocks if block.get("text", {}).get("type") == "mrkdwn")
    assert isinstance(text, str)
    return text.removeprefix("```\n").removesuffix("\n```")


def test_backticks_of_advice_are_code_or_nothing() -> None:
    """What would help names things between backticks: code in pages, the bare name where there is no code."""
    document = replace(
        large(0, 0), facts=((HELP, "fewer; `--rejects FILE` names each"), ("a name", "x`y`")), sections=()
    )
    for page in (html.render(document).decode(), mail_of(email.render(document))[2]):
        assert "fewer; <code>--rejects FILE</code> names each" in page
        assert "x`y`" in page
    plain = "What would help: fewer; --rejects FILE names each"
    _, text, _ = mail_of(email.render(document))
    assert plain in text
    assert "a name: x`y`" in text
    assert plain in slack.render(document).decode()
