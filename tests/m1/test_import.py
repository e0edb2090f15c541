from __future__ import annotations

import os
import subprocess
import sys

import attribute.m1
from tests.cache_mode import VARIABLE

PROGRAM = """
import sys
before = set(sys.modules)
import attribute.m1
print("\\n".join(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def test_import_loads_only_the_standard_library() -> None:
    """A service that logs M1 records pays for no data frames, no command line and no framework."""
    bare = {name: value for name, value in os.environ.items() if name != VARIABLE}  # a mode loads what it is put around
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60, env=bare
    )
    loaded = set(done.stdout.split())
    assert "attribute" in loaded
    assert loaded - sys.stdlib_module_names == {"attribute"}
    assert not loaded & {"asyncio", "logging", "socket", "subprocess", "http", "multiprocessing"}


def test_every_exported_name_exists() -> None:
    """What the package promises is there."""
    assert [name for name in attribute.m1.__all__ if not hasattr(attribute.m1, name)] == []
