from __future__ import annotations

import csv
import json
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import CommandLine, record

NOW = ("--now", "2026-11-16T02:10Z")


def test_analyze_writes_every_output_of_one_run(attribute: CommandLine, logs: Path, home: Path) -> None:
    """One reading, as many outputs as wanted, the same numbers in all; nothing but results on stdout."""
    done = attribute(
        "logs",
        *NOW,
        "-o",
        "text",
        "-o",
        "json:a.json",
        "-o",
        "csv:b.csv",
        "-o",
        "verdicts:c.jsonl",
        "-o",
        "plain:d.tsv",
    )
    assert (done.code, done.err) == (0, "")
    assert "VERDICT  VENDOR" in done.out
    result = json.loads((home / "a.json").read_text())
    assert result["requests"] == {"total": 300, "healthy": 240, "incident": 60, "absorbed": 0, "untimed": 0}
    assert result["input"]["rejected_by_reason"] == {"cut-off": 1}
    assert result["input"]["not_m1"] == 1
    assert result["verdict"]["state"] == "vendor"
    with (home / "b.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["requests"] for row in rows if row["name"] == "vendor"] == ["60"]
    assert len((home / "c.jsonl").read_text().splitlines()) == 60
    assert "class\tvendor\t60\t1\t" in (home / "d.tsv").read_text()


def test_analyze_same_question_gives_same_bytes(attribute: CommandLine, logs: Path) -> None:
    """With `--now`, the answer is a function of the input and the options."""
    for name in ("json", "plain", "verdicts", "csv", "text"):
        first, second = (attribute("logs", *NOW, "--fingerprint", "-o", name) for _ in range(2))
        assert first == second
        assert first.out


def test_analyze_in_a_pipe_is_plain_and_without_art(attribute: CommandLine, logs: Path) -> None:
    """What is not a terminal gets lines that `grep` and `cut` can work with."""
    done = attribute("logs", *NOW)
    assert done.out.startswith("verdict\tvendor\t60\t1\t")
    assert "\x1b" not in done.out


def test_analyze_misspelt_function_is_told_from_an_empty_window(attribute: CommandLine, logs: Path) -> None:
    """The records lie in the window: a wider one would not help, the right name would."""
    done = attribute("logs", *NOW, "--since", "02:01", "--function", "qoute", "-o", "json")
    verdict = json.loads(done.out)["verdict"]
    assert done.code == 4
    assert verdict["sentence"] == "No request in the window is of the functions asked for (qoute)."
    assert verdict["confidence"]["raised_by"] == "other functions, such as quote"


@pytest.mark.parametrize("form", ["verdicts", "csv"])
def test_analyze_format_without_a_sentence_says_on_stderr_why_nothing_can_be_judged(
    form: str, attribute: CommandLine, home: Path
) -> None:
    """Exit code 4 never comes without a word."""
    (home / "empty.log").touch()
    done = attribute("empty.log", "-o", form)
    assert (done.code, done.err) == (4, "attribute: cannot judge: The input is empty: there is nothing to judge\n")


def test_analyze_commands_to_copy_and_method_repeat_what_was_typed(attribute: CommandLine, logs: Path) -> None:
    """What is pasted is asked of the same requests with the same rules."""
    typed = ("--function", "q*", "--exclude", "*.bak", "--isolated", "--strict")
    done = attribute("logs", *NOW, *typed, "-o", "json", "-o", "markdown:m.md")
    repeated = "--function 'q*' --exclude '*.bak' --strict --isolated --now "
    assert [repeated in command for command in json.loads(done.out)["next"]] == [True, True]
    assert f"\nattribute logs {repeated}" in (logs.parent / "m.md").read_text()


@pytest.mark.parametrize(
    ("flags", "requests"),
    [
        (("--since", "02:04"), 60),
        (("--until", "02:01"), 60),
        (("--since", "02:01", "--until", "02:02"), 60),
        (("--window", "02:01..02:03"), 120),
        (("--since", "8m", "--until", "7m"), 60),
        (("--since", "11:01", "--until", "11:02", "--tz", "Asia/Seoul"), 60),
        (("--function", "quote"), 300),
        (("--function", "q*", "--function", "none"), 300),
        (("--function", "none"), 0),
    ],
)
def test_analyze_window_and_functions_say_which_requests_count(
    flags: tuple[str, ...], requests: int, attribute: CommandLine, logs: Path
) -> None:
    """The start is in, the end is out; times are read in the zone that was asked for."""
    done = attribute("logs", *NOW, *flags, "-o", "json")
    assert json.loads(done.out)["requests"]["total"] == requests
    assert done.code == (0 if requests else 4)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--since", "3am KST"), "`3am KST`"),
        (("--since", "2026-11-16", "--until", "2026-11-15"), "is not after `--since`"),
        (("--window", "1h..30m", "--since", "1h"), "give one or the other"),
        (("--tz", "KST"), "`KST` is not a time zone"),
        (("--rules", "gone.toml"), "gone.toml: the rules cannot be read: No such file or directory"),
        (("--config", "gone.toml"), "names `gone.toml`, which is not a file"),
        (("--rejects", "gone/x"), "`gone/x` cannot be written"),
        (("-o", "json:gone/x"), "`gone/x` cannot be written"),
        (("-o", "json", "-o", "csv"), "both go to stdout"),
        (("-o", "json:a", "-o", "csv:a"), "two outputs go to `a`"),
        (("nothing-here",), "`nothing-here` is neither a file nor a folder\n  hint: name a file, a folder, a glob"),
        (("log",), "`log` is neither a file nor a folder\n  hint: did you mean `logs`?"),
        (("analize",), "`analize` is neither a file nor a folder\n  hint: did you mean the command `attribute analyze"),
    ],
)
def test_analyze_mistakes_are_one_line_and_exit_code_2(
    flags: tuple[str, ...], said: str, attribute: CommandLine, logs: Path
) -> None:
    """What the user can mend is said in one line, with nothing on stdout."""
    done = attribute("logs", *NOW, *flags)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.startswith("attribute: error: ")


def test_analyze_rejects_file_names_each_place_and_reason(attribute: CommandLine, logs: Path, home: Path) -> None:
    """What was not understood can be looked up, line by line."""
    attribute("logs", *NOW, "--rejects", "bad.jsonl")
    lines = [json.loads(line) for line in (home / "bad.jsonl").read_text().splitlines()]
    assert [(line["file"], line["line"], line["reason"]) for line in lines] == [("logs/app.log", 302, "cut-off")]


def test_analyze_without_anything_to_judge_exits_with_4_unless_told_otherwise(
    attribute: CommandLine, home: Path
) -> None:
    """No data is never a pass; where no output goes to stdout, stderr says why."""
    (home / "empty").mkdir()
    done = attribute("empty", "-o", "json:r.json")
    assert (done.code, done.out) == (4, "")
    assert done.err == "attribute: cannot judge: No log file was found: there is nothing to judge\n"
    assert json.loads((home / "r.json").read_text())["exit"] == 4
    assert attribute("empty", "--exit-zero").code == 0


def test_analyze_folder_whose_files_have_other_names_says_so(attribute: CommandLine, home: Path) -> None:
    """Rotated files are not read by themselves: who names their folder learns that they are there."""
    (home / "old").mkdir()
    (home / "old" / "app.log.1").write_text(record(1))
    done = attribute("old", *NOW, "-o", "text")
    assert done.code == 4
    assert "No log file was found" in done.out
    assert "! old: skipped: 1 file not named like a log" in done.out


def test_analyze_limits_of_the_configuration_decide(attribute: CommandLine, logs: Path, home: Path) -> None:
    """Settings reach the rules, for all functions and for one, and stand in the output."""
    (home / "attribute.toml").write_text("slow_ms = 50\n[functions.cart]\nslow_ms = 5000\n")
    (logs / "app.log").write_text("\n".join([record(1), record(2, function="cart"), record(3, latency_ms=40)]))
    result = json.loads(attribute("logs", "-o", "json").out)
    assert result["requests"]["incident"] == 1
    assert result["rules"]["thresholds"]["slow_ms"] == 50
    assert result["rules"]["thresholds"]["functions"]["cart"]["slow_ms"] == 5000
    assert json.loads(attribute("logs", "-o", "json", "--isolated").out)["requests"]["incident"] == 0


def test_analyze_runbook_of_the_configuration_is_shown_with_the_verdict(
    attribute: CommandLine, logs: Path, home: Path
) -> None:
    """The page that helps stands where the verdict is read."""
    (home / "attribute.toml").write_text('[runbook]\n"vendor/quote" = "https://wiki.example/quote"\n')
    assert "runbook https://wiki.example/quote" in attribute("logs", "-o", "text").out


def test_analyze_oneline_and_quiet_are_one_line(attribute: CommandLine, logs: Path) -> None:
    """For a status bar and for a script."""
    oneline, quiet = attribute("logs", *NOW, "--oneline"), attribute("logs", *NOW, "-q", "-o", "text")
    assert oneline.out.startswith("VENDOR 100.0% (60/60) quote upstream_status=503")
    assert quiet.out.startswith("VENDOR: 60 of 60 failing or slow requests (100.0 %) were the vendor's")
    assert oneline.out.count("\n") == quiet.out.count("\n") == 1


@pytest.mark.parametrize("output", ["text", "plain", "json", "csv", "verdicts", "markdown", "html"])
@pytest.mark.parametrize(
    ("at", "zone"),
    [
        ("9999-12-31T23:59:59Z", "UTC"),
        ("9999-12-31T20:00:00Z", "Asia/Seoul"),
        ("0001-01-01T00:00:00Z", "America/New_York"),
    ],
)
def test_analyze_line_from_the_end_of_time_costs_nobody_the_answer(
    at: str, zone: str, output: str, attribute: CommandLine, home: Path
) -> None:
    """Who can write a line cannot keep the others from being read: the first and the last year are times, too."""
    lines = [record(number, status=500) for number in range(30)]
    (home / "app.log").write_text("\n".join([*lines, record(99, status=500, ts=at)]))
    done = attribute("app.log", *NOW, "--tz", zone, "-o", output)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("flags", "end"),
    [
        ((), ", since 2026-11-16 02:03 UTC, still going on.\n"),
        (("--until", "02:08"), ", since 2026-11-16 02:03 UTC, still going on when the window ended.\n"),
    ],
)
def test_analyze_window_that_ended_says_nothing_about_what_came_later(
    flags: tuple[str, ...], end: str, attribute: CommandLine, home: Path
) -> None:
    """Who looks at an earlier stretch is not told that its trouble goes on now."""
    down = {"status": 502, "upstream_status": 503}
    (home / "app.log").write_text("\n".join(record(number, **(down if number >= 180 else {})) for number in range(600)))
    assert attribute("app.log", *NOW, "-q", "-o", "text", *flags).out.endswith(end)


def test_schema_prints_what_is_published(attribute: CommandLine) -> None:
    """All schemas are valid JSON Schema, each of its own thing, and a record fits that of records."""
    for arguments in (("schema",), ("schema", "--result"), ("schema", "--gate")):
        shown = attribute(*arguments)
        assert shown.code == 0
        jsonschema.Draft202012Validator.check_schema(json.loads(shown.out))
    assert json.loads(attribute("schema", "--gate").out)["$id"] == "attribute.gate/1"
    jsonschema.validate(json.loads(record(1)), json.loads(attribute("schema").out))


@pytest.mark.parametrize("flags", [("--result", "--gate"), ("--gate", "--result")])
def test_schema_of_two_things_at_once_is_refused(flags: tuple[str, str], attribute: CommandLine) -> None:
    """Neither of two wishes is dropped in silence."""
    done = attribute("schema", *flags)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "attribute: error: `--result` and `--gate` are two schemas: give one of them\n"
        "  hint: `attribute schema --help` lists what is accepted\n"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_prints_a_script_for_each_shell(shell: str, attribute: CommandLine) -> None:
    """The script names the program and the variable through which it asks."""
    shown = attribute("completion", shell)
    assert (shown.code, shown.err) == (0, "")
    assert "_ATTRIBUTE_COMPLETE" in shown.out
    assert "%(" not in shown.out
