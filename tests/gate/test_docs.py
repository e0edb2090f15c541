"""What the documentation of the gate prints is what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from attribute.cli.gate_config import limits_of
from attribute.gate import GateSettings
from attribute.gate.tail import critical_count

DOCS = Path(__file__).parents[2] / "docs"
GATE = (DOCS / "gate.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["gate.md", "configuration.md"])
def test_limits_of_the_documentation_can_be_read(page: str) -> None:
    """A limit that is copied from the documentation works."""
    blocks = re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    gates = [gate for block in blocks for gate in tomllib.loads(block).get("gate", [])]
    assert limits_of(tuple(gates), None)


def test_table_of_critical_counts_is_what_is_computed() -> None:
    """The counts that fail, as printed: three windows at 0.01, a correlation of 0.002, the floor of 5 applied."""
    settings = GateSettings()
    table = GATE.split("| incident requests | usual 1 % |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert len(rows) == 5
    for total, *printed in rows:
        found = [
            critical_count(
                int(total.replace(",", "")), settings.allowed_of_incident(base), 0.002,
                settings.alpha / len(settings.spike_hours),
            )
            for base in (0.01, 0.05, 0.2, 0.5)
        ]  # fmt: skip
        assert printed == ["not even all" if one is None else f"{max(one, settings.min_unknown):,}" for one in found]


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("Windows of 1, 24 and 168 hours", GateSettings().spike_hours == (1, 24, 168)),
        ("Windows of 1, 24 and 72 hours", GateSettings().coverage_hours == (1, 24, 72)),
        ("It fails under 0.01", GateSettings().alpha == 0.01),
        ("p < 0.001; from 5 of 5", (GateSettings().coverage_alpha, GateSettings().min_healthy) == (0.001, 5)),
        ("at least seven whole days", GateSettings().min_baseline_days == 7),
        ("at most 0.5 % of them failed", GateSettings().negligible_share == 0.005),
    ],
)
def test_numbers_of_the_documentation_are_the_defaults(said: str, value: bool) -> None:
    """A changed default changes its page."""
    assert value
    assert said in " ".join(GATE.split())
