"""`attribute report` and `attribute escalate`, as they are typed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import orjson
import pytest

from attribute.cli.outputs import OutputError
from attribute.cli.report_files import keep_notes
from tests.cli.conftest import CommandLine, attribute, home
from tests.report_pages.worlds import XHTML, texts, tree

__all__ = ["attribute", "home"]  # fixtures, found by their names

AsNobody = Callable[[], AbstractContextManager[None]]
OUTAGE = Path(__file__).parents[2] / "fixtures" / "vendor-outage" / "logs"
COMMON = ("--now", "2026-11-18T09:00:00Z", "--isolated", "--no-progress")
ID = "V-20261116-1741-cd30"


@pytest.fixture
def logs(home: Path) -> Path:
    shutil.copytree(OUTAGE, home / "logs")
    return home


def test_incident_report_goes_to_the_named_files(attribute: CommandLine, logs: Path) -> None:
    """Page, Markdown and notes appear; nothing is printed."""
    done = attribute("report", "incident", "logs/", *COMMON, "-o", "html:i.html", "-o", "markdown:i.md")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert sorted(path.name for path in logs.iterdir()) == ["i.html", "i.md", "i.notes.md", "logs"]
    page = texts(tree((logs / "i.html").read_bytes()))
    assert "attribute report incident logs/ --isolated --now 2026-11-18T09:00:00Z" in page
    assert "--fingerprint takes it" not in page


def test_report_from_the_cache_is_the_one_without(attribute: CommandLine, logs: Path) -> None:
    """The fingerprint that is taken beside the cache is the one of reading everything, and so is each byte."""
    kept = [attribute("report", "incident", "logs/", *COMMON, "-o", "markdown:-") for _ in range(2)]
    anew = attribute("report", "incident", "logs/", *COMMON, "--no-cache", "-o", "markdown:-")
    assert [done.out for done in kept] == [anew.out, anew.out]
    assert anew.code == 0


def test_report_tells_every_rejected_line_once(attribute: CommandLine, logs: Path) -> None:
    """The file of rejects has a line per rejected line, with a cache as without one."""
    (logs / "logs" / "broken.log").write_text('{"request_id": 1, "function": 2, "status": "x"}\n' * 3)
    for number, more in enumerate([(), (), ("--no-cache",)]):
        attribute("report", "logs/", *COMMON, *more, "--rejects", f"rejects{number}.jsonl")
    written = [(logs / f"rejects{number}.jsonl").read_bytes() for number in range(3)]
    assert len(written[0].splitlines()) == 3
    assert written == [written[0]] * 3


def test_report_without_a_kind_is_the_incidents(attribute: CommandLine, logs: Path) -> None:
    """`attribute report logs/` is the short form; without -o it is Markdown."""
    short = attribute("report", "logs/", *COMMON)
    assert short.code == 0
    assert short.out.startswith("# Incident report: vendor, 2026-11-16 17:41 UTC\n")
    assert short.out == attribute("report", "incident", "logs/", *COMMON).out


def test_folder_holds_every_format_and_a_list_newest_first(attribute: CommandLine, logs: Path) -> None:
    """`--out` writes all formats with a machine's JSON beside each page, and renews the list."""
    assert attribute("report", "incident", "logs/", *COMMON, "--out", "reports").code == 0
    assert attribute("report", "weekly", "logs/", *COMMON, "--week", "2026-W47", "--out", "reports").code == 0
    assert attribute("report", "weekly", "logs/", *COMMON, "--week", "2026-W46", "--out", "reports").code == 4
    files = {path.name for path in (logs / "reports").iterdir()}
    ends = (".html", ".md", ".json", ".eml", ".slack.json", ".notes.md")
    assert files == {"index.html", *(f"{name}{end}" for name in (ID, "2026-W47", "2026-W46") for end in ends)}
    index = tree((logs / "reports" / "index.html").read_bytes())
    heads = index.findall(f".//{XHTML}li/{XHTML}h2/{XHTML}a")
    assert [texts(head).strip() for head in heads] == [ID, "2026-W47", "2026-W46"]
    links = [str(a.get("href")) for a in index.findall(f".//{XHTML}li//{XHTML}a")]
    assert len(links) == 3 * 5
    assert set(links) == files - {"index.html", *(name for name in files if name.endswith(".notes.md"))}
    assert orjson.loads((logs / "reports" / f"{ID}.json").read_bytes())["incidents"][0]["id"] == ID


@pytest.mark.parametrize(("notes", "why"), [("closed/n.md", "Permission denied"), ("a" * 300, "File name too long")])
def test_notes_that_cannot_be_read_are_a_usage_error(
    notes: str, why: str, as_nobody: AsNobody, open_folder: Path
) -> None:
    """What people wrote may stand there: nothing is written over it, and the run says why."""
    (open_folder / "closed").mkdir(mode=0)
    path = open_folder / notes
    with as_nobody(), pytest.raises(OutputError) as caught:
        keep_notes(path, {}, title="Notes")
    assert caught.value.message == f"`{path}` cannot be written: it cannot be read: {why}"


def test_notes_survive_a_new_report_and_stand_in_it(attribute: CommandLine, logs: Path) -> None:
    """What a person wrote is on the page after the next run, and its file has not changed."""
    attribute("report", "logs/", *COMMON, "--out", "reports")
    notes = logs / "reports" / f"{ID}.notes.md"
    text = notes.read_text().replace("## Trigger\n", "## Trigger\n\nA config push at 17:40.\n")
    text = text.replace(
        "## Action items\n", "## Action items\n- [ ] ask for a status page, owner:team-a due:2026-11-17\n"
    )
    notes.write_text(text)
    attribute("report", "logs/", *COMMON, "--out", "reports")
    assert notes.read_text() == text
    assert "A config push at 17:40." in texts(tree((logs / "reports" / f"{ID}.html").read_bytes()))
    attribute("report", "weekly", "logs/", *COMMON, "--week", "2026-W47", "--out", "reports")
    week = texts(tree((logs / "reports" / "2026-W47.html").read_bytes()))
    assert "ask for a status page" in week
    assert "1 d overdue" in week
    assert "2 of 11 fields" in week
    (logs / "reports" / f"{ID}.notes.md").unlink()
    attribute("report", "weekly", "logs/", *COMMON, "--week", "2026-W47", "--out", "reports")
    assert "not begun" in texts(tree((logs / "reports" / "2026-W47.html").read_bytes()))
    done = attribute("report", "weekly", "logs/", *COMMON, "--week", "2026-W47", "-o", "markdown")
    assert "not begun" not in done.out


def test_screen_and_report_say_the_same(attribute: CommandLine, logs: Path) -> None:
    """`-o html` of the main command and the report of the same logs and window have the same numbers."""
    window = ("--since", "2026-11-16T17:30:00Z", "--until", "2026-11-16T18:00:00Z")
    attribute("logs/", *COMMON, *window, "-o", "json:screen.json")
    attribute("report", "logs/", *COMMON, *window, "-o", "json:report.json", "-o", "html:report.html")
    screen, report = (orjson.loads((logs / f"{name}.json").read_bytes()) for name in ("screen", "report"))
    for values in (screen, report):
        values["input"].pop("fingerprint")
    assert screen == report
    assert screen["verdict"]["sentence"] in texts(tree((logs / "report.html").read_bytes()))


def test_week_of_a_window_has_the_windows_numbers(attribute: CommandLine, logs: Path) -> None:
    """The weekly report's result is that of `attribute logs/` over the same time."""
    attribute("report", "weekly", "logs/", *COMMON, "--week", "2026-W47", "-o", "json:week.json")
    attribute("logs/", *COMMON, "--window", "2026-W47", "-o", "json:screen.json")
    week, screen = orjson.loads((logs / "week.json").read_bytes()), orjson.loads((logs / "screen.json").read_bytes())
    for key in ("requests", "classes", "reasons", "functions", "latency", "incidents", "error_codes"):
        assert week["result"][key] == screen[key], key


def test_package_is_written_and_its_files_are_named(attribute: CommandLine, logs: Path) -> None:
    """Two files, whose names go to stdout."""
    done = attribute("escalate", ID, "logs/", *COMMON, "--out", "sent")
    assert (done.code, done.out) == (0, f"sent/{ID}.md\nsent/{ID}.zip\n")
    assert sorted(path.name for path in (logs / "sent").iterdir()) == [f"{ID}.md", f"{ID}.zip"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("report", "logs/", "--incident", "V-1"), 4, f"no incident `V-1`\n  hint: there are {ID}"),
        (("escalate", "V-1", "logs/"), 4, f"no incident `V-1`\n  hint: there are {ID}"),
        (("report", "weekly", "logs/", "--week", "47"), 2, "`47` is not a week"),
        (("report", "weekly", "logs/", "--since", "1h"), 2, "a weekly report has its week"),
        (("report", "logs/", "-o", "html:no/such/folder.html"), 2, "cannot be written"),
        (("report", "logs/", "--out", "logs/api-1.jsonl"), 2, "cannot be written"),
        (("report", "nowhere/"), 2, "`nowhere/` is neither a file nor a folder"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    attribute: CommandLine, logs: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    """One line and a hint, and the exit code of the table."""
    done = attribute(*arguments, *COMMON)
    assert done.code == code
    assert says in done.err
    assert done.out == ""


def test_report_of_a_named_incident_is_told_by_the_time_around_it(attribute: CommandLine, logs: Path) -> None:
    """An hour before and after, whose numbers are those of that window."""
    attribute("report", "logs/", *COMMON, "--incident", ID, "-o", "json:report.json")
    values = orjson.loads((logs / "report.json").read_bytes())
    assert (values["window"]["since"], values["window"]["until"]) == ("2026-11-16T16:41:00Z", "2026-11-16T19:15:00Z")
    attribute("logs/", *COMMON, "--window", "2026-11-16T16:41:00Z..2026-11-16T19:15:00Z", "-o", "json:screen.json")
    screen = orjson.loads((logs / "screen.json").read_bytes())
    for key in ("requests", "classes", "functions", "incidents", "verdict"):
        assert values[key] == screen[key], key


@pytest.mark.parametrize("year", ["1970-01-01T00:0", "9999-12-31T22:5"])
@pytest.mark.parametrize("zone", ["Asia/Seoul", "America/New_York"])
def test_times_at_the_ends_of_the_calendar_make_a_report(
    attribute: CommandLine, home: Path, year: str, zone: str
) -> None:
    """A clock that is wrong by millennia costs nobody the report."""
    lines = [
        f'{{"request_id":"r{n}","function":"quote","stage":"response","status":502,"latency_ms":9,"error_code":null,'
        f'"upstream_status":503,"upstream_latency_ms":5,"ts":"{year}{n % 10}:00Z"}}\n'
        for n in range(60)
    ]
    (home / "far.log").write_text("".join(lines))
    common = ("--now", "2026-11-18T09:00:00Z", "--isolated", "--no-progress", "--tz", zone)
    done = attribute("report", "far.log", *common, "--out", "reports")
    assert (done.code, done.err) == (0, "")
    assert attribute("report", "weekly", "far.log", *common, "--week", "2026-W47", "-o", "html:w.html").code == 4
    made = [path.name.partition(".")[0] for path in (home / "reports").glob("V-*.html")]
    for incident in made[:1]:
        assert attribute("escalate", incident, "far.log", *common, "--out", "sent").code == 0
