"""The published description and the service say the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from schemathesis import BaseSchema

from attribute.ingest.messages import ROUTES, Access
from attribute.ingest.openapi import document
from tests.ingest_http import generated
from tests.ingest_http.world import World, make_world


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = make_world(tmp_path_factory.mktemp("openapi"))
    yield world
    world.store.close()


@pytest.fixture(scope="module")
def described(served: World) -> BaseSchema:
    return generated.described(served)


@pytest.mark.parametrize("path", generated.PATHS)
def test_every_operation_keeps_what_its_description_promises(described: BaseSchema, served: World, path: str) -> None:
    """Generated questions, good and bad: described statuses, described bodies, no 5xx, no way around the token."""
    before = len(served.records())
    generated.ask(described, served, path, examples=15)
    assert len(served.records()) > before


def test_questions_that_use_earlier_answers_keep_what_the_description_promises(
    described: BaseSchema, served: World
) -> None:
    """An epoch leads to deliveries that carry it, a page to the next one: chains of questions hold like single ones."""
    generated.walk(described, served, walks=10)


def test_document_links_lead_to_operations_that_take_what_they_carry() -> None:
    """A link names an operation of the document and parameters that it has."""
    paths = document()["paths"]
    assert isinstance(paths, dict)
    operations = {each["operationId"]: each for item in paths.values() for each in item.values()}
    carried = []
    for operation in operations.values():
        for link in operation["responses"]["200"].get("links", {}).values():
            taken = {parameter["name"] for parameter in operations[link["operationId"]]["parameters"]}
            assert set(link["parameters"]) <= taken
            carried.append((operation["operationId"], link["operationId"]))
    assert ("vibeusage-epoch", "vibeusage-ingest") in carried
    assert ("vibescore-usage-buckets", "vibescore-usage-buckets") in carried


def test_document_names_every_route_with_its_method_and_its_access() -> None:
    """Nothing is served that is not described, and nothing described that is not served."""
    paths = document()["paths"]
    assert isinstance(paths, dict)
    assert set(paths) == set(ROUTES)
    for path, route in ROUTES.items():
        operation = paths[path][route.method.lower()]
        assert ("security" in operation) == (route.access is not Access.ANYONE)
