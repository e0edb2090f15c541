"""`attribute gate` and `attribute baseline` as a user runs them: real logs, real files, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest

from attribute.cli.main import run
from attribute.gate.baseline import checksum
from tests.cli.conftest import unread
from tests.gate.world import BLIND, FUNCTIONS, HEALTHY, KNOWN, NOW, REFUSED, START, UNKNOWN, Row

Run = Callable[..., tuple[int, str, str]]


def line(number: int, function: str, look: Row, at: datetime) -> bytes:
    return orjson.dumps(
        {
            "request_id": f"r-{number}", "function": function, "stage": "response", "status": look["status"],
            "latency_ms": 80, "error_code": look["error_code"], "upstream_status": look["upstream_status"],
            "upstream_latency_ms": 60, "ts": at.isoformat(),
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )  # fmt: skip


def log(*, days: float, trouble_hours: int = 0, look: Row = UNKNOWN) -> Iterator[bytes]:
    """Per function and hour twelve healthy requests and one vendor failure; then trouble in the last hours."""
    number = 0
    start = NOW - timedelta(days=days)
    for hour in range(int(days * 24)):
        for function in FUNCTIONS:
            looks: list[Row] = [HEALTHY] * 12 + [KNOWN]
            if start + timedelta(hours=hour) >= NOW - timedelta(hours=trouble_hours) and function == "pay":
                looks = [look] * 13 if look is BLIND else looks + [look] * 12
            for place, one in enumerate(looks):
                number += 1
                yield line(number, function, one, start + timedelta(hours=hour, minutes=2 * place))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    (folder / "calm.log").write_bytes(b"".join(log(days=16)))
    (folder / "spike.log").write_bytes(b"".join(log(days=16, trouble_hours=6)))
    (folder / "blind.log").write_bytes(b"".join(log(days=16, trouble_hours=3, look=BLIND)))
    (folder / "day.log").write_bytes(b"".join(log(days=1, trouble_hours=6)))
    (folder / "other.log").write_bytes(b"starting up\nlistening on 80\n")
    (folder / "broken.log").write_bytes(b"".join(one[:-9] + b"\n" for one in log(days=0.5)))
    (folder / "one.log").write_bytes(line(1, "only", UNKNOWN, NOW - timedelta(minutes=5)))
    (folder / "empty.log").write_bytes(b"")
    return folder


@pytest.fixture
def attribute(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in a folder of its own, as of the end of the logs."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_ACTIONS", "ATTRIBUTE_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str, now: bool = True) -> tuple[int, str, str]:
        words = [str(logs / word) if word.endswith(".log") else word for word in arguments]
        code = run([*words, *(["--now", NOW.isoformat()] if now else [])])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def test_gate_passes_calm_logs_with_zero(attribute: Run) -> None:
    """Usual logs pass."""
    code, out, err = attribute("gate", "calm.log")
    assert (code, err) == (0, "")
    assert out.startswith("gate passed\n")


def test_gate_fails_a_spike_with_three(attribute: Run) -> None:
    """A spike ends with 3, and the first line says whose."""
    code, out, _ = attribute("gate", "spike.log")
    assert code == 3
    assert out.startswith("gate failed: spike of UNKNOWN, ")
    assert "`pay`" in out
    assert "12 x" not in out.splitlines()[0]


def test_gate_fails_lost_instrumentation_with_three(attribute: Run) -> None:
    """Healthy requests without evidence are enough."""
    code, out, _ = attribute("gate", "blind.log")
    assert code == 3
    assert out.startswith("gate failed: evidence lost, `pay`, last 1 h")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("day.log", "no baseline"),
        ("empty.log", "no requests in the logs"),
        ("other.log", "no requests in the logs"),
        ("broken.log", "no requests in the logs"),
        ("one.log", "no baseline"),
    ],
)
def test_gate_that_cannot_judge_ends_with_four(attribute: Run, name: str, said: str) -> None:
    """No logs, logs of another kind, all rejects, too short logs: a worded state and 4."""
    code, out, _ = attribute("gate", name)
    assert code == 4
    assert out.startswith(f"gate cannot judge: {said}")


def test_gate_without_logs_ends_with_four_and_with_a_path_that_is_not_there_with_two(
    attribute: Run, tmp_path: Path
) -> None:
    """An empty folder is nothing to judge; a misspelt one is a mistake. Neither is a pass."""
    (tmp_path / "nothing").mkdir()
    code, out, _ = attribute("gate", "nothing")
    assert code == 4
    assert out.startswith("gate cannot judge: no requests in the logs")
    code, out, err = attribute("gate", "nothink")
    assert (code, out) == (2, "")
    assert "nothink" in err


def test_gate_of_more_rejects_than_records_ends_with_four_and_says_so(
    attribute: Run, logs: Path, tmp_path: Path
) -> None:
    """A few good lines among broken ones are no sample."""
    broken = b"".join(one[:-9] + b"\n" for one in log(days=8))
    (tmp_path / "mostly.log").write_bytes(broken + b"".join(log(days=1)))
    code, out, _ = attribute("gate", str(tmp_path / "mostly.log"), "--baseline-logs", "calm.log")
    assert code == 4
    assert "rejected" in out.splitlines()[0]


def test_gate_of_one_function_with_one_request_says_how_many_it_needs(attribute: Run) -> None:
    """One request judges nothing, also where there is something to compare with."""
    code, out, _ = attribute("gate", "one.log", "--baseline-logs", "calm.log", "-o", "json")
    document = json.loads(out)
    assert (code, document["state"], document["passed"]) == (4, "inconclusive", False)
    assert all(one["state"] == "inconclusive" for one in document["checks"] if one["decides"])


def test_gate_of_times_that_go_backwards_is_that_of_the_same_times_in_order(
    attribute: Run, logs: Path, tmp_path: Path
) -> None:
    """A clock that is set back in the middle of a file moves lines, and changes nothing else."""
    lines = (logs / "spike.log").read_bytes().splitlines(keepends=True)
    half = len(lines) // 2
    (tmp_path / "back.log").write_bytes(b"".join([*lines[half:], *lines[:half]]))
    assert attribute("gate", str(tmp_path / "back.log"), "-o", "json") == attribute("gate", "spike.log", "-o", "json")


@pytest.mark.parametrize(("choice", "code"), [("fail", 3), ("warn", 0), ("pass", 0)])
def test_on_inconclusive_changes_the_code_and_says_so(attribute: Run, choice: str, code: int) -> None:
    """It never is a silent 0: the state stays inconclusive, and the first line says what it counts as."""
    found, out, _ = attribute("gate", "empty.log", "--on-inconclusive", choice, "-o", "json")
    document = json.loads(out)
    assert (found, document["state"], document["exit_code"]) == (code, "inconclusive", code)
    assert "as `--on-inconclusive` says" in document["headline"]


def test_exit_zero_keeps_the_report(attribute: Run) -> None:
    """A later step may upload a report without the job being red before."""
    code, out, _ = attribute("gate", "spike.log", "--exit-zero")
    assert code == 0
    assert "gate failed" in out


def test_gate_of_a_day_that_was_rejected_ends_with_four_whatever_the_history(attribute: Run, tmp_path: Path) -> None:
    """Fifteen good days are no reason to pass one of which nearly every line is broken."""
    end = START.replace(day=17)  # the day before NOW
    lines = [
        one if orjson.loads(one)["ts"] < end.isoformat() or number % 45 == 0 else one[:-9] + b"\n"
        for number, one in enumerate(log(days=16))
    ]
    (tmp_path / "day.jsonl").write_bytes(b"".join(lines))
    code, out, _ = attribute("gate", "day.jsonl")
    assert code == 4
    assert out.splitlines()[:2] == [
        "gate cannot judge: too many rejected lines",
        (
            "  ?    915 lines rejected against 14,061 requests read; the last 24 h have 21 requests, where nine in ten "
            "days have at least 936"
        ),
    ]


def test_gate_of_a_day_that_was_refused_does_not_ask_for_newer_logs(attribute: Run, tmp_path: Path) -> None:
    """A message contradicts no other: the requests of the day are there, and were all refused."""
    end = START.replace(day=17)
    kept = [one for one in log(days=16) if orjson.loads(one)["ts"] < end.isoformat()]
    refused = [line(10**6 + minute, "api", REFUSED, end + timedelta(minutes=minute)) for minute in range(1440)]
    (tmp_path / "day.jsonl").write_bytes(b"".join([*kept, *refused]))
    code, out, _ = attribute("gate", "day.jsonl")
    said = "all 1,440 requests of the last 24 h were refused before any upstream call, which says nothing of the rest"
    assert code == 4
    assert out.startswith("gate cannot judge: all recent requests were refused, ")
    assert f"  ?    evidence coverage: {said}\n" in out
    assert f"  ?    spikes: {said}\n" in out
    assert "Are these the logs of now" not in out


def test_gate_names_who_fell_silent_and_who_is_new(attribute: Run, tmp_path: Path) -> None:
    """A function that was renamed is missed under its old name and named with its share under its new one."""
    end = START.replace(day=17).isoformat()
    renamed = [one.replace(b'"pay"', b'"pay-v2"') if orjson.loads(one)["ts"] >= end else one for one in log(days=16)]
    (tmp_path / "renamed.jsonl").write_bytes(b"".join(renamed))
    code, out, _ = attribute("gate", "renamed.jsonl")
    assert code == 0
    assert [one for one in out.splitlines() if one.startswith("  note ")] == [
        "  note       no request in the last 24 h of functions that nine in ten days have some of: `pay`",
        (
            "  note       not asked for coverage, as the baseline knows too little of them, with their share of the "
            "last 24 h: `pay-v2` (33.3 %)"
        ),
    ]
    assert "; 2 of 3 functions judged\n" in out


def test_limits_alone_need_no_baseline(attribute: Run) -> None:
    """How to start: an absolute limit on logs of a day."""
    code, out, _ = attribute("gate", "day.log", "--check", "limits", "--max-unknown-share", "80%")
    assert (code, out.splitlines()[0]) == (0, "gate passed")
    code, out, _ = attribute("gate", "day.log", "--check", "limits", "--max-unknown", "71")
    assert code == 3
    assert "72 UNKNOWN, at most 71 allowed" in out


def test_untimed_logs_are_judged_by_limits(attribute: Run, tmp_path: Path) -> None:
    """Logs without times have no windows, but they can be counted."""
    lines = [orjson.loads(one) for one in log(days=1, trouble_hours=6)]
    for one in lines:
        del one["ts"]
    (tmp_path / "untimed.json").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
    code, out, _ = attribute("gate", "untimed.json", "--check", "limits", "--max-unknown-share", "10%")
    assert code == 3
    assert "without a time: only limits over everything count them" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--check", "limits"), "no limit is set"),
        (("--max-unknown", "1", "--check", "spike"), "`--check` leaves limits out"),
        (("--over", "24h"), "neither is given"),
        (("--max-unknown", "1", "--over", "soon"), "expected a span"),
        (("--max-unknown-share", "150%"), "expected a share"),
        (("-o", "json", "-o", "junit"), "both go to stdout"),
        (("-o", "junit:a.xml", "-o", "sarif:a.xml"), "two outputs go to"),
        (("-o", "junit5"), "did you mean `junit`?"),
        (
            ("--baseline", "nowhere.json"),
            (
                "attribute: error: nowhere.json: the baseline cannot be read: No such file or directory\n"
                "  hint: `attribute baseline build LOGS -o FILE` writes one\n"
            ),
        ),
        (
            ("--max-unknown-share", "5"),
            (
                "attribute: error: --max-unknown-share: '5' is no share, expected a share of 0 to 1: 5% or 0.05\n"
                "  hint: for a count of requests there is --max-unknown\n"
            ),
        ),
        (("--max-unknown-share", "nan"), "expected a share"),
        (("--max-unknown-share", "5%%"), "expected a share"),
    ],
)
def test_gate_that_is_asked_nonsense_ends_with_two(attribute: Run, arguments: tuple[str, ...], said: str) -> None:
    """A mistake of the caller's is neither a pass nor a fail."""
    code, out, err = attribute("gate", "calm.log", *arguments)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('where = { class = "vendr" }\nmax = 3', "no class `vendr`"),
        ('where = { reason = "upstream-5x" }\nmax = 3', "no reason `upstream-5x`"),
        ('where = { function = "payy" }\nmax = 3', "no function `payy`"),
        ('where = { class = "vendor", reason = "upstream-429" }\nmax = 3', "never goes with"),
        ('where = { stage = "x" }\nmax = 3', "unknown key `stage`"),
        ('where = { class = "vendor" }', "`max` is missing"),
        ("max = 3", "`where` is missing"),
        ('where = { class = "vendor" }\nmax = 3.5', "expected a share"),
        ('where = { class = "vendor" }\nmax = true', "expected a share"),
        ('where = { class = "vendor" }\nmax = 3\nmim_requests = 4', "did you mean `min_requests`?"),
        ('where = { class = "vendor" }\nmax = 3\nlevel = "fatal"', "one of error, warn"),
        ('where = { class = "vendor" }\nmax = 3\non_no_data = "ok"', "one of inconclusive, fail, warn, pass"),
        ('where = { class = "vendor" }\nmax = 3\nover = "1w"', "a span such as"),
    ],
)
def test_limit_of_the_configuration_that_cannot_be_meant_ends_with_two(
    attribute: Run, tmp_path: Path, table: str, said: str
) -> None:
    """A misspelt limit would pass for ever: it is refused, with the line that it stands on."""
    (tmp_path / "attribute.toml").write_text(f"slow_ms = 900\n\n[[gate]]\n{table}\n")
    code, out, err = attribute("gate", "calm.log")
    assert (code, out) == (2, "")
    assert said in err
    assert "attribute.toml:3: [[gate]]" in err


@pytest.mark.parametrize(
    ("name", "flag"), [("max-unknown-share", ("--max-unknown-share", "5%")), ("max-unknown", ("--max-unknown", "5"))]
)
def test_limit_that_is_called_like_one_of_the_command_line_is_refused(
    attribute: Run, tmp_path: Path, name: str, flag: tuple[str, str]
) -> None:
    """Two checks of one name would be one to whoever reads the outputs; without the flag the name is free."""
    (tmp_path / "attribute.toml").write_text(
        f'[[gate]]\nname = "{name}"\nwhere = {{ class = "vendor" }}\nmax = "100%"\n'
    )
    code, out, err = attribute("gate", "calm.log", *flag)
    assert (code, out) == (2, "")
    assert f"attribute.toml:1: [[gate]]: the limit is called `{name}`, as is that of `--{name}`" in err
    assert "hint: give it another `name`, or leave the flag out" in err
    assert attribute("gate", "calm.log", "--check", "limits")[0] == 0


ON_NO_DATA = {
    "fail": (3, "error", "failure", 1, 0),
    "warn": (0, "warning", "system-out", 0, 1),
    "pass": (0, "notice", "skipped", 0, 0),
    "inconclusive": (4, "warning", "skipped", 0, 0),
}


@pytest.mark.parametrize("on_no_data", ON_NO_DATA)
def test_limit_without_data_is_the_same_in_all_outputs(attribute: Run, tmp_path: Path, on_no_data: str) -> None:
    """What a limit without data counts as is what every format says: it fails in all of them, or in none."""
    (tmp_path / "attribute.toml").write_text(
        f'[[gate]]\nname = "pay"\nwhere = {{ class = "UNKNOWN", function = "pay" }}\nmax = "5%"\nover = "1h"\n'
        f'on_no_data = "{on_no_data}"\n'
    )
    forms = ("json", "junit", "gitlab", "sarif", "prom", "text")
    wanted = [word for form in forms for word in ("-o", f"{form}:{form}.out")]
    code, out, _ = attribute("gate", "calm.log", "--check", "limits", "-o", "github", *wanted)
    found = {form: (tmp_path / f"{form}.out").read_text() for form in forms}
    expected_code, command, tag, failed, warned = ON_NO_DATA[on_no_data]
    assert code == expected_code
    assert [one.partition(" ")[0] for one in out.splitlines()] == [f"::{command}"]
    (check,) = json.loads(found["json"])["checks"]
    counts_as = {"fail": "fail", "inconclusive": "inconclusive"}.get(on_no_data, "pass")
    assert (check["state"], check["counts_as"], check["decides"]) == ("inconclusive", counts_as, True)
    assert f'failures="{failed}"' in found["junit"]
    assert f"<{tag}" in found["junit"]
    assert f'attribute_gate_failed_checks{{check="limit"}} {failed}' in found["prom"]
    assert f'attribute_gate_warned_checks{{check="limit"}} {warned}' in found["prom"]
    severities = [one["severity"] for one in json.loads(found["gitlab"])]
    levels = [one["level"] for one in json.loads(found["sarif"])["runs"][0]["results"]]
    assert severities == {"error": ["major"], "warning": ["minor"], "notice": []}[command]
    assert levels == ([] if command == "notice" else [command])
    word = {"fail": "FAIL", "warn": "WARN", "pass": "-   ", "inconclusive": "?   "}[on_no_data]
    assert found["text"].splitlines()[1].startswith(f"  {word} last 1 h, `pay`: ")
    if on_no_data == "fail":
        assert found["text"].startswith("gate failed: too little data for a limit that fails then: pay\n")


def test_limit_of_pyproject_points_at_its_line(attribute: Run, tmp_path: Path) -> None:
    """An annotation hangs on the line that set the limit."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.attribute]\nslow_ms = 900\n\n[[tool.attribute.gate]]\nname = "vendor"\n'
        'where = { class = "vendor" }\nmax = 3\nover = "24h"\n'
    )
    code, out, _ = attribute("gate", "calm.log", "-o", "github")
    assert code == 3
    assert out.startswith("::error file=pyproject.toml,line=4,title=limit exceeded%3A vendor::last 24 h, ")


def test_all_outputs_of_one_run_agree(attribute: Run, tmp_path: Path) -> None:
    """Eight formats at once, and the runner's own files."""
    forms = ("json", "junit", "gitlab", "sarif", "prom", "openmetrics")
    os.environ["GITHUB_STEP_SUMMARY"] = str(tmp_path / "summary.md")
    os.environ["GITHUB_OUTPUT"] = str(tmp_path / "out.txt")
    (tmp_path / "summary.md").write_text("before\n")
    try:
        wanted = [word for form in forms for word in ("-o", f"{form}:{form}.out")]
        code, out, _ = attribute("gate", "spike.log", "-o", "github", "-o", "text", *wanted)
    finally:
        del os.environ["GITHUB_STEP_SUMMARY"], os.environ["GITHUB_OUTPUT"]
    assert code == 3
    assert out.index("gate failed") < out.index("::error ")  # people read from the top
    document = json.loads((tmp_path / "json.out").read_bytes())
    part = next(one["part"] for one in document["checks"] if one["id"] == "unknown-spike/pay")
    texts = [out, *((tmp_path / f"{form}.out").read_text() for form in forms[1:])]
    assert all(str(part) in text for text in texts)
    assert (tmp_path / "summary.md").read_text().startswith("before\n### ")
    assert (tmp_path / "out.txt").read_text().startswith("gate=fail\nexit-code=3\n")


def test_baseline_is_built_shown_checked_and_used(attribute: Run, tmp_path: Path) -> None:
    """From logs to a file to a gate on the logs of one day."""
    code, out, _ = attribute("baseline", "build", "calm.log", "-o", "b.json", "--until", "2026-03-17T00:00Z")
    assert code == 0
    assert "15 days, 2026-03-02 to 2026-03-16" in out
    assert "left out   no day" in out
    code, out, _ = attribute("baseline", "show", "b.json", now=False)
    assert (code, out.splitlines()[0]) == (0, "days       15 days, 2026-03-02 to 2026-03-16")
    code, out, _ = attribute("baseline", "check", "b.json")
    assert (code, out.splitlines()[-1]) == (0, "usable     yes")
    code, out, _ = attribute("gate", "day.log", "--baseline", "b.json")
    assert code == 3
    assert "from `b.json`" in out
    assert attribute("gate", "day.log", "--baseline-logs", "calm.log")[0] == 3


def test_baseline_is_never_replaced_unasked(attribute: Run, tmp_path: Path) -> None:
    """A baseline is adopted by a person."""
    (tmp_path / "b.json").write_text("mine")
    code, _, err = attribute("baseline", "build", "calm.log", "-o", "b.json")
    assert code == 2
    assert "--replace" in err
    assert (tmp_path / "b.json").read_text() == "mine"
    assert attribute("baseline", "build", "calm.log", "-o", "b.json", "--replace")[0] == 0
    before = (tmp_path / "b.json").read_bytes()
    attribute("gate", "spike.log", "--baseline", "b.json")
    assert (tmp_path / "b.json").read_bytes() == before


def test_baselines_of_pieces_are_the_baseline_of_the_whole(attribute: Run, tmp_path: Path) -> None:
    """A baseline can be carried on day by day."""
    middle = (START + timedelta(days=9, hours=7)).isoformat()
    attribute("baseline", "build", "calm.log", "-o", "whole.json")
    attribute("baseline", "build", "calm.log", "-o", "first.json", "--until", middle)
    attribute("baseline", "build", "calm.log", "-o", "both.json", "--since", middle, "--merge", "first.json")
    assert (tmp_path / "both.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_baseline_that_cannot_be_used_says_why(attribute: Run, tmp_path: Path) -> None:
    """Too short, too old, of other limits: 4; cut or of another schema: 2."""
    attribute("baseline", "build", "day.log", "-o", "short.json")
    code, out, _ = attribute("baseline", "check", "short.json")
    assert code == 4
    assert "problem    it has 1 day, 7 are needed" in out
    attribute("baseline", "build", "calm.log", "-o", "b.json")
    late = ["--now", (NOW + timedelta(days=60)).isoformat(), "--max-age", "30"]
    code, out, _ = attribute("baseline", "check", "b.json", *late, now=False)
    assert code == 4
    assert "problem    it ends 61 days ago, at most 30 are allowed" in out
    (tmp_path / "attribute.toml").write_text("slow_ms = 500\n")
    code, out, _ = attribute("gate", "day.log", "--baseline", "b.json")
    assert code == 4
    assert out.startswith("gate cannot judge: a baseline of other rules")
    assert attribute("baseline", "check", "b.json")[0] == 4
    content = (tmp_path / "b.json").read_bytes()
    (tmp_path / "b.json").write_bytes(content[: len(content) // 2])
    code, out, err = attribute("gate", "day.log", "--baseline", "b.json")
    assert (code, out) == (2, "")
    assert "not a baseline, or only a part of one" in err


def test_baseline_of_another_schema_or_rules_version_is_said(attribute: Run, tmp_path: Path) -> None:
    """Another format is a mistake (2); verdicts of other rules cannot be compared with (4)."""
    attribute("baseline", "build", "calm.log", "-o", "b.json")
    document = orjson.loads((tmp_path / "b.json").read_bytes())
    (tmp_path / "next.json").write_bytes(orjson.dumps(document | {"schema": "attribute.baseline/2"}))
    code, out, err = attribute("gate", "day.log", "--baseline", "next.json")
    assert (code, out) == (2, "")
    assert "`attribute.baseline/2`, expected `attribute.baseline/1`" in err
    document["rules"]["version"] = "m1/0"
    document["sha256"] = checksum(document)
    (tmp_path / "rules.json").write_bytes(orjson.dumps(document))
    code, out, _ = attribute("gate", "day.log", "--baseline", "rules.json")
    assert code == 4
    assert out.startswith("gate cannot judge: a baseline of other rules")


def test_baseline_of_the_days_after_is_none(attribute: Run, tmp_path: Path) -> None:
    """Where time went backwards between baseline and logs there is nothing to compare with, and that is said."""
    attribute("baseline", "build", "calm.log", "-o", "b.json")
    early = ["--baseline", "b.json", "--now", (START + timedelta(hours=3)).isoformat()]
    code, out, _ = attribute("gate", "calm.log", *early, now=False)
    assert code == 4
    assert out.startswith("gate cannot judge: no baseline")


def test_baseline_of_untimed_logs_is_refused_with_four(attribute: Run) -> None:
    """Nothing to build of is said, and nothing is written."""
    code, _, err = attribute("baseline", "build", "empty.log", "-o", "b.json")
    assert code == 4
    assert "the logs hold no requests" in err
    assert not Path("b.json").exists()


def test_gate_does_not_depend_on_how_the_logs_are_spread(attribute: Run, logs: Path, tmp_path: Path) -> None:
    """One file or three, in any order: the same bytes."""
    lines = (logs / "spike.log").read_bytes().splitlines(keepends=True)
    for number in range(3):
        (tmp_path / f"{number}.json").write_bytes(b"".join(reversed(lines[number::3])))
    whole = attribute("gate", "spike.log", "-o", "json")
    assert attribute("gate", "2.json", "0.json", "1.json", "-o", "json") == whole


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["calm.log"], 0),
        (["spike.log"], 3),
        (["spike.log", "-o", "text", "-o", "github"], 3),
        (["spike.log", "-o", "json", "--exit-zero"], 0),
        (["empty.log"], 4),
    ],
)
def test_gate_whose_reader_left_keeps_its_exit_code(logs: Path, tmp_path: Path, words: list[str], code: int) -> None:
    """`attribute gate logs/ | head -1` under `pipefail` fails where the gate does, and for no other reason."""
    arguments = [str(logs / word) if word.endswith(".log") else word for word in words]
    assert unread("gate", *arguments, "--now", NOW.isoformat(), "--isolated", cwd=tmp_path) == (code, "")


def test_gate_whose_reader_left_tells_the_runner_all_the_same(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What later steps read does not hang on who reads the log of this one."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    arguments = [str(logs / "spike.log"), "--now", NOW.isoformat(), "--isolated", "-o", "text", "-o", "github"]
    assert unread("gate", *arguments, cwd=tmp_path) == (3, "")
    assert (tmp_path / "output").read_text().startswith("gate=fail\nexit-code=3\n")
    assert (tmp_path / "summary").read_text().startswith("### ")


def test_check_of_a_baseline_whose_reader_left_keeps_its_exit_code(attribute: Run, tmp_path: Path) -> None:
    """An unusable baseline is none, whoever reads."""
    attribute("baseline", "build", "day.log", "-o", "short.json")
    assert unread("baseline", "check", "short.json", "--now", NOW.isoformat(), cwd=tmp_path) == (4, "")


def test_gate_in_a_process_of_its_own_ends_with_its_code(logs: Path) -> None:
    """The exit code is the process's."""
    code = "import sys; from attribute.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "gate", str(logs / "spike.log"), "--now", NOW.isoformat(), "-q"],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("gate failed: ")
