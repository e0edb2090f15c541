from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from attribute.cli.main import run
from attribute.cli.settings import LIMIT_KEYS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(```+).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    heads = (
        re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head) for head in re.findall(r"^#+ +(.+)$", prose(page), re.MULTILINE)
    )
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


def broken(page: Path) -> Iterator[str]:
    for target in LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    """No reader follows a link to a page, file or heading that is not there."""
    assert list(broken(page)) == []


def test_readme_leads_to_every_page_of_the_docs() -> None:
    """Every page can be found: from the README, or from a page that it leads to."""
    seen, ahead = {ROOT / "README.md"}, [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        for target in LINK.findall(prose(page)):
            there = (page.parent / target.partition("#")[0]).resolve()
            if there.suffix == ".md" and there.is_file() and there not in seen:
                seen.add(there)
                ahead.append(there)
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {page.name for page in seen} == set()


def test_code_names_only_pages_that_are_there() -> None:
    """A message or a comment that sends a reader to the docs sends them to a page."""
    named = {
        name
        for source in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"docs/[\w-]+\.md", source.read_text(encoding="utf-8"))
    }
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_dependencies_page_names_what_is_required_and_nothing_else() -> None:
    """The page of reasons and the list that pip reads are one list."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = dict(project["optional-dependencies"])
    ingest = extras.pop("ingest")
    at_run_time, service, others = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").split("## Extra")
    rest = [name for names in extras.values() for name in names]
    for part, wanted in ((at_run_time, project["dependencies"]), (service, ingest), (others, rest)):
        rows = re.findall(r"^\| ([\w., -]+) \|", part.split("## Tests")[0], re.MULTILINE)
        named = {name for row in rows for name in row.split(", ") if name not in {"package", "---"}}
        assert named == {re.split(r"[\[>=;]", name)[0].strip() for name in wanted}


def test_dependencies_page_says_what_each_package_of_the_tests_is_for() -> None:
    """Nothing is installed for the checks that nobody knows the reason of; and the lock has all of it."""
    wanted = {
        re.sub(r"\[.*", "", line)
        for line in (ROOT / "requirements" / "test.in").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    }
    table = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").split("## Tests only")[1]
    rows = re.findall(r"^\| ([\w., -]+) \|", table, re.MULTILINE)
    assert {name for row in rows for name in re.split(", | with ", row)} - {"package", "---"} == wanted
    lock = (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")
    locked = {name.lower().replace("_", "-") for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    assert wanted - locked == set()


def test_lock_keeps_the_markers_of_what_the_package_needs() -> None:
    """What has no wheel for a machine is not asked for there; `pip freeze` forgets that."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["ingest"]]
    marked = {re.split(r"[>\[]", each)[0]: each.partition(";")[2].strip() for each in needed if ";" in each}
    lock = (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")
    assert dict(re.findall(r"^([\w.-]+)==[^;\n]+; (.+)$", lock, re.MULTILINE)) == marked


def test_configuration_page_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """What `attribute config show` prints without a file is the table of the page, defaults included."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", page, re.MULTILINE))
    assert set(LIMIT_KEYS) < rows.keys()
    assert run(["config", "show", "--isolated", "--json"]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    shown = {
        name: f"{said['value']:g}" if isinstance(said["value"], int | float) else said["value"] or "none"
        for name, said in settings.items()
    }
    assert shown == {name: value.strip("`") for name, value in rows.items()}
