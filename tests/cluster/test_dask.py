"""Dask: the same answer as here, also when a worker is killed in the middle, and an error where there is none."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attribute.cli.main import run
from attribute.engines import cluster, local
from attribute.engines.cluster import ClusterError
from attribute.engines.dask import DaskRunner, connected
from tests.cluster import faults
from tests.cluster.logs import write
from tests.cluster.parity import FIXTURES, assert_parity, assert_same, options, printed
from tests.needs import module

module("distributed", reason="distributed is not installed: it is in requirements/test.txt")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler and two workers with nannies, as processes of their own; the address of the scheduler."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("dask")
    at = f"tcp://127.0.0.1:{port}"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "2"}
    dask = [sys.executable, "-m", "dask"]
    commands = [
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-jupyter"],
        [*dask, "worker", at, "--host", "127.0.0.1", "--nworkers", "2", "--nthreads", "1", "--no-dashboard"],
    ]
    started: list[subprocess.Popen[bytes]] = []
    with (folder / "log").open("wb") as log:
        try:
            for command in commands:
                started.append(subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log))
            yield at
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(30)


@pytest.fixture
def runner(address: str) -> Iterator[DaskRunner]:
    """The cluster, with both workers there."""
    with connected(address=address, timeout_s=120) as there:
        there.client.wait_for_workers(2, timeout=60)
        yield there


@pytest.mark.parametrize("seed", range(2))
def test_dask_generated_logs_equal_local(runner: DaskRunner, tmp_path: Path, seed: int) -> None:
    """Broken lines, requests over several files and splits, every compression: one answer."""
    write(tmp_path, seed)
    assert_parity(runner, tmp_path, fingerprint=True)


def test_dask_cli_prints_the_same_bytes_for_every_fixture(address: str, capfdbinary: Any) -> None:  # noqa: ANN401 - pytest's own
    """`--engine dask` changes no byte of the JSON."""
    there = ["--engine", "dask", "--engine-address", address]
    for name in ("multi-record", "hostile", "compressed", "untimed"):
        logs = str(FIXTURES / name / "logs")
        assert printed(capfdbinary, logs, *there) == printed(capfdbinary, logs)


def test_dask_worker_killed_in_the_middle_changes_nothing(runner: DaskRunner, tmp_path: Path) -> None:
    """A worker dies inside a split; the split is done by another, and counts once."""
    logs = tmp_path / "logs"
    logs.mkdir()
    write(logs, 7)
    mine = local.analyse(options(logs))
    for round_ in range(3):
        pids = set(runner.client.run(os.getpid).values())
        marker = tmp_path / f"killed-{round_}"
        hit = DaskRunner(runner.client, timeout_s=120, kernel=faults.killed_once(str(marker), 3 + round_))
        assert_same(cluster.analyse(options(logs), hit, split_bytes=9_000), mine)
        assert int(marker.read_text()) in pids
        runner.client.wait_for_workers(2, timeout=60)


def test_dask_poison_split_raises_and_names_it(runner: DaskRunner, tmp_path: Path) -> None:
    """A split that kills whoever takes it ends the run with its place, not in an endless row of workers."""
    write(tmp_path, 8, count=300)
    deadly = DaskRunner(runner.client, timeout_s=120, kernel=faults.poisoned(2))
    with pytest.raises(ClusterError, match=r"gave up on `.*0\.log\.gz`: every worker that took it died"):
        cluster.analyse(options(tmp_path), deadly)
    runner.client.wait_for_workers(2, timeout=60)


def test_dask_exception_on_a_worker_is_told_with_its_place(runner: DaskRunner, tmp_path: Path) -> None:
    """What goes wrong over there is told here in one line."""
    write(tmp_path, 8, count=300)
    wrong = DaskRunner(runner.client, timeout_s=120, kernel=faults.raising(2))
    with pytest.raises(ClusterError, match=r"gave up on `.*0\.log\.gz`: RuntimeError: seeded fault"):
        cluster.analyse(options(tmp_path), wrong)


def test_dask_cluster_that_stalls_meets_the_timeout(runner: DaskRunner, tmp_path: Path) -> None:
    """No reply for too long is an error: a client of Dask would wait for ever."""
    write(tmp_path, 8, count=100)
    asleep = DaskRunner(runner.client, timeout_s=1, kernel=faults.stalled)
    started_at = time.monotonic()
    with pytest.raises(ClusterError, match=r"nothing came back .* for 1 s; 0 of 11 splits were done; 2 workers") as got:
        cluster.analyse(options(tmp_path), asleep)
    assert time.monotonic() - started_at < 20
    assert got.value.exit_code == 4
    runner.client.restart(timeout=60)


def test_dask_scheduler_that_is_not_there_is_a_worded_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An address where nobody listens."""
    monkeypatch.setattr("attribute.engines.dask._CONNECT_SECONDS", 1)
    logs = str(FIXTURES / "quiet" / "logs")
    assert run([logs, "--isolated", "--engine", "dask", "--engine-address", "tcp://127.0.0.1:9"]) == 4
    assert "dask at `tcp://127.0.0.1:9` cannot be reached" in capfd.readouterr().err


@pytest.mark.parametrize(("asked_s", "waited_s"), [(3.0, 3.0), (600.0, 30)])
def test_scheduler_is_waited_for_no_longer_than_was_asked(
    asked_s: float, waited_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who allows three seconds gets an answer after three, also where nobody listens; nobody waits for minutes."""
    waited: list[float] = []

    def refused(*, timeout: float, **_: object) -> None:
        waited.append(timeout)
        raise TimeoutError("nobody is there")

    monkeypatch.setattr("distributed.Client", refused)
    with pytest.raises(ClusterError, match="cannot be reached"), connected(address="tcp://a:1", timeout_s=asked_s):
        pass
    assert waited == [waited_s]


def test_dask_without_an_address_starts_a_cluster_of_this_machine(tmp_path: Path) -> None:
    """With pip alone: workers are started, used and ended; gate and explain go there too."""
    write(tmp_path, 3, count=400)
    first = json.loads((tmp_path / "0.log").read_text().splitlines()[0])["request_id"]
    answers = {}
    for engine in ("local", "dask"):
        more = ["--isolated", "--engine", engine, "--now", "2026-11-17T00:00:00Z"]
        commands = (["explain", first, str(tmp_path), "-o", "json"], ["gate", str(tmp_path), "-o", "json"])
        done = [
            subprocess.run(
                [sys.executable, "-m", "attribute", *command, *more], cwd=ROOT, capture_output=True, check=False
            )
            for command in commands
        ]
        answers[engine] = [(each.returncode, each.stdout) for each in done]
    assert answers["dask"] == answers["local"]
    assert all(out for _, out in answers["local"])
