from __future__ import annotations

from pathlib import Path

from benchmarks.reports.__main__ import measure
from benchmarks.reports.make_month import FAULTS, day


def test_benchmark_of_a_tiny_month_writes_the_report_again_from_the_cache(tmp_path: Path) -> None:
    """The benchmark of the weekly report runs as it stands, and both of its runs write the same."""
    cold, warm, size_bytes = measure(tmp_path, lines_a_day=200, runs=1, seed=1)
    assert cold.wall_s > 0
    assert warm.runs == 1
    assert 30 * 200 * 150 < size_bytes < 30 * 200 * 300
    assert "2025-W50.html" in {path.name for path in (tmp_path / "reports").iterdir()}


def test_month_of_the_benchmark_has_its_bad_stretches() -> None:
    """A report of a calm month would leave sections out and measure too little."""
    for number, _, _, function, upstream in FAULTS:
        bad = day(number, lines_a_day=5000, seed=1)
        failing = f'"function":"{function}".*"status":502.*"upstream_status":{upstream}'
        calm = day(number - 1, lines_a_day=5000, seed=1)
        assert bad.str.contains(failing).sum() > 20 + 2 * calm.str.contains(failing).sum()
