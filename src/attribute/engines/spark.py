"""
Tasks on Spark, through `DataFrame.mapInArrow`: each split is one task of one partition, each reply one binary value.

Spark parses no line and evaluates no rule. What is used of it has been there since 3.3, in classic Spark and in Spark
Connect alike.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from attribute.engines.cluster import ClusterError, TaskFailedError
from attribute.engines.remote import Kernel, work

__all__ = ["SparkRunner", "connected"]

_SCHEMA: Final = "number long, reply binary"
_WAVES: Final = 3
_UNDER_WAY: Final = 192
_PER_CORE: Final = 6

_ONE_MACHINE: Final = {
    "spark.log.level": "OFF",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
}


@contextlib.contextmanager
def connected(
    *,
    address: str | None = None,
    options: Mapping[str, str] | None = None,
    timeout_s: float = 600.0,
    parallel: int = 0,
    kernel: Kernel = work,
) -> Iterator[SparkRunner]:
    """
    Yield a runner on Spark.

    Args:
        address: a master (`spark://host:7077`, `yarn`, `local[4,4]`) or a Connect server (`sc://host:15002`). Without
            one the session that is active counts, or what `spark-submit` or the environment say.
        options: settings of Spark by their dotted names.
        timeout_s: when nothing came back for so long, the run ends with an error.
        parallel: how many splits are under way at once; 0: a few for each core, 192 where that is not known.
        kernel: what runs on the workers.

    Raises:
        ClusterError: Spark is not installed, or no session can be had.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - brought by the user, see docs/cluster.md
    except ModuleNotFoundError:
        raise ClusterError.not_installed("spark", "pyspark", "pyspark, or pyspark-client for Spark Connect") from None
    for package in ("pyarrow", "pandas"):  # Spark asks for them where the first reply is met, on the workers
        if find_spec(package) is None:
            raise ClusterError.not_installed("spark", package, "'m1-attribute[spark]' 'pandas<3'")
    active = SparkSession.getActiveSession() if address is None and not options else None
    session = active or _new_session(SparkSession.builder, address, options or {})
    try:
        yield SparkRunner(session, timeout_s=timeout_s, parallel=parallel, kernel=kernel)
    finally:
        if active is None:
            with contextlib.suppress(Exception):  # a server that is gone has nothing left to stop
                session.stop()


def _new_session(builder: Any, address: str | None, options: Mapping[str, str]) -> Any:  # noqa: ANN401 - Spark's own
    if address is not None and address.startswith("sc://"):
        builder = builder.remote(address)
    elif address is not None:
        builder = builder.master(address)
    settings = dict(options)
    if address is not None and address.startswith("local"):
        settings = {**_ONE_MACHINE, **settings}
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # Spark would take any `python3` that it finds
    for name, value in settings.items():
        builder = builder.config(name, value)
    try:
        return builder.appName("attribute").getOrCreate()
    except Exception as error:  # each kind of Spark raises its own
        raise ClusterError.unreachable("spark", address, _gist(error)) from error


@dataclass(frozen=True, slots=True)
class SparkRunner:
    """
    A `attribute.engines.cluster.Runner` on Spark.

    Attributes:
        session: a `SparkSession` of the caller's, of any kind.
        timeout_s: see `connected`.
        parallel: see there.
        kernel: see there.
    """

    session: Any
    timeout_s: float = 600.0
    parallel: int = 0
    kernel: Kernel = work

    def run(self, common: bytes, tasks: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        """
        See `attribute.engines.cluster.Runner`.

        Tasks go out in waves, a few of which are under way at once: a wave's replies come back together, so that they
        must fit the driver together, and while one ends the next fills the cores.
        """
        under_way = self.parallel or self._cores() * _PER_CORE or _UNDER_WAY
        size = max(1, under_way // _WAVES)
        waves = [tasks[at : at + size] for at in range(0, len(tasks), size)]
        ended: queue.SimpleQueue[list[tuple[int, bytes]] | Exception] = queue.SimpleQueue()
        started = done = 0
        for finished in range(len(waves)):
            while started < len(waves) and started - finished < _WAVES:
                # daemons: a wave that never ends must not keep the program from ending
                threading.Thread(target=self._wave, args=(common, waves[started], ended), daemon=True).start()
                started += 1
            try:
                replies = ended.get(timeout=self.timeout_s)
            except queue.Empty:
                self._interrupt()
                raise ClusterError.stalled(self.timeout_s, done, len(tasks), f"{size} are sent at a time") from None
            if isinstance(replies, Exception):
                self._interrupt()
                raise TaskFailedError(None, _gist(replies)) from replies
            done += len(replies)
            yield from replies

    def _wave(
        self,
        common: bytes,
        tasks: Sequence[tuple[int, bytes]],
        ended: queue.SimpleQueue[list[tuple[int, bytes]] | Exception],
    ) -> None:
        """Do some tasks, and put their replies, or what went wrong, where they are waited for."""
        try:
            frame = self.session.range(0, len(tasks), 1, len(tasks))
            rows = frame.mapInArrow(_mapper(self.kernel, common, list(tasks)), _SCHEMA).collect()
            ended.put([(int(row["number"]), bytes(row["reply"])) for row in rows])
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits, which raises it
            ended.put(error)

    def _cores(self) -> int:
        """Return how many tasks run at once, or 0: Spark Connect does not say."""
        try:
            return int(self.session.sparkContext.defaultParallelism)
        except Exception:  # noqa: BLE001 - each version refuses in its own way
            return 0

    def _interrupt(self) -> None:
        """Ask for the end of what still runs; a session of the caller's own goes on."""
        with contextlib.suppress(Exception):
            self.session.interruptAll()


def _mapper(
    kernel: Kernel, common: bytes, tasks: Sequence[tuple[int, bytes]]
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Return what Spark runs over each partition: ids of tasks in, their numbers and replies out."""

    def replies(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415 - runs on a worker

        for batch in batches:
            for place in batch.column(0).to_pylist():
                number, payload = tasks[place]
                yield pa.RecordBatch.from_arrays(
                    [pa.array([number], pa.int64()), pa.array([kernel(common, payload)], pa.binary())],
                    names=["number", "reply"],
                )

    return replies


def _gist(error: BaseException) -> str:
    """Return the line of Spark's long messages that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "Error: " in line or "Exception: " in line or "crashed" in line]
    return f"{type(error).__name__}: {(told or lines or [''])[-1 if told else 0]}"[:300]
