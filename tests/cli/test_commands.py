from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from attribute.cli.commands import COMMANDS, DEFAULT, Entry
from attribute.cli.crash import save_traceback
from attribute.cli.group import LazyGroup
from attribute.cli.group import attribute as group
from attribute.cli.main import run
from tests.cache_mode import VARIABLE
from tests.cli.conftest import CommandLine, process, record, unread
from tests.reports.hostile import acts

HEAVY = ("polars", "jinja2", "rich", "starlette", "pyspark", "distributed", "obstore", "pyarrow")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["--no-such-option"], 2),
        (["analyze", "--help"], 0),
        (["completion", "zsh"], 0),
        (["config", "show"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_light_commands_import_nothing_heavy(arguments: list[str], code: int, tmp_path: Path) -> None:
    """Help, version, completion and typing errors answer at once: every press of TAB starts the program."""
    script = (
        "import sys\nfrom attribute.cli.main import run\n"
        f"code = run({arguments!r})\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], code, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == f"[] {code}"


def test_completion_request_imports_nothing_heavy(tmp_path: Path) -> None:
    """The shell's question itself is answered without polars, and offers the default command's options."""
    script = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr))\n"
        "from attribute.cli.main import run\nrun([])\n"
    )
    environ = {
        **os.environ,
        "_ATTRIBUTE_COMPLETE": "zsh_complete",
        "COMP_WORDS": "attribute logs/ --si",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "--since" in done.stdout
    assert done.stderr == "[]\n"


def test_help_lists_every_command_with_examples_and_exit_codes(attribute: CommandLine) -> None:
    """One screen says what there is, how it is used and what the exit codes mean."""
    shown = attribute("--help")
    assert shown.code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", shown.out, re.MULTILINE)
    for part in ("Examples:", "Exit codes:", "130, 143", "4 cannot judge"):
        assert part in shown.out
    assert shown.err == ""


def test_mistake_that_click_words_over_several_lines_is_one_line(attribute: CommandLine) -> None:
    """A missing choice is named without tabs and breaks."""
    first = attribute("completion").err.splitlines()[0]
    assert first.endswith("Choose from: bash, zsh, fish, powershell")
    assert "\\u{" not in first


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_table_of_commands_every_entry_is_a_command_with_help(name: str) -> None:
    """Each line of the table leads to a command that can say what it does."""
    command = group.get_command(click.Context(group), name)
    assert isinstance(command, click.Command)
    with click.Context(command, info_name=name) as context:
        assert command.get_help(context).startswith("Usage:")


def _table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LazyGroup:
    (tmp_path / "tried_commands.py").write_text(
        "import click\n"
        "@click.command()\n@click.argument('paths', nargs=-1)\n@click.option('--since')\n"
        "def main(paths, since): click.echo(f'main {paths} {since}')\n"
        "@click.command()\n@click.argument('paths', nargs=-1)\ndef report(paths): click.echo(f'report {paths}')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return LazyGroup(
        name="attribute",
        table={"main": Entry("tried_commands:main", "x"), "report": Entry("tried_commands:report", "y")},
        default="main",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["logs/"], "main ('logs/',) None"),
        (["report"], "report ()"),
        (["report", "logs/"], "report ('logs/',)"),
        (["./report"], "main ('./report',) None"),
        (["--", "report"], "main ('report',) None"),
        (["--since", "1h", "report"], "main ('report',) 1h"),
        (["-"], "main ('-',) None"),
        (["main", "report"], "main ('report',) None"),
    ],
)
def test_first_argument_known_command_wins_and_all_else_is_a_path(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command's name is always the command; `./NAME` and `-- NAME` reach a folder that is called so."""
    assert CliRunner().invoke(_table(tmp_path, monkeypatch), arguments).output == f"{said}\n"


def test_default_command_is_in_the_table() -> None:
    """What runs without a name also runs by name."""
    assert DEFAULT in COMMANDS


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--sinec", "1h"), "--since"),
        (("logs", "-o", "jsn"), "json"),
        (("config", "shwo"), "show"),
        (("explian", "r1", "logs"), "explain"),
        (("--no-progress", "explain", "logs"), "a command comes first"),
    ],
)
def test_slip_of_the_fingers_is_answered_with_what_was_meant(
    arguments: tuple[str, ...], hint: str, attribute: CommandLine, logs: Path
) -> None:
    """Options, formats, commands, and a path that is no path but nearly a command: each gets a suggestion."""
    done = attribute(*arguments)
    assert done.code == 2
    assert done.err.startswith("attribute: error: ")
    assert hint in done.err
    assert done.out == ""


def test_no_path_on_a_terminal_gives_short_help_at_once(home: Path) -> None:
    """It never sits and waits for somebody to type M1 records."""
    done = process(cwd=home, stdin=None)
    assert done.returncode == 2
    assert b"attribute logs/" in done.stderr
    assert done.stdout == b""


@pytest.mark.parametrize("arguments", [("--since", "1h"), ("explain", "vendor"), ("calibrate",)])
def test_no_path_with_options_on_a_terminal_does_not_wait_either(arguments: tuple[str, ...], home: Path) -> None:
    """Options alone are no input: it says so instead of sitting there."""
    done = process(*arguments, cwd=home, stdin=None)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no path is given and nothing is piped in" in done.stderr


@pytest.mark.parametrize(("command", "argument"), [("explain", "WHAT"), ("escalate", "INCIDENT")])
def test_path_taken_for_the_argument_before_it_is_said_to_be(command: str, argument: str, home: Path) -> None:
    """Who names a path and no subject reads what became of the path."""
    done = process(command, "logs/", cwd=home, stdin=None)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().splitlines() == [
        f"attribute: error: no path is given and nothing is piped in: `logs/` was taken for {argument}",
        f"  hint: name a file or a folder as well: `attribute {command} {argument} PATHS`",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze", "{path}"),
        ("watch", "{path}"),
        ("explain", "vendor", "{path}"),
        ("gate", "{open}", "--baseline-logs", "{path}"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_path_closed_to_us_is_not_said_to_be_missing(
    arguments: tuple[str, ...],
    attribute: CommandLine,
    open_folder: Path,
    as_nobody: Callable[[], AbstractContextManager[None]],
) -> None:
    """A folder that we may not enter may hold the file: whether it does is not for us to say."""
    (open_folder / "closed").mkdir(mode=0)
    path = open_folder / "closed" / "api.jsonl"
    with as_nobody():
        done = attribute(*(word.format(path=path, open=open_folder) for word in arguments), "--isolated")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        f"attribute: error: `{path}` cannot be looked at: Permission denied",
        "  hint: read it as a user who may, or name another path",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("analyze", "logs", "--engine-timeout-s", "soon"), "'--engine-timeout-s': 'soon' is not a number"),
        (("watch", "logs", "--looks", "x"), "'--looks': 'x' is not a whole number"),
        (("ingest", "token", "revoke", "abc"), "'[NUMBER]': 'abc' is not a whole number"),
    ],
)
def test_number_that_is_none_is_refused_in_plain_words(
    arguments: tuple[str, ...], said: str, attribute: CommandLine
) -> None:
    """What a type is called in a library's code helps nobody."""
    done = attribute(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[0] == f"attribute: error: invalid value for {said}"


def test_mistake_with_a_file_says_what_to_try_next(attribute: CommandLine, logs: Path) -> None:
    """Every sentence about a file that cannot be used has a second line."""
    hints = {
        (
            "--rules",
            "gone.toml",
        ): "name a rule file, which `attribute rules check FILE` accepts; without one the built-in rules hold",
        ("--config", "gone.toml"): "name a TOML file; `attribute config show` says what holds without it",
    }
    for arguments, hint in hints.items():
        done = attribute("logs", *arguments)
        assert done.code == 2
        assert done.err.splitlines()[1:] == [f"  hint: {hint}"]


def test_file_that_is_no_rule_file_leads_to_a_whole_one(attribute: CommandLine, logs: Path) -> None:
    """The hint names a command that shows what it says."""
    done = attribute("rules", "check", "logs/app.log")
    assert done.code == 2
    assert done.err.splitlines()[1:] == ["  hint: `attribute rules check --help` shows a whole rule file"]
    assert "[[rule]]" in attribute("rules", "check", "--help").out


def test_closed_stdout_is_an_error_and_closed_stderr_is_not(home: Path, logs: Path) -> None:
    """A result that has nowhere to go is no success; words that nobody hears are no failure."""
    command = f"{sys.executable} -m attribute logs -o"
    done = subprocess.run(["bash", "-c", f"{command} json >&-"], cwd=home, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "attribute: error: `stdout` cannot be written: Bad file descriptor\n")
    for closing in (">&-", "2>&-"):
        assert subprocess.run(["bash", "-c", f"{command} json:r.json {closing}"], cwd=home, check=False).returncode == 0
        assert json.loads((home / "r.json").read_text())["requests"]["total"] == 300


@pytest.mark.parametrize("name", [b"caf\xe9.log", b"\x1b[2J.log", "\u202e.log".encode()])
def test_path_of_any_bytes_is_read_and_shown_escaped(name: bytes, home: Path) -> None:
    """A file's name is bytes: it is read, and what is printed of it acts on nothing."""
    path = os.fsencode(home) + b"/" + name
    with open(path, "wb") as file:  # noqa: PTH123 -- a name of any bytes
        file.write("\n".join(record(number, status=500) for number in range(30)).encode() + b"\n{")
    for form in ("text", "plain", "json"):
        done = subprocess.run(
            [sys.executable, "-m", "attribute", name, "-o", form], cwd=home, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert acts(done.stdout.decode(), allowed="\n\t") == []
    missing = subprocess.run(
        [sys.executable, "-m", "attribute", b"no" + name], cwd=home, capture_output=True, check=False
    )
    assert missing.returncode == 2
    assert acts(missing.stderr.decode()) == []


def test_no_path_with_a_pipe_reads_it(home: Path) -> None:
    """`kubectl logs | attribute` needs no dash."""
    lines = "\n".join(record(number) for number in range(30)).encode()
    done = process("-o", "json", cwd=home, stdin=lines)
    assert done.returncode == 0
    assert json.loads(done.stdout)["requests"]["total"] == 30
    assert done.stderr == b""


def test_closed_pipe_is_quiet_and_does_not_fail_a_script(home: Path, logs: Path) -> None:
    """`attribute ... | head -1` under `pipefail` is no failure and prints nothing about pipes."""
    command = f"set -o pipefail; {sys.executable} -m attribute logs -o verdicts -o json:r.json | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=home, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["class"] == "vendor"
    assert json.loads((home / "r.json").read_text())["classes"]["vendor"] == 60


def test_reader_that_closes_the_pipe_at_once_is_no_error(home: Path, logs: Path) -> None:
    """More than a pipe holds and nobody who reads it: no error, no word, and the files are there."""
    lines = [record(number, status=502, upstream_status=503) for number in range(1_000, 3_000)]
    (logs / "many.log").write_text("\n".join(lines))
    assert len(process("logs", "-o", "verdicts", cwd=home).stdout) > 4 * 65_536
    assert unread("logs", "-o", "verdicts", "-o", "json:r.json", cwd=home) == (0, "")
    assert json.loads((home / "r.json").read_text())["classes"]["vendor"] == 2_060


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["logs"], ["config", "show"], ["watch", "logs"], ["explain", "vendor", "logs"]],
)
def test_any_command_whose_reader_left_ends_with_zero(home: Path, logs: Path, arguments: list[str]) -> None:
    """Little output or much, and one that would have no end: a closed pipe ends it, and is no failure."""
    assert unread(*arguments, cwd=home) == (0, "")


def test_reader_that_leaves_does_not_make_an_answer_of_none(home: Path, logs: Path) -> None:
    """What cannot be judged cannot be judged, whoever reads."""
    (home / "empty.log").write_text("")
    assert unread("empty.log", cwd=home) == (4, "")


def test_full_disk_is_an_error_that_says_so(home: Path, logs: Path) -> None:
    """A result that could not be written is never a success."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "attribute", "logs", "-o", "json"],
            cwd=home,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "attribute: error: `stdout` cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["logs", "-o", "csv:/dev/full"], "`/dev/full` cannot be written"),
        (["logs", "-q", "--rejects", "/dev/full"], "`/dev/full` cannot be written"),
        (["report", "logs", "-o", "html:/dev/full"], "`/dev/full` cannot be written"),
        (["gate", "logs", "-o", "json:/dev/full"], "`/dev/full` cannot be written"),
        (["rules", "list"], "what was to be written could not be"),
        (["--help"], "what was to be written could not be"),
    ],
)
def test_full_disk_is_the_users_to_mend_whatever_is_written(
    home: Path, logs: Path, words: list[str], said: str
) -> None:
    """A file, the rejects, or what a command prints: no bug of ours, and never a success."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "attribute", *words],
            cwd=home, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, f"attribute: error: {said}: No space left on device\n")


@pytest.mark.parametrize(
    "words",
    [
        ["app.log", "-o", "json:app.log"],
        ["app.log", "-o", "json:hard"],
        ["app.log", "-o", "json:soft"],
        [".", "-o", "json:app.log"],
        ["*.log", "-q", "--rejects", "app.log"],
        ["explain", "vendor", "app.log", "--rejects", "app.log"],
        ["gate", "app.log", "-o", "json:app.log"],
        ["gate", "other.log", "--baseline-logs", "app.log", "-o", "json:app.log"],
        ["gate", "other.log", "--baseline", "app.log", "-o", "json:app.log"],
        ["report", "incident", "app.log", "-o", "html:app.log"],
        ["report", "weekly", "app.log", "-o", "html:app.log"],
        ["report", "incident", "app.log", "--notes", "app.log"],
        ["baseline", "build", "app.log", "-o", "app.log", "--replace"],
    ],
)
def test_output_in_place_of_what_is_read_is_refused_before_it_is_read(home: Path, logs: Path, words: list[str]) -> None:
    """A log is not lost to a slip of the one who reads it, under whatever name it is reached."""
    log = home / "app.log"
    log.write_text(record(1) + "\n" + "{")
    (home / "other.log").write_text(record(2) + "\n")
    (home / "hard").hardlink_to(log)
    (home / "soft").symlink_to(log)
    before = log.read_bytes()
    done = process(*words, cwd=home)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"would be written over what is read" in done.stderr
    assert log.read_bytes() == before


def test_output_in_place_of_rules_or_configuration_is_refused(home: Path, logs: Path, ours: Path) -> None:
    """What decides how logs are read is read as well."""
    (home / "attribute.toml").write_text('tz = "UTC"\n')
    for words in (["--rules", "ours.toml", "-o", "json:ours.toml"], ["--rejects", "attribute.toml"]):
        done = process("logs", *words, cwd=home)
        assert done.returncode == 2, words
        assert b"would be written over what is read" in done.stderr
    assert (home / "attribute.toml").read_text() == 'tz = "UTC"\n'


def test_output_and_rejects_in_one_file_are_refused(home: Path, logs: Path) -> None:
    """Of two files under one name one would be lost."""
    done = process("logs", "-o", "json:x.out", "--rejects", "./x.out", cwd=home)
    assert (done.returncode, done.stderr) == (2, b"attribute: error: two outputs go to `./x.out`\n")


def test_dev_stdout_is_stdout(home: Path, logs: Path) -> None:
    """In a pipe, where its name leads to none that can be opened, as elsewhere."""
    asked = ["logs", "--now", "2026-11-17T00:00Z", "-o"]
    named, plain = (process(*asked, form, cwd=home) for form in ("json:/dev/stdout", "json"))
    assert (named.returncode, named.stdout) == (0, plain.stdout)


def test_result_among_the_logs_does_not_change_the_next_answer(home: Path, logs: Path) -> None:
    """What we wrote is no log: it is passed over and named, run after run."""
    asked = ["logs", "--now", "2026-11-17T00:00Z", "-o", "json:logs/result.json"]
    answers = []
    for _ in range(3):
        assert process(*asked, cwd=home).returncode == 0
        answers.append(json.loads((logs / "result.json").read_text()))
    first = answers[0]
    assert [answer["input"].pop("skipped_files") for answer in answers] == [
        [],
        *[[{"file": "logs/result.json", "reason": "a result of attribute"}]] * 2,
    ]
    assert answers == [first] * 3


def _failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str) -> LazyGroup:
    (tmp_path / "failing_command.py").write_text(
        "import click, os, signal\nfrom attribute.m1.errors import AttributionError\n"
        f"@click.command()\ndef main():\n    {statement}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "failing_command", raising=False)
    return LazyGroup(name="attribute", table={"main": Entry("failing_command:main", "x")}, default="main")


@pytest.mark.parametrize(
    ("statement", "ending"),
    [
        (
            "raise AttributionError('no such thing', hint='try that')",
            (2, "attribute: error: no such thing\n  hint: try that\n"),
        ),
        ("raise AttributionError('cannot judge', exit_code=4)", (4, "attribute: error: cannot judge\n")),
        ("raise KeyboardInterrupt", (130, "\n")),
        ("raise click.Abort", (130, "")),
        ("os.kill(os.getpid(), signal.SIGTERM)", (143, "")),
        ("return 3", (3, "")),
        ("raise click.exceptions.Exit(4)", (4, "")),
        ("raise AttributionError('\\x1b[2Jsee\\u202e')", (2, "attribute: error: \\u{1b}[2Jsee\\u{202e}\n")),
    ],
)
def test_exit_codes_every_way_to_end_has_its_own(
    statement: str,
    ending: tuple[int, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A script can tell a usage error, a failed gate, a lack of data, a signal and a bug of ours apart."""
    ended = run(["main"], group=_failing(tmp_path, monkeypatch, statement))
    captured = capfd.readouterr()
    assert (ended, captured.err) == ending
    assert captured.out == ""


def test_bug_of_ours_is_saved_to_a_file_and_named_in_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A crash is never a verdict, a traceback on a terminal, or exit code 3; what a report needs is kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ended = run(["main"], group=_failing(tmp_path, monkeypatch, "raise RuntimeError('\\x1b[31mboom')"))
    captured = capfd.readouterr()
    (saved,) = (tmp_path / "state" / "attribute").glob("crash-*.txt")
    assert ended == 1
    assert captured.out == ""
    assert captured.err == f"attribute: internal error (RuntimeError); this is a bug of ours. Details: {saved}\n"
    assert "RuntimeError" in saved.read_text()
    assert saved.stat().st_mode & 0o077 == 0


def test_bug_of_ours_without_a_place_to_save_still_says_what_happened() -> None:
    """A read-only machine does not turn one crash into two."""
    assert save_traceback(RuntimeError("boom"), folders=[Path("/dev/null/nowhere")]) == "RuntimeError: boom"


@pytest.mark.parametrize("module", ["attribute.cli.main", "click", "attribute.m1.errors", "polars"])
def test_interrupt_while_the_program_is_loaded_ends_it_quietly(module: str, home: Path) -> None:
    """Whoever presses Ctrl-C at once wants to see no traceback; and the code is the same as ever."""
    code = f"""
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever started the tests may have had it ignored
sys.meta_path.insert(0, Interrupting())
from attribute.__main__ import main
main()
"""
    (home / "a.jsonl").write_text("{}\n")
    command = [sys.executable, "-c", code, "a.jsonl", "--isolated", "--no-cache"]
    alone = {name: value for name, value in os.environ.items() if name != VARIABLE}  # a mode loads modules of its own
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, cwd=home, env=alone)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_interrupt_of_a_real_run_exits_with_130_and_143(home: Path) -> None:
    """Ctrl-C and a supervisor's request to end are told apart from failures, and leave no half-written file."""
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        running = subprocess.Popen(
            [sys.executable, "-m", "attribute", "-", "-o", "json:r.json", "--rejects", "bad.jsonl"],
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert running.stdin is not None
        running.stdin.write(b"{}\n")
        running.stdin.flush()
        while not list(home.glob(".bad.jsonl.*")):  # its temporary file is there: it reads
            assert running.poll() is None
        running.send_signal(number)
        out, err = running.communicate(timeout=30)
        assert (running.returncode, out, err.strip()) == (code, b"", b"")
        assert list(home.iterdir()) == []
