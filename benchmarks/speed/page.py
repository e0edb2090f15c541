"""Figures as tables, and the page that holds them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from benchmarks.speed.contenders import BASES, CONTENDERS
from benchmarks.speed.measure import Figures

HEAD = """# Performance

Whole processes, from their start to their end, on machine-written logs of one record per request (about 225 bytes a
line, 4 % of the requests failing or slow, ten days); a GB is four million lines. Medians of {runs} runs each, after
one that is not counted; all contenders run in turn. The machine has 2 cores. Made by

    python -m benchmarks.speed --sizes {sizes} --runs {runs} --seed {seed} --write

`attribute FILE -o json` checks every line, gives every incident request its verdict and finds the incidents. DuckDB,
ClickHouse, plain polars and the Python loop only read the same file and count by minute, function, statuses and class;
most of them cannot read a log with broken lines. The floor reads the bytes and counts the newlines. *One thread* is
`attribute` held to one processor. Ratios are to DuckDB reading the same file: the compressed one, the one with broken
lines (which it passes over). *Nothing new* and *1 % new* are second runs over what the cache holds, the latter with the
lines appended that come next; the *first run* fills the cache; all others of `attribute` run with `--no-cache`. The log
with broken lines is read after the others, for which the memory of this machine is just enough. On 10 GB ClickHouse,
polars, the Python loop and jq are run once, and compressed text is left out: of a file no more than 2 GiB are read.
"""


def table(size_gb: float, figures: Mapping[str, Figures]) -> str:
    """Return a Markdown table of one size."""
    bases = {each.name: figures.get(BASES[each.reads]) for each in CONTENDERS}
    rows = [
        f"\n## {size_gb:g} GB\n",
        "| | wall, s | processor, s | peak, MB | wall, times DuckDB | processor, times DuckDB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in figures.items():
        base = bases[name]
        ratios = ("", "") if base is None else (f"{one.wall_s / base.wall_s:.2f}", f"{one.cpu_s / base.cpu_s:.2f}")
        rows.append(f"| {name} | {one.wall_s:.2f} | {one.cpu_s:.2f} | {one.peak_mb:.0f} | {ratios[0]} | {ratios[1]} |")
    return "\n".join(rows) + "\n"


def _gain(figures: Mapping[str, Figures]) -> str:
    """Say what the second core is worth."""
    one, two = figures.get("attribute, one thread"), figures.get("attribute")
    if one is None or two is None:
        return ""
    return f"\nWith two cores `attribute` is {one.wall_s / two.wall_s:.2f} times as fast as with one.\n"


def _growth(measured: Mapping[float, Mapping[str, Figures]]) -> str:
    """Say what a gigabyte more takes."""
    sizes = sorted(size for size, figures in measured.items() if "attribute" in figures)
    rows = []
    for less, more in itertools.pairwise(sizes):
        one, other = measured[less]["attribute"], measured[more]["attribute"]
        wall_s, cpu_s = (
            (after - before) / (more - less) for before, after in ((one.wall_s, other.wall_s), (one.cpu_s, other.cpu_s))
        )
        rows.append(f"| {less:g} to {more:g} GB | {wall_s:.2f} | {cpu_s:.2f} |")
    if not rows:
        return ""
    head = ["\n## What a gigabyte more takes `attribute`\n", "| | wall, s | processor, s |", "| --- | ---: | ---: |"]
    return "\n".join([*head, *rows]) + "\n"


def page(measured: Mapping[float, Mapping[str, Figures]], *, runs: int, seed: int) -> str:
    """Return the whole page."""
    head = HEAD.format(runs=runs, seed=seed, sizes=",".join(f"{size:g}" for size in measured))
    tables = "".join(table(size, figures) + _gain(figures) for size, figures in measured.items())
    return head + tables + _growth(measured)
