"""The page that says which test shows what the service does under which attack, held to the tests that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "attack-lists.md"
ROW = re.compile(r"\| ([HT][0-9]+)\.([0-9]+) \| (.+?) \| (.+?) \| `(.+)` \|")
REQUESTS, TRANSPORT = 21, 12


def rows() -> list[tuple[str, int, str, str]]:
    """Attack, variant, outcome and test of every row."""
    found = [ROW.fullmatch(line) for line in PAGE.read_text().splitlines() if re.match(r"\| [HT][0-9]", line)]
    assert None not in found
    return [(row[1], int(row[2]), row[4], row[5].replace("\\|", "|")) for row in found if row is not None]


def test_every_attack_has_its_variants_in_order() -> None:
    """No attack is left out, and no number is used twice."""
    numbered = [(attack, [row[1] for row in of]) for attack, of in groupby(rows(), key=lambda row: row[0])]
    assert [attack for attack, _ in numbered] == [
        *(f"H{number}" for number in range(1, REQUESTS + 1)),
        *(f"T{number}" for number in range(1, TRANSPORT + 1)),
    ]
    for _, variants in numbered:
        assert variants == list(range(1, len(variants) + 1))


def test_every_variant_names_a_test_that_there_is() -> None:
    """A row is a promise: its test exists under exactly that name, parameters included."""
    listing = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/ingest_http",
         "tests/ingest_store"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    collected = {line for line in listing.stdout.splitlines() if "::" in line}
    there = collected | {line.partition("[")[0] for line in collected}
    missing = []
    for attack, variant, _, named in rows():
        file, _, name = named.partition("::")
        if file.endswith("campaign.py"):
            module = import_module(file.removesuffix(".py").replace("/", "."))
            if not callable(getattr(module, name, None)):
                missing.append((attack, variant, named))
        elif named not in there:
            missing.append((attack, variant, named))
    assert missing == []


@pytest.mark.parametrize("value", ["name", "limit"])
def test_linter_refuses_sql_that_is_built_from_values(tmp_path: Path, value: str) -> None:
    """The shipped configuration finds a statement that a value is pasted into."""
    bad = tmp_path / "bad.py"
    bad.write_text(f"STATEMENT = f\"SELECT * FROM ledger WHERE source = '{{{value}}}'\"\n")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml"), str(bad)]
    done = subprocess.run([*command, "--output-format", "concise"], capture_output=True, text=True, check=False)
    assert "S608" in done.stdout
