"""The examples are what they claim: valid for their platforms, and they do what their comments say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.gate.test_cli import line, log
from tests.gate.world import HEALTHY, NOW, UNKNOWN

ROOT = Path(__file__).parents[2]
RULES = ROOT / "examples/prometheus/attribute-gate.rules.yml"


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-actions", "action.yml"),
        ("vendor.github-workflows", "examples/github/gate.yml"),
        ("vendor.github-workflows", "examples/github/weekly-report.yml"),
        ("vendor.gitlab-ci", "examples/gitlab/attribute-gate.gitlab-ci.yml"),
    ],
)
def test_example_is_valid_for_its_platform(schema: str, path: str) -> None:
    """Each example passes the platform's own schema, without a network."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(ROOT / path)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "attribute-gate.rules.yml"),
        ("check", "rules", "--lint-fatal", "attribute-gate.rules.yml"),
        ("test", "rules", "attribute-gate.test.yml"),
    ],
)
def test_alert_rules_pass_promtool(arguments: tuple[str, ...]) -> None:
    """The rules load, and fire when their tests say so and at no other time."""
    done = subprocess.run(["promtool", *arguments], cwd=RULES.parent, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alert_rules_ask_for_metrics_that_the_gate_writes() -> None:
    """An alert on a misspelt metric would be silent for ever."""
    from attribute.reports.gate_writers import gate_writer
    from attribute.reports.writers import Style
    from tests.gate.views import loud

    written = b"".join(gate_writer("prom")(loud(), Style())).decode()
    names = {one.split()[2] for one in written.splitlines() if one.startswith("# TYPE ")}
    asked = {
        word
        for rule in YAML(typ="safe").load(RULES)["groups"][0]["rules"]
        for word in rule["expr"].replace("(", " ").replace(")", " ").replace("{", " ").split()
        if word.startswith("attribute_")
    }
    assert asked
    assert asked <= names
    assert 'attribute_gate_failed_checks{check="coverage"}' in written


def action_step(name: str) -> dict[str, object]:
    steps = YAML(typ="safe").load(ROOT / "action.yml")["runs"]["steps"]
    return next(step for step in steps if step["name"] == name)


def test_action_puts_no_input_into_a_script() -> None:
    """An input is a variable of the script, never a part of it: text in it cannot be run."""
    for name in ("Install attribute", "Judge"):
        assert "${{" not in str(action_step(name)["run"])


def test_workflow_scripts_parse_as_bash() -> None:
    """Every script of action and workflows is at least a script."""
    scripts = [str(action_step(name)["run"]) for name in ("Install attribute", "Judge")]
    for path in (ROOT / "examples/github").glob("*.yml"):
        for job in YAML(typ="safe").load(path)["jobs"].values():
            scripts += [step["run"] for step in job["steps"] if "run" in step]
    for script in scripts:
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize(("trouble", "code", "state"), [(0, 0, "pass"), (6, 3, "fail")])
def test_action_judges_and_hands_on_its_outputs(tmp_path: Path, trouble: int, code: int, state: str) -> None:
    """The action's own script, run as a runner runs it: exit code, outputs, summary, a path with spaces and quotes."""
    binary = tmp_path / "attribute/bin/attribute"
    binary.parent.mkdir(parents=True)
    installed = shutil.which("attribute", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert installed is not None
    binary.symlink_to(installed)
    logs = tmp_path / 'my "logs"; touch pwned'
    logs.mkdir()
    (logs / "a.log").write_bytes(b"".join(log(days=16, trouble_hours=trouble)))
    environment = {
        "PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path), "HOME": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "ATTRIBUTE_PATHS": f"{logs}\n", "ATTRIBUTE_BASELINE": "", "ATTRIBUTE_ON_INCONCLUSIVE": "",
        "ATTRIBUTE_ARGUMENTS": f"--now\n{NOW.isoformat()}\n--isolated\n",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-e", "-c", str(action_step("Judge")["run"])],
        env=environment, cwd=tmp_path, capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, "")
    assert (tmp_path / "output").read_text().splitlines()[:2] == [f"gate={state}", f"exit-code={code}"]
    assert f"attribute gate: {state}" in (tmp_path / "summary").read_text()
    assert not (tmp_path / "pwned").exists()


def test_log_lines_that_look_like_commands_are_not_run(tmp_path: Path) -> None:
    """A function called like a runner's command stays a name, in the log of the step and in its summary."""
    name = "##[add-mask]x"
    rows = [
        line(number, name, HEALTHY if number % 3 else UNKNOWN, NOW - timedelta(minutes=number))
        for number in range(1, 200)
    ]
    (tmp_path / "a.log").write_bytes(b"".join(rows))
    code = "from attribute.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "gate", str(tmp_path / "a.log"), "--now", NOW.isoformat(), "--isolated",
         "--check", "limits", "--max-unknown", "3", "-o", "text", "-o", "github"],
        capture_output=True, check=False, text=True, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 3
    assert not [one for one in done.stdout.splitlines() if "##[" in one and not one.startswith("::")]
