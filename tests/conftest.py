"""
For all tests: none is about how fast the machine is, and some need a user to whom files are closed.

And the mode of the cache, where one was asked for (`tests.caching`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from tests.cache_mode import FOLDER, VARIABLE, wanted_mode

settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")

if os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0" and "POLARS_MAX_THREADS" not in os.environ:
    # There are more workers than cores: the first has all of polars' threads, the others one, which takes a fifth less.
    # Which test is run by which is chance. What tests start has all threads again.
    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars as pl

    assert pl.thread_pool_size() == 1
    del os.environ["POLARS_MAX_THREADS"]

NOBODY = 65534
ROOT = Path(__file__).parents[1]
NOT_TRACED = (
    "tests/cache/test_parts.py",
    "tests/cache/test_rotation.py",
    "tests/cluster/",
    "tests/engines/test_head_start.py",
    "tests/gate/test_monotone.py",
    "tests/gate/test_spread.py",
    "tests/incidents/test_quality.py",
    "tests/ingest_http/test_openapi.py",
    "tests/ingest_store/test_life.py",
    "tests/logs_decode/test_agreement.py",
    "tests/logs_decode/test_many_lines.py",
    "tests/logs_decode/test_others.py",
    "tests/report_pages/test_hostile.py",
)
"""Tests that go the same ways over and over, as those with drawn examples do."""

OF_THE_CACHE = (
    "tests/cache/",
    "tests/cli/test_kept_view.py",
    "tests/engines/test_changed_meanwhile.py",
    "tests/engines/test_head_start.py",
    "tests/engines/test_seeded_faults.py",
)
"""Tests that say what is in the cache, or what happens while a log is read for the first time."""


def pytest_configure() -> None:
    """Put the mode around before any test module takes hold of what it is put around."""
    if wanted_mode() is not None:
        from tests.caching import put_around

        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests" / "start"), str(ROOT)])
        put_around()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tracing which lines run takes as long as running them: the others alone have to reach the bar of coverage."""
    for item in items:
        if item.nodeid.startswith(NOT_TRACED) or item.get_closest_marker("hypothesis") is not None:
            item.add_marker("no_cover")


@pytest.fixture(autouse=True)
def cache_mode(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing is in the cache when a test begins."""
    mode = wanted_mode()
    if mode is None:
        yield
    elif request.node.nodeid.startswith(OF_THE_CACHE):
        del os.environ[VARIABLE]
        yield
        os.environ[VARIABLE] = mode
    else:
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {FOLDER: folder, "XDG_CACHE_HOME": folder}
            yield
            del os.environ[FOLDER]
            os.environ.pop("XDG_CACHE_HOME", None)


@pytest.fixture
def as_nobody() -> Callable[[], AbstractContextManager[None]]:
    """Lay aside the rights of root, to whom no file is closed."""

    @contextmanager
    def laid_aside() -> Iterator[None]:
        root = os.geteuid() == 0
        if root:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)

    return laid_aside


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter: the usual temporary folder is closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)
