"""
A process that applies a plan and stops for a word on standard input after each step.

`python -m tests.ingest_store.applying sqlite|postgres ADDRESS PLAN`: each step that is done is told as one line on
standard output; so is how it ended. It goes on when it is told anything.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attribute.ingest.plans import apply_items, document
from attribute.ingest.plans.apply import apply
from attribute.ingest.plans.document import Plan
from attribute.ingest.plans.errors import PlanError
from attribute.ingest.stores.postgres import PostgresStore
from attribute.ingest.stores.relational import RelationalStore
from attribute.ingest.stores.sqlite import SqliteStore
from tests.ingest_store.helpers import NOW_US, PATIENT_S

KEYS_PER_STEP = 4


class Applying:
    """Such a process, as its parent sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def heard(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("on\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL, as a machine without memory would."""
        self._process.kill()
        self._process.wait()


@contextmanager
def applying(store: RelationalStore, plan: Plan, folder: Path) -> Iterator[Applying]:
    """Apply a plan to a store in a process of its own; it waits after its first step."""
    file = folder / "plan-of-another-process.json"
    file.write_bytes(plan.to_bytes())
    assert isinstance(store, SqliteStore | PostgresStore)
    address = str(store.path) if isinstance(store, SqliteStore) else store.url
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ingest_store.applying", store.kind, address, str(file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    with process:
        child = Applying(process)
        try:
            assert child.heard() == "step 1"
            yield child
        finally:
            process.kill()


def main(kind: str, address: str, file: str) -> None:
    vars(document)["CHUNK"] = vars(apply_items)["CHUNK"] = KEYS_PER_STEP
    text = Path(file).read_bytes()
    if kind == "postgres":
        store: RelationalStore = PostgresStore(address, wait_s=PATIENT_S, lock_s=PATIENT_S)
    else:
        store = SqliteStore(Path(address), busy_s=PATIENT_S, serving=False)

    def wait(done: int, _steps: int) -> None:
        print(f"step {done}", flush=True)
        sys.stdin.readline()

    try:
        apply(store, text, approve=Plan.from_bytes(text).sha256, now_us=NOW_US, progress=wait)
        print("applied", flush=True)
    except PlanError as error:
        print(f"{error.exit_code}: {error.message}", flush=True)
    finally:
        store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
