"""Spark with a JVM: the same answer as here, also when a Python worker is killed in the middle."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attribute.engines import cluster, local
from attribute.engines.cluster import ClusterError
from attribute.engines.spark import SparkRunner, connected
from tests.cluster import faults
from tests.cluster.logs import write
from tests.cluster.parity import FIXTURES, assert_parity, assert_same, options, printed
from tests.needs import IN_CI, module

module("pyspark", reason="pyspark is not installed: .ci/run adds requirements/spark.txt")
if shutil.which("java") is None and not IN_CI:
    pytest.skip("Spark needs Java", allow_module_level=True)
pytestmark = pytest.mark.filterwarnings("ignore")  # what Spark warns of inside itself
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runner() -> Iterator[SparkRunner]:
    """Two cores, and up to four tries of a task: `local[2]` has one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        with connected(address="local[2,4]", timeout_s=300, parallel=60) as there:
            yield there


def test_spark_generated_logs_equal_local(runner: SparkRunner, tmp_path: Path) -> None:
    """Broken lines, requests over several files and splits, every compression: one answer."""
    write(tmp_path, 0)
    assert_parity(runner, tmp_path, split_bytes=30_000, fingerprint=True, also_unheard=False)


def test_spark_cli_prints_the_same_bytes(runner: SparkRunner, capfdbinary: Any) -> None:  # noqa: ANN401 - pytest's own
    """`--engine spark` takes the session that is there, leaves it open, and changes no byte of the JSON."""
    for name in ("multi-record",):
        logs = str(FIXTURES / name / "logs")
        assert printed(capfdbinary, logs, "--engine", "spark") == printed(capfdbinary, logs)
    assert runner.session.range(1).count() == 1


def test_spark_worker_killed_in_the_middle_changes_nothing(runner: SparkRunner, tmp_path: Path) -> None:
    """A Python worker dies inside a split; Spark has the split done again, and it counts once."""
    logs = tmp_path / "logs"
    logs.mkdir()
    write(logs, 7, count=800)
    mine = local.analyse(options(logs))
    marker = tmp_path / "killed"
    hit = SparkRunner(runner.session, timeout_s=300, parallel=60, kernel=faults.killed_once(str(marker), 3))
    assert_same(cluster.analyse(options(logs), hit), mine)
    assert int(marker.read_text()) != os.getpid()


def test_spark_poison_split_raises(runner: SparkRunner, tmp_path: Path) -> None:
    """A split that kills whoever takes it ends the run with an error."""
    write(tmp_path, 8, count=300)
    deadly = SparkRunner(runner.session, timeout_s=300, kernel=faults.poisoned(2))
    with pytest.raises(ClusterError, match=r"the cluster gave up on a split: .*crashed"):
        cluster.analyse(options(tmp_path), deadly)


def test_spark_exception_on_a_worker_is_told_in_one_line(runner: SparkRunner, tmp_path: Path) -> None:
    """What goes wrong over there is told here, without a page of Java."""
    write(tmp_path, 8, count=300)
    wrong = SparkRunner(runner.session, timeout_s=300, kernel=faults.raising(2))
    with pytest.raises(ClusterError, match="RuntimeError: seeded fault") as raised:
        cluster.analyse(options(tmp_path), wrong)
    assert "\n" not in raised.value.message


def test_spark_cluster_that_stalls_meets_the_timeout(runner: SparkRunner, tmp_path: Path) -> None:
    """No reply for too long is an error."""
    write(tmp_path, 8, count=100)
    asleep = SparkRunner(runner.session, timeout_s=1, kernel=faults.stalled)
    with pytest.raises(ClusterError, match="nothing came back from the cluster for 1 s; 0 of 11 splits"):
        cluster.analyse(options(tmp_path), asleep)
