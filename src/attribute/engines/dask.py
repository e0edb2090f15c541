"""Tasks on a Dask cluster: one future for each split, pulled and let go as it ends."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from attribute.engines.cluster import ClusterError, TaskFailedError
from attribute.engines.remote import Kernel, work

__all__ = ["DaskRunner", "connected"]

_RETRIES: Final = 3
_CONNECT_SECONDS: Final = 30
_CLOSE_SECONDS: Final = 10
_LEAST_UNDER_WAY: Final = 32
_PER_THREAD: Final = 3

_LOCAL: Final = {
    # A worker that dies twice within 15 s is otherwise given up for good, and the job waits for ever without a word.
    "distributed.deploy.lost-worker-timeout": "1h",
    "distributed.nanny.pre-spawn-environ.POLARS_MAX_THREADS": 1,
}


@contextlib.contextmanager
def connected(
    *,
    address: str | None = None,
    options: Mapping[str, str] | None = None,
    timeout_s: float = 600.0,
    parallel: int = 0,
    kernel: Kernel = work,
) -> Iterator[DaskRunner]:
    """
    Yield a runner on a Dask cluster.

    Args:
        address: of the scheduler (`tcp://host:8786`), or a scheduler file; without one a cluster of this machine's
            cores is started and ended with the context.
        options: settings of Dask by their dotted names.
        timeout_s: when nothing came back for so long, the run ends with an error; connecting takes 30 s at most.
        parallel: how many splits are under way at once; 0: a few for each thread of the workers.
        kernel: what runs on the workers.

    Raises:
        ClusterError: Dask is not installed, or the scheduler does not answer.
    """
    try:
        import dask  # noqa: PLC0415 - an extra
        import distributed  # noqa: PLC0415 - the same
    except ModuleNotFoundError:
        raise ClusterError.not_installed("dask", "distributed", "'m1-attribute[dask]'") from None
    logging.getLogger("distributed").setLevel(logging.ERROR)  # its warnings are for its own operators
    settings: dict[str, Any] = {} if address else dict(_LOCAL)
    with dask.config.set({**settings, **(options or {})}), contextlib.ExitStack() as stack:
        where: dict[str, Any] = {"address": address}
        if address is None:
            where["address"] = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=len(os.sched_getaffinity(0)), threads_per_worker=1, dashboard_address=None
                )
            )
        elif address.endswith(".json"):
            where = {"scheduler_file": address}
        try:
            client = distributed.Client(**where, timeout=min(_CONNECT_SECONDS, timeout_s), set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError.unreachable("dask", address, _gist(error)) from error
        stack.callback(client.close, timeout=_CLOSE_SECONDS)
        yield DaskRunner(client, timeout_s=timeout_s, parallel=parallel, kernel=kernel)


@dataclass(frozen=True, slots=True)
class DaskRunner:
    """
    A `attribute.engines.cluster.Runner` on Dask.

    Attributes:
        client: a `distributed.Client` of the caller's.
        timeout_s: see `connected`.
        parallel: see there.
        kernel: see there.
        retries: how often a task that raised is tried again. One whose worker died is tried again anyway.
    """

    client: Any
    timeout_s: float = 600.0
    parallel: int = 0
    kernel: Kernel = work
    retries: int = _RETRIES

    def run(self, common: bytes, tasks: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        """See `attribute.engines.cluster.Runner`."""
        ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        job = uuid.uuid4().hex
        waiting = iter(tasks)
        suspects: list[tuple[int, bytes]] = []
        under_way: dict[int, tuple[bytes, Any]] = {}
        limit = self.parallel or max(_LEAST_UNDER_WAY, _PER_THREAD * sum(self.client.nthreads().values()))
        done = 0

        def begin(number: int, payload: bytes, key: str) -> None:
            future = self.client.submit(
                self.kernel, common, payload, key=f"attribute-{job}-{key}", retries=self.retries, pure=False
            )
            under_way[number] = payload, future
            future.add_done_callback(lambda _: ended.put(number))

        try:
            while True:
                while len(under_way) < limit and (task := next(waiting, None)) is not None:
                    begin(*task, key=f"{task[0]}")
                is_alone = not under_way and bool(suspects)
                if is_alone:
                    suspect = suspects.pop()
                    begin(*suspect, key=f"{suspect[0]}-alone")
                if not under_way:
                    return
                try:
                    number = ended.get(timeout=self.timeout_s)
                except queue.Empty:
                    raise ClusterError.stalled(self.timeout_s, done, len(tasks), self._workers()) from None
                payload, future = under_way.pop(number)
                reply = self._reply(number, future, is_alone=is_alone)
                future.release()
                if reply is None:
                    suspects.append((number, payload))
                    continue
                yield number, reply
                done += 1
        finally:
            with contextlib.suppress(Exception):  # the scheduler may be what is gone; the error above says so
                self.client.cancel([future for _, future in under_way.values()], force=True)

    def _reply(self, number: int, future: Any, *, is_alone: bool) -> bytes | None:  # noqa: ANN401 - a future of Dask's
        """
        Return what came back; None where workers died that had the task and others.

        Dask gives up on every task that was with workers as they died, also on those that they had not begun. Which one
        kills them shows when each is tried again with no other under way.
        """
        from distributed import KilledWorker  # noqa: PLC0415 - here, it is installed

        try:
            reply = future.result(timeout=self.timeout_s)
        except KilledWorker as error:
            if not is_alone:
                return None
            raise TaskFailedError(
                number, "every worker that took it died, which is mostly for lack of memory"
            ) from error
        except Exception as error:  # whatever the kernel raised over there is raised here
            raise TaskFailedError(number, _gist(error)) from error
        assert isinstance(reply, bytes)
        return reply

    def _workers(self) -> str:
        number = len(self.client.scheduler_info().get("workers", {}))
        return f"{number:,} worker{'' if number == 1 else 's'} connected"


def _gist(error: BaseException) -> str:
    text = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__
