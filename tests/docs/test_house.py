"""The page about the house, and the contracts of imports, know every room of it."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from attribute.reports.gate_writers import GATE_WRITERS
from attribute.reports.writers import WRITERS

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "src" / "attribute"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = {
    path.name.removesuffix(".py"): path
    for path in HOUSE.iterdir()
    if (path.suffix == ".py" and not path.stem.startswith("__")) or (path / "__init__.py").exists()
}


def imports(room: str) -> set[str]:
    """The other rooms that a room imports from, wherever in a module it does."""
    path = ROOMS[room]
    found = set()
    for module in path.rglob("*.py") if path.is_dir() else [path]:
        for node in ast.walk(ast.parse(module.read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.module == "attribute":
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
                found |= {name.split(".")[1] for name in names if name.startswith("attribute.")}
    return found & ROOMS.keys() - {room}


def rows() -> Iterator[tuple[str, str]]:
    """Each room of the table, with what the page says that it imports."""
    table = PAGE.split("| room | what happens there | imports |")[1].split("\n\n")[0]
    for rooms, _, told in re.findall(r"^\| (`.+?) \| (.+) \| (.+) \|$", table, re.MULTILINE):
        for room in re.findall(r"`(\w+)(?:/|\.py)`", rooms):
            yield room, told


def contract(name: str) -> dict[str, Any]:
    written = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (found,) = [each for each in written["tool"]["importlinter"]["contracts"] if each["name"].startswith(name)]
    return dict(found)


def test_page_has_a_row_for_every_room_and_for_no_other() -> None:
    """Nobody meets a module that the page does not explain."""
    assert sorted(room for room, _ in rows()) == sorted(ROOMS)


@pytest.mark.parametrize(("room", "told"), [*rows()], ids=[room for room, _ in rows()])
def test_page_says_what_a_room_imports(room: str, told: str) -> None:
    """The column of imports is what the code does."""
    names = [name for name, _ in rows()]
    if told == "all":
        return
    if told == "all above":
        assert imports(room) <= set(names[: names.index(room)])
    else:
        assert imports(room) == set(re.findall(r"`(\w+)`", told))


def test_page_names_every_output() -> None:
    """The last line of each way through the house is the table of its formats."""
    report, gate = re.findall(r"^   (text · .+)$", PAGE, re.MULTILINE)
    assert (report.split(" · "), gate.split(" · ")) == (list(WRITERS), list(GATE_WRITERS))


def test_contract_of_the_ingest_service_forbids_every_room_but_the_record() -> None:
    """A room that loads no polars is forbidden it by name, and so is one that is built tomorrow."""
    forbidden = {name for name in contract("ingest shares m1")["forbidden_modules"] if name.startswith("attribute.")}
    assert forbidden == {f"attribute.{room}" for room in ROOMS.keys() - {"ingest", "m1"}}


def test_contract_of_layers_has_every_room_but_the_service() -> None:
    """No room stands outside the one direction of imports."""
    layers = [name for layer in contract("Imports point one way")["layers"] for name in layer.split(" | ")]
    assert sorted(layers) == sorted(f"attribute.{room}" for room in ROOMS.keys() - {"ingest"})
