"""The published description and the service say the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import BaseSchema, Case
from schemathesis.checks import CHECKS, load_all_checks

from attribute.ingest.app import build
from attribute.ingest.messages import ROUTES, Access
from attribute.ingest.openapi import document
from tests.ingest_http.world import World, make_world

load_all_checks()
NOT_ASKED: list[Any] = [
    # What the grammar of a schema cannot say is refused on purpose: half hours outside the window, days that are none,
    # link codes that nobody issued.
    CHECKS.get_one("positive_data_acceptance"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = make_world(tmp_path_factory.mktemp("openapi"))
    yield world
    world.store.close()


@pytest.fixture(scope="module")
def described(served: World) -> BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", build(served.service))


@pytest.mark.parametrize("path", sorted(path for path in ROUTES if "/vibescore-" not in path))
def test_every_operation_keeps_what_its_description_promises(described: BaseSchema, served: World, path: str) -> None:
    """Generated questions, good and bad: described statuses, described bodies, no 5xx, no way around the token."""

    @settings(
        max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck), derandomize=True,
    )  # fmt: skip
    @given(case=described[path][ROUTES[path].method].as_strategy())
    def holds(case: Case[Any]) -> None:
        token = served.link_code() if ROUTES[path].access is Access.LINK_CODE else served.token()
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=NOT_ASKED)

    before = len(served.records())
    holds()
    assert len(served.records()) > before


def test_document_names_every_route_with_its_method_and_its_access() -> None:
    """Nothing is served that is not described, and nothing described that is not served."""
    paths = document()["paths"]
    assert isinstance(paths, dict)
    assert set(paths) == set(ROUTES)
    for path, route in ROUTES.items():
        operation = paths[path][route.method.lower()]
        assert ("security" in operation) == (route.access is not Access.ANYONE)
