from __future__ import annotations

from benchmarks.speed.__main__ import measure
from benchmarks.speed.contenders import CONTENDERS
from benchmarks.speed.page import page


def test_benchmark_of_a_tiny_log_measures_whole_processes() -> None:
    """The speed benchmark runs as it stands: it makes the log, runs the processes, and puts them on the page."""
    chosen = tuple(one for one in CONTENDERS if one.name in {"floor", "attribute"})
    figures = measure(0.001, runs=1, seed=1, contenders=chosen)
    assert list(figures) == ["floor", "attribute"]
    assert all(one.runs == 1 and one.wall_s > 0 and one.peak_mb > 1 for one in figures.values())
    assert "| attribute |" in page({0.001: figures}, runs=1, seed=1)
