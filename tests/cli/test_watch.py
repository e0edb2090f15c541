"""`attribute watch`: what each look shows is what one run would say."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attribute.cli.job import prepare
from attribute.cli.options import AnalysisFlags
from attribute.cli.run import analyse_and_build
from attribute.cli.watch import looks
from attribute.engines import choose
from attribute.engines.analysis import Window
from attribute.engines.settle import ChangedError
from attribute.logs.sources import SourceError
from attribute.reports.model import Result


def line(number: int, status: int = 502) -> str:
    row = {
        "request_id": f"r{number}", "function": "quote", "stage": "response", "status": status, "latency_ms": 30,
        "error_code": None, "upstream_status": 503 if status >= 500 else 200, "upstream_latency_ms": 20,
        "ts": 1_794_830_400 + number,
    }  # fmt: skip
    return json.dumps(row) + "\n"


def counted(result: Result) -> Iterator[bytes]:
    """Draw nothing but how many requests there are, and how many lines."""
    yield f"{result.requests.total} {result.account.lines}".encode()


def one_by_one(*steps: Callable[[], object]) -> Callable[[], None]:
    """Return what does one step each time that it is called."""
    left = iter(steps)

    def step() -> None:
        next(left)()

    return step


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def test_each_look_sees_what_was_written_before_it_and_counts_nothing_twice(folder: Path) -> None:
    """Growth, a new file, rotation by renaming and truncation in place are what they are at the time of the look."""
    log = folder / "a.jsonl"
    log.write_text("".join(line(number) for number in range(8000)))

    def grow() -> None:
        with log.open("a") as file:
            file.write(line(8000) + line(8001))

    def add() -> None:
        (folder / "b.jsonl").write_text(line(9000))

    def rotate() -> None:
        log.rename(folder / "a-1.jsonl")
        log.write_text(line(9001))

    def truncate() -> None:
        os.truncate(folder / "a-1.jsonl", len("".join(line(number) for number in range(10))))

    wait = one_by_one(grow, add, rotate, truncate)
    job = prepare(AnalysisFlags(paths=(str(folder),), isolated=True, now="2026-11-17", no_progress=True))
    seen = [b"".join(pieces) for pieces in looks(job, counted, count=5, wait=wait)]
    assert seen == [b"8000 8000", b"8002 8002", b"8003 8003", b"8004 8004", b"12 12"]


def test_logs_that_are_away_for_a_moment_are_waited_for(folder: Path) -> None:
    """Rotation renames first and creates then: a look in between says what is missing, and the next one counts on."""
    log = folder / "a.jsonl"
    log.write_text("".join(line(number) for number in range(40)))

    def away() -> None:
        log.rename(folder.parent / "away")

    def back() -> None:
        (folder.parent / "away").rename(log)

    for paths, problem in (
        ((str(log),), f"`{log}` does not exist\n"),
        ((str(folder / "*.jsonl"),), f"`{folder / '*.jsonl'}` matches no file\n"),
        ((str(folder / "b.jsonl"), str(log)), f"`{log}` does not exist\n"),
    ):
        (folder / "b.jsonl").unlink(missing_ok=True)
        if str(folder / "b.jsonl") in paths:
            (folder / "b.jsonl").touch()
        steps = one_by_one(away, lambda: None, back)
        job = prepare(AnalysisFlags(paths=paths, isolated=True, now="2026-11-17", no_progress=True))
        seen = [b"".join(pieces) for pieces in looks(job, counted, count=4, wait=steps)]
        assert seen == [b"40 40", problem.encode(), problem.encode(), b"40 40"]


def test_folder_that_is_away_for_a_moment_is_waited_for(folder: Path) -> None:
    """A deployment may rename a folder and make it anew; its files are known wherever they lie."""
    (folder / "a.jsonl").write_text("".join(line(number) for number in range(40)))
    away = folder.parent / "away"
    steps = one_by_one(lambda: folder.rename(away), lambda: away.rename(folder))
    job = prepare(AnalysisFlags(paths=(str(folder),), isolated=True, now="2026-11-17", no_progress=True))
    seen = [b"".join(pieces) for pieces in looks(job, counted, count=3, wait=steps)]
    assert seen == [b"40 40", f"`{folder}` does not exist\n".encode(), b"40 40"]


def test_file_that_changes_while_it_is_read_is_looked_at_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that refuses to answer for once does not end the watch."""
    (folder / "a.jsonl").write_text("".join(line(number) for number in range(40)))
    job = prepare(AnalysisFlags(paths=(str(folder),), isolated=True, now="2026-11-17", no_progress=True))
    analyse, answers = choose.analyse, iter((True, False, True))

    def sometimes(*given: object) -> object:
        if not next(answers):
            raise ChangedError.of_file("a.jsonl")
        return analyse(*given)  # type: ignore[arg-type]  # handed on as they are

    monkeypatch.setattr("attribute.cli.run.analyse", sometimes)
    seen = [b"".join(pieces) for pieces in looks(job, counted, count=3, wait=lambda: None)]
    assert seen == [b"40 40", b"a.jsonl changed while it was read\n", b"40 40"]


def test_window_of_a_watch_is_in_whole_minutes(folder: Path) -> None:
    """What is read of `--since 1h` is kept for the next look, as no window within a minute is."""
    window = Window(since_at=datetime(2026, 11, 16, 1, 2, 3, 4, tzinfo=UTC))
    assert not window.comes_again
    assert window.in_whole_minutes() == Window(since_at=datetime(2026, 11, 16, 1, 2, tzinfo=UTC))
    assert window.in_whole_minutes().comes_again
    assert Window().in_whole_minutes() == Window()


def test_first_look_that_fails_ends_the_watch(folder: Path) -> None:
    """A slip in a path is told at once, and not waited for."""
    (folder / "a.jsonl").write_text(line(1))
    job = prepare(AnalysisFlags(paths=(str(folder / "a.jsonl"),), isolated=True, now="2026-11-17", no_progress=True))
    (folder / "a.jsonl").unlink()
    with pytest.raises(SourceError, match="does not exist"):
        next(looks(job, counted, count=3, wait=lambda: None))


def compressed(path: Path) -> None:
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


@pytest.mark.parametrize("named", ["folder", "file", "pattern", "link"])
@pytest.mark.parametrize("grows", [False, True])
def test_file_that_was_read_is_read_on_under_the_names_of_rotation(folder: Path, named: str, grows: bool) -> None:
    """`app.jsonl.1` is no log's name, and yet it holds what was counted: nothing is forgotten, nothing counts twice."""
    log = folder / "app.jsonl"
    log.write_text("".join(line(number) for number in range(40)))
    (folder / "app.jsonl.9").write_text(line(7000))  # which was never read

    def rotate(names: list[str], new: int) -> Callable[[], None]:
        def do() -> None:
            if grows:
                with log.open("a") as file:
                    file.write(line(new + 500))
            for older, old in itertools.pairwise(reversed(names)):
                (folder / old).rename(folder / older)
            log.write_text(line(new))

        return do

    def link() -> None:
        (folder.parent / "link.jsonl").symlink_to(log)

    link()
    paths = {"folder": folder, "file": log, "pattern": folder / "*.jsonl", "link": folder.parent / "link.jsonl"}
    steps = one_by_one(
        rotate(["app.jsonl", "app.jsonl.1"], 100),
        lambda: None,
        rotate(["app.jsonl", "app.jsonl.1", "app.jsonl.2"], 200),
        lambda: compressed(folder / "app.jsonl.2"),
        lambda: (folder / "app.jsonl.2.gz").rename(folder / "app.jsonl.3.gz"),
        (folder / "app.jsonl.3.gz").unlink,
    )
    notes: list[str] = []
    job = prepare(AnalysisFlags(paths=(str(paths[named]),), isolated=True, now="2026-11-17", no_progress=True))
    found = looks(job, counted, count=7, wait=steps, note=notes.append)
    seen = [int(b"".join(pieces).split()[0]) for pieces in found]
    more = int(grows)
    assert seen == [40, 41 + more, 41 + more, *[42 + 2 * more] * 3, 2 + more]
    assert [note.partition("` ")[0] for note in notes] == [
        f"`{folder}/app.jsonl.{each}" for each in ("1", "2", "2.gz", "3.gz")
    ]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_log_that_is_copied_and_truncated_is_not_forgotten(folder: Path, ending: str) -> None:
    """logrotate's `copytruncate`: the copy is another file with the same text."""
    log = folder / "app.jsonl"
    log.write_text("".join(line(number) for number in range(40)))
    (folder / "app.jsonl.old").write_text(line(0))
    os.utime(folder / "app.jsonl.old", (1, 1))

    def copy() -> None:
        text = log.read_bytes()
        (folder / f"app.jsonl-20261117{ending}").write_bytes(gzip.compress(text) if ending else text)

    def truncate() -> None:
        os.truncate(log, 0)

    def write() -> None:
        log.write_text(line(100))

    def move() -> None:
        (folder / f"app.jsonl-20261117{ending}").rename(folder / f"kept{ending}")

    steps = one_by_one(copy, truncate, write, move)
    job = prepare(AnalysisFlags(paths=(str(folder),), isolated=True, now="2026-11-17", no_progress=True))
    seen = [b"".join(pieces) for pieces in looks(job, counted, count=5, wait=steps)]
    assert seen == [b"40 40", b"40 40", b"40 40", b"41 41", b"41 41"]


def test_what_is_excluded_hidden_or_another_file_is_not_read_on(folder: Path) -> None:
    """A name is followed for the file's sake: not against `--exclude`, and not where another file has the inode."""
    log = folder / "app.jsonl"
    log.write_text(line(1))
    other = "".join(line(number) for number in range(2, 9))
    steps = one_by_one(
        lambda: log.rename(folder / "app.out"),
        lambda: (folder / "app.out").rename(folder / "app.txt"),
        lambda: (folder / "app.txt").rename(folder / ".app.txt"),
        lambda: (folder / ".app.txt").rename(folder / "app.txt"),
        lambda: (folder / "app.txt").write_text(other),
    )
    flags = AnalysisFlags(paths=(str(folder),), exclude=("*.out",), isolated=True, now="2026-11-17", no_progress=True)
    seen = [b"".join(pieces) for pieces in looks(prepare(flags), counted, count=6, wait=steps)]
    assert seen == [b"1 1", b"0 0", b"1 1", b"0 0", b"1 1", b"0 0"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_rotation_in_the_middle_of_a_look_shows_in_no_look(
    folder: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the search for names and the reading, or right behind it: each look is over whole files."""
    log = folder / "app.jsonl"
    log.write_text("".join(line(number) for number in range(40)))
    job = prepare(AnalysisFlags(paths=(str(folder),), isolated=True, now="2026-11-17", no_progress=True))
    analyse, readings = choose.analyse, itertools.count()

    def rotate() -> None:
        reading = next(readings)
        if reading in {0, 3}:
            if (folder / "app.jsonl.1").exists():
                (folder / "app.jsonl.1").rename(folder / "app.jsonl.2")
            log.rename(folder / "app.jsonl.1")
            log.write_text(line(100 + reading))

    def rotating(*given: object) -> object:
        if when == "before":
            rotate()
        found = analyse(*given)  # type: ignore[arg-type]  # handed on as they are
        if when == "after":
            rotate()
        return found

    monkeypatch.setattr("attribute.cli.run.analyse", rotating)
    seen = [int(b"".join(pieces).split()[0]) for pieces in looks(job, counted, count=4, wait=lambda: None)]
    assert seen == [41, 41, 42, 42]


def test_signal_ends_a_watch_that_waits(folder: Path) -> None:
    """Whoever watches is obeyed while the logs are away, as ever."""
    log = folder / "a.jsonl"
    log.write_text("".join(line(number) for number in range(40)))
    command = [sys.executable, "-m", "attribute", "watch", "--isolated", "--every", "0.5", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as watch:
        assert watch.stdout is not None
        assert watch.stderr is not None
        assert watch.stdout.readline().startswith(b"VENDOR")
        log.rename(folder / "b.jsonl")
        seen = itertools.dropwhile(lambda each: each.startswith(b"VENDOR"), watch.stdout)
        assert next(seen) == f"WAITING `{log}` does not exist; watching goes on\n".encode()
        watch.send_signal(signal.SIGINT)
        assert (watch.wait(60), watch.stderr.read()) == (130, b"")


def test_watching_that_is_started_again_says_the_same(folder: Path) -> None:
    """What a watch read before it was ended is neither lost nor counted again."""
    (folder / "a.jsonl").write_text("".join(line(number) for number in range(9000)))
    flags = AnalysisFlags(paths=(str(folder),), isolated=True, now="2026-11-17", no_progress=True)
    for _ in range(2):
        (pieces,) = looks(prepare(flags), counted, count=1, wait=lambda: None)
        assert pieces == [b"9000 9000"]
    assert analyse_and_build(prepare(flags)).requests.total == 9000


def test_piped_watch_prints_one_plain_line_per_look(folder: Path) -> None:
    """A log of verdicts can be kept: no escape sequence, one line each."""
    (folder / "a.jsonl").write_text("".join(line(number) for number in range(40)))
    command = [sys.executable, "-m", "attribute", "watch", "--isolated", "--every", "0.5", "--looks", "2", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, b"")
    first, second = done.stdout.splitlines()
    assert first == second
    assert first.startswith(b"VENDOR")
    assert b"\x1b" not in done.stdout


def test_terminal_that_is_made_narrower_is_drawn_as_narrow_from_the_next_look_on(folder: Path) -> None:
    """A line that is longer than the screen is wide breaks it."""
    (folder / "a.jsonl").write_text("".join(line(number) for number in range(40)))
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, 120))
    command = [sys.executable, "-m", "attribute", "watch", "--isolated", "--every", "2", "--looks", "2", str(folder)]
    surroundings = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=surroundings | {"TERM": "xterm"}):
        os.close(theirs)
        wide = ruler(ours)
        termios.tcsetwinsize(ours, (50, 60))
        narrow = ruler(ours)
    os.close(ours)
    assert (wide, narrow) == (120, 60)


def ruler(terminal: int) -> int:
    """Return how long the line across the next screen is."""
    text = b""
    while b"\nDATA" not in text or not text.endswith(b"\n"):
        try:
            text += os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
    return text.decode().count("─")


@pytest.mark.parametrize("paths", [[], ["-"]])
def test_stream_cannot_be_watched(paths: list[str]) -> None:
    """What was read of a pipe is gone: that is said at once, not found out later."""
    done = subprocess.run(
        [sys.executable, "-m", "attribute", "watch", *paths], capture_output=True, check=False, input=b""
    )
    assert done.returncode == 2
    assert b"standard input cannot be watched" in done.stderr
