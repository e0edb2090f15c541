from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from attribute.ingest.stores.relational import RelationalStore
from tests.ingest_store.helpers import postgres_store, sqlite_store
from tests.ingest_store.postgres import postgres_dsn
from tests.ingest_store.vendors import vendor_store

__all__ = ["postgres_dsn"]


@pytest.fixture(params=["sqlite", "postgres", "vendor"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RelationalStore]:
    """Each of the three stores, empty."""
    if request.param == "sqlite":
        with sqlite_store(tmp_path) as made:
            yield made
    elif request.param == "postgres":
        with postgres_store(request.getfixturevalue("postgres_dsn")) as made:
            yield made
    else:
        with vendor_store(tmp_path) as (made, _):
            yield made


@pytest.fixture(params=["sqlite", "postgres"])
def database_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RelationalStore]:
    """The two databases, empty; for what the vendor has no part in."""
    if request.param == "sqlite":
        with sqlite_store(tmp_path) as made:
            yield made
    else:
        with postgres_store(request.getfixturevalue("postgres_dsn")) as made:
            yield made
