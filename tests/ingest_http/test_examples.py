"""What the examples and the pages tell an operator to type is what the commands take."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.ingest_http.world import World, bucket
from tests.needs import IN_CI

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "examples" / "systemd" / "attribute-ingest.service"
CONTAINER = ROOT / "examples" / "container" / "Containerfile"
PAGES = ("ingest.md", "running-ingest.md", "ingest-data-model.md", "stop-rule.md")


@cache
def flags_of(*command: str) -> frozenset[str]:
    """Every flag that a command says it takes."""
    asked = [sys.executable, "-m", "attribute", *command, "--help"]
    text = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    return frozenset(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))


def check(words: list[str]) -> None:
    """A command line whose command exists and takes every flag that is in it."""
    assert words[0] == "attribute"
    command = [word for word in words[1:4] if re.fullmatch(r"[a-z]+", word)]
    while command:
        try:
            flags = flags_of(*command)
            break
        except subprocess.CalledProcessError:
            command.pop()  # an argument, not a command
    assert command, words
    used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert used <= flags, words


def test_unit_starts_a_command_that_there_is_and_every_flag_of_it() -> None:
    """The line that systemd runs is one that the command line takes."""
    (started,) = re.findall(r"(?m)^ExecStart=\S*/(attribute .*)$", UNIT.read_text())
    check(shlex.split(started))


def test_unit_gives_the_process_what_it_needs() -> None:
    """Folders that it writes to, time to finish its answers, no restart after a disk that failed, and 143 is fine."""
    lines = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"[A-Z]\w+=", line))
    assert lines["ExecStart"].count("/var/lib/" + lines["StateDirectory"] + "/") == 1
    assert lines["ExecStart"].count("/var/log/" + lines["LogsDirectory"] + "/") == 1
    assert (lines["SuccessExitStatus"], lines["RestartPreventExitStatus"], lines["UMask"]) == ("143", "2", "0077")
    assert int(lines["TimeoutStopSec"]) > 15
    assert int(lines["LimitNOFILE"]) >= 192 + 128


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and not IN_CI, reason="systemd-analyze is not installed (package `systemd`)"
)
def test_unit_is_accepted_by_systemd(tmp_path: Path) -> None:
    """Every setting is one that systemd knows, in the place where it belongs."""
    program = tmp_path / "attribute"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = re.sub(r"(?m)^ExecStart=\S*/attribute ", f"ExecStart={program} ", UNIT.read_text())
    (tmp_path / UNIT.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    about_it = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert about_it == []


def test_container_starts_a_command_that_there_is_and_every_flag_of_it() -> None:
    """Entry point and arguments together are a command line; what is asked for health is an endpoint."""
    text = CONTAINER.read_text()
    parts = [json.loads(re.findall(rf"(?m)^{name} (\[.*\])$", text)[0]) for name in ("ENTRYPOINT", "CMD")]
    check([*parts[0], *parts[1]])
    assert "http://127.0.0.1:8787/readyz" in text
    assert {"EXPOSE 8787", "USER attribute", "STOPSIGNAL SIGTERM", "VOLUME /data"} <= set(text.splitlines())
    assert "'/src[ingest]'" in text


@pytest.mark.parametrize("page", PAGES)
def test_commands_on_a_page_are_commands_with_their_flags(page: str) -> None:
    """Every line of a shell block that starts with our command could be typed."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", (ROOT / "docs" / page).read_text(), flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    typed = [shlex.split(line, comments=True) for line in lines if line.lstrip("$ ").startswith("attribute ")]
    assert typed
    for words in typed:
        check([word for word in words if word != "$"])


def test_flags_named_on_the_page_about_running_it_are_flags_of_serve() -> None:
    """The table of limits names no flag that is not there."""
    text = (ROOT / "docs" / "running-ingest.md").read_text()
    named = set(re.findall(r"`(--[a-z-]+)", text))
    assert named <= flags_of("ingest", "serve")


def test_metrics_are_accepted_by_promtool(world: World) -> None:
    """Nothing to complain about: names, help, types, units and histograms, before and after traffic."""
    token = world.token()
    for total in (None, 1):
        if total is not None:
            world.ingest([bucket(total=total)], token=token)
            world.ingest(b"{", token=token)
            world.get("usage-summary", token=token)
            world.get("/nowhere")
        text = world.get("/metrics").body
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
