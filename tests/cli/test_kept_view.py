"""An answer that is told again: the same bytes, no polars, and only for as long as it holds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from attribute.cli.job import Job, prepare
from attribute.cli.kept_view import ViewShelf, shelf_of
from attribute.cli.options import AnalysisFlags
from attribute.cli.outputs import Output
from attribute.cli.run import analyse_and_build
from attribute.reports import kept_view
from attribute.reports.kept_view import packed, unpacked
from attribute.reports.model import Result, View
from tests.cli.conftest import CommandLine, record

FIXTURES = Path(__file__).parents[2] / "fixtures"
SCENARIOS = sorted(path.parent.name for path in FIXTURES.glob("*/logs"))
LATER = "2026-11-18T00:00:00Z"


def view_of(result: Result) -> View:
    return View(**{each.name: getattr(result, each.name) for each in fields(View)})


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_view_comes_back_as_it_was(scenario: str, home: Path) -> None:
    """Every number, name, instant and missing value of every fixture, through bytes and back."""
    job = prepare(AnalysisFlags(paths=(str(FIXTURES / scenario / "logs"),), now=LATER, no_progress=True))
    result = analyse_and_build(job)
    assert unpacked(packed(result), job.asked(), job.rules()) == view_of(result)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document | {"requests": None},
        lambda document: document | {"exit_code": "0"},
        lambda document: document | {"verdict": {}},
        lambda document: document | {"verdict": document["verdict"] | {"state": "nobody"}},
        lambda document: document | {"classes": {"a": 1}},
        lambda document: document | {"flags": []},
        lambda document: document | {"account": document["account"] | {"first_at": "yesterday"}},
        lambda document: {name: value for name, value in document.items() if name != "verdict"},
        lambda _: [],
        lambda _: None,
    ],
)
def test_bytes_of_another_form_are_refused(spoil: Callable[[dict[str, Any]], object], logs: Path) -> None:
    """Nothing but the types of the view model's fields comes out."""
    job = prepare(AnalysisFlags(paths=(str(logs),), now=LATER, no_progress=True))
    data = orjson.dumps(spoil(orjson.loads(packed(analyse_and_build(job)))))
    with pytest.raises(kept_view.UNREADABLE):
        unpacked(data, job.asked(), job.rules())


@pytest.fixture
def long_log(home: Path) -> Path:
    """A log that is long enough to be kept, of an outage that is over."""
    outage = {"status": 502, "upstream_status": 503}
    folder = home / "logs"
    folder.mkdir()
    log = folder / "app.log"
    log.write_text("".join(record(n, **(outage if 1000 <= n < 1300 else {})) + "\n" for n in range(7000)))
    assert log.stat().st_size > 2**20
    return log


def job_of(log: Path, **changes: Any) -> Job:  # noqa: ANN401 - any flag
    return prepare(AnalysisFlags(**{"paths": (str(log.parent),), "now": LATER, "no_progress": True, **changes}))


def kept(job: Job) -> View | None:
    shelf = shelf_of(job)
    assert shelf is not None
    return shelf.get(job.asked(), job.rules())


def made_and_kept(job: Job) -> Result:
    result = analyse_and_build(job)
    shelf = shelf_of(job)
    assert shelf is not None
    shelf.keep(result)
    return result


@pytest.mark.parametrize("form", ["json", "plain", "text", "csv"])
def test_second_run_says_the_same_without_polars(form: str, long_log: Path, attribute: CommandLine) -> None:
    """Same bytes from the first run, from the second, and from one without a cache."""
    arguments = ("logs", "--now", LATER, "-o", form)
    first = attribute(*arguments)
    script = (
        "import sys\nfrom attribute.cli.main import run\n"
        f"code = run({arguments!r})\n"
        "sys.stdout.flush()\nprint('polars' in sys.modules, code, file=sys.stderr)\n"
    )
    second = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert second.stderr.splitlines()[-1] == b"False 0"
    assert second.stdout.decode() == first.out == attribute(*arguments, "--no-cache").out
    assert "vendor" in first.out


def test_time_of_the_run_is_that_of_the_run(long_log: Path, attribute: CommandLine) -> None:
    """What is told again is told now."""
    attribute("logs", "--now", LATER, "-o", "json")
    again = orjson.loads(attribute("logs", "--now", "2026-11-19T05:00:00Z", "-o", "json").out)
    assert again["generated_at"] == "2026-11-19T05:00:00Z"


def test_changed_files_are_read(long_log: Path) -> None:
    """Growth, a cut line, a rewritten end, another file, a file less, a name passed over: all ask anew."""
    job = job_of(long_log)
    assert kept(job) is None
    result = made_and_kept(job)
    assert kept(job) == view_of(result)
    content = long_log.read_bytes()

    def changed(change: Callable[[], object], undo: Callable[[], object]) -> None:
        change()
        assert kept(job) is None
        undo()
        assert kept(job) is not None

    changed(
        lambda: long_log.write_bytes(content + record(8000).encode() + b"\n"),
        lambda: os.truncate(long_log, len(content)),
    )
    changed(lambda: long_log.write_bytes(content + b'{"request'), lambda: os.truncate(long_log, len(content)))
    changed(lambda: long_log.write_bytes(content[:-1000]), lambda: long_log.write_bytes(content))
    changed(lambda: long_log.write_bytes(content[:-30] + b" " * 29 + b"\n"), lambda: long_log.write_bytes(content))
    other = long_log.with_name("other.log")
    changed(lambda: other.write_text(record(1)), other.unlink)
    changed(lambda: long_log.rename(other), lambda: other.rename(long_log))
    image = long_log.with_name("picture.png")
    changed(lambda: image.write_bytes(b"x"), image.unlink)
    copy = long_log.with_name("copy")
    copy.write_bytes(content)
    changed(lambda: copy.replace(long_log), lambda: made_and_kept(job))


def test_answer_is_kept_for_the_files_that_were_read(long_log: Path) -> None:
    """Not for those that lie there by the time that it is kept: they were neither read nor passed over."""
    job = job_of(long_log)
    result = analyse_and_build(job)
    shelf = shelf_of(job)
    assert shelf is not None
    image, other = long_log.with_name("picture.png"), long_log.with_name("other.log")
    image.write_bytes(b"x")
    long_log.rename(other)
    shelf.keep(result)
    assert kept(job) is None
    image.unlink()
    assert kept(job) is None
    other.rename(long_log)
    assert kept(job) == view_of(result)


def test_answer_to_a_window_that_no_other_run_will_have_is_not_kept(long_log: Path) -> None:
    """`--since 1h` is another question every time."""
    assert shelf_of(job_of(long_log, since="2026-11-16T00:00:01Z")) is None
    assert shelf_of(job_of(long_log, since="2026-11-16T00:01:00Z")) is not None


def test_answer_that_may_change_by_itself_is_not_kept(long_log: Path) -> None:
    """While an incident goes on, or a window has not ended, time alone changes what is true."""
    during = job_of(long_log, now="2026-11-16T02:22:00Z")
    result = made_and_kept(during)
    assert any(row.ongoing for row in result.incidents)
    assert kept(during) is None
    open_window = job_of(long_log, until="2026-11-18T00:00:00Z", now="2026-11-17T00:00:00Z")
    made_and_kept(open_window)
    assert kept(open_window) is None
    assert kept(job_of(long_log, until="2026-11-18T00:00:00Z", now="2026-11-19T00:00:00Z")) is None


def test_answer_holds_from_when_it_was_made(long_log: Path) -> None:
    """Whoever asks for an earlier time asks something else."""
    job = job_of(long_log)
    made_and_kept(job)
    assert kept(replace(job, now=job.now + timedelta(days=400))) is not None
    assert kept(replace(job, now=job.now - timedelta(seconds=1))) is None


@pytest.mark.parametrize(
    "other",
    [
        {"since": "2026-11-16T00:00:00Z"},
        {"functions": ("q*",)},
        {"strict": True},
        {"tz": "Asia/Seoul"},
        {"exclude": ("*.txt",)},
    ],
    ids=str,
)
def test_other_question_has_another_answer(other: dict[str, Any], long_log: Path) -> None:
    """Window, functions, strictness, zone and exclusions are part of the question."""
    made_and_kept(job_of(long_log))
    assert kept(job_of(long_log, **other)) is None


def test_settings_and_rules_are_part_of_the_question(long_log: Path, home: Path) -> None:
    """Limits, runbook texts and rules too, wherever they come from."""
    made_and_kept(job_of(long_log))
    config = home / "attribute.toml"
    for text in ("slow_ms = 500\n", '[runbook]\nvendor = "call them"\n'):
        config.write_text(text)
        assert kept(job_of(long_log)) is None
    config.unlink()
    assert kept(job_of(long_log)) is not None


@pytest.mark.parametrize(
    "flags",
    [
        {"no_cache": True},
        {"fingerprint": True},
        {"rejects": "rejects.jsonl"},
        {"outputs": (Output("json", "a.json"), Output("verdicts", "b.jsonl"))},
        {"outputs": (Output("html", "a.html"),)},
    ],
    ids=str,
)
def test_what_a_view_does_not_hold_is_made_anew(flags: dict[str, Any], long_log: Path) -> None:
    """Every line's hash, every rejected line and every single request take reading."""
    assert shelf_of(job_of(long_log, **flags)) is None


@pytest.mark.parametrize("content", [b"", b"{}\n{}", b"[]\n", b"{\n", b'{"holds_from":"2026-01-01T00:00:00Z"}\n{}'])
def test_foreign_entry_is_no_answer(content: bytes, long_log: Path) -> None:
    """An entry that says something else than what we wrote is passed over."""
    job = job_of(long_log)
    shelf = shelf_of(job)
    cache = job.options().cache
    assert isinstance(shelf, ViewShelf)
    assert cache is not None
    made_and_kept(job)
    (entry,) = [each for each in cache.store.entries() if kept(job) is not None][:1]
    assert entry.size_bytes > 0
    cache.store.put(shelf.key, content)
    assert kept(job) is None


def test_newer_code_asks_anew(long_log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other code kept is not believed, even if it calls itself the same version."""
    made_and_kept(job_of(long_log))
    monkeypatch.setattr("attribute.cli.kept_view.code_mark", lambda: "other")
    assert kept(job_of(long_log)) is None


def test_small_files_are_read(logs: Path) -> None:
    """A file that is read sooner than looked up is never told from memory."""
    job = job_of(logs / "app.log")
    made_and_kept(job)
    assert kept(job) is None
    assert job.now == datetime(2026, 11, 18, tzinfo=UTC)
